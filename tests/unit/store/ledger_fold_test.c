/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's old hours become days, and nobody can tell from the sums, to the last digit; not
 * after a kill in the middle of it either. */
#include "store/ledger.h"

#include "support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HOUR = LEDGER_HOUR_MS, DAYS = 12, POOLS = 2, OLD_DAYS = 10 };

static const int64_t DAY = LEDGER_DAY_MS;
static const int64_t BEFORE = OLD_DAYS * (int64_t)LEDGER_DAY_MS;

static void fill_pool(struct fixture *f, int pool)
{
    const char *id = an_id('d', pool);
    struct ledger_row rows[24 * LEDGER_KINDS];
    unsigned seed = (unsigned)pool;

    for (int day = 0; day < DAYS; day++) {
        size_t n = 0;

        for (int hour = day % 3; hour < 24; hour++) /* some days have no first hour */
            for (int kind = 0; kind < LEDGER_KINDS; kind++) {
                seed = seed * 1103515245U + 12345U;
                rows[n++] = (struct ledger_row){
                    .pool_id = id,
                    .release = 1 + hour / 9,
                    .hardware = hour % 2 ? "cpu" : "gpu-t4",
                    .piece = { .hour = day * DAY + hour * (int64_t)HOUR,
                               .price_nano = INT64_C(1000000007) * (1 + hour / 6),
                               .kind = (enum ledger_kind)kind,
                               .ms = 1 + seed % 3600000 },
                };
            }
        OP(store_ledger_add, op, .batch = { .rows = rows, .n = n });

        assert_run(f, op, STORE_LEDGER_ADD, STATUS_OK);
    }
}

static void fill(struct fixture *f)
{
    seed_deployment(f);
    for (int pool = 1; pool <= POOLS; pool++) {
        add_priced_instance(f, pool, an_id('d', pool), an_id('a', 1));
        fill_pool(f, pool);
    }
}

/* All that is told of whole days: of the account, and of each pool with its releases. */
struct told {
    struct store_ledger_read reads[1 + POOLS];
    __int128 amount;
};

static void read_all(struct fixture *f, struct told *out, int64_t unit)
{
    *out = (struct told){ 0 };
    for (int i = 0; i <= POOLS; i++) {
        struct store_ledger_read *r = &out->reads[i];

        *r = (struct store_ledger_read){ .account_id = an_id('a', 1),
                                         .to = DAYS * DAY,
                                         .unit_ms = unit };
        if (i > 0)
            r->pool_id = an_id('d', i);
        assert_int_equal(store_run(f->store, &r->op, &STORE_LEDGER_READ), STATUS_OK);
        for (size_t k = 0; i > 0 && k < r->n; k++)
            out->amount += (__int128)r->rows[k].piece.ms * r->rows[k].piece.price_nano;
    }
}

static void told_deinit(struct told *t)
{
    for (int i = 0; i <= POOLS; i++)
        store_op_deinit(&t->reads[i].op);
}

static void assert_same(const struct told *a, const struct told *b)
{
    for (int i = 0; i <= POOLS; i++) {
        assert_int_equal(a->reads[i].n, b->reads[i].n);
        for (size_t k = 0; k < a->reads[i].n; k++) {
            const struct ledger_row *x = &a->reads[i].rows[k], *y = &b->reads[i].rows[k];

            assert_string_equal(x->pool_id, y->pool_id);
            assert_int_equal(x->release, y->release);
            assert_string_equal(x->hardware, y->hardware);
            assert_memory_equal(&x->piece, &y->piece, sizeof(x->piece));
        }
    }
    assert_true(a->amount == b->amount);
    assert_true(a->amount > INT64_MAX); /* it takes 128 bits */
}

static int fold(struct fixture *f, int limit)
{
    OP(store_ledger_fold, op, .before = BEFORE, .limit = limit);

    assert_run(f, op, STORE_LEDGER_FOLD, STATUS_OK);
    return op.n;
}

static void assert_folded(struct fixture *f)
{
    struct told hours;

    read_all(f, &hours, HOUR);
    for (int i = 0; i <= POOLS; i++)
        for (size_t k = 0; k < hours.reads[i].n; k++) {
            int64_t hour = hours.reads[i].rows[k].piece.hour;

            assert_true(hour >= BEFORE || hour % DAY == 0);
        }
    assert_true(hours.reads[1].rows[hours.reads[1].n - 1].piece.hour % DAY != 0);
    told_deinit(&hours);
}

static void the_sums_stay(void **state)
{
    struct fixture *f = *state;
    struct told before, after;
    struct ledger_row late = {
        .pool_id = an_id('d', 1),
        .release = 1,
        .hardware = "cpu",
        .piece = { .hour = 5 * (int64_t)HOUR, .price_nano = 3, .kind = LEDGER_IDLE, .ms = 11 },
    };
    OP(store_ledger_add, add, .batch = { .rows = &late, .n = 1 });
    int n = 0, steps = 0, last;

    fill(f);
    read_all(f, &before, DAY);
    do {
        last = fold(f, 3);
        n += last;
        steps++;
    } while (last == 3);
    assert_int_equal(n, OLD_DAYS * POOLS);
    assert_int_equal(steps, OLD_DAYS * POOLS / 3 + 1);
    read_all(f, &after, DAY);
    assert_same(&before, &after);
    assert_folded(f);
    assert_int_equal(fold(f, 3), 0);

    /* What comes late to a day goes there too. */
    assert_run(f, add, STORE_LEDGER_ADD, STATUS_OK);
    assert_int_equal(fold(f, 3), 1);
    assert_folded(f);
    told_deinit(&after);
    read_all(f, &after, DAY);
    assert_true(after.amount == before.amount + 33);
    told_deinit(&before);
    told_deinit(&after);
}

/* --- a kill --- */

struct folding {
    struct store_ledger_fold op;
    struct fixture *f;
    int report_fd;
};

static void start_fold(struct folding *g);

static void on_folded(struct store_op *op)
{
    struct folding *g = container_of(op, struct folding, op.op);
    char n = (char)g->op.n;

    if (op->status != STATUS_OK || write(g->report_fd, &n, 1) != 1)
        _exit(3);
    store_op_deinit(op);
    start_fold(g);
}

static void start_fold(struct folding *g)
{
    g->op = (struct store_ledger_fold){ .before = BEFORE, .limit = 1 };
    store_start(g->f->store, &g->op.op, &STORE_LEDGER_FOLD, on_folded);
}

/* Ends only by being killed. */
static void child(struct fixture *f, int report_fd)
{
    struct folding g = { .f = f, .report_fd = report_fd };
    struct error err;

    f->loop = loop_new_real();
    if (store_open(f->loop, f->path, &f->store, &err) != STATUS_OK)
        _exit(2);
    start_fold(&g);
    loop_run(f->loop);
    _exit(4);
}

/* Folds in a process of its own, which is killed once so many folds are over. */
static void killed_after(struct fixture *f, int reports)
{
    int fds[2], status = 0;
    pid_t pid;
    char n;

    store_close(f->store); /* no thread of ours may live across the fork */
    loop_free(f->loop);
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(fds[0]);
        child(f, fds[1]);
    }
    (void)close(fds[1]);
    while (reports-- > 0)
        assert_int_equal(read(fds[0], &n, 1), 1);
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    (void)close(fds[0]);
    f->loop = loop_new_real();
    f->store = NULL;
    fixture_reopen(f);
}

static void a_kill_in_the_middle(void **state)
{
    struct fixture *f = *state;
    struct told before, after;

    fill(f);
    read_all(f, &before, DAY);
    for (int i = 0; i < 4; i++) {
        killed_after(f, 1 + i);
        read_all(f, &after, DAY);
        assert_same(&before, &after);
        told_deinit(&after);
    }
    while (fold(f, 5) == 5)
        ;
    assert_folded(f);
    read_all(f, &after, DAY);
    assert_same(&before, &after);
    told_deinit(&after);
    told_deinit(&before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_sums_stay, memory_setup, store_teardown),
        cmocka_unit_test_setup_teardown(a_kill_in_the_middle, file_setup, store_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
