/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include "store/file.h"
#include "store/prediction.h"

#include <sqlite3.h>

#define SECRET "0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjk"

static struct file_row a_file(int n, int account)
{
    return (struct file_row){ .id = an_id('f', n),
                              .account_id = an_id('a', account),
                              .name = "a.txt",
                              .content_type = "text/plain",
                              .size = 5,
                              .sha256 = a_hash(1),
                              .md5 = "0123456789abcdef0123456789abcdef",
                              .metadata = STR("{\"a\":1}"),
                              .created_at = n,
                              .expires_at = 1000 };
}

static void add(struct fixture *f, struct file_row row)
{
    OP(store_file_create, op);

    op.in = row;
    assert_run(f, op, STORE_FILE_CREATE, STATUS_OK);
}

static enum status look(struct fixture *f, int n, const char *account, int64_t now)
{
    OP(store_file_get, op, .id = an_id('f', n), .account_id = account, .now = now);

    return run_op(f, op, STORE_FILE_GET);
}

static void a_file_is_kept_whole(void **state)
{
    struct fixture *f = *state;
    OP(store_file_get, op, .secret = SECRET, .now = 5);
    OP(store_file_get, none, .secret = "other", .now = 5);
    struct file_row row = a_file(1, 1);

    seed_accounts(f);
    row.kind = FILE_OUTPUT;
    row.prediction_id = "p";
    row.secret = SECRET;
    add(f, row);
    assert_run(f, op, STORE_FILE_GET, STATUS_OK);
    assert_string_equal(op.row.id, row.id);
    assert_string_equal(op.row.account_id, row.account_id);
    assert_int_equal(op.row.kind, FILE_OUTPUT);
    assert_string_equal(op.row.prediction_id, "p");
    assert_string_equal(op.row.secret, SECRET);
    assert_string_equal(op.row.name, "a.txt");
    assert_string_equal(op.row.content_type, "text/plain");
    assert_int_equal(op.row.size, 5);
    assert_string_equal(op.row.sha256, row.sha256);
    assert_string_equal(op.row.md5, row.md5);
    assert_true(str_eq(op.row.metadata, row.metadata));
    assert_int_equal(op.row.created_at, 1);
    assert_int_equal(op.row.expires_at, 1000);
    assert_run(f, none, STORE_FILE_GET, STATUS_NOT_FOUND);
    assert_int_equal(look(f, 1, an_id('a', 1), 999), STATUS_OK);
    assert_int_equal(look(f, 1, an_id('a', 2), 999), STATUS_NOT_FOUND);
    assert_int_equal(look(f, 1, NULL, 1000), STATUS_NOT_FOUND);
}

/* What an attempt uploaded goes when it is lost; the next one uploads its own. */
static void files_of_a_lost_attempt_go(void **state)
{
    struct fixture *f = *state;
    OP(store_prediction_start, start, .id = an_id('p', 1), .attempt = 1,
       .instance_id = an_id('x', 1), .started_at = 5);
    OP(store_prediction_requeue, lost, .id = an_id('p', 1), .attempt = 1);
    OP(store_prediction_start, again, .id = an_id('p', 1), .attempt = 2,
       .instance_id = an_id('x', 1), .started_at = 6);
    OP(store_prediction_requeue, unheard, .id = an_id('p', 1), .attempt = 2, .not_counted = true);
    struct file_row row = a_file(1, 1), input = a_file(2, 1);

    seed_deployment(f);
    add_prediction(f, 1, 1, true, 1);
    row.kind = FILE_OUTPUT;
    input.kind = FILE_INPUT;
    row.prediction_id = input.prediction_id = an_id('p', 1);
    row.expires_at = input.expires_at = 0;
    assert_run(f, start, STORE_PREDICTION_START, STATUS_OK);
    add(f, row);
    add(f, input);
    assert_run(f, lost, STORE_PREDICTION_REQUEUE, STATUS_OK);
    assert_int_equal(look(f, 1, NULL, 5), STATUS_NOT_FOUND);
    assert_int_equal(look(f, 2, NULL, 5), STATUS_OK);
    row.id = an_id('f', 3);
    add(f, row);
    assert_run(f, again, STORE_PREDICTION_START, STATUS_OK);
    assert_run(f, unheard, STORE_PREDICTION_REQUEUE, STATUS_OK);
    assert_int_equal(look(f, 3, NULL, 5), STATUS_OK);
}

static enum status give_out(struct fixture *f, int first, size_t n, int64_t attempt)
{
    OP(store_prediction_files, op, .id = an_id('p', 1), .attempt = attempt, .n_files = n);
    struct file_row rows[2];

    for (size_t i = 0; i < n; i++) {
        rows[i] = a_file(first + (int)i, 1);
        rows[i].kind = FILE_OUTPUT;
        rows[i].prediction_id = an_id('p', 1);
        rows[i].expires_at = 0;
    }
    op.files = rows;
    return run_op(f, op, STORE_PREDICTION_FILES);
}

/* While it runs, a prediction's files are there at once, and belong to the attempt. */
static void files_come_while_it_runs(void **state)
{
    struct fixture *f = *state;
    OP(store_prediction_start, start, .id = an_id('p', 1), .attempt = 1,
       .instance_id = an_id('x', 1), .started_at = 5);
    OP(store_prediction_requeue, lost, .id = an_id('p', 1), .attempt = 1, .not_counted = true,
       .had_files = true);
    OP(store_prediction_start, again, .id = an_id('p', 1), .attempt = 1,
       .instance_id = an_id('x', 1), .started_at = 6);
    OP(store_prediction_end, end, .id = an_id('p', 1), .attempt = 1, .status = PREDICTION_SUCCEEDED,
       .completed_at = 9);
    OP(store_file_of_prediction, listed, .prediction_id = an_id('p', 1));
    OP(store_file_of_prediction, left, .prediction_id = an_id('p', 1));

    seed_deployment(f);
    assert_int_equal(give_out(f, 1, 1, 1), STATUS_NOT_FOUND);
    add_prediction(f, 1, 1, true, 1);
    assert_int_equal(give_out(f, 1, 1, 0), STATUS_CONFLICT); /* it waits */
    assert_run(f, start, STORE_PREDICTION_START, STATUS_OK);
    assert_int_equal(give_out(f, 1, 2, 2), STATUS_CONFLICT);
    assert_int_equal(look(f, 1, NULL, 5), STATUS_NOT_FOUND);
    assert_int_equal(give_out(f, 2, 1, 1), STATUS_OK);
    assert_int_equal(give_out(f, 3, 2, 1), STATUS_OK);
    assert_run(f, listed, STORE_FILE_OF_PREDICTION, STATUS_OK);
    assert_int_equal(listed.n, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(listed.rows[i].id, an_id('f', 2 + i));
    assert_run(f, lost, STORE_PREDICTION_REQUEUE, STATUS_OK);
    assert_run(f, again, STORE_PREDICTION_START, STATUS_OK);
    assert_int_equal(give_out(f, 5, 1, 1), STATUS_OK);
    assert_run(f, left, STORE_FILE_OF_PREDICTION, STATUS_OK);
    assert_int_equal(left.n, 1);
    assert_string_equal(left.rows[0].id, an_id('f', 5));
    assert_run(f, end, STORE_PREDICTION_END, STATUS_OK);
    assert_int_equal(give_out(f, 6, 1, 1), STATUS_CONFLICT);
    assert_int_equal(look(f, 5, NULL, 10), STATUS_OK);
}

static void a_list_has_the_uploaded_ones(void **state)
{
    struct fixture *f = *state;
    OP(store_file_list, page, .page = { .limit = 2 }, .account_id = an_id('a', 1), .now = 5);
    OP(store_file_list, next, .page = { .limit = 2 }, .account_id = an_id('a', 1), .now = 5);
    OP(store_file_delete, del, .id = an_id('f', 4), .account_id = an_id('a', 1), .now = 5);
    OP(store_file_delete, foreign, .id = an_id('f', 3), .account_id = an_id('a', 2), .now = 5);
    OP(store_file_delete, output, .id = an_id('f', 6), .account_id = an_id('a', 1), .now = 5);
    struct file_row row;

    seed_accounts(f);
    for (int i = 1; i <= 4; i++)
        add(f, a_file(i, 1));
    add(f, a_file(5, 2));
    row = a_file(6, 1);
    row.kind = FILE_OUTPUT;
    row.expires_at = 0;
    add(f, row);
    assert_run(f, del, STORE_FILE_DELETE, STATUS_OK);
    assert_run(f, del, STORE_FILE_DELETE, STATUS_NOT_FOUND);
    assert_run(f, foreign, STORE_FILE_DELETE, STATUS_NOT_FOUND);
    assert_run(f, output, STORE_FILE_DELETE, STATUS_NOT_FOUND);
    assert_run(f, page, STORE_FILE_LIST, STATUS_OK);
    assert_int_equal(page.n, 2);
    assert_string_equal(page.rows[0].id, an_id('f', 3));
    assert_string_equal(page.rows[1].id, an_id('f', 2));
    assert_true(page.info.has_next);
    next.page.after = an_id('f', 2);
    assert_run(f, next, STORE_FILE_LIST, STATUS_OK);
    assert_int_equal(next.n, 1);
    assert_string_equal(next.rows[0].id, an_id('f', 1));
    assert_false(next.info.has_next);
    assert_true(next.info.has_previous);
}

static void what_has_expired_is_found_and_forgotten(void **state)
{
    struct fixture *f = *state;
    OP(store_file_expired, op, .now = 2, .limit = 10);
    OP(store_file_expired, few, .now = 9, .limit = 1);
    OP(store_file_expired, none, .now = 2, .limit = 10);
    OP(store_file_forget, forget);

    seed_accounts(f);
    for (int i = 0; i < 4; i++) {
        struct file_row row = a_file(i, 1);

        row.expires_at = i; /* the first one never does */
        add(f, row);
    }
    assert_run(f, op, STORE_FILE_EXPIRED, STATUS_OK);
    assert_int_equal(op.n, 2);
    assert_string_equal(op.ids[0], an_id('f', 1));
    assert_string_equal(op.ids[1], an_id('f', 2));
    assert_int_equal(op.next_at, 3);
    assert_run(f, few, STORE_FILE_EXPIRED, STATUS_OK);
    assert_int_equal(few.n, 1);
    assert_int_equal(few.next_at, 0);
    forget.ids = op.ids;
    forget.n = op.n;
    assert_run(f, forget, STORE_FILE_FORGET, STATUS_OK);
    assert_run(f, none, STORE_FILE_EXPIRED, STATUS_OK);
    assert_int_equal(none.n, 0);
}

static void ids_without_a_row_are_told(void **state)
{
    struct fixture *f = *state;
    const char *ids[] = { an_id('f', 1), an_id('f', 2), an_id('f', 3) };
    OP(store_file_unknown, op, .ids = ids, .n = 3);
    struct file_row row = a_file(2, 1);

    seed_accounts(f);
    row.expires_at = 1; /* it still has its row */
    add(f, row);
    assert_run(f, op, STORE_FILE_UNKNOWN, STATUS_OK);
    assert_int_equal(op.n_unknown, 2);
    assert_string_equal(op.unknown[0], ids[0]);
    assert_string_equal(op.unknown[1], ids[2]);
}

/* What another part of the program may do to predictions. */
static void do_sql(struct fixture *f, const char *text)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
}

static void files_go_with_their_prediction(void **state)
{
    struct fixture *f = *state;
    OP(store_prediction_create, create);
    OP(store_prediction_end, end, .id = an_id('p', 7), .attempt = -1,
       .status = PREDICTION_SUCCEEDED, .completed_at = 9);
    struct file_row input = a_file(1, 1), uploaded = a_file(2, 1), output = a_file(3, 1);

    seed_deployment(f);
    create.in = a_prediction(7, 1, true, 1);
    assert_run(f, create, STORE_PREDICTION_CREATE, STATUS_OK);
    input.prediction_id = output.prediction_id = an_id('p', 7);
    input.kind = FILE_INPUT;
    output.kind = FILE_OUTPUT;
    input.expires_at = output.expires_at = 0;
    output.secret = SECRET;
    add(f, input);
    add(f, uploaded);
    end.files = &output;
    end.n_files = 1;
    assert_run(f, end, STORE_PREDICTION_END, STATUS_OK);
    assert_int_equal(look(f, 1, NULL, 5), STATUS_NOT_FOUND); /* served the run only */
    assert_int_equal(look(f, 2, NULL, 5), STATUS_OK);
    assert_int_equal(look(f, 3, NULL, 5), STATUS_OK);
    do_sql(f, "UPDATE prediction SET data_removed = 1");
    assert_int_equal(look(f, 3, NULL, 5), STATUS_NOT_FOUND);
    assert_int_equal(look(f, 2, NULL, 5), STATUS_OK);
}

static void files_go_with_a_deleted_version(void **state)
{
    struct fixture *f = *state;
    OP(store_prediction_create, create);
    struct file_row output = a_file(3, 1);

    seed_models(f);
    create.in = a_prediction(7, 1, false, 1);
    assert_run(f, create, STORE_PREDICTION_CREATE, STATUS_OK);
    output.kind = FILE_OUTPUT;
    output.prediction_id = an_id('p', 7);
    output.expires_at = 0;
    add(f, output);
    assert_int_equal(look(f, 3, NULL, 5), STATUS_OK);
    do_sql(f, "DELETE FROM version");
    assert_int_equal(look(f, 3, NULL, 5), STATUS_NOT_FOUND);
}

/* An end that is not written records no file. */
static void a_refused_end_leaves_no_file(void **state)
{
    struct fixture *f = *state;
    OP(store_prediction_end, end, .id = an_id('p', 9), .attempt = -1,
       .status = PREDICTION_SUCCEEDED);
    struct file_row output = a_file(3, 1);

    seed_deployment(f);
    end.files = &output;
    end.n_files = 1;
    assert_run(f, end, STORE_PREDICTION_END, STATUS_NOT_FOUND);
    assert_int_equal(look(f, 3, NULL, 5), STATUS_NOT_FOUND);
}

#define TEST(f, setup) cmocka_unit_test_setup_teardown(f, setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_of_a_lost_attempt_go, memory_setup),
        TEST(files_come_while_it_runs, memory_setup),
        TEST(a_file_is_kept_whole, memory_setup),
        TEST(a_list_has_the_uploaded_ones, memory_setup),
        TEST(what_has_expired_is_found_and_forgotten, memory_setup),
        TEST(ids_without_a_row_are_told, memory_setup),
        TEST(files_go_with_their_prediction, file_setup),
        TEST(files_go_with_a_deleted_version, file_setup),
        TEST(a_refused_end_leaves_no_file, memory_setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
