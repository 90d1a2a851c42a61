/* SPDX-License-Identifier: Apache-2.0 */
#include "store/canary.h"

#include "store/ops/reader.h"

static enum status canary_put(struct db *db, struct store_op *base)
{
    struct store_canary_put *op = container_of(base, struct store_canary_put, op);
    const struct db_value args[SQL_CANARY_PUT_PARAMS] = {
        [SQL_CANARY_PUT_DEPLOYMENT_ID] = DB_V_TEXT(op->deployment_id),
        [SQL_CANARY_PUT_DATA] = DB_V_TEXT(op->data),
        [SQL_CANARY_PUT_SHADOW] = DB_V_TEXT(op->shadow),
    };

    return db_exec(db, &sql_canary_put, args, NULL, &base->error);
}

const struct store_op_type STORE_CANARY_PUT = {
    .name = "canary_put",
    .is_write = true,
    .exec = canary_put,
};

static enum status canary_get(struct db *db, struct store_op *base)
{
    struct store_canary_get *op = container_of(base, struct store_canary_get, op);
    const struct db_value args[SQL_CANARY_GET_PARAMS] = {
        [SQL_CANARY_GET_DEPLOYMENT_ID] = DB_V_TEXT(op->deployment_id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_canary_get, args, &base->arena, &base->error);

    op->data = op->shadow = NULL;
    if (s == STATUS_OK && reader_next(&r)) {
        op->data = read_text(&r);
        op->shadow = read_text(&r);
    }
    return s == STATUS_OK ? r.status : s;
}

const struct store_op_type STORE_CANARY_GET = {
    .name = "canary_get",
    .exec = canary_get,
};
