/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void text_is_appended(void **state)
{
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(BUF_UNBOUNDED);

    (void)state;
    assert_true(str_is(buf_str(&b), ""));
    assert_non_null(buf_str(&b).p);
    assert_true(buf_adds(&b, "ab") && buf_addc(&b, 'c') && buf_add(&b, "d\0e", 3));
    assert_true(buf_add_str(&b, STR("f")) && buf_add_str(&b, STR_NULL) &&
                buf_addf(&b, "%d-%s", 7, "g"));
    assert_int_equal(b.n, 10);
    assert_memory_equal(b.p, "abcd\0ef7-g", 11);
    buf_clear(&b);
    assert_int_equal(b.n, 0);
    assert_string_equal(b.p, "");
}

static void a_buffer_grows(void **state)
{
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(BUF_UNBOUNDED);

    (void)state;
    for (int i = 0; i < 20000; i++) {
        assert_true(buf_addf(&b, "%05d,", i));
        assert_int_equal(b.p[b.n], '\0');
    }
    assert_int_equal(b.n, 120000);
    assert_memory_equal(b.p + 6 * 12345, "12345,", 6);
}

static void nothing_passes_the_maximum(void **state)
{
    struct buf b = BUF_INIT(8);

    (void)state;
    assert_true(buf_adds(&b, "12345"));
    assert_false(buf_adds(&b, "6789"));
    assert_true(b.failed);
    assert_string_equal(b.p, "12345");
    assert_false(buf_addc(&b, '6'));
    assert_null(buf_reserve(&b, 1));
    buf_clear(&b);
    assert_true(buf_adds(&b, "12345678"));
    assert_false(buf_addf(&b, "%d", 9));
    assert_string_equal(b.p, "12345678");
    buf_clear(&b);
    assert_false(buf_addf(&b, "%s", "123456789"));
    assert_string_equal(b.p, "");
    buf_deinit(&b);
    assert_int_equal(b.max, 8);
    assert_false(b.failed);
    assert_null(buf_reserve(&b, 9));
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_deinit(&b);
    b = BUF_INIT(0);
    assert_true(buf_adds(&b, ""));
    assert_false(buf_addc(&b, 'x'));
    buf_deinit(&b);
}

static void sizes_that_overflow_are_refused(void **state)
{
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(BUF_UNBOUNDED);

    (void)state;
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_clear(&b);
    assert_true(buf_adds(&b, "abc"));
    assert_null(buf_reserve(&b, SIZE_MAX - 3));
    assert_true(b.failed);
}

static void reserved_room_is_committed(void **state)
{
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(100);
    char *at = buf_reserve(&b, 100);

    (void)state;
    assert_non_null(at);
    memset(at, 'x', 100);
    buf_commit(&b, 3);
    assert_string_equal(b.p, "xxx");
    buf_commit(&b, 0);
    assert_int_equal(b.n, 3);
}

static void the_front_is_dropped(void **state)
{
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(100);

    (void)state;
    buf_shift(&b, 0);
    buf_adds(&b, "abcdef");
    buf_shift(&b, 2);
    assert_string_equal(b.p, "cdef");
    buf_shift(&b, 4);
    assert_string_equal(b.p, "");
}

static void the_text_is_taken(void **state)
{
    struct buf b = BUF_INIT(100);
    char *text;

    (void)state;
    text = buf_take(&b);
    assert_string_equal(text, "");
    free(text);
    buf_adds(&b, "abc");
    text = buf_take(&b);
    assert_string_equal(text, "abc");
    assert_int_equal(b.n, 0);
    assert_int_equal(b.max, 100);
    free(text);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_appended),
        cmocka_unit_test(a_buffer_grows),
        cmocka_unit_test(nothing_passes_the_maximum),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(reserved_room_is_committed),
        cmocka_unit_test(the_front_is_dropped),
        cmocka_unit_test(the_text_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
