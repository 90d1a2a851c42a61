/* SPDX-License-Identifier: Apache-2.0 */
#include "store/scaling.h"

#include "base/buf.h"
#include "store/ops/page.h"

static enum status decision_add(struct db *db, struct store_op *base)
{
    struct store_decision_add *op = container_of(base, struct store_decision_add, op);
    const struct decision_row *d = &op->in;
    const struct db_value args[SQL_DECISION_ADD_PARAMS] = {
        [SQL_DECISION_ADD_DEPLOYMENT_ID] = DB_V_TEXT(op->deployment_id),
        [SQL_DECISION_ADD_ID] = DB_V_TEXT(d->id),
        [SQL_DECISION_ADD_AT] = DB_V_INT(d->at),
        [SQL_DECISION_ADD_INSTANCES_BEFORE] = DB_V_INT(d->before),
        [SQL_DECISION_ADD_INSTANCES_AFTER] = DB_V_INT(d->after),
        [SQL_DECISION_ADD_CAUSE] = DB_V_TEXT(d->cause),
        [SQL_DECISION_ADD_SENTENCE] = DB_V_TEXT(d->sentence),
        [SQL_DECISION_ADD_INPUTS] = DB_V_TEXT(d->inputs),
    };
    const struct db_value prune[SQL_DECISION_PRUNE_PARAMS] = {
        [SQL_DECISION_PRUNE_DEPLOYMENT_ID] = DB_V_TEXT(op->deployment_id),
        [SQL_DECISION_PRUNE_KEEP] = DB_V_INT(op->keep),
    };
    enum status s = db_exec(db, &sql_decision_add, args, NULL, &base->error);

    return s == STATUS_OK ? db_exec(db, &sql_decision_prune, prune, NULL, &base->error) : s;
}

const struct store_op_type STORE_DECISION_ADD = {
    .name = "decision_add",
    .is_write = true,
    .exec = decision_add,
};

static struct page_key read_decision(struct page_walk *w, struct reader *r, size_t at,
                                     size_t *out_bytes)
{
    struct store_decision_list *op = w->user;
    struct decision_row *d = &op->rows[at];

    *d = (struct decision_row){ .id = read_text(r) };
    d->at = read_int(r);
    d->before = read_int(r);
    d->after = read_int(r);
    d->cause = read_text(r);
    d->sentence = read_text(r);
    d->inputs = read_text(r);
    *out_bytes = 0;
    return (struct page_key){ .id = d->id };
}

static enum status decision_list(struct db *db, struct store_op *base)
{
    struct store_decision_list *op = container_of(base, struct store_decision_list, op);
    struct page_walk w;
    size_t first = 0;
    enum status s;

    page_walk_init(&w, db, base, &op->page);
    w.older = &sql_decision_older;
    w.newer = &sql_decision_newer;
    w.older_args[SQL_DECISION_OLDER_DEPLOYMENT_ID] = DB_V_TEXT(op->deployment_id);
    w.newer_args[SQL_DECISION_NEWER_DEPLOYMENT_ID] = DB_V_TEXT(op->deployment_id);
    w.read = read_decision;
    w.user = op;
    op->rows = arena_array(&base->arena, struct decision_row, (size_t)op->page.limit);
    s = page_walk(&w, &first, &op->n, &op->info);
    op->rows += first;
    return s;
}

const struct store_op_type STORE_DECISION_LIST = {
    .name = "decision_list",
    .exec = decision_list,
};

static enum status traffic_save(struct db *db, struct store_op *base)
{
    struct store_traffic_save *op = container_of(base, struct store_traffic_save, op);
    const struct db_value add[SQL_TRAFFIC_ADD_PARAMS] = {
        [SQL_TRAFFIC_ADD_DEPLOYMENT_ID] = DB_V_TEXT(op->deployment_id),
        [SQL_TRAFFIC_ADD_UNTIL] = DB_V_INT(op->until),
        [SQL_TRAFFIC_ADD_SEQ] = DB_V_INT(op->seq),
        [SQL_TRAFFIC_ADD_DATA] = DB_V_BLOB(op->traffic),
    };
    const struct db_value put[SQL_LEARNED_PUT_PARAMS] = {
        [SQL_LEARNED_PUT_DEPLOYMENT_ID] = DB_V_TEXT(op->deployment_id),
        [SQL_LEARNED_PUT_DATA] = DB_V_BLOB(op->learned),
    };
    const struct db_value prune[SQL_TRAFFIC_PRUNE_PARAMS] = {
        [SQL_TRAFFIC_PRUNE_DEPLOYMENT_ID] = DB_V_TEXT(op->deployment_id),
        [SQL_TRAFFIC_PRUNE_BEFORE] = DB_V_INT(op->forget_before),
    };
    enum status s = STATUS_OK;

    if (op->learned.p)
        s = db_exec(db, &sql_learned_put, put, NULL, &base->error);
    if (s == STATUS_OK && op->traffic.n > 0)
        s = db_exec(db, &sql_traffic_add, add, NULL, &base->error);
    return s == STATUS_OK ? db_exec(db, &sql_traffic_prune, prune, NULL, &base->error) : s;
}

const struct store_op_type STORE_TRAFFIC_SAVE = {
    .name = "traffic_save",
    .is_write = true,
    .exec = traffic_save,
};

static enum status learned_get(struct db *db, struct store_op *base)
{
    struct store_learned_get *op = container_of(base, struct store_learned_get, op);
    const struct db_value args[SQL_LEARNED_GET_PARAMS] = {
        [SQL_LEARNED_GET_DEPLOYMENT_ID] = DB_V_TEXT(op->deployment_id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_learned_get, args, &base->arena, &base->error);

    op->data = STR_NULL;
    if (s == STATUS_OK && reader_next(&r))
        op->data = read_bytes(&r);
    return s == STATUS_OK ? r.status : s;
}

const struct store_op_type STORE_LEARNED_GET = {
    .name = "learned_get",
    .exec = learned_get,
};

static enum status traffic_read(struct db *db, struct store_op *base)
{
    struct store_traffic_read *op = container_of(base, struct store_traffic_read, op);
    const struct db_value args[SQL_TRAFFIC_READ_PARAMS] = {
        [SQL_TRAFFIC_READ_DEPLOYMENT_ID] = DB_V_TEXT(op->deployment_id),
        [SQL_TRAFFIC_READ_AFTER] = DB_V_INT(op->after),
    };
    struct buf all CLEANUP(buf_deinit) = BUF_INIT(op->max_bytes);
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_traffic_read, args, &base->arena, &base->error);

    op->data = STR_NULL;
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r))
        if (!buf_add_str(&all, peek_bytes(&r)))
            return FAIL(&base->error, STATUS_UNPROCESSABLE,
                        "There is more traffic than can be replayed at once (%zu predictions, "
                        "max_simulated): ask for fewer days.",
                        op->max_bytes / 24);
    op->data = str_make(store_keep(base, buf_str(&all)), all.n);
    return r.status;
}

const struct store_op_type STORE_TRAFFIC_READ = {
    .name = "traffic_read",
    .exec = traffic_read,
};
