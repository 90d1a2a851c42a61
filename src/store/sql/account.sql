-- SPDX-License-Identifier: Apache-2.0

-- account_create(id, type, username, name, github_url, avatar_url, webhook_secret, created_at)
INSERT INTO account (id, type, username, name, github_url, avatar_url, webhook_secret, created_at)
VALUES (:id, :type, :username, :name, :github_url, :avatar_url, :webhook_secret, :created_at);

-- account_list()
SELECT a.id, a.type, a.username, a.name, a.github_url, a.avatar_url, a.created_at
  FROM account a ORDER BY a.username;

-- account_secret(id)
SELECT webhook_secret, webhook_secret_old, webhook_old_until FROM account WHERE id = :id;

-- account_rotate(id, fresh, old_until)
UPDATE account
   SET webhook_secret_old = webhook_secret, webhook_old_until = :old_until, webhook_secret = :fresh
 WHERE id = :id;

-- token_create(id, account_id, hash, hint, label, created_at)
INSERT INTO token (id, account_id, hash, hint, label, created_at)
VALUES (:id, :account_id, :hash, :hint, :label, :created_at);

-- token_list(account_id)
SELECT id, account_id, hash, hint, label, created_at, revoked_at, last_used_at
  FROM token WHERE account_id = :account_id AND revoked_at = 0 ORDER BY id;

-- token_list_all()
SELECT id, account_id, hash, hint, label, created_at, revoked_at, last_used_at
  FROM token WHERE revoked_at = 0 ORDER BY id;

-- token_get(id)
SELECT id, account_id, hash, hint, label, created_at, revoked_at, last_used_at
  FROM token WHERE id = :id;

-- token_revoke(id, now)
UPDATE token SET revoked_at = :now WHERE id = :id AND revoked_at = 0;

-- token_use(id, now)
UPDATE token SET last_used_at = :now WHERE id = :id AND last_used_at < :now;
