-- SPDX-License-Identifier: Apache-2.0

-- budget_put(id, account_id, amount, is_monthly, warn_percent, webhook)
INSERT INTO budget (id, account_id, amount, is_monthly, warn_percent, webhook, told_level, told_period)
VALUES (:id, :account_id, :amount, :is_monthly, :warn_percent, :webhook, 0, 0)
    ON CONFLICT (id) DO UPDATE
   SET amount = excluded.amount, is_monthly = excluded.is_monthly, warn_percent = excluded.warn_percent,
       webhook = excluded.webhook, told_level = 0, told_period = 0;

-- budget_delete(id)
DELETE FROM budget WHERE id = :id;

-- budget_told(id, amount, is_monthly, warn_percent, level, period)
UPDATE budget SET told_level = :level, told_period = :period
 WHERE id = :id AND amount = :amount AND is_monthly = :is_monthly AND warn_percent = :warn_percent;

-- budget_list()
-- All of them, at start-up.
SELECT id, account_id, amount, is_monthly, warn_percent, webhook, told_level, told_period
  FROM budget ORDER BY id;

-- budget_spent_pool(id, from)
SELECT l.price, SUM(l.ms) FROM ledger l WHERE l.pool_id = :id AND l.hour >= :from GROUP BY l.price;

-- budget_spent_account(id, from)
SELECT l.price, SUM(l.ms)
  FROM ledger_pool p CROSS JOIN ledger l ON l.pool_id = p.id
 WHERE p.account_id = :id AND l.hour >= :from GROUP BY l.price;
