/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void views_are_compared(void **state)
{
    (void)state;
    assert_true(str_eq(STR("ab"), STR("ab")) && !str_eq(STR("ab"), STR("aB")) &&
                !str_eq(STR("ab"), STR("abc")));
    assert_true(str_eq(STR_NULL, STR("")));
    assert_true(str_is(str_make("abc", 2), "ab"));
    assert_true(str_ieq(STR("Content-TYPE"), STR("content-type")));
    assert_false(str_ieq(STR("a"), STR("b")) || str_ieq(STR("a"), STR("ab")));
    assert_false(str_ieq(STR("a[0x1b]"), STR("a{0x1b}")));
    assert_true(str_ieq(STR_NULL, STR("")));
    /* ASCII letters only, and every byte counts. */
    assert_false(str_ieq(STR("\xc4"), STR("\xe4")));
    assert_false(str_ieq(STR("a\0b"), STR("a\0c")));
    assert_true(str_starts(STR("Bearer x"), "Bearer ") && !str_starts(STR("Bear"), "Bearer "));
    assert_true(str_ends(STR("a.yaml"), ".yaml") && !str_ends(STR("yaml"), ".yaml"));
    assert_true(str_starts(STR_NULL, "") && str_ends(STR_NULL, ""));
    assert_null(str_of(NULL).p);
}

static void blanks_are_trimmed(void **state)
{
    (void)state;
    assert_true(str_is(str_trim(STR(" \t a b\t ")), "a b"));
    assert_true(str_is(str_trim(STR("  ")), ""));
    assert_true(str_is(str_trim(STR("\na\n")), "\na\n"));
    assert_int_equal(str_trim(STR_NULL).n, 0);
}

static void lists_are_split(void **state)
{
    static const char *const parts[] = { "a", "", "bc", "" };
    struct str rest = STR("a,,bc,"), part;
    size_t n = 0;

    (void)state;
    while (str_split(&rest, ',', &part)) {
        assert_true(n < ARRAY_SIZE(parts));
        assert_true(str_is(part, parts[n++]));
    }
    assert_int_equal(n, ARRAY_SIZE(parts));
    rest = STR("");
    assert_true(str_split(&rest, ',', &part) && part.n == 0);
    assert_false(str_split(&rest, ',', &part));
    rest = STR_NULL;
    assert_false(str_split(&rest, ',', &part));
}

static void copies_end_with_nul(void **state)
{
    char *copy = str_dup(str_make("abc", 2));

    (void)state;
    assert_string_equal(copy, "ab");
    free(copy);
    copy = str_dup(STR_NULL);
    assert_string_equal(copy, "");
    free(copy);
}

static void whole_numbers_are_read(void **state)
{
    static const char *const wrong[] = { "",   "-",   "+1",  " 1",  "1 ",
                                         "1x", "--1", "1.0", "0x1", "\xd9\xa1" };
    int64_t i = 7;
    uint64_t u = 7;

    (void)state;
    assert_true(str_to_i64(STR("9223372036854775807"), &i) && i == INT64_MAX);
    assert_true(str_to_i64(STR("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_true(str_to_i64(STR("-0"), &i) && i == 0);
    assert_true(str_to_i64(STR("007"), &i) && i == 7);
    assert_true(str_to_u64(STR("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_false(str_to_i64(STR("9223372036854775808"), &i));
    assert_false(str_to_i64(STR("-9223372036854775809"), &i));
    assert_false(str_to_u64(STR("18446744073709551616"), &u));
    assert_false(str_to_u64(STR("99999999999999999999999"), &u));
    assert_false(str_to_u64(STR("-1"), &u));
    for (size_t n = 0; n < ARRAY_SIZE(wrong); n++)
        assert_false(str_to_i64(str_of(wrong[n]), &i) || str_to_u64(str_of(wrong[n]), &u));
    assert_false(str_to_i64(STR_NULL, &i));
    assert_false(str_to_i64(STR("1\0"), &i));
    assert_true(i == 7 && u == UINT64_MAX);
}

static void decimal_numbers_are_read(void **state)
{
    static const char *const wrong[] = {
        "",
        "-",
        "+1",
        ".5",
        " 1",
        "1 ",
        "1x",
        "0x10",
        "nan",
        "-nan",
        "inf",
        "-inf",
        "INFINITY",
        "1e",
        "1e999",
        "1,5",
        "1111111111111111111111111111111111111111111111111111111111111111",
    };
    double d = 7;

    (void)state;
    assert_true(str_to_double(STR("1.5"), &d) && d == 1.5);
    assert_true(str_to_double(STR("-2e3"), &d) && d == -2000);
    assert_true(str_to_double(STR("0"), &d) && d == 0);
    for (size_t n = 0; n < ARRAY_SIZE(wrong); n++)
        if (str_to_double(str_of(wrong[n]), &d))
            fail_msg("'%s' was accepted", wrong[n]);
    assert_false(str_to_double(STR("1\0"), &d) || str_to_double(STR("1\0002"), &d));
    assert_true(d == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_are_compared),     cmocka_unit_test(blanks_are_trimmed),
        cmocka_unit_test(lists_are_split),        cmocka_unit_test(copies_end_with_nul),
        cmocka_unit_test(whole_numbers_are_read), cmocka_unit_test(decimal_numbers_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
