/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void characters_have_their_code(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        uint32_t code;
    } rows[] = {
        { "A", 1, 'A' },
        { "\x7f", 1, 0x7f },
        { "\xc2\x80", 2, 0x80 },
        { "\xdf\xbf", 2, 0x7ff },
        { "\xe0\xa0\x80", 3, 0x800 },
        { "\xed\x9f\xbf", 3, 0xd7ff },
        { "\xee\x80\x80", 3, 0xe000 },
        { "\xef\xbf\xbf", 3, 0xffff },
        { "\xf0\x90\x80\x80", 4, 0x10000 },
        { "\xf4\x8f\xbf\xbf", 4, 0x10ffff },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint32_t code = 0;
        char out[4];

        assert_int_equal(utf8_char(rows[i].text, strlen(rows[i].text), &code), rows[i].n);
        assert_int_equal(code, rows[i].code);
        assert_int_equal(utf8_encode(code, out), rows[i].n);
        assert_memory_equal(out, rows[i].text, rows[i].n);
        for (size_t n = 0; n < rows[i].n; n++)
            assert_int_equal(utf8_char(rows[i].text, n, NULL), 0);
        assert_true(utf8_valid(str_of(rows[i].text)));
        assert_int_equal(utf8_count(str_of(rows[i].text)), 1);
    }
    assert_int_equal(utf8_char("\0", 1, NULL), 1);
}

static void what_is_no_character_is_refused(void **state)
{
    static const char *const rows[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x41",
        "\xc3\xc3",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xe2\x82",
        "\xe2\x41\x82",
        "\xe2\x82\x41",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x9f\x8c",
        "\xf0\x9f\x8c\x41",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
    };
    char text[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(utf8_char(rows[i], strlen(rows[i]), NULL), 0);
        assert_int_equal(utf8_run(rows[i], strlen(rows[i])), 0);
        for (int at = 0; at < 12; at++) {
            snprintf(text, sizeof(text), "%.*s%s", at, "aaaaaaaaaaaaaa", rows[i]);
            assert_false(utf8_valid(str_of(text)));
        }
    }
}

static void scalars_only_are_encoded(void **state)
{
    char out[4];

    (void)state;
    assert_int_equal(utf8_encode(0xd800, out), 0);
    assert_int_equal(utf8_encode(0xdfff, out), 0);
    assert_int_equal(utf8_encode(0x110000, out), 0);
    assert_int_equal(utf8_encode(0xffffffff, out), 0);
}

static void runs_end_at_ascii(void **state)
{
    (void)state;
    assert_int_equal(utf8_run("\xc3\xa4\xe2\x82\xac!\xc3\xa4", 8), 5);
    assert_int_equal(utf8_run("abc", 3), 0);
    assert_int_equal(utf8_run("\xc3\xa4\xff", 3), 2);
    assert_int_equal(utf8_run("", 0), 0);
}

static void prefixes_do_not_cut(void **state)
{
    struct str s = STR("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x8c\x8a");
    static const size_t expected[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10 };

    (void)state;
    for (size_t max = 0; max < ARRAY_SIZE(expected); max++)
        assert_int_equal(utf8_prefix(s, max), expected[max]);
    assert_int_equal(utf8_count(s), 4);
    assert_int_equal(utf8_prefix(STR_NULL, 5), 0);
    assert_true(utf8_valid(STR_NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_have_their_code),
        cmocka_unit_test(what_is_no_character_is_refused),
        cmocka_unit_test(scalars_only_are_encoded),
        cmocka_unit_test(runs_end_at_ascii),
        cmocka_unit_test(prefixes_do_not_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
