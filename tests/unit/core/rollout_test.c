/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "core/rollout.h"

static void where_new_predictions_go(void **state)
{
    static const struct {
        const char *name;
        struct rollout_release releases[3]; /* newest first; number 0 ends */
        int expected;
    } rows[] = {
        { "no release", { { 0 } }, -1 },
        { "the first one, ready or not", { { .number = 1 } }, 0 },
        { "the first one failed", { { .number = 1, .is_failed = true } }, -1 },
        { "the new one is not ready",
          { { .number = 2 }, { .number = 1, .was_ready = true, .lane_ready = 1 } },
          1 },
        { "the new one is ready",
          { { .number = 2, .was_ready = true, .lane_ready = 1 },
            { .number = 1, .was_ready = true, .lane_ready = 1 } },
          0 },
        { "the old one has no instance",
          { { .number = 2 }, { .number = 1, .was_ready = true } },
          0 },
        { "the old one is only booting",
          { { .number = 2 }, { .number = 1, .was_ready = true, .lane_live = 1 } },
          0 },
        { "the new one was ready and is at zero, the old one is still busy",
          { { .number = 2, .was_ready = true },
            { .number = 1, .was_ready = true, .lane_ready = 1 } },
          0 },
        { "the new one failed",
          { { .number = 2, .is_failed = true }, { .number = 1, .was_ready = true } },
          1 },
        { "all failed",
          { { .number = 2, .is_failed = true }, { .number = 1, .is_failed = true } },
          -1 },
        { "failed ones are passed over",
          { { .number = 3, .is_failed = true },
            { .number = 2, .is_failed = true },
            { .number = 1, .was_ready = true } },
          2 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t n = 0;
        int got;

        while (n < 3 && rows[i].releases[n].number)
            n++;
        got = rollout_choose(rows[i].releases, n);
        if (got != rows[i].expected)
            fail_msg("%s: %d, not %d", rows[i].name, got, rows[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_new_predictions_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
