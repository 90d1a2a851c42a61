/* SPDX-License-Identifier: Apache-2.0 */
#include "store/retention.h"

#include "store/ops/rows.h"

static enum status erase(struct db *db, struct store_op *op, const char *id, int64_t *out_changed)
{
    const struct db_value args[SQL_RETENTION_ERASE_PARAMS] = {
        [SQL_RETENTION_ERASE_ID] = DB_V_TEXT(id),
    };

    return db_exec(db, &sql_retention_erase, args, out_changed, &op->error);
}

static enum status keep(struct db *db, struct store_sweep *op, const char *id)
{
    const struct db_value args[SQL_RETENTION_KEEP_PARAMS] = {
        [SQL_RETENTION_KEEP_ID] = DB_V_TEXT(id),
    };

    return db_exec(db, &sql_retention_keep, args, NULL, &op->op.error);
}

struct due {
    const char *id;
    bool is_kept;
};

static enum status find_due(struct db *db, struct store_sweep *op, struct due **out_rows)
{
    struct due *rows = NULL;
    const struct db_value args[SQL_RETENTION_DUE_PARAMS] = {
        [SQL_RETENTION_DUE_BEFORE] = DB_V_INT(op->ended_before),
        [SQL_RETENTION_DUE_LIMIT] = DB_V_INT(op->limit),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_retention_due, args, &op->op.arena, &op->op.error);

    op->n_seen = 0;
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        const char *id = read_text(&r);

        rows = reader_grow(&r, rows, op->n_seen);
        rows[op->n_seen++] = (struct due){ .id = id, .is_kept = read_bool(&r) };
    }
    *out_rows = rows;
    return r.status;
}

static enum status erase_due(struct db *db, struct store_sweep *op)
{
    struct due *rows = NULL;
    enum status s = find_due(db, op, &rows);

    op->n = 0;
    op->erased = arena_array(&op->op.arena, const char *, op->n_seen + 1);
    for (size_t i = 0; s == STATUS_OK && i < op->n_seen; i++) {
        if (rows[i].is_kept) {
            s = keep(db, op, rows[i].id);
        } else {
            s = erase(db, &op->op, rows[i].id, NULL);
            op->erased[op->n++] = rows[i].id;
        }
    }
    return s;
}

static enum status find_next(struct db *db, struct store_sweep *op)
{
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_retention_next, NULL, &op->op.arena, &op->op.error);

    op->next_ended_at = 0;
    if (s != STATUS_OK)
        return s;
    if (reader_next(&r))
        op->next_ended_at = read_int(&r);
    return r.status;
}

static enum status sweep(struct db *db, struct store_op *base)
{
    struct store_sweep *op = container_of(base, struct store_sweep, op);
    const struct db_value keys[SQL_IDEMPOTENCY_PURGE_PARAMS] = {
        [SQL_IDEMPOTENCY_PURGE_BEFORE] = DB_V_INT(op->keys_before),
        [SQL_IDEMPOTENCY_PURGE_LIMIT] = DB_V_INT(op->limit),
    };
    enum status s = STATUS_OK;

    op->n = op->n_seen = 0;
    op->next_ended_at = 0;
    if (op->ended_before)
        s = erase_due(db, op);
    if (s == STATUS_OK && op->ended_before)
        s = find_next(db, op);
    return s == STATUS_OK ? db_exec(db, &sql_idempotency_purge, keys, &op->n_keys, &base->error)
                          : s;
}

const struct store_op_type STORE_SWEEP = {
    .name = "sweep",
    .is_write = true,
    .exec = sweep,
};

static enum status owner_of(struct db *db, struct store_prediction_erase *op, const char **out)
{
    const struct db_value args[SQL_WEBHOOK_OWNER_PARAMS] = {
        [SQL_WEBHOOK_OWNER_PREDICTION_ID] = DB_V_TEXT(op->id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_webhook_owner, args, &op->op.arena, &op->op.error);

    *out = NULL;
    if (s != STATUS_OK)
        return s;
    if (reader_next(&r))
        *out = read_text(&r);
    return r.status;
}

/* One that shows nothing any more is no example. */
static enum status forget_example(struct db *db, struct store_op *op, const char *id)
{
    const struct db_value args[] = { DB_V_TEXT(id) }; /* (prediction_id) for both statements */
    int64_t changed = 0;
    enum status s = db_exec(db, &sql_example_forget, args, &changed, &op->error);

    if (s == STATUS_OK && changed > 0)
        s = db_exec(db, &sql_example_forget_default, args, NULL, &op->error);
    return s;
}

static enum status prediction_erase(struct db *db, struct store_op *base)
{
    struct store_prediction_erase *op = container_of(base, struct store_prediction_erase, op);
    const char *owner;
    int64_t changed = 0;
    enum status s = owner_of(db, op, &owner);

    if (s == STATUS_OK && (!owner || !is_owner(op->account_id, owner)))
        return FAIL(&base->error, STATUS_NOT_FOUND, "no such prediction");
    if (s == STATUS_OK)
        s = erase(db, base, op->id, &changed);
    if (s == STATUS_OK && changed == 0)
        return FAIL(&base->error, STATUS_UNPROCESSABLE,
                    "The prediction has not ended. Cancel it first.");
    if (s == STATUS_OK)
        s = forget_example(db, base, op->id);
    return s;
}

const struct store_op_type STORE_PREDICTION_ERASE = {
    .name = "prediction_erase",
    .is_write = true,
    .exec = prediction_erase,
};
