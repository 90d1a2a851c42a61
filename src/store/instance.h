/* SPDX-License-Identifier: Apache-2.0 */
/* Instances in the store: enough to find them again after a restart, and what each second of theirs
 * was. */
#pragma once

#include "store/store.h"

struct instance_row {
    const char *id;      /* 26 characters */
    const char *pool_id; /* deployment id, or model id for a model's own pool */
    bool pool_is_model;
    const char *version_id; /* 64 hex */
    const char *version_model_id;
    const char *hardware;
    const char *driver;     /* "process" */
    struct str handle;      /* the driver's own JSON, to recover it; p == NULL before launch */
    const char *capability; /* secret path segment of its internal addresses */
    const char *gpus;       /* "0,1"; NULL */
    int64_t created_at, ready_at, ended_at; /* 0: not yet */
    const char *end_reason;                 /* NULL while it lives */
    int64_t release;      /* that was current when it booted; 0 for a model's pool */
    struct str setup_log; /* kept at its end; p == NULL */
    int64_t metered_ms;   /* what the ledger holds of its life */
    int64_t price_nano;   /* that it had last; -1: not known */
};

/* The ledger remembers whose pool it is (`account_id` and `pool_name`). */
struct store_instance_create {
    struct store_op op;
    struct instance_row in;
    const char *account_id, *pool_name;
};
extern const struct store_op_type STORE_INSTANCE_CREATE;

/* Sets what is given: handle.p, ready_at, ended_at and end_reason and setup_log. CONFLICT while the
 * ledger holds less of its life than `in.metered_ms`: behind the record of an end nobody counts it
 * again. */
struct store_instance_update {
    struct store_op op;
    struct instance_row in; /* id and the above */
};
extern const struct store_op_type STORE_INSTANCE_UPDATE;

/* Those that have not ended: what a restarted server looks for. */
struct store_instance_open {
    struct store_op op;
    struct instance_row *rows;
    size_t n;
};
extern const struct store_op_type STORE_INSTANCE_OPEN;

/* Those that ended (the last hundred are kept), in the order of their ends and the last first,
 * without capability, handle and setup_log. */
struct store_instance_ended {
    struct store_op op;
    const char *pool_id;
    int limit;
    struct instance_row *rows;
    size_t n;
};
extern const struct store_op_type STORE_INSTANCE_ENDED;

/* NOT_FOUND when the pool had none such. */
struct store_instance_get {
    struct store_op op;
    const char *id, *pool_id;
    struct instance_row row;
};
extern const struct store_op_type STORE_INSTANCE_GET;

/* Small facts of the server itself: "internal_port", "key". NULL value deletes. */
struct store_setting_put {
    struct store_op op;
    const char *name, *value;
};
extern const struct store_op_type STORE_SETTING_PUT;

struct store_setting_get {
    struct store_op op;
    const char *name;
    const char *value; /* out; NULL: not set */
};
extern const struct store_op_type STORE_SETTING_GET;
