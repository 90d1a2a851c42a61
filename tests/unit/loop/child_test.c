/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "loop/child.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

struct probe {
    struct child child;
    struct loop *loop;
    struct buf text; /* "out|" or "err|", the line, newline */
    size_t n_lines, n_bytes, longest;
    int code, signal, n_exits;
    bool timed_out, keep;
    int first_number; /* the first line as a number: the pid of a grandchild */
    void (*on_first)(struct probe *p);
};

static const char *const env[] = { "PATH=/usr/bin:/bin", "COLOUR=blue", NULL };

static void on_line(struct child *c, struct str line, bool is_stderr)
{
    struct probe *p = container_of(c, struct probe, child);
    int64_t number;

    if (p->n_lines++ == 0) {
        if (str_to_i64(line, &number))
            p->first_number = (int)number;
        if (p->on_first)
            p->on_first(p);
    }
    p->n_bytes += line.n;
    p->longest = MAX(p->longest, line.n);
    if (p->keep)
        buf_addf(&p->text, "%s|%.*s\n", is_stderr ? "err" : "out", STR_ARG(line));
}

static void on_exited(struct child *c, int code, int signal, bool timed_out)
{
    struct probe *p = container_of(c, struct probe, child);

    p->code = code;
    p->signal = signal;
    p->timed_out = timed_out;
    p->n_exits++;
    loop_stop(p->loop);
}

static const struct child_events events = { .line = on_line, .exited = on_exited };
static const struct child_events silent = { .exited = on_exited };

static void probe_init(struct probe *p)
{
    *p = (struct probe){ .loop = loop_new_real(), .keep = true, .text = BUF_INIT(1 << 20) };
}

static void probe_deinit(struct probe *p)
{
    buf_deinit(&p->text);
    loop_free(p->loop);
}

static void start(struct probe *p, const char *script, struct child_spec spec)
{
    const char *const args[] = { "sh", "-c", script, NULL };
    struct error err;

    spec.file = "sh";
    spec.args = args;
    if (!spec.env)
        spec.env = env;
    assert_int_equal(child_start(p->loop, &p->child, &spec, &events, &err), STATUS_OK);
}

static void run(struct probe *p, const char *script, struct child_spec spec)
{
    start(p, script, spec);
    loop_run(p->loop);
    assert_int_equal(p->n_exits, 1);
}

static void lines_and_exit_code(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p);
    run(&p, "echo one; echo; printf 'three, no newline'; exit 7",
        (struct child_spec){ .cwd = "/" });
    assert_string_equal(p.text.p, "out|one\nout|\nout|three, no newline\n");
    assert_int_equal(p.code, 7);
    assert_int_equal(p.signal, 0);
    assert_false(p.timed_out);
    probe_deinit(&p);
}

static void standard_error_is_told_apart(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p);
    run(&p, "echo wrong >&2", (struct child_spec){ 0 });
    assert_string_equal(p.text.p, "err|wrong\n");
    probe_deinit(&p);
}

static void merged_output_keeps_its_order(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p);
    /* /dev/stderr is opened anew, which a socket would refuse. */
    run(&p, "echo a; echo b >&2; echo c; echo d > /dev/stderr",
        (struct child_spec){ .merge_output = true });
    assert_string_equal(p.text.p, "out|a\nout|b\nout|c\nout|d\n");
    probe_deinit(&p);
}

static void environment_and_folder(void **state)
{
    struct probe p;

    (void)state;
    setenv("BERTH_TEST_SECRET", "x", 1);
    probe_init(&p);
    run(&p, "echo $COLOUR ${BERTH_TEST_SECRET-unset}; pwd", (struct child_spec){ .cwd = "/usr" });
    assert_string_equal(p.text.p, "out|blue unset\nout|/usr\n");
    probe_deinit(&p);
}

static void it_leads_its_own_group_and_has_no_input(void **state)
{
    struct probe p;
    char text[64];

    (void)state;
    probe_init(&p);
    run(&p, "cat; cut -d' ' -f5,6 /proc/$$/stat", (struct child_spec){ 0 });
    snprintf(text, sizeof(text), "out|%d %d\n", p.child.pid, p.child.pid); /* group, session */
    assert_string_equal(p.text.p, text);
    probe_deinit(&p);
}

static void death_by_signal(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p);
    run(&p, "kill -TERM $$", (struct child_spec){ 0 });
    assert_int_equal(p.code, -1);
    assert_int_equal(p.signal, SIGTERM);
    probe_deinit(&p);
}

static void kill_it(struct probe *p)
{
    child_kill(&p->child, SIGTERM);
}

static void killing_from_a_line(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p);
    p.on_first = kill_it;
    run(&p, "echo ready; sleep 100; sleep 100", (struct child_spec){ 0 });
    assert_int_equal(p.code, -1);
    assert_int_equal(p.signal, SIGTERM);
    child_kill(&p.child, SIGKILL); /* harmless afterwards */
    probe_deinit(&p);
}

/* A killed grandchild is a zombie until init reaps it, which counts as gone. */
static bool is_alive(int pid)
{
    char path[64], line[512];
    bool alive = false;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    f = fopen(path, "r");
    if (!f)
        return false;
    if (fgets(line, sizeof(line), f)) {
        const char *end = strrchr(line, ')');

        alive = end && end[1] && end[2] != 'Z' && end[2] != 'X';
    }
    fclose(f);
    return alive;
}

/* A process lets go of its pipes a moment before it is dead. */
static bool dies(int pid)
{
    int64_t end = clock_monotonic_ms() + 5000;

    while (is_alive(pid) && clock_monotonic_ms() < end)
        sched_yield();
    return !is_alive(pid);
}

static void the_timeout_kills_grandchildren(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p);
    run(&p, "sleep 100 & echo $!; wait", (struct child_spec){ .timeout_ms = 1000 });
    assert_true(p.timed_out);
    assert_int_equal(p.code, -1);
    assert_int_equal(p.signal, SIGKILL);
    assert_true(p.first_number > 1);
    assert_true(dies(p.first_number));
    probe_deinit(&p);
}

static void a_grandchild_with_the_pipe_does_not_delay_for_ever(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p);
    run(&p, "sleep 100 & echo $!; printf half", (struct child_spec){ 0 });
    assert_int_equal(p.code, 0);
    assert_true(strstr(p.text.p, "out|half\n") != NULL);
    assert_true(is_alive(p.first_number));
    kill(p.first_number, SIGKILL);
    probe_deinit(&p);
}

static void long_lines_come_in_pieces(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p);
    run(&p, "printf '0123456789abcdefXYZ\\nshort\\n0123456789abcdef\\n'",
        (struct child_spec){ .max_line = 16 });
    assert_string_equal(p.text.p,
                        "out|0123456789abcdef\nout|XYZ\nout|short\nout|0123456789abcdef\n");
    probe_deinit(&p);

    probe_init(&p);
    p.keep = false;
    run(&p, "head -c 1000000 /dev/zero", (struct child_spec){ 0 });
    assert_int_equal(p.n_bytes, 1000000);
    assert_int_equal(p.longest, 64 * 1024);
    probe_deinit(&p);
}

static void huge_output_arrives_whole(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p);
    p.keep = false;
    run(&p, "seq 1 300000; seq 1 1000 >&2", (struct child_spec){ 0 });
    assert_int_equal(p.n_lines, 301000);
    assert_int_equal(p.longest, 6);
    probe_deinit(&p);
}

static void output_nobody_wants_is_discarded(void **state)
{
    const char *const args[] = { "sh", "-c", "seq 1 100000; seq 1 100000 >&2; exit 3", NULL };
    struct child_spec spec = { .file = "/bin/sh", .args = args, .env = env };
    struct probe p;

    (void)state;
    probe_init(&p);
    assert_int_equal(child_start(p.loop, &p.child, &spec, &silent, NULL), STATUS_OK);
    loop_run(p.loop);
    assert_int_equal(p.code, 3);
    probe_deinit(&p);
}

static void what_cannot_start_says_why(void **state)
{
    const char *const args[] = { "x", NULL };
    struct child_spec spec = { .file = "no-such-program", .args = args, .env = env };
    struct probe p;
    struct error err;

    (void)state;
    probe_init(&p);
    assert_int_equal(child_start(p.loop, &p.child, &spec, &events, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.text, "no-such-program"));
    spec.file = "/etc/passwd";
    assert_int_equal(child_start(p.loop, &p.child, &spec, &events, &err), STATUS_FORBIDDEN);
    spec.file = "true";
    spec.cwd = "/no/such/folder";
    assert_int_equal(child_start(p.loop, &p.child, &spec, &events, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.text, "/no/such/folder"));
    child_kill(&p.child, SIGKILL);
    assert_int_equal(p.n_exits, 0);
    probe_deinit(&p);
}

static void a_virtual_loop_has_no_processes(void **state)
{
    const char *const args[] = { "true", NULL };
    struct child_spec spec = { .file = "true", .args = args, .env = env };
    struct loop *l = loop_new_virtual(0, 1);
    struct child c;

    (void)state;
    assert_int_equal(child_start(l, &c, &spec, &events, NULL), STATUS_UNSUPPORTED);
    loop_free(l);
}

static void forget_it(struct probe *p)
{
    child_forget(&p->child);
    loop_stop(p->loop);
}

static void a_forgotten_child_goes_on(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p);
    p.on_first = forget_it;
    start(&p, "echo $$; exec sleep 100", (struct child_spec){ .detached = true });
    loop_run(p.loop);
    assert_int_equal(p.n_lines, 1);
    assert_int_equal(p.n_exits, 0);
    child_kill(&p.child, SIGKILL); /* no longer ours */
    assert_true(is_alive(p.first_number));
    probe_deinit(&p); /* with the loop gone it still lives */
    assert_true(is_alive(p.first_number));
    kill(p.first_number, SIGKILL);
}

static void on_look(struct timer *t)
{
    loop_stop(t->loop);
}

static void forget_quietly(struct probe *p)
{
    child_forget(&p->child);
}

static void a_forgotten_child_is_reaped(void **state)
{
    struct probe p;
    struct timer timer;

    (void)state;
    probe_init(&p);
    p.on_first = forget_quietly;
    start(&p, "echo $$", (struct child_spec){ .detached = true });
    /* Nobody tells of its end: look now and then. */
    timer_init(p.loop, &timer, on_look);
    timer_start(&timer, 20);
    while (p.first_number == 0 || kill(p.first_number, 0) == 0) {
        loop_run(p.loop);
        timer_start(&timer, 20);
    }
    timer_stop(&timer);
    assert_int_equal(errno, ESRCH);
    assert_int_equal(p.n_exits, 0);
    probe_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_and_exit_code),
        cmocka_unit_test(standard_error_is_told_apart),
        cmocka_unit_test(merged_output_keeps_its_order),
        cmocka_unit_test(environment_and_folder),
        cmocka_unit_test(it_leads_its_own_group_and_has_no_input),
        cmocka_unit_test(death_by_signal),
        cmocka_unit_test(killing_from_a_line),
        cmocka_unit_test(the_timeout_kills_grandchildren),
        cmocka_unit_test(a_grandchild_with_the_pipe_does_not_delay_for_ever),
        cmocka_unit_test(long_lines_come_in_pieces),
        cmocka_unit_test(huge_output_arrives_whole),
        cmocka_unit_test(output_nobody_wants_is_discarded),
        cmocka_unit_test(what_cannot_start_says_why),
        cmocka_unit_test(a_virtual_loop_has_no_processes),
        cmocka_unit_test(a_forgotten_child_goes_on),
        cmocka_unit_test(a_forgotten_child_is_reaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
