-- SPDX-License-Identifier: Apache-2.0

-- canary_put(deployment_id, data)
INSERT INTO canary (deployment_id, data)
SELECT d.id, :data FROM deployment d WHERE d.id = :deployment_id
ON CONFLICT (deployment_id) DO UPDATE SET data = excluded.data;

-- canary_get(deployment_id)
SELECT data FROM canary WHERE deployment_id = :deployment_id;
