/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void rows_belong_to_their_names(void **state)
{
    (void)state;
    assert_string_equal(status_name(STATUS_OK), "OK");
    assert_string_equal(status_name(STATUS_CANCELED), "CANCELED");
    assert_int_equal(STATUS_OK, 0);
    assert_int_equal(status_http(STATUS_OK), 200);
    assert_int_equal(status_http(STATUS_NOT_FOUND), 404);
    assert_int_equal(status_http(STATUS_BUSY), 429);
    assert_true(status_retryable(STATUS_BUSY) && status_retryable(STATUS_UNREACHABLE));
    assert_false(status_retryable(STATUS_INVALID));
    for (int s = 0; s < STATUS_COUNT; s++) {
        assert_true(status_name((enum status)s)[0] && status_text((enum status)s)[0]);
        assert_in_range(status_http((enum status)s), 200, 599);
    }
}

static void an_error_says_where(void **state)
{
    struct error err;

    (void)state;
    assert_int_equal(FAIL(&err, STATUS_CONFLICT, "the %s is taken", "name"), STATUS_CONFLICT);
    assert_int_equal(err.status, STATUS_CONFLICT);
    assert_string_equal(err.text, "the name is taken");
    /* The file alone: where it was built concerns nobody. */
    assert_memory_equal(err.where, "status_test.c:", 14);
    assert_int_equal(FAIL(NULL, STATUS_BROKEN, "x"), STATUS_BROKEN);
}

static void an_error_may_be_made_of_itself(void **state)
{
    struct error err;

    (void)state;
    FAIL(&err, STATUS_INVALID, "inner");
    FAIL(&err, STATUS_BROKEN, "outer (%s)", err.text);
    assert_string_equal(err.text, "outer (inner)");
}

/* Whatever a format cuts off, and whatever a file is called. */
static void an_error_is_utf8(void **state)
{
    struct error err;

    (void)state;
    (void)FAIL(&err, STATUS_INVALID, "no \"%.3s\" in %s", "a\xc3\xa9\xc3\xa9", "caf\xe9.txt");
    assert_string_equal(err.text, "no \"a\xc3\xa9\" in caf.txt");
    (void)FAIL(&err, STATUS_INVALID, "%.4s|", "a\xc3\xa9\xc3\xa9");
    assert_string_equal(err.text, "a\xc3\xa9|");
    error_context(&err, "%.2s", "b\xc3\xa9");
    assert_string_equal(err.text, "b: a\xc3\xa9|");
}

static void context_is_put_before(void **state)
{
    struct error err;
    char long_text[1000];

    (void)state;
    FAIL(&err, STATUS_INVALID, "inner");
    error_context(&err, "file %d", 3);
    assert_string_equal(err.text, "file 3: inner");
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    FAIL(&err, STATUS_INVALID, "%s", long_text);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    error_context(&err, "ctx");
    assert_memory_equal(err.text, "ctx: xxx", 8);
    assert_true(strlen(err.text) < sizeof(err.text));
    error_context(&err, "%s", long_text);
    assert_true(strlen(err.text) < sizeof(err.text));
    for (int i = 480; i < 520; i++) {
        FAIL(&err, STATUS_INVALID, "abc");
        error_context(&err, "%.*s", i, long_text);
        assert_true(strlen(err.text) < sizeof(err.text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_belong_to_their_names),     cmocka_unit_test(an_error_says_where),
        cmocka_unit_test(an_error_may_be_made_of_itself), cmocka_unit_test(an_error_is_utf8),
        cmocka_unit_test(context_is_put_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
