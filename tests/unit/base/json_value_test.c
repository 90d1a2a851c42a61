/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static struct json *parse(const char *text)
{
    struct json *root = NULL;
    struct error err = { 0 };

    if (json_parse(&arena, str_of(text), NULL, &root, &err))
        fail_msg("%s: %s", text, err.text);
    return root;
}

static void integers_are_exact(void **state)
{
    static const struct {
        const char *text;
        bool fits_i64, fits_u64;
        int64_t i;
        uint64_t u;
    } rows[] = {
        { "0", true, true, 0, 0 },
        { "-0", true, true, 0, 0 },
        { "-0.0e5", true, true, 0, 0 },
        { "0e999999999999999999999", true, true, 0, 0 },
        { "3", true, true, 3, 3 },
        { "3.0", true, true, 3, 3 },
        { "3e0", true, true, 3, 3 },
        { "-3", true, false, -3, 0 },
        { "3.5", false, false, 0, 0 },
        { "300e-2", true, true, 3, 3 },
        { "30e-2", false, false, 0, 0 },
        { "0.00003e5", true, true, 3, 3 },
        { "1.25e2", true, true, 125, 125 },
        { "1.25e1", false, false, 0, 0 },
        { "1e18", true, true, 1000000000000000000, 1000000000000000000 },
        { "9223372036854775807", true, true, INT64_MAX, INT64_MAX },
        { "9223372036854775808", false, true, 0, 9223372036854775808U },
        { "-9223372036854775808", true, false, INT64_MIN, 0 },
        { "-9223372036854775809", false, false, 0, 0 },
        { "9007199254740993", true, true, 9007199254740993, 9007199254740993 },
        { "9007199254740993.0", true, true, 9007199254740993, 9007199254740993 },
        { "18446744073709551615", false, true, 0, UINT64_MAX },
        { "1.8446744073709551615e19", false, true, 0, UINT64_MAX },
        { "18446744073709551616", false, false, 0, 0 },
        { "1e19", false, true, 0, 10000000000000000000U },
        { "1e20", false, false, 0, 0 },
        { "1e400", false, false, 0, 0 },
        { "1e-400", false, false, 0, 0 },
        { "1e99999999999999999999", false, false, 0, 0 },
        { "1e-99999999999999999999", false, false, 0, 0 },
        { "100000000000000000000000000000000e-30", true, true, 100, 100 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct json *v = parse(rows[i].text);
        int64_t s = -77;
        uint64_t u = 77;

        if (json_to_i64(v, &s) != rows[i].fits_i64 || s != (rows[i].fits_i64 ? rows[i].i : -77))
            fail_msg("i64 of %s", rows[i].text);
        if (json_to_u64(v, &u) != rows[i].fits_u64 || u != (rows[i].fits_u64 ? rows[i].u : 77))
            fail_msg("u64 of %s", rows[i].text);
    }
}

static void doubles_are_read(void **state)
{
    char *digits = arena_alloc(&arena, 3000);
    double d = 7;

    (void)state;
    assert_true(json_to_double(parse("-2.5e1"), &d) && d == -25);
    assert_true(json_to_double(parse("1"), &d) && d == 1);
    assert_true(json_to_double(parse("1e-400"), &d) && d == 0);
    assert_true(json_to_double(parse("1.7976931348623157e308"), &d) && d == 1.7976931348623157e308);
    d = 7;
    assert_false(json_to_double(parse("1e400"), &d));
    assert_false(json_to_double(parse("-1e400"), &d));
    assert_false(json_to_double(parse("\"1\""), &d));
    assert_true(d == 7);
    memset(digits, '1', 2999);
    memcpy(digits + 2990, "e-2989", 7);
    assert_true(json_to_double(parse(digits), &d) && d > 1.1 && d < 1.2);
}

static void accessors_take_what_is_not_there(void **state)
{
    struct json *root = parse("{\"a\":{\"b\":{\"c\":5}},\"s\":\"x\",\"l\":[1]}");
    bool b = true;
    int64_t i;
    uint64_t u;
    double d;

    (void)state;
    assert_null(json_get(NULL, "a"));
    assert_null(json_get(root, "nope"));
    assert_null(json_get(json_get(root, "l"), "0"));
    assert_null(json_path(NULL, "a.b"));
    assert_null(json_path(root, "a.x.c"));
    assert_null(json_path(root, "s.x"));
    assert_true(json_to_i64(json_path(root, "a.b.c"), &i) && i == 5);
    assert_ptr_equal(json_path(root, "s"), json_get(root, "s"));
    assert_false(json_is(NULL, JSON_NULL));
    assert_false(json_to_bool(NULL, &b));
    assert_false(json_to_bool(root, &b));
    assert_false(json_to_i64(NULL, &i) || json_to_i64(root, &i));
    assert_false(json_to_u64(NULL, &u) || json_to_double(NULL, &d));
    assert_null(json_to_str(NULL).p);
    assert_null(json_to_str(root).p);
    assert_null(json_find_duplicate(NULL));
    assert_string_equal(json_type_name(NULL), "nothing");
    assert_true(json_to_bool(parse("false"), &b) && !b);
    assert_true(json_to_bool(parse("true"), &b) && b);
    json_each ((struct json *)NULL, v)
        fail_msg("%p", (void *)v);
}

static void equality_is_that_of_json_schema(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        { "1", "1.0", true },
        { "1", "1e0", true },
        { "100", "1e2", true },
        { "-0", "0", true },
        { "0.10", "1e-1", true },
        { "1", "-1", false },
        { "1", "true", false },
        { "1", "\"1\"", false },
        { "12", "1.2", false },
        { "9007199254740993", "9007199254740992", false },
        { "9007199254740993.0", "9007199254740993", true },
        { "0.1", "0.1000000000000000000000000000000001", false },
        { "1e400", "10e399", true },
        { "1e400", "1e401", false },
        { "1e5000000000", "1e5000000001", false },
        { "1e5000000000", "1e5000000000", true },
        { "123.456", "1.23456e2", true },
        { "123456e-3", "123.456", true },
        { "102", "12", false },
        { "null", "null", true },
        { "null", "false", false },
        { "\"\\u0041\"", "\"A\"", true },
        { "\"a\"", "\"b\"", false },
        { "[1,2]", "[1.0,2]", true },
        { "[1,2]", "[2,1]", false },
        { "[1,2]", "[1,2,3]", false },
        { "[1,2,3]", "[1,2]", false },
        { "{\"a\":1,\"b\":[2]}", "{\"b\":[2],\"a\":1}", true },
        { "{\"a\":1}", "{\"a\":1,\"b\":2}", false },
        { "{\"a\":1,\"b\":2}", "{\"a\":1}", false },
        { "{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", false },
        { "{\"a\":1,\"a\":2}", "{\"a\":2}", true },
        { "{\"a\":1,\"a\":2}", "{\"a\":1}", false },
        { "{\"a\":1,\"a\":2,\"b\":3}", "{\"a\":2,\"b\":4,\"b\":3}", true },
        { "{}", "{}", true },
        { "{}", "[]", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct json *a = parse(rows[i].a), *b = parse(rows[i].b);

        if (json_equal(a, b) != rows[i].equal || json_equal(b, a) != rows[i].equal)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
    }
    assert_true(json_equal(NULL, NULL));
    assert_false(json_equal(NULL, parse("null")));
}

/* An object of `n` members from `first` upwards or downwards. */
static struct json *large(size_t n, bool upwards, const char *extra)
{
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(BUF_UNBOUNDED);

    buf_addc(&text, '{');
    for (size_t i = 0; i < n; i++)
        buf_addf(&text, "%s\"k%zu\":%zu", i ? "," : "", upwards ? i : n - 1 - i,
                 upwards ? i : n - 1 - i);
    buf_adds(&text, extra);
    buf_addc(&text, '}');
    return parse(arena_copy(&arena, buf_str(&text)));
}

static void large_objects_are_compared_too(void **state)
{
    (void)state;
    assert_true(json_equal(large(5000, true, ""), large(5000, false, "")));
    assert_true(json_equal(large(5000, true, ",\"k7\":7"), large(5000, false, "")));
    assert_false(json_equal(large(5000, true, ",\"k7\":8"), large(5000, false, "")));
    assert_false(json_equal(large(5000, true, ",\"x\":8"), large(5000, false, ",\"y\":8")));
    assert_false(json_equal(large(17, true, ""), large(16, true, "")));
    assert_true(json_equal(large(16, true, ",\"k3\":3"), large(16, true, "")));
}

static void duplicates_are_found_but_accepted(void **state)
{
    struct json *root = parse("{\"a\":1,\"b\":2,\"a\":3}");
    const struct json *found;
    int64_t v;

    (void)state;
    assert_true(json_to_i64(json_get(root, "a"), &v) && v == 3);
    assert_int_equal(root->n, 3);
    found = json_find_duplicate(root);
    assert_non_null(found);
    assert_true(str_is(found->key, "a") && str_is(found->span, "3"));
    assert_null(json_find_duplicate(parse("{\"a\":{\"a\":[{\"a\":1},{\"a\":1}]}}")));
    found = json_find_duplicate(parse("[0,{\"x\":[{\"y\":1,\"\\u0079\":2}]}]"));
    assert_true(found && str_is(found->span, "2"));
    assert_null(json_find_duplicate(large(3000, true, "")));
    found = json_find_duplicate(large(3000, true, ",\"k2999\":\"again\""));
    assert_true(found && str_is(found->span, "\"again\""));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(integers_are_exact),
        TEST(doubles_are_read),
        TEST(accessors_take_what_is_not_there),
        TEST(equality_is_that_of_json_schema),
        TEST(large_objects_are_compared_too),
        TEST(duplicates_are_found_but_accepted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
