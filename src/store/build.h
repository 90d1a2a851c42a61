/* SPDX-License-Identifier: Apache-2.0 */
/* Builds (a pushed folder on its way to a version) in the store. */
#pragma once

#include "store/store.h"

struct build_row {
    const char *id; /* 26 characters */
    const char *account_id;
    const char *model_id, *model_owner, *model_name;
    const char *status;                           /* "queued", "building", "succeeded", "failed" */
    const char *step;                             /* what is being done, in words; NULL */
    const char *error;                            /* NULL */
    const char *version;                          /* NULL until it succeeded */
    int64_t created_at, started_at, completed_at; /* 0: not yet */
};

struct store_build_create {
    struct store_op op;
    struct build_row in;
};
extern const struct store_op_type STORE_BUILD_CREATE;

struct store_build_update {
    struct store_op op;
    struct build_row
        in; /* id, status, step, error, version, started_at, completed_at: all are written */
};
extern const struct store_op_type STORE_BUILD_UPDATE;

struct store_build_get {
    struct store_op op;
    const char *id;
    const char *account_id; /* NULL: any */
    struct build_row row;
};
extern const struct store_op_type STORE_BUILD_GET;

/* At start-up: builds that were under way when the server stopped become failed ("the server
 * stopped during the build; push again"). */
struct store_build_sweep {
    struct store_op op;
    int64_t now;
    int64_t n; /* out */
};
extern const struct store_op_type STORE_BUILD_SWEEP;
