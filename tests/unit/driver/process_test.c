/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an instance with one server: start, output, end. */
#include "process_support.h"

static void tells_address_lines_and_exit_code(void **state)
{
    struct world *w = *state;
    struct watch x;

    world_start(w, "echo one; echo two >&2; echo 'Starting coglet server on 127.0.0.1:4242' >&2; "
                   "echo three; await; printf 'last, without newline'; exit 7");
    launch(w, &x, "i1");
    until_address(w, &x);
    assert_string_equal(x.address, "http://127.0.0.1:4242");
    world_go(w);
    until_ended(w, &x);
    assert_string_equal(x.lines.p, "one\ntwo\nStarting coglet server on 127.0.0.1:4242\nthree\n"
                                   "last, without newline\n");
    assert_false(x.failed);
    assert_int_equal(x.how.code, 7);
    assert_int_equal(x.how.signal, 0);
    assert_false(x.how.lost);
    assert_string_equal(x.how.text, "ended with exit code 7");
    until_empty(w);
    assert_false(world_has_folder(w, "i1"));
    wait_gone(supervisor_of(&x));
    watch_deinit(&x);
}

static void tells_the_signal(void **state)
{
    struct world *w = *state;
    struct watch x;

    world_start(w, "echo before; kill -9 $$");
    launch(w, &x, "i1");
    until_ended(w, &x);
    assert_string_equal(x.lines.p, "before\n");
    assert_int_equal(x.how.code, -1);
    assert_int_equal(x.how.signal, SIGKILL);
    assert_string_equal(x.how.text, "ended by signal 9 (Killed)");
    assert_false(x.how.out_of_memory);
    watch_deinit(&x);
}

/* coglet's worker outlives a parent that was killed; children of its own sessions would too. */
static void what_the_model_server_leaves_behind_is_killed(void **state)
{
    struct world *w = *state;
    struct watch x;

    world_start(w, "sleep 1000 & say $!; setsid sh -c 'sleep 1000 & echo pid $!; wait' & "
                   "say $!; await; kill -9 $$");
    launch(w, &x, "i1");
    while (count_pids(&x) < 3)
        loop_run(w->loop);
    world_go(w);
    until_ended(w, &x);
    assert_int_equal(x.how.signal, SIGKILL);
    for (int n = 0; n < 3; n++)
        assert_false(is_alive(pid_in(&x, n)));
    watch_deinit(&x);
}

static void stop_lets_it_end_by_itself(void **state)
{
    struct world *w = *state;
    struct watch x;

    world_start(w, "trap 'echo bye; exit 3' TERM; setsid sleep 1000 & say $!; echo ready; wait");
    launch(w, &x, "i1");
    until_line(w, &x, "ready");
    driver_stop(&x.launch, 3600 * 1000);
    until_ended(w, &x);
    assert_true(has_line(&x, "bye"));
    assert_int_equal(x.how.code, 3);
    assert_false(is_alive(pid_in(&x, 0)));
    watch_deinit(&x);
}

static void stop_kills_what_ignores_it(void **state)
{
    struct world *w = *state;
    struct watch x;

    world_start(w, "trap 'echo not me' TERM; (trap '' TERM; exec setsid sleep 1000) & say $!; "
                   "echo ready; while :; do wait; done");
    launch(w, &x, "i1");
    until_line(w, &x, "ready");
    driver_stop(&x.launch, 3600 * 1000);
    until_line(w, &x, "not me");
    driver_stop(&x.launch, 1);
    until_ended(w, &x);
    assert_int_equal(x.how.signal, SIGKILL);
    assert_false(is_alive(pid_in(&x, 0)));
    watch_deinit(&x);
}

static void stop_without_grace_kills_at_once(void **state)
{
    struct world *w = *state;
    struct watch x;

    world_start(w, "trap '' TERM; echo ready; while :; do sleep 1000; done");
    launch(w, &x, "i1");
    until_line(w, &x, "ready");
    driver_stop(&x.launch, 0);
    until_ended(w, &x);
    assert_int_equal(x.how.signal, SIGKILL);
    assert_string_equal(x.lines.p, "ready\n");
    watch_deinit(&x);
}

static void stop_before_it_started_is_not_lost(void **state)
{
    struct world *w = *state;
    struct watch x;

    world_start(w, "while :; do sleep 1000; done");
    launch(w, &x, "i1");
    driver_stop(&x.launch, 0);
    until_ended(w, &x);
    assert_int_equal(x.how.signal, SIGKILL);
    assert_false(x.failed);
    watch_deinit(&x);
}

static void many_instances_at_once(void **state)
{
    enum { N = 8 };
    struct world *w = *state;
    struct watch x[N];
    char id[16];

    world_start(
        w, "echo listening 127.0.0.1:5001; echo $HOME; await_never() { sleep 1000; }; await_never");
    for (int n = 0; n < N; n++) {
        snprintf(id, sizeof(id), "i%d", n);
        launch(w, &x[n], id);
    }
    for (int n = 0; n < N; n++) {
        until_address(w, &x[n]);
        driver_stop(&x[n].launch, 0);
    }
    for (int n = 0; n < N; n++) {
        until_ended(w, &x[n]);
        watch_deinit(&x[n]);
    }
}

static void a_program_that_is_not_there_is_the_models_fault(void **state)
{
    static const char *const argv[] = { "/nowhere/bin/python", NULL };
    struct world *w = *state;
    struct watch x;

    world_start(w, "");
    process_driver_test(w->driver, argv, false, false);
    launch(w, &x, "i1");
    until_ended(w, &x);
    assert_true(x.failed);
    assert_int_equal(x.err.status, STATUS_BROKEN);
    assert_non_null(strstr(x.err.text, "cannot start /nowhere/bin/python"));
    assert_non_null(strstr(x.err.text, "No such file"));
    watch_deinit(&x);
}

static void a_folder_that_cannot_be_made_is_our_trouble(void **state)
{
    struct world *w = *state;
    struct watch x;
    char path[160];

    world_start(w, "sleep 1000");
    snprintf(path, sizeof(path), "%s/instances/i1", w->data);
    assert_int_equal(mkdir(path, 0700), 0);
    launch(w, &x, "i1");
    until_ended(w, &x);
    assert_true(x.failed);
    assert_int_equal(x.err.status, STATUS_UNREACHABLE);
    assert_true(world_has_folder(w, "i1"));
    assert_int_equal(rmdir(path), 0);
    watch_deinit(&x);
}

static void output_without_end_costs_bounded_memory(void **state)
{
    struct world *w = *state;
    struct watch x;

    w->spec.max_log = 64 * 1024;
    world_start(w, "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last");
    launch(w, &x, "i1");
    until_ended(w, &x);
    assert_true(has_line(&x, "last"));
    assert_true(x.lines.n <= 40000);
    watch_deinit(&x);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        PROCESS_TEST(tells_address_lines_and_exit_code),
        PROCESS_TEST(tells_the_signal),
        PROCESS_TEST(what_the_model_server_leaves_behind_is_killed),
        PROCESS_TEST(stop_lets_it_end_by_itself),
        PROCESS_TEST(stop_kills_what_ignores_it),
        PROCESS_TEST(stop_without_grace_kills_at_once),
        PROCESS_TEST(stop_before_it_started_is_not_lost),
        PROCESS_TEST(many_instances_at_once),
        PROCESS_TEST(a_program_that_is_not_there_is_the_models_fault),
        PROCESS_TEST(a_folder_that_cannot_be_made_is_our_trouble),
        PROCESS_TEST(output_without_end_costs_bounded_memory),
    };

    return process_test_main(argc, argv, tests, ARRAY_SIZE(tests));
}
