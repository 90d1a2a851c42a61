-- SPDX-License-Identifier: Apache-2.0

-- instance_create(id, pool_id, pool_is_model, version_id, version_model_id, hardware, driver,
--                 capability, gpus, release, created_at, ready_at, ended_at, end_reason, handle,
--                 setup_log, price)
INSERT INTO instance (id, pool_id, pool_is_model, version_id, version_model_id, hardware, driver,
                      capability, gpus, release, created_at, ready_at, ended_at, end_reason, handle,
                      setup_log, price)
VALUES (:id, :pool_id, :pool_is_model, :version_id, :version_model_id, :hardware, :driver,
        :capability, :gpus, :release, :created_at, :ready_at, :ended_at, :end_reason, :handle,
        :setup_log, :price);

-- instance_update(id, handle, ready_at, ended_at, end_reason, setup_log)
-- What is NULL or 0 stays as it is.
UPDATE instance
   SET handle = COALESCE(:handle, handle),
       ready_at = CASE WHEN :ready_at > 0 THEN :ready_at ELSE ready_at END,
       ended_at = CASE WHEN :ended_at > 0 THEN :ended_at ELSE ended_at END,
       end_number = CASE WHEN :ended_at > 0
                         THEN (SELECT COALESCE(MAX(i.end_number), 0) + 1 FROM instance i
                                WHERE i.pool_id = instance.pool_id)
                         ELSE end_number END,
       end_reason = COALESCE(:end_reason, end_reason),
       setup_log = COALESCE(:setup_log, setup_log)
 WHERE id = :id;

-- instance_lacks(id, metered_ms)
SELECT 1 FROM instance WHERE id = :id AND metered_ms < :metered_ms;

-- instance_prune(id)
-- What ended is kept for a while to be looked at: of each pool the hundred that ended last.
DELETE FROM instance
 WHERE pool_id = (SELECT pool_id FROM instance WHERE id = :id)
   AND end_number BETWEEN 1 AND (SELECT end_number FROM instance WHERE id = :id) - 100;

-- instance_open()
SELECT id, pool_id, pool_is_model, version_id, version_model_id, hardware, driver, capability, gpus,
       release, created_at, ready_at, ended_at, end_reason, handle, setup_log,
       metered_ms, price
  FROM instance WHERE ended_at = 0 ORDER BY id;

-- instance_ended(pool_id, limit)
SELECT id, pool_id, pool_is_model, version_id, version_model_id, hardware, driver, NULL, gpus,
       release, created_at, ready_at, ended_at, end_reason, NULL, NULL,
       metered_ms, price
  FROM instance WHERE pool_id = :pool_id AND end_number > 0 ORDER BY end_number DESC LIMIT :limit;

-- instance_get(id)
SELECT id, pool_id, pool_is_model, version_id, version_model_id, hardware, driver, capability, gpus,
       release, created_at, ready_at, ended_at, end_reason, handle, setup_log,
       metered_ms, price
  FROM instance WHERE id = :id;

-- setting_put(name, value)
INSERT INTO setting (name, value) VALUES (:name, :value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- setting_delete(name)
DELETE FROM setting WHERE name = :name;

-- setting_get(name)
SELECT value FROM setting WHERE name = :name;
