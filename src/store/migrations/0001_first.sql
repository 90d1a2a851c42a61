-- SPDX-License-Identifier: Apache-2.0
-- Times are milliseconds since 1970, 0 where the thing has not happened yet. JSON is text in BLOB.
-- Keys are ids of 26 characters that sort by time, so that new rows go to the end of every tree.

CREATE TABLE account (
    id TEXT NOT NULL PRIMARY KEY,
    type INTEGER NOT NULL,              -- 0 user, 1 organization
    username TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    github_url TEXT,
    avatar_url TEXT,
    webhook_secret TEXT,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    hash BLOB NOT NULL UNIQUE,          -- SHA-256 of the token
    hint TEXT NOT NULL,
    label TEXT,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX token_of_account ON token (account_id, id);

-- The epoch of the server that may write run state; raised when a server starts.
CREATE TABLE lease (
    id INTEGER NOT NULL PRIMARY KEY,
    epoch INTEGER NOT NULL
) STRICT;
INSERT INTO lease (id, epoch) VALUES (1, 0);

CREATE TABLE model (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    is_public INTEGER NOT NULL,
    hardware TEXT NOT NULL,
    run_count INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    latest_seq TEXT,                    -- of version; NULL: none
    latest_at INTEGER NOT NULL DEFAULT 0,
    lease_epoch INTEGER NOT NULL DEFAULT 0,
    default_example TEXT,               -- id of a prediction
    description TEXT,
    github_url TEXT,
    paper_url TEXT,
    license_url TEXT,
    weights_url TEXT,
    cover_image_url TEXT,
    readme TEXT,
    UNIQUE (owner_id, name)
) STRICT;
CREATE INDEX model_by_created ON model (created_at, id);
CREATE INDEX model_by_latest ON model (latest_at, id);
-- Models without a version come last when the oldest come first, too.
CREATE INDEX model_by_latest_rising
    ON model ((CASE latest_at WHEN 0 THEN 9223372036854775807 ELSE latest_at END), id);

CREATE TABLE version (
    seq TEXT NOT NULL PRIMARY KEY,
    model_id TEXT NOT NULL REFERENCES model (id) ON DELETE CASCADE,
    id TEXT NOT NULL,                   -- 64 hex digits, from the content
    cog_version TEXT NOT NULL,
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    config BLOB,
    schema BLOB,
    UNIQUE (model_id, id)
) STRICT;
CREATE INDEX version_by_id ON version (id);
CREATE INDEX version_of_model ON version (model_id, seq);

CREATE TABLE deployment (
    id TEXT NOT NULL PRIMARY KEY,
    owner_id TEXT NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL DEFAULT 0,
    lease_epoch INTEGER NOT NULL DEFAULT 0,
    release INTEGER NOT NULL,           -- number of the current one
    settings TEXT NOT NULL DEFAULT '{}',
    UNIQUE (owner_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX deployment_of_owner ON deployment (owner_id, id);

CREATE TABLE release (
    deployment_id TEXT NOT NULL REFERENCES deployment (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    version_seq TEXT NOT NULL REFERENCES version (seq),
    hardware TEXT NOT NULL,
    min_instances INTEGER NOT NULL,
    max_instances INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL REFERENCES account (id),
    ready_at INTEGER NOT NULL DEFAULT 0,
    failed_at INTEGER NOT NULL DEFAULT 0,
    failure TEXT,
    PRIMARY KEY (deployment_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX release_of_version ON release (version_seq);

-- The deployment may be gone while its predictions are kept: hence its name, and no foreign key.
CREATE TABLE prediction (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    version_seq TEXT NOT NULL REFERENCES version (seq) ON DELETE CASCADE,
    deployment_id TEXT,
    deployment TEXT,
    release INTEGER NOT NULL,
    status INTEGER NOT NULL,            -- 0 starting, 1 processing; from 2 on terminal
    attempt INTEGER NOT NULL,
    instance_id TEXT,
    started_long INTEGER NOT NULL,
    cancel_requested INTEGER NOT NULL,
    source TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    completed_at INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    predict_time REAL NOT NULL,         -- seconds; < 0: unknown
    webhook TEXT,
    webhook_events INTEGER NOT NULL,
    has_webhook_filter INTEGER NOT NULL,
    base_url TEXT NOT NULL,
    stream_secret TEXT,
    data_removed INTEGER NOT NULL,
    error TEXT,
    metrics BLOB,
    input BLOB,                         -- with its secrets masked
    sealed_input BLOB,                  -- the unmasked one, encrypted; gone with the end
    output BLOB,
    logs BLOB
) STRICT;
CREATE INDEX prediction_of_account ON prediction (account_id, created_at, id);
CREATE INDEX prediction_of_account_web ON prediction (account_id, created_at, id)
    WHERE source = 'web';
CREATE INDEX prediction_of_version ON prediction (version_seq, account_id);
CREATE INDEX prediction_open ON prediction (deployment_id, release) WHERE status < 2;

CREATE TABLE instance (
    id TEXT NOT NULL PRIMARY KEY,
    pool_id TEXT NOT NULL,
    pool_is_model INTEGER NOT NULL,
    version_id TEXT NOT NULL,
    version_model_id TEXT NOT NULL,
    hardware TEXT NOT NULL,
    driver TEXT NOT NULL,
    capability TEXT NOT NULL,
    gpus TEXT,
    release INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    ready_at INTEGER NOT NULL DEFAULT 0,
    ended_at INTEGER NOT NULL DEFAULT 0,
    end_reason TEXT,
    handle BLOB,
    setup_log BLOB
) STRICT;
CREATE INDEX instance_open ON instance (id) WHERE ended_at = 0;
CREATE INDEX instance_of_pool ON instance (pool_id, id);

CREATE TABLE build (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    model_id TEXT NOT NULL REFERENCES model (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    step TEXT,
    error TEXT,
    version TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    completed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX build_of_model ON build (model_id);
CREATE INDEX build_open ON build (id) WHERE status IN ('queued', 'building');

-- Small facts of the server itself.
CREATE TABLE setting (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
