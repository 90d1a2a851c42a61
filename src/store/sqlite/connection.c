/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to SQLite and their transactions.
 *
 * Only the writer's connection makes checkpoints: SQLite before 3.51.3 can corrupt a write-ahead
 * log that two connections checkpoint at once. The others are query-only, never checkpoint by
 * themselves, and do not do so when they close either. */
#include "store/sqlite/sqlite.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

enum { BUSY_TIMEOUT_MS = 5000 };

enum status sqlite_text(struct sqlite_db *db, const char *text, struct error *err)
{
    int rc = sqlite3_exec(db->handle, text, NULL, NULL, NULL);

    return rc == SQLITE_OK ? STATUS_OK : sqlite_fail(db, rc, text, err);
}

/* Tokens' hashes, secrets and inputs are inside: the file, and the log beside it that takes over
 * its mode, are for the server's user only. A file that exists is not even opened here: closing any
 * descriptor of it would drop the POSIX locks that this process's connections hold, and another
 * program that opened the database and closed it would then delete the log under us. */
static enum status make_file(const char *path, struct error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno == EEXIST)
        return STATUS_OK;
    if (fd < 0)
        return FAIL(err, errno == ENOSPC ? STATUS_DISK_FULL : STATUS_BROKEN,
                    "cannot open the database %s: %s", path, strerror(errno));
    (void)close(fd);
    return STATUS_OK;
}

static enum status check_wal(struct sqlite_db *db, const char *path, struct error *err)
{
    static const struct sql_statement st = { .name = "journal_mode",
                                             .text = "PRAGMA journal_mode = WAL",
                                             .index = -1 };
    struct db_rows *rows = NULL;
    enum status s = db->base.ops->query(&db->base, &st, NULL, &rows, err);

    if (s != STATUS_OK)
        return s;
    err->status = STATUS_OK;
    if (!db->base.ops->next(rows, err))
        s = err->status == STATUS_OK ? FAIL(err, STATUS_BROKEN, "no journal mode") : err->status;
    else if (!str_is(db->base.ops->column(rows, 0).s, "wal"))
        s = FAIL(err, STATUS_BROKEN, "the file system of %s cannot hold a write-ahead log", path);
    db->base.ops->close(rows);
    return s;
}

static enum status configure(struct sqlite_db *db, const char *path, struct error *err)
{
    bool in_memory = strcmp(path, ":memory:") == 0;
    enum status s = STATUS_OK;

    (void)sqlite3_extended_result_codes(db->handle, 1);
    (void)sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    if (db->read_only) {
        (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        return sqlite_text(db,
                           "PRAGMA wal_autocheckpoint = 0; PRAGMA query_only = 1;"
                           "PRAGMA cache_size = -8000; PRAGMA temp_store = MEMORY",
                           err);
    }
    if (!in_memory)
        s = check_wal(db, path, err);
    if (s != STATUS_OK)
        return s;
    return sqlite_text(db,
                       "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                       "PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;"
                       "PRAGMA cache_size = -32000; PRAGMA temp_store = MEMORY",
                       err);
}

static void sqlite_close(struct db *base)
{
    struct sqlite_db *db = NULL;

    if (!base)
        return;
    db = container_of(base, struct sqlite_db, base);
    for (size_t i = 0; i < ARRAY_SIZE(db->cache); i++)
        (void)sqlite3_finalize(db->cache[i]);
    for (size_t i = 0; i < ARRAY_SIZE(db->words); i++)
        (void)sqlite3_finalize(db->words[i]);
    (void)sqlite3_close(db->handle);
    mem_free(&db);
}

/* Before SQLite is used at all. Its count of the memory in use costs a lock around each allocation,
 * and nobody asks for it. */
static void set_up_library(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static enum status sqlite_open(const char *path, bool read_only, struct db **out, struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    struct sqlite_db *db = NULL;
    enum status s = strcmp(path, ":memory:") == 0 ? STATUS_OK : make_file(path, err);
    int rc = SQLITE_OK;

    if (s != STATUS_OK)
        return s;
    (void)pthread_once(&once, set_up_library);
    db = xnew(struct sqlite_db);
    db->base.ops = &sqlite_db_ops;
    db->read_only = read_only;
    rc = sqlite3_open_v2(path, &db->handle, flags, NULL);
    s = rc == SQLITE_OK ? configure(db, path, err) : sqlite_fail(db, rc, path, err);
    if (s != STATUS_OK) {
        sqlite_close(&db->base);
        return s;
    }
    *out = &db->base;
    return STATUS_OK;
}

static enum status run_word(struct db *base, const char *word, struct error *err)
{
    return sqlite_text(container_of(base, struct sqlite_db, base), word, err);
}

static enum status run_kept(struct db *base, enum sqlite_word word, struct error *err)
{
    static const char *const texts[SQLITE_WORDS] = {
        [SQLITE_WORD_BEGIN] = "BEGIN",
        [SQLITE_WORD_BEGIN_WRITE] = "BEGIN IMMEDIATE",
        [SQLITE_WORD_COMMIT] = "COMMIT",
    };
    struct sqlite_db *db = container_of(base, struct sqlite_db, base);
    sqlite3_stmt **st = &db->words[word];
    int rc = SQLITE_OK;

    if (!*st)
        rc = sqlite3_prepare_v3(db->handle, texts[word], -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(*st);
    if (rc == SQLITE_DONE) {
        (void)sqlite3_reset(*st);
        return STATUS_OK;
    }
    (void)sqlite_fail(db, rc, texts[word], err); /* before the reset, which clears the message */
    (void)sqlite3_reset(*st);
    return err->status;
}

static enum status sqlite_begin(struct db *db, bool is_write, struct error *err)
{
    return run_kept(db, is_write ? SQLITE_WORD_BEGIN_WRITE : SQLITE_WORD_BEGIN, err);
}

static enum status sqlite_commit(struct db *db, struct error *err)
{
    return run_kept(db, SQLITE_WORD_COMMIT, err);
}

static bool sqlite_in_transaction(struct db *base)
{
    return !sqlite3_get_autocommit(container_of(base, struct sqlite_db, base)->handle);
}

static void sqlite_rollback(struct db *db)
{
    if (sqlite_in_transaction(db))
        (void)run_word(db, "ROLLBACK", NULL);
}

static int64_t sqlite_changes(struct db *base)
{
    return sqlite3_total_changes64(container_of(base, struct sqlite_db, base)->handle);
}

static enum status sqlite_savepoint(struct db *db, struct error *err)
{
    return run_word(db, "SAVEPOINT op", err);
}

static enum status sqlite_savepoint_keep(struct db *db, struct error *err)
{
    return run_word(db, "RELEASE op", err);
}

static enum status sqlite_savepoint_undo(struct db *db, struct error *err)
{
    return run_word(db, "ROLLBACK TO op; RELEASE op", err);
}

const struct engine sqlite_engine = {
    .name = "sqlite",
    .migrate = sqlite_migrate,
    .open = sqlite_open,
    .close = sqlite_close,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .in_transaction = sqlite_in_transaction,
    .changes = sqlite_changes,
    .savepoint = sqlite_savepoint,
    .savepoint_keep = sqlite_savepoint_keep,
    .savepoint_undo = sqlite_savepoint_undo,
};
