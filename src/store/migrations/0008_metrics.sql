-- SPDX-License-Identifier: Apache-2.0
-- What deployments did lately, in steps of time. Each ring has a fixed number of places, so that a row is written again
-- and again.

CREATE TABLE metric (
    pool_id TEXT NOT NULL,
    ring INTEGER NOT NULL,              -- minutes, quarters of an hour
    place INTEGER NOT NULL,
    start INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (pool_id, ring, place)
) STRICT, WITHOUT ROWID;
