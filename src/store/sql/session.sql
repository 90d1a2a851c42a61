-- SPDX-License-Identifier: Apache-2.0

-- session_put(hash, account_id, token_id, created_at, expires_at)
INSERT INTO session (hash, account_id, token_id, created_at, expires_at)
VALUES (:hash, :account_id, :token_id, :created_at, :expires_at)
    ON CONFLICT (hash, account_id) DO UPDATE
   SET token_id = excluded.token_id, created_at = excluded.created_at,
       expires_at = excluded.expires_at;

-- session_list(now)
-- What is still good, in the order in which the accounts signed in.
SELECT s.hash, s.account_id, t.hash, s.created_at, s.expires_at
  FROM session s JOIN token t ON t.id = s.token_id
 WHERE s.expires_at > :now AND t.revoked_at = 0
 ORDER BY s.created_at;

-- session_end(hash)
DELETE FROM session WHERE hash = :hash;

-- session_leave(hash, account_id)
DELETE FROM session WHERE hash = :hash AND account_id = :account_id;

-- session_expire(now)
DELETE FROM session WHERE expires_at <= :now;
