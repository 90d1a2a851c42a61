/* SPDX-License-Identifier: Apache-2.0 */
/* Acknowledged means durable: a process that writes is killed without warning, and all that it had
 * reported must be there afterwards. */
#include "support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IN_FLIGHT = 32, ROUNDS = 3, ENOUGH = 400 };

struct writer {
    struct store_prediction_create op; /* first */
    struct fixture *fixture;
    int n;
    char id[32];
};

static int next_n = 1;
static int report_fd;

static void create_next(struct writer *w);

static void on_created(struct store_op *op)
{
    struct writer *w = container_of(op, struct writer, op.op);

    if (op->status != STATUS_OK || write(report_fd, &w->n, sizeof(w->n)) != sizeof(w->n))
        _exit(3);
    store_op_deinit(op);
    create_next(w);
}

static void create_next(struct writer *w)
{
    struct fixture *f = w->fixture;

    w->n = next_n++;
    (void)snprintf(w->id, sizeof(w->id), "%s", an_id('p', w->n));
    w->op = (struct store_prediction_create){ .in = a_prediction(w->n, 1, true, 1) };
    w->op.in.id = w->id;
    store_start(f->store, &w->op.op, &STORE_PREDICTION_CREATE, on_created);
}

/* Ends only by being killed. */
static void child(struct fixture *f)
{
    static struct writer writers[IN_FLIGHT];
    struct error err;

    f->loop = loop_new_real();
    if (store_open(f->loop, f->path, &f->store, &err) != STATUS_OK)
        _exit(2);
    for (int i = 0; i < IN_FLIGHT; i++) {
        writers[i].fixture = f;
        create_next(&writers[i]);
    }
    loop_run(f->loop);
    _exit(4);
}

/* Collects numbers until there are enough, kills, and takes what was still in the pipe. */
static int collect(int fd, pid_t pid, int *out, int max)
{
    int n = 0, status = 0;

    while (n < max && read(fd, &out[n], sizeof(out[n])) == (ssize_t)sizeof(out[n])) {
        if (++n == ENOUGH)
            (void)kill(pid, SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return n;
}

static void crash_once(struct fixture *f)
{
    static int acknowledged[100000];
    int fds[2], n = 0;
    pid_t pid = 0;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(fds[0]);
        report_fd = fds[1];
        child(f);
    }
    (void)close(fds[1]);
    n = collect(fds[0], pid, acknowledged, (int)ARRAY_SIZE(acknowledged));
    (void)close(fds[0]);
    assert_true(n >= ENOUGH);
    f->loop = loop_new_real();
    fixture_reopen(f);
    for (int i = 0; i < n; i++) {
        OP(store_prediction_get, get, .id = an_id('p', acknowledged[i]));

        assert_run(f, get, STORE_PREDICTION_GET, STATUS_OK);
        next_n = MAX(next_n, acknowledged[i] + IN_FLIGHT + 1);
    }
}

static void what_was_acknowledged_survives_a_kill(void **state)
{
    struct fixture *f = *state;

    seed_deployment(f);
    for (int i = 0; i < ROUNDS; i++) {
        /* No thread of ours may live across the fork. */
        store_close(f->store);
        loop_free(f->loop);
        f->store = NULL;
        f->loop = NULL;
        crash_once(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_acknowledged_survives_a_kill, file_setup,
                                        store_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
