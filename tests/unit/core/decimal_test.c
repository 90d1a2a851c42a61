/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/decimal.h"
#include "core/suggest.h"

static void scaled_values(void **state)
{
    static const struct {
        const char *text;
        int scale;
        int64_t value; /* -1: does not fit */
    } rows[] = {
        { "0.000025", 9, 25000 },
        { "0.000225", 9, 225000 },
        { "2.5e-05", 9, 25000 },
        { "1E2", 3, 100000 },
        { "0", 9, 0 },
        { "0.0", 9, 0 },
        { "-0", 9, 0 },
        { "1.000", 0, 1 },
        { "100", 0, 100 },
        { "0.5", 3, 500 },
        { "0.1234567891", 9, -1 },
        { "0.12345678900", 9, 123456789 },
        { "9223372036854775807", 0, INT64_MAX },
        { "9223372036854775808", 0, -1 },
        { "1e400", 0, -1 },
        { "1e-400", 9, -1 },
        { "1e99999999999999999999", 0, -1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct decimal d;
        int64_t value = -1;

        assert_true(decimal_parse(str_of(rows[i].text), &d));
        assert_int_equal(decimal_scale(&d, rows[i].scale, &value), rows[i].value != -1);
        if (rows[i].value != -1)
            assert_int_equal(value, rows[i].value);
    }
}

static void other_texts_are_no_numbers(void **state)
{
    static const char *const bad[] = { "",   "-",  "+1",  ".5",  "1.",  "01",  "1e",  "1e+", "0x1",
                                       "1 ", " 1", "--1", "1,5", "nan", "inf", "1_0", "1e5x" };
    struct decimal d;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(decimal_parse(str_of(bad[i]), &d));
}

static bool is_integer(const char *text)
{
    struct decimal d;

    assert_true(decimal_parse(str_of(text), &d));
    return decimal_is_integer(&d);
}

static bool is_multiple(const char *text, const char *of)
{
    struct decimal v, m;

    assert_true(decimal_parse(str_of(text), &v));
    assert_true(decimal_parse(str_of(of), &m));
    return decimal_is_multiple(&v, &m);
}

static void integers(void **state)
{
    (void)state;
    assert_true(is_integer("3.0"));
    assert_true(is_integer("3.10e1"));
    assert_true(is_integer("-0.0"));
    assert_true(is_integer("1e30"));
    assert_true(is_integer("123456789012345678901234567890123456789012345678901234567890"));
    assert_false(is_integer("3.14"));
    assert_false(is_integer("1e-1"));
    assert_false(is_integer("123456789012345678901234567890123456789012345678901234567890.5"));
    assert_false(is_integer("3.14e1"));
}

static void multiples(void **state)
{
    (void)state;
    assert_true(is_multiple("0.0075", "0.0001"));
    assert_false(is_multiple("0.00751", "0.0001"));
    assert_true(is_multiple("4.5", "1.5"));
    assert_true(is_multiple("0", "7"));
    assert_true(is_multiple("-14", "7"));
    assert_true(is_multiple("1e308", "0.5"));
    assert_true(is_multiple("1024", "8"));
    assert_false(is_multiple("35", "1.5"));
    assert_false(is_multiple("0.1", "1"));
    assert_false(is_multiple("10", "100"));
    assert_true(is_multiple("300", "100"));
}

static void shown_values(void **state)
{
    char out[48];

    (void)state;
    decimal_format(1500, 3, out);
    assert_string_equal(out, "1.5");
    decimal_format(4000, 3, out);
    assert_string_equal(out, "4");
    decimal_format(-5, 3, out);
    assert_string_equal(out, "-0.005");
    decimal_format(25000, 9, out);
    assert_string_equal(out, "0.000025");
    decimal_format(INT64_MIN, 0, out);
    assert_string_equal(out, "-9223372036854775808");
}

static void nearest_words(void **state)
{
    static const char *const names[] = { "idle_timeout", "setup_timeout", "surge", "listen", NULL };

    (void)state;
    assert_string_equal(suggest(STR("idle-timout"), names), "idle_timeout");
    assert_string_equal(suggest(STR("IDLE_TIMEOUT"), names), "idle_timeout");
    assert_string_equal(suggest(STR("lsiten"), names), "listen");
    assert_string_equal(suggest(STR("sruge"), names), "surge");
    assert_null(suggest(STR("colour"), names));
    assert_null(suggest(STR(""), names));
    assert_null(suggest(
        STR("a name that is much longer than the sixty-four bytes of any option of ours"), names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scaled_values), cmocka_unit_test(other_texts_are_no_numbers),
        cmocka_unit_test(integers),      cmocka_unit_test(multiples),
        cmocka_unit_test(shown_values),  cmocka_unit_test(nearest_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
