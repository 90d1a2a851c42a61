/* SPDX-License-Identifier: Apache-2.0 */
/* Creating, reading and listing predictions; prediction_run.c has what happens to them in between.
 */
#include "store/prediction.h"

#include "base/id.h"
#include "store/ops/page.h"
#include "store/ops/rows.h"

enum { USE_NOTED_MS = 1000 }; /* a deployment's last use is kept to this precision */

/* The numbers are in the database, and in the .sql files as `status < 2`. */
_Static_assert(PREDICTION_STARTING == 0 && PREDICTION_PROCESSING == 1 &&
                   PREDICTION_SUCCEEDED == 2 && PREDICTION_FAILED == 3 &&
                   PREDICTION_CANCELED == 4 && PREDICTION_ABORTED == 5,
               "a prediction's status is stored as its number");

/* {prediction_columns} */
void read_prediction(struct reader *r, struct prediction_row *out)
{
    *out = (struct prediction_row){ .id = read_text(r) };
    out->account_id = read_text(r);
    out->deployment_id = read_text(r);
    out->deployment = read_text(r);
    out->release = read_int(r);
    out->model_id = read_text(r);
    out->model_owner = read_text(r);
    out->model_name = read_text(r);
    out->version = read_text(r);
    out->status = (enum prediction_status)read_int(r);
    out->source = read_text(r);
    out->error = read_text(r);
    out->metrics = read_bytes(r);
    out->predict_time = read_real(r);
    out->created_at = read_int(r);
    out->started_at = read_int(r);
    out->completed_at = read_int(r);
    out->deadline = read_int(r);
    out->attempt = read_int(r);
    out->instance_id = read_text(r);
    out->started_long = read_bool(r);
    out->webhook = read_text(r);
    out->webhook_events = (unsigned)read_int(r);
    out->has_webhook_filter = read_bool(r);
    out->base_url = read_text(r);
    out->stream_secret = read_text(r);
    out->data_removed = read_bool(r);
    out->cancel_requested = read_bool(r);
    out->destination = read_text(r);
    out->trained_version = read_text(r);
    out->training_failure = read_text(r);
    out->active_ms = read_int(r);
    out->cost = read_int(r);
}

void read_prediction_data(struct reader *r, struct prediction_row *out)
{
    out->input = read_bytes(r);
    out->output = read_bytes(r);
    out->logs = read_bytes(r);
}

static enum status insert(struct db *db, const struct prediction_row *p, const char *version_seq,
                          struct error *err)
{
    const struct db_value args[SQL_PREDICTION_CREATE_PARAMS] = {
        [SQL_PREDICTION_CREATE_ID] = DB_V_TEXT(p->id),
        [SQL_PREDICTION_CREATE_ACCOUNT_ID] = DB_V_TEXT(p->account_id),
        [SQL_PREDICTION_CREATE_VERSION_SEQ] = DB_V_TEXT(version_seq),
        [SQL_PREDICTION_CREATE_DEPLOYMENT_ID] = DB_V_TEXT(p->deployment_id),
        [SQL_PREDICTION_CREATE_DEPLOYMENT] = DB_V_TEXT(p->deployment),
        [SQL_PREDICTION_CREATE_RELEASE] = DB_V_INT(p->release),
        [SQL_PREDICTION_CREATE_STATUS] = DB_V_INT(p->status),
        [SQL_PREDICTION_CREATE_ATTEMPT] = DB_V_INT(p->attempt),
        [SQL_PREDICTION_CREATE_INSTANCE_ID] = DB_V_TEXT(p->instance_id),
        [SQL_PREDICTION_CREATE_STARTED_LONG] = DB_V_INT(p->started_long),
        [SQL_PREDICTION_CREATE_CANCEL_REQUESTED] = DB_V_INT(p->cancel_requested),
        [SQL_PREDICTION_CREATE_SOURCE] = DB_V_TEXT(p->source ? p->source : "api"),
        [SQL_PREDICTION_CREATE_CREATED_AT] = DB_V_INT(p->created_at),
        [SQL_PREDICTION_CREATE_STARTED_AT] = DB_V_INT(p->started_at),
        [SQL_PREDICTION_CREATE_COMPLETED_AT] = DB_V_INT(p->completed_at),
        [SQL_PREDICTION_CREATE_DEADLINE] = DB_V_INT(p->deadline),
        [SQL_PREDICTION_CREATE_PREDICT_TIME] = DB_V_REAL(p->predict_time),
        [SQL_PREDICTION_CREATE_WEBHOOK] = DB_V_TEXT(p->webhook),
        [SQL_PREDICTION_CREATE_WEBHOOK_EVENTS] = DB_V_INT(p->webhook_events),
        [SQL_PREDICTION_CREATE_HAS_WEBHOOK_FILTER] = DB_V_INT(p->has_webhook_filter),
        [SQL_PREDICTION_CREATE_BASE_URL] = DB_V_TEXT(p->base_url ? p->base_url : ""),
        [SQL_PREDICTION_CREATE_STREAM_SECRET] = DB_V_TEXT(p->stream_secret),
        [SQL_PREDICTION_CREATE_DATA_REMOVED] = DB_V_INT(p->data_removed),
        [SQL_PREDICTION_CREATE_ERROR] = DB_V_TEXT(p->error),
        [SQL_PREDICTION_CREATE_METRICS] = DB_V_BLOB(p->metrics),
        [SQL_PREDICTION_CREATE_INPUT] = DB_V_BLOB(p->input),
        [SQL_PREDICTION_CREATE_SEALED_INPUT] = DB_V_BLOB(p->sealed_input),
        [SQL_PREDICTION_CREATE_OUTPUT] = DB_V_BLOB(p->output),
        [SQL_PREDICTION_CREATE_LOGS] = DB_V_BLOB(p->logs),
    };

    return db_exec(db, &sql_prediction_create, args, NULL, err);
}

/* Its version, as the table knows it, and when its deployment was used last (0: never, or it has
 * none). */
static enum status find_place(struct db *db, struct store_prediction_create *op,
                              const char **out_seq, int64_t *out_used_at)
{
    const struct prediction_row *p = &op->in;
    const struct db_value args[SQL_PREDICTION_PLACE_PARAMS] = {
        [SQL_PREDICTION_PLACE_MODEL_ID] = DB_V_TEXT(p->model_id),
        [SQL_PREDICTION_PLACE_VERSION] = DB_V_TEXT(p->version),
        [SQL_PREDICTION_PLACE_DEPLOYMENT_ID] = DB_V_TEXT(p->deployment_id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    struct error *err = &op->op.error;
    enum status s = reader_open(&r, db, &sql_prediction_place, args, &op->op.arena, err);

    if (s != STATUS_OK)
        return s;
    if (!reader_next(&r))
        return r.status != STATUS_OK
                   ? r.status
                   : FAIL(err, STATUS_NOT_FOUND, "the version does not exist any more");
    *out_seq = read_text(&r);
    if (p->deployment_id && read_is_null(&r))
        return FAIL(err, STATUS_NOT_FOUND, "the deployment does not exist any more");
    *out_used_at = read_int(&r);
    return STATUS_OK;
}

/* Whether the key was used, and for what. */
static enum status find_key(struct db *db, struct store_prediction_create *op)
{
    const struct db_value args[SQL_IDEMPOTENCY_FIND_PARAMS] = {
        [SQL_IDEMPOTENCY_FIND_ACCOUNT_ID] = DB_V_TEXT(op->in.account_id),
        [SQL_IDEMPOTENCY_FIND_KEY] = DB_V_TEXT(op->key),
        [SQL_IDEMPOTENCY_FIND_AFTER] = DB_V_INT(op->key_after),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    struct error *err = &op->op.error;
    enum status s = reader_open(&r, db, &sql_idempotency_find, args, &op->op.arena, err);

    op->existing = NULL;
    if (s != STATUS_OK)
        return s;
    if (!reader_next(&r))
        return r.status;
    if (!str_eq(peek_bytes(&r), str_make((const char *)op->hash, sizeof(op->hash))))
        return FAIL(err, STATUS_UNPROCESSABLE,
                    "This Idempotency-Key was used for another request in the last 24 hours.");
    op->existing = read_text(&r);
    return FAIL(err, STATUS_CONFLICT, "the request was carried out before");
}

static enum status put_key(struct db *db, struct store_prediction_create *op)
{
    const struct db_value args[SQL_IDEMPOTENCY_PUT_PARAMS] = {
        [SQL_IDEMPOTENCY_PUT_ACCOUNT_ID] = DB_V_TEXT(op->in.account_id),
        [SQL_IDEMPOTENCY_PUT_KEY] = DB_V_TEXT(op->key),
        [SQL_IDEMPOTENCY_PUT_HASH] = DB_V_BLOB(str_make((const char *)op->hash, sizeof(op->hash))),
        [SQL_IDEMPOTENCY_PUT_PREDICTION_ID] = DB_V_TEXT(op->in.id),
        [SQL_IDEMPOTENCY_PUT_NOW] = DB_V_INT(op->in.created_at),
    };

    return db_exec(db, &sql_idempotency_put, args, NULL, &op->op.error);
}

static enum status prediction_create(struct db *db, struct store_op *base)
{
    struct store_prediction_create *op = container_of(base, struct store_prediction_create, op);
    const struct prediction_row *p = &op->in;
    const struct db_value use[SQL_DEPLOYMENT_USE_PARAMS] = {
        [SQL_DEPLOYMENT_USE_ID] = DB_V_TEXT(p->deployment_id),
        [SQL_DEPLOYMENT_USE_NOW] = DB_V_INT(p->created_at),
    };
    const struct db_value training[SQL_TRAINING_CREATE_PARAMS] = {
        [SQL_TRAINING_CREATE_ID] = DB_V_TEXT(p->id),
        [SQL_TRAINING_CREATE_ACCOUNT_ID] = DB_V_TEXT(p->account_id),
        [SQL_TRAINING_CREATE_MODEL_ID] = DB_V_TEXT(p->destination_id),
        [SQL_TRAINING_CREATE_DESTINATION] = DB_V_TEXT(p->destination),
    };
    struct error *err = &base->error;
    const char *version_seq = NULL;
    int64_t used_at = 0;
    enum status s = op->key ? find_key(db, op) : STATUS_OK;

    if (s == STATUS_OK)
        s = find_place(db, op, &version_seq, &used_at);
    if (s != STATUS_OK)
        return s;
    if (p->deployment_id && (used_at == 0 || p->created_at >= used_at + USE_NOTED_MS))
        s = db_exec(db, &sql_deployment_use, use, NULL, err);
    if (s == STATUS_OK)
        s = insert(db, p, version_seq, err);
    if (s == STATUS_CONFLICT)
        return FAIL(err, s, "a prediction %s exists already", p->id);
    if (s == STATUS_OK && p->destination)
        s = db_exec(db, &sql_training_create, training, NULL, err);
    return s == STATUS_OK && op->key ? put_key(db, op) : s;
}

const struct store_op_type STORE_PREDICTION_CREATE = {
    .name = "prediction_create",
    .is_write = true,
    .exec = prediction_create,
};

static enum status prediction_get(struct db *db, struct store_op *base)
{
    struct store_prediction_get *op = container_of(base, struct store_prediction_get, op);
    const struct db_value args[SQL_PREDICTION_GET_PARAMS] = {
        [SQL_PREDICTION_GET_ID] = DB_V_TEXT(op->id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_prediction_get, args, &base->arena, &base->error);

    if (s != STATUS_OK)
        return s;
    if (reader_next(&r)) {
        read_prediction(&r, &op->row);
        read_prediction_data(&r, &op->row);
        op->row.sealed_input = read_bytes(&r);
        if (is_owner(op->account_id, op->row.account_id))
            return STATUS_OK;
    }
    return r.status != STATUS_OK ? r.status
                                 : FAIL(&base->error, STATUS_NOT_FOUND, "no such prediction");
}

const struct store_op_type STORE_PREDICTION_GET = {
    .name = "prediction_get",
    .exec = prediction_get,
};

static enum status prediction_of_stream(struct db *db, struct store_op *base)
{
    struct store_prediction_of_stream *op =
        container_of(base, struct store_prediction_of_stream, op);
    const struct db_value args[SQL_PREDICTION_OF_STREAM_PARAMS] = {
        [SQL_PREDICTION_OF_STREAM_SECRET] = DB_V_TEXT(op->secret),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s =
        reader_open(&r, db, &sql_prediction_of_stream, args, &base->arena, &base->error);

    if (s != STATUS_OK)
        return s;
    if (reader_next(&r)) {
        read_prediction(&r, &op->row);
        read_prediction_data(&r, &op->row);
        return STATUS_OK;
    }
    return r.status != STATUS_OK ? r.status
                                 : FAIL(&base->error, STATUS_NOT_FOUND, "no such stream");
}

const struct store_op_type STORE_PREDICTION_OF_STREAM = {
    .name = "prediction_of_stream",
    .exec = prediction_of_stream,
};

struct page_key read_listed_prediction(struct reader *r, struct prediction_row *out,
                                       size_t *out_bytes)
{
    read_prediction(r, out);
    read_prediction_data(r, out);
    *out_bytes = out->input.n + out->output.n + out->logs.n;
    return (struct page_key){ .id = out->id, .at = out->created_at };
}

static struct page_key read_prediction_row(struct page_walk *w, struct reader *r, size_t at,
                                           size_t *out_bytes)
{
    struct store_prediction_list *op = w->user;

    return read_listed_prediction(r, &op->rows[at], out_bytes);
}

/* Rows are ordered by creation, so that the filter's bounds are bounds of the walk. The cursor is
 * only an id: its time is looked up, or, when that prediction is gone, taken from the id. */
static enum status resolve_cursor(struct db *db, struct store_op *op, struct page_key *key)
{
    const struct db_value args[SQL_PREDICTION_CREATED_AT_PARAMS] = {
        [SQL_PREDICTION_CREATED_AT_ID] = DB_V_TEXT(key->id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = STATUS_OK;

    if (!key->id)
        return STATUS_OK;
    s = reader_open(&r, db, &sql_prediction_created_at, args, &op->arena, &op->error);
    if (s != STATUS_OK)
        return s;
    if (reader_next(&r)) {
        key->at = read_int(&r);
        return STATUS_OK;
    }
    if (r.status != STATUS_OK)
        return r.status;
    if (!id_valid(str_of(key->id)))
        return FAIL(&op->error, STATUS_INVALID, "the cursor is not valid");
    key->at = id_time_ms(str_of(key->id));
    return STATUS_OK;
}

static void set_filter(struct page_walk *w, const struct store_prediction_list *op)
{
    int64_t from = op->created_after,
            until = op->created_before > 0 ? op->created_before : INT64_MAX;
    /* Smaller than every id of that millisecond: includes `from`, excludes `until`. */
    struct page_key oldest = { .id = "", .at = from }, newest = { .id = "", .at = until };

    w->has_at = true;
    w->older = op->only_web ? &sql_prediction_web_older : &sql_prediction_older;
    w->newer = op->only_web ? &sql_prediction_web_newer : &sql_prediction_newer;
    if (op->deployment_id) {
        w->older = &sql_prediction_of_older;
        w->newer = &sql_prediction_of_newer;
        w->older_args[SQL_PREDICTION_OF_OLDER_DEPLOYMENT_ID] = DB_V_TEXT(op->deployment_id);
        w->newer_args[SQL_PREDICTION_OF_NEWER_DEPLOYMENT_ID] = DB_V_TEXT(op->deployment_id);
        w->older_args[SQL_PREDICTION_OF_OLDER_WEB] = DB_V_INT(op->only_web);
        w->newer_args[SQL_PREDICTION_OF_NEWER_WEB] = DB_V_INT(op->only_web);
    }
    w->older_args[SQL_PREDICTION_OLDER_ACCOUNT_ID] = DB_V_TEXT(op->account_id);
    w->older_args[SQL_PREDICTION_OLDER_BOUND] = DB_V_INT(from);
    w->newer_args[SQL_PREDICTION_NEWER_ACCOUNT_ID] = DB_V_TEXT(op->account_id);
    w->newer_args[SQL_PREDICTION_NEWER_BOUND] = DB_V_INT(until);
    w->oldest = oldest;
    w->newest = newest;
    if (w->after.id && w->after.at >= until)
        w->after = newest;
    if (w->before.id && w->before.at < from)
        w->before = oldest;
}

static enum status prediction_list(struct db *db, struct store_op *base)
{
    struct store_prediction_list *op = container_of(base, struct store_prediction_list, op);
    struct page_walk w;
    size_t first = 0;
    enum status s = STATUS_OK;

    page_walk_init(&w, db, base, &op->page);
    s = resolve_cursor(db, base, &w.after);
    if (s == STATUS_OK)
        s = resolve_cursor(db, base, &w.before);
    if (s != STATUS_OK)
        return s;
    set_filter(&w, op);
    w.read = read_prediction_row;
    w.max_bytes = op->max_bytes;
    w.user = op;
    op->rows = arena_array(&base->arena, struct prediction_row, (size_t)op->page.limit);
    s = page_walk(&w, &first, &op->n, &op->info);
    op->rows += first;
    return s;
}

const struct store_op_type STORE_PREDICTION_LIST = {
    .name = "prediction_list",
    .exec = prediction_list,
};

static enum status prediction_open(struct db *db, struct store_op *base)
{
    struct store_prediction_open *op = container_of(base, struct store_prediction_open, op);
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_prediction_open, NULL, &base->arena, &base->error);

    op->n = 0;
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        op->rows = reader_grow(&r, op->rows, op->n);
        read_prediction(&r, &op->rows[op->n++]);
    }
    return r.status;
}

const struct store_op_type STORE_PREDICTION_OPEN = {
    .name = "prediction_open",
    .exec = prediction_open,
};
