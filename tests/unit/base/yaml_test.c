/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml.h"

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

    if (yaml_parse(&arena, str_of(text), "cog.yaml", &root, &err))
        fail_msg("%s\n%s", text, err.text);
    return root;
}

static void assert_json(const char *yaml, const char *json)
{
    struct json *root = parse(yaml);

    if (!str_is(root->span, json))
        fail_msg("%s\ngave %.*s", yaml, STR_ARG(root->span));
}

static void a_cog_file_is_read(void **state)
{
    struct json *root = parse("# the model\n"
                              "build:\n"
                              "  gpu: false\n"
                              "  python_version: 3.10   # not a decimal\n"
                              "  python_packages:\n"
                              "    - \"torch==2.0.1\"\n"
                              "    - numpy>=1.24\n"
                              "  system_packages: [ffmpeg, 'libgl1']\n"
                              "  run:\n"
                              "  - command: |\n"
                              "      set -e\n"
                              "        echo \"a: b\"\n"
                              "  - >-\n"
                              "    pip install\n"
                              "    something\n"
                              "predict: \"predict.py:Predictor\"\n"
                              "concurrency: {max: 32}\n"
                              "image:\n");
    struct json *version = json_path(root, "build.python_version");
    struct json *list = json_path(root, "build.python_packages");
    struct json *run = json_path(root, "build.run");
    bool gpu = true;
    int64_t max;
    double d;

    (void)state;
    assert_true(json_to_bool(json_path(root, "build.gpu"), &gpu) && !gpu);
    assert_int_equal(version->type, JSON_NUMBER);
    assert_true(str_is(version->text, "3.10"));
    assert_true(json_to_double(version, &d) && d == 3.1);
    assert_int_equal(list->n, 2);
    assert_true(str_is(json_to_str(list->child), "torch==2.0.1"));
    assert_true(str_is(json_to_str(list->child->next), "numpy>=1.24"));
    assert_true(str_is(json_path(root, "build.system_packages")->span, "[\"ffmpeg\",\"libgl1\"]"));
    assert_true(str_is(json_to_str(json_get(run->child, "command")), "set -e\n  echo \"a: b\"\n"));
    assert_true(str_is(json_to_str(run->child->next), "pip install something"));
    assert_true(str_is(json_to_str(json_get(root, "predict")), "predict.py:Predictor"));
    assert_true(json_to_i64(json_path(root, "concurrency.max"), &max) && max == 32);
    assert_true(json_is(json_get(root, "image"), JSON_NULL));
}

static void plain_scalars_follow_the_core_schema(void **state)
{
    (void)state;
    assert_json("[null, Null, NULL, ~, ]", "[null,null,null,null]");
    assert_json("[true, True, TRUE, false, False, FALSE]", "[true,true,true,false,false,false]");
    assert_json("[yes, no, on, off, y, tRUE, nuLL]",
                "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"tRUE\",\"nuLL\"]");
    assert_json("[0, -1, 12e3, 1.5, -0.0, 1E-2]", "[0,-1,12e3,1.5,-0.0,1E-2]");
    assert_json("[+1, 007, -007, .5, -.5e3, 5., 5.e1, +.5, 00, 0.50]",
                "[1,7,-7,0.5,-0.5e3,5,5e1,0.5,0,0.50]");
    assert_json("[0x1F, 0o17, 0xffffffffffffffff]", "[31,15,18446744073709551615]");
    assert_json("[0x, 0xg, 0o8, -0x1, 0x11111111111111111, 0X1]",
                "[\"0x\",\"0xg\",\"0o8\",\"-0x1\",\"0x11111111111111111\",\"0X1\"]");
    assert_json("[1_000, 1.2.3, 1e, ., +, -., e1, 12:30, 2026-01-05]",
                "[\"1_000\",\"1.2.3\",\"1e\",\".\",\"+\",\"-.\",\"e1\",\"12:30\",\"2026-01-05\"]");
    assert_json("a b c", "\"a b c\"");
    assert_json("x: 1\ny:\n", "{\"x\":1,\"y\":null}");
}

static void quoted_scalars_are_text(void **state)
{
    (void)state;
    assert_json("[\"3.10\", '3.10', \"true\", 'null', \"\", '']",
                "[\"3.10\",\"3.10\",\"true\",\"null\",\"\",\"\"]");
    assert_json("\"\\x01\\u20ac\\U0001F30A\\n\\\"\"",
                "\"\\u0001\xe2\x82\xac\xf0\x9f\x8c\x8a\\n\\\"\"");
    assert_json("'it''s'", "\"it's\"");
    assert_json("\"two\n  lines\"", "\"two lines\"");
    assert_json("|\n 1\n", "\"1\\n\"");
}

static void keys_are_text(void **state)
{
    (void)state;
    assert_json("1: a\ntrue: b\n~: c\n\"d e\": f\n'<<': g",
                "{\"1\":\"a\",\"true\":\"b\",\"~\":\"c\",\"d e\":\"f\",\"<<\":\"g\"}");
    assert_json("? a\n? b\n", "{\"a\":null,\"b\":null}");
}

static void nothing_is_null(void **state)
{
    (void)state;
    assert_json("", "null");
    assert_json("# only a comment\n", "null");
    assert_json("---\n", "null");
    assert_json("\xef\xbb\xbf"
                "a: 1\n",
                "{\"a\":1}");
    assert_json("%YAML 1.2\n---\na: 1\n...\n", "{\"a\":1}");
}

static void json_is_yaml(void **state)
{
    (void)state;
    assert_json("{\"a\": [1, 2.50, \"x\", null, true], \"b\": {}}",
                "{\"a\":[1,2.50,\"x\",null,true],\"b\":{}}");
}

static void core_tags_are_kept_to(void **state)
{
    (void)state;
    assert_json(
        "[!!str 5, ! 5, !!int 5, !!int \"5\", !!float 1.5, !!bool true, !!null ~, !!str null]",
        "[\"5\",\"5\",5,5,1.5,true,null,\"null\"]");
    assert_json("a: !!map {}\nb: !!seq []\n!!str c: !<tag:yaml.org,2002:str> 1",
                "{\"a\":{},\"b\":[],\"c\":\"1\"}");
}

static void aliases_are_copies(void **state)
{
    (void)state;
    assert_json("x: &a [1, 2]\ny: *a\nz: [*a, {q: *a}]\n",
                "{\"x\":[1,2],\"y\":[1,2],\"z\":[[1,2],{\"q\":[1,2]}]}");
    assert_json("- &a 1\n- *a\n- &a two\n- *a\n", "[1,1,\"two\",\"two\"]");
    assert_json("- &a {k: &b v}\n- *b\n- *a\n", "[{\"k\":\"v\"},\"v\",{\"k\":\"v\"}]");
    assert_json("a: &x\nb: *x\n", "{\"a\":null,\"b\":null}");
    assert_json("&r [1]", "[1]");
}

static void errors_say_where_and_what(void **state)
{
    static const struct {
        const char *yaml, *text;
    } rows[] = {
        { "a: 1\nb: 2\na: 3\n", "cog.yaml: line 3, column 1: the key 'a' stands here twice" },
        { "a: {b: 1, b: 2}", "cog.yaml: line 1, column 11: the key 'b' stands here twice" },
        { "x:\n  <<: {a: 1}\n", "cog.yaml: line 2, column 3: merge keys (<<) are not supported" },
        { "x: *y", "cog.yaml: line 1, column 5: no value stands before this under the anchor 'y'" },
        { "x: &y [*y]",
          "cog.yaml: line 1, column 9: no value stands before this under the anchor 'y'" },
        { "- &y 1\n- &y [*y]",
          "cog.yaml: line 2, column 8: no value stands before this under the anchor 'y'" },
        { "- &y k\n- *y : 1", "cog.yaml: line 2, column 4: an alias cannot be a key" },
        { "&k a: 1", "cog.yaml: line 1, column 4: a key takes neither anchor nor tag" },
        { "? [a]\n: b", "cog.yaml: line 1, column 3: a key must be text" },
        { "a: !python/object 1",
          "cog.yaml: line 1, column 19: the tag !python/object does not fit here" },
        { "a: !!int x",
          "cog.yaml: line 1, column 10: the tag tag:yaml.org,2002:int does not fit here" },
        { "a: !!map [1]",
          "cog.yaml: line 1, column 10: the tag tag:yaml.org,2002:map does not fit here" },
        { "a: .inf", "cog.yaml: line 1, column 4: a number must be finite" },
        { "a: -.INF", "cog.yaml: line 1, column 4: a number must be finite" },
        { "--- 1\n--- 2\n", "cog.yaml: line 2, column 1: expected one document" },
        { "a: \xff", "cog.yaml: the text is not valid UTF-8" },
    };
    struct json *root;
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        root = (struct json *)1;
        assert_int_equal(yaml_parse(&arena, str_of(rows[i].yaml), "cog.yaml", &root, &err),
                         STATUS_INVALID);
        assert_null(root);
        assert_string_equal(err.text, rows[i].text);
    }
    assert_int_equal(yaml_parse(&arena, STR("a: \0"), "x", &root, &err), STATUS_INVALID);
    assert_string_equal(err.text, "x: the text has a NUL character");
}

/* The words are libfyaml's, and may change; that there is a position may not. */
static void syntax_errors_have_a_position(void **state)
{
    static const char *const rows[] = {
        "a: b: c",    "a: [1, 2",       "a:\n\tb: 1", "a: @x",     "a: `x",
        "a: 'x",      "a: \"x",         "a: - b",     "- a\nb: c", "{a: 1}}",
        "a: \"\\q\"", "a: \"\\ud800\"", "[a",         "}",         "a: |x\n b",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct json *root;
        struct error err = { 0 };
        enum status status = yaml_parse(&arena, str_of(rows[i]), "f", &root, &err);

        if (status != STATUS_INVALID || strncmp(err.text, "f: line ", 8) != 0)
            fail_msg("%s: %s %s", rows[i], status_name(status), err.text);
    }
}

static void alias_bombs_are_refused(void **state)
{
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(BUF_UNBOUNDED);
    struct json *root;
    struct error err;

    (void)state;
    buf_adds(&text, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 10; i++) {
        buf_addf(&text, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            buf_addf(&text, "%s*a%d", j ? "," : "", i - 1);
        buf_adds(&text, "]\n");
    }
    assert_int_equal(yaml_parse(&arena, buf_str(&text), "bomb", &root, &err), STATUS_TOO_LARGE);
    assert_memory_equal(err.text, "bomb: line ", 11);
}

/* Each line nests what was before in four more levels: 160 in the end, though no place in the
 * source is deeper than five. */
static void aliases_do_not_get_around_the_depth(void **state)
{
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(BUF_UNBOUNDED);
    struct json *root;
    struct error err;

    (void)state;
    buf_adds(&text, "- &a0 [[[[]]]]\n");
    for (int i = 1; i < 40; i++)
        buf_addf(&text, "- &a%d [[[[*a%d]]]]\n", i, i - 1);
    assert_int_equal(yaml_parse(&arena, buf_str(&text), "deep", &root, &err), STATUS_TOO_LARGE);
    assert_string_equal(err.text, "deep: too many values, or nested too deep by aliases");
}

static void depth_is_limited(void **state)
{
    static const char *const parts[] = { "[", "{a: ", "- ", "? ", "&a [", "!!seq [" };
    struct json *root;
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        CLEANUP(buf_deinit) struct buf text = BUF_INIT(BUF_UNBOUNDED);

        for (int n = 0; n < 5000; n++)
            buf_adds(&text, parts[i]);
        assert_int_not_equal(yaml_parse(&arena, buf_str(&text), "deep", &root, &err), STATUS_OK);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cog_file_is_read),        TEST(plain_scalars_follow_the_core_schema),
        TEST(quoted_scalars_are_text),   TEST(keys_are_text),
        TEST(nothing_is_null),           TEST(json_is_yaml),
        TEST(core_tags_are_kept_to),     TEST(aliases_are_copies),
        TEST(errors_say_where_and_what), TEST(syntax_errors_have_a_position),
        TEST(alias_bombs_are_refused),   TEST(aliases_do_not_get_around_the_depth),
        TEST(depth_is_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
