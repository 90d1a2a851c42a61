-- SPDX-License-Identifier: Apache-2.0

-- {release_columns}
r.number, mo.username, m.name, v.id, r.hardware, r.min_instances, r.max_instances, r.created_at,
c.id, c.type, c.username, c.name, c.github_url, c.avatar_url, c.created_at, r.ready_at, r.failed_at,
r.failure;

-- {release_joins}
JOIN version v ON v.seq = r.version_seq
JOIN model m ON m.id = v.model_id
JOIN account mo ON mo.id = m.owner_id
JOIN account c ON c.id = r.created_by;

-- {deployment_columns}
d.id, d.owner_id, o.username, d.name, d.created_at, d.last_used_at, d.lease_epoch, d.settings,
{release_columns};

-- {deployment_joins}
JOIN account o ON o.id = d.owner_id
JOIN release r ON r.deployment_id = d.id AND r.number = d.release
{release_joins};

-- deployment_create(id, owner_id, name, created_at, settings)
INSERT INTO deployment (id, owner_id, name, created_at, settings, release, lease_epoch)
VALUES (:id, :owner_id, :name, :created_at, :settings, 1, (SELECT epoch FROM lease WHERE id = 1));

-- release_create(deployment_id, number, model_id, version, hardware, min_instances, max_instances,
--                created_at, created_by)
INSERT INTO release (deployment_id, number, version_seq, hardware, min_instances, max_instances,
                     created_at, created_by)
SELECT :deployment_id, :number, v.seq, :hardware, :min_instances, :max_instances, :created_at,
       :created_by
  FROM version v WHERE v.model_id = :model_id AND v.id = :version;

-- deployment_get(owner, name)
SELECT {deployment_columns}
  FROM deployment d {deployment_joins}
 WHERE o.username = :owner AND d.name = :name;

-- deployment_by_id(id)
SELECT {deployment_columns}
  FROM deployment d {deployment_joins}
 WHERE d.id = :id;

-- deployment_older(id, limit, owner_id)
SELECT {deployment_columns}
  FROM deployment d {deployment_joins}
 WHERE d.owner_id = :owner_id AND d.id < :id
 ORDER BY d.id DESC LIMIT :limit;

-- deployment_newer(id, limit, owner_id)
SELECT {deployment_columns}
  FROM deployment d {deployment_joins}
 WHERE d.owner_id = :owner_id AND d.id > :id
 ORDER BY d.id LIMIT :limit;

-- deployment_all_older(id, limit)
SELECT {deployment_columns}
  FROM deployment d {deployment_joins}
 WHERE d.id < :id
 ORDER BY d.id DESC LIMIT :limit;

-- deployment_all_newer(id, limit)
SELECT {deployment_columns}
  FROM deployment d {deployment_joins}
 WHERE d.id > :id
 ORDER BY d.id LIMIT :limit;

-- deployment_set_release(id, number)
UPDATE deployment SET release = :number WHERE id = :id;

-- deployment_set_settings(id, settings)
UPDATE deployment SET settings = :settings WHERE id = :id;

-- deployment_use(id, now)
UPDATE deployment SET last_used_at = :now WHERE id = :id AND last_used_at < :now;

-- deployment_has_open(id)
SELECT 1 FROM prediction WHERE status < 2 AND deployment_id = :id LIMIT 1;

-- deployment_delete(id)
DELETE FROM deployment WHERE id = :id;

-- release_list(deployment_id)
SELECT {release_columns}
  FROM release r {release_joins}
 WHERE r.deployment_id = :deployment_id
 ORDER BY r.number DESC LIMIT 1000;

-- release_list_open(deployment_id)
-- The current one and those that predictions still wait for or run on.
SELECT {release_columns}
  FROM release r {release_joins}
 WHERE r.deployment_id = :deployment_id
   AND (r.number = (SELECT d.release FROM deployment d WHERE d.id = :deployment_id)
        OR EXISTS (SELECT 1 FROM prediction p
                    WHERE p.status < 2 AND p.deployment_id = r.deployment_id
                      AND p.release = r.number))
 ORDER BY r.number DESC LIMIT 1000;

-- release_mark(deployment_id, number, lease_epoch, ready_at, failed_at, failure)
-- ready_at < 0 leaves it as it is.
UPDATE release
   SET ready_at = CASE WHEN :ready_at < 0 THEN ready_at ELSE :ready_at END,
       failed_at = :failed_at, failure = :failure
 WHERE deployment_id = :deployment_id AND number = :number
   AND EXISTS (SELECT 1 FROM deployment d
                WHERE d.id = :deployment_id AND d.lease_epoch = :lease_epoch);

-- release_exists(deployment_id, number)
SELECT 1 FROM release WHERE deployment_id = :deployment_id AND number = :number;

-- lease_raise()
UPDATE lease SET epoch = epoch + 1 WHERE id = 1;

-- lease_get()
SELECT epoch FROM lease WHERE id = 1;

-- deployment_take_lease()
UPDATE deployment SET lease_epoch = (SELECT epoch FROM lease WHERE id = 1);
