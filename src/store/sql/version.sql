-- SPDX-License-Identifier: Apache-2.0

-- {version_joined}
version v
JOIN model m ON m.id = v.model_id
JOIN account o ON o.id = m.owner_id;

-- version_create(seq, model_id, id, cog_version, kind, path, created_at, config, schema)
-- No row when the model has this content already.
INSERT INTO version (seq, model_id, id, cog_version, kind, path, created_at, config, schema)
VALUES (:seq, :model_id, :id, :cog_version, :kind, :path, :created_at, :config, :schema)
    ON CONFLICT (model_id, id) DO NOTHING;

-- version_model_exists(model_id)
SELECT 1 FROM model WHERE id = :model_id;

-- version_get(owner, name, id)
SELECT {version_columns}
  FROM {version_joined}
 WHERE o.username = :owner AND m.name = :name AND v.id = :id;

-- version_latest(owner, name)
SELECT {version_columns}
  FROM account o
  JOIN model m ON m.owner_id = o.id
  JOIN version v ON v.seq = m.latest_seq
 WHERE o.username = :owner AND m.name = :name;

-- version_of_model(model_id, id)
SELECT {version_columns}
  FROM {version_joined}
 WHERE v.model_id = :model_id AND v.id = :id;

-- version_bare(id, viewer_id)
-- The viewer's own model first, then the oldest public one.
SELECT {version_columns}
  FROM {version_joined}
 WHERE v.id = :id AND (:viewer_id IS NULL OR m.is_public = 1 OR m.owner_id = :viewer_id)
 ORDER BY CASE WHEN m.owner_id = :viewer_id THEN 0 WHEN m.is_public = 1 THEN 1 ELSE 2 END,
          m.created_at, m.id
 LIMIT 1;

-- version_find(id, model_id)
SELECT {version_columns}
  FROM {version_joined}
 WHERE v.id = :id AND (:model_id IS NULL OR v.model_id = :model_id)
 ORDER BY v.seq LIMIT 1;

-- version_older(seq, limit, model_id)
SELECT {version_columns}
  FROM {version_joined}
 WHERE v.model_id = :model_id AND v.seq < :seq
 ORDER BY v.seq DESC LIMIT :limit;

-- version_newer(seq, limit, model_id)
SELECT {version_columns}
  FROM {version_joined}
 WHERE v.model_id = :model_id AND v.seq > :seq
 ORDER BY v.seq LIMIT :limit;

-- version_any(model_id)
SELECT 1 FROM version WHERE model_id = :model_id LIMIT 1;

-- version_released(seq)
SELECT o.username, d.name
  FROM release r
  JOIN deployment d ON d.id = r.deployment_id
  JOIN account o ON o.id = d.owner_id
 WHERE r.version_seq = :seq LIMIT 1;

-- version_run_by_others(seq, owner_id)
SELECT 1 FROM prediction WHERE version_seq = :seq AND account_id < :owner_id
UNION ALL
SELECT 1 FROM prediction WHERE version_seq = :seq AND account_id > :owner_id
LIMIT 1;

-- version_has_open(seq)
SELECT 1 FROM prediction WHERE status < 2 AND version_seq = :seq LIMIT 1;

-- version_is_base(path, id)
SELECT 1 FROM version WHERE path = :path AND id <> :id LIMIT 1;

-- version_of_weights(weights)
SELECT 1 FROM version
 WHERE path <> 'versions/' || id
   AND (CASE WHEN json_valid(CAST(config AS TEXT)) THEN json_extract(CAST(config AS TEXT), '$.weights') END) = :weights
 LIMIT 1;

-- version_delete(seq)
DELETE FROM version WHERE seq = :seq;

-- version_content_used(id)
SELECT 1 FROM version WHERE id = :id LIMIT 1;
