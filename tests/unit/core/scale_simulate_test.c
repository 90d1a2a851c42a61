/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator keeps its books, and Berth's policy keeps its word in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "core/scale/simulate.h"

#include <stdlib.h>

enum { N = 4000, MAX_CHANGES = 20000 };

static struct scale_arrival arrivals[N];
static struct {
    int64_t at;
    enum scale_verb verb;
    enum scale_cause cause;
} changes[MAX_CHANGES];
static size_t n_changes;

static void told(void *arg, const struct scale_view *v, const struct scale_plan *plan)
{
    (void)arg;
    for (size_t i = 0; i < plan->n && n_changes < MAX_CHANGES; i++) {
        changes[n_changes].at = v->now;
        changes[n_changes].verb = plan->actions[i].verb;
        changes[n_changes++].cause = plan->actions[i].cause;
    }
}

static unsigned next_random(unsigned *state)
{
    *state = *state * 1103515245u + 12345u;
    return *state >> 8;
}

/* Bursts: so many a second for 30 s in each two minutes. */
static void make(int each_ms, int service_ms)
{
    unsigned seed = 7;
    int64_t at = 1000;

    for (size_t i = 0; i < N; i++) {
        at += (int64_t)(next_random(&seed) % (unsigned)(2 * each_ms));
        if (at % 120000 > 30000)
            at += 120000 - at % 120000;
        arrivals[i] = (struct scale_arrival){
            .at = at,
            .service_ms = service_ms / 2 + (int32_t)(next_random(&seed) % (unsigned)service_ms),
        };
    }
}

static void run(struct simulation_spec *spec, int max, struct simulation_result *out)
{
    static struct scale_simulated own;
    struct simulation_policy policy = SCALE_SIMULATED;

    own = (struct scale_simulated){
        .view = { .max = max, .target_wait_ms = spec->target_ms, .keep_alive_ms = SCALE_KEEP_AUTO },
        .told = told
    };
    scale_learned_init(&own.learned, -1000000);
    policy.arg = &own;
    n_changes = 0;
    simulate(spec, &policy, out);
}

static void books(void **state)
{
    struct simulation_spec spec = {
        .arrivals = arrivals, .n = N, .boot_ms = 5000, .target_ms = 30000, .slots = 1
    };
    struct simulation_result r, wide;
    double work = 0;

    (void)state;
    make(400, 1000);
    for (size_t i = 0; i < N; i++)
        work += arrivals[i].service_ms / 1000.0;
    run(&spec, 20, &r);
    assert_int_equal(r.n, N);
    assert_true(r.instance_seconds >= work + (double)r.boots * 0.9 * 5);
    assert_true(r.instance_seconds < 2 * work);
    assert_true(r.p50 <= r.p95 && r.p95 <= r.p99 && r.p99 <= r.most);
    assert_true(r.p95 <= 30000);
    assert_true(r.over_target < 0.05);
    assert_true(r.peak <= 20);
    spec.slots = 8;
    run(&spec, 20, &wide);
    assert_true(wide.instance_seconds < r.instance_seconds);
}

static void it_never_oscillates(void **state)
{
    static const int boots[] = { 2000, 10000, 40000, 120000 };

    (void)state;
    make(300, 2000);
    for (size_t i = 0; i < ARRAY_SIZE(boots); i++) {
        struct simulation_spec spec = {
            .arrivals = arrivals, .n = N, .boot_ms = boots[i], .target_ms = 30000, .slots = 1
        };
        struct simulation_result r;
        int64_t stopped = -1000000;

        run(&spec, 20, &r);
        assert_int_equal(r.n, N);
        for (size_t k = 0; k < n_changes; k++) {
            if (changes[k].verb == SCALE_DRAIN)
                stopped = changes[k].at;
            else if (changes[k].cause == SCALE_FOR_RATE)
                assert_true(changes[k].at - stopped >= boots[i]);
        }
    }
}

static void the_same_again(void **state)
{
    struct simulation_spec spec = {
        .arrivals = arrivals, .n = N, .boot_ms = 8000, .target_ms = 10000, .slots = 2
    };
    struct simulation_result a, b;

    (void)state;
    make(200, 1500);
    run(&spec, 10, &a);
    run(&spec, 10, &b);
    assert_memory_equal(&a, &b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(books),
        cmocka_unit_test(it_never_oscillates),
        cmocka_unit_test(the_same_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
