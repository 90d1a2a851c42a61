-- SPDX-License-Identifier: Apache-2.0

-- canary_put(deployment_id, data, shadow)
INSERT INTO canary (deployment_id, data, shadow)
SELECT d.id, :data, :shadow FROM deployment d WHERE d.id = :deployment_id
ON CONFLICT (deployment_id) DO UPDATE
   SET data = excluded.data, shadow = COALESCE(excluded.shadow, canary.shadow);

-- canary_get(deployment_id)
SELECT data, shadow FROM canary WHERE deployment_id = :deployment_id;
