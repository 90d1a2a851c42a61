/* SPDX-License-Identifier: Apache-2.0 */
#include "store/metric.h"

#include "store/ops/rows.h"

static enum status put(struct db *db, const struct metric_row *row, struct error *err)
{
    const struct db_value args[SQL_METRIC_PUT_PARAMS] = {
        [SQL_METRIC_PUT_POOL_ID] = DB_V_TEXT(row->pool_id),
        [SQL_METRIC_PUT_RING] = DB_V_INT(row->ring),
        [SQL_METRIC_PUT_PLACE] = DB_V_INT(row->place),
        [SQL_METRIC_PUT_START] = DB_V_INT(row->start),
        [SQL_METRIC_PUT_DATA] = DB_V_BLOB(row->data),
    };

    return db_exec(db, &sql_metric_put, args, NULL, err);
}

static enum status metric_put(struct db *db, struct store_op *base)
{
    struct store_metric_put *op = container_of(base, struct store_metric_put, op);
    enum status s = STATUS_OK;

    for (size_t i = 0; s == STATUS_OK && i < op->n; i++)
        s = put(db, &op->rows[i], &base->error);
    return s;
}

const struct store_op_type STORE_METRIC_PUT = {
    .name = "metric_put",
    .is_write = true,
    .exec = metric_put,
};

static enum status metric_load(struct db *db, struct store_op *base)
{
    struct store_metric_load *op = container_of(base, struct store_metric_load, op);
    const struct db_value args[SQL_METRIC_OF_POOL_PARAMS] = {
        [SQL_METRIC_OF_POOL_POOL_ID] = DB_V_TEXT(op->pool_id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_metric_of_pool, args, &base->arena, &base->error);

    op->n = 0;
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        op->rows = reader_grow(&r, op->rows, op->n);
        op->rows[op->n] = (struct metric_row){ .ring = read_int(&r) };
        op->rows[op->n++].data = read_bytes(&r);
    }
    return r.status;
}

const struct store_op_type STORE_METRIC_LOAD = {
    .name = "metric_load",
    .exec = metric_load,
};

static enum status metric_purge(struct db *db, struct store_op *base)
{
    struct store_metric_purge *op = container_of(base, struct store_metric_purge, op);
    const struct db_value args[SQL_METRIC_PURGE_PARAMS] = {
        [SQL_METRIC_PURGE_BEFORE] = DB_V_INT(op->before),
    };

    return db_exec(db, &sql_metric_purge, args, NULL, &base->error);
}

const struct store_op_type STORE_METRIC_PURGE = {
    .name = "metric_purge",
    .is_write = true,
    .exec = metric_purge,
};
