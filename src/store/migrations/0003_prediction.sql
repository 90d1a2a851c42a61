-- SPDX-License-Identifier: Apache-2.0
-- What a prediction needs after it was made: its stream is found by a secret.

CREATE INDEX prediction_of_stream ON prediction (stream_secret) WHERE stream_secret IS NOT NULL;

-- Messages to receivers of webhooks. What is pending is the outbox: the last message of a prediction is written in
-- the transaction that ends it.
CREATE TABLE webhook (
    id TEXT NOT NULL PRIMARY KEY,
    prediction_id TEXT NOT NULL REFERENCES prediction (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,                 -- number among the prediction's
    event INTEGER NOT NULL,             -- a bit of prediction.webhook_events
    target TEXT NOT NULL,               -- scheme, host and port
    state INTEGER NOT NULL,             -- 0 pending, 1 delivered, 2 given up
    attempts INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    UNIQUE (prediction_id, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_pending ON webhook (target, next_at) WHERE state = 0;

CREATE TABLE webhook_attempt (
    webhook_id TEXT NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    took_ms INTEGER NOT NULL,
    status INTEGER NOT NULL,            -- 0: there was no answer
    error TEXT,
    PRIMARY KEY (webhook_id, number)
) STRICT, WITHOUT ROWID;

-- The key before the last change signs too, until then.
ALTER TABLE account ADD COLUMN webhook_secret_old TEXT;
ALTER TABLE account ADD COLUMN webhook_old_until INTEGER NOT NULL DEFAULT 0;

-- What the retention is still to erase: all but trainings and examples, which it marks when it comes to them.
ALTER TABLE prediction ADD COLUMN is_kept INTEGER NOT NULL DEFAULT 0;
CREATE INDEX prediction_to_erase ON prediction (completed_at)
    WHERE data_removed = 0 AND status >= 2 AND source = 'api' AND is_kept = 0;

-- Requests that may be repeated: a repeat gets the prediction that the first one made.
CREATE TABLE idempotency (
    account_id TEXT NOT NULL REFERENCES account (id),
    key TEXT NOT NULL,
    hash BLOB NOT NULL,                 -- SHA-256 of path and body
    prediction_id TEXT NOT NULL REFERENCES prediction (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created_at);
CREATE INDEX idempotency_of_prediction ON idempotency (prediction_id);
