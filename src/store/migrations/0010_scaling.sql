-- SPDX-License-Identifier: Apache-2.0
-- What deployments' scaling has decided, what it has learned, and the traffic that it can be tried on.

CREATE TABLE decision (
    deployment_id TEXT NOT NULL REFERENCES deployment (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    instances_before INTEGER NOT NULL,
    instances_after INTEGER NOT NULL,
    cause TEXT NOT NULL,
    sentence TEXT NOT NULL,
    inputs TEXT NOT NULL,               -- a JSON object
    PRIMARY KEY (deployment_id, id)
) STRICT, WITHOUT ROWID;

-- 24 bytes for each prediction that ran, in the order in which they ended.
CREATE TABLE traffic (
    deployment_id TEXT NOT NULL REFERENCES deployment (id) ON DELETE CASCADE,
    until INTEGER NOT NULL,             -- no prediction of it was made later
    seq INTEGER NOT NULL,               -- tells apart what has the same time
    data BLOB NOT NULL,
    PRIMARY KEY (deployment_id, until, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE learned (
    deployment_id TEXT NOT NULL PRIMARY KEY REFERENCES deployment (id) ON DELETE CASCADE,
    data BLOB NOT NULL
) STRICT, WITHOUT ROWID;
