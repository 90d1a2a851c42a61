-- SPDX-License-Identifier: Apache-2.0

-- ledger_pool_put(id, account_id, is_model, name)
INSERT INTO ledger_pool (id, account_id, is_model, name) VALUES (:id, :account_id, :is_model, :name)
    ON CONFLICT (id) DO NOTHING;

-- ledger_add(pool_id, hour, release, hardware, price, kind, ms)
INSERT INTO ledger (pool_id, hour, release, hardware, price, kind, ms)
VALUES (:pool_id, :hour, :release, :hardware, :price, :kind, :ms)
    ON CONFLICT (pool_id, hour, release, hardware, price, kind) DO UPDATE SET ms = ms + excluded.ms;

-- ledger_count(instance_id, ms, price)
UPDATE instance SET metered_ms = metered_ms + :ms, price = :price WHERE id = :instance_id;

-- ledger_charge(prediction_id, ms, cost)
UPDATE prediction SET active_ms = active_ms + :ms, cost = MIN(cost + :cost, 9000000000000000000) WHERE id = :prediction_id;

-- ledger_of_pool(pool_id, from, to, unit)
SELECT l.pool_id, p.name, p.is_model, l.hour - l.hour % :unit, l.release, l.hardware, l.price, l.kind,
       SUM(l.ms)
  FROM ledger l JOIN ledger_pool p ON p.id = l.pool_id
 WHERE l.pool_id = :pool_id AND l.hour >= :from AND l.hour < :to
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 HAVING SUM(l.ms) <> 0
 ORDER BY 4, 5, 6, 7, 8;

-- ledger_of_account(account_id, from, to, unit)
-- Releases are put together: what an account is shown has no room for them.
SELECT l.pool_id, p.name, p.is_model, l.hour - l.hour % :unit, 0, l.hardware, l.price, l.kind,
       SUM(l.ms)
  FROM ledger_pool p CROSS JOIN ledger l ON l.pool_id = p.id
 WHERE p.account_id = :account_id AND l.hour >= :from AND l.hour < :to
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 HAVING SUM(l.ms) <> 0
 ORDER BY 4, 3, 2, 6, 7, 8;

-- ledger_hours(before)
-- The oldest hour that is not yet a part of its day's row; the index has only such hours.
SELECT pool_id, hour FROM ledger WHERE hour % 86400000 <> 0 AND hour < :before ORDER BY hour LIMIT 1;

-- ledger_fold(pool_id, day, end)
INSERT INTO ledger (pool_id, hour, release, hardware, price, kind, ms)
SELECT pool_id, :day, release, hardware, price, kind, SUM(ms)
  FROM ledger WHERE pool_id = :pool_id AND hour > :day AND hour < :end
 GROUP BY pool_id, release, hardware, price, kind
    ON CONFLICT (pool_id, hour, release, hardware, price, kind) DO UPDATE SET ms = ms + excluded.ms;

-- ledger_folded(pool_id, day, end)
DELETE FROM ledger WHERE pool_id = :pool_id AND hour > :day AND hour < :end;
