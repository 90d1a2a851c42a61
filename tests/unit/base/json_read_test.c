/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

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

static void assert_str(struct str s, const char *expected)
{
    if (!s.p || !str_is(s, expected))
        fail_msg("'%.*s' is not '%s'", STR_ARG(s), expected);
}

static void spans_are_the_bytes_that_were_sent(void **state)
{
    struct json *root =
        parse(" \n{ \"a\" : [ 1 , -2.50e1,\t\"x\\u0041\\n\" ] ,\"b\": { } , \"c\":null}\r\n");
    struct json *a = json_get(root, "a");

    (void)state;
    assert_str(root->span, "{ \"a\" : [ 1 , -2.50e1,\t\"x\\u0041\\n\" ] ,\"b\": { } , \"c\":null}");
    assert_str(a->span, "[ 1 , -2.50e1,\t\"x\\u0041\\n\" ]");
    assert_str(a->child->span, "1");
    assert_str(a->child->next->span, "-2.50e1");
    assert_str(a->child->next->next->span, "\"x\\u0041\\n\"");
    assert_str(a->child->next->next->text, "xA\n");
    assert_str(json_get(root, "b")->span, "{ }");
    assert_str(json_get(root, "c")->span, "null");
}

static void tree_has_types_keys_and_counts(void **state)
{
    struct json *root =
        parse("{\"n\":null,\"f\":false,\"t\":true,\"i\":12,\"d\":1.5,\"s\":\"\",\"a\":[[],{}]}");
    static const struct {
        const char *key;
        enum json_type type;
        const char *name;
    } members[] = {
        { "n", JSON_NULL, "null" },     { "f", JSON_FALSE, "boolean" },
        { "t", JSON_TRUE, "boolean" },  { "i", JSON_NUMBER, "integer" },
        { "d", JSON_NUMBER, "number" }, { "s", JSON_STRING, "string" },
        { "a", JSON_ARRAY, "array" },
    };
    struct json *m = root->child;

    (void)state;
    assert_int_equal(root->type, JSON_OBJECT);
    assert_int_equal(root->n, ARRAY_SIZE(members));
    assert_null(root->key.p);
    for (size_t i = 0; i < ARRAY_SIZE(members); i++, m = m->next) {
        assert_str(m->key, members[i].key);
        assert_int_equal(m->type, members[i].type);
        assert_string_equal(json_type_name(m), members[i].name);
    }
    assert_null(m);
    assert_string_equal(json_type_name(root), "object");
    assert_non_null(json_to_str(json_get(root, "s")).p);
    m = json_get(root, "a");
    assert_int_equal(m->n, 2);
    assert_int_equal(m->child->n, 0);
    assert_null(m->child->child);
    assert_null(m->child->key.p);
}

static void strings_are_decoded(void **state)
{
    static const struct {
        const char *source, *text;
    } rows[] = {
        { "\"\"", "" },
        { "\"plain text longer than eight bytes\"", "plain text longer than eight bytes" },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
        { "\"1234567\\n\"", "1234567\n" },
        { "\"\\u00e4\\u20AC\\ud83C\\uDf0a\"", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x8c\x8a" },
        { "\"\xc3\xa4 and \xf0\x9f\x8c\x8a stay\"", "\xc3\xa4 and \xf0\x9f\x8c\x8a stay" },
        { "\"\\\\u0041\"", "\\u0041" },
        { "\"a\\tb\\tc\"", "a\tb\tc" },
    };
    struct json *v;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_str(json_to_str(parse(rows[i].source)), rows[i].text);
    v = parse("\"a\\u0000b\"");
    assert_int_equal(v->text.n, 3);
    assert_memory_equal(v->text.p, "a\0b", 3);
    v = parse("{\"k\\u0065y\":1}");
    assert_str(v->child->key, "key");
}

/* A special byte is found wherever it stands in the words that are tested at once. */
static void string_ends_are_found_at_every_offset(void **state)
{
    static const struct {
        const char *insert, *decoded; /* NULL: refused */
    } rows[] = {
        { "\\\"", "\"" }, { "\x01", NULL },   { "\x1f", NULL }, { "\xc3\xa4", "\xc3\xa4" },
        { "\xff", NULL }, { "\x7f", "\x7f" }, { " ", " " },     { "!#", "!#" },
        { "[]", "[]" },
    };
    char source[64], expected[64];
    struct json *root;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        for (int at = 0; at < 20; at++) {
            enum status status;

            snprintf(source, sizeof(source), "\"%.*s%s%.*s\"", at, "aaaaaaaaaaaaaaaaaaaaaaa",
                     rows[i].insert, 20 - at, "zzzzzzzzzzzzzzzzzzzzzz");
            status = json_parse(&arena, str_of(source), NULL, &root, NULL);
            assert_int_equal(status, rows[i].decoded ? STATUS_OK : STATUS_INVALID);
            if (!rows[i].decoded)
                continue;
            snprintf(expected, sizeof(expected), "%.*s%s%.*s", at, "aaaaaaaaaaaaaaaaaaaaaaa",
                     rows[i].decoded, 20 - at, "zzzzzzzzzzzzzzzzzzzzzz");
            assert_str(root->text, expected);
        }
    }
}

static void strings_without_escapes_are_not_copied(void **state)
{
    const char *source = "[\"as it is\"]";
    struct json *root = parse(source);

    (void)state;
    assert_ptr_equal(root->child->text.p, source + 2);
}

static void errors_say_where_and_what(void **state)
{
    static const struct {
        const char *source, *text;
    } rows[] = {
        { "", "line 1, column 1: expected a value, but the text ends" },
        { "{\"a\":1\n \"b\":2}", "line 2, column 2: expected ',' or '}' after a member" },
        { "[1 2]", "line 1, column 4: expected ',' or ']' after an element" },
        { "[1,\n\n  2",
          "line 3, column 4: expected ',' or ']' after an element, but the text ends" },
        { "[1,]", "line 1, column 4: expected a value" },
        { "{,}", "line 1, column 2: expected a key in double quotes or '}'" },
        { "{\"a\":1,}", "line 1, column 8: expected a key in double quotes" },
        { "{\"a\" 1}", "line 1, column 6: expected ':' after a key" },
        { "[]x", "line 1, column 3: expected nothing after the value" },
        { "[tru]", "line 1, column 2: expected a value" },
        { "[\"\xc3\xa4\xe2\x82\xac\", x]", "line 1, column 8: expected a value" },
        { "\"a\nb\"", "line 1, column 3: a control character in a string must be escaped" },
        { "\"a\xff\"", "line 1, column 3: the text is not valid UTF-8" },
        { "\"abc", "line 1, column 5: expected '\"' at the end of a string, but the text ends" },
        { "\"abc\\", "line 1, column 6: expected '\"' at the end of a string, but the text ends" },
        { "\"ab\\x\"", "line 1, column 4: no such escape in a string" },
        { "\"\\u12g4\"", "line 1, column 2: expected four hexadecimal digits after \\u" },
        { "\"\\ud800\"", "line 1, column 2: the first half of a surrogate pair stands alone" },
        { "\"\\udc00\"", "line 1, column 2: the second half of a surrogate pair stands alone" },
        { "[-]", "line 1, column 3: expected a digit in a number" },
        { "[1.]", "line 1, column 4: expected a digit in a number" },
        { "[1e+]", "line 1, column 5: expected a digit in a number" },
        { "[12.5E", "line 1, column 7: expected a digit in a number, but the text ends" },
        { "[-.5]", "line 1, column 3: expected a digit in a number" },
        { "[-012]", "line 1, column 3: a number does not begin with a zero" },
        { "\xef\xbb\xbf{}", "line 1, column 1: expected a value" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct json *root = (struct json *)1;
        struct error err = { 0 };

        assert_int_equal(json_parse(&arena, str_of(rows[i].source), NULL, &root, &err),
                         STATUS_INVALID);
        assert_null(root);
        assert_string_equal(err.text, rows[i].text);
        assert_int_equal(err.status, STATUS_INVALID);
    }
}

static void a_null_source_is_empty_text(void **state)
{
    struct json *root;

    (void)state;
    assert_int_equal(json_parse(&arena, STR_NULL, NULL, &root, NULL), STATUS_INVALID);
}

/* Writes n opening brackets, then as many closing ones. */
static struct str nested(size_t n)
{
    char *text = arena_alloc(&arena, n * 2);

    memset(text, '[', n);
    memset(text + n, ']', n);
    return str_make(text, n * 2);
}

static void depth_is_limited(void **state)
{
    struct json_limits limits = { .max_depth = 3 };
    struct json *root;
    struct error err;

    (void)state;
    assert_int_equal(json_parse(&arena, nested(128), NULL, &root, &err), STATUS_OK);
    assert_int_equal(json_parse(&arena, nested(129), NULL, &root, &err), STATUS_TOO_LARGE);
    assert_int_equal(json_parse(&arena, nested(3), &limits, &root, &err), STATUS_OK);
    assert_int_equal(json_parse(&arena, STR("[{\"a\":{}}]"), &limits, &root, &err), STATUS_OK);
    assert_int_equal(json_parse(&arena, STR("[[[\n[1]]]]"), &limits, &root, &err),
                     STATUS_TOO_LARGE);
    assert_string_equal(err.text, "line 2, column 1: nested deeper than 3 levels");
    limits.max_depth = 1000000;
    assert_int_equal(json_parse(&arena, nested(JSON_DEPTH_MOST), &limits, &root, &err), STATUS_OK);
    assert_int_equal(json_parse(&arena, nested(JSON_DEPTH_MOST + 1), &limits, &root, &err),
                     STATUS_TOO_LARGE);
}

static void number_of_values_is_limited(void **state)
{
    const struct json_limits limits = { .max_values = 4 };
    struct json *root;
    struct error err;

    (void)state;
    assert_int_equal(json_parse(&arena, STR("[1,{\"a\":2}]"), &limits, &root, &err), STATUS_OK);
    assert_int_equal(json_parse(&arena, STR("[1,{\"a\":2},3]"), &limits, &root, &err),
                     STATUS_TOO_LARGE);
    assert_string_equal(err.text, "line 1, column 12: more than 4 values");
}

/* What is not kept is checked as strictly, and counted. */
static void what_lies_deep_is_not_kept(void **state)
{
    const struct json_limits limits = { .keep_depth = 1, .max_values = 4 };
    struct json *root, *list;
    struct error err;

    (void)state;
    assert_int_equal(
        json_parse(&arena,
                   STR("{\"a\": [ 1, [2, {\"b\": \"\\n\"}], {} ], \"c\":{\"d\":[]},\"e\":5}"),
                   &limits, &root, &err),
        STATUS_OK);
    assert_int_equal(root->n, 3);
    list = json_get(root, "a");
    assert_int_equal(list->type, JSON_ARRAY);
    assert_int_equal(list->n, 3);
    assert_null(list->child);
    assert_true(str_is(list->span, "[ 1, [2, {\"b\": \"\\n\"}], {} ]"));
    assert_int_equal(json_get(root, "c")->n, 1);
    assert_null(json_get(root, "c")->child);
    assert_true(str_is(json_get(root, "e")->text, "5"));
    assert_int_equal(
        json_parse(&arena, STR("{\"a\":1,\"b\":2,\"c\":3,\"d\":4}"), &limits, &root, &err),
        STATUS_TOO_LARGE);
    assert_int_equal(json_parse(&arena, STR("{\"a\":[[1,]]}"), &limits, &root, &err),
                     STATUS_INVALID);
    assert_int_equal(json_parse(&arena, STR("{\"a\":[[1}]}"), &limits, &root, &err),
                     STATUS_INVALID);
    assert_int_equal(
        json_parse(&arena, STR("{\"a\":{\"b\":{\"c\":\"\\x\"}}}"), &limits, &root, &err),
        STATUS_INVALID);
}

/* Two bytes each, and then four: as many values as there may be cost next to nothing. */
static void values_that_are_not_kept_cost_nothing(void **state)
{
    enum { N = 200000 };
    static const struct {
        const char *piece, *last;
    } rows[] = { { "0,", "0]" }, { "[0],", "0]" }, { "{\"a\":[{}]},", "0]" } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct json_limits limits = { .keep_depth = 1 };
        struct buf text = BUF_INIT(BUF_UNBOUNDED);
        struct json *root;

        buf_adds(&text, "[[");
        for (int k = 0; k < N; k++)
            buf_adds(&text, rows[i].piece);
        buf_adds(&text, rows[i].last);
        buf_adds(&text, "]");
        assert_int_equal(json_parse(&arena, buf_str(&text), &limits, &root, NULL), STATUS_OK);
        assert_int_equal(root->child->n, N + 1);
        assert_true(arena_size(&arena) < 65536);
        buf_deinit(&text);
    }
}

static void a_long_string_is_one_span(void **state)
{
    enum { LONG = 1 << 20 };
    char *text = arena_alloc(&arena, LONG);
    struct json *root;

    (void)state;
    memset(text, 'A', LONG);
    text[0] = text[LONG - 1] = '"';
    assert_int_equal(json_parse(&arena, str_make(text, LONG), NULL, &root, NULL), STATUS_OK);
    assert_int_equal(root->text.n, LONG - 2);
    assert_ptr_equal(root->text.p, text + 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(spans_are_the_bytes_that_were_sent),
        TEST(tree_has_types_keys_and_counts),
        TEST(strings_are_decoded),
        TEST(string_ends_are_found_at_every_offset),
        TEST(strings_without_escapes_are_not_copied),
        TEST(errors_say_where_and_what),
        TEST(a_null_source_is_empty_text),
        TEST(depth_is_limited),
        TEST(number_of_values_is_limited),
        TEST(what_lies_deep_is_not_kept),
        TEST(values_that_are_not_kept_cost_nothing),
        TEST(a_long_string_is_one_span),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
