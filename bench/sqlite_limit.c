/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite's own limit: the rows of new predictions, by the server's own statement, committed in
 * groups, with nothing around it. The database is a copy of a server's. Prints one JSON object. */
#include "base/clock.h"
#include "base/id.h"
#include "base/rand.h"
#include "sql.h"

#include <sqlite3.h>
#include <stdlib.h>

#define INPUT                                                                                      \
    "{\"text\":\"A sentence of the length that prompts often have, so that rows are like those "   \
    "of real use.\",\"seed\":12345}"

struct limit {
    sqlite3 *db;
    sqlite3_stmt *begin, *insert, *commit;
    struct rand rand;
    struct id_gen ids;
    char account[64], version[64], deployment[64];
};

static void die(const struct limit *l, const char *what)
{
    fprintf(stderr, "sqlite_limit: %s: %s\n", what, l->db ? sqlite3_errmsg(l->db) : "");
    exit(1);
}

static sqlite3_stmt *prepare(const struct limit *l, const char *sql)
{
    sqlite3_stmt *st = NULL;

    if (sqlite3_prepare_v3(l->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL) != SQLITE_OK)
        die(l, sql);
    return st;
}

static void read_one(const struct limit *l, const char *sql, char *out, size_t size)
{
    sqlite3_stmt *st = prepare(l, sql);

    if (sqlite3_step(st) != SQLITE_ROW)
        die(l, sql);
    snprintf(out, size, "%s", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
}

static void open_database(struct limit *l, const char *path)
{
    if (sqlite3_open_v2(path, &l->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
            SQLITE_OK ||
        sqlite3_exec(l->db,
                     "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = "
                     "ON; PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -32000",
                     NULL, NULL, NULL) != SQLITE_OK)
        die(l, path);
    read_one(l, "SELECT owner_id FROM deployment LIMIT 1", l->account, sizeof(l->account));
    read_one(l, "SELECT seq FROM version LIMIT 1", l->version, sizeof(l->version));
    read_one(l, "SELECT id FROM deployment LIMIT 1", l->deployment, sizeof(l->deployment));
    l->begin = prepare(l, "BEGIN IMMEDIATE");
    l->commit = prepare(l, "COMMIT");
    l->insert = prepare(l, sql_prediction_create.text);
}

static void run(const struct limit *l, sqlite3_stmt *st)
{
    if (sqlite3_step(st) != SQLITE_DONE)
        die(l, "step");
    sqlite3_reset(st);
}

static void text(const struct limit *l, int at, const char *z)
{
    sqlite3_bind_text(l->insert, at + 1, z, -1, SQLITE_STATIC);
}

static void insert(struct limit *l)
{
    static const int zeros[] = {
        SQL_PREDICTION_CREATE_STATUS,       SQL_PREDICTION_CREATE_ATTEMPT,
        SQL_PREDICTION_CREATE_STARTED_LONG, SQL_PREDICTION_CREATE_CANCEL_REQUESTED,
        SQL_PREDICTION_CREATE_STARTED_AT,   SQL_PREDICTION_CREATE_COMPLETED_AT,
        SQL_PREDICTION_CREATE_DEADLINE,     SQL_PREDICTION_CREATE_WEBHOOK_EVENTS,
        SQL_PREDICTION_CREATE_DATA_REMOVED, SQL_PREDICTION_CREATE_HAS_WEBHOOK_FILTER,
    };
    int64_t now = clock_wall_ms();
    char id[ID_SIZE];

    id_make(&l->ids, now, id);
    for (size_t i = 0; i < ARRAY_SIZE(zeros); i++)
        sqlite3_bind_int(l->insert, zeros[i] + 1, 0);
    text(l, SQL_PREDICTION_CREATE_ID, id);
    text(l, SQL_PREDICTION_CREATE_ACCOUNT_ID, l->account);
    text(l, SQL_PREDICTION_CREATE_VERSION_SEQ, l->version);
    text(l, SQL_PREDICTION_CREATE_DEPLOYMENT_ID, l->deployment);
    text(l, SQL_PREDICTION_CREATE_DEPLOYMENT, "bench");
    text(l, SQL_PREDICTION_CREATE_SOURCE, "api");
    text(l, SQL_PREDICTION_CREATE_BASE_URL, "http://127.0.0.1:8080");
    sqlite3_bind_int(l->insert, SQL_PREDICTION_CREATE_RELEASE + 1, 1);
    sqlite3_bind_int64(l->insert, SQL_PREDICTION_CREATE_CREATED_AT + 1, now);
    sqlite3_bind_double(l->insert, SQL_PREDICTION_CREATE_PREDICT_TIME + 1, -1);
    sqlite3_bind_blob(l->insert, SQL_PREDICTION_CREATE_INPUT + 1, INPUT, sizeof(INPUT) - 1,
                      SQLITE_STATIC);
    run(l, l->insert);
}

int main(int argc, char **argv)
{
    static struct limit l;
    int64_t begin, end;
    long rows = 0, group;
    double seconds;

    if (argc != 4) {
        fprintf(stderr, "Usage: sqlite_limit DATABASE ROWS-IN-A-GROUP SECONDS\n");
        return 2;
    }
    group = strtol(argv[2], NULL, 10);
    seconds = strtod(argv[3], NULL);
    rand_init_os(&l.rand);
    id_gen_init(&l.ids, &l.rand);
    open_database(&l, argv[1]);
    begin = clock_wall_ms();
    end = begin + (int64_t)(seconds * 1000);
    while (clock_wall_ms() < end) {
        run(&l, l.begin);
        for (long i = 0; i < group; i++)
            insert(&l);
        run(&l, l.commit);
        rows += group;
    }
    printf("{\"rows\": %ld, \"group\": %ld, \"per_second\": %.1f, \"sqlite\": \"%s\"}\n", rows,
           group, (double)rows * 1000 / (double)(clock_wall_ms() - begin), sqlite3_libversion());
    return 0;
}
