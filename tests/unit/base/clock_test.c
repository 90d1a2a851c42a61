/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void times_are_rfc_3339(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        { 0, "1970-01-01T00:00:00.000Z" },
        { 1, "1970-01-01T00:00:00.001Z" },
        { -1, "1969-12-31T23:59:59.999Z" },
        { 951782400000, "2000-02-29T00:00:00.000Z" },
        { 951868800000, "2000-03-01T00:00:00.000Z" },
        { 1767607872345, "2026-01-05T10:11:12.345Z" },
        { 4107542400000, "2100-03-01T00:00:00.000Z" },
        { 253402300799999, "9999-12-31T23:59:59.999Z" },
        { -62167219200000, "0000-01-01T00:00:00.000Z" },
    };
    char text[TIME_TEXT_SIZE];
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        time_format(rows[i].ms, text);
        assert_string_equal(text, rows[i].text);
        assert_true(time_parse(str_of(text), &ms));
        assert_int_equal(ms, rows[i].ms);
    }
    time_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    time_format(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00.000Z");
}

static void every_day_of_four_centuries_survives(void **state)
{
    char text[TIME_TEXT_SIZE], before[TIME_TEXT_SIZE] = "";
    int64_t ms;

    (void)state;
    for (int64_t day = -150000; day < 0; day++) {
        time_format(day * 86400000 + 43200000, text);
        assert_true(strcmp(before, text) < 0);
        assert_true(time_parse(str_of(text), &ms) && ms == day * 86400000 + 43200000);
        memcpy(before, text, sizeof(text));
    }
}

static void times_are_parsed_with_any_offset(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        { "2026-01-05T10:11:12Z", 1767607872000 },
        { "2026-01-05t10:11:12z", 1767607872000 },
        { "2026-01-05 10:11:12Z", 1767607872000 },
        { "2026-01-05T10:11:12.3Z", 1767607872300 },
        { "2026-01-05T10:11:12.345678901Z", 1767607872345 },
        { "2026-01-05T10:11:12.999999Z", 1767607872999 },
        { "2026-01-05T12:11:12+02:00", 1767607872000 },
        { "2026-01-05T04:41:12.345-05:30", 1767607872345 },
        { "2026-01-05T10:11:12-00:00", 1767607872000 },
        { "2016-12-31T23:59:60Z", 1483228800000 },
    };
    static const char *const wrong[] = {
        "",
        "2026-01-05",
        "2026-01-05T10:11:12",
        "2026-1-05T10:11:12Z",
        "2026-13-05T10:11:12Z",
        "2026-00-05T10:11:12Z",
        "2026-02-29T10:11:12Z",
        "1900-02-29T10:11:12Z",
        "2026-04-31T10:11:12Z",
        "2026-01-00T10:11:12Z",
        "2026-01-05T24:11:12Z",
        "2026-01-05T10:60:12Z",
        "2026-01-05T10:11:61Z",
        "2026-01-05T10:11:12.Z",
        "2026-01-05T10:11:12+2:00",
        "2026-01-05T10:11:12+02",
        "2026-01-05T10:11:12+0200",
        "2026-01-05T10:11:12+24:00",
        "2026-01-05T10:11:12+01:60",
        "2026-01-05T10:11:12ZZ",
        " 2026-01-05T10:11:12Z",
        "+026-01-05T10:11:12Z",
        "2026-01-05T10:11:12Z ",
        "2026/01/05T10:11:12Z",
        "now",
        "1767607872",
    };
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_true(time_parse(str_of(rows[i].text), &ms));
        assert_int_equal(ms, rows[i].ms);
    }
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        if (time_parse(str_of(wrong[i]), &ms))
            fail_msg("'%s' was accepted", wrong[i]);
    assert_false(time_parse(STR_NULL, &ms));
    assert_false(time_parse(STR("2026-01-05\0"
                                "10:11:12Z"),
                            &ms));
}

static void durations_are_parsed(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        { "0", 0 },          { "30", 30000 },
        { "30s", 30000 },    { "5m", 300000 },
        { "250ms", 250 },    { "1h30m45s", 5445000 },
        { "2d", 172800000 }, { "1d1h1m1s1ms", 90061001 },
        { "90m", 5400000 },  { "1m0s", 60000 },
        { "007s", 7000 },
    };
    static const char *const wrong[] = {
        "",
        "s",
        "-1",
        "-1s",
        "+1s",
        "1x",
        "1 s",
        " 1s",
        "1s ",
        "1.5s",
        "1s1m",
        "1s1s",
        "1m30",
        "1hm",
        "m1",
        "1S",
        "9223372036854775807s",
        "9223372036854775808ms",
        "9223372036854775807",
        "106751991167d24h",
        "ms",
    };
    int64_t ms = 7;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (!duration_parse(str_of(rows[i].text), &ms) || ms != rows[i].ms)
            fail_msg("'%s'", rows[i].text);
    }
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        if (duration_parse(str_of(wrong[i]), &ms))
            fail_msg("'%s' was accepted", wrong[i]);
}

static void durations_are_formatted(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        { 0, "0s" },
        { 250, "250ms" },
        { 1000, "1s" },
        { 1500, "1s500ms" },
        { 5400000, "1h30m" },
        { 5445000, "1h30m45s" },
        { 86400000, "1d" },
        { -90000, "-1m30s" },
        { INT64_MAX, "106751991167d7h12m55s807ms" },
        { INT64_MIN, "-106751991167d7h12m55s808ms" },
    };
    char text[TIME_TEXT_SIZE];
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        duration_format(rows[i].ms, text);
        assert_string_equal(text, rows[i].text);
        if (rows[i].ms >= 0)
            assert_true(duration_parse(str_of(text), &ms) && ms == rows[i].ms);
    }
}

static void sizes_are_parsed(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } rows[] = {
        { "0", 0 },
        { "1000", 1000 },
        { "100k", 100000 },
        { "100kB", 100000 },
        { "2GB", 2000000000 },
        { "2 GB", 2000000000 },
        { "512MiB", 536870912 },
        { "1Ki", 1024 },
        { "1G", 1000000000 },
        { "1.5GB", 1500000000 },
        { "0.5KiB", 512 },
        { "7b", 7 },
        { "3tb", 3000000000000 },
        { "1PiB", 1125899906842624 },
        { "8.5EB", 8500000000000000000 },
        { "7EiB", 8070450532247928832 },
        { "0.999999EiB", 1152920351685342369 },
    };
    static const char *const wrong[] = {
        "",     "GB",          "-1",   "1X",  "1kk",  "1KiX",    "1.",   "1. GB",
        ".5GB", "1  GB",       "1GB ", "1iB", "9EiB", "1.5.5GB", "8EiB", "9223372036854775808",
        "1e3",  "1.0000001GB", "1 ",   " 1",  "12ZB",
    };
    int64_t bytes;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (!size_parse(str_of(rows[i].text), &bytes) || bytes != rows[i].bytes)
            fail_msg("'%s' gave %lld", rows[i].text, (long long)bytes);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        if (size_parse(str_of(wrong[i]), &bytes))
            fail_msg("'%s' was accepted", wrong[i]);
    assert_false(size_parse(STR_NULL, &bytes));
}

static void sizes_are_formatted(void **state)
{
    static const struct {
        int64_t bytes;
        const char *text;
    } rows[] = {
        { 0, "0 B" },
        { 999, "999 B" },
        { 1000, "1 kB" },
        { 1049, "1 kB" },
        { 1050, "1.1 kB" },
        { 1500000, "1.5 MB" },
        { 2000000000, "2 GB" },
        { 999949, "999.9 kB" },
        { 999950, "1 MB" },
        { 999999999, "1 GB" },
        { -1500, "-1.5 kB" },
        { INT64_MAX, "9.2 EB" },
        { INT64_MIN, "-9.2 EB" },
    };
    char text[TIME_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_format(rows[i].bytes, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void clocks_run(void **state)
{
    int64_t ns = clock_monotonic_ns(), ms = clock_monotonic_ms();

    (void)state;
    assert_true(clock_monotonic_ns() >= ns && clock_monotonic_ms() >= ms);
    /* This was written in 2026, and is not run after 2100. */
    assert_true(clock_wall_ms() > 1760000000000 && clock_wall_ms() < 4102444800000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_rfc_3339),
        cmocka_unit_test(every_day_of_four_centuries_survives),
        cmocka_unit_test(times_are_parsed_with_any_offset),
        cmocka_unit_test(durations_are_parsed),
        cmocka_unit_test(durations_are_formatted),
        cmocka_unit_test(sizes_are_parsed),
        cmocka_unit_test(sizes_are_formatted),
        cmocka_unit_test(clocks_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
