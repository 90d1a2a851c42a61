-- SPDX-License-Identifier: Apache-2.0

-- training_create(id, account_id, model_id, destination)
INSERT INTO training (id, account_id, model_id, destination)
VALUES (:id, :account_id, :model_id, :destination);

-- training_end(id, version, failure)
UPDATE training SET version = :version, failure = :failure
 WHERE id = :id AND version IS NULL AND failure IS NULL;

-- training_unfinished()
SELECT t.id FROM training t CROSS JOIN prediction p ON p.id = t.id
 WHERE t.version IS NULL AND t.failure IS NULL AND p.status = 2;

-- training_destination(id)
SELECT model_id FROM training WHERE id = :id;

-- training_older(id, limit, account_id)
SELECT {prediction_columns}, p.input, p.output, p.logs
  FROM training tt
  JOIN prediction p ON p.id = tt.id
  {prediction_joins}
 WHERE tt.account_id = :account_id AND tt.id < :id
 ORDER BY tt.id DESC LIMIT :limit;

-- training_newer(id, limit, account_id)
SELECT {prediction_columns}, p.input, p.output, p.logs
  FROM training tt
  JOIN prediction p ON p.id = tt.id
  {prediction_joins}
 WHERE tt.account_id = :account_id AND tt.id > :id
 ORDER BY tt.id LIMIT :limit;
