-- SPDX-License-Identifier: Apache-2.0

-- example_older(id, limit, model_id)
SELECT {prediction_columns}, p.input, p.output, p.logs
  FROM example e
  JOIN prediction p ON p.id = e.prediction_id
  {prediction_joins}
 WHERE e.model_id = :model_id AND e.prediction_id < :id
 ORDER BY e.prediction_id DESC LIMIT :limit;

-- example_newer(id, limit, model_id)
SELECT {prediction_columns}, p.input, p.output, p.logs
  FROM example e
  JOIN prediction p ON p.id = e.prediction_id
  {prediction_joins}
 WHERE e.model_id = :model_id AND e.prediction_id > :id
 ORDER BY e.prediction_id LIMIT :limit;

-- example_add(model_id, prediction_id)
INSERT INTO example (model_id, prediction_id) VALUES (:model_id, :prediction_id)
    ON CONFLICT (model_id, prediction_id) DO NOTHING;

-- example_remove(model_id, prediction_id)
DELETE FROM example WHERE model_id = :model_id AND prediction_id = :prediction_id;

-- example_set_default(model_id)
-- The one that is shown with the model stays while it is one; else the oldest takes its place.
UPDATE model
   SET default_example = COALESCE(
           (SELECT e.prediction_id FROM example e
             WHERE e.model_id = model.id AND e.prediction_id = model.default_example),
           (SELECT MIN(e.prediction_id) FROM example e WHERE e.model_id = model.id))
 WHERE id = :model_id;

-- example_forget(prediction_id)
DELETE FROM example WHERE prediction_id = :prediction_id;

-- example_forget_default(prediction_id)
-- After example_forget: the oldest of those that are left takes its place.
UPDATE model
   SET default_example = (SELECT MIN(e.prediction_id) FROM example e WHERE e.model_id = model.id)
 WHERE default_example = :prediction_id;
