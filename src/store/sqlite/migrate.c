/* SPDX-License-Identifier: Apache-2.0 */
/* Brings the schema up to date, one numbered migration after the other, each in a transaction of
 * its own. */
#include "store/sqlite/sqlite.h"

#include "store/migrations.h"

static enum status read_int(struct sqlite_db *db, const char *text, int64_t *out, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum status s = STATUS_OK;
    int rc = sqlite3_prepare_v2(db->handle, text, -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    else
        s = sqlite_fail(db, rc, text, err);
    (void)sqlite3_finalize(stmt);
    return s;
}

static enum status schema_version(struct sqlite_db *db, int64_t *out, struct error *err)
{
    int64_t n = 0;
    enum status s = read_int(
        db, "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'",
        &n, err);

    if (s != STATUS_OK)
        return s;
    if (n > 0)
        return read_int(db, "SELECT COALESCE(MAX(version), 0) FROM schema_version", out, err);
    *out = 0;
    return sqlite_text(db,
                       "CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY,"
                       " name TEXT NOT NULL, program TEXT NOT NULL) STRICT",
                       err);
}

static enum status apply(struct sqlite_db *db, int number, struct error *err)
{
    const struct sql_migration *m = &sql_migrations[number - 1];
    struct sql_statement note = {
        .name = "schema_version",
        .text = "INSERT INTO schema_version (version, name, program) VALUES (?1, ?2, ?3)",
        .n_params = 3,
        .index = -1,
    };
    struct db_value args[] = { DB_V_INT(number), DB_V_TEXT(m->name), DB_V_TEXT(BERTH_VERSION) };
    enum status s = sqlite_text(db, "BEGIN IMMEDIATE", err);

    if (s != STATUS_OK)
        return s;
    if (sqlite3_exec(db->handle, m->text, NULL, NULL, NULL) != SQLITE_OK)
        s = sqlite_fail(db, sqlite3_extended_errcode(db->handle), m->name, err);
    if (s == STATUS_OK)
        s = db->base.ops->exec(&db->base, &note, args, NULL, err);
    if (s == STATUS_OK)
        s = sqlite_text(db, "COMMIT", err);
    if (s != STATUS_OK && !sqlite3_get_autocommit(db->handle))
        (void)sqlite_text(db, "ROLLBACK", NULL);
    return s;
}

enum status sqlite_migrate(struct db *base, struct error *err)
{
    struct sqlite_db *db = container_of(base, struct sqlite_db, base);
    int64_t at = 0;
    enum status s = schema_version(db, &at, err);

    if (s != STATUS_OK)
        return s;
    if (at > sql_n_migrations)
        return FAIL(
            err, STATUS_UNSUPPORTED,
            "the database has schema %lld, but this program (Berth " BERTH_VERSION
            ") knows only schemas up to %d: it was used by a newer Berth, use that one or a "
            "backup",
            (long long)at, sql_n_migrations);
    for (int i = (int)at + 1; i <= sql_n_migrations; i++) {
        s = apply(db, i, err);
        if (s != STATUS_OK) {
            error_context(err, "migration %s", sql_migrations[i - 1].name);
            return s;
        }
    }
    return STATUS_OK;
}
