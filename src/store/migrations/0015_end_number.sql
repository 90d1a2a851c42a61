-- SPDX-License-Identifier: Apache-2.0
-- In which order the instances of a pool ended. Neither ids nor times tell: both are of the clock, and
-- that may be set.

ALTER TABLE instance ADD COLUMN end_number INTEGER NOT NULL DEFAULT 0; -- 0: it has not ended
UPDATE instance
   SET end_number = (SELECT COUNT(*) FROM instance i
                      WHERE i.pool_id = instance.pool_id AND i.ended_at > 0
                        AND (i.ended_at, i.id) <= (instance.ended_at, instance.id))
 WHERE ended_at > 0;
DROP INDEX instance_of_pool;
CREATE INDEX instance_of_pool ON instance (pool_id, end_number);
