-- SPDX-License-Identifier: Apache-2.0

-- webhook_add(id, prediction_id, event, target, state, attempts, created_at, next_at, until)
-- No row when the prediction is gone.
INSERT INTO webhook (id, prediction_id, n, event, target, state, attempts, created_at, next_at, until)
SELECT :id, p.id, COALESCE((SELECT MAX(n) FROM webhook WHERE prediction_id = :prediction_id), 0) + 1,
       :event, :target, :state, :attempts, :created_at, :next_at, :until
  FROM prediction p WHERE p.id = :prediction_id;

-- webhook_targets()
SELECT DISTINCT target FROM webhook WHERE state = 0;

-- webhook_due(target, now, limit)
SELECT w.id, w.prediction_id, w.n, w.event, w.state, w.attempts, w.created_at, w.next_at, w.until
  FROM webhook w
 WHERE w.target = :target AND w.state = 0 AND w.next_at <= :now
 ORDER BY w.next_at LIMIT :limit;

-- webhook_next(target, now)
SELECT MIN(next_at) FROM webhook WHERE target = :target AND state = 0 AND next_at > :now;

-- webhook_attempted(id, until, state, attempts, next_at)
-- Where it was made due anew meanwhile (which moves `until`), it stays due.
UPDATE webhook
   SET state = CASE WHEN until = :until THEN :state ELSE state END,
       next_at = CASE WHEN until = :until THEN :next_at ELSE next_at END, attempts = :attempts
 WHERE id = :id;

-- webhook_attempt_add(id, number, at, took_ms, status, error)
INSERT INTO webhook_attempt (webhook_id, number, at, took_ms, status, error)
VALUES (:id, :number, :at, :took_ms, :status, :error);

-- webhook_owner(prediction_id)
SELECT account_id, webhook FROM prediction WHERE id = :prediction_id;

-- webhook_list(prediction_id)
SELECT w.id, w.prediction_id, w.n, w.event, w.state, w.attempts, w.created_at, w.next_at, w.until
  FROM webhook w WHERE w.prediction_id = :prediction_id ORDER BY w.id;

-- webhook_tries(prediction_id)
SELECT w.id, a.number, a.at, a.took_ms, a.status, a.error
  FROM webhook w JOIN webhook_attempt a ON a.webhook_id = w.id
 WHERE w.prediction_id = :prediction_id ORDER BY w.id, a.number;

-- webhook_get(prediction_id, n)
SELECT event, target FROM webhook WHERE prediction_id = :prediction_id AND n = :n;

-- webhook_resend(prediction_id, n, now, until)
UPDATE webhook SET state = 0, next_at = :now, until = :until
 WHERE prediction_id = :prediction_id AND n = :n;
