-- SPDX-License-Identifier: Apache-2.0

-- decision_add(deployment_id, id, at, instances_before, instances_after, cause, sentence, inputs)
INSERT INTO decision (deployment_id, id, at, instances_before, instances_after, cause, sentence,
                      inputs)
SELECT d.id, :id, :at, :instances_before, :instances_after, :cause, :sentence, :inputs
  FROM deployment d WHERE d.id = :deployment_id;

-- decision_prune(deployment_id, keep)
DELETE FROM decision
 WHERE deployment_id = :deployment_id
   AND id <= (SELECT id FROM decision WHERE deployment_id = :deployment_id
               ORDER BY id DESC LIMIT 1 OFFSET :keep);

-- decision_older(id, limit, deployment_id)
SELECT id, at, instances_before, instances_after, cause, sentence, inputs
  FROM decision WHERE deployment_id = :deployment_id AND id < :id
 ORDER BY id DESC LIMIT :limit;

-- decision_newer(id, limit, deployment_id)
SELECT id, at, instances_before, instances_after, cause, sentence, inputs
  FROM decision WHERE deployment_id = :deployment_id AND id > :id
 ORDER BY id LIMIT :limit;

-- traffic_add(deployment_id, until, seq, data)
INSERT INTO traffic (deployment_id, until, seq, data)
SELECT d.id, :until, :seq, :data FROM deployment d WHERE d.id = :deployment_id
ON CONFLICT (deployment_id, until, seq) DO NOTHING;

-- traffic_prune(deployment_id, before)
DELETE FROM traffic WHERE deployment_id = :deployment_id AND until < :before;

-- traffic_read(deployment_id, after)
SELECT data FROM traffic WHERE deployment_id = :deployment_id AND until >= :after
 ORDER BY until, seq;

-- learned_put(deployment_id, data)
INSERT INTO learned (deployment_id, data)
SELECT d.id, :data FROM deployment d WHERE d.id = :deployment_id
ON CONFLICT (deployment_id) DO UPDATE SET data = excluded.data;

-- learned_get(deployment_id)
SELECT data FROM learned WHERE deployment_id = :deployment_id;
