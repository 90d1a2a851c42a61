/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ledger.h"

#include "store/ops/rows.h"

/* The numbers are in the database. */
_Static_assert(LEDGER_SETUP == 0 && LEDGER_ACTIVE == 1 && LEDGER_IDLE == 2 && LEDGER_DRAIN == 3 &&
                   LEDGER_FAILED == 4,
               "a kind of time is stored as its number");

static enum status add_row(struct db *db, const struct ledger_row *row, struct error *err)
{
    const struct db_value args[SQL_LEDGER_ADD_PARAMS] = {
        [SQL_LEDGER_ADD_POOL_ID] = DB_V_TEXT(row->pool_id),
        [SQL_LEDGER_ADD_HOUR] = DB_V_INT(row->piece.hour),
        [SQL_LEDGER_ADD_RELEASE] = DB_V_INT(row->release),
        [SQL_LEDGER_ADD_HARDWARE] = DB_V_TEXT(row->hardware),
        [SQL_LEDGER_ADD_PRICE] = DB_V_INT(row->piece.price_nano),
        [SQL_LEDGER_ADD_KIND] = DB_V_INT(row->piece.kind),
        [SQL_LEDGER_ADD_MS] = DB_V_INT(row->piece.ms),
    };

    return db_exec(db, &sql_ledger_add, args, NULL, err);
}

static enum status count(struct db *db, const struct ledger_counted *c, struct error *err)
{
    const struct db_value args[SQL_LEDGER_COUNT_PARAMS] = {
        [SQL_LEDGER_COUNT_INSTANCE_ID] = DB_V_TEXT(c->instance_id),
        [SQL_LEDGER_COUNT_MS] = DB_V_INT(c->ms),
        [SQL_LEDGER_COUNT_PRICE] = DB_V_INT(c->price_nano),
    };

    return db_exec(db, &sql_ledger_count, args, NULL, err);
}

static enum status charge(struct db *db, const struct ledger_charge *c, struct error *err)
{
    const struct db_value args[SQL_LEDGER_CHARGE_PARAMS] = {
        [SQL_LEDGER_CHARGE_PREDICTION_ID] = DB_V_TEXT(c->prediction_id),
        [SQL_LEDGER_CHARGE_MS] = DB_V_INT(c->ms),
        [SQL_LEDGER_CHARGE_COST] = DB_V_INT(c->cost),
    };

    return db_exec(db, &sql_ledger_charge, args, NULL, err);
}

enum status ledger_write(struct db *db, const struct ledger_batch *b, struct error *err)
{
    enum status s = STATUS_OK;

    for (size_t i = 0; s == STATUS_OK && i < b->n; i++)
        s = add_row(db, &b->rows[i], err);
    for (size_t i = 0; s == STATUS_OK && i < b->n_counted; i++)
        s = count(db, &b->counted[i], err);
    for (size_t i = 0; s == STATUS_OK && i < b->n_charges; i++)
        s = charge(db, &b->charges[i], err);
    return s;
}

static enum status ledger_add(struct db *db, struct store_op *base)
{
    return ledger_write(db, &container_of(base, struct store_ledger_add, op)->batch, &base->error);
}

const struct store_op_type STORE_LEDGER_ADD = {
    .name = "ledger_add",
    .is_write = true,
    .exec = ledger_add,
};

static void read_row(struct reader *r, struct ledger_row *out)
{
    out->pool_id = read_text(r);
    out->pool_name = read_text(r);
    out->pool_is_model = read_bool(r);
    out->piece.hour = read_int(r);
    out->release = read_int(r);
    out->hardware = read_text(r);
    out->piece.price_nano = read_int(r);
    out->piece.kind = (enum ledger_kind)read_int(r);
    out->piece.ms = read_int(r);
}

static enum status ledger_read(struct db *db, struct store_op *base)
{
    struct store_ledger_read *op = container_of(base, struct store_ledger_read, op);
    const struct db_value pool[SQL_LEDGER_OF_POOL_PARAMS] = {
        [SQL_LEDGER_OF_POOL_POOL_ID] = DB_V_TEXT(op->pool_id),
        [SQL_LEDGER_OF_POOL_FROM] = DB_V_INT(op->from),
        [SQL_LEDGER_OF_POOL_TO] = DB_V_INT(op->to),
        [SQL_LEDGER_OF_POOL_UNIT] = DB_V_INT(op->unit_ms),
    };
    const struct db_value account[SQL_LEDGER_OF_ACCOUNT_PARAMS] = {
        [SQL_LEDGER_OF_ACCOUNT_ACCOUNT_ID] = DB_V_TEXT(op->account_id),
        [SQL_LEDGER_OF_ACCOUNT_FROM] = DB_V_INT(op->from),
        [SQL_LEDGER_OF_ACCOUNT_TO] = DB_V_INT(op->to),
        [SQL_LEDGER_OF_ACCOUNT_UNIT] = DB_V_INT(op->unit_ms),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, op->pool_id ? &sql_ledger_of_pool : &sql_ledger_of_account,
                                op->pool_id ? pool : account, &base->arena, &base->error);

    op->n = 0;
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        op->rows = reader_grow(&r, op->rows, op->n);
        read_row(&r, &op->rows[op->n++]);
    }
    return r.status;
}

const struct store_op_type STORE_LEDGER_READ = {
    .name = "ledger_read",
    .exec = ledger_read,
};

struct pool_day {
    const char *pool_id; /* NULL: none */
    int64_t day;
};

static enum status find_hours(struct db *db, struct store_ledger_fold *op, struct pool_day *out)
{
    const struct db_value args[SQL_LEDGER_HOURS_PARAMS] = {
        [SQL_LEDGER_HOURS_BEFORE] = DB_V_INT(op->before),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_ledger_hours, args, &op->op.arena, &op->op.error);

    *out = (struct pool_day){ 0 };
    if (s != STATUS_OK)
        return s;
    if (reader_next(&r)) {
        out->pool_id = read_text(&r);
        out->day = ledger_floor(read_int(&r), LEDGER_DAY_MS);
    }
    return r.status;
}

static enum status fold_day(struct db *db, const struct pool_day *d, struct error *err)
{
    const struct db_value fold[SQL_LEDGER_FOLD_PARAMS] = {
        [SQL_LEDGER_FOLD_POOL_ID] = DB_V_TEXT(d->pool_id),
        [SQL_LEDGER_FOLD_DAY] = DB_V_INT(d->day),
        [SQL_LEDGER_FOLD_END] = DB_V_INT(d->day + LEDGER_DAY_MS),
    };
    const struct db_value folded[SQL_LEDGER_FOLDED_PARAMS] = {
        [SQL_LEDGER_FOLDED_POOL_ID] = DB_V_TEXT(d->pool_id),
        [SQL_LEDGER_FOLDED_DAY] = DB_V_INT(d->day),
        [SQL_LEDGER_FOLDED_END] = DB_V_INT(d->day + LEDGER_DAY_MS),
    };
    enum status s = db_exec(db, &sql_ledger_fold, fold, NULL, err);

    return s == STATUS_OK ? db_exec(db, &sql_ledger_folded, folded, NULL, err) : s;
}

static enum status ledger_fold(struct db *db, struct store_op *base)
{
    struct store_ledger_fold *op = container_of(base, struct store_ledger_fold, op);
    struct pool_day d;
    enum status s = STATUS_OK;

    for (op->n = 0; s == STATUS_OK && op->n < op->limit; op->n++) {
        s = find_hours(db, op, &d);
        if (s != STATUS_OK || !d.pool_id)
            return s;
        s = fold_day(db, &d, &base->error);
    }
    return s;
}

const struct store_op_type STORE_LEDGER_FOLD = {
    .name = "ledger_fold",
    .is_write = true,
    .exec = ledger_fold,
};
