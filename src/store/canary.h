/* SPDX-License-Identifier: Apache-2.0 */
/* A deployment's canary in the store, and what its last shadow told. */
#pragma once

#include "store/store.h"

/* Nothing happens where the deployment is gone. */
struct store_canary_put {
    struct store_op op;
    const char *deployment_id;
    const char *data;   /* of canary_write() */
    const char *shadow; /* of shadow_write(); NULL: as it is */
};
extern const struct store_op_type STORE_CANARY_PUT;

struct store_canary_get {
    struct store_op op;
    const char *deployment_id;
    const char *data;   /* out; NULL: there was none */
    const char *shadow; /* likewise */
};
extern const struct store_op_type STORE_CANARY_GET;
