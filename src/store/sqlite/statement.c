/* SPDX-License-Identifier: Apache-2.0 */
/* db_ops over sqlite3, with prepared statements that stay with the connection. */
#include "store/sqlite/sqlite.h"

#include "base/mem.h"

#include <assert.h>

struct db_rows {
    struct sqlite_db *db;
    sqlite3_stmt *stmt;
    const char *name;
    bool kept; /* belongs to the cache */
};

static enum status code_status(int rc)
{
    switch (rc) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return STATUS_CONFLICT;
    /* A write that the disk refused. The transaction is undone, and the next may succeed again. */
    case SQLITE_IOERR_WRITE:
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_DIR_FSYNC:
    case SQLITE_IOERR_TRUNCATE:
    case SQLITE_IOERR_SHMSIZE:
        return STATUS_DISK_FULL;
    default:
        return (rc & 0xff) == SQLITE_FULL ? STATUS_DISK_FULL : STATUS_BROKEN;
    }
}

enum status sqlite_fail(struct sqlite_db *db, int rc, const char *what, struct error *err)
{
    enum status s = code_status(rc);

    if (s == STATUS_DISK_FULL)
        return FAIL(err, s, "the disk refuses writes: %s (%s)", sqlite3_errmsg(db->handle), what);
    return FAIL(err, s, "database: %s (%s, code %d)", sqlite3_errmsg(db->handle), what, rc);
}

static enum status prepare(struct sqlite_db *db, const struct sql_statement *st, sqlite3_stmt **out,
                           struct error *err)
{
    bool keep = st->index >= 0;
    unsigned flags = keep ? SQLITE_PREPARE_PERSISTENT : 0;
    sqlite3_stmt *stmt = keep ? db->cache[st->index] : NULL;

    if (!stmt) {
        int rc = sqlite3_prepare_v3(db->handle, st->text, -1, flags, &stmt, NULL);

        if (rc != SQLITE_OK)
            return sqlite_fail(db, rc, st->name, err);
        assert(sqlite3_bind_parameter_count(stmt) == st->n_params);
        if (keep)
            db->cache[st->index] = stmt;
    }
    assert(!sqlite3_stmt_busy(stmt)); /* one use at a time */
    *out = stmt;
    return STATUS_OK;
}

/* Texts are not copied: they outlive the statement's run, which ends before the operation does. */
static int bind_one(sqlite3_stmt *stmt, int at, const struct db_value *v)
{
    switch (v->type) {
    case DB_NULL:
        return sqlite3_bind_null(stmt, at);
    case DB_INT:
        return sqlite3_bind_int64(stmt, at, v->i);
    case DB_REAL:
        return sqlite3_bind_double(stmt, at, v->d);
    case DB_TEXT:
        return sqlite3_bind_text64(stmt, at, v->s.p, v->s.n, SQLITE_STATIC, SQLITE_UTF8);
    case DB_BLOB:
        /* An empty one must not become NULL. */
        return sqlite3_bind_blob64(stmt, at, v->s.n > 0 ? v->s.p : "", v->s.n, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

static enum status bind_all(struct sqlite_db *db, const struct sql_statement *st,
                            sqlite3_stmt *stmt, const struct db_value *args, struct error *err)
{
    for (int i = 0; i < st->n_params; i++) {
        int rc = bind_one(stmt, i + 1, &args[i]);

        if (rc != SQLITE_OK)
            return sqlite_fail(db, rc, st->name, err);
    }
    return STATUS_OK;
}

static void end_use(sqlite3_stmt *stmt, bool kept)
{
    if (kept)
        (void)sqlite3_reset(stmt); /* repeats the code of the last step, which was looked at */
    else
        (void)sqlite3_finalize(stmt);
}

static enum status start(struct sqlite_db *db, const struct sql_statement *st,
                         const struct db_value *args, sqlite3_stmt **out, struct error *err)
{
    enum status s = prepare(db, st, out, err);

    if (s != STATUS_OK)
        return s;
    s = bind_all(db, st, *out, args, err);
    if (s != STATUS_OK)
        end_use(*out, st->index >= 0);
    return s;
}

static enum status sqlite_exec(struct db *base, const struct sql_statement *st,
                               const struct db_value *args, int64_t *out_changed, struct error *err)
{
    struct sqlite_db *db = container_of(base, struct sqlite_db, base);
    sqlite3_stmt *stmt = NULL;
    enum status s = start(db, st, args, &stmt, err);
    int rc = SQLITE_ROW;

    if (s != STATUS_OK)
        return s;
    while (rc == SQLITE_ROW)
        rc = sqlite3_step(stmt);
    if (rc != SQLITE_DONE)
        s = sqlite_fail(db, rc, st->name, err);
    else if (out_changed)
        *out_changed = sqlite3_changes64(db->handle);
    end_use(stmt, st->index >= 0);
    return s;
}

static enum status sqlite_query(struct db *base, const struct sql_statement *st,
                                const struct db_value *args, struct db_rows **out,
                                struct error *err)
{
    struct sqlite_db *db = container_of(base, struct sqlite_db, base);
    sqlite3_stmt *stmt = NULL;
    enum status s = start(db, st, args, &stmt, err);

    if (s != STATUS_OK)
        return s;
    *out = xnew(struct db_rows);
    **out = (struct db_rows){ .db = db, .stmt = stmt, .name = st->name, .kept = st->index >= 0 };
    return STATUS_OK;
}

static bool sqlite_next(struct db_rows *rows, struct error *err)
{
    int rc = sqlite3_step(rows->stmt);

    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        (void)sqlite_fail(rows->db, rc, rows->name, err);
    return false;
}

static struct str column_bytes(sqlite3_stmt *stmt, int at, const void *p)
{
    return str_make(p ? p : "", (size_t)sqlite3_column_bytes(stmt, at));
}

static struct db_value sqlite_column(struct db_rows *rows, int at)
{
    sqlite3_stmt *stmt = rows->stmt;

    assert(at >= 0 && at < sqlite3_column_count(stmt));
    switch (sqlite3_column_type(stmt, at)) {
    case SQLITE_INTEGER:
        return DB_V_INT(sqlite3_column_int64(stmt, at));
    case SQLITE_FLOAT:
        return DB_V_REAL(sqlite3_column_double(stmt, at));
    case SQLITE_TEXT:
        return DB_V_STR(column_bytes(stmt, at, sqlite3_column_text(stmt, at)));
    case SQLITE_BLOB:
        return DB_V_BLOB(column_bytes(stmt, at, sqlite3_column_blob(stmt, at)));
    default:
        return (struct db_value){ .type = DB_NULL };
    }
}

static void sqlite_close_rows(struct db_rows *rows)
{
    if (!rows)
        return;
    end_use(rows->stmt, rows->kept);
    mem_free(&rows);
}

const struct db_ops sqlite_db_ops = {
    .exec = sqlite_exec,
    .query = sqlite_query,
    .next = sqlite_next,
    .column = sqlite_column,
    .close = sqlite_close_rows,
    .copy = sqlite_copy,
};
