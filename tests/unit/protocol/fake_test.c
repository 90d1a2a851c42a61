/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/fake/fake.h"
#include "watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct place {
    struct loop *loop;
    struct protocol *protocol;
    struct peer_watch at;
};

static void place_open(struct place *pl, const struct fake_protocol_script *script)
{
    struct peer_spec spec = { .url = "http://fake", .slots = 1 };

    pl->loop = loop_new_virtual(0, 1);
    pl->protocol = fake_protocol_new(pl->loop, script);
    pl->at = (struct peer_watch){ .loop = pl->loop, .with_time = true };
    buf_init(&pl->at.trail, BUF_UNBOUNDED);
    peer_open(pl->protocol, &pl->at.peer, &spec, &peer_watch_events);
}

static void place_close(struct place *pl)
{
    protocol_free(pl->protocol);
    buf_deinit(&pl->at.trail);
    loop_free(pl->loop);
}

static void start(struct place *pl, struct watch *w, const char *input, bool join)
{
    struct run_spec spec = { .id = "p1", .input = str_of(input), .way = RUN_LONG, .join = join };

    w->with_time = true;
    watch_start(w, &pl->at.peer, &spec);
}

static void test_streams_pieces_over_its_time(void **state)
{
    struct fake_protocol_script script = { .ready_after_ms = 50 };
    struct place pl;
    struct watch w = { 0 };

    (void)state;
    place_open(&pl, &script);
    loop_run_until(pl.loop, 100);
    assert_string_equal(pl.at.trail.p, "ready@50 <setup done\n>;");
    start(&pl, &w, "{\"ms\":30,\"pieces\":[1,\"b\"],\"logs\":\"L\",\"metrics\":{\"n\":1}}", false);
    assert_int_equal(pl.at.peer.in_flight, 1);
    loop_run_until(pl.loop, 1000);
    assert_string_equal(w.trail.p,
                        "accepted@100 log:L@100 piece:1@110 piece:\"b\"@120 done@130 succeeded "
                        "out=[1,\"b\"] logs=L m={\"n\":1}");
    assert_int_equal(pl.at.peer.in_flight, 0);
    assert_int_equal(fake_protocol_runs(pl.protocol, "p1"), 1);
    watch_deinit(&w);
    peer_close(&pl.at.peer);
    place_close(&pl);
}

static void test_verdicts(void **state)
{
    struct place pl;
    struct watch w = { 0 };

    (void)state;
    place_open(&pl, NULL);
    start(&pl, &w, "{\"verdict\":\"never_ran\",\"times\":1}", false);
    loop_run_until(pl.loop, 100);
    assert_non_null(strstr(w.trail.p, "never-ran@0"));
    assert_int_equal(fake_protocol_runs(pl.protocol, "p1"), 0);
    start(&pl, &w, "{\"verdict\":\"never_ran\",\"times\":1}", false);
    loop_run_until(pl.loop, 200);
    assert_non_null(strstr(w.trail.p, "done@100 succeeded out={\"verdict\""));
    start(&pl, &w, "{\"verdict\":\"crashed\",\"ms\":5}", false);
    loop_run_until(pl.loop, 300);
    assert_non_null(strstr(w.trail.p, "crashed@205"));
    start(&pl, &w, "{\"verdict\":\"lost\"}", false);
    loop_run_until(pl.loop, 400);
    assert_non_null(strstr(w.trail.p, "lost@300"));
    start(&pl, &w, "{\"fail\":\"no\",\"output\":1}", false);
    loop_run_until(pl.loop, 500);
    assert_string_equal(w.trail.p, "accepted@400 done@400 failed err=no");
    watch_deinit(&w);
    peer_close(&pl.at.peer);
    place_close(&pl);
}

static void test_cancel_release_join(void **state)
{
    struct place pl;
    struct watch w = { 0 };

    (void)state;
    place_open(&pl, NULL);
    start(&pl, &w, "{\"ms\":100}", false);
    loop_run_until(pl.loop, 50);
    run_cancel(&w.run);
    loop_run_until(pl.loop, 60);
    assert_non_null(strstr(w.trail.p, "done@50 canceled"));
    start(&pl, &w, "{\"ms\":100,\"ignore_cancel\":true}", false);
    run_cancel(&w.run); /* not accepted yet: it never starts */
    loop_run_until(pl.loop, 100);
    assert_non_null(strstr(w.trail.p, "done@60 canceled"));
    start(&pl, &w, "{\"ms\":100,\"ignore_cancel\":true,\"pieces\":[7]}", false);
    loop_run_until(pl.loop, 120);
    run_cancel(&w.run);
    loop_run_until(pl.loop, 130);
    run_release(&w.run);
    peer_close(&pl.at.peer);
    loop_run_until(pl.loop, 170);
    peer_open(pl.protocol, &pl.at.peer, &(struct peer_spec){ .slots = 1 }, &peer_watch_events);
    start(&pl, &w, "{\"ms\":100,\"ignore_cancel\":true,\"pieces\":[7]}", true);
    loop_run_until(pl.loop, 300);
    assert_string_equal(w.trail.p, "piece:7@170 done@200 canceled out=[7]");
    assert_int_equal(fake_protocol_runs(pl.protocol, "p1"), 2);
    w.release_at = 2;
    start(&pl, &w, "{\"ms\":100,\"pieces\":[7]}", false);
    loop_run_until(pl.loop, 400);
    assert_string_equal(w.trail.p, "accepted@300 piece:7@350 ");
    watch_deinit(&w);
    peer_close(&pl.at.peer);
    place_close(&pl);
}

static void test_setup_fails_then_sick(void **state)
{
    struct fake_protocol_script script = { .ready_after_ms = 5,
                                           .setup_fails = 1,
                                           .sick_after_ms = 20 };
    struct place pl;
    struct watch w = { 0 };

    (void)state;
    place_open(&pl, &script);
    loop_run_until(pl.loop, 10);
    peer_close(&pl.at.peer);
    peer_open(pl.protocol, &pl.at.peer, &(struct peer_spec){ .slots = 1 }, &peer_watch_events);
    start(&pl, &w, "{\"ms\":1000}", false);
    loop_run_until(pl.loop, 100);
    assert_string_equal(
        pl.at.trail.p,
        "failed@5 the script says that setup fails <setup began\n>;ready@15 <setup done\n>;"
        "sick@35 the script says so;");
    peer_close(&pl.at.peer); /* with a run open: no `ended` */
    assert_string_equal(w.trail.p, "accepted@10 ");
    watch_deinit(&w);
    place_close(&pl);
}

static void test_forgets_and_tells_the_time(void **state)
{
    struct fake_protocol_script script = { .forgets = true };
    struct place pl;
    struct watch w = { 0 };

    (void)state;
    place_open(&pl, &script);
    loop_run_until(pl.loop, 10);
    start(&pl, &w, "{\"verdict\":\"never_ran\",\"times\":1,\"clock\":true}", false);
    loop_run_until(pl.loop, 20);
    assert_non_null(strstr(w.trail.p, "never-ran"));
    start(&pl, &w, "{\"verdict\":\"never_ran\",\"times\":1,\"clock\":true}", false);
    loop_run_until(pl.loop, 30);
    assert_string_equal(w.trail.p, "accepted@20 done@20 succeeded out=20000");
    assert_int_equal(fake_protocol_runs(pl.protocol, "p1"), 0); /* it was done */
    watch_deinit(&w);
    peer_close(&pl.at.peer);
    place_close(&pl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_pieces_over_its_time),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_cancel_release_join),
        cmocka_unit_test(test_setup_fails_then_sick),
        cmocka_unit_test(test_forgets_and_tells_the_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
