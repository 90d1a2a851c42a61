-- SPDX-License-Identifier: Apache-2.0
-- Files: uploaded ones, outputs of predictions, and copies of inputs. Their bytes lie elsewhere, under the id.

CREATE TABLE file (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    kind INTEGER NOT NULL,              -- 0 uploaded, 1 output, 2 copy of an input
    prediction_id TEXT,                 -- of outputs and inputs
    secret TEXT,                        -- of an output's address
    name TEXT NOT NULL,
    content_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    md5 TEXT NOT NULL,
    metadata BLOB,                      -- a JSON object
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL         -- 0: with its prediction
) STRICT, WITHOUT ROWID;
CREATE INDEX file_of_account ON file (account_id, id) WHERE kind = 0;
CREATE UNIQUE INDEX file_by_secret ON file (secret) WHERE secret IS NOT NULL;
CREATE INDEX file_of_prediction ON file (prediction_id) WHERE prediction_id IS NOT NULL;
CREATE INDEX file_expiring ON file (expires_at) WHERE expires_at > 0;

-- Whoever erases a prediction, or its data, erases its files: from then on they are not shown any more, and the
-- next sweep takes their bytes.
CREATE TRIGGER file_of_deleted AFTER DELETE ON prediction
BEGIN
    UPDATE file SET expires_at = 1 WHERE prediction_id = OLD.id;
END;
CREATE TRIGGER file_of_erased AFTER UPDATE OF data_removed ON prediction
WHEN NEW.data_removed <> 0 AND OLD.data_removed = 0
BEGIN
    UPDATE file SET expires_at = 1 WHERE prediction_id = NEW.id;
END;
-- The copies of inputs serve the run only.
CREATE TRIGGER file_of_ended AFTER UPDATE OF status ON prediction
WHEN NEW.status >= 2 AND OLD.status < 2
BEGIN
    UPDATE file SET expires_at = 1 WHERE prediction_id = NEW.id AND kind = 2;
END;
