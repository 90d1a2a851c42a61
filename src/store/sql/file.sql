-- SPDX-License-Identifier: Apache-2.0

-- {file_columns}
f.id, f.account_id, f.kind, f.prediction_id, f.secret, f.name, f.content_type, f.size, f.sha256,
f.md5, f.metadata, f.created_at, f.expires_at;

-- file_create(id, account_id, kind, prediction_id, secret, name, content_type, size, sha256, md5,
--             metadata, created_at, expires_at)
INSERT INTO file (id, account_id, kind, prediction_id, secret, name, content_type, size, sha256,
                  md5, metadata, created_at, expires_at)
VALUES (:id, :account_id, :kind, :prediction_id, :secret, :name, :content_type, :size, :sha256,
        :md5, :metadata, :created_at, :expires_at);

-- file_get(id, now)
SELECT {file_columns} FROM file f
 WHERE f.id = :id AND (f.expires_at = 0 OR f.expires_at > :now);

-- file_by_secret(secret, now)
SELECT {file_columns} FROM file f
 WHERE f.secret = :secret AND (f.expires_at = 0 OR f.expires_at > :now);

-- file_older(id, limit, account_id, now)
SELECT {file_columns} FROM file f
 WHERE f.kind = 0 AND f.account_id = :account_id AND f.id < :id
   AND (f.expires_at = 0 OR f.expires_at > :now)
 ORDER BY f.id DESC LIMIT :limit;

-- file_newer(id, limit, account_id, now)
SELECT {file_columns} FROM file f
 WHERE f.kind = 0 AND f.account_id = :account_id AND f.id > :id
   AND (f.expires_at = 0 OR f.expires_at > :now)
 ORDER BY f.id LIMIT :limit;

-- file_delete(id, account_id, now)
-- It is gone for everybody; its bytes go with the next sweep.
UPDATE file SET expires_at = 1
 WHERE id = :id AND account_id = :account_id AND kind = 0
   AND (expires_at = 0 OR expires_at > :now);

-- file_of_prediction(prediction_id)
SELECT {file_columns} FROM file f
 WHERE f.prediction_id = :prediction_id AND f.kind = 1 AND f.expires_at = 0 ORDER BY f.id;

-- file_expire_outputs(prediction_id)
UPDATE file SET expires_at = 1 WHERE prediction_id = :prediction_id AND kind = 1 AND expires_at = 0;

-- file_expired(now, limit)
SELECT id FROM file
 WHERE expires_at > 0 AND expires_at <= :now ORDER BY expires_at LIMIT :limit;

-- file_next_expiry(now)
SELECT expires_at FROM file
 WHERE expires_at > 0 AND expires_at > :now ORDER BY expires_at LIMIT 1;

-- file_forget(id)
DELETE FROM file WHERE id = :id;

-- file_exists(id)
SELECT 1 FROM file WHERE id = :id;

-- file_expire_inputs(prediction_id, at)
-- The copies of its inputs served the run only.
UPDATE file SET expires_at = :at WHERE prediction_id = :prediction_id AND kind = 2;
