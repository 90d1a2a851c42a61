-- SPDX-License-Identifier: Apache-2.0

-- build_create(id, account_id, model_id, status, step, error, version, created_at, started_at,
--              completed_at)
INSERT INTO build (id, account_id, model_id, status, step, error, version, created_at, started_at,
                   completed_at)
VALUES (:id, :account_id, :model_id, :status, :step, :error, :version, :created_at, :started_at,
        :completed_at);

-- build_update(id, status, step, error, version, started_at, completed_at)
UPDATE build
   SET status = :status, step = :step, error = :error, version = :version,
       started_at = :started_at, completed_at = :completed_at
 WHERE id = :id;

-- build_get(id)
SELECT b.id, b.account_id, b.model_id, o.username, m.name, b.status, b.step, b.error, b.version,
       b.created_at, b.started_at, b.completed_at
  FROM build b
  JOIN model m ON m.id = b.model_id
  JOIN account o ON o.id = m.owner_id
 WHERE b.id = :id;

-- build_sweep(error, now)
UPDATE build SET status = 'failed', error = :error, completed_at = :now
 WHERE status IN ('queued', 'building');
