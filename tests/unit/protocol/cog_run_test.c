/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of the Cog protocol against a played server, with the product's own timing on a virtual
 * clock. */
#include "cog_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_short_run_streams(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    assert_string_equal(pl.at.trail.p, "ready;");
    cog_place_run(&pl, RUN_SHORT);
    assert_string_equal(pl.server.last_body.p, "{\"input\":{\"n\":1}}");
    server_event(&pl.server, "start", "{\"id\":\"p1\",\"status\":\"processing\"}");
    server_event(&pl.server, "log", "{\"data\":\"l1\\n\",\"source\":\"stdout\"}");
    server_event(&pl.server, "metric", "{\"mode\":\"increment\",\"name\":\"n\",\"value\":1}");
    server_event(&pl.server, "output", "{\"chunk\":\"a\",\"index\":0}");
    server_send(&pl.server, ": keep-alive\n\n");
    server_event(&pl.server, "output", "{\"chunk\":{\"b\": 2},\"index\":1}");
    server_event(&pl.server, "completed",
                 "{\"id\":\"p1\",\"logs\":\"l1\\n\",\"metrics\":{\"n\":1,\"predict_time\":0.25},"
                 "\"output\":[\"a\",{\"b\": 2}],\"status\":\"succeeded\"}");
    assert_string_equal(pl.w.trail.p,
                        "accepted log:l1\n piece:\"a\" piece:{\"b\": 2} done succeeded "
                        "out=[\"a\",{\"b\": 2}] logs=l1\n m={\"n\":1,\"predict_time\":0.25}");
    assert_true(pl.w.last.predict_time == 0.25);
    server_end(&pl.server);
    assert_string_equal(pl.server.requests.p, "create-stream\n");
    assert_int_equal(pl.at.peer.in_flight, 0);
    cog_place_close(&pl);
}

/* However a model writes its JSON: its bytes are the output, and are never printed again. */
static void test_output_passes_byte_for_byte(void **state)
{
#define ODD                                                                                        \
    "{ \"a\" : [ 1.50, 1E+2 ,-0 ] ,\"\\u0061\":\"\\/\\u00e4\xc3\xa4\" , "                          \
    "\"a\":12345678901234567890 }"
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    cog_place_run(&pl, RUN_SHORT);
    server_event(&pl.server, "start", "{\"id\":\"p1\",\"status\":\"processing\"}");
    server_event(&pl.server, "output", "{\"chunk\": " ODD " ,\"index\":0}");
    server_event(&pl.server, "completed", "{\"output\": [ " ODD " ] ,\"status\":\"succeeded\"}");
    assert_string_equal(pl.w.trail.p, "accepted piece:" ODD " done succeeded out=[ " ODD " ]");
    server_end(&pl.server);
    cog_place_close(&pl);
#undef ODD
}

static void test_long_run_creates_then_joins(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    cog_place_run(&pl, RUN_LONG);
    assert_string_equal(pl.server.last_body.p,
                        "{\"input\":{\"n\":1},\"webhook\":\"http://us/_i/cap/webhook/p1\","
                        "\"webhook_events_filter\":[\"completed\"]}");
    assert_string_equal(pl.server.requests.p, "create-async\njoin\n");
    server_event(&pl.server, "output", "{\"chunk\":1,\"index\":0}");
    server_event(&pl.server, "completed", "{\"output\":[1],\"status\":\"succeeded\"}");
    assert_string_equal(pl.w.trail.p, "accepted piece:1 done succeeded out=[1]");
    server_end(&pl.server);
    cog_place_close(&pl);
}

static void test_fast_end_before_the_join_comes_by_webhook(void **state)
{
    struct cog_place pl;
    struct error err;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    pl.server.joins[0] = (struct answer){ 422, "{\"detail\":[]}" };
    cog_place_run(&pl, RUN_LONG);
    assert_false(pl.w.has_ended);
    assert_int_equal(
        watch_told(&pl.w.run,
                   STR("{\"id\":\"p1\",\"status\":\"succeeded\",\"output\":[],\"logs\":\"x\"}"),
                   &err),
        STATUS_OK);
    assert_string_equal(pl.w.trail.p, "accepted done succeeded out=[] logs=x");
    cog_place_close(&pl);
}

static void test_webhook_before_the_answer(void **state)
{
    struct cog_place pl;
    struct error err;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    pl.server.creates[0] = (struct answer){ -2, "" }; /* never answered */
    cog_place_run(&pl, RUN_LONG);
    assert_int_equal(
        watch_told(&pl.w.run, STR("{\"id\":\"other\",\"status\":\"succeeded\"}"), &err),
        STATUS_INVALID);
    assert_int_equal(watch_told(&pl.w.run, STR("{\"status\":\"wild\"}"), &err), STATUS_INVALID);
    assert_int_equal(watch_told(&pl.w.run, STR("{"), &err), STATUS_INVALID);
    assert_int_equal(watch_told(&pl.w.run, STR("3"), &err), STATUS_INVALID);
    assert_int_equal(watch_told(&pl.w.run,
                                STR("{\"id\":\"p1\",\"status\":\"failed\",\"error\":\"boom\"}"),
                                &err),
                     STATUS_OK);
    assert_string_equal(pl.w.trail.p, "accepted done failed err=boom");
    cog_place_pass(&pl, 10000);
    cog_place_close(&pl);
}

static void test_conflict_is_retried_quickly(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    for (int i = 0; i < 3; i++)
        pl.server.creates[i] =
            (struct answer){ 409, "{\"error\":\"At capacity\",\"status\":\"failed\"}" };
    cog_place_run(&pl, RUN_SHORT);
    cog_place_pass(&pl, 3); /* next turn, 1 ms, 2 ms */
    assert_string_equal(pl.w.trail.p, "accepted ");
    assert_int_equal(pl.server.n_creates, 4);
    server_event(&pl.server, "completed", "{\"status\":\"succeeded\",\"output\":[]}");
    cog_place_close(&pl);
}

static void test_cancel_in_every_phase(void **state)
{
    struct cog_place pl;

    (void)state;
    /* before the server was reached at all */
    cog_place_open(&pl, NULL, NULL);
    cog_place_run(&pl, RUN_SHORT);
    run_cancel(&pl.w.run);
    assert_false(pl.w.has_ended);
    cog_place_pass(&pl, 1);
    assert_string_equal(pl.w.trail.p, "done canceled");
    assert_int_equal(pl.server.n_creates, 0);
    cog_place_close(&pl);

    /* between two 409 s */
    cog_place_open(&pl, READY, NULL);
    for (int i = 0; i < 10; i++)
        pl.server.creates[i] = (struct answer){ 409, "" };
    cog_place_run(&pl, RUN_SHORT);
    cog_place_pass(&pl, 4);
    run_cancel(&pl.w.run);
    cog_place_pass(&pl, 1000);
    assert_string_equal(pl.w.trail.p, "done canceled");
    cog_place_close(&pl);

    /* while the PUT is not answered, short and long */
    for (int way = 0; way < 2; way++) {
        struct run_spec spec = { .id = "p1",
                                 .input = STR("{}"),
                                 .way = way ? RUN_LONG : RUN_SHORT };

        cog_place_open(&pl, READY, NULL);
        watch_start(&pl.w, &pl.at.peer, &spec);
        run_cancel(&pl.w.run);
        run_cancel(&pl.w.run);
        cog_place_pass(&pl, 1);
        assert_int_equal(pl.server.n_cancels, 1);
        server_event(&pl.server, "completed", "{\"status\":\"canceled\",\"output\":[]}");
        assert_string_equal(pl.w.trail.p, "accepted done canceled");
        cog_place_close(&pl);
    }

    /* running */
    cog_place_open(&pl, READY, NULL);
    cog_place_run(&pl, RUN_SHORT);
    server_event(&pl.server, "output", "{\"chunk\":\"a\",\"index\":0}");
    run_cancel(&pl.w.run);
    cog_place_pass(&pl, 1);
    assert_false(pl.w.has_ended);
    server_event(&pl.server, "completed",
                 "{\"status\":\"canceled\",\"output\":[\"a\"],\"logs\":\"l\"}");
    assert_string_equal(pl.w.trail.p, "accepted piece:\"a\" done canceled out=[\"a\"] logs=l");
    cog_place_close(&pl);

    /* the cancel itself fails: a short run's connection is dropped */
    cog_place_open(&pl, READY, NULL);
    pl.server.cancels[0] = (struct answer){ -1, NULL };
    cog_place_run(&pl, RUN_SHORT);
    run_cancel(&pl.w.run);
    cog_place_pass(&pl, 1);
    assert_string_equal(pl.w.trail.p, "accepted done canceled");
    assert_null(pl.server.stream);
    cog_place_close(&pl);

    /* a long run's is not; the cancel is sent again */
    cog_place_open(&pl, READY, NULL);
    pl.server.health = BUSY;
    pl.server.cancels[0] = (struct answer){ -1, NULL };
    cog_place_run(&pl, RUN_LONG);
    run_cancel(&pl.w.run);
    cog_place_pass(&pl, 400);
    assert_int_equal(pl.server.n_cancels, 1);
    cog_place_pass(&pl, 200);
    assert_int_equal(pl.server.n_cancels, 2);
    assert_false(pl.w.has_ended);
    cog_place_close(&pl);

    /* heard and yet without effect: sent again after 1 s, 2 s more, 4 s more */
    cog_place_open(&pl, READY, NULL);
    pl.server.health = BUSY;
    cog_place_run(&pl, RUN_SHORT);
    run_cancel(&pl.w.run);
    for (int i = 0; i < 4; i++) {
        static const int at_ms[] = { 900, 200, 2000, 4000 };

        cog_place_pass(&pl, at_ms[i]);
        assert_int_equal(pl.server.n_cancels, i + 1);
    }
    server_event(&pl.server, "completed", "{\"status\":\"canceled\",\"output\":[]}");
    cog_place_pass(&pl, 100000);
    assert_int_equal(pl.server.n_cancels, 4);
    cog_place_close(&pl);

    /* it had ended: 404, and the webhook never comes */
    cog_place_open(&pl, READY, NULL);
    pl.server.joins[0] = (struct answer){ 406, "{}" };
    pl.server.cancels[0] = (struct answer){ 404, "{}" };
    cog_place_run(&pl, RUN_LONG);
    run_cancel(&pl.w.run);
    cog_place_pass(&pl, 20000);
    assert_string_equal(pl.w.trail.p, "accepted done canceled");
    cog_place_close(&pl);
}

static void test_refusals(void **state)
{
    static const struct {
        int status;
        const char *body, *trail;
    } rows[] = {
        { 422, "{\"detail\":[{\"loc\":[\"body\",\"input\",\"n\"],\"msg\":\"Field required\"}]}",
          "done failed err=input.n: Field required" },
        { 422, "Failed to deserialize", "done failed err=Failed to deserialize" },
        { 503, "{\"error\":\"Setup has not finished yet.\"}",
          "never-ran err=Setup has not finished yet." },
        { 429, "{}", "never-ran err=the model server answered 429" },
        { 400, "bad JSON", "done failed err=bad JSON" },
        { 413, "Failed to buffer the request body: length limit exceeded",
          "done failed err=Failed to buffer the request body: length limit exceeded" },
        { 404, "{\"detail\":\"Not Found\"}", "done failed err=Not Found" },
        { 500, "Internal Server Error", "done failed err=Internal Server Error" },
    };
    struct cog_place pl;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cog_place_open(&pl, READY, NULL);
        pl.server.creates[0] = (struct answer){ rows[i].status, rows[i].body };
        cog_place_run(&pl, i % 2 ? RUN_LONG : RUN_SHORT);
        assert_string_equal(pl.w.trail.p, rows[i].trail);
        assert_int_equal(pl.at.peer.in_flight, 0);
        cog_place_close(&pl);
    }
}

static void test_no_stream_means_webhooks(void **state)
{
    struct cog_place pl;
    struct error err;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    pl.server.creates[0] = (struct answer){ 406, "{\"error\":\"no streaming\"}" };
    cog_place_run(&pl, RUN_SHORT);
    assert_string_equal(pl.server.requests.p, "create-stream\ncreate-async\n");
    assert_string_equal(pl.w.trail.p, "accepted ");
    assert_int_equal(
        watch_told(&pl.w.run, STR("{\"id\":\"p1\",\"status\":\"succeeded\",\"output\":[1]}"), &err),
        STATUS_OK);
    assert_string_equal(pl.w.trail.p, "accepted done succeeded out=[1]");
    cog_place_close(&pl);
}

static void test_older_server_tells_by_webhooks_in_any_order(void **state)
{
    struct cog_place pl;
    struct error err;
    static const char *const hooks[] = {
        "{\"id\":\"p1\",\"status\":\"processing\",\"logs\":\"a\",\"output\":null,\"input\":{},"
        "\"created_at\":\"x\"}",
        "{\"id\":\"p1\",\"status\":\"processing\",\"logs\":\"abc\",\"output\":[1,2]}",
        "{\"id\":\"p1\",\"status\":\"processing\",\"logs\":\"ab\",\"output\":[1]}",
        "{\"id\":\"p1\",\"status\":\"processing\",\"logs\":\"abc\",\"output\":[1,2]}",
        "{\"id\":\"p1\",\"status\":\"starting\",\"logs\":null}",
        "{\"id\":\"p1\",\"status\":\"succeeded\",\"logs\":\"abcd\",\"output\":[1,2,3],\"error\":"
        "null,\"metrics\":null}",
    };

    (void)state;
    cog_place_open(&pl, LEGACY_READY, NULL);
    assert_string_equal(pl.at.trail.p, "ready <hi\n>;");
    cog_place_run(&pl, RUN_SHORT);
    assert_string_equal(pl.server.requests.p, "create-async\n");
    assert_string_equal(pl.server.last_body.p,
                        "{\"input\":{\"n\":1},\"webhook\":\"http://us/_i/cap/webhook/p1\"}");
    for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
        assert_int_equal(watch_told(&pl.w.run, str_of(hooks[i]), &err), STATUS_OK);
    assert_string_equal(
        pl.w.trail.p, "accepted log:a log:bc piece:1 piece:2 done succeeded out=[1,2,3] logs=abcd");
    cog_place_close(&pl);
}

static void test_join_after_a_restart(void **state)
{
    struct cog_place pl;
    struct error err;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    pl.server.health = BUSY;
    cog_place_run(&pl, RUN_LONG);
    server_event(&pl.server, "output", "{\"chunk\":1,\"index\":0}");
    run_release(&pl.w.run);
    assert_int_equal(pl.at.peer.in_flight, 0);
    cog_place_reopen(&pl);
    cog_place_join(&pl); /* before the first health answer */
    cog_place_pass(&pl, 100);
    assert_int_equal(pl.server.n_cancels, 0);
    assert_int_equal(pl.server.n_creates, 1);
    server_event(&pl.server, "output", "{\"chunk\":1,\"index\":0}");
    server_event(&pl.server, "output", "{\"chunk\":2,\"index\":1}");
    server_event(&pl.server, "completed", "{\"status\":\"succeeded\",\"output\":[1,2]}");
    assert_string_equal(pl.w.trail.p, "piece:1 piece:2 done succeeded out=[1,2]");
    cog_place_close(&pl);

    /* it had ended; the webhook's next try comes 100 s later */
    cog_place_open(&pl, READY, NULL);
    pl.server.joins[0] = (struct answer){ 422, "{}" };
    cog_place_join(&pl);
    cog_place_pass(&pl, 100000);
    assert_false(pl.w.has_ended);
    assert_int_equal(watch_told(&pl.w.run, STR("{\"status\":\"canceled\",\"output\":[1]}"), &err),
                     STATUS_OK);
    assert_string_equal(pl.w.trail.p, "done canceled out=[1]");
    cog_place_close(&pl);

    /* nor does it come at all */
    cog_place_open(&pl, READY, NULL);
    pl.server.joins[0] = (struct answer){ 422, "{}" };
    cog_place_join(&pl);
    cog_place_pass(&pl, 130000);
    assert_non_null(strstr(pl.w.trail.p, "forgotten"));
    assert_non_null(strstr(pl.w.trail.p, "err=The result was lost"));
    cog_place_close(&pl);

    /* another process stands there, in setup */
    cog_place_open(&pl, READY, NULL);
    pl.server.joins[0] = (struct answer){ 503, "{}" };
    cog_place_join(&pl);
    assert_string_equal(pl.w.trail.p, "lost err=The model server began anew");
    cog_place_close(&pl);

    /* an older server is never sent a PUT for it */
    cog_place_open(&pl, LEGACY_READY, NULL);
    pl.server.health = "{\"status\":\"BUSY\"}";
    cog_place_join(&pl);
    cog_place_pass(&pl, 30000);
    assert_string_equal(pl.server.requests.p, "");
    assert_int_equal(watch_told(&pl.w.run, STR("{\"status\":\"succeeded\",\"output\":[1]}"), &err),
                     STATUS_OK);
    assert_string_equal(pl.w.trail.p, "done succeeded out=[1]");
    cog_place_close(&pl);
}

static void test_trainings_have_their_route_and_no_stream(void **state)
{
    struct peer_spec spec = { .url = "http://model",
                              .internal_url = "http://us",
                              .slots = 1,
                              .streams = true,
                              .train = true };
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, &spec);
    cog_place_run(&pl, RUN_LONG);
    assert_string_equal(pl.server.requests.p, "create-async\n");
    assert_null(strstr(pl.server.last_body.p, "events_filter"));
    cog_place_close(&pl);
}

static void test_server_that_answers_at_once(void **state)
{
    struct cog_place pl;

    (void)state;
    cog_place_open(&pl, READY, NULL);
    pl.server.creates[0] = (struct answer){ 200, "{\"status\":\"succeeded\",\"output\":[1]}" };
    cog_place_run(&pl, RUN_SHORT);
    assert_string_equal(pl.w.trail.p, "accepted done succeeded out=[1]");
    cog_place_close(&pl);
    cog_place_open(&pl, READY, NULL);
    pl.server.creates[0] = (struct answer){ 200, "<html>" };
    cog_place_run(&pl, RUN_SHORT);
    assert_string_equal(pl.w.trail.p,
                        "accepted done failed err=The model server's answer is not understood: "
                        "line 1, column 1: expected a value");
    cog_place_close(&pl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_run_streams),
        cmocka_unit_test(test_output_passes_byte_for_byte),
        cmocka_unit_test(test_long_run_creates_then_joins),
        cmocka_unit_test(test_fast_end_before_the_join_comes_by_webhook),
        cmocka_unit_test(test_webhook_before_the_answer),
        cmocka_unit_test(test_conflict_is_retried_quickly),
        cmocka_unit_test(test_cancel_in_every_phase),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_stream_means_webhooks),
        cmocka_unit_test(test_older_server_tells_by_webhooks_in_any_order),
        cmocka_unit_test(test_join_after_a_restart),
        cmocka_unit_test(test_trainings_have_their_route_and_no_stream),
        cmocka_unit_test(test_server_that_answers_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
