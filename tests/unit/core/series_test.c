/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/histogram.h"
#include "core/series.h"

enum { MINUTE = 60000 };
static const int64_t NOW = 1700000000000;

static void quantiles_are_near(void **state UNUSED)
{
    struct spread s = { .sum_ms = 0 };

    assert_true(spread_quantile(&s, 0.5) < 0);
    for (int ms = 1; ms <= 1000; ms++)
        spread_add(&s, ms);
    assert_int_equal(spread_count(&s), 1000);
    assert_int_equal(s.sum_ms, 500500);
    assert_in_range((int)spread_quantile(&s, 0.5), 400, 600);
    assert_in_range((int)spread_quantile(&s, 0.95), 760, 1190);
    assert_in_range((int)spread_quantile(&s, 0.99), 790, 1240);
    spread_add(&s, -5);
    spread_add(&s, INT64_MAX / 2); /* the last step takes whatever is longer */
    assert_int_equal(spread_count(&s), 1002);
}

static void steps_go_round(void **state UNUSED)
{
    struct series s = { .minutes = { NULL } };

    assert_null(series_back(&s, SERIES_MINUTES, NOW, 0));
    series_now(&s, SERIES_MINUTES, NOW)->created = 7;
    series_now(&s, SERIES_QUARTERS, NOW)->created = 9;
    assert_int_equal(series_back(&s, SERIES_MINUTES, NOW, 0)->created, 7);
    assert_null(series_back(&s, SERIES_MINUTES, NOW + MINUTE, 0));
    assert_int_equal(series_back(&s, SERIES_MINUTES, NOW + MINUTE, 1)->created, 7);
    assert_int_equal(series_back(&s, SERIES_MINUTES, NOW + 119 * MINUTE, 119)->created, 7);
    assert_int_equal(series_back(&s, SERIES_QUARTERS, NOW + 119 * MINUTE, 8)->created, 9);
    assert_int_equal(series_now(&s, SERIES_MINUTES, NOW + 120 * MINUTE)->created, 0);
    assert_int_equal(series_back(&s, SERIES_QUARTERS, NOW, 0)->start % 900000, 0);
    series_deinit(&s);
}

static void what_was_kept_comes_back_while_it_matters(void **state UNUSED)
{
    struct series s = { .minutes = { NULL } };
    struct series_step step = { .start = ledger_floor(NOW, MINUTE), .created = 3 };

    assert_true(series_restore(&s, SERIES_MINUTES, NOW + 60 * MINUTE, &step));
    assert_int_equal(series_back(&s, SERIES_MINUTES, NOW + 60 * MINUTE, 60)->created, 3);
    assert_false(series_restore(&s, SERIES_MINUTES, NOW + 120 * MINUTE, &step));
    assert_false(series_restore(&s, SERIES_MINUTES, NOW - MINUTE, &step));
    step.start++;
    assert_false(series_restore(&s, SERIES_MINUTES, NOW + 60 * MINUTE, &step));
    series_deinit(&s);
}

static void histograms_count_below_their_bounds(void **state UNUSED)
{
    static const double bounds[] = { 1, 10 };
    struct histogram a, b;

    histogram_init(&a, bounds, 2);
    histogram_init(&b, bounds, 2);
    histogram_observe(&a, 1);
    histogram_observe(&a, 1.5);
    histogram_observe(&b, 100);
    histogram_merge(&a, &b);
    assert_int_equal(a.counts[0], 1);
    assert_int_equal(a.counts[1], 1);
    assert_int_equal(a.counts[2], 1);
    assert_int_equal(histogram_count(&a), 3);
    assert_true(a.sum == 102.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_near),
        cmocka_unit_test(steps_go_round),
        cmocka_unit_test(what_was_kept_comes_back_while_it_matters),
        cmocka_unit_test(histograms_count_below_their_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
