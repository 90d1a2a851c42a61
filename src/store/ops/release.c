/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ops/rows.h"

void read_release(struct reader *r, struct release_row *out)
{
    out->number = read_int(r);
    out->model_owner = read_text(r);
    out->model_name = read_text(r);
    out->version = read_text(r);
    out->hardware = read_text(r);
    out->min_instances = read_int(r);
    out->max_instances = read_int(r);
    out->created_at = read_int(r);
    read_account(r, &out->created_by);
    out->ready_at = read_int(r);
    out->failed_at = read_int(r);
    out->failure = read_text(r);
}

static enum status release_list(struct db *db, struct store_op *base)
{
    struct store_release_list *op = container_of(base, struct store_release_list, op);
    const struct db_value args[SQL_RELEASE_LIST_PARAMS] = {
        [SQL_RELEASE_LIST_DEPLOYMENT_ID] = DB_V_TEXT(op->deployment_id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, op->only_open ? &sql_release_list_open : &sql_release_list,
                                args, &base->arena, &base->error);

    op->n = 0;
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        op->rows = reader_grow(&r, op->rows, op->n);
        read_release(&r, &op->rows[op->n++]);
    }
    return r.status;
}

const struct store_op_type STORE_RELEASE_LIST = {
    .name = "release_list",
    .exec = release_list,
};

static enum status why_not_marked(struct db *db, const struct store_release_mark *op,
                                  struct error *err)
{
    const struct db_value args[SQL_RELEASE_EXISTS_PARAMS] = {
        [SQL_RELEASE_EXISTS_DEPLOYMENT_ID] = DB_V_TEXT(op->deployment_id),
        [SQL_RELEASE_EXISTS_NUMBER] = DB_V_INT(op->number),
    };
    bool found = false;
    enum status s = db_exists(db, &sql_release_exists, args, &found, err);

    if (s != STATUS_OK)
        return s;
    if (!found)
        return FAIL(err, STATUS_NOT_FOUND, "no such release");
    return FAIL(err, STATUS_CONFLICT, "another server has taken over this deployment");
}

static enum status release_mark(struct db *db, struct store_op *base)
{
    struct store_release_mark *op = container_of(base, struct store_release_mark, op);
    bool failed = op->failure && !op->clear;
    const struct db_value args[SQL_RELEASE_MARK_PARAMS] = {
        [SQL_RELEASE_MARK_DEPLOYMENT_ID] = DB_V_TEXT(op->deployment_id),
        [SQL_RELEASE_MARK_NUMBER] = DB_V_INT(op->number),
        [SQL_RELEASE_MARK_LEASE_EPOCH] = DB_V_INT(op->lease_epoch),
        [SQL_RELEASE_MARK_READY_AT] = DB_V_INT(op->clear ? 0
                                               : failed  ? -1
                                                         : op->now),
        [SQL_RELEASE_MARK_FAILED_AT] = DB_V_INT(failed ? op->now : 0),
        [SQL_RELEASE_MARK_FAILURE] = DB_V_TEXT(failed ? op->failure : NULL),
    };
    int64_t changed = 0;
    enum status s = db_exec(db, &sql_release_mark, args, &changed, &base->error);

    if (s != STATUS_OK || changed > 0)
        return s;
    return why_not_marked(db, op, &base->error);
}

const struct store_op_type STORE_RELEASE_MARK = {
    .name = "release_mark",
    .is_write = true,
    .exec = release_mark,
};

static enum status lease_take(struct db *db, struct store_op *base)
{
    struct store_lease_take *op = container_of(base, struct store_lease_take, op);
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = db_exec(db, &sql_lease_raise, NULL, NULL, &base->error);

    if (s == STATUS_OK)
        s = db_exec(db, &sql_deployment_take_lease, NULL, NULL, &base->error);
    if (s == STATUS_OK)
        s = db_exec(db, &sql_model_take_lease, NULL, NULL, &base->error);
    if (s == STATUS_OK)
        s = reader_open(&r, db, &sql_lease_get, NULL, &base->arena, &base->error);
    if (s != STATUS_OK)
        return s;
    if (reader_next(&r))
        op->epoch = read_int(&r);
    return r.status;
}

const struct store_op_type STORE_LEASE_TAKE = {
    .name = "lease_take",
    .is_write = true,
    .exec = lease_take,
};
