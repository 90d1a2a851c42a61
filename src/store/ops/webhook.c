/* SPDX-License-Identifier: Apache-2.0 */
#include "store/webhook.h"

#include "store/ops/rows.h"

static void read_webhook(struct reader *r, struct webhook_row *out)
{
    *out = (struct webhook_row){ .id = read_text(r) };
    out->prediction_id = read_text(r);
    out->n = read_int(r);
    out->event = (enum webhook_event)read_int(r);
    out->state = (enum webhook_state)read_int(r);
    out->attempts = read_int(r);
    out->created_at = read_int(r);
    out->next_at = read_int(r);
    out->until = read_int(r);
}

static enum status webhook_targets(struct db *db, struct store_op *base)
{
    struct store_webhook_targets *op = container_of(base, struct store_webhook_targets, op);
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_webhook_targets, NULL, &base->arena, &base->error);

    op->n = 0;
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        op->rows = reader_grow(&r, op->rows, op->n);
        op->rows[op->n++] = read_text(&r);
    }
    return r.status;
}

const struct store_op_type STORE_WEBHOOK_TARGETS = {
    .name = "webhook_targets",
    .exec = webhook_targets,
};

static enum status find_next(struct db *db, struct store_webhook_due *op)
{
    const struct db_value args[SQL_WEBHOOK_NEXT_PARAMS] = {
        [SQL_WEBHOOK_NEXT_TARGET] = DB_V_TEXT(op->target),
        [SQL_WEBHOOK_NEXT_NOW] = DB_V_INT(op->now),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_webhook_next, args, &op->op.arena, &op->op.error);

    op->next_at = 0;
    if (s != STATUS_OK)
        return s;
    if (reader_next(&r))
        op->next_at = read_int(&r);
    return r.status;
}

static enum status webhook_due(struct db *db, struct store_op *base)
{
    struct store_webhook_due *op = container_of(base, struct store_webhook_due, op);
    const struct db_value args[SQL_WEBHOOK_DUE_PARAMS] = {
        [SQL_WEBHOOK_DUE_TARGET] = DB_V_TEXT(op->target),
        [SQL_WEBHOOK_DUE_NOW] = DB_V_INT(op->now),
        [SQL_WEBHOOK_DUE_LIMIT] = DB_V_INT(op->limit),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_webhook_due, args, &base->arena, &base->error);

    op->n = 0;
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        op->rows = reader_grow(&r, op->rows, op->n);
        read_webhook(&r, &op->rows[op->n++]);
    }
    return r.status == STATUS_OK ? find_next(db, op) : r.status;
}

const struct store_op_type STORE_WEBHOOK_DUE = {
    .name = "webhook_due",
    .exec = webhook_due,
};

enum status add_webhook(struct db *db, const struct webhook_row *row, const char *target,
                        struct error *err)
{
    const struct db_value args[SQL_WEBHOOK_ADD_PARAMS] = {
        [SQL_WEBHOOK_ADD_ID] = DB_V_TEXT(row->id),
        [SQL_WEBHOOK_ADD_PREDICTION_ID] = DB_V_TEXT(row->prediction_id),
        [SQL_WEBHOOK_ADD_EVENT] = DB_V_INT(row->event),
        [SQL_WEBHOOK_ADD_TARGET] = DB_V_TEXT(target),
        [SQL_WEBHOOK_ADD_STATE] = DB_V_INT(row->state),
        [SQL_WEBHOOK_ADD_ATTEMPTS] = DB_V_INT(row->attempts),
        [SQL_WEBHOOK_ADD_CREATED_AT] = DB_V_INT(row->created_at),
        [SQL_WEBHOOK_ADD_NEXT_AT] = DB_V_INT(row->next_at),
        [SQL_WEBHOOK_ADD_UNTIL] = DB_V_INT(row->until),
    };
    int64_t changed = 0;
    enum status s = db_exec(db, &sql_webhook_add, args, &changed, err);

    if (s == STATUS_OK && changed == 0)
        return FAIL(err, STATUS_NOT_FOUND, "no such prediction");
    return s;
}

static enum status add_attempt(struct db *db, const char *id, const struct webhook_attempt_row *a,
                               struct error *err)
{
    const struct db_value args[SQL_WEBHOOK_ATTEMPT_ADD_PARAMS] = {
        [SQL_WEBHOOK_ATTEMPT_ADD_ID] = DB_V_TEXT(id),
        [SQL_WEBHOOK_ATTEMPT_ADD_NUMBER] = DB_V_INT(a->number),
        [SQL_WEBHOOK_ATTEMPT_ADD_AT] = DB_V_INT(a->at),
        [SQL_WEBHOOK_ATTEMPT_ADD_TOOK_MS] = DB_V_INT(a->took_ms),
        [SQL_WEBHOOK_ATTEMPT_ADD_STATUS] = DB_V_INT(a->status),
        [SQL_WEBHOOK_ATTEMPT_ADD_ERROR] = DB_V_TEXT(a->error),
    };

    return db_exec(db, &sql_webhook_attempt_add, args, NULL, err);
}

static enum status webhook_attempt(struct db *db, struct store_op *base)
{
    struct store_webhook_attempt *op = container_of(base, struct store_webhook_attempt, op);
    const struct db_value args[SQL_WEBHOOK_ATTEMPTED_PARAMS] = {
        [SQL_WEBHOOK_ATTEMPTED_ID] = DB_V_TEXT(op->id),
        [SQL_WEBHOOK_ATTEMPTED_UNTIL] = DB_V_INT(op->until),
        [SQL_WEBHOOK_ATTEMPTED_STATE] = DB_V_INT(op->state),
        [SQL_WEBHOOK_ATTEMPTED_ATTEMPTS] = DB_V_INT(op->attempt.number),
        [SQL_WEBHOOK_ATTEMPTED_NEXT_AT] = DB_V_INT(op->next_at),
    };
    int64_t changed = 0;
    enum status s = db_exec(db, &sql_webhook_attempted, args, &changed, &base->error);

    if (s == STATUS_OK && changed == 0)
        return FAIL(&base->error, STATUS_NOT_FOUND, "no such message");
    return s == STATUS_OK ? add_attempt(db, op->id, &op->attempt, &base->error) : s;
}

const struct store_op_type STORE_WEBHOOK_ATTEMPT = {
    .name = "webhook_attempt",
    .is_write = true,
    .exec = webhook_attempt,
};

enum status add_webhook_notes(struct db *db, const struct webhook_note *notes, size_t n,
                              struct error *err)
{
    enum status s = STATUS_OK;

    for (size_t i = 0; i < n && s == STATUS_OK; i++) {
        const struct webhook_note *note = &notes[i];
        const struct webhook_row row = {
            .id = note->id,
            .prediction_id = note->prediction_id,
            .event = note->event,
            .state = note->attempt.error ? WEBHOOK_FAILED : WEBHOOK_DELIVERED,
            .attempts = note->attempt.number,
            .created_at = note->created_at,
        };
        struct error gone;

        s = add_webhook(db, &row, note->target, &gone);
        if (s == STATUS_OK)
            s = add_attempt(db, note->id, &note->attempt, err);
        else if (s == STATUS_NOT_FOUND)
            s = STATUS_OK;
        else
            *err = gone;
    }
    return s;
}

static enum status webhook_notes(struct db *db, struct store_op *base)
{
    struct store_webhook_notes *op = container_of(base, struct store_webhook_notes, op);

    return add_webhook_notes(db, op->rows, op->n, &base->error);
}

const struct store_op_type STORE_WEBHOOK_NOTES = {
    .name = "webhook_notes",
    .is_write = true,
    .exec = webhook_notes,
};

/* Whose prediction it is, and where its webhooks go. */
static enum status own_prediction(struct db *db, struct store_op *base, const char *prediction_id,
                                  const char *account_id, const char **out_url)
{
    const struct db_value args[SQL_WEBHOOK_OWNER_PARAMS] = {
        [SQL_WEBHOOK_OWNER_PREDICTION_ID] = DB_V_TEXT(prediction_id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_webhook_owner, args, &base->arena, &base->error);

    if (s != STATUS_OK)
        return s;
    if (reader_next(&r) && is_owner(account_id, read_text(&r))) {
        *out_url = read_text(&r);
        return STATUS_OK;
    }
    return r.status != STATUS_OK ? r.status
                                 : FAIL(&base->error, STATUS_NOT_FOUND, "no such prediction");
}

static enum status read_tries(struct db *db, struct store_webhook_list *op)
{
    const struct db_value args[SQL_WEBHOOK_TRIES_PARAMS] = {
        [SQL_WEBHOOK_TRIES_PREDICTION_ID] = DB_V_TEXT(op->prediction_id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_webhook_tries, args, &op->op.arena, &op->op.error);
    size_t at = 0;

    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        const char *id = read_text(&r);
        struct webhook_row *row;
        struct webhook_attempt_row *a;

        while (at < op->n && strcmp(op->rows[at].id, id) != 0)
            at++;
        if (at == op->n)
            break;
        row = &op->rows[at];
        row->tries = reader_grow(&r, row->tries, row->n_tries);
        a = &row->tries[row->n_tries++];
        *a = (struct webhook_attempt_row){ .number = read_int(&r) };
        a->at = read_int(&r);
        a->took_ms = read_int(&r);
        a->status = read_int(&r);
        a->error = read_text(&r);
    }
    return r.status;
}

static enum status webhook_list(struct db *db, struct store_op *base)
{
    struct store_webhook_list *op = container_of(base, struct store_webhook_list, op);
    const struct db_value args[SQL_WEBHOOK_LIST_PARAMS] = {
        [SQL_WEBHOOK_LIST_PREDICTION_ID] = DB_V_TEXT(op->prediction_id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = own_prediction(db, base, op->prediction_id, op->account_id, &op->url);

    op->n = 0;
    if (s == STATUS_OK)
        s = reader_open(&r, db, &sql_webhook_list, args, &base->arena, &base->error);
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        op->rows = reader_grow(&r, op->rows, op->n);
        read_webhook(&r, &op->rows[op->n++]);
    }
    return r.status == STATUS_OK ? read_tries(db, op) : r.status;
}

const struct store_op_type STORE_WEBHOOK_LIST = {
    .name = "webhook_list",
    .exec = webhook_list,
};

static enum status find_last(struct db *db, struct store_webhook_resend *op)
{
    const struct db_value args[SQL_WEBHOOK_GET_PARAMS] = {
        [SQL_WEBHOOK_GET_PREDICTION_ID] = DB_V_TEXT(op->prediction_id),
        [SQL_WEBHOOK_GET_N] = DB_V_INT(op->n),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    struct error *err = &op->op.error;
    enum status s = reader_open(&r, db, &sql_webhook_get, args, &op->op.arena, err);

    if (s != STATUS_OK)
        return s;
    if (!reader_next(&r))
        return r.status != STATUS_OK ? r.status : FAIL(err, STATUS_NOT_FOUND, "no such message");
    if (read_int(&r) != WEBHOOK_COMPLETED)
        return FAIL(
            err, STATUS_UNPROCESSABLE,
            "Only the message of the event \"completed\" can be sent again: nothing follows "
            "it.");
    op->target = read_text(&r);
    return STATUS_OK;
}

static enum status webhook_resend(struct db *db, struct store_op *base)
{
    struct store_webhook_resend *op = container_of(base, struct store_webhook_resend, op);
    const struct db_value args[SQL_WEBHOOK_RESEND_PARAMS] = {
        [SQL_WEBHOOK_RESEND_PREDICTION_ID] = DB_V_TEXT(op->prediction_id),
        [SQL_WEBHOOK_RESEND_N] = DB_V_INT(op->n),
        [SQL_WEBHOOK_RESEND_NOW] = DB_V_INT(op->now),
        [SQL_WEBHOOK_RESEND_UNTIL] = DB_V_INT(op->until),
    };
    const char *url = NULL;
    enum status s = own_prediction(db, base, op->prediction_id, op->account_id, &url);

    if (s == STATUS_OK)
        s = find_last(db, op);
    return s == STATUS_OK ? db_exec(db, &sql_webhook_resend, args, NULL, &base->error) : s;
}

const struct store_op_type STORE_WEBHOOK_RESEND = {
    .name = "webhook_resend",
    .is_write = true,
    .exec = webhook_resend,
};
