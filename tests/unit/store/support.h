/* SPDX-License-Identifier: Apache-2.0 */
/* For the store's tests: a store to work on, and the objects that others lean on. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/account.h"
#include "store/build.h"
#include "store/deployment.h"
#include "store/instance.h"
#include "store/model.h"
#include "store/prediction.h"
#include "store/store.h"

struct fixture {
    struct loop *loop;
    struct store *store;
    char dir[64]; /* of a store in a file; "" in memory */
    char path[128];
};

int memory_setup(void **state);
int file_setup(void **state);
int store_teardown(void **state);
void fixture_reopen(struct fixture *f);

void op_cleanup(void *op);
/* OP(store_model_get, get, .owner = STR("alice")): an operation that is cleaned up with its scope.
 */
#define OP(type, name, ...)                                                                        \
    CLEANUP(op_cleanup) struct type name = { .op = { .status = STATUS_OK }, ##__VA_ARGS__ }

#define run_op(f, o, type) store_run((f)->store, &(o).op, &(type))
#define assert_run(f, o, type, expected)                                                           \
    do {                                                                                           \
        enum status got_ = run_op(f, o, type);                                                     \
        if (got_ != (expected))                                                                    \
            fail_msg("%s: %s, not %s (%s)", #type, status_name(got_), status_name(expected),       \
                     (o).op.error.text);                                                           \
    } while (0)

/* Id number n of a kind ("a" account, "m" model ...), the same text each time; n counts as its
 * time. */
const char *an_id(char kind, int n);
const char *a_hash(int n); /* 64 hex digits: a version */

/* Accounts 1 "alice", 2 "bob" and 3 "acme"; models 1 alice/pub (public), 2 alice/priv, 3 bob/pub;
 * version 1 in models 1, 2 and 3, version 2 in model 1. Deployment 1 of alice: "dep" on alice/pub,
 * version 1, at most 5. */
void seed_accounts(struct fixture *f);
void seed_models(struct fixture *f);
void seed_deployment(struct fixture *f);

void add_model(struct fixture *f, int n, int owner, const char *name, bool is_public,
               int64_t created_at);
void add_version(struct fixture *f, int seq, int model, int hash);
/* Instance n of release 1 of a pool, which an account pays for at 7 billionths a second. */
void add_priced_instance(struct fixture *f, int n, const char *pool, const char *owner);
/* Prediction n by account, of deployment 1 or (deployment false) of model's version 1, created at n
 * * 1000. */
struct prediction_row a_prediction(int n, int account, bool deployment, int model);
void add_prediction(struct fixture *f, int n, int account, bool deployment, int model);
