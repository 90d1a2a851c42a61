/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "protocol/cog/cog_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_short_text_is_kept(void **state)
{
    struct buf out = BUF_INIT(BUF_UNBOUNDED);
    struct cog_logs lg;

    (void)state;
    cog_logs_init(&lg, &out, 10);
    cog_logs_add(&lg, STR("01234"));
    cog_logs_add(&lg, STR("56789"));
    cog_logs_settle(&lg);
    assert_string_equal(out.p, "0123456789");
    buf_deinit(&out);
}

static void test_middle_is_cut_and_named(void **state)
{
    struct buf out = BUF_INIT(BUF_UNBOUNDED);
    struct cog_logs lg;

    (void)state;
    cog_logs_init(&lg, &out, 20);
    for (int i = 0; i < 100; i++)
        cog_logs_add(&lg, STR("abcd\n"));
    cog_logs_settle(&lg);
    assert_int_equal(lg.total, 500);
    assert_string_equal(out.p, "abcd\nabcd\n[480 bytes of the logs were cut here]\nabcd\nabcd\n");
    cog_logs_add(&lg, STR("last!"));
    cog_logs_settle(&lg);
    assert_string_equal(out.p, "abcd\nabcd\n[485 bytes of the logs were cut here]\nabcd\nlast!");
    buf_deinit(&out);
}

static void test_stays_bounded_while_it_grows(void **state)
{
    struct buf out = BUF_INIT(BUF_UNBOUNDED), big = BUF_INIT(BUF_UNBOUNDED);
    struct cog_logs lg;

    (void)state;
    for (int i = 0; i < 100000; i++)
        buf_addf(&big, "%05d\n", i);
    cog_logs_init(&lg, &out, 1000);
    cog_logs_add(&lg, buf_str(&big));
    assert_true(out.n < 1000 + 125 + 96);
    cog_logs_settle(&lg);
    assert_true(out.n <= 1000 + 96);
    assert_true(str_ends(buf_str(&out), "99999\n"));
    assert_true(str_starts(buf_str(&out), "00000\n"));
    buf_deinit(&out);
    buf_deinit(&big);
}

static void test_characters_are_not_cut(void **state)
{
    static const char *const chars[] = { "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };

    (void)state;
    for (size_t c = 0; c < ARRAY_SIZE(chars); c++)
        for (size_t max = 10; max < 30; max++) {
            struct buf out = BUF_INIT(BUF_UNBOUNDED);
            struct cog_logs lg;

            cog_logs_init(&lg, &out, max);
            for (int i = 0; i < 40; i++)
                cog_logs_add(&lg, str_of(chars[c]));
            cog_logs_settle(&lg);
            assert_true(utf8_valid(buf_str(&out)));
            assert_non_null(strstr(out.p, "bytes of the logs were cut here]\n"));
            buf_deinit(&out);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_text_is_kept),
        cmocka_unit_test(test_middle_is_cut_and_named),
        cmocka_unit_test(test_stays_bounded_while_it_grows),
        cmocka_unit_test(test_characters_are_not_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
