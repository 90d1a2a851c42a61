/* SPDX-License-Identifier: Apache-2.0 */
/* What a database engine offers to the store beside db_ops: connections and transactions. For
 * store.c and group.c; operations never see it. A connection is used by one thread at a time. */
#pragma once

#include "store/db.h"

struct engine {
    const char *name;
    /* Brings the schema up to date. Called once, before other connections are opened. */
    enum status (*migrate)(struct db *db, struct error *err);
    /* A read-only connection never writes, not even a checkpoint. */
    enum status (*open)(const char *path, bool read_only, struct db **out, struct error *err);
    void (*close)(struct db *db); /* NULL is fine */
    enum status (*begin)(struct db *db, bool is_write, struct error *err);
    enum status (*commit)(struct db *db, struct error *err); /* on failure nothing of it is kept */
    void (*rollback)(struct db *db);                         /* harmless without a transaction */
    /* Whether the transaction that was begun is still there; a fault may have ended it. */
    bool (*in_transaction)(struct db *db);
    /* Grows whenever a row is changed: tells whether a failed operation wrote anything. */
    int64_t (*changes)(struct db *db);
    enum status (*savepoint)(struct db *db, struct error *err);
    enum status (*savepoint_keep)(struct db *db, struct error *err);
    enum status (*savepoint_undo)(struct db *db, struct error *err);
} DESIGNATED;

extern const struct engine sqlite_engine;
