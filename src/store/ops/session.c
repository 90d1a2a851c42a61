/* SPDX-License-Identifier: Apache-2.0 */
#include "store/session.h"

#include "store/ops/rows.h"

static struct db_value hash_value(const unsigned char hash[32])
{
    const void *p = hash;

    return DB_V_BLOB(str_make(p, 32));
}

static void read_hash(struct reader *r, unsigned char out[32])
{
    struct str hash = peek_bytes(r);

    if (hash.n == 32)
        memcpy(out, hash.p, 32);
}

static enum status session_put(struct db *db, struct store_op *base)
{
    struct store_session_put *op = container_of(base, struct store_session_put, op);
    const struct session_row *row = &op->row;
    const struct db_value old[SQL_SESSION_EXPIRE_PARAMS] = {
        [SQL_SESSION_EXPIRE_NOW] = DB_V_INT(row->created_at),
    };
    const struct db_value args[SQL_SESSION_PUT_PARAMS] = {
        [SQL_SESSION_PUT_HASH] = hash_value(row->hash),
        [SQL_SESSION_PUT_ACCOUNT_ID] = DB_V_TEXT(row->account_id),
        [SQL_SESSION_PUT_TOKEN_ID] = DB_V_TEXT(row->token_id),
        [SQL_SESSION_PUT_CREATED_AT] = DB_V_INT(row->created_at),
        [SQL_SESSION_PUT_EXPIRES_AT] = DB_V_INT(row->expires_at),
    };
    enum status s = db_exec(db, &sql_session_expire, old, NULL, &base->error);

    return s ? s : db_exec(db, &sql_session_put, args, NULL, &base->error);
}

const struct store_op_type STORE_SESSION_PUT = {
    .name = "session_put",
    .is_write = true,
    .exec = session_put,
};

static enum status session_list(struct db *db, struct store_op *base)
{
    struct store_session_list *op = container_of(base, struct store_session_list, op);
    const struct db_value args[SQL_SESSION_LIST_PARAMS] = {
        [SQL_SESSION_LIST_NOW] = DB_V_INT(op->now),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_session_list, args, &base->arena, &base->error);

    op->n = 0;
    while (s == STATUS_OK && reader_next(&r)) {
        struct session_row *row;

        op->rows = reader_grow(&r, op->rows, op->n);
        row = &op->rows[op->n++];
        read_hash(&r, row->hash);
        row->account_id = read_text(&r);
        read_hash(&r, row->token_hash);
        row->created_at = read_int(&r);
        row->expires_at = read_int(&r);
    }
    return s ? s : r.status;
}

const struct store_op_type STORE_SESSION_LIST = {
    .name = "session_list",
    .exec = session_list,
};

static enum status session_end(struct db *db, struct store_op *base)
{
    struct store_session_end *op = container_of(base, struct store_session_end, op);
    const struct db_value all[SQL_SESSION_END_PARAMS] = {
        [SQL_SESSION_END_HASH] = hash_value(op->hash),
    };
    const struct db_value one[SQL_SESSION_LEAVE_PARAMS] = {
        [SQL_SESSION_LEAVE_HASH] = hash_value(op->hash),
        [SQL_SESSION_LEAVE_ACCOUNT_ID] = DB_V_TEXT(op->account_id),
    };

    if (!op->account_id)
        return db_exec(db, &sql_session_end, all, NULL, &base->error);
    return db_exec(db, &sql_session_leave, one, NULL, &base->error);
}

const struct store_op_type STORE_SESSION_END = {
    .name = "session_end",
    .is_write = true,
    .exec = session_end,
};
