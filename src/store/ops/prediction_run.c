/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a prediction while it runs. Each change is one UPDATE whose WHERE says what must
 * hold: that it is not terminal, and that the attempt is the present one. */
#include "store/prediction.h"

#include "store/ops/rows.h"

#include <assert.h>

/* No row was changed: says why. */
static enum status why_not(struct db *db, struct store_op *op, const char *id)
{
    const struct db_value args[SQL_PREDICTION_STATE_PARAMS] = {
        [SQL_PREDICTION_STATE_ID] = DB_V_TEXT(id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_prediction_state, args, &op->arena, &op->error);
    enum prediction_status at;
    int64_t attempt = 0;

    if (s != STATUS_OK)
        return s;
    if (!reader_next(&r))
        return r.status != STATUS_OK ? r.status
                                     : FAIL(&op->error, STATUS_NOT_FOUND, "no such prediction");
    at = (enum prediction_status)read_int(&r);
    attempt = read_int(&r);
    if (prediction_is_terminal(at))
        return FAIL(&op->error, STATUS_CONFLICT, "the prediction has ended (%s)",
                    prediction_status_text(at));
    return FAIL(&op->error, STATUS_CONFLICT, "the prediction is at attempt %lld, and %s",
                (long long)attempt, read_text(&r) ? "running" : "waiting");
}

static enum status update(struct db *db, struct store_op *op, const struct sql_statement *st,
                          const struct db_value *args, const char *id)
{
    int64_t changed = 0;
    enum status s = db_exec(db, st, args, &changed, &op->error);

    return s == STATUS_OK && changed == 0 ? why_not(db, op, id) : s;
}

static enum status prediction_start(struct db *db, struct store_op *base)
{
    struct store_prediction_start *op = container_of(base, struct store_prediction_start, op);
    const struct db_value args[SQL_PREDICTION_START_PARAMS] = {
        [SQL_PREDICTION_START_ID] = DB_V_TEXT(op->id),
        [SQL_PREDICTION_START_ATTEMPT] = DB_V_INT(op->attempt),
        [SQL_PREDICTION_START_INSTANCE_ID] = DB_V_TEXT(op->instance_id),
        [SQL_PREDICTION_START_STARTED_LONG] = DB_V_INT(op->started_long),
        [SQL_PREDICTION_START_STARTED_AT] = DB_V_INT(op->started_at),
    };

    return update(db, base, &sql_prediction_start, args, op->id);
}

const struct store_op_type STORE_PREDICTION_START = {
    .name = "prediction_start",
    .is_write = true,
    .exec = prediction_start,
};

static enum status prediction_progress(struct db *db, struct store_op *base)
{
    struct store_prediction_progress *op = container_of(base, struct store_prediction_progress, op);
    const struct db_value args[SQL_PREDICTION_PROGRESS_PARAMS] = {
        [SQL_PREDICTION_PROGRESS_ID] = DB_V_TEXT(op->id),
        [SQL_PREDICTION_PROGRESS_ATTEMPT] = DB_V_INT(op->attempt),
        [SQL_PREDICTION_PROGRESS_OUTPUT] = DB_V_BLOB(op->output),
        [SQL_PREDICTION_PROGRESS_LOGS] = DB_V_BLOB(op->logs),
        [SQL_PREDICTION_PROGRESS_CANCEL_REQUESTED] = DB_V_INT(op->cancel_requested),
    };

    return update(db, base, &sql_prediction_progress, args, op->id);
}

const struct store_op_type STORE_PREDICTION_PROGRESS = {
    .name = "prediction_progress",
    .is_write = true,
    .exec = prediction_progress,
};

static enum status prediction_files(struct db *db, struct store_op *base)
{
    struct store_prediction_files *op = container_of(base, struct store_prediction_files, op);
    const struct db_value args[SQL_PREDICTION_RUNS_PARAMS] = {
        [SQL_PREDICTION_RUNS_ID] = DB_V_TEXT(op->id),
        [SQL_PREDICTION_RUNS_ATTEMPT] = DB_V_INT(op->attempt),
    };
    bool found = false;
    enum status s = db_exists(db, &sql_prediction_runs, args, &found, &base->error);

    if (s == STATUS_OK && !found)
        s = why_not(db, base, op->id);
    for (size_t i = 0; s == STATUS_OK && i < op->n_files; i++)
        s = file_insert(db, &op->files[i], &base->error);
    return s;
}

const struct store_op_type STORE_PREDICTION_FILES = {
    .name = "prediction_files",
    .is_write = true,
    .exec = prediction_files,
};

static enum status prediction_end(struct db *db, struct store_op *base)
{
    struct store_prediction_end *op = container_of(base, struct store_prediction_end, op);
    const struct db_value args[SQL_PREDICTION_END_PARAMS] = {
        [SQL_PREDICTION_END_ID] = DB_V_TEXT(op->id),
        [SQL_PREDICTION_END_ATTEMPT] = DB_V_INT(op->attempt),
        [SQL_PREDICTION_END_STATUS] = DB_V_INT(op->status),
        [SQL_PREDICTION_END_OUTPUT] = DB_V_BLOB(op->output),
        [SQL_PREDICTION_END_LOGS] = DB_V_BLOB(op->logs),
        [SQL_PREDICTION_END_METRICS] = DB_V_BLOB(op->metrics),
        [SQL_PREDICTION_END_ERROR] = DB_V_TEXT(op->error),
        [SQL_PREDICTION_END_PREDICT_TIME] = DB_V_REAL(op->predict_time),
        [SQL_PREDICTION_END_COMPLETED_AT] = DB_V_INT(op->completed_at),
        [SQL_PREDICTION_END_ACTIVE_MS] = DB_V_INT(op->active_ms),
        [SQL_PREDICTION_END_COST] = DB_V_INT(op->cost),
        [SQL_PREDICTION_END_STARTED_ATTEMPT] = DB_V_INT(op->started_attempt),
        [SQL_PREDICTION_END_STARTED_AT] = DB_V_INT(op->started_at),
        [SQL_PREDICTION_END_STARTED_INSTANCE] = DB_V_TEXT(op->started_instance),
        [SQL_PREDICTION_END_STARTED_LONG] = DB_V_INT(op->started_long),
    };
    const struct db_value count[SQL_MODEL_COUNT_RUN_PARAMS] = {
        [SQL_MODEL_COUNT_RUN_PREDICTION_ID] = DB_V_TEXT(op->id),
        [SQL_MODEL_COUNT_RUN_MODEL_ID] = DB_V_TEXT(op->model_id),
    };
    const struct db_value inputs[SQL_FILE_EXPIRE_INPUTS_PARAMS] = {
        [SQL_FILE_EXPIRE_INPUTS_PREDICTION_ID] = DB_V_TEXT(op->id),
        [SQL_FILE_EXPIRE_INPUTS_AT] = DB_V_INT(op->inputs_until ? op->inputs_until : 1),
    };
    const struct webhook_row message = {
        .id = op->webhook_id,
        .prediction_id = op->id,
        .event = WEBHOOK_COMPLETED,
        .created_at = op->completed_at,
        .next_at = op->completed_at,
        .until = op->webhook_until,
    };
    enum status s = STATUS_OK;

    assert(prediction_is_terminal(op->status));
    s = update(db, base, &sql_prediction_end, args, op->id);
    if (s == STATUS_OK)
        s = add_webhook_notes(db, op->notes, op->n_notes, &base->error);
    if (s == STATUS_OK && !op->no_input_files)
        s = db_exec(db, &sql_file_expire_inputs, inputs, NULL, &base->error);
    if (s == STATUS_OK && op->webhook_id)
        s = add_webhook(db, &message, op->webhook_target, &base->error);
    for (size_t i = 0; s == STATUS_OK && i < op->n_files; i++)
        s = file_insert(db, &op->files[i], &base->error);
    if (s == STATUS_OK)
        s = ledger_write(db, &op->ledger, &base->error);
    return s != STATUS_OK ? s : db_exec(db, &sql_model_count_run, count, NULL, &base->error);
}

const struct store_op_type STORE_PREDICTION_END = {
    .name = "prediction_end",
    .is_write = true,
    .exec = prediction_end,
};

static enum status prediction_requeue(struct db *db, struct store_op *base)
{
    struct store_prediction_requeue *op = container_of(base, struct store_prediction_requeue, op);
    const struct db_value args[SQL_PREDICTION_REQUEUE_PARAMS] = {
        [SQL_PREDICTION_REQUEUE_ID] = DB_V_TEXT(op->id),
        [SQL_PREDICTION_REQUEUE_ATTEMPT] = DB_V_INT(op->attempt),
        [SQL_PREDICTION_REQUEUE_TAKEN_BACK] = DB_V_INT(op->not_counted ? 1 : 0),
    };

    const struct db_value files[SQL_FILE_EXPIRE_OUTPUTS_PARAMS] = {
        [SQL_FILE_EXPIRE_OUTPUTS_PREDICTION_ID] = DB_V_TEXT(op->id),
    };
    enum status s = update(db, base, &sql_prediction_requeue, args, op->id);

    if (s == STATUS_OK && (!op->not_counted || op->had_files))
        s = db_exec(db, &sql_file_expire_outputs, files, NULL, &base->error);
    return s;
}

const struct store_op_type STORE_PREDICTION_REQUEUE = {
    .name = "prediction_requeue",
    .is_write = true,
    .exec = prediction_requeue,
};

static enum status prediction_rebind(struct db *db, struct store_op *base)
{
    struct store_prediction_rebind *op = container_of(base, struct store_prediction_rebind, op);
    const struct db_value args[SQL_PREDICTION_REBIND_PARAMS] = {
        [SQL_PREDICTION_REBIND_ID] = DB_V_TEXT(op->id),
        [SQL_PREDICTION_REBIND_RELEASE] = DB_V_INT(op->release),
        [SQL_PREDICTION_REBIND_VERSION] = DB_V_TEXT(op->version),
    };
    const struct db_value version[SQL_PREDICTION_HAS_VERSION_PARAMS] = {
        [SQL_PREDICTION_HAS_VERSION_ID] = DB_V_TEXT(op->id),
        [SQL_PREDICTION_HAS_VERSION_VERSION] = DB_V_TEXT(op->version),
    };
    bool found = true;
    enum status s = STATUS_OK;

    if (op->version)
        s = db_exists(db, &sql_prediction_has_version, version, &found, &base->error);
    if (s != STATUS_OK)
        return s;
    if (!found)
        return FAIL(&base->error, STATUS_UNPROCESSABLE, "the model has no version %s", op->version);
    return update(db, base, &sql_prediction_rebind, args, op->id);
}

const struct store_op_type STORE_PREDICTION_REBIND = {
    .name = "prediction_rebind",
    .is_write = true,
    .exec = prediction_rebind,
};
