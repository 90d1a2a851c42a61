-- SPDX-License-Identifier: Apache-2.0

-- {collection_columns}
c.id, c.slug, c.name, c.description, c.full_description, c.created_at;

-- collection_create(id, slug, name, description, full_description, created_at)
INSERT INTO collection (id, slug, name, description, full_description, created_at)
VALUES (:id, :slug, :name, :description, :full_description, :created_at);

-- collection_update(slug, name, description, full_description)
-- NULL leaves a member as it is.
UPDATE collection
   SET name = COALESCE(:name, name), description = COALESCE(:description, description),
       full_description = COALESCE(:full_description, full_description)
 WHERE slug = :slug;

-- collection_delete(slug)
DELETE FROM collection WHERE slug = :slug;

-- collection_get(slug)
SELECT {collection_columns} FROM collection c WHERE c.slug = :slug;

-- collection_older(id, limit)
SELECT {collection_columns} FROM collection c WHERE c.id < :id ORDER BY c.id DESC LIMIT :limit;

-- collection_newer(id, limit)
SELECT {collection_columns} FROM collection c WHERE c.id > :id ORDER BY c.id LIMIT :limit;

-- collection_all()
SELECT {collection_columns} FROM collection c ORDER BY c.id DESC;

-- collection_models(collection_id, viewer_id)
-- In the order they were added.
SELECT {model_columns}
  FROM collection_model cm
  JOIN model m ON m.id = cm.model_id
  JOIN account o ON o.id = m.owner_id
  LEFT JOIN version v ON v.seq = m.latest_seq
 WHERE cm.collection_id = :collection_id
   AND (:viewer_id IS NULL OR m.is_public = 1 OR m.owner_id = :viewer_id)
 ORDER BY cm.added_at, m.id;

-- collection_add(collection_id, model_id, added_at)
INSERT INTO collection_model (collection_id, model_id, added_at)
VALUES (:collection_id, :model_id, :added_at)
    ON CONFLICT (collection_id, model_id) DO NOTHING;

-- collection_remove(collection_id, model_id)
DELETE FROM collection_model WHERE collection_id = :collection_id AND model_id = :model_id;
