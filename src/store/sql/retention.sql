-- SPDX-License-Identifier: Apache-2.0

-- retention_due(before, limit)
-- With whether it is one that is kept: a training, or somebody's example.
SELECT p.id, EXISTS (SELECT 1 FROM training t WHERE t.id = p.id) OR
             EXISTS (SELECT 1 FROM example e WHERE e.prediction_id = p.id)
  FROM prediction p
 WHERE p.data_removed = 0 AND p.status >= 2 AND p.source = 'api' AND p.is_kept = 0
   AND p.completed_at <= :before
 ORDER BY p.completed_at LIMIT :limit;

-- retention_next()
SELECT MIN(completed_at) FROM prediction
 WHERE data_removed = 0 AND status >= 2 AND source = 'api' AND is_kept = 0;

-- retention_keep(id)
UPDATE prediction SET is_kept = 1 WHERE id = :id;

-- retention_erase(id)
UPDATE prediction
   SET data_removed = 1, input = NULL, sealed_input = NULL, output = NULL, logs = NULL
 WHERE id = :id AND status >= 2;

-- idempotency_find(account_id, key, after)
SELECT hash, prediction_id FROM idempotency
 WHERE account_id = :account_id AND key = :key AND created_at > :after;

-- idempotency_put(account_id, key, hash, prediction_id, now)
INSERT INTO idempotency (account_id, key, hash, prediction_id, created_at)
VALUES (:account_id, :key, :hash, :prediction_id, :now)
ON CONFLICT (account_id, key) DO UPDATE
   SET hash = excluded.hash, prediction_id = excluded.prediction_id, created_at = excluded.created_at;

-- idempotency_purge(before, limit)
DELETE FROM idempotency
 WHERE (account_id, key) IN (SELECT account_id, key FROM idempotency
                              WHERE created_at <= :before ORDER BY created_at LIMIT :limit);
