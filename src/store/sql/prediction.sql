-- SPDX-License-Identifier: Apache-2.0

-- {prediction_columns}
p.id, p.account_id, d.id, p.deployment, p.release, v.model_id, o.username, m.name, v.id, p.status,
p.source, p.error, p.metrics, p.predict_time, p.created_at, p.started_at, p.completed_at,
p.deadline, p.attempt, p.instance_id, p.started_long, p.webhook, p.webhook_events,
p.has_webhook_filter, p.base_url, p.stream_secret, p.data_removed, p.cancel_requested,
t.destination, t.version, t.failure, p.active_ms, p.cost;

-- {prediction_joins}
-- Left joins, though all but the deployment are always there: they keep the prediction first, and so its
-- index.
LEFT JOIN version v ON v.seq = p.version_seq
LEFT JOIN model m ON m.id = v.model_id
LEFT JOIN account o ON o.id = m.owner_id
LEFT JOIN deployment d ON d.id = p.deployment_id
LEFT JOIN training t ON t.id = p.id;

-- prediction_place(model_id, version, deployment_id)
-- Where a new one belongs: no row when the version is gone, no time when the deployment is.
SELECT v.seq, d.last_used_at
  FROM version v LEFT JOIN deployment d ON d.id = :deployment_id
 WHERE v.model_id = :model_id AND v.id = :version;

-- prediction_create(id, account_id, version_seq, deployment_id, deployment, release, status,
--                   attempt, instance_id, started_long, cancel_requested, source, created_at,
--                   started_at, completed_at, deadline, predict_time, webhook, webhook_events,
--                   has_webhook_filter, base_url, stream_secret, data_removed, error, metrics, input,
--                   output, logs, sealed_input)
-- One row by VALUES: for INSERT ... SELECT SQLite opens a statement journal each time.
INSERT INTO prediction (id, account_id, version_seq, deployment_id, deployment, release, status,
                        attempt, instance_id, started_long, cancel_requested, source, created_at,
                        started_at, completed_at, deadline, predict_time, webhook, webhook_events,
                        has_webhook_filter, base_url, stream_secret, data_removed, error, metrics,
                        input, output, logs, sealed_input)
VALUES (:id, :account_id, :version_seq, :deployment_id, :deployment, :release, :status, :attempt,
        :instance_id, :started_long, :cancel_requested, :source, :created_at, :started_at,
        :completed_at, :deadline, :predict_time, :webhook, :webhook_events, :has_webhook_filter,
        :base_url, :stream_secret, :data_removed, :error, :metrics, :input, :output, :logs,
        :sealed_input);

-- prediction_get(id)
SELECT {prediction_columns}, p.input, p.output, p.logs, p.sealed_input
  FROM prediction p {prediction_joins}
 WHERE p.id = :id;

-- prediction_of_stream(secret)
SELECT {prediction_columns}, p.input, p.output, p.logs
  FROM prediction p {prediction_joins}
 WHERE p.stream_secret = :secret;

-- prediction_created_at(id)
SELECT created_at FROM prediction WHERE id = :id;

-- prediction_older(id, limit, at, account_id, bound)
-- The key's time is clipped to the upper bound of the filter; `bound` is the lower one.
SELECT {prediction_columns}, p.input, p.output, p.logs
  FROM prediction p {prediction_joins}
 WHERE p.account_id = :account_id AND (p.created_at, p.id) < (:at, :id)
   AND p.created_at >= :bound AND t.id IS NULL
 ORDER BY p.created_at DESC, p.id DESC LIMIT :limit;

-- prediction_newer(id, limit, at, account_id, bound)
-- Likewise with the bounds exchanged.
SELECT {prediction_columns}, p.input, p.output, p.logs
  FROM prediction p {prediction_joins}
 WHERE p.account_id = :account_id AND (p.created_at, p.id) > (:at, :id)
   AND p.created_at < :bound AND t.id IS NULL
 ORDER BY p.created_at, p.id LIMIT :limit;

-- prediction_web_older(id, limit, at, account_id, bound)
SELECT {prediction_columns}, p.input, p.output, p.logs
  FROM prediction p {prediction_joins}
 WHERE p.source = 'web' AND p.account_id = :account_id AND (p.created_at, p.id) < (:at, :id)
   AND p.created_at >= :bound AND t.id IS NULL
 ORDER BY p.created_at DESC, p.id DESC LIMIT :limit;

-- prediction_web_newer(id, limit, at, account_id, bound)
SELECT {prediction_columns}, p.input, p.output, p.logs
  FROM prediction p {prediction_joins}
 WHERE p.source = 'web' AND p.account_id = :account_id AND (p.created_at, p.id) > (:at, :id)
   AND p.created_at < :bound AND t.id IS NULL
 ORDER BY p.created_at, p.id LIMIT :limit;

-- prediction_of_older(id, limit, at, account_id, bound, deployment_id, web)
-- Of one deployment; `web` 1: only those that were made by a page.
SELECT {prediction_columns}, p.input, p.output, p.logs
  FROM prediction p {prediction_joins}
 WHERE p.deployment_id = :deployment_id AND (p.created_at, p.id) < (:at, :id)
   AND p.created_at >= :bound AND p.account_id = :account_id AND t.id IS NULL
   AND (:web = 0 OR p.source = 'web')
 ORDER BY p.created_at DESC, p.id DESC LIMIT :limit;

-- prediction_of_newer(id, limit, at, account_id, bound, deployment_id, web)
SELECT {prediction_columns}, p.input, p.output, p.logs
  FROM prediction p {prediction_joins}
 WHERE p.deployment_id = :deployment_id AND (p.created_at, p.id) > (:at, :id)
   AND p.created_at < :bound AND p.account_id = :account_id AND t.id IS NULL
   AND (:web = 0 OR p.source = 'web')
 ORDER BY p.created_at, p.id LIMIT :limit;

-- prediction_open()
SELECT {prediction_columns}
  FROM prediction p {prediction_joins}
 WHERE p.status < 2
 ORDER BY p.created_at, p.id;

-- prediction_start(id, attempt, instance_id, started_long, started_at)
UPDATE prediction
   SET status = 1, attempt = :attempt, instance_id = :instance_id, started_long = :started_long,
       started_at = CASE WHEN started_at > 0 THEN started_at ELSE :started_at END
 WHERE id = :id AND status < 2 AND attempt = :attempt - 1;

-- prediction_progress(id, attempt, output, logs, cancel_requested)
UPDATE prediction
   SET output = COALESCE(:output, output), logs = COALESCE(:logs, logs),
       cancel_requested = CASE WHEN :cancel_requested = 1 THEN 1 ELSE cancel_requested END
 WHERE id = :id AND status < 2 AND (:attempt < 0 OR attempt = :attempt);

-- prediction_end(id, attempt, status, output, logs, metrics, error, predict_time, completed_at,
--                active_ms, cost, started_attempt, started_at, started_instance,
--                started_long)
-- With the record of its attempt where that was not written by itself (started_attempt > 0).
UPDATE prediction
   SET attempt = MAX(attempt, :started_attempt),
       started_at = CASE WHEN started_at > 0 THEN started_at ELSE :started_at END,
       instance_id = COALESCE(:started_instance, instance_id),
       started_long = CASE WHEN :started_attempt > 0 THEN :started_long ELSE started_long END,
       status = :status, output = :output, logs = :logs, metrics = :metrics, error = :error,
       predict_time = :predict_time, completed_at = :completed_at, sealed_input = NULL,
       active_ms = active_ms + :active_ms, cost = MIN(cost + :cost, 9000000000000000000)
 WHERE id = :id AND status < 2 AND (:attempt < 0 OR attempt = :attempt);

-- prediction_requeue(id, attempt, taken_back)
-- What the lost attempt had written is forgotten: the next one begins anew.
UPDATE prediction
   SET attempt = attempt - :taken_back, instance_id = NULL, started_long = 0, output = NULL,
       logs = NULL
 WHERE id = :id AND status < 2 AND attempt = :attempt AND attempt > 0;

-- prediction_has_version(id, version)
-- Whether the prediction's model has that version.
SELECT 1
  FROM prediction p
  JOIN version x ON x.seq = p.version_seq
  JOIN version v ON v.model_id = x.model_id
 WHERE p.id = :id AND v.id = :version;

-- prediction_rebind(id, release, version)
-- Only one that waits. NULL keeps the version; otherwise its model has it.
UPDATE prediction
   SET release = :release,
       version_seq = CASE WHEN :version IS NULL THEN version_seq ELSE
           (SELECT v.seq FROM version x JOIN version v ON v.model_id = x.model_id
             WHERE x.seq = prediction.version_seq AND v.id = :version) END
 WHERE id = :id AND status < 2 AND instance_id IS NULL;

-- prediction_state(id)
SELECT status, attempt, instance_id FROM prediction WHERE id = :id;

-- prediction_runs(id, attempt)
SELECT 1 FROM prediction
 WHERE id = :id AND status < 2 AND attempt = :attempt AND instance_id IS NOT NULL;
