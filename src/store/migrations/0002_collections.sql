-- SPDX-License-Identifier: Apache-2.0
-- What people find models by: collections that an administrator keeps, and examples that a model's owner picks.

CREATE TABLE collection (
    id TEXT NOT NULL PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    full_description TEXT,              -- Markdown
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE collection_model (
    collection_id TEXT NOT NULL REFERENCES collection (id) ON DELETE CASCADE,
    model_id TEXT NOT NULL REFERENCES model (id) ON DELETE CASCADE,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (collection_id, model_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX collection_of_model ON collection_model (model_id);

CREATE TABLE example (
    model_id TEXT NOT NULL REFERENCES model (id) ON DELETE CASCADE,
    prediction_id TEXT NOT NULL REFERENCES prediction (id) ON DELETE CASCADE,
    PRIMARY KEY (model_id, prediction_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX example_of_prediction ON example (prediction_id);

-- A training is a prediction that runs in train mode, and what became of it.
CREATE TABLE training (
    id TEXT NOT NULL PRIMARY KEY REFERENCES prediction (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL REFERENCES account (id),
    model_id TEXT NOT NULL REFERENCES model (id) ON DELETE CASCADE, -- the destination
    destination TEXT NOT NULL,          -- "owner/name"
    version TEXT,                       -- "owner/name:id", once it is there
    failure TEXT                        -- why it could not be made
) STRICT, WITHOUT ROWID;
CREATE INDEX training_of_account ON training (account_id, id);
CREATE INDEX training_of_model ON training (model_id);
CREATE INDEX training_unfinished ON training (id) WHERE version IS NULL AND failure IS NULL;

-- A trained version has the folder of the one it was trained from.
CREATE INDEX version_of_path ON version (path);
