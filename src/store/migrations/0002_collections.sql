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
