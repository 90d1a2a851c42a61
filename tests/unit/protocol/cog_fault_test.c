/* SPDX-License-Identifier: Apache-2.0 */
/* Accidents of the Cog protocol: a server that is played crashes, forgets and floods, with the
 * product's own timing on a virtual clock. */
#include "cog_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* A boot of four seconds is not told a quarter of a second late. */
static void test_ready_is_seen_at_most_a_hundredth_late(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, "{\"status\":\"STARTING\"}", NULL);
    cog_place_pass(&pl, 4000);
    assert_int_equal(pl.at.health, PEER_STARTING);
    pl.server.health = READY;
    cog_place_pass(&pl, 45);
    assert_int_equal(pl.at.health, PEER_READY);
    cog_place_close(&pl);
}

static void test_lost_result_is_noticed(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    pl.server.joins[0] = (struct answer){ 422, "{}" };
    cog_place_run(&pl, RUN_LONG);
    cog_place_pass(&pl, 20000);
    assert_non_null(strstr(pl.w.trail.p, "done failed err=The result was lost"));
    cog_place_close(&pl);

    /* The stream stands, yet the server's only slot has been free for ten seconds. */
    cog_place_open(&pl, READY, NULL);
    pl.server.health = BUSY;
    cog_place_run(&pl, RUN_LONG);
    cog_place_pass(&pl, 60000);
    assert_false(pl.w.has_ended);
    pl.server.health = READY;
    cog_place_pass(&pl, 8000);
    assert_false(pl.w.has_ended);
    cog_place_pass(&pl, 12000);
    assert_non_null(strstr(pl.w.trail.p, "done failed err=The result was lost"));
    cog_place_close(&pl);
}

/* Whose instance ends before its request went out did not run there. */
static void test_what_was_not_sent_is_known(void **state)
{
    static const struct run_spec spec = { .id = "p1",
                                          .input = STR("{\"n\":1}"),
                                          .way = RUN_SHORT,
                                          .max_output = 1000,
                                          .max_logs = 1000 };
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    pl.server.creates[0] = (struct answer){ -2, NULL }; /* heard, and not answered */
    watch_start(&pl.w, &pl.at.peer, &spec);
    assert_true(run_is_unsent(&pl.w.run));
    cog_place_pass(&pl, 1);
    assert_int_equal(pl.server.n_creates, 1);
    assert_false(run_is_unsent(&pl.w.run));
    cog_place_close(&pl);

    cog_place_open(&pl, READY, NULL);
    cog_place_join(&pl);
    assert_false(run_is_unsent(&pl.w.run));
    cog_place_close(&pl);
}

static void test_conflict_without_end(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    pl.server.health = BUSY;
    for (int i = 0; i < MAX_ANSWERS; i++)
        pl.server.creates[i] =
            (struct answer){ 409, "{\"detail\":\"Already running a prediction\"}" };
    cog_place_run(&pl, RUN_SHORT);
    cog_place_pass(&pl, 1900);
    assert_false(pl.w.has_ended);
    cog_place_pass(&pl, 300);
    assert_string_equal(pl.w.trail.p, "never-ran err=the model server has no free slot");
    assert_int_equal(pl.at.health, PEER_READY);
    cog_place_pass(&pl, 5000);
    assert_string_equal(
        pl.at.trail.p,
        "ready;sick the model server has lost a slot: it is busy while nothing runs;");
    cog_place_close(&pl);
}

static void test_canceled_though_nobody_asked(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    cog_place_run(&pl, RUN_SHORT);
    server_event(&pl.server, "completed", "{\"status\":\"canceled\",\"output\":[]}");
    assert_string_equal(pl.w.trail.p,
                        "accepted lost err=The model server canceled this prediction by itself");
    cog_place_close(&pl);
}

static void test_crash_in_the_middle(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    cog_place_run(&pl, RUN_SHORT);
    server_event(&pl.server, "log", "{\"data\":\"before\\n\"}");
    server_event(&pl.server, "completed",
                 "{\"error\":\"Worker "
                 "crashed\",\"logs\":\"before\\n\",\"output\":[],\"status\":\"failed\"}");
    assert_string_equal(
        pl.w.trail.p,
        "accepted log:before\n crashed logs=before\n err=The model's process ended by "
        "itself while it ran this prediction. It may have used more memory than its hardware has. "
        "sick");
    cog_place_pass(&pl, 1);
    assert_string_equal(pl.at.trail.p, "ready;sick the model's process ended by itself;");
    cog_place_close(&pl);
}

static void test_worker_that_died_idle(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    cog_place_run(&pl, RUN_LONG);
    server_event(&pl.server, "completed",
                 "{\"error\":\"Prediction failed: Failed to send request: IO error: Broken "
                 "pipe\",\"status\":\"failed\"}");
    assert_non_null(strstr(pl.w.trail.p, "never-ran"));
    cog_place_pass(&pl, 1);
    assert_int_equal(pl.at.health, PEER_SICK);
    cog_place_close(&pl);
}

static void test_worker_that_died_idle_under_a_cancel(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    cog_place_run(&pl, RUN_SHORT);
    run_cancel(&pl.w.run);
    server_event(&pl.server, "completed",
                 "{\"error\":\"Failed to send request: Broken pipe\",\"status\":\"failed\"}");
    assert_string_equal(pl.w.trail.p, "accepted done canceled");
    cog_place_pass(&pl, 1);
    assert_int_equal(pl.at.health, PEER_SICK);
    cog_place_close(&pl);
}

static void test_poisoned_slot(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    cog_place_run(&pl, RUN_SHORT);
    server_event(&pl.server, "completed",
                 "{\"error\":\"Prediction failed: Failed to create output dir: Permission "
                 "denied\",\"status\":\"failed\"}");
    assert_string_equal(
        pl.w.trail.p,
        "accepted done failed err=Failed to create output dir: Permission denied sick");
    cog_place_pass(&pl, 1);
    assert_int_equal(pl.at.health, PEER_SICK);
    cog_place_close(&pl);
}

static void test_broken_streams(void **state)
{
    struct cog_place pl;
    struct error err;

    (void)state;
    /* short: lost, whether it is cut or ends early */
    cog_place_open(&pl, READY, NULL);
    cog_place_run(&pl, RUN_SHORT);
    server_break(&pl.server);
    assert_non_null(strstr(pl.w.trail.p, "accepted lost err=The connection"));
    cog_place_close(&pl);
    cog_place_open(&pl, READY, NULL);
    cog_place_run(&pl, RUN_SHORT);
    server_event(&pl.server, "error",
                 "{\"error\":\"SSE stream lagged; events were dropped\",\"skipped\":3}");
    server_end(&pl.server);
    assert_non_null(strstr(pl.w.trail.p, "accepted lost"));
    cog_place_close(&pl);

    /* long: joined again, and what was seen is not told twice */
    cog_place_open(&pl, READY, NULL);
    pl.server.health = BUSY;
    cog_place_run(&pl, RUN_LONG);
    server_event(&pl.server, "log", "{\"data\":\"ab\"}");
    server_event(&pl.server, "output", "{\"chunk\":1,\"index\":0}");
    server_event(&pl.server, "error",
                 "{\"error\":\"SSE stream lagged; events were dropped\",\"skipped\":3}");
    server_end(&pl.server);
    cog_place_pass(&pl, 300);
    assert_int_equal(pl.server.n_joins, 2);
    server_event(&pl.server, "log", "{\"data\":\"a\"}");
    server_event(&pl.server, "log", "{\"data\":\"bc\"}");
    server_event(&pl.server, "output", "{\"chunk\":1,\"index\":0}");
    server_event(&pl.server, "output", "{\"chunk\":2,\"index\":1}");
    server_event(&pl.server, "completed",
                 "{\"output\":[1,2],\"logs\":\"abcd\",\"status\":\"succeeded\"}");
    assert_string_equal(pl.w.trail.p,
                        "accepted log:ab piece:1 log:c piece:2 done succeeded out=[1,2] logs=abcd");
    cog_place_close(&pl);

    /* long, and the history is truncated: the webhook tells */
    cog_place_open(&pl, READY, NULL);
    pl.server.health = BUSY;
    cog_place_run(&pl, RUN_LONG);
    server_event(&pl.server, "error",
                 "{\"error\":\"SSE replay truncated; events were dropped\",\"skipped\":900}");
    server_end(&pl.server);
    cog_place_pass(&pl, 20000);
    assert_int_equal(pl.server.n_joins, 1);
    cog_place_pass(&pl, 20000); /* it is asked again now and then */
    assert_int_equal(pl.server.n_joins, 2);
    server_event(&pl.server, "error",
                 "{\"error\":\"SSE replay truncated; events were dropped\",\"skipped\":900}");
    server_end(&pl.server);
    assert_int_equal(watch_told(&pl.w.run, STR("{\"status\":\"succeeded\",\"output\":[5]}"), &err),
                     STATUS_OK);
    assert_string_equal(pl.w.trail.p, "accepted done succeeded out=[5]");
    cog_place_close(&pl);

    /* long, and nobody listens any more */
    cog_place_open(&pl, READY, NULL);
    cog_place_run(&pl, RUN_LONG);
    pl.server.health = NULL;
    for (int i = 1; i < 9; i++)
        pl.server.joins[i] = (struct answer){ 0, "refused" };
    server_break(&pl.server);
    cog_place_pass(&pl, 20000);
    assert_non_null(strstr(pl.w.trail.p, "accepted lost"));
    assert_string_equal(pl.at.trail.p, "ready;sick the model server does not answer any more;");
    cog_place_close(&pl);
}

static void test_creates_that_break(void **state)
{
    struct cog_place pl;

    (void)state;
    /* never sent */
    for (int way = 0; way < 2; way++) {
        cog_place_open(&pl, READY, NULL);
        pl.server.creates[0] = (struct answer){ 0, "refused" };
        cog_place_run(&pl, way ? RUN_LONG : RUN_SHORT);
        assert_string_equal(pl.w.trail.p, "never-ran err=the model server does not answer");
        cog_place_close(&pl);
    }
    /* sent, short: it does not run (any more), and nothing else will tell */
    cog_place_open(&pl, READY, NULL);
    pl.server.creates[0] = (struct answer){ -1, NULL };
    pl.server.joins[0] = (struct answer){ 422, "{}" };
    cog_place_run(&pl, RUN_SHORT);
    cog_place_pass(&pl, 0);
    assert_string_equal(pl.w.trail.p,
                        "forgotten err=The connection to the model server ended before it "
                        "answered");
    assert_string_equal(pl.server.requests.p, "create-stream\njoin\n");
    cog_place_close(&pl);
    /* it runs there after all, or is being canceled, as nobody listened */
    for (int canceled = 0; canceled < 2; canceled++) {
        cog_place_open(&pl, READY, NULL);
        pl.server.creates[0] = (struct answer){ -1, NULL };
        cog_place_run(&pl, RUN_SHORT);
        cog_place_pass(&pl, 0);
        assert_string_equal(pl.w.trail.p, "accepted ");
        server_event(&pl.server, "completed",
                     canceled ? "{\"status\":\"canceled\",\"output\":[]}"
                              : "{\"status\":\"succeeded\",\"output\":[]}");
        assert_string_equal(pl.w.trail.p, canceled ? "accepted forgotten err=The model server "
                                                     "canceled this prediction by itself"
                                                   : "accepted done succeeded out=[]");
        assert_int_equal(pl.server.n_creates, 1);
        cog_place_close(&pl);
    }
    /* nobody is there, or all that is asked breaks */
    for (int status = -1; status < 1; status++) {
        cog_place_open(&pl, READY, NULL);
        pl.server.creates[0] = (struct answer){ -1, NULL };
        for (int i = 0; i < MAX_ANSWERS; i++)
            pl.server.joins[i] = (struct answer){ status, "refused" };
        cog_place_run(&pl, RUN_SHORT);
        cog_place_pass(&pl, 4000);
        assert_string_equal(pl.w.trail.p, "lost err=The connection to the model server ended "
                                          "before it answered");
        cog_place_close(&pl);
    }
    /* sent, long: it runs there after all */
    cog_place_open(&pl, READY, NULL);
    pl.server.creates[0] = (struct answer){ -1, NULL };
    cog_place_run(&pl, RUN_LONG);
    assert_string_equal(pl.w.trail.p, "accepted ");
    server_event(&pl.server, "completed", "{\"status\":\"succeeded\",\"output\":[]}");
    assert_string_equal(pl.w.trail.p, "accepted done succeeded out=[]");
    cog_place_close(&pl);
    /* sent, long: it does not run. Its end may be on its way (1), or it was read late (2) */
    for (int what = 0; what < 3; what++) {
        cog_place_open(&pl, READY, NULL);
        pl.server.creates[0] = (struct answer){ -1, NULL };
        pl.server.joins[0] = (struct answer){ 422, "{}" };
        if (what < 2)
            pl.server.joins[1] = (struct answer){ 422, "{}" };
        cog_place_run(&pl, RUN_LONG);
        cog_place_pass(&pl, 2900);
        assert_false(pl.w.has_ended);
        if (what == 1)
            assert_int_equal(watch_told(&pl.w.run, STR("{\"status\":\"succeeded\"}"), NULL),
                             STATUS_OK);
        cog_place_pass(&pl, 200);
        if (what == 2)
            server_event(&pl.server, "completed", "{\"status\":\"succeeded\"}");
        assert_string_equal(pl.w.trail.p, what == 0   ? "forgotten err=The connection to the model "
                                                        "server ended before it answered"
                                          : what == 1 ? "done succeeded"
                                                      : "accepted done succeeded");
        assert_int_equal(pl.server.n_creates, 1);
        cog_place_close(&pl);
    }
}

static void test_older_server_dies(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, LEGACY_READY, NULL);
    cog_place_run(&pl, RUN_LONG);
    pl.server.health = NULL;
    cog_place_pass(&pl, 20000);
    assert_non_null(strstr(pl.w.trail.p, "accepted lost"));
    assert_int_equal(pl.at.health, PEER_SICK);
    cog_place_close(&pl);
}

static void test_output_larger_than_the_limit(void **state)
{
    struct buf big = BUF_INIT(BUF_UNBOUNDED);
    struct cog_place pl;

    (void)state;
    for (int way = 0; way < 2; way++) {
        cog_place_open(&pl, READY, NULL);
        cog_place_run(&pl, way ? RUN_LONG : RUN_SHORT);
        buf_clear(&big);
        buf_addf(&big, "{\"chunk\":\"%0900d\",\"index\":0}", 1);
        server_event(&pl.server, "output", big.p);
        buf_clear(&big);
        buf_addf(&big, "{\"chunk\":\"%0900d\",\"index\":1}", 1);
        server_event(&pl.server, "output", big.p);
        cog_place_pass(&pl, 1);
        assert_non_null(
            strstr(pl.w.trail.p,
                   "done failed err=The output is larger than the limit of 1 kB (max_output)"));
        assert_int_equal(pl.server.n_cancels, 1);
        assert_null(pl.server.stream);
        cog_place_close(&pl);
    }
    /* in one event that is over every bound */
    cog_place_open(&pl, READY, NULL);
    cog_place_run(&pl, RUN_SHORT);
    buf_clear(&big);
    buf_addf(&big, "{\"chunk\":\"%09000d\",\"index\":0}", 1);
    server_event(&pl.server, "output", big.p);
    cog_place_pass(&pl, 1);
    assert_non_null(strstr(pl.w.trail.p, "done failed err=The output is larger"));
    cog_place_close(&pl);
    /* in the end only */
    cog_place_open(&pl, READY, NULL);
    cog_place_run(&pl, RUN_SHORT);
    buf_clear(&big);
    buf_addf(&big, "{\"status\":\"succeeded\",\"output\":\"%02000d\"}", 1);
    server_event(&pl.server, "completed", big.p);
    cog_place_pass(&pl, 1);
    assert_non_null(strstr(pl.w.trail.p, "done failed err=The output is larger"));
    cog_place_close(&pl);
    buf_deinit(&big);
}

static void test_end_that_is_too_large_because_of_its_logs(void **state)
{
    static const char *const rows[][2] = {
        { "succeeded", "accepted piece:7 done succeeded out=[7]" },
        { "canceled", "accepted piece:7 lost" }, /* nobody asked for that */
        { "failed", "accepted piece:7 done failed out=[7] err=The model failed; what it said" },
    };
    struct buf big = BUF_INIT(BUF_UNBOUNDED);
    struct cog_place pl;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cog_place_open(&pl, READY, NULL);
        cog_place_run(&pl, i ? RUN_LONG : RUN_SHORT);
        server_event(&pl.server, "output", "{\"chunk\":7,\"index\":0}");
        buf_clear(&big);
        buf_addf(&big, "event: completed\ndata: {\"logs\":\"%09000d", 1);
        server_send(&pl.server, big.p);
        server_send(&pl.server, "\\\"status\\\":\\\"failed\\\"}");
        buf_clear(&big);
        buf_addf(&big, "\",\"output\":[7],\"status\":\"%s\"}\n\n", rows[i][0]);
        server_send(&pl.server, big.p);
        server_end(&pl.server);
        assert_non_null(strstr(pl.w.trail.p, rows[i][1]));
        cog_place_close(&pl);
    }
    buf_deinit(&big);
}

static void test_logs_stay_bounded(void **state)
{
    struct run_spec spec = { .id = "p1", .input = STR("{}"), .way = RUN_SHORT, .max_logs = 40 };
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    watch_start(&pl.w, &pl.at.peer, &spec);
    cog_place_pass(&pl, 0);
    for (int i = 0; i < 1000; i++)
        server_event(&pl.server, "log", "{\"data\":\"123456789\\n\"}");
    assert_true(pl.w.run.logs.n < 40 + 5 + 96);
    buf_clear(&pl.w.trail);
    server_event(&pl.server, "completed", "{\"status\":\"succeeded\",\"logs\":\"short\"}");
    assert_string_equal(pl.w.trail.p,
                        "done succeeded logs=123456789\n123456789\n"
                        "[9960 bytes of the logs were cut here]\n123456789\n123456789\n");
    cog_place_close(&pl);
}

/* Whatever the caller does inside an event, nothing is told afterwards and nothing leaks. */
static void test_callers_act_inside_events(void **state)
{
    struct cog_place pl;
    struct error err;

    (void)state;
    for (int what = 0; what < 3; what++)
        for (int at = 1; at <= 4; at++)
            for (int way = 0; way < 2; way++) {
                bool closes = what == 2;

                if (what == 1 &&
                    (way == 0 ||
                     at == 4)) /* only long runs are released, and not after their end */
                    continue;
                if (what == 0 && at == 4)
                    continue;
                cog_place_open(&pl, READY, NULL);
                pl.w.cancel_at = what == 0 ? at : 0;
                pl.w.release_at = what == 1 ? at : 0;
                pl.w.close_at = closes ? at : 0;
                cog_place_run(&pl, way ? RUN_LONG : RUN_SHORT);
                if (pl.server.stream)
                    server_send(
                        &pl.server,
                        "event: log\ndata: {\"data\":\"l\"}\n\n"
                        "event: output\ndata: {\"chunk\":1,\"index\":0}\n\n"
                        "event: completed\ndata: {\"status\":\"succeeded\",\"output\":[1]}\n\n");
                cog_place_pass(&pl, 10000);
                assert_int_equal(pl.w.n_events, what == 0 ? 4 : at);
                cog_place_close(&pl);
            }
    for (int at = 1; at <= 4; at++) { /* likewise by webhook */
        cog_place_open(&pl, LEGACY_READY, NULL);
        pl.w.close_at = at;
        cog_place_run(&pl, RUN_LONG);
        if (at > 1)
            watch_told(&pl.w.run, STR("{\"status\":\"processing\",\"logs\":\"l\",\"output\":[1]}"),
                       &err);
        if (at > 3)
            watch_told(&pl.w.run, STR("{\"status\":\"succeeded\"}"), &err);
        assert_int_equal(pl.w.n_events, at);
        cog_place_close(&pl);
    }
}

static void test_peer_close_ends_what_is_open(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    cog_place_run(&pl, RUN_LONG);
    peer_close(&pl.at.peer);
    cog_place_pass(&pl, 1);
    assert_string_equal(pl.w.trail.p, "accepted ");
    assert_string_equal(pl.server.requests.p, "create-async\njoin\ncancel\n");
    assert_null(pl.server.stream);
    cog_place_close(&pl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready_is_seen_at_most_a_hundredth_late),
        cmocka_unit_test(test_lost_result_is_noticed),
        cmocka_unit_test(test_what_was_not_sent_is_known),
        cmocka_unit_test(test_conflict_without_end),
        cmocka_unit_test(test_canceled_though_nobody_asked),
        cmocka_unit_test(test_crash_in_the_middle),
        cmocka_unit_test(test_worker_that_died_idle),
        cmocka_unit_test(test_worker_that_died_idle_under_a_cancel),
        cmocka_unit_test(test_poisoned_slot),
        cmocka_unit_test(test_broken_streams),
        cmocka_unit_test(test_creates_that_break),
        cmocka_unit_test(test_older_server_dies),
        cmocka_unit_test(test_output_larger_than_the_limit),
        cmocka_unit_test(test_end_that_is_too_large_because_of_its_logs),
        cmocka_unit_test(test_logs_stay_bounded),
        cmocka_unit_test(test_callers_act_inside_events),
        cmocka_unit_test(test_peer_close_ends_what_is_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
