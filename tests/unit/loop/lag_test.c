/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { HOLD_NS = 30 * 1000000, WAIT_MS = 300 };

static uint64_t sum(const struct loop_lag *lag)
{
    uint64_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(lag->counts); i++)
        n += lag->counts[i];
    return n;
}

/* Turns of at least 25 ms. */
static uint64_t long_turns(const struct loop_lag *lag)
{
    uint64_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(lag->counts); i++)
        n += i > 0 && LOOP_LAG_BOUNDS_US[i - 1] >= 25000 ? lag->counts[i] : 0;
    return n;
}

static void hold(struct timer *t)
{
    int64_t until = clock_monotonic_ns() + HOLD_NS;

    while (clock_monotonic_ns() < until)
        ;
    (void)t;
}

static void hold_deferred(struct deferred *d)
{
    (void)d;
    hold(NULL);
}

static void stop(struct timer *t)
{
    loop_stop(t->loop);
}

static void a_held_turn_is_counted(void **state)
{
    struct loop *l = loop_new_real();
    struct timer holds, stops;
    struct deferred deferred;
    struct loop_lag lag;

    (void)state;
    timer_init(l, &holds, hold);
    timer_init(l, &stops, stop);
    deferred_init(l, &deferred, hold_deferred);
    timer_start(&holds, 1);
    timer_start(&stops, 200);
    deferred_call(&deferred);
    loop_run(l);
    loop_lag(l, &lag);
    assert_int_equal(sum(&lag), lag.turns);
    assert_true(lag.turns >= 2);
    assert_true(lag.worst_ns >= HOLD_NS);
    assert_true(long_turns(&lag) >= 1);
    assert_true(lag.sum_ns >= 2 * (uint64_t)HOLD_NS);
    loop_free(l);
}

/* The loop waits for far longer than it works: its waits are in no sum. */
static void waiting_is_not_lag(void **state)
{
    struct loop *l = loop_new_real();
    int64_t before = clock_monotonic_ns(), passed;
    struct timer stops;
    struct loop_lag lag;

    (void)state;
    timer_init(l, &stops, stop);
    timer_start(&stops, WAIT_MS);
    loop_run(l);
    passed = clock_monotonic_ns() - before;
    loop_lag(l, &lag);
    assert_true(lag.sum_ns + (uint64_t)WAIT_MS * 1000000 / 2 <= (uint64_t)passed);
    loop_free(l);
}

static void a_virtual_loop_has_none(void **state)
{
    struct loop *l = loop_new_virtual(0, 1);
    struct loop_lag lag;

    (void)state;
    loop_run_until(l, 1000);
    loop_lag(l, &lag);
    assert_int_equal(lag.turns, 0);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_held_turn_is_counted),
        cmocka_unit_test(waiting_is_not_lag),
        cmocka_unit_test(a_virtual_loop_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
