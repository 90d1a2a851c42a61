/* SPDX-License-Identifier: Apache-2.0 */
/* A database connection as an operation's exec function sees it. Synchronous: it is only used on
 * store threads. Statements come from the .sql files in store/sql, through generated tables: each
 * has an enum of its parameters, so that a missing or misspelt bind does not compile. */
#pragma once

#include "base/arena.h"
#include "base/status.h"

struct db;
struct db_rows;
struct sql_statement; /* generated: name, text, number of parameters */

struct db_value {
    enum { DB_NULL, DB_INT, DB_REAL, DB_TEXT, DB_BLOB } type;
    int64_t i;
    double d;
    struct str s;
};

#define DB_V_INT(v)  ((struct db_value){ .type = DB_INT, .i = (int64_t)(v) })
#define DB_V_REAL(v) ((struct db_value){ .type = DB_REAL, .d = (v) })
#define DB_V_TEXT(z) db_text(str_of(z)) /* NULL gives SQL NULL */
#define DB_V_STR(v)  db_text(v)
#define DB_V_BLOB(v) db_blob(v)

struct db_value db_text(struct str s);
struct db_value db_blob(struct str s);

struct db_ops {
    /* Runs a statement that gives no rows; *out_changed (may be NULL) is the number of rows
     * changed. A broken uniqueness rule is CONFLICT, a full disk DISK_FULL, anything else BROKEN.
     */
    enum status (*exec)(struct db *db, const struct sql_statement *st, const struct db_value *args,
                        int64_t *out_changed, struct error *err);
    /* Starts a query; step with next(), read with column(), always close(). */
    enum status (*query)(struct db *db, const struct sql_statement *st, const struct db_value *args,
                         struct db_rows **out, struct error *err);
    bool (*next)(struct db_rows *rows,
                 struct error *err); /* false at the end or on error (err->status set) */
    struct db_value (*column)(struct db_rows *rows, int at); /* valid until next() */
    void (*close)(struct db_rows *rows);
    /* Writes all that this connection's transaction sees to a new database at `path`, durably.
     * Others go on writing meanwhile. CONFLICT where something is at the path. */
    enum status (*copy)(struct db *db, const char *path, struct error *err);
} DESIGNATED;

struct db {
    const struct db_ops *ops;
};
