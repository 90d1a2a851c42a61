/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "base/rand.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct buf out;
static struct json_writer w;

static int setup(void **state)
{
    (void)state;
    buf_init(&out, BUF_UNBOUNDED);
    json_writer_init(&w, &out);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_deinit(&out);
    return 0;
}

static void assert_written(const char *expected)
{
    assert_string_equal(buf_str(&out).p, expected);
    buf_clear(&out);
    json_writer_init(&w, &out);
}

static void commas_are_put(void **state)
{
    (void)state;
    json_begin_object(&w);
    json_member_string(&w, "a", "x");
    json_member_string(&w, "n", NULL);
    json_member_str(&w, "s", STR("y"));
    json_member_str(&w, "m", STR_NULL);
    json_member_int(&w, "i", INT64_MIN);
    json_member_double(&w, "d", 0.5);
    json_member_bool(&w, "t", true);
    json_member_null(&w, "z");
    json_member_raw(&w, "r", STR("[1, 2]"));
    json_member_raw(&w, "q", STR_NULL);
    json_key(&w, "l");
    json_begin_array(&w);
    json_begin_array(&w);
    json_end_array(&w);
    json_begin_object(&w);
    json_end_object(&w);
    json_int(&w, 1);
    json_bool(&w, false);
    json_null(&w);
    json_string(&w, STR("q"));
    json_stringz(&w, NULL);
    json_raw(&w, STR("1.0"));
    json_end_array(&w);
    json_key_str(&w, STR("k\"k"));
    json_double(&w, NAN);
    json_end_object(&w);
    assert_written(
        "{\"a\":\"x\",\"n\":null,\"s\":\"y\",\"m\":null,\"i\":-9223372036854775808,\"d\":0.5,"
        "\"t\":true,\"z\":null,\"r\":[1, 2],\"q\":null,"
        "\"l\":[[],{},1,false,null,\"q\",null,1.0],\"k\\\"k\":null}");
}

static void strings_are_escaped(void **state)
{
    static const struct {
        struct str s;
        const char *json;
    } rows[] = {
        { { "", 0 }, "\"\"" },
        { { "plain", 5 }, "\"plain\"" },
        { { "\"\\/\b\f\n\r\t", 8 }, "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
        { { "\0\x01\x1f\x7f", 4 }, "\"\\u0000\\u0001\\u001f\x7f\"" },
        { { "\xc3\xa4\xe2\x80\xa8\xf0\x9f\x8c\x8a", 9 },
          "\"\xc3\xa4\xe2\x80\xa8\xf0\x9f\x8c\x8a\"" },
        { { "a\xff"
            "b",
            3 },
          "\"a\xef\xbf\xbd"
          "b\"" },
        { { "\xe2\x82", 2 }, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
        { { "\xed\xa0\x80", 3 }, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        json_string(&w, rows[i].s);
        assert_written(rows[i].json);
    }
    json_string(&w, STR_NULL);
    assert_written("\"\"");
}

static void doubles_are_short(void **state)
{
    static const struct {
        double v;
        const char *text;
    } rows[] = {
        { 0, "0" },
        { -0.0, "-0" },
        { 3, "3" },
        { 0.1, "0.1" },
        { 0.001, "0.001" },
        { 0.000999, "0.000999" },
        { 0.012345, "0.012345" },
        { 1.5, "1.5" },
        { 1234.567891, "1234.567891" },
        { 99999999.999999, "99999999.999999" },
        { 1234567.1234567, "1234567.1234567" },
        { 100, "100" },
        { 1000000, "1000000" },
        { 0.1 + 0.2, "0.30000000000000004" },
        { 1.0 / 3, "0.3333333333333333" },
        { 2.5, "2.5" },
        { 1e15, "1e15" },
        { 123456789012345, "123456789012345" },
        { 1e-7, "1e-7" },
        { 1.5e-10, "1.5e-10" },
        { 1e300, "1e300" },
        { 5e-324, "5e-324" },
        { 2.2250738585072014e-308, "2.2250738585072014e-308" },
        { 1.7976931348623157e308, "1.7976931348623157e308" },
        { 9007199254740993.0, "9007199254740992" },
        { INFINITY, "null" },
        { -INFINITY, "null" },
        { NAN, "null" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        json_double(&w, rows[i].v);
        assert_written(rows[i].text);
    }
}

static void doubles_read_back_the_same(void **state)
{
    struct rand r;

    (void)state;
    rand_init_seeded(&r, 20260105);
    for (int i = 0; i < 20000; i++) {
        struct arena arena;
        struct json *root;
        uint64_t bits = rand_u64(&r);
        double v, back;

        memcpy(&v, &bits, sizeof(v));
        if (!isfinite(v))
            continue;
        arena_init(&arena);
        json_double(&w, v);
        assert_int_equal(json_parse(&arena, buf_str(&out), NULL, &root, NULL), STATUS_OK);
        assert_true(json_to_double(root, &back));
        assert_memory_equal(&back, &v, sizeof(v));
        arena_deinit(&arena);
        buf_clear(&out);
        json_writer_init(&w, &out);
    }
}

static void trees_are_written_compactly(void **state)
{
    struct arena arena;
    struct json *root;

    (void)state;
    arena_init(&arena);
    assert_int_equal(
        json_parse(&arena,
                   STR(" { \"b\" : [ 1.50 , -0, true,false , null , \"\\u00e4\\/\" , { } ] , "
                       "\"a\":{\"b\":1,\"b\":2} } "),
                   NULL, &root, NULL),
        STATUS_OK);
    json_value(&w, root);
    assert_written("{\"b\":[1.50,-0,true,false,null,\"\xc3\xa4/\",{}],\"a\":{\"b\":1,\"b\":2}}");
    json_value(&w, NULL);
    assert_written("null");
    arena_deinit(&arena);
}

static void a_full_buffer_is_noticed(void **state)
{
    struct buf small = BUF_INIT(10);

    (void)state;
    json_writer_init(&w, &small);
    json_begin_object(&w);
    json_member_string(&w, "key", "longer than there is room");
    json_end_object(&w);
    assert_true(small.failed);
    buf_deinit(&small);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(commas_are_put),
        TEST(strings_are_escaped),
        TEST(doubles_are_short),
        TEST(doubles_read_back_the_same),
        TEST(trees_are_written_compactly),
        TEST(a_full_buffer_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
