/* SPDX-License-Identifier: Apache-2.0 */
/* What a deployment's scaling decided and learned, and the traffic it can be replayed from. */
#pragma once

#include "store/store.h"

struct decision_row {
    const char *id; /* 26 characters, in the order of time */
    int64_t at;
    int64_t before, after; /* instances */
    const char *cause;     /* a word */
    const char *sentence;
    const char *inputs; /* JSON object */
};

/* Adds one and forgets all but the newest `keep`. Nothing happens where the deployment is gone. */
struct store_decision_add {
    struct store_op op;
    const char *deployment_id;
    struct decision_row in;
    int64_t keep;
};
extern const struct store_op_type STORE_DECISION_ADD;

struct store_decision_list {
    struct store_op op;
    const char *deployment_id;
    struct page_query page;
    struct decision_row *rows;
    size_t n;
    struct page_info info;
};
extern const struct store_op_type STORE_DECISION_LIST;

/* Writes what was learned (p == NULL: not), adds traffic (may be empty; `until` is the creation of
 * its latest prediction, `seq` tells pieces of the same time apart), and forgets what is older than
 * `forget_before`. */
struct store_traffic_save {
    struct store_op op;
    const char *deployment_id;
    struct str learned;
    struct str traffic;
    int64_t until, seq;
    int64_t forget_before;
};
extern const struct store_op_type STORE_TRAFFIC_SAVE;

struct store_learned_get {
    struct store_op op;
    const char *deployment_id;
    struct str data; /* out; p == NULL: none */
};
extern const struct store_op_type STORE_LEARNED_GET;

/* The traffic since a time, in pieces one behind the other; a little of what was before may be
 * there. UNPROCESSABLE past `max_bytes`. */
struct store_traffic_read {
    struct store_op op;
    const char *deployment_id;
    int64_t after;
    size_t max_bytes;
    struct str data; /* out */
};
extern const struct store_op_type STORE_TRAFFIC_READ;
