/* SPDX-License-Identifier: Apache-2.0 */
/* The Cog protocol against the real thing: cog and coglet in the environment that BERTH_TEST_VENV
 * names. Without it there is nothing to test. */
#include "base/clock.h"
#include "wire_place.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HAS(w, text)                                                                               \
    do {                                                                                           \
        if (!strstr((w)->trail.p, (text)))                                                         \
            fail_msg("'%s' is not in '%s'", (text), (w)->trail.p);                                 \
    } while (0)

static const char *venv;

static void start(struct wire_place *pl, const char *ref, const char *extra)
{
    struct buf path = BUF_INIT(BUF_UNBOUNDED), python = BUF_INIT(BUF_UNBOUNDED),
               stub = BUF_INIT(BUF_UNBOUNDED);
    const char *args[] = { NULL, "-m", "cog.server.http", "--host", "127.0.0.1", NULL };
    const char *env[] = { NULL,
                          NULL,
                          "PORT=0",
                          "PYTHONUNBUFFERED=1",
                          "PYTHONDONTWRITEBYTECODE=1",
                          "HOME=/nonexistent",
                          "COG_STREAM_HISTORY_CAPACITY=65536",
                          extra,
                          NULL };

    buf_addf(&path, "PATH=%s/bin:/usr/bin:/bin", venv);
    buf_addf(&python, "%s/bin/python", venv);
    buf_addf(&stub, "COG_PREDICT_TYPE_STUB=%s:Predictor", ref);
    args[0] = python.p;
    env[0] = path.p;
    env[1] = stub.p;
    wire_init(pl);
    wire_spawn(pl, args, env, BERTH_SOURCE "/tests/unit/protocol/model");
    buf_deinit(&path);
    buf_deinit(&python);
    buf_deinit(&stub);
}

static struct watch *begin(struct wire_place *pl, int i, const char *input, enum run_way way)
{
    char id[32];
    struct run_spec spec = {
        .id = id, .input = str_of(input), .way = way, .output_is_array = true
    };

    /* The ids of this machine share one folder. */
    snprintf(id, sizeof(id), "t%lld%d", (long long)clock_monotonic_ns(), i);
    return wire_run(pl, i, &spec);
}

static struct watch *run_to_end(struct wire_place *pl, const char *input, enum run_way way)
{
    struct watch *w = begin(pl, 0, input, way);

    WIRE_WAIT(pl, w->has_ended);
    return w;
}

static void test_real_runs(void **state)
{
    struct wire_place pl;
    struct watch *w;

    (void)state;
    start(&pl, "predict.py", NULL);
    wire_open(&pl);
    HAS(&pl.at, "ready");
    for (int i = 0; i < 20; i++) {
        w = run_to_end(&pl, "{\"mode\":\"words\",\"n\":2,\"seconds\":0}",
                       i % 2 ? RUN_LONG : RUN_SHORT);
        HAS(w, "accepted ");
        HAS(w, "done succeeded out=[\"tok0 \",\"tok1 \"]");
        HAS(w, "log 0\n");
        HAS(w, "err 1\n");
        HAS(w, "\"tokens\":2");
        assert_true(w->last.predict_time >= 0);
    }
    w = run_to_end(&pl, "{\"mode\":\"words\",\"n\":0}", RUN_SHORT);
    HAS(w, "done succeeded out=[]");
    for (int way = 0; way < 2; way++) {
        w = run_to_end(&pl, "{\"mode\":\"fail\"}", way ? RUN_LONG : RUN_SHORT);
        HAS(w, "done failed err=ValueError: boom");
        w = run_to_end(&pl, "{\"n\":\"three\"}", way ? RUN_LONG : RUN_SHORT);
        HAS(w, "done failed err=input.n: ");
        w = begin(&pl, 0, "{\"mode\":\"words\",\"n\":1000,\"seconds\":0.05}",
                  way ? RUN_LONG : RUN_SHORT);
        w->cancel_at = 3;
        WIRE_WAIT(&pl, w->has_ended);
        HAS(w, "done canceled out=[\"tok0 \"");
        HAS(w, "log 0\n");
    }
    assert_int_equal(pl.at.health, PEER_READY);
    wire_deinit(&pl);
}

static void test_real_join(void **state)
{
    struct run_spec spec = { .id = NULL, .way = RUN_LONG, .output_is_array = true };
    struct wire_place pl;
    char id[32], input[] = "{\"mode\":\"words\",\"n\":60,\"seconds\":0.03}";
    struct watch *w;

    (void)state;
    start(&pl, "predict.py", NULL);
    wire_open(&pl);
    snprintf(id, sizeof(id), "j%lld", (long long)clock_monotonic_ns());
    spec.id = id;
    spec.input = str_of(input);
    w = wire_run(&pl, 0, &spec);
    w->release_at = 6; /* inside the event: later it might have ended */
    WIRE_WAIT(&pl, w->n_events >= 6);
    w->release_at = 0;
    wire_close(&pl);
    wire_open(&pl);
    spec.join = true;
    w = wire_run(&pl, 0, &spec);
    WIRE_WAIT(&pl, w->has_ended);
    assert_true(str_starts(buf_str(&w->trail), "log:log 0\n"));
    HAS(w, "done succeeded out=[\"tok0 \",\"tok1 \",");
    HAS(w, "\"tok59 \"]");
    HAS(w, "\"tokens\":60");
    wire_deinit(&pl);
}

static void test_real_crash(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        struct wire_place pl;
        struct watch *w;

        start(&pl, "predict.py", NULL);
        wire_open(&pl);
        w = run_to_end(&pl, "{\"mode\":\"crash\"}", way ? RUN_LONG : RUN_SHORT);
        HAS(w, "crashed logs=about to crash\n");
        WIRE_WAIT(&pl, pl.at.health == PEER_SICK);
        wire_deinit(&pl);
    }
}

static void test_real_setup_failure(void **state)
{
    struct wire_place pl;

    (void)state;
    start(&pl, "predict.py", "TEST_SETUP=fails");
    wire_open(&pl);
    HAS(&pl.at, "failed ValueError: no weights;");
    wire_deinit(&pl);
}

static void test_real_slots(void **state)
{
    struct wire_place pl;
    struct watch *w[4];

    (void)state;
    start(&pl, "together.py", "COG_MAX_CONCURRENCY=4");
    pl.spec.slots = 4;
    wire_open(&pl);
    for (int i = 0; i < 4; i++)
        w[i] =
            begin(&pl, i, "{\"mode\":\"m\",\"n\":1,\"seconds\":0.3}", i % 2 ? RUN_LONG : RUN_SHORT);
    for (int i = 0; i < 4; i++) {
        WIRE_WAIT(&pl, w[i]->has_ended);
        HAS(w[i], "done succeeded out=[\"m 1\"]");
    }
    wire_deinit(&pl);
}

static void test_real_large_output(void **state)
{
    struct run_spec spec = { .input = STR("{\"mode\":\"big\",\"n\":9000000}"),
                             .way = RUN_SHORT,
                             .output_is_array = true,
                             .max_output = 10000000 };
    struct wire_place pl;
    struct watch *w;

    (void)state;
    start(&pl, "predict.py", NULL);
    wire_open(&pl);
    w = wire_run(&pl, 0, &spec);
    WIRE_WAIT(&pl, w->has_ended);
    assert_int_equal(w->last.output.n, 9000004);
    spec.max_output = 1000000;
    w = wire_run(&pl, 0, &spec);
    WIRE_WAIT(&pl, w->has_ended);
    HAS(w, "done failed err=The output is larger than the limit of 1 MB");
    w = run_to_end(&pl, "{\"mode\":\"words\",\"n\":1}", RUN_SHORT);
    HAS(w, "done succeeded");
    wire_deinit(&pl);
}

/* Figures for whoever asks: BERTH_TEST_FIGURES=300. */
static void test_real_latency(void **state)
{
    const char *times = getenv("BERTH_TEST_FIGURES");
    int64_t n = 0;
    struct wire_place pl;

    (void)state;
    if (!times || !str_to_i64(str_of(times), &n) || n < 10 || n > 2000)
        return;
    start(&pl, "together.py", NULL);
    wire_open(&pl);
    for (int way = 0; way < 2; way++) {
        static int64_t took_ns[2000], first_ns[2000];

        for (int64_t i = 0; i < n; i++) {
            int64_t began = clock_monotonic_ns(), at;
            struct watch *w = begin(&pl, 0, "{\"n\":1}", way ? RUN_LONG : RUN_SHORT);

            WIRE_WAIT(&pl, w->n_events >= 2);
            first_ns[i] = clock_monotonic_ns() - began;
            WIRE_WAIT(&pl, w->has_ended);
            HAS(w, "done succeeded");
            took_ns[i] = clock_monotonic_ns() - began;
            for (at = i; at > 0 && took_ns[at - 1] > took_ns[at]; at--) {
                int64_t t = took_ns[at];

                took_ns[at] = took_ns[at - 1];
                took_ns[at - 1] = t;
            }
        }
        (void)first_ns;
        print_message("%s: p50 %.2f ms, p90 %.2f ms, p99 %.2f ms\n", way ? "long" : "short",
                      (double)took_ns[n / 2] / 1e6, (double)took_ns[n * 9 / 10] / 1e6,
                      (double)took_ns[n * 99 / 100] / 1e6);
    }
    wire_deinit(&pl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_runs),    cmocka_unit_test(test_real_join),
        cmocka_unit_test(test_real_crash),   cmocka_unit_test(test_real_setup_failure),
        cmocka_unit_test(test_real_slots),   cmocka_unit_test(test_real_large_output),
        cmocka_unit_test(test_real_latency),
    };

    venv = getenv("BERTH_TEST_VENV");
    if (!venv) {
        print_message("BERTH_TEST_VENV is not set: there is no coglet to talk to\n");
        return 77; /* skipped, for meson */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
