-- SPDX-License-Identifier: Apache-2.0

-- {version_columns}
v.seq, v.id, v.model_id, m.owner_id, o.username, m.name, m.is_public, m.hardware, v.cog_version,
v.kind, v.schema, v.config, v.path, v.created_at;

-- {model_columns}
m.id, m.owner_id, o.username, m.name, m.is_public, m.description, m.readme, m.github_url,
m.paper_url, m.license_url, m.weights_url, m.cover_image_url, m.hardware, m.run_count, m.created_at,
m.default_example, m.latest_at, {version_columns};

-- {model_joined}
-- Left joins, though the owner is always there: they keep the model first, and so its order.
model m
LEFT JOIN account o ON o.id = m.owner_id
LEFT JOIN version v ON v.seq = m.latest_seq;

-- {model_visible}
(:viewer_id IS NULL OR m.is_public = 1 OR m.owner_id = :viewer_id)
AND (:owner IS NULL OR o.username = :owner);

-- {latest_rising}
(CASE m.latest_at WHEN 0 THEN 9223372036854775807 ELSE m.latest_at END);

-- model_create(id, owner_id, name, is_public, hardware, created_at, default_example, description,
--              github_url, paper_url, license_url, weights_url, cover_image_url, readme)
INSERT INTO model (id, owner_id, name, is_public, hardware, created_at, default_example, description,
                   github_url, paper_url, license_url, weights_url, cover_image_url, readme,
                   lease_epoch)
VALUES (:id, :owner_id, :name, :is_public, :hardware, :created_at, :default_example, :description,
        :github_url, :paper_url, :license_url, :weights_url, :cover_image_url, :readme,
        (SELECT epoch FROM lease WHERE id = 1));

-- model_get(owner, name)
SELECT {model_columns}
  FROM account o
  JOIN model m ON m.owner_id = o.id
  LEFT JOIN version v ON v.seq = m.latest_seq
 WHERE o.username = :owner AND m.name = :name;

-- model_by_created_older(id, limit, at, viewer_id, owner)
SELECT {model_columns}, m.created_at
  FROM {model_joined}
 WHERE (m.created_at, m.id) < (:at, :id) AND {model_visible}
 ORDER BY m.created_at DESC, m.id DESC LIMIT :limit;

-- model_by_created_newer(id, limit, at, viewer_id, owner)
SELECT {model_columns}, m.created_at
  FROM {model_joined}
 WHERE (m.created_at, m.id) > (:at, :id) AND {model_visible}
 ORDER BY m.created_at, m.id LIMIT :limit;

-- model_by_latest_older(id, limit, at, viewer_id, owner)
SELECT {model_columns}, m.latest_at
  FROM {model_joined}
 WHERE (m.latest_at, m.id) < (:at, :id) AND {model_visible}
 ORDER BY m.latest_at DESC, m.id DESC LIMIT :limit;

-- model_by_latest_newer(id, limit, at, viewer_id, owner)
SELECT {model_columns}, m.latest_at
  FROM {model_joined}
 WHERE (m.latest_at, m.id) > (:at, :id) AND {model_visible}
 ORDER BY m.latest_at, m.id LIMIT :limit;

-- model_by_latest_rising_older(id, limit, at, viewer_id, owner)
-- As above, but models without a version come last in the rising order. SQLite finds its way into
-- an index on an expression only by the plain comparison.
SELECT {model_columns}, {latest_rising}
  FROM {model_joined}
 WHERE {latest_rising} <= :at AND ({latest_rising}, m.id) < (:at, :id) AND {model_visible}
 ORDER BY {latest_rising} DESC, m.id DESC LIMIT :limit;

-- model_by_latest_rising_newer(id, limit, at, viewer_id, owner)
SELECT {model_columns}, {latest_rising}
  FROM {model_joined}
 WHERE {latest_rising} >= :at AND ({latest_rising}, m.id) > (:at, :id) AND {model_visible}
 ORDER BY {latest_rising}, m.id LIMIT :limit;

-- model_update(id, is_public, hardware, default_example, description, github_url, paper_url,
--              license_url, weights_url, cover_image_url, readme)
UPDATE model
   SET is_public = :is_public, hardware = :hardware, default_example = :default_example,
       description = :description, github_url = :github_url, paper_url = :paper_url,
       license_url = :license_url, weights_url = :weights_url, cover_image_url = :cover_image_url,
       readme = :readme
 WHERE id = :id;

-- model_delete(id)
DELETE FROM model WHERE id = :id;

-- model_count_run(prediction_id, model_id)
-- model_id NULL: the prediction's is looked up.
UPDATE model SET run_count = run_count + 1
 WHERE id = COALESCE(:model_id,
                     (SELECT v.model_id FROM prediction p JOIN version v ON v.seq = p.version_seq
                       WHERE p.id = :prediction_id));

-- model_set_latest_to(id, version)
UPDATE model
   SET (latest_seq, latest_at) =
       (SELECT v.seq, v.created_at FROM version v WHERE v.model_id = :id AND v.id = :version)
 WHERE id = :id;

-- model_set_latest(id)
-- Where the latest is gone: the newest version that is left, or none.
UPDATE model
   SET latest_seq = (SELECT MAX(v.seq) FROM version v WHERE v.model_id = model.id),
       latest_at = COALESCE((SELECT v.created_at FROM version v WHERE v.model_id = model.id
                              ORDER BY v.seq DESC LIMIT 1), 0)
 WHERE id = :id
   AND NOT EXISTS (SELECT 1 FROM version v WHERE v.seq = model.latest_seq);

-- model_forget_example(id, version_seq)
UPDATE model SET default_example = NULL
 WHERE id = :id
   AND default_example IN (SELECT p.id FROM prediction p WHERE p.version_seq = :version_seq
                                                           AND p.id = default_example);

-- model_take_lease()
UPDATE model SET lease_epoch = (SELECT epoch FROM lease WHERE id = 1);
