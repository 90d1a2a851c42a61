-- SPDX-License-Identifier: Apache-2.0
-- How much a deployment, or all of an account, may spend in a day or a month.

CREATE TABLE budget (
    id TEXT NOT NULL PRIMARY KEY,       -- of the deployment or account
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    amount INTEGER NOT NULL,            -- billionths of the unit of money
    is_monthly INTEGER NOT NULL,
    warn_percent INTEGER NOT NULL,
    webhook TEXT,
    told_level INTEGER NOT NULL,        -- what the receiver was told last: 1 warned, 2 reached
    told_period INTEGER NOT NULL        -- in which day or month: its beginning
) STRICT, WITHOUT ROWID;
