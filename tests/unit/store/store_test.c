/* SPDX-License-Identifier: Apache-2.0 */
/* The store's own machinery: threads, group commit, what a failure undoes, what a full disk does.
 */
#include "support.h"

#include "base/mem.h"
#include "store/db.h"
#include "store/sql.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { N = 300 };

struct put {
    struct store_setting_put op; /* first */
    char name[32];
    struct fixture *fixture;
};

static int n_done;
static int n_wanted;

static void count(struct store_op *op)
{
    struct fixture *f = op->user;

    assert_int_equal(op->status, STATUS_OK);
    if (++n_done == n_wanted)
        loop_stop(f->loop);
}

/* Any status, counted in the same way. */
static void count_any(struct store_op *op)
{
    struct fixture *f = op->user;

    if (++n_done == n_wanted)
        loop_stop(f->loop);
}

static struct store_op *make_put(struct fixture *f, struct put *p, int n)
{
    *p = (struct put){ .fixture = f };
    (void)snprintf(p->name, sizeof(p->name), "name%d", n);
    p->op.name = p->name;
    p->op.value = "value";
    p->op.op.user = f;
    return &p->op.op;
}

static void start_put(struct fixture *f, struct put *p, int n, store_done done)
{
    store_start(f->store, make_put(f, p, n), &STORE_SETTING_PUT, done);
}

static void start_put_later(struct fixture *f, struct put *p, int n)
{
    store_start_later(f->store, make_put(f, p, n), &STORE_SETTING_PUT, count);
}

static bool has(struct fixture *f, const char *name)
{
    OP(store_setting_get, get, .name = name);

    assert_run(f, get, STORE_SETTING_GET, STATUS_OK);
    return get.value != NULL;
}

/* Writes "before", then fails. */
static enum status write_and_fail(struct db *db, struct store_op *op)
{
    const struct db_value args[SQL_SETTING_PUT_PARAMS] = {
        [SQL_SETTING_PUT_NAME] = DB_V_TEXT("before"),
        [SQL_SETTING_PUT_VALUE] = DB_V_TEXT("x"),
    };
    enum status s = db->ops->exec(db, &sql_setting_put, args, NULL, &op->error);

    assert_int_equal(s, STATUS_OK);
    return FAIL(&op->error, STATUS_CONFLICT, "failed on purpose");
}

static const struct store_op_type WRITE_AND_FAIL = { .name = "write_and_fail",
                                                     .is_write = true,
                                                     .exec = write_and_fail };

/* Holds the writer until it may go on, so that a group gathers behind it. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static enum status wait_at_gate(struct db *db UNUSED, struct store_op *op UNUSED)
{
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
    return STATUS_OK;
}

static const struct store_op_type WAIT_AT_GATE = { .name = "wait_at_gate",
                                                   .is_write = true,
                                                   .exec = wait_at_gate };

static void close_gate(struct fixture *f, struct store_op *op)
{
    (void)pthread_mutex_lock(&gate);
    op->user = f;
    store_start(f->store, op, &WAIT_AT_GATE, count);
}

static void run_until(struct fixture *f, int n)
{
    n_wanted = n;
    loop_run(f->loop);
    assert_int_equal(n_done, n);
}

static void writes_share_a_commit(void **state)
{
    struct fixture *f = *state;
    struct put *puts = xcalloc(N, sizeof(*puts));
    struct store_op first = { .status = STATUS_OK };
    struct store_stats stats;

    n_done = 0;
    close_gate(f, &first);
    for (int i = 0; i < N; i++)
        start_put(f, &puts[i], i, count);
    (void)pthread_mutex_unlock(&gate);
    run_until(f, N + 1);
    stats = store_stats(f->store);
    assert_int_equal(stats.writes, N + 1);
    assert_true(stats.commits <= 2);
    assert_int_equal(stats.queue_length, 0);
    assert_true(has(f, "name0"));
    assert_true(has(f, "name299"));
    mem_free(&puts);
}

static void a_write_is_taken_back_until_it_has_begun(void **state)
{
    struct fixture *f = *state;
    struct store_op first = { .status = STATUS_OK };
    struct put puts[3];

    n_done = 0;
    close_gate(f, &first);
    while (store_stats(f->store).queue_length > 0) /* until the writer stands at the gate */
        (void)sched_yield();
    for (int i = 0; i < 3; i++)
        start_put(f, &puts[i], i, count);
    assert_false(store_take_back(f->store, &first));
    assert_true(store_take_back(f->store, &puts[1].op.op));
    assert_false(store_take_back(f->store, &puts[1].op.op));
    assert_int_equal(store_stats(f->store).queue_length, 2);
    (void)pthread_mutex_unlock(&gate);
    run_until(f, 3);
    assert_false(store_take_back(f->store, &puts[0].op.op));
    assert_true(has(f, "name0"));
    assert_false(has(f, "name1"));
    assert_true(has(f, "name2"));
}

static void what_may_wait_goes_with_the_next_write(void **state)
{
    struct fixture *f = *state;
    uint64_t commits = store_stats(f->store).commits;
    struct put puts[4];

    n_done = 0;
    for (int i = 0; i < 3; i++)
        start_put_later(f, &puts[i], i);
    assert_true(store_take_back(f->store, &puts[1].op.op));
    start_put(f, &puts[3], 3, count);
    run_until(f, 3);
    assert_int_equal(store_stats(f->store).commits, commits + 1);
    assert_true(has(f, "name0"));
    assert_false(has(f, "name1"));
    assert_true(has(f, "name3"));
}

static void what_may_wait_does_not_wait_for_ever(void **state)
{
    struct fixture *f = *state;
    struct put puts[2];

    n_done = 0;
    start_put_later(f, &puts[0], 0);
    run_until(f, 1);
    start_put_later(f, &puts[1], 1); /* when the writer has written and waits again */
    run_until(f, 2);
    assert_true(has(f, "name1"));
    start_put_later(f, &puts[0], 2);
    fixture_reopen(f); /* nor does the store close without it */
    assert_int_equal(n_done, 3);
    assert_true(has(f, "name2"));
}

static void a_failing_write_undoes_only_itself(void **state)
{
    struct fixture *f = *state;
    struct put *puts = xcalloc(N, sizeof(*puts));
    struct store_op first = { .status = STATUS_OK }, bad = { .user = f }, worse = { .user = f };
    struct store_stats stats;

    n_done = 0;
    close_gate(f, &first);
    for (int i = 0; i < N; i++) {
        if (i == 10)
            store_start(f->store, &bad, &WRITE_AND_FAIL, count_any);
        if (i == 20)
            store_start(f->store, &worse, &WRITE_AND_FAIL, count_any);
        start_put(f, &puts[i], i, count);
    }
    (void)pthread_mutex_unlock(&gate);
    run_until(f, N + 3);
    stats = store_stats(f->store);
    assert_true(stats.commits <= 2);
    assert_int_equal(bad.status, STATUS_CONFLICT);
    assert_string_equal(bad.error.text, "failed on purpose");
    assert_int_equal(worse.status, STATUS_CONFLICT);
    assert_false(has(f, "before"));
    for (int i = 0; i < N; i++)
        assert_true(has(f, puts[i].name));
    mem_free(&puts);
}

static void a_single_failing_write_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct store_op bad = { .status = STATUS_OK };

    assert_int_equal(store_run(f->store, &bad, &WRITE_AND_FAIL), STATUS_CONFLICT);
    assert_false(has(f, "before"));
}

struct read_back {
    struct store_setting_get get; /* first */
    struct fixture *fixture;
    int left;
    struct put put;
};

static void on_read_back(struct store_op *op);

static void on_written(struct store_op *op)
{
    struct read_back *r = container_of(op, struct read_back, put.op.op);

    assert_int_equal(op->status, STATUS_OK);
    r->get = (struct store_setting_get){ .name = r->put.name };
    store_start(r->fixture->store, &r->get.op, &STORE_SETTING_GET, on_read_back);
}

static void on_read_back(struct store_op *op)
{
    struct read_back *r = container_of(op, struct read_back, get.op);

    assert_int_equal(op->status, STATUS_OK);
    assert_non_null(r->get.value);
    store_op_deinit(op);
    if (--r->left == 0)
        loop_stop(r->fixture->loop);
    else
        start_put(r->fixture, &r->put, r->left, on_written);
}

static void a_read_sees_the_write_before_it(void **state)
{
    struct fixture *f = *state;
    struct read_back r = { .fixture = f, .left = 50 };

    start_put(f, &r.put, r.left, on_written);
    loop_run(f->loop);
    assert_int_equal(r.left, 0);
    assert_true(store_stats(f->store).reads >= 50);
}

static void closing_brings_every_done(void **state)
{
    struct fixture *f = *state;
    struct read_back r = { .fixture = f, .left = 3 };

    /* The chain goes on while the store closes. */
    start_put(f, &r.put, r.left, on_written);
    fixture_reopen(f);
    assert_int_equal(r.left, 0);
    assert_true(has(f, "name1"));
}

static void in_memory_done_comes_on_the_next_turn(void **state)
{
    struct fixture *f = *state;
    struct put p;

    n_done = 0;
    n_wanted = -1;
    start_put(f, &p, 1, count);
    assert_int_equal(n_done, 0);
    loop_run_until(f->loop, loop_now_ms(f->loop) + 1);
    assert_int_equal(n_done, 1);
}

static void in_memory_closing_brings_every_done(void **state)
{
    struct fixture *f = *state;
    struct read_back r = { .fixture = f, .left = 3 };

    start_put(f, &r.put, r.left, on_written);
    fixture_reopen(f);
    assert_int_equal(r.left, 0);
}

static void the_files_are_for_their_owner_only(void **state)
{
    struct fixture *f = *state;
    char wal[160];
    struct stat st;

    assert_false(has(f, "x"));
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    (void)snprintf(wal, sizeof(wal), "%s-wal", f->path);
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* A limit on the size of files stands for a disk that is full. */
static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_fails_writes_until_there_is_room(void **state)
{
    struct fixture *f = *state;
    struct put small;
    struct store_setting_put big = { .name = "big" };
    char *text = xcalloc(1, 200001);
    rlim_t before;
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    before = limit.rlim_cur;
    (void)signal(SIGXFSZ, SIG_IGN);
    memset(text, 'x', 200000);
    big.value = text;
    assert_false(has(f, "big"));
    set_file_limit(100000);
    assert_int_equal(store_run(f->store, &big.op, &STORE_SETTING_PUT), STATUS_DISK_FULL);
    assert_false(has(f, "big")); /* reads go on */
    set_file_limit(before);
    assert_int_equal(store_run(f->store, &big.op, &STORE_SETTING_PUT), STATUS_OK);
    n_done = 0;
    start_put(f, &small, 1, count);
    run_until(f, 1);
    fixture_reopen(f);
    assert_true(has(f, "big"));
    assert_true(has(f, "name1"));
    mem_free(&text);
}

static void the_data_outlives_the_store(void **state)
{
    struct fixture *f = *state;
    OP(store_deployment_get, get, .owner = STR("alice"), .name = STR("dep"));

    seed_deployment(f);
    fixture_reopen(f);
    assert_run(f, get, STORE_DEPLOYMENT_GET, STATUS_OK);
}

static void a_path_that_cannot_be_opened_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *s = NULL;
    struct error err;

    assert_int_equal(store_open(f->loop, "/nonexistent/folder/berth.db", &s, &err), STATUS_BROKEN);
    assert_null(s);
    assert_non_null(strstr(err.text, "/nonexistent/folder/berth.db"));
}

#define FILE_TEST(t)   cmocka_unit_test_setup_teardown(t, file_setup, store_teardown)
#define MEMORY_TEST(t) cmocka_unit_test_setup_teardown(t, memory_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(writes_share_a_commit),
        FILE_TEST(a_write_is_taken_back_until_it_has_begun),
        FILE_TEST(what_may_wait_goes_with_the_next_write),
        FILE_TEST(what_may_wait_does_not_wait_for_ever),
        FILE_TEST(a_failing_write_undoes_only_itself),
        FILE_TEST(a_single_failing_write_leaves_nothing),
        MEMORY_TEST(a_single_failing_write_leaves_nothing),
        FILE_TEST(a_read_sees_the_write_before_it),
        FILE_TEST(closing_brings_every_done),
        MEMORY_TEST(in_memory_done_comes_on_the_next_turn),
        MEMORY_TEST(in_memory_closing_brings_every_done),
        FILE_TEST(the_files_are_for_their_owner_only),
        FILE_TEST(a_full_disk_fails_writes_until_there_is_room),
        FILE_TEST(the_data_outlives_the_store),
        FILE_TEST(a_path_that_cannot_be_opened_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
