/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/prediction.h"

static void texts_go_both_ways(void **state)
{
    static const char *const texts[] = { "starting", "processing", "succeeded",
                                         "failed",   "canceled",   "aborted" };
    enum prediction_status s = PREDICTION_STARTING;

    (void)state;
    assert_int_equal(PREDICTION_STATUS_COUNT, ARRAY_SIZE(texts));
    for (unsigned i = 0; i < PREDICTION_STATUS_COUNT; i++) {
        assert_string_equal(prediction_status_text((enum prediction_status)i), texts[i]);
        assert_true(prediction_status_parse(str_of(texts[i]), &s));
        assert_int_equal(s, i);
    }
    assert_false(prediction_status_parse(STR("cancelled"), &s));
    assert_false(prediction_status_parse(STR("STARTING"), &s));
    assert_false(prediction_status_parse(STR_NULL, &s));
}

static void every_pair_is_decided(void **state)
{
    /* rows: from; columns: starting processing succeeded failed canceled aborted */
    static const char *const may[PREDICTION_STATUS_COUNT] = {
        [PREDICTION_STARTING] = "yyyyyy",  [PREDICTION_PROCESSING] = "nyyyyn",
        [PREDICTION_SUCCEEDED] = "nnnnnn", [PREDICTION_FAILED] = "nnnnnn",
        [PREDICTION_CANCELED] = "nnnnnn",  [PREDICTION_ABORTED] = "nnnnnn",
    };

    (void)state;
    for (unsigned from = 0; from < PREDICTION_STATUS_COUNT; from++)
        for (unsigned to = 0; to < PREDICTION_STATUS_COUNT; to++)
            assert_int_equal(
                prediction_may_become((enum prediction_status)from, (enum prediction_status)to),
                may[from][to] == 'y');
}

static void terminal_states_lead_nowhere(void **state)
{
    (void)state;
    for (unsigned from = 0; from < PREDICTION_STATUS_COUNT; from++) {
        bool leads = false;

        for (unsigned to = 0; to < PREDICTION_STATUS_COUNT; to++)
            leads |=
                prediction_may_become((enum prediction_status)from, (enum prediction_status)to);
        assert_int_equal(leads, !prediction_is_terminal((enum prediction_status)from));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_go_both_ways),
        cmocka_unit_test(every_pair_is_decided),
        cmocka_unit_test(terminal_states_lead_nowhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
