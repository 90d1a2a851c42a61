/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/version.h"

static void goes_both_ways(void **state)
{
    const char *const environment[] = { "A=1", "B=x=y \"q\"", "EMPTY=", NULL };
    const struct version_config in = {
        .dialect = "cog",
        .predict_ref = "predict.py:Predictor",
        .train_ref = "train.py:train",
        .concurrency = 4,
        .needs_gpu = true,
        .env = "envs/abc",
        .environment = environment,
        .iterator = true,
        .output_files_listed = true,
    };
    struct version_config out;
    struct arena a = { 0 };
    struct buf text = BUF_INIT(BUF_UNBOUNDED), again = BUF_INIT(BUF_UNBOUNDED);
    struct error err;

    (void)state;
    arena_init(&a);
    version_config_write(&in, &text);
    assert_int_equal(version_config_parse(&a, buf_str(&text), &out, &err), STATUS_OK);
    assert_string_equal(out.dialect, "cog");
    assert_string_equal(out.predict_ref, in.predict_ref);
    assert_string_equal(out.train_ref, in.train_ref);
    assert_string_equal(out.env, in.env);
    assert_int_equal(out.concurrency, 4);
    assert_true(out.needs_gpu && out.iterator && out.output_files_listed);
    for (size_t i = 0; environment[i]; i++)
        assert_string_equal(out.environment[i], environment[i]);
    assert_null(out.environment[3]);
    version_config_write(&out, &again);
    assert_true(str_eq(buf_str(&text), buf_str(&again)));
    buf_deinit(&text);
    buf_deinit(&again);
    arena_deinit(&a);
}

static void a_server_that_is_not_cogs(void **state)
{
    const char *const command[] = { "vllm", "serve", "--port={port}", NULL };
    const struct version_config in = {
        .dialect = "openai",
        .concurrency = 2,
        .http = { .command = command, .port = 8000, .health = "/h", .path = "/p", .model = "m" },
    };
    struct version_config out;
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct error err;

    (void)state;
    version_config_write(&in, &text);
    assert_int_equal(version_config_parse(&a, buf_str(&text), &out, &err), STATUS_OK);
    assert_false(version_is_cog(&out));
    assert_string_equal(out.http.command[2], "--port={port}");
    assert_null(out.http.command[3]);
    assert_int_equal(out.http.port, 8000);
    assert_string_equal(out.http.health, "/h");
    assert_string_equal(out.http.path, "/p");
    assert_string_equal(out.http.model, "m");
    assert_null(out.http.output);
}

static void absent_members_have_defaults(void **state)
{
    struct version_config out;
    struct arena a = { 0 };
    struct error err;
    char text[] = "{\"dialect\":\"cog\",\"of a newer server\":[1],\"train_ref\":null}";

    (void)state;
    arena_init(&a);
    assert_int_equal(version_config_parse(&a, str_of(text), &out, &err), STATUS_OK);
    memset(text, '#', sizeof(text) - 1); /* everything lives in the arena */
    assert_string_equal(out.dialect, "cog");
    assert_null(out.predict_ref);
    assert_null(out.train_ref);
    assert_null(out.env);
    assert_int_equal(out.concurrency, 1);
    assert_non_null(out.environment);
    assert_null(out.environment[0]);
    arena_deinit(&a);
}

static void nonsense_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"dialect\":1}",
        "{\"dialect\":\"cog\",\"concurrency\":0}",
        "{\"dialect\":\"cog\",\"concurrency\":1.5}",
        "{\"dialect\":\"cog\",\"needs_gpu\":\"yes\"}",
        "{\"dialect\":\"cog\",\"environment\":{}}",
        "{\"dialect\":\"cog\",\"environment\":[\"NOEQUALS\"]}",
        "{\"dialect\":\"cog\",\"environment\":[\"=x\"]}",
        "{\"dialect\":\"cog\",\"environment\":[1]}",
        "{\"dialect\":\"cog\",\"env\":\"a\\u0000b\"}",
        "{\"dialect\":\"of a newer server\"}",
        "{\"dialect\":\"plain\"}",
        "{\"dialect\":\"plain\",\"http\":{\"health\":\"/\",\"path\":\"x\"}}",
        "{\"dialect\":\"plain\",\"http\":{\"health\":\"/\",\"path\":\"/\",\"port\":70000}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct version_config out;
        struct arena a = { 0 };
        struct error err = { 0 };

        arena_init(&a);
        assert_int_equal(version_config_parse(&a, str_of(bad[i]), &out, &err), STATUS_INVALID);
        assert_non_null(strstr(err.text, "version configuration"));
        assert_int_equal(version_config_parse(&a, str_of(bad[i]), &out, NULL), STATUS_INVALID);
        arena_deinit(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_both_ways),
        cmocka_unit_test(a_server_that_is_not_cogs),
        cmocka_unit_test(absent_members_have_defaults),
        cmocka_unit_test(nonsense_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
