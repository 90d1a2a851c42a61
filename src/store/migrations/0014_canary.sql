-- SPDX-License-Identifier: Apache-2.0
-- The canary of a deployment that goes on, or went on last.

CREATE TABLE canary (
    deployment_id TEXT NOT NULL PRIMARY KEY REFERENCES deployment (id) ON DELETE CASCADE,
    data TEXT NOT NULL                  -- a JSON object
) STRICT, WITHOUT ROWID;
