/* SPDX-License-Identifier: Apache-2.0 */
#include "store/budget.h"

#include "store/ops/rows.h"

static enum status budget_spent(struct db *db, struct store_op *base)
{
    struct store_budget_spent *op = container_of(base, struct store_budget_spent, op);
    const struct db_value pool[SQL_BUDGET_SPENT_POOL_PARAMS] = {
        [SQL_BUDGET_SPENT_POOL_ID] = DB_V_TEXT(op->id),
        [SQL_BUDGET_SPENT_POOL_FROM] = DB_V_INT(op->from),
    };
    const struct db_value account[SQL_BUDGET_SPENT_ACCOUNT_PARAMS] = {
        [SQL_BUDGET_SPENT_ACCOUNT_ID] = DB_V_TEXT(op->id),
        [SQL_BUDGET_SPENT_ACCOUNT_FROM] = DB_V_INT(op->from),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s =
        reader_open(&r, db, op->is_account ? &sql_budget_spent_account : &sql_budget_spent_pool,
                    op->is_account ? account : pool, &base->arena, &base->error);

    op->spent = 0;
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        __int128 price = read_int(&r);

        op->spent += price * read_int(&r);
    }
    return r.status;
}

const struct store_op_type STORE_BUDGET_SPENT = {
    .name = "budget_spent",
    .exec = budget_spent,
};

static enum status budget_put(struct db *db, struct store_op *base)
{
    struct store_budget_put *op = container_of(base, struct store_budget_put, spent.op);
    const struct budget_row *b = &op->in;
    const struct db_value put[SQL_BUDGET_PUT_PARAMS] = {
        [SQL_BUDGET_PUT_ID] = DB_V_TEXT(op->spent.id),
        [SQL_BUDGET_PUT_ACCOUNT_ID] = DB_V_TEXT(b->account_id),
        [SQL_BUDGET_PUT_AMOUNT] = DB_V_INT(b->terms.amount_nano),
        [SQL_BUDGET_PUT_IS_MONTHLY] = DB_V_INT(b->terms.is_monthly),
        [SQL_BUDGET_PUT_WARN_PERCENT] = DB_V_INT(b->terms.warn_percent),
        [SQL_BUDGET_PUT_WEBHOOK] = DB_V_TEXT(b->webhook),
    };
    const struct db_value remove[SQL_BUDGET_DELETE_PARAMS] = {
        [SQL_BUDGET_DELETE_ID] = DB_V_TEXT(op->spent.id),
    };
    enum status s = op->remove ? db_exec(db, &sql_budget_delete, remove, NULL, &base->error)
                               : db_exec(db, &sql_budget_put, put, NULL, &base->error);

    return s == STATUS_OK ? budget_spent(db, base) : s;
}

const struct store_op_type STORE_BUDGET_PUT = {
    .name = "budget_put",
    .is_write = true,
    .exec = budget_put,
};

static enum status budget_told(struct db *db, struct store_op *base)
{
    struct store_budget_told *op = container_of(base, struct store_budget_told, op);
    const struct db_value args[SQL_BUDGET_TOLD_PARAMS] = {
        [SQL_BUDGET_TOLD_ID] = DB_V_TEXT(op->id),
        [SQL_BUDGET_TOLD_AMOUNT] = DB_V_INT(op->terms.amount_nano),
        [SQL_BUDGET_TOLD_IS_MONTHLY] = DB_V_INT(op->terms.is_monthly),
        [SQL_BUDGET_TOLD_WARN_PERCENT] = DB_V_INT(op->terms.warn_percent),
        [SQL_BUDGET_TOLD_LEVEL] = DB_V_INT(op->level),
        [SQL_BUDGET_TOLD_PERIOD] = DB_V_INT(op->period),
    };

    return db_exec(db, &sql_budget_told, args, NULL, &base->error);
}

const struct store_op_type STORE_BUDGET_TOLD = {
    .name = "budget_told",
    .is_write = true,
    .exec = budget_told,
};

static enum status budget_list(struct db *db, struct store_op *base)
{
    struct store_budget_list *op = container_of(base, struct store_budget_list, op);
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_budget_list, NULL, &base->arena, &base->error);

    op->n = 0;
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        struct budget_row *b;

        op->rows = reader_grow(&r, op->rows, op->n);
        b = &op->rows[op->n++];
        *b = (struct budget_row){ .id = read_text(&r) };
        b->account_id = read_text(&r);
        b->terms.amount_nano = read_int(&r);
        b->terms.is_monthly = read_bool(&r);
        b->terms.warn_percent = read_int(&r);
        b->webhook = read_text(&r);
        b->told_level = (enum budget_level)read_int(&r);
        b->told_period = read_int(&r);
    }
    return r.status;
}

const struct store_op_type STORE_BUDGET_LIST = {
    .name = "budget_list",
    .exec = budget_list,
};
