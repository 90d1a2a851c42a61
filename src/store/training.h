/* SPDX-License-Identifier: Apache-2.0 */
/* Trainings in the store: predictions that run in train mode, with the version that each made.
 * STORE_PREDICTION_CREATE makes one where `destination` is set. */
#pragma once

#include "store/model.h"
#include "store/prediction.h"

/* What finishing one needs. NOT_FOUND. */
struct store_training_get {
    struct store_op op;
    const char *id;
    struct prediction_row row;
    struct version_row base; /* what was trained */
    const char *model_id;    /* of the destination */
};
extern const struct store_op_type STORE_TRAINING_GET;

/* Makes the version (as STORE_VERSION_CREATE does) and notes it, or notes why there is none; with
 * it goes the message to the training's webhook. CONFLICT when that was done before. */
struct store_training_end {
    struct store_op op;
    const char *id;
    const char *failure;                     /* NULL: the version is made */
    struct version_row in;                   /* as for STORE_VERSION_CREATE */
    const char *version;                     /* "owner/name:id" */
    const char *webhook_id, *webhook_target; /* as in store_prediction_end; NULL: none */
    int64_t webhook_at, webhook_until;
};
extern const struct store_op_type STORE_TRAINING_END;

/* Those that succeeded and have neither a version nor a failure: left by an earlier server. */
struct store_training_unfinished {
    struct store_op op;
    const char **ids;
    size_t n;
};
extern const struct store_op_type STORE_TRAINING_UNFINISHED;

struct store_training_list {
    struct store_op op;
    struct page_query page;
    const char *account_id;
    size_t max_bytes;
    struct prediction_row *rows;
    size_t n;
    struct page_info info;
};
extern const struct store_op_type STORE_TRAINING_LIST;
