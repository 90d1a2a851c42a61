-- SPDX-License-Identifier: Apache-2.0
-- A browser's session: a row for each account that is signed in with it.

CREATE TABLE session (
    hash BLOB NOT NULL,                 -- SHA-256 of the cookie's secret
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    token_id TEXT NOT NULL REFERENCES token (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (hash, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_of_token ON session (token_id);
CREATE INDEX session_of_account ON session (account_id, created_at);
CREATE INDEX session_end ON session (expires_at);

ALTER TABLE token ADD COLUMN last_used_at INTEGER NOT NULL DEFAULT 0; -- to a minute
