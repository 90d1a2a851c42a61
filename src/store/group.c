/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit. The first pass runs the operations one after the other without savepoints, which
 * cost a copy of every page they touch again: an operation that fails has nearly always written
 * nothing (its conditions come first), and its neighbours go on. When one fails after it wrote, the
 * transaction is rolled back and a second pass runs all of them again, each in a savepoint. Hence
 * exec functions set all that they give out and change nothing that they were given. */
#include "store/group.h"

enum pass { PASS_DONE, PASS_AGAIN, PASS_FAULT };

static void run_op(struct db *db, struct store_op *op)
{
    op->error = (struct error){ .status = STATUS_OK };
    op->status = op->type->exec(db, op);
    if (op->status != STATUS_OK && op->error.status == STATUS_OK)
        op->error.status = op->status;
}

static void fail_op(struct store_op *op, const struct error *err)
{
    op->status = err->status;
    op->error = *err;
}

static void fail_all(struct list *ops, const struct error *err)
{
    struct store_op *op;

    list_each (ops, op, struct store_op, node) {
        fail_op(op, err);
    }
}

static enum pass pass_plain(const struct engine *e, struct db *db, struct list *ops,
                            struct error *err)
{
    struct store_op *op;

    list_each (ops, op, struct store_op, node) {
        int64_t before = e->changes(db);

        run_op(db, op);
        if (op->status == STATUS_OK)
            continue;
        if (!e->in_transaction(db)) {
            *err = op->error;
            return PASS_FAULT;
        }
        if (e->changes(db) != before)
            return PASS_AGAIN;
    }
    return PASS_DONE;
}

static enum pass pass_guarded(const struct engine *e, struct db *db, struct list *ops,
                              struct error *err)
{
    struct store_op *op;

    list_each (ops, op, struct store_op, node) {
        if (e->savepoint(db, err) != STATUS_OK)
            return PASS_FAULT;
        run_op(db, op);
        if (!e->in_transaction(db)) {
            *err = op->error;
            return PASS_FAULT;
        }
        if (op->status != STATUS_OK && e->savepoint_undo(db, err) != STATUS_OK)
            return PASS_FAULT;
        if (op->status == STATUS_OK && e->savepoint_keep(db, err) != STATUS_OK)
            return PASS_FAULT;
    }
    return PASS_DONE;
}

bool group_write(const struct engine *e, struct db *db, struct list *ops)
{
    struct error err = { .status = STATUS_OK };
    enum pass p = PASS_FAULT;

    if (e->begin(db, true, &err) != STATUS_OK) {
        fail_all(ops, &err);
        return false;
    }
    p = pass_plain(e, db, ops, &err);
    if (p == PASS_AGAIN) {
        e->rollback(db);
        p = e->begin(db, true, &err) == STATUS_OK ? pass_guarded(e, db, ops, &err) : PASS_FAULT;
    }
    if (p == PASS_DONE && e->commit(db, &err) == STATUS_OK)
        return true;
    e->rollback(db);
    if (err.status == STATUS_OK) /* a transaction that ended by itself */
        (void)FAIL(&err, STATUS_BROKEN, "the transaction was lost");
    fail_all(ops, &err);
    return false;
}

void group_read(const struct engine *e, struct db *db, struct store_op *op)
{
    struct error err;

    if (e->begin(db, false, &err) != STATUS_OK) {
        fail_op(op, &err);
        return;
    }
    run_op(db, op);
    if (e->commit(db, &err) != STATUS_OK) {
        e->rollback(db);
        if (op->status == STATUS_OK)
            fail_op(op, &err);
    }
}
