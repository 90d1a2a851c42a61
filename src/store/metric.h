/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of time of a pool (core/series), as bytes that only the same program reads. */
#pragma once

#include "store/store.h"

struct metric_row {
    const char *pool_id;
    int64_t ring, place, start;
    struct str data;
};

/* Writes rows over those that stood in their places. */
struct store_metric_put {
    struct store_op op;
    struct metric_row *rows;
    size_t n;
};
extern const struct store_op_type STORE_METRIC_PUT;

/* Of one pool; `ring` and `data` are filled in. */
struct store_metric_load {
    struct store_op op;
    const char *pool_id;
    struct metric_row *rows;
    size_t n;
};
extern const struct store_op_type STORE_METRIC_LOAD;

/* Those that are older, of whatever pool. */
struct store_metric_purge {
    struct store_op op;
    int64_t before;
};
extern const struct store_op_type STORE_METRIC_PURGE;
