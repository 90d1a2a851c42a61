/* SPDX-License-Identifier: Apache-2.0 */
/* The schema and the statements against it: migrations, and that no statement scans what grows. */
#include "support.h"

#include "store/migrations.h"
#include "store/sql.h"

#include <sqlite3.h>
#include <sys/stat.h>

static sqlite3 *open_raw(const char *path)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static void do_sql(sqlite3 *db, const char *text)
{
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
}

/* The migrations `from` to `to`, without that. */
static void migrate(sqlite3 *db, int from, int to)
{
    for (int i = from; i < to; i++)
        do_sql(db, sql_migrations[i].text);
}

static sqlite3 *open_schema(void)
{
    sqlite3 *db = open_raw(":memory:");

    migrate(db, 0, sql_n_migrations);
    return db;
}

static void every_statement_prepares(void **state UNUSED)
{
    sqlite3 *db = open_schema();

    for (int i = 0; i < SQL_STATEMENTS; i++) {
        const struct sql_statement *st = sql_statements[i];
        sqlite3_stmt *stmt = NULL;

        assert_int_equal(st->index, i);
        if (sqlite3_prepare_v2(db, st->text, -1, &stmt, NULL) != SQLITE_OK)
            fail_msg("%s: %s", st->name, sqlite3_errmsg(db));
        assert_int_equal(sqlite3_bind_parameter_count(stmt), st->n_params);
        (void)sqlite3_finalize(stmt);
    }
    (void)sqlite3_close(db);
}

/* A line of EXPLAIN QUERY PLAN that reads a growing table from end to end. Small partial indexes
 * (what is open) and the orders that a page walks along may be scanned: their LIMIT or their size
 * bounds them. */
static bool is_bad_scan(const char *name, const char *line)
{
    static const char *const scanned[] = {
        "SCAN prediction", "SCAN p", "SCAN version",         "SCAN v",
        "SCAN instance",   "SCAN r", "SCAN release",         "SCAN build",
        "SCAN webhook",    "SCAN w", "SCAN webhook_attempt", "SCAN idempotency",
        "SCAN file",       "SCAN f", "SCAN ledger",          "SCAN l"
    };
    static const char *const bounded[] = { "prediction_open", "instance_open", "build_open",
                                           "webhook_pending" };
    bool scan = false;

    for (size_t i = 0; i < ARRAY_SIZE(scanned); i++) {
        size_t n = strlen(scanned[i]);

        scan = scan || (strncmp(line, scanned[i], n) == 0 && (line[n] == ' ' || line[n] == '\0'));
    }
    for (size_t i = 0; i < ARRAY_SIZE(bounded); i++)
        scan = scan && !strstr(line, bounded[i]);
    if (strstr(line, "TEMP B-TREE") && strncmp(name, "prediction_", 11) == 0)
        return strcmp(name, "prediction_open") != 0; /* the queue is sorted once, at start-up */
    return scan;
}

static void no_statement_scans_what_grows(void **state UNUSED)
{
    sqlite3 *db = open_schema();

    for (int i = 0; i < SQL_STATEMENTS; i++) {
        char *text = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql_statements[i]->text);
        sqlite3_stmt *stmt = NULL;

        assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            const char *line = (const char *)sqlite3_column_text(stmt, 3);

            if (is_bad_scan(sql_statements[i]->name, line))
                fail_msg("%s: %s", sql_statements[i]->name, line);
        }
        (void)sqlite3_finalize(stmt);
        sqlite3_free(text);
    }
    (void)sqlite3_close(db);
}

/* Each page statement walks an index in its own order, whatever the filter. */
static void pages_are_not_sorted(void **state UNUSED)
{
    sqlite3 *db = open_schema();

    for (int i = 0; i < SQL_STATEMENTS; i++) {
        const char *name = sql_statements[i]->name;
        size_t n = strlen(name);
        bool is_page =
            n > 6 && (strcmp(name + n - 6, "_older") == 0 || strcmp(name + n - 6, "_newer") == 0);
        char *text = NULL;
        sqlite3_stmt *stmt = NULL;

        if (!is_page)
            continue;
        text = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql_statements[i]->text);
        assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            const char *line = (const char *)sqlite3_column_text(stmt, 3);

            if (strstr(line, "TEMP B-TREE") || strncmp(line, "SCAN", 4) == 0)
                fail_msg("%s: %s", name, line);
        }
        (void)sqlite3_finalize(stmt);
        sqlite3_free(text);
    }
    (void)sqlite3_close(db);
}

static void a_newer_database_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *s = NULL;
    struct error err;
    sqlite3 *db = NULL;
    char known[64];

    store_close(f->store);
    f->store = NULL;
    db = open_raw(f->path);
    assert_int_equal(sqlite3_exec(db, "INSERT INTO schema_version VALUES (4711, 'later', '9.9')",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    (void)sqlite3_close(db);
    assert_int_equal(store_open(f->loop, f->path, &s, &err), STATUS_UNSUPPORTED);
    assert_null(s);
    assert_non_null(strstr(err.text, "schema 4711"));
    (void)snprintf(known, sizeof(known), "up to %d", sql_n_migrations);
    assert_non_null(strstr(err.text, known));
}

static void migrations_are_noted_and_run_once(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;

    fixture_reopen(f);
    db = open_raw(f->path);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT COUNT(*), MAX(version), MIN(name) FROM schema_version", -1,
                           &stmt, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(stmt, 0), sql_n_migrations);
    assert_int_equal(sqlite3_column_int(stmt, 1), sql_n_migrations);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 2), "0001_first.sql");
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
}

/* Instances of before have the order of the hours in which they ended, each pool its own. */
static void ends_of_before_are_numbered(void **state UNUSED)
{
    enum { BEFORE = 14 };
    sqlite3 *db = open_raw(":memory:");
    sqlite3_stmt *stmt = NULL;
    char found[64] = "";

    migrate(db, 0, BEFORE);
    do_sql(db, "INSERT INTO instance (id, pool_id, pool_is_model, version_id, version_model_id, "
               "hardware, driver, capability, release, created_at, ended_at) "
               "SELECT column1, column2, 0, 'v', 'm', 'cpu', 'fake', 'c', 1, 1, column3 "
               "FROM (VALUES ('a', 'x', 9), ('b', 'x', 0), ('c', 'x', 7), ('d', 'y', 8), "
               "('e', 'x', 7))");
    migrate(db, BEFORE, sql_n_migrations);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT id, end_number FROM instance ORDER BY id", -1, &stmt, NULL),
        SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        size_t n = strlen(found);

        (void)snprintf(found + n, sizeof(found) - n, "%s%d ",
                       (const char *)sqlite3_column_text(stmt, 0), sqlite3_column_int(stmt, 1));
    }
    assert_string_equal(found, "a3 b0 c1 d1 e2 ");
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *s = NULL;
    struct error err;
    FILE *file = NULL;

    store_close(f->store);
    f->store = NULL;
    file = fopen(f->path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        (void)fputs("this is a shopping list, not a database\n", file);
    (void)fclose(file);
    assert_int_equal(store_open(f->loop, f->path, &s, &err), STATUS_BROKEN);
    assert_null(s);
    assert_non_null(strstr(err.text, "not a database"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_statement_prepares),
        cmocka_unit_test(no_statement_scans_what_grows),
        cmocka_unit_test(pages_are_not_sorted),
        cmocka_unit_test(ends_of_before_are_numbered),
        cmocka_unit_test_setup_teardown(a_newer_database_is_refused, file_setup, store_teardown),
        cmocka_unit_test_setup_teardown(migrations_are_noted_and_run_once, file_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_database_is_refused, file_setup,
                                        store_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
