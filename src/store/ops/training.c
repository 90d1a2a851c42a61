/* SPDX-License-Identifier: Apache-2.0 */
#include "store/training.h"

#include "store/ops/page.h"
#include "store/ops/rows.h"

static enum status find_destination(struct db *db, struct store_training_get *op)
{
    const struct db_value args[SQL_TRAINING_DESTINATION_PARAMS] = {
        [SQL_TRAINING_DESTINATION_ID] = DB_V_TEXT(op->id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s =
        reader_open(&r, db, &sql_training_destination, args, &op->op.arena, &op->op.error);

    if (s != STATUS_OK)
        return s;
    if (reader_next(&r)) {
        op->model_id = read_text(&r);
        return STATUS_OK;
    }
    return r.status != STATUS_OK ? r.status
                                 : FAIL(&op->op.error, STATUS_NOT_FOUND, "no such training");
}

static enum status training_get(struct db *db, struct store_op *base)
{
    struct store_training_get *op = container_of(base, struct store_training_get, op);
    const struct db_value args[SQL_PREDICTION_GET_PARAMS] = {
        [SQL_PREDICTION_GET_ID] = DB_V_TEXT(op->id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = find_destination(db, op);

    if (s == STATUS_OK)
        s = reader_open(&r, db, &sql_prediction_get, args, &base->arena, &base->error);
    if (s != STATUS_OK)
        return s;
    if (!reader_next(&r))
        return r.status != STATUS_OK ? r.status
                                     : FAIL(&base->error, STATUS_NOT_FOUND, "no such training");
    read_prediction(&r, &op->row);
    read_prediction_data(&r, &op->row);
    return find_version_of_model(db, base, op->row.model_id, op->row.version, &op->base);
}

const struct store_op_type STORE_TRAINING_GET = {
    .name = "training_get",
    .exec = training_get,
};

static enum status training_end(struct db *db, struct store_op *base)
{
    struct store_training_end *op = container_of(base, struct store_training_end, op);
    const struct db_value args[SQL_TRAINING_END_PARAMS] = {
        [SQL_TRAINING_END_ID] = DB_V_TEXT(op->id),
        [SQL_TRAINING_END_VERSION] = DB_V_TEXT(op->failure ? NULL : op->version),
        [SQL_TRAINING_END_FAILURE] = DB_V_TEXT(op->failure),
    };
    const struct webhook_row message = {
        .id = op->webhook_id,
        .prediction_id = op->id,
        .event = WEBHOOK_COMPLETED,
        .created_at = op->webhook_at,
        .next_at = op->webhook_at,
        .until = op->webhook_until,
    };
    bool existed;
    int64_t changed = 0;
    enum status s = db_exec(db, &sql_training_end, args, &changed, &base->error);

    if (s == STATUS_OK && changed == 0)
        return FAIL(&base->error, STATUS_CONFLICT, "the training has its end already");
    if (s == STATUS_OK && !op->failure)
        s = put_version(db, &op->in, &existed, &base->error);
    if (s == STATUS_OK && op->webhook_id)
        s = add_webhook(db, &message, op->webhook_target, &base->error);
    return s;
}

const struct store_op_type STORE_TRAINING_END = {
    .name = "training_end",
    .is_write = true,
    .exec = training_end,
};

static enum status training_unfinished(struct db *db, struct store_op *base)
{
    struct store_training_unfinished *op = container_of(base, struct store_training_unfinished, op);
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_training_unfinished, NULL, &base->arena, &base->error);

    op->n = 0;
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        op->ids = reader_grow(&r, op->ids, op->n);
        op->ids[op->n++] = read_text(&r);
    }
    return r.status;
}

const struct store_op_type STORE_TRAINING_UNFINISHED = {
    .name = "training_unfinished",
    .exec = training_unfinished,
};

static struct page_key read_training_row(struct page_walk *w, struct reader *r, size_t at,
                                         size_t *out_bytes)
{
    struct store_training_list *op = w->user;

    return read_listed_prediction(r, &op->rows[at], out_bytes);
}

static enum status training_list(struct db *db, struct store_op *base)
{
    struct store_training_list *op = container_of(base, struct store_training_list, op);
    struct page_walk w;
    size_t first = 0;
    enum status s;

    page_walk_init(&w, db, base, &op->page);
    w.older = &sql_training_older;
    w.newer = &sql_training_newer;
    w.older_args[SQL_TRAINING_OLDER_ACCOUNT_ID] = DB_V_TEXT(op->account_id);
    w.newer_args[SQL_TRAINING_NEWER_ACCOUNT_ID] = DB_V_TEXT(op->account_id);
    w.read = read_training_row;
    w.max_bytes = op->max_bytes;
    w.user = op;
    op->rows = arena_array(&base->arena, struct prediction_row, (size_t)op->page.limit);
    s = page_walk(&w, &first, &op->n, &op->info);
    op->rows += first;
    return s;
}

const struct store_op_type STORE_TRAINING_LIST = {
    .name = "training_list",
    .exec = training_list,
};
