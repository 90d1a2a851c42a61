/* SPDX-License-Identifier: Apache-2.0 */
#include "store/file.h"

#include "store/ops/page.h"
#include "store/ops/rows.h"

_Static_assert(FILE_UPLOADED == 0 && FILE_OUTPUT == 1 && FILE_INPUT == 2,
               "a file's kind is stored as its number");

enum status file_insert(struct db *db, const struct file_row *f, struct error *err)
{
    const struct db_value args[SQL_FILE_CREATE_PARAMS] = {
        [SQL_FILE_CREATE_ID] = DB_V_TEXT(f->id),
        [SQL_FILE_CREATE_ACCOUNT_ID] = DB_V_TEXT(f->account_id),
        [SQL_FILE_CREATE_KIND] = DB_V_INT(f->kind),
        [SQL_FILE_CREATE_PREDICTION_ID] = DB_V_TEXT(f->prediction_id),
        [SQL_FILE_CREATE_SECRET] = DB_V_TEXT(f->secret),
        [SQL_FILE_CREATE_NAME] = DB_V_TEXT(f->name),
        [SQL_FILE_CREATE_CONTENT_TYPE] = DB_V_TEXT(f->content_type),
        [SQL_FILE_CREATE_SIZE] = DB_V_INT(f->size),
        [SQL_FILE_CREATE_SHA256] = DB_V_TEXT(f->sha256),
        [SQL_FILE_CREATE_MD5] = DB_V_TEXT(f->md5),
        [SQL_FILE_CREATE_METADATA] = DB_V_BLOB(f->metadata),
        [SQL_FILE_CREATE_CREATED_AT] = DB_V_INT(f->created_at),
        [SQL_FILE_CREATE_EXPIRES_AT] = DB_V_INT(f->expires_at),
    };

    return db_exec(db, &sql_file_create, args, NULL, err);
}

static void read_file(struct reader *r, struct file_row *out)
{
    *out = (struct file_row){ .id = read_text(r) };
    out->account_id = read_text(r);
    out->kind = (enum file_kind)read_int(r);
    out->prediction_id = read_text(r);
    out->secret = read_text(r);
    out->name = read_text(r);
    out->content_type = read_text(r);
    out->size = read_int(r);
    out->sha256 = read_text(r);
    out->md5 = read_text(r);
    out->metadata = read_bytes(r);
    out->created_at = read_int(r);
    out->expires_at = read_int(r);
}

static enum status file_create(struct db *db, struct store_op *base)
{
    struct store_file_create *op = container_of(base, struct store_file_create, op);

    return file_insert(db, &op->in, &base->error);
}

const struct store_op_type STORE_FILE_CREATE = {
    .name = "file_create",
    .is_write = true,
    .exec = file_create,
};

static enum status file_get(struct db *db, struct store_op *base)
{
    struct store_file_get *op = container_of(base, struct store_file_get, op);
    const struct db_value by_id[SQL_FILE_GET_PARAMS] = {
        [SQL_FILE_GET_ID] = DB_V_TEXT(op->id),
        [SQL_FILE_GET_NOW] = DB_V_INT(op->now),
    };
    const struct db_value by_secret[SQL_FILE_BY_SECRET_PARAMS] = {
        [SQL_FILE_BY_SECRET_SECRET] = DB_V_TEXT(op->secret),
        [SQL_FILE_BY_SECRET_NOW] = DB_V_INT(op->now),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, op->id ? &sql_file_get : &sql_file_by_secret,
                                op->id ? by_id : by_secret, &base->arena, &base->error);

    if (s != STATUS_OK)
        return s;
    if (reader_next(&r)) {
        read_file(&r, &op->row);
        if (is_owner(op->account_id, op->row.account_id))
            return STATUS_OK;
    }
    return r.status != STATUS_OK ? r.status
                                 : FAIL(&base->error, STATUS_NOT_FOUND, "File not found");
}

const struct store_op_type STORE_FILE_GET = {
    .name = "file_get",
    .exec = file_get,
};

static struct page_key read_file_row(struct page_walk *w, struct reader *r, size_t at,
                                     size_t *out_bytes)
{
    struct store_file_list *op = w->user;

    read_file(r, &op->rows[at]);
    *out_bytes = 0;
    return (struct page_key){ .id = op->rows[at].id };
}

static enum status file_list(struct db *db, struct store_op *base)
{
    struct store_file_list *op = container_of(base, struct store_file_list, op);
    struct page_walk w;
    size_t first = 0;
    enum status s = STATUS_OK;

    page_walk_init(&w, db, base, &op->page);
    w.older = &sql_file_older;
    w.newer = &sql_file_newer;
    w.older_args[SQL_FILE_OLDER_ACCOUNT_ID] = w.newer_args[SQL_FILE_NEWER_ACCOUNT_ID] =
        DB_V_TEXT(op->account_id);
    w.older_args[SQL_FILE_OLDER_NOW] = w.newer_args[SQL_FILE_NEWER_NOW] = DB_V_INT(op->now);
    w.read = read_file_row;
    w.user = op;
    op->rows = arena_array(&base->arena, struct file_row, (size_t)op->page.limit);
    s = page_walk(&w, &first, &op->n, &op->info);
    op->rows += first;
    return s;
}

const struct store_op_type STORE_FILE_LIST = {
    .name = "file_list",
    .exec = file_list,
};

static enum status file_of_prediction(struct db *db, struct store_op *base)
{
    struct store_file_of_prediction *op = container_of(base, struct store_file_of_prediction, op);
    const struct db_value args[SQL_FILE_OF_PREDICTION_PARAMS] = {
        [SQL_FILE_OF_PREDICTION_PREDICTION_ID] = DB_V_TEXT(op->prediction_id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_file_of_prediction, args, &base->arena, &base->error);
    size_t room = 0;

    op->n = 0;
    while (s == STATUS_OK && reader_next(&r)) {
        if (op->n == room) {
            struct file_row *rows = arena_array(&base->arena, struct file_row, 2 * room + 16);

            if (room > 0)
                memcpy(rows, op->rows, room * sizeof(*rows));
            op->rows = rows;
            room = 2 * room + 16;
        }
        read_file(&r, &op->rows[op->n++]);
    }
    return s == STATUS_OK ? r.status : s;
}

const struct store_op_type STORE_FILE_OF_PREDICTION = {
    .name = "file_of_prediction",
    .exec = file_of_prediction,
};

static enum status file_delete(struct db *db, struct store_op *base)
{
    struct store_file_delete *op = container_of(base, struct store_file_delete, op);
    const struct db_value args[SQL_FILE_DELETE_PARAMS] = {
        [SQL_FILE_DELETE_ID] = DB_V_TEXT(op->id),
        [SQL_FILE_DELETE_ACCOUNT_ID] = DB_V_TEXT(op->account_id),
        [SQL_FILE_DELETE_NOW] = DB_V_INT(op->now),
    };
    int64_t changed = 0;
    enum status s = db_exec(db, &sql_file_delete, args, &changed, &base->error);

    if (s == STATUS_OK && changed == 0)
        return FAIL(&base->error, STATUS_NOT_FOUND, "File not found");
    return s;
}

const struct store_op_type STORE_FILE_DELETE = {
    .name = "file_delete",
    .is_write = true,
    .exec = file_delete,
};

static enum status file_expire_inputs(struct db *db, struct store_op *base)
{
    struct store_file_expire_inputs *op = container_of(base, struct store_file_expire_inputs, op);
    const struct db_value args[SQL_FILE_EXPIRE_INPUTS_PARAMS] = {
        [SQL_FILE_EXPIRE_INPUTS_PREDICTION_ID] = DB_V_TEXT(op->prediction_id),
        [SQL_FILE_EXPIRE_INPUTS_AT] = DB_V_INT(1),
    };

    return db_exec(db, &sql_file_expire_inputs, args, NULL, &base->error);
}

const struct store_op_type STORE_FILE_EXPIRE_INPUTS = {
    .name = "file_expire_inputs",
    .is_write = true,
    .exec = file_expire_inputs,
};

static enum status next_expiry(struct db *db, struct store_file_expired *op)
{
    const struct db_value args[SQL_FILE_NEXT_EXPIRY_PARAMS] = {
        [SQL_FILE_NEXT_EXPIRY_NOW] = DB_V_INT(op->now),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_file_next_expiry, args, &op->op.arena, &op->op.error);

    op->next_at = 0;
    if (s == STATUS_OK && reader_next(&r))
        op->next_at = read_int(&r);
    return s == STATUS_OK ? r.status : s;
}

static enum status file_expired(struct db *db, struct store_op *base)
{
    struct store_file_expired *op = container_of(base, struct store_file_expired, op);
    const struct db_value args[SQL_FILE_EXPIRED_PARAMS] = {
        [SQL_FILE_EXPIRED_NOW] = DB_V_INT(op->now),
        [SQL_FILE_EXPIRED_LIMIT] = DB_V_INT(op->limit),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_file_expired, args, &base->arena, &base->error);

    op->n = 0;
    if (s != STATUS_OK)
        return s;
    op->ids = arena_array(&base->arena, const char *, (size_t)op->limit);
    while (op->n < (size_t)op->limit && reader_next(&r))
        op->ids[op->n++] = read_text(&r);
    return r.status == STATUS_OK ? next_expiry(db, op) : r.status;
}

const struct store_op_type STORE_FILE_EXPIRED = {
    .name = "file_expired",
    .exec = file_expired,
};

static enum status file_forget(struct db *db, struct store_op *base)
{
    struct store_file_forget *op = container_of(base, struct store_file_forget, op);
    enum status s = STATUS_OK;

    for (size_t i = 0; s == STATUS_OK && i < op->n; i++) {
        const struct db_value args[SQL_FILE_FORGET_PARAMS] = {
            [SQL_FILE_FORGET_ID] = DB_V_TEXT(op->ids[i]),
        };

        s = db_exec(db, &sql_file_forget, args, NULL, &base->error);
    }
    return s;
}

const struct store_op_type STORE_FILE_FORGET = {
    .name = "file_forget",
    .is_write = true,
    .exec = file_forget,
};

static enum status file_unknown(struct db *db, struct store_op *base)
{
    struct store_file_unknown *op = container_of(base, struct store_file_unknown, op);
    enum status s = STATUS_OK;

    op->n_unknown = 0;
    op->unknown = arena_array(&base->arena, const char *, op->n + 1);
    for (size_t i = 0; s == STATUS_OK && i < op->n; i++) {
        const struct db_value args[SQL_FILE_EXISTS_PARAMS] = {
            [SQL_FILE_EXISTS_ID] = DB_V_TEXT(op->ids[i]),
        };
        bool found = true;

        s = db_exists(db, &sql_file_exists, args, &found, &base->error);
        if (s == STATUS_OK && !found)
            op->unknown[op->n_unknown++] = op->ids[i];
    }
    return s;
}

const struct store_op_type STORE_FILE_UNKNOWN = {
    .name = "file_unknown",
    .exec = file_unknown,
};
