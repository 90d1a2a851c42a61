/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept only for a time. */
#pragma once

#include "store/store.h"

/* Erases input, output and logs of predictions that came by the API and ended at or before
 * `ended_before` (0: of none), the oldest first, and forgets keys of repeatable requests of that
 * age; at most `limit` of each. Trainings and examples are kept. */
struct store_sweep {
    struct store_op op;
    int64_t ended_before, keys_before;
    int limit;
    const char **erased; /* ids */
    size_t n;
    size_t n_seen; /* with those that are kept */
    int64_t n_keys;
    int64_t next_ended_at; /* of the oldest that is left; 0: none */
};
extern const struct store_op_type STORE_SWEEP;

/* The same for one prediction, now. NOT_FOUND when it is not the account's, UNPROCESSABLE when it
 * has not ended. */
struct store_prediction_erase {
    struct store_op op;
    const char *id, *account_id;
};
extern const struct store_op_type STORE_PREDICTION_ERASE;
