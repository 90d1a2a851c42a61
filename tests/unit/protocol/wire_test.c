/* SPDX-License-Identifier: Apache-2.0 */
/* The Cog protocol over real connections, against the scripted model server. */
#include "wire_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HAS(w, text)                                                                               \
    do {                                                                                           \
        if (!strstr((w)->trail.p, (text)))                                                         \
            fail_msg("'%s' is not in '%s'", (text), (w)->trail.p);                                 \
    } while (0)

static struct run_spec spec_of(const char *mode, enum run_way way)
{
    static char input[128];

    snprintf(input, sizeof(input), "{\"mode\":\"%s\"}", mode);
    return (struct run_spec){ .input = str_of(input), .way = way, .output_is_array = true };
}

static void wire_start(struct wire_place *pl, const char *script)
{
    wire_init(pl);
    wire_mock(pl, script);
}

static struct watch *run_to_end(struct wire_place *pl, const char *mode, enum run_way way)
{
    struct run_spec spec = spec_of(mode, way);
    struct watch *w = wire_run(pl, 0, &spec);

    WIRE_WAIT(pl, w->has_ended);
    return w;
}

#define WORDS                                                                                      \
    "\"words\":{\"outputs\":[\"a\",\"b\",\"c\"],\"logs\":[\"one\\n\",\"two\\n\"],\"duration_ms\":" \
    "30,"                                                                                          \
    "\"metrics\":[{\"name\":\"n\",\"value\":3,\"mode\":\"replace\"}]}"

static void assert_words(struct watch *w)
{
    HAS(w, "done succeeded out=[\"a\",\"b\",\"c\"] logs=one\ntwo\n");
    assert_int_equal(w->last.status, PREDICTION_SUCCEEDED);
}

static void test_both_ways_both_dialects(void **state)
{
    static const char *const scripts[] = {
        "{\"setup_delay_ms\":30,\"slot_linger_ms\":3,\"predictions\":{" WORDS "}}",
        "{\"setup_delay_ms\":30,\"slot_linger_ms\":3,\"streaming\":false,\"predictions\":{" WORDS
        "}}",
        "{\"dialect\":\"legacy\",\"setup_delay_ms\":30,\"predictions\":{" WORDS "}}",
        "{\"dialect\":\"legacy\",\"webhook\":{\"order\":\"completed_first\",\"duplicate\":true},"
        "\"predictions\":{" WORDS "}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
        struct wire_place pl;

        wire_start(&pl, scripts[i]);
        wire_open(&pl);
        for (int k = 0; k < 6; k++) /* one after the other at once: the slot lingers */
            assert_words(run_to_end(&pl, "words", k % 2 ? RUN_LONG : RUN_SHORT));
        assert_int_equal(pl.at.health, PEER_READY);
        wire_deinit(&pl);
    }
}

static void test_join_after_release(void **state)
{
    static const char *const scripts[] = {
        "{\"predictions\":{\"slow\":{\"outputs\":[1,2,3,4],\"logs\":[\"l\\n\"],\"duration_ms\":"
        "2000}"
        "}}",
        "{\"dialect\":\"legacy\",\"predictions\":{\"slow\":{\"outputs\":[1,2,3,4],\"logs\":["
        "\"l\\n\"],\"duration_ms\":1000}}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
        struct run_spec spec;
        struct wire_place pl;
        struct watch *w;

        wire_start(&pl, scripts[i]);
        wire_open(&pl);
        spec = spec_of("slow", RUN_LONG);
        spec.id = "joined";
        w = wire_run(&pl, 0, &spec);
        w->release_at = 2; /* inside the event: later it might have ended */
        WIRE_WAIT(&pl, w->n_events >= 2);
        w->release_at = 0;
        wire_close(&pl);
        wire_open(&pl);
        spec.join = true;
        w = wire_run(&pl, 0, &spec);
        WIRE_WAIT(&pl, w->has_ended);
        HAS(w, "done succeeded out=[1,2,3,4] logs=l\n");
        wire_deinit(&pl);
    }
}

static void test_end_without_a_run(void **state)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct run_result res;
    struct run_spec spec;
    struct wire_place pl;
    struct error err;
    struct watch *w;

    (void)state;
    wire_start(
        &pl,
        "{\"predictions\":{\"slow\":{\"outputs\":[1],\"logs\":[\"l\\n\"],\"duration_ms\":50}}}");
    wire_open(&pl);
    spec = spec_of("slow", RUN_LONG);
    w = wire_run(&pl, 0, &spec);
    w->release_at = 1; /* inside the event: later it might have ended */
    WIRE_WAIT(&pl, w->n_events >= 1);
    w->release_at = 0;
    pl.runs[0].is_open = false;
    WIRE_WAIT(&pl, pl.n_stray == 1);
    assert_int_equal(watch_read_final(pl.protocol, &a, buf_str(&pl.stray), true, &res, &err),
                     STATUS_OK);
    assert_int_equal(res.status, PREDICTION_SUCCEEDED);
    assert_true(str_is(res.output, "[1]"));
    assert_true(str_is(res.logs, "l\n"));
    wire_deinit(&pl);
}

static void test_cancel(void **state)
{
    static const char *const scripts[] = {
        "{\"predictions\":{\"hang\":{\"outputs\":[1],\"logs\":[\"l\\n\"],\"duration_ms\":-1}}}",
        "{\"dialect\":\"legacy\",\"predictions\":{\"hang\":{\"outputs\":[1],\"logs\":[\"l\\n\"],"
        "\"duration_ms\":-1}}}",
        "{\"predictions\":{\"hang\":{\"outputs\":[1],\"logs\":[\"l\\n\"],\"duration_ms\":100,"
        "\"ignore_cancel\":true}}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++)
        for (int way = 0; way < 2; way++) {
            struct wire_place pl;
            struct run_spec spec = spec_of("hang", way ? RUN_LONG : RUN_SHORT);
            struct watch *w;

            wire_start(&pl, scripts[i]);
            wire_open(&pl);
            w = wire_run(&pl, 0, &spec);
            w->cancel_at = 2;
            WIRE_WAIT(&pl, w->has_ended);
            HAS(w, "done canceled");
            HAS(w, "logs=l\n");
            wire_deinit(&pl);
        }
}

static void test_crashes(void **state)
{
    static const struct {
        const char *script, *is_short, *is_long;
    } rows[] = {
        { "{\"predictions\":{\"c\":{\"logs\":[\"l\\n\"],\"duration_ms\":500,\"crash\":{\"how\":"
          "\"worker\",\"after_ms\":50}}}}",
          "crashed logs=l\n", "crashed logs=l\n" },
        { "{\"predictions\":{\"c\":{\"logs\":[\"l\\n\"],\"duration_ms\":500,\"crash\":{\"how\":"
          "\"signal\",\"code\":9,"
          "\"after_ms\":50}}}}",
          "lost logs=l\n", "lost logs=l\n" },
        { "{\"worker_dead\":true,\"predictions\":{}}", "never-ran", "never-ran" },
        { "{\"predictions\":{\"c\":{\"lose_slot\":true}}}",
          "done failed err=Failed to create output dir",
          "done failed err=Failed to create output dir" },
        { "{\"dialect\":\"legacy\",\"predictions\":{\"c\":{\"duration_ms\":500,\"crash\":{\"how\":"
          "\"exit\",\"code\":1,"
          "\"after_ms\":50}}}}",
          "lost", "lost" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (int way = 0; way < 2; way++) {
            struct wire_place pl;
            struct watch *w;

            wire_start(&pl, rows[i].script);
            pl.timing.sick_wait_ms = 50;
            pl.timing.probe_ready_ms = 50;
            wire_open(&pl);
            w = run_to_end(&pl, "c", way ? RUN_LONG : RUN_SHORT);
            HAS(w, way ? rows[i].is_long : rows[i].is_short);
            WIRE_WAIT(&pl, pl.at.health == PEER_SICK);
            wire_deinit(&pl);
        }
}

static void test_slot_lost_silently(void **state)
{
    struct wire_place pl;

    (void)state;
    wire_start(&pl, "{\"health\":{\"status\":\"BUSY\"}}");
    pl.timing.lost_slot_ms = 100;
    pl.timing.probe_ready_ms = 20;
    wire_open(&pl);
    WIRE_WAIT(&pl, pl.at.health == PEER_SICK);
    assert_non_null(strstr(pl.at.trail.p, "lost a slot"));
    wire_deinit(&pl);
}

static void test_result_lost(void **state)
{
    struct wire_place pl;

    (void)state;
    wire_start(&pl, "{\"predictions\":{\"l\":{\"duration_ms\":30,\"lose_result\":true}}}");
    pl.timing.lost_result_ms = 60;
    pl.timing.probe_ready_ms = 20;
    wire_open(&pl);
    HAS(run_to_end(&pl, "l", RUN_LONG), "done failed err=The result was lost");
    wire_deinit(&pl);
}

static void test_streams_that_break(void **state)
{
    static const char *const scripts[] = {
        "{\"sse\":{\"lag_after\":5},\"predictions\":{" WORDS "}}",
        "{\"sse\":{\"drop_after\":4},\"predictions\":{" WORDS "}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
        struct wire_place pl;
        struct watch *w;

        wire_start(&pl, scripts[i]);
        pl.timing.rejoin_ms = 10;
        wire_open(&pl);
        w = run_to_end(&pl, "words", RUN_SHORT);
        HAS(w, "lost");
        assert_words(run_to_end(&pl, "words", RUN_LONG)); /* by the webhook */
        wire_deinit(&pl);
    }
}

static void test_unhealthy_and_hanging(void **state)
{
    struct wire_place pl;
    struct run_spec spec = spec_of("slow", RUN_SHORT);
    struct watch *w;

    (void)state;
    wire_start(&pl, "{\"health\":{\"hang_ms\":100},\"predictions\":{\"slow\":"
                    "{\"duration_ms\":600}}}");
    pl.timing.probe_ready_ms = 20;
    pl.timing.unhealthy_ms = 50;
    wire_open(&pl);
    container_of(pl.protocol, struct cog_protocol, base)->timing.probe_timeout_ms = 40;
    w = wire_run(&pl, 0, &spec);
    WIRE_WAIT(&pl, w->has_ended);
    HAS(w, "done succeeded");
    assert_int_equal(pl.at.health, PEER_READY);
    wire_deinit(&pl);

    wire_start(&pl, "{\"health\":{\"unhealthy\":\"channel closed\"}}");
    wire_open(&pl);
    assert_int_equal(pl.at.health, PEER_FAILED);
    wire_deinit(&pl);
}

static void test_setup_fails(void **state)
{
    struct wire_place pl;

    (void)state;
    wire_start(&pl, "{\"setup_fail\":\"ValueError: no "
                    "weights\",\"setup_logs\":\"loading\\n\",\"setup_delay_ms\":20}");
    wire_open(&pl);
    assert_string_equal(pl.at.trail.p, "failed ValueError: no weights;");
    wire_deinit(&pl);
    wire_start(&pl, "{\"setup_logs\":\"loading\\n\"}");
    wire_open(&pl);
    assert_string_equal(pl.at.trail.p, "ready <loading\n>;");
    wire_deinit(&pl);
}

static void test_large_outputs(void **state)
{
    struct wire_place pl;

    (void)state;
    wire_start(&pl, "{\"predictions\":{\"big\":{\"output_bytes\":3000000}}}");
    wire_open(&pl);
    for (int way = 0; way < 2; way++) {
        struct run_spec spec = spec_of("big", way ? RUN_LONG : RUN_SHORT);
        struct watch *w;

        spec.max_output = 4000000;
        spec.output_is_array = false;
        w = wire_run(&pl, 0, &spec);
        WIRE_WAIT(&pl, w->has_ended);
        HAS(w, "done succeeded");
        assert_int_equal(w->last.output.n, 3000002);
        spec.max_output = 1000000;
        w = wire_run(&pl, 0, &spec);
        WIRE_WAIT(&pl, w->has_ended);
        HAS(w, "done failed err=The output is larger than the limit of 1 MB (max_output)");
    }
    wire_deinit(&pl);
}

static void test_refusals(void **state)
{
    struct wire_place pl;
    struct watch *w;

    (void)state;
    wire_start(&pl, "{\"answers\":[{\"method\":\"PUT\",\"path\":\"/"
                    "predictions\",\"status\":400,\"body\":\"plain text\"}]}");
    wire_open(&pl);
    w = run_to_end(&pl, "x", RUN_SHORT);
    assert_string_equal(w->trail.p, "done failed err=plain text");
    wire_deinit(&pl);
}

static void test_slots_run_side_by_side(void **state)
{
    struct run_spec spec = spec_of("s", RUN_SHORT);
    struct wire_place pl;
    struct watch *w[4];

    (void)state;
    wire_start(&pl, "{\"slots\":4,\"predictions\":{\"s\":{\"outputs\":[1],\"duration_ms\":200}}}");
    pl.spec.slots = 4;
    wire_open(&pl);
    for (int i = 0; i < 4; i++) {
        spec.way = i % 2 ? RUN_LONG : RUN_SHORT;
        w[i] = wire_run(&pl, i, &spec);
    }
    assert_int_equal(pl.at.peer.in_flight, 4);
    for (int i = 0; i < 4; i++) {
        WIRE_WAIT(&pl, w[i]->has_ended);
        HAS(w[i], "done succeeded out=[1]");
    }
    wire_deinit(&pl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways_both_dialects),
        cmocka_unit_test(test_join_after_release),
        cmocka_unit_test(test_end_without_a_run),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_slot_lost_silently),
        cmocka_unit_test(test_result_lost),
        cmocka_unit_test(test_streams_that_break),
        cmocka_unit_test(test_unhealthy_and_hanging),
        cmocka_unit_test(test_setup_fails),
        cmocka_unit_test(test_large_outputs),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_slots_run_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
