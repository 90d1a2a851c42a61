/* SPDX-License-Identifier: Apache-2.0 */
/* A server that goes, and one that comes: instances are found again, or end by themselves. */
#include "process_support.h"

static void the_next_server_finds_it(void **state)
{
    struct world *w = *state;
    struct watch x;

    world_start(w, "echo early; echo listening 127.0.0.1:5001; await; echo late; exit 4");
    launch(w, &x, "i1");
    until_address(w, &x);
    until_line(w, &x, "listening 127.0.0.1:5001");
    driver_release(&x.launch);
    world_restart(w);
    recover(w, &x, "i1");
    until_address(w, &x);
    assert_string_equal(x.address, "http://127.0.0.1:5001");
    driver_sweep(w->driver);
    until_line(w, &x, "early");
    world_go(w);
    until_ended(w, &x);
    assert_string_equal(x.lines.p, "early\nlistening 127.0.0.1:5001\nlate\n");
    assert_int_equal(x.how.code, 4);
    assert_false(x.how.lost);
    watch_deinit(&x);
}

static void an_end_that_nobody_saw_is_told_later(void **state)
{
    struct world *w = *state;
    struct watch x;
    pid_t pid;

    world_start(w, "say $$; echo listening 127.0.0.1:5001; await; echo late; exit 5");
    launch(w, &x, "i1");
    until_address(w, &x);
    until_line(w, &x, "listening 127.0.0.1:5001");
    pid = pid_in(&x, 0);
    driver_release(&x.launch);
    world_go(w);
    wait_gone(pid);
    world_restart(w);
    recover(w, &x, "i1");
    until_ended(w, &x);
    assert_true(has_line(&x, "late"));
    assert_int_equal(x.how.code, 5);
    assert_true(x.how.ended_at > 1600000000000); /* while nobody looked */
    assert_false(x.how.lost);
    watch_deinit(&x);
}

static void an_orphan_ends_by_itself_with_all_it_started(void **state)
{
    struct world *w = *state;
    struct watch x;
    pid_t pids[4], supervisor;

    w->spec.orphan_timeout_ms = 1;
    world_start(w, "trap 'echo asked; exit 6' TERM; sleep 1000 & say $!; "
                   "setsid sh -c 'trap \"\" TERM; sleep 1000 & echo pid $!; echo pid $$; wait' & "
                   "say $$; wait; wait; wait");
    launch(w, &x, "i1");
    while (count_pids(&x) < 4)
        loop_run(w->loop);
    for (int n = 0; n < 4; n++)
        pids[n] = pid_in(&x, n);
    supervisor = supervisor_of(&x);
    driver_release(&x.launch);
    world_restart(w); /* lets go, and gives the close a turn */
    wait_gone(supervisor);
    for (int n = 0; n < 4; n++)
        assert_false(is_alive(pids[n]));
    recover(w, &x, "i1");
    until_ended(w, &x);
    assert_true(has_line(&x, "asked"));
    assert_int_equal(x.how.code, 6);
    assert_false(x.how.lost);
    assert_string_equal(x.address, "");
    watch_deinit(&x);
}

static void a_supervisor_that_is_asked_to_end_takes_all_with_it(void **state)
{
    struct world *w = *state;
    struct watch x;

    world_start(w, "trap 'exit 8' TERM; setsid sleep 1000 & say $!; echo ready; wait");
    launch(w, &x, "i1");
    until_line(w, &x, "ready");
    kill(supervisor_of(&x), SIGTERM);
    until_ended(w, &x);
    assert_int_equal(x.how.code, 8);
    assert_false(is_alive(pid_in(&x, 0)));
    watch_deinit(&x);
}

/* The worst case: nobody is left who knows what it started. */
static void what_a_killed_supervisor_left_is_killed(void **state)
{
    struct world *w = *state;
    struct watch x;

    world_start(w, "setsid sh -c 'sleep 1000 & echo pid $!; wait' & say $$; wait");
    launch(w, &x, "i1");
    while (count_pids(&x) < 2)
        loop_run(w->loop);
    kill(supervisor_of(&x), SIGKILL);
    until_ended(w, &x);
    assert_true(x.how.lost);
    assert_false(x.failed);
    assert_int_equal(x.how.code, -1);
    for (int n = 0; n < 2; n++)
        wait_gone(pid_in(&x, n));
    until_empty(w);
    watch_deinit(&x);
}

static void what_was_never_there_is_lost(void **state)
{
    struct world *w = *state;
    struct watch x = { .handle = "{\"v\":1}" };

    world_start(w, "");
    recover(w, &x, "i1");
    until_ended(w, &x);
    assert_true(x.how.lost);
    assert_string_equal(x.how.text, "lost: its end was not seen");
    watch_deinit(&x);
}

static void sweep_ends_what_nobody_asked_for(void **state)
{
    struct world *w = *state;
    struct watch x, y;
    char path[160];

    world_start(w, "echo listening 127.0.0.1:5001; trap '' TERM; setsid sleep 1000 & say $!; wait");
    launch(w, &x, "i1");
    launch(w, &y, "i2");
    while (count_pids(&x) < 1 || count_pids(&y) < 1)
        loop_run(w->loop);
    driver_release(&x.launch);
    driver_release(&y.launch);
    world_restart(w);
    snprintf(path, sizeof(path), "%s/instances/dead", w->data);
    assert_int_equal(mkdir(path, 0700), 0);
    recover(w, &y, "i2");
    driver_sweep(w->driver);
    while (world_has_folder(w, "i1") || world_has_folder(w, "dead"))
        uv_run(loop_uv(w->loop), UV_RUN_ONCE);
    assert_false(is_alive(pid_in(&x, 0)));
    until_address(w, &y);
    while (count_pids(&y) < 1)
        loop_run(w->loop);
    assert_true(is_alive(pid_in(&y, 0)));
    driver_stop(&y.launch, 0);
    until_ended(w, &y);
    watch_deinit(&x);
    watch_deinit(&y);
}

static void the_owner_may_let_go_within_an_event(void **state)
{
    struct world *w = *state;
    struct watch x;

    world_start(w, "echo one; echo two; echo listening 127.0.0.1:5001; await; exit 2");
    launch(w, &x, "i1");
    x.release_on_line = true;
    until_line(w, &x, "one");
    assert_null(x.launch.impl);
    world_restart(w);
    assert_string_equal(x.lines.p, "one\n");
    recover(w, &x, "i1");
    until_address(w, &x);
    world_go(w);
    until_ended(w, &x);
    assert_int_equal(x.how.code, 2);
    watch_deinit(&x);
}

static void a_log_that_outgrew_its_ring_says_so(void **state)
{
    struct world *w = *state;
    struct watch x;
    struct str rest, first;
    pid_t pid;

    w->spec.max_log = 4096;
    world_start(w, "say $$; await; seq 1 5000; echo done");
    launch(w, &x, "i1");
    while (count_pids(&x) < 1)
        loop_run(w->loop);
    pid = pid_in(&x, 0);
    driver_release(&x.launch);
    world_restart(w);
    world_go(w);
    wait_gone(pid);
    recover(w, &x, "i1");
    until_ended(w, &x);
    rest = buf_str(&x.lines);
    assert_true(str_split(&rest, '\n', &first));
    assert_true(str_starts(first, "["));
    assert_true(str_ends(first, "bytes of output were not kept]"));
    assert_true(has_line(&x, "done"));
    assert_true(has_line(&x, "5000"));
    assert_true(x.lines.n < 4096 + 64);
    watch_deinit(&x);
}

/* The ring is small, the reader late: lines come in order, those that did not wait are named. */
static void a_server_that_does_not_read_holds_nothing_up(void **state)
{
    struct world *w = *state;
    struct watch x;

    w->spec.max_log = 4096;
    world_start(w, "echo begin; await; seq 1 200000; echo 'the end'; exit 1");
    launch(w, &x, "i1");
    until_line(w, &x, "begin");
    world_go(w);
    until_ended(w, &x);
    assert_true(has_line(&x, "the end"));
    assert_int_equal(x.how.code, 1);
    watch_deinit(&x);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        PROCESS_TEST(the_next_server_finds_it),
        PROCESS_TEST(an_end_that_nobody_saw_is_told_later),
        PROCESS_TEST(an_orphan_ends_by_itself_with_all_it_started),
        PROCESS_TEST(a_supervisor_that_is_asked_to_end_takes_all_with_it),
        PROCESS_TEST(what_a_killed_supervisor_left_is_killed),
        PROCESS_TEST(what_was_never_there_is_lost),
        PROCESS_TEST(sweep_ends_what_nobody_asked_for),
        PROCESS_TEST(the_owner_may_let_go_within_an_event),
        PROCESS_TEST(a_log_that_outgrew_its_ring_says_so),
        PROCESS_TEST(a_server_that_does_not_read_holds_nothing_up),
    };

    return process_test_main(argc, argv, tests, ARRAY_SIZE(tests));
}
