/* SPDX-License-Identifier: Apache-2.0 */
#include "store/instance.h"

#include "store/ops/reader.h"

static enum status put_pool(struct db *db, struct store_instance_create *op)
{
    const struct db_value args[SQL_LEDGER_POOL_PUT_PARAMS] = {
        [SQL_LEDGER_POOL_PUT_ID] = DB_V_TEXT(op->in.pool_id),
        [SQL_LEDGER_POOL_PUT_ACCOUNT_ID] = DB_V_TEXT(op->account_id),
        [SQL_LEDGER_POOL_PUT_IS_MODEL] = DB_V_INT(op->in.pool_is_model),
        [SQL_LEDGER_POOL_PUT_NAME] = DB_V_TEXT(op->pool_name),
    };

    return db_exec(db, &sql_ledger_pool_put, args, NULL, &op->op.error);
}

static enum status instance_create(struct db *db, struct store_op *base)
{
    struct store_instance_create *op = container_of(base, struct store_instance_create, op);
    const struct instance_row *i = &op->in;
    const struct db_value args[SQL_INSTANCE_CREATE_PARAMS] = {
        [SQL_INSTANCE_CREATE_ID] = DB_V_TEXT(i->id),
        [SQL_INSTANCE_CREATE_POOL_ID] = DB_V_TEXT(i->pool_id),
        [SQL_INSTANCE_CREATE_POOL_IS_MODEL] = DB_V_INT(i->pool_is_model),
        [SQL_INSTANCE_CREATE_VERSION_ID] = DB_V_TEXT(i->version_id),
        [SQL_INSTANCE_CREATE_VERSION_MODEL_ID] = DB_V_TEXT(i->version_model_id),
        [SQL_INSTANCE_CREATE_HARDWARE] = DB_V_TEXT(i->hardware),
        [SQL_INSTANCE_CREATE_DRIVER] = DB_V_TEXT(i->driver),
        [SQL_INSTANCE_CREATE_CAPABILITY] = DB_V_TEXT(i->capability),
        [SQL_INSTANCE_CREATE_GPUS] = DB_V_TEXT(i->gpus),
        [SQL_INSTANCE_CREATE_RELEASE] = DB_V_INT(i->release),
        [SQL_INSTANCE_CREATE_CREATED_AT] = DB_V_INT(i->created_at),
        [SQL_INSTANCE_CREATE_READY_AT] = DB_V_INT(i->ready_at),
        [SQL_INSTANCE_CREATE_ENDED_AT] = DB_V_INT(i->ended_at),
        [SQL_INSTANCE_CREATE_END_REASON] = DB_V_TEXT(i->end_reason),
        [SQL_INSTANCE_CREATE_HANDLE] = DB_V_BLOB(i->handle),
        [SQL_INSTANCE_CREATE_SETUP_LOG] = DB_V_BLOB(i->setup_log),
        [SQL_INSTANCE_CREATE_PRICE] = DB_V_INT(i->price_nano),
    };
    enum status s = db_exec(db, &sql_instance_create, args, NULL, &base->error);

    if (s == STATUS_CONFLICT)
        return FAIL(&base->error, s, "an instance %s exists already", i->id);
    return s == STATUS_OK && op->account_id ? put_pool(db, op) : s;
}

const struct store_op_type STORE_INSTANCE_CREATE = {
    .name = "instance_create",
    .is_write = true,
    .exec = instance_create,
};

static enum status prune(struct db *db, const char *id, struct error *err)
{
    const struct db_value args[SQL_INSTANCE_PRUNE_PARAMS] = {
        [SQL_INSTANCE_PRUNE_ID] = DB_V_TEXT(id),
    };

    return db_exec(db, &sql_instance_prune, args, NULL, err);
}

static enum status check_metered(struct db *db, const struct instance_row *i, struct error *err)
{
    const struct db_value args[SQL_INSTANCE_LACKS_PARAMS] = {
        [SQL_INSTANCE_LACKS_ID] = DB_V_TEXT(i->id),
        [SQL_INSTANCE_LACKS_METERED_MS] = DB_V_INT(i->metered_ms),
    };
    bool lacks = false;
    enum status s = db_exists(db, &sql_instance_lacks, args, &lacks, err);

    if (s == STATUS_OK && lacks)
        return FAIL(err, STATUS_CONFLICT, "the ledger does not have its whole life yet");
    return s;
}

static enum status instance_update(struct db *db, struct store_op *base)
{
    struct store_instance_update *op = container_of(base, struct store_instance_update, op);
    const struct instance_row *i = &op->in;
    const struct db_value args[SQL_INSTANCE_UPDATE_PARAMS] = {
        [SQL_INSTANCE_UPDATE_ID] = DB_V_TEXT(i->id),
        [SQL_INSTANCE_UPDATE_HANDLE] = DB_V_BLOB(i->handle),
        [SQL_INSTANCE_UPDATE_READY_AT] = DB_V_INT(i->ready_at),
        [SQL_INSTANCE_UPDATE_ENDED_AT] = DB_V_INT(i->ended_at),
        [SQL_INSTANCE_UPDATE_END_REASON] = DB_V_TEXT(i->end_reason),
        [SQL_INSTANCE_UPDATE_SETUP_LOG] = DB_V_BLOB(i->setup_log),
    };
    int64_t changed = 0;
    enum status s = check_metered(db, i, &base->error);

    if (s == STATUS_OK)
        s = db_exec(db, &sql_instance_update, args, &changed, &base->error);
    if (s == STATUS_OK && changed == 0)
        return FAIL(&base->error, STATUS_NOT_FOUND, "no such instance");
    if (s == STATUS_OK && i->ended_at > 0)
        s = prune(db, i->id, &base->error);
    return s;
}

const struct store_op_type STORE_INSTANCE_UPDATE = {
    .name = "instance_update",
    .is_write = true,
    .exec = instance_update,
};

static void read_instance(struct reader *r, struct instance_row *out)
{
    out->id = read_text(r);
    out->pool_id = read_text(r);
    out->pool_is_model = read_bool(r);
    out->version_id = read_text(r);
    out->version_model_id = read_text(r);
    out->hardware = read_text(r);
    out->driver = read_text(r);
    out->capability = read_text(r);
    out->gpus = read_text(r);
    out->release = read_int(r);
    out->created_at = read_int(r);
    out->ready_at = read_int(r);
    out->ended_at = read_int(r);
    out->end_reason = read_text(r);
    out->handle = read_bytes(r);
    out->setup_log = read_bytes(r);
    out->metered_ms = read_int(r);
    out->price_nano = read_int(r);
}

static enum status read_instances(struct db *db, struct store_op *op,
                                  const struct sql_statement *query, const struct db_value *args,
                                  struct instance_row **out_rows, size_t *out_n)
{
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, query, args, &op->arena, &op->error);

    *out_n = 0;
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        *out_rows = reader_grow(&r, *out_rows, *out_n);
        read_instance(&r, &(*out_rows)[(*out_n)++]);
    }
    return r.status;
}

static enum status instance_open(struct db *db, struct store_op *base)
{
    struct store_instance_open *op = container_of(base, struct store_instance_open, op);

    return read_instances(db, base, &sql_instance_open, NULL, &op->rows, &op->n);
}

const struct store_op_type STORE_INSTANCE_OPEN = {
    .name = "instance_open",
    .exec = instance_open,
};

static enum status instance_ended(struct db *db, struct store_op *base)
{
    struct store_instance_ended *op = container_of(base, struct store_instance_ended, op);
    const struct db_value args[SQL_INSTANCE_ENDED_PARAMS] = {
        [SQL_INSTANCE_ENDED_POOL_ID] = DB_V_TEXT(op->pool_id),
        [SQL_INSTANCE_ENDED_LIMIT] = DB_V_INT(op->limit),
    };

    return read_instances(db, base, &sql_instance_ended, args, &op->rows, &op->n);
}

const struct store_op_type STORE_INSTANCE_ENDED = {
    .name = "instance_ended",
    .exec = instance_ended,
};

static enum status instance_get(struct db *db, struct store_op *base)
{
    struct store_instance_get *op = container_of(base, struct store_instance_get, op);
    const struct db_value args[SQL_INSTANCE_GET_PARAMS] = {
        [SQL_INSTANCE_GET_ID] = DB_V_TEXT(op->id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_instance_get, args, &base->arena, &base->error);

    if (s != STATUS_OK)
        return s;
    if (reader_next(&r)) {
        read_instance(&r, &op->row);
        if (strcmp(op->row.pool_id, op->pool_id) == 0)
            return STATUS_OK;
    }
    return r.status != STATUS_OK ? r.status
                                 : FAIL(&base->error, STATUS_NOT_FOUND, "no such instance");
}

const struct store_op_type STORE_INSTANCE_GET = {
    .name = "instance_get",
    .exec = instance_get,
};

static enum status setting_put(struct db *db, struct store_op *base)
{
    struct store_setting_put *op = container_of(base, struct store_setting_put, op);
    const struct db_value put[SQL_SETTING_PUT_PARAMS] = {
        [SQL_SETTING_PUT_NAME] = DB_V_TEXT(op->name),
        [SQL_SETTING_PUT_VALUE] = DB_V_TEXT(op->value),
    };
    const struct db_value remove[SQL_SETTING_DELETE_PARAMS] = {
        [SQL_SETTING_DELETE_NAME] = DB_V_TEXT(op->name),
    };

    if (!op->value)
        return db_exec(db, &sql_setting_delete, remove, NULL, &base->error);
    return db_exec(db, &sql_setting_put, put, NULL, &base->error);
}

const struct store_op_type STORE_SETTING_PUT = {
    .name = "setting_put",
    .is_write = true,
    .exec = setting_put,
};

static enum status setting_get(struct db *db, struct store_op *base)
{
    struct store_setting_get *op = container_of(base, struct store_setting_get, op);
    const struct db_value args[SQL_SETTING_GET_PARAMS] = {
        [SQL_SETTING_GET_NAME] = DB_V_TEXT(op->name),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_setting_get, args, &base->arena, &base->error);

    op->value = NULL;
    if (s != STATUS_OK)
        return s;
    if (reader_next(&r))
        op->value = read_text(&r);
    return r.status;
}

const struct store_op_type STORE_SETTING_GET = {
    .name = "setting_get",
    .exec = setting_get,
};
