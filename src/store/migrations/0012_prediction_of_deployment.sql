-- SPDX-License-Identifier: Apache-2.0
-- The predictions of one deployment, as its page lists them.

CREATE INDEX prediction_of_deployment ON prediction (deployment_id, created_at, id)
    WHERE deployment_id IS NOT NULL;
