/* SPDX-License-Identifier: Apache-2.0 */
#include "store/build.h"

#include "store/ops/rows.h"

static enum status build_create(struct db *db, struct store_op *base)
{
    struct store_build_create *op = container_of(base, struct store_build_create, op);
    const struct build_row *b = &op->in;
    const struct db_value args[SQL_BUILD_CREATE_PARAMS] = {
        [SQL_BUILD_CREATE_ID] = DB_V_TEXT(b->id),
        [SQL_BUILD_CREATE_ACCOUNT_ID] = DB_V_TEXT(b->account_id),
        [SQL_BUILD_CREATE_MODEL_ID] = DB_V_TEXT(b->model_id),
        [SQL_BUILD_CREATE_STATUS] = DB_V_TEXT(b->status),
        [SQL_BUILD_CREATE_STEP] = DB_V_TEXT(b->step),
        [SQL_BUILD_CREATE_ERROR] = DB_V_TEXT(b->error),
        [SQL_BUILD_CREATE_VERSION] = DB_V_TEXT(b->version),
        [SQL_BUILD_CREATE_CREATED_AT] = DB_V_INT(b->created_at),
        [SQL_BUILD_CREATE_STARTED_AT] = DB_V_INT(b->started_at),
        [SQL_BUILD_CREATE_COMPLETED_AT] = DB_V_INT(b->completed_at),
    };
    const struct db_value model[SQL_VERSION_MODEL_EXISTS_PARAMS] = {
        [SQL_VERSION_MODEL_EXISTS_MODEL_ID] = DB_V_TEXT(b->model_id),
    };
    bool found = false;
    enum status s = db_exists(db, &sql_version_model_exists, model, &found, &base->error);

    if (s != STATUS_OK)
        return s;
    if (!found)
        return FAIL(&base->error, STATUS_NOT_FOUND, "the model does not exist any more");
    return db_exec(db, &sql_build_create, args, NULL, &base->error);
}

const struct store_op_type STORE_BUILD_CREATE = {
    .name = "build_create",
    .is_write = true,
    .exec = build_create,
};

static enum status build_update(struct db *db, struct store_op *base)
{
    struct store_build_update *op = container_of(base, struct store_build_update, op);
    const struct build_row *b = &op->in;
    const struct db_value args[SQL_BUILD_UPDATE_PARAMS] = {
        [SQL_BUILD_UPDATE_ID] = DB_V_TEXT(b->id),
        [SQL_BUILD_UPDATE_STATUS] = DB_V_TEXT(b->status),
        [SQL_BUILD_UPDATE_STEP] = DB_V_TEXT(b->step),
        [SQL_BUILD_UPDATE_ERROR] = DB_V_TEXT(b->error),
        [SQL_BUILD_UPDATE_VERSION] = DB_V_TEXT(b->version),
        [SQL_BUILD_UPDATE_STARTED_AT] = DB_V_INT(b->started_at),
        [SQL_BUILD_UPDATE_COMPLETED_AT] = DB_V_INT(b->completed_at),
    };
    int64_t changed = 0;
    enum status s = db_exec(db, &sql_build_update, args, &changed, &base->error);

    if (s == STATUS_OK && changed == 0)
        return FAIL(&base->error, STATUS_NOT_FOUND, "no such build");
    return s;
}

const struct store_op_type STORE_BUILD_UPDATE = {
    .name = "build_update",
    .is_write = true,
    .exec = build_update,
};

static void read_build(struct reader *r, struct build_row *out)
{
    out->id = read_text(r);
    out->account_id = read_text(r);
    out->model_id = read_text(r);
    out->model_owner = read_text(r);
    out->model_name = read_text(r);
    out->status = read_text(r);
    out->step = read_text(r);
    out->error = read_text(r);
    out->version = read_text(r);
    out->created_at = read_int(r);
    out->started_at = read_int(r);
    out->completed_at = read_int(r);
}

static enum status build_get(struct db *db, struct store_op *base)
{
    struct store_build_get *op = container_of(base, struct store_build_get, op);
    const struct db_value args[SQL_BUILD_GET_PARAMS] = { [SQL_BUILD_GET_ID] = DB_V_TEXT(op->id) };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_build_get, args, &base->arena, &base->error);

    if (s != STATUS_OK)
        return s;
    if (reader_next(&r)) {
        read_build(&r, &op->row);
        if (is_owner(op->account_id, op->row.account_id))
            return STATUS_OK;
    }
    return r.status != STATUS_OK ? r.status : FAIL(&base->error, STATUS_NOT_FOUND, "no such build");
}

const struct store_op_type STORE_BUILD_GET = {
    .name = "build_get",
    .exec = build_get,
};

static enum status build_sweep(struct db *db, struct store_op *base)
{
    struct store_build_sweep *op = container_of(base, struct store_build_sweep, op);
    const struct db_value args[SQL_BUILD_SWEEP_PARAMS] = {
        [SQL_BUILD_SWEEP_ERROR] = DB_V_TEXT("the server stopped during the build; push again"),
        [SQL_BUILD_SWEEP_NOW] = DB_V_INT(op->now),
    };

    return db_exec(db, &sql_build_sweep, args, &op->n, &base->error);
}

const struct store_op_type STORE_BUILD_SWEEP = {
    .name = "build_sweep",
    .is_write = true,
    .exec = build_sweep,
};
