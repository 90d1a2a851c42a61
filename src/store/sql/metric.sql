-- SPDX-License-Identifier: Apache-2.0

-- metric_put(pool_id, ring, place, start, data)
INSERT INTO metric (pool_id, ring, place, start, data) VALUES (:pool_id, :ring, :place, :start, :data)
    ON CONFLICT (pool_id, ring, place) DO UPDATE SET start = excluded.start, data = excluded.data;

-- metric_of_pool(pool_id)
SELECT ring, data FROM metric WHERE pool_id = :pool_id;

-- metric_purge(before)
-- Of pools that are gone; there are few rows of each pool.
DELETE FROM metric WHERE start < :before;
