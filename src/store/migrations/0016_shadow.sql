-- SPDX-License-Identifier: Apache-2.0
-- What the deployment's last shadow has told.

ALTER TABLE canary ADD COLUMN shadow TEXT;  -- a JSON object; NULL: there never was one
