-- SPDX-License-Identifier: Apache-2.0
-- What instances cost. A row is the sum of all milliseconds of an hour that are alike; where the hours
-- of a day were put together, the row of its first hour holds the day.

-- Whose it is; kept when the deployment or model is gone.
CREATE TABLE ledger_pool (
    id TEXT NOT NULL PRIMARY KEY,       -- of the deployment or model
    account_id TEXT NOT NULL,
    is_model INTEGER NOT NULL,
    name TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_pool_of_account ON ledger_pool (account_id);

CREATE TABLE ledger (
    pool_id TEXT NOT NULL,
    hour INTEGER NOT NULL,              -- its beginning, ms, UTC
    release INTEGER NOT NULL,           -- 0: a model's own pool
    hardware TEXT NOT NULL,
    price INTEGER NOT NULL,             -- billionths of the unit of money, per second
    kind INTEGER NOT NULL,              -- setup, active, idle, drain, failed
    ms INTEGER NOT NULL,
    PRIMARY KEY (pool_id, hour, release, hardware, price, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_by_hour ON ledger (hour);

-- How much of an instance's life the ledger holds, and its price: what a restarted server goes on from.
ALTER TABLE instance ADD COLUMN metered_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE instance ADD COLUMN price INTEGER NOT NULL DEFAULT -1;

-- A prediction's part of the active time, and what it cost, in 10^-12 of the unit of money.
ALTER TABLE prediction ADD COLUMN active_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE prediction ADD COLUMN cost INTEGER NOT NULL DEFAULT 0;
