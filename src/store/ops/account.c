/* SPDX-License-Identifier: Apache-2.0 */
#include "store/account.h"

#include "store/ops/rows.h"

void read_account(struct reader *r, struct account *out)
{
    out->id = read_text(r);
    out->type = read_int(r) == 0 ? ACCOUNT_USER : ACCOUNT_ORGANIZATION;
    out->username = read_text(r);
    out->name = read_text(r);
    out->github_url = read_text(r);
    out->avatar_url = read_text(r);
    out->created_at = read_int(r);
}

static enum status account_create(struct db *db, struct store_op *base)
{
    struct store_account_create *op = container_of(base, struct store_account_create, op);
    const struct account *a = &op->in;
    const struct db_value args[SQL_ACCOUNT_CREATE_PARAMS] = {
        [SQL_ACCOUNT_CREATE_ID] = DB_V_TEXT(a->id),
        [SQL_ACCOUNT_CREATE_TYPE] = DB_V_INT(a->type == ACCOUNT_USER ? 0 : 1),
        [SQL_ACCOUNT_CREATE_USERNAME] = DB_V_TEXT(a->username),
        [SQL_ACCOUNT_CREATE_NAME] = DB_V_TEXT(a->name),
        [SQL_ACCOUNT_CREATE_GITHUB_URL] = DB_V_TEXT(a->github_url),
        [SQL_ACCOUNT_CREATE_AVATAR_URL] = DB_V_TEXT(a->avatar_url),
        [SQL_ACCOUNT_CREATE_WEBHOOK_SECRET] = DB_V_TEXT(op->webhook_secret),
        [SQL_ACCOUNT_CREATE_CREATED_AT] = DB_V_INT(a->created_at),
    };
    enum status s = db_exec(db, &sql_account_create, args, NULL, &base->error);

    if (s == STATUS_CONFLICT)
        return FAIL(&base->error, s, "the account name %s is taken", a->username);
    return s;
}

const struct store_op_type STORE_ACCOUNT_CREATE = {
    .name = "account_create",
    .is_write = true,
    .exec = account_create,
};

static enum status account_list(struct db *db, struct store_op *base)
{
    struct store_account_list *op = container_of(base, struct store_account_list, op);
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_account_list, NULL, &base->arena, &base->error);

    op->n = 0;
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        op->rows = reader_grow(&r, op->rows, op->n);
        read_account(&r, &op->rows[op->n++]);
    }
    return r.status;
}

const struct store_op_type STORE_ACCOUNT_LIST = {
    .name = "account_list",
    .exec = account_list,
};

static enum status account_secret(struct db *db, struct store_op *base)
{
    struct store_account_secret *op = container_of(base, struct store_account_secret, op);
    const struct db_value args[SQL_ACCOUNT_SECRET_PARAMS] = {
        [SQL_ACCOUNT_SECRET_ID] = DB_V_TEXT(op->account_id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_account_secret, args, &base->arena, &base->error);

    if (s != STATUS_OK)
        return s;
    if (reader_next(&r)) {
        op->webhook_secret = read_text(&r);
        op->old = read_text(&r);
        op->old_until = read_int(&r);
        return STATUS_OK;
    }
    return r.status != STATUS_OK ? r.status
                                 : FAIL(&base->error, STATUS_NOT_FOUND, "no such account");
}

const struct store_op_type STORE_ACCOUNT_SECRET = {
    .name = "account_secret",
    .exec = account_secret,
};

static enum status account_rotate(struct db *db, struct store_op *base)
{
    struct store_account_rotate *op = container_of(base, struct store_account_rotate, op);
    const struct db_value args[SQL_ACCOUNT_ROTATE_PARAMS] = {
        [SQL_ACCOUNT_ROTATE_ID] = DB_V_TEXT(op->account_id),
        [SQL_ACCOUNT_ROTATE_FRESH] = DB_V_TEXT(op->fresh),
        [SQL_ACCOUNT_ROTATE_OLD_UNTIL] = DB_V_INT(op->old_until),
    };
    int64_t changed = 0;
    enum status s = db_exec(db, &sql_account_rotate, args, &changed, &base->error);

    if (s == STATUS_OK && changed == 0)
        return FAIL(&base->error, STATUS_NOT_FOUND, "no such account");
    return s;
}

const struct store_op_type STORE_ACCOUNT_ROTATE = {
    .name = "account_rotate",
    .is_write = true,
    .exec = account_rotate,
};

static void read_token(struct reader *r, struct token_row *out)
{
    struct str hash;

    out->id = read_text(r);
    out->account_id = read_text(r);
    hash = peek_bytes(r);
    if (hash.n == sizeof(out->hash))
        memcpy(out->hash, hash.p, sizeof(out->hash));
    out->hint = read_text(r);
    out->label = read_text(r);
    out->created_at = read_int(r);
    out->revoked_at = read_int(r);
    out->last_used_at = read_int(r);
}

static enum status token_create(struct db *db, struct store_op *base)
{
    struct store_token_create *op = container_of(base, struct store_token_create, op);
    const struct token_row *t = &op->in;
    const char *hash = (const char *)t->hash;
    const struct db_value args[SQL_TOKEN_CREATE_PARAMS] = {
        [SQL_TOKEN_CREATE_ID] = DB_V_TEXT(t->id),
        [SQL_TOKEN_CREATE_ACCOUNT_ID] = DB_V_TEXT(t->account_id),
        [SQL_TOKEN_CREATE_HASH] = DB_V_BLOB(str_make(hash, sizeof(t->hash))),
        [SQL_TOKEN_CREATE_HINT] = DB_V_TEXT(t->hint),
        [SQL_TOKEN_CREATE_LABEL] = DB_V_TEXT(t->label),
        [SQL_TOKEN_CREATE_CREATED_AT] = DB_V_INT(t->created_at),
    };
    enum status s = db_exec(db, &sql_token_create, args, NULL, &base->error);

    if (s == STATUS_CONFLICT)
        return FAIL(&base->error, s, "this token exists already");
    return s;
}

const struct store_op_type STORE_TOKEN_CREATE = {
    .name = "token_create",
    .is_write = true,
    .exec = token_create,
};

static enum status token_list(struct db *db, struct store_op *base)
{
    struct store_token_list *op = container_of(base, struct store_token_list, op);
    const struct db_value args[SQL_TOKEN_LIST_PARAMS] = {
        [SQL_TOKEN_LIST_ACCOUNT_ID] = DB_V_TEXT(op->account_id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, op->account_id ? &sql_token_list : &sql_token_list_all,
                                args, &base->arena, &base->error);

    op->n = 0;
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        op->rows = reader_grow(&r, op->rows, op->n);
        read_token(&r, &op->rows[op->n++]);
    }
    return r.status;
}

const struct store_op_type STORE_TOKEN_LIST = {
    .name = "token_list",
    .exec = token_list,
};

static enum status token_get(struct db *db, struct store_op *base, const char *id,
                             struct token_row *out)
{
    const struct db_value args[SQL_TOKEN_GET_PARAMS] = { [SQL_TOKEN_GET_ID] = DB_V_TEXT(id) };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_token_get, args, &base->arena, &base->error);

    if (s != STATUS_OK)
        return s;
    if (reader_next(&r)) {
        read_token(&r, out);
        return STATUS_OK;
    }
    return r.status != STATUS_OK ? r.status : FAIL(&base->error, STATUS_NOT_FOUND, "no such token");
}

static enum status token_revoke(struct db *db, struct store_op *base)
{
    struct store_token_revoke *op = container_of(base, struct store_token_revoke, op);
    const struct db_value args[SQL_TOKEN_REVOKE_PARAMS] = {
        [SQL_TOKEN_REVOKE_ID] = DB_V_TEXT(op->id),
        [SQL_TOKEN_REVOKE_NOW] = DB_V_INT(op->now),
    };
    struct token_row row = { .id = NULL };
    enum status s = token_get(db, base, op->id, &row);

    if (s != STATUS_OK)
        return s;
    if (row.revoked_at != 0 || !is_owner(op->account_id, row.account_id))
        return FAIL(&base->error, STATUS_NOT_FOUND, "no such token");
    memcpy(op->hash, row.hash, sizeof(op->hash));
    return db_exec(db, &sql_token_revoke, args, NULL, &base->error);
}

const struct store_op_type STORE_TOKEN_REVOKE = {
    .name = "token_revoke",
    .is_write = true,
    .exec = token_revoke,
};

static enum status token_use(struct db *db, struct store_op *base)
{
    struct store_token_use *op = container_of(base, struct store_token_use, op);
    const struct db_value args[SQL_TOKEN_USE_PARAMS] = {
        [SQL_TOKEN_USE_ID] = DB_V_TEXT(op->id),
        [SQL_TOKEN_USE_NOW] = DB_V_INT(op->now),
    };

    return db_exec(db, &sql_token_use, args, NULL, &base->error);
}

const struct store_op_type STORE_TOKEN_USE = {
    .name = "token_use",
    .is_write = true,
    .exec = token_use,
};
