/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the SQLite engine. */
#pragma once

#include "store/engine.h"
#include "store/sql.h"

#include <sqlite3.h>

/* The words around a transaction, prepared as well, since each group has them. */
enum sqlite_word {
    SQLITE_WORD_BEGIN,
    SQLITE_WORD_BEGIN_WRITE,
    SQLITE_WORD_COMMIT,
    SQLITE_WORDS,
};

struct sqlite_db {
    struct db base; /* first */
    sqlite3 *handle;
    bool read_only;
    sqlite3_stmt
        *cache[SQL_STATEMENTS];        /* prepared at first use, kept until the connection closes */
    sqlite3_stmt *words[SQLITE_WORDS]; /* likewise */
};

extern const struct db_ops sqlite_db_ops;

/* Yields the status of a result code; `what` says what failed. */
enum status sqlite_fail(struct sqlite_db *db, int rc, const char *what, struct error *err);
/* Runs fixed text (pragmas, BEGIN, a migration). */
enum status sqlite_text(struct sqlite_db *db, const char *text, struct error *err);
/* db_ops.copy */
enum status sqlite_copy(struct db *base, const char *path, struct error *err);
enum status sqlite_migrate(struct db *base, struct error *err);
