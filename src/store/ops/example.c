/* SPDX-License-Identifier: Apache-2.0 */
#include "store/collection.h"
#include "store/ops/page.h"
#include "store/ops/rows.h"

enum status find_example(struct db *db, struct store_op *op, struct model_row *m)
{
    const struct db_value args[SQL_PREDICTION_GET_PARAMS] = {
        [SQL_PREDICTION_GET_ID] = DB_V_TEXT(m->default_example),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    struct prediction_row *p;
    enum status s;

    m->example = NULL;
    if (!m->default_example)
        return STATUS_OK;
    s = reader_open(&r, db, &sql_prediction_get, args, &op->arena, &op->error);
    if (s != STATUS_OK)
        return s;
    if (reader_next(&r)) {
        p = arena_new(&op->arena, struct prediction_row);
        read_prediction(&r, p);
        read_prediction_data(&r, p);
        m->example = p;
    }
    return r.status;
}

static enum status check_prediction(struct db *db, struct store_example_put *op,
                                    const struct model_row *m)
{
    const struct db_value args[SQL_PREDICTION_GET_PARAMS] = {
        [SQL_PREDICTION_GET_ID] = DB_V_TEXT(op->prediction_id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    struct error *err = &op->op.error;
    struct prediction_row p;
    enum status s = reader_open(&r, db, &sql_prediction_get, args, &op->op.arena, err);

    if (s != STATUS_OK)
        return s;
    if (!reader_next(&r))
        return r.status != STATUS_OK ? r.status : FAIL(err, STATUS_NOT_FOUND, "no such prediction");
    read_prediction(&r, &p);
    if (!is_owner(op->viewer_id, p.account_id))
        return FAIL(err, STATUS_NOT_FOUND, "no such prediction");
    if (strcmp(p.model_id, m->id) != 0)
        return FAIL(err, STATUS_UNPROCESSABLE, "The prediction is of %s/%s, not of this model.",
                    p.model_owner, p.model_name);
    if (p.status != PREDICTION_SUCCEEDED || p.data_removed)
        return FAIL(err, STATUS_UNPROCESSABLE,
                    "Only a prediction that succeeded and still has its data can be an example.");
    return STATUS_OK;
}

static enum status example_put(struct db *db, struct store_op *base)
{
    struct store_example_put *op = container_of(base, struct store_example_put, op);
    struct db_value args[2]; /* (model_id, prediction_id) for all three statements */
    struct version_row latest;
    struct model_row m;
    int64_t changed = 0;
    enum status s = find_model(db, base, op->owner, op->name, op->viewer_id, &m, &latest);

    if (s == STATUS_OK)
        s = check_owner(op->viewer_id, m.owner_id, m.is_public, &base->error);
    if (s == STATUS_OK && !op->remove)
        s = check_prediction(db, op, &m);
    if (s != STATUS_OK)
        return s;
    args[0] = DB_V_TEXT(m.id);
    args[1] = DB_V_TEXT(op->prediction_id);
    s = db_exec(db, op->remove ? &sql_example_remove : &sql_example_add, args, &changed,
                &base->error);
    if (s == STATUS_OK && op->remove && changed == 0)
        return FAIL(&base->error, STATUS_NOT_FOUND, "no such example");
    if (s == STATUS_OK)
        s = db_exec(db, &sql_example_set_default, args, NULL, &base->error);
    return s;
}

const struct store_op_type STORE_EXAMPLE_PUT = {
    .name = "example_put",
    .is_write = true,
    .exec = example_put,
};

static struct page_key read_example_row(struct page_walk *w, struct reader *r, size_t at,
                                        size_t *out_bytes)
{
    struct store_example_list *op = w->user;

    return read_listed_prediction(r, &op->rows[at], out_bytes);
}

static enum status example_list(struct db *db, struct store_op *base)
{
    struct store_example_list *op = container_of(base, struct store_example_list, op);
    struct version_row latest;
    struct model_row m;
    struct page_walk w;
    size_t first = 0;
    enum status s = find_model(db, base, op->owner, op->name, op->viewer_id, &m, &latest);

    if (s != STATUS_OK)
        return s;
    page_walk_init(&w, db, base, &op->page);
    w.older = &sql_example_older;
    w.newer = &sql_example_newer;
    w.older_args[SQL_EXAMPLE_OLDER_MODEL_ID] = DB_V_TEXT(m.id);
    w.newer_args[SQL_EXAMPLE_NEWER_MODEL_ID] = DB_V_TEXT(m.id);
    w.read = read_example_row;
    w.max_bytes = 8 << 20;
    w.user = op;
    op->rows = arena_array(&base->arena, struct prediction_row, (size_t)op->page.limit);
    s = page_walk(&w, &first, &op->n, &op->info);
    op->rows += first;
    return s;
}

const struct store_op_type STORE_EXAMPLE_LIST = {
    .name = "example_list",
    .exec = example_list,
};
