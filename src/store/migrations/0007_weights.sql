-- SPDX-License-Identifier: Apache-2.0
-- Which versions run with the weights that a training made: the file goes with the last of them.

CREATE INDEX version_of_weights ON version (
    (CASE WHEN json_valid(CAST(config AS TEXT)) THEN json_extract(CAST(config AS TEXT), '$.weights') END)
) WHERE path <> 'versions/' || id;
