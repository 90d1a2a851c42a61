/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { START, LAUNCHING, BACKING_OFF, DONE };

static const struct flow_state states[] = {
    [START] = { "start", FLOW_TO(LAUNCHING) },
    [LAUNCHING] = { "launching", FLOW_TO(BACKING_OFF) | FLOW_TO(DONE) },
    [BACKING_OFF] = { "backing-off", FLOW_TO(LAUNCHING) },
    [DONE] = { "done", 0 },
};

static void the_way_is_traced(void **state)
{
    struct flow f;

    (void)state;
    flow_init(&f, "boot", states, START);
    assert_string_equal(f.trace, "start");
    flow_goto(&f, LAUNCHING);
    flow_goto(&f, DONE);
    assert_int_equal(f.at, DONE);
    assert_string_equal(f.trace, "start -> launching -> done");
}

static void a_long_way_keeps_its_end(void **state)
{
    static const char end[] = " -> backing-off -> launching -> done";
    struct flow f;

    (void)state;
    flow_init(&f, "boot", states, START);
    for (int i = 0; i < 100; i++) {
        flow_goto(&f, LAUNCHING);
        flow_goto(&f, BACKING_OFF);
        assert_true(strlen(f.trace) < sizeof(f.trace));
    }
    flow_goto(&f, LAUNCHING);
    flow_goto(&f, DONE);
    assert_int_equal(strncmp(f.trace, "... -> ", 7), 0);
    assert_true(strlen(f.trace) > sizeof(f.trace) / 2);
    assert_string_equal(f.trace + strlen(f.trace) - strlen(end), end);
    assert_null(strstr(f.trace + 3, "..."));
}

static void a_single_name_may_be_too_long(void **state)
{
    char name[400];
    struct flow_state one[] = { { name, FLOW_TO(1) }, { "b", 0 } };
    struct flow f;

    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    flow_init(&f, "odd", one, 0);
    assert_int_equal(strlen(f.trace), sizeof(f.trace) - 1);
    flow_goto(&f, 1);
    assert_true(strlen(f.trace) < sizeof(f.trace));
    assert_string_equal(f.trace + strlen(f.trace) - 1, "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_way_is_traced),
        cmocka_unit_test(a_long_way_keeps_its_end),
        cmocka_unit_test(a_single_name_may_be_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
