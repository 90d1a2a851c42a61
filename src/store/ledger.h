/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger in the store. What is added is a batch in one transaction: rows, how much of each
 * instance's life they hold, and how much of it each prediction had. Since all three only grow by
 * what is added, in whatever order batches come, a batch that was lost with the server is missing
 * in all of them, and is counted again when the instance is found again. */
#pragma once

#include "core/ledger.h"
#include "store/store.h"

struct ledger_row {
    const char *pool_id; /* deployment id, or model id for a model's own pool */
    int64_t release;     /* 0: a model's pool, or an account's sum */
    const char *hardware;
    struct ledger_piece piece; /* `hour` is the beginning of the unit when it was read */
    /* Only read. */
    const char *pool_name;
    bool pool_is_model;
};

struct ledger_batch {
    struct ledger_row *rows;
    size_t n;
    struct ledger_counted {
        const char *instance_id;
        int64_t ms, price_nano;
    } * counted;
    size_t n_counted;
    struct ledger_charge {
        const char *prediction_id;
        int64_t ms, cost; /* 10^-12 of the unit of money */
    } * charges;
    size_t n_charges;
};

struct store_ledger_add {
    struct store_op op;
    struct ledger_batch batch;
};
extern const struct store_op_type STORE_LEDGER_ADD;

/* Rows of a time, by hour or day: of one pool, or (releases put together) of an account. */
struct store_ledger_read {
    struct store_op op;
    const char *pool_id;    /* NULL: the account's */
    const char *account_id; /* of all pools that are or were its own */
    int64_t from, to;       /* beginnings of hours; `to` is exclusive */
    int64_t unit_ms;        /* LEDGER_HOUR_MS or LEDGER_DAY_MS */
    struct ledger_row *rows;
    size_t n;
};
extern const struct store_op_type STORE_LEDGER_READ;

/* Puts hours together that ended before `before` (a day's beginning): of one pool and one day they
 * become rows of the day's first hour, alike ones one row. So many (pool, day) at a time, the
 * oldest first; what is told of whole days is the same before and afterwards. */
struct store_ledger_fold {
    struct store_op op;
    int64_t before;
    int limit;
    int n; /* out: how many it was; fewer than `limit`: there are no more */
};
extern const struct store_op_type STORE_LEDGER_FOLD;
