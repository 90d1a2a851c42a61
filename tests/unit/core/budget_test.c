/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "core/budget.h"

static int64_t at(const char *text)
{
    int64_t ms = 0;

    assert_true(time_parse(str_of(text), &ms));
    return ms;
}

static void levels_begin_at_their_share(void **state)
{
    const struct budget_terms t = { .amount_nano = 1000, .warn_percent = 80 };
    const struct budget_terms nothing = { .amount_nano = 0, .warn_percent = 80 };

    (void)state;
    assert_int_equal(budget_level_of(&t, 0), BUDGET_OK);
    assert_int_equal(budget_level_of(&t, 799999), BUDGET_OK);
    assert_int_equal(budget_level_of(&t, 800000), BUDGET_WARNED);
    assert_int_equal(budget_level_of(&t, 999999), BUDGET_WARNED);
    assert_int_equal(budget_level_of(&t, 1000000), BUDGET_REACHED);
    assert_int_equal(budget_level_of(&nothing, 0), BUDGET_REACHED);
}

static void periods_are_those_of_the_calendar(void **state)
{
    const struct budget_terms month = { .is_monthly = true }, day = { .is_monthly = false };

    (void)state;
    assert_int_equal(budget_period_start(&month, at("2028-02-29T23:59:59Z")),
                     at("2028-02-01T00:00:00Z"));
    assert_int_equal(budget_period_end(&month, at("2028-02-29T23:59:59Z")),
                     at("2028-03-01T00:00:00Z"));
    assert_int_equal(budget_period_end(&month, at("2026-12-01T00:00:00Z")),
                     at("2027-01-01T00:00:00Z"));
    assert_int_equal(budget_period_start(&day, at("2026-12-31T12:00:00Z")),
                     at("2026-12-31T00:00:00Z"));
    assert_int_equal(budget_period_end(&day, at("2026-12-31T12:00:00Z")),
                     at("2027-01-01T00:00:00Z"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_begin_at_their_share),
        cmocka_unit_test(periods_are_those_of_the_calendar),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
