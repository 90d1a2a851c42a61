/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/image.h"

#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER  "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define SCHEMA                                                                                     \
    "{\\\"openapi\\\":\\\"3.0.2\\\",\\\"components\\\":{\\\"schemas\\\":{\\\"Input\\\":{"          \
    "\\\"type\\\":\\\"object\\\",\\\"properties\\\":{\\\"text\\\":{\\\"type\\\":\\\"string\\\"}}}" \
    ","                                                                                            \
    "\\\"Output\\\":{\\\"type\\\":\\\"array\\\",\\\"items\\\":{\\\"type\\\":\\\"string\\\"},"      \
    "\\\"x-cog-array-type\\\":\\\"iterator\\\"}}}}"
#define CONFIG                                                                                     \
    "{\\\"build\\\":{\\\"gpu\\\":true},\\\"predict\\\":\\\"p.py:P\\\",\\\"concurrency\\\":{"       \
    "\\\"max\\\":4}}"
#define IMAGE(digests, labels)                                                                     \
    "{\"Id\":\"sha256:" DIGITS "\",\"RepoDigests\":[" digests "],\"Os\":\"linux\","                \
    "\"Architecture\":\"amd64\",\"Config\":{\"Labels\":{" labels "}}}"
#define LABELS                                                                                     \
    "\"run.cog.config\":\"" CONFIG "\",\"run.cog.openapi_schema\":\"" SCHEMA "\","                 \
    "\"run.cog.version\":\"0.23.1\",\"run.cog.has_init\":\"true\""

static struct arena arena;
static struct image_facts facts;
static struct error err;

static enum status read_as(const char *text, const char *name)
{
    return image_read(&arena, str_of(text), name, "amd64", STR_NULL, &facts, &err);
}

static void labels_tell_what_a_version_needs(void **state)
{
    (void)state;
    assert_int_equal(read_as(IMAGE("", LABELS), "hello:v2"), STATUS_OK);
    assert_string_equal(facts.id, "sha256:" DIGITS);
    assert_string_equal(facts.version, DIGITS);
    assert_string_equal(facts.cog_version, "0.23.1");
    assert_string_equal(facts.config.image, facts.id);
    assert_string_equal(facts.config.predict_ref, "p.py:P");
    assert_int_equal(facts.config.concurrency, 4);
    assert_true(facts.config.needs_gpu && facts.config.has_init && facts.config.iterator);
    assert_true(str_starts(facts.schema, "{\"openapi\":\"3.0.2\""));
}

static void old_labels_are_read(void **state)
{
    (void)state;
    assert_int_equal(
        read_as(IMAGE("", "\"org.cogmodel.config\":\"{\\\"predict\\\":\\\"a.py:A\\\"}\","
                          "\"org.cogmodel.openapi_schema\":\"" SCHEMA "\","
                          "\"org.cogmodel.cog_version\":\"0.8.0\""),
                "old"),
        STATUS_OK);
    assert_string_equal(facts.cog_version, "0.8.0");
    assert_string_equal(facts.config.predict_ref, "a.py:A");
    assert_int_equal(facts.config.concurrency, 1);
    assert_false(facts.config.needs_gpu || facts.config.has_init);
}

static void a_registrys_digest_is_the_version(void **state)
{
    (void)state;
    assert_int_equal(
        read_as(IMAGE("\"host:5000/a/b@sha256:" OTHER "\"", LABELS), "host:5000/a/b:v1"),
        STATUS_OK);
    assert_string_equal(facts.version, OTHER);
    assert_string_equal(facts.id, "sha256:" DIGITS);
    assert_int_equal(read_as(IMAGE("\"x/y@sha256:" DIGITS "\",\"a/b@sha256:" OTHER "\"", LABELS),
                             "a/b@sha256:" OTHER),
                     STATUS_OK);
    assert_string_equal(facts.version, OTHER);
}

/* Not Cog's: what it is served by is in a label, or was brought with it, and then the version is of
 * both. */
static void another_server_is_described_by_a_model_yaml(void **state)
{
    struct str brought = STR("protocol: plain\nport: 80\n");
    const char *first;

    (void)state;
    assert_int_equal(
        read_as(IMAGE("", "\"berth.model\":\"protocol: openai\\nport: 8000\""), "vllm"), STATUS_OK);
    assert_true(str_is(facts.model_yaml, "protocol: openai\nport: 8000"));
    assert_string_equal(facts.version, DIGITS);
    assert_string_equal(facts.config.image, "sha256:" DIGITS);
    assert_int_equal(read_as(IMAGE("", LABELS), "hello"), STATUS_OK);
    assert_null(facts.model_yaml.p);
    assert_int_equal(
        image_read(&arena, STR(IMAGE("", LABELS)), "hello", "amd64", brought, &facts, &err),
        STATUS_OK);
    assert_true(str_eq(facts.model_yaml, brought));
    assert_int_equal(strlen(facts.version), 64);
    assert_string_not_equal(facts.version, DIGITS);
    first = facts.version;
    assert_int_equal(
        image_read(&arena, STR(IMAGE("", "")), "hello", "amd64", brought, &facts, &err), STATUS_OK);
    assert_string_equal(facts.version, first);
    assert_int_equal(image_read(&arena, STR(IMAGE("", "")), "hello", "amd64",
                                STR("protocol: plain\nport: 81\n"), &facts, &err),
                     STATUS_OK);
    assert_string_not_equal(facts.version, first);
}

static void refused(const char *text, const char *words)
{
    assert_int_equal(read_as(text, "hello"), STATUS_UNPROCESSABLE);
    assert_non_null(strstr(err.text, words));
    assert_non_null(strstr(err.text, "hello"));
}

static void what_cannot_be_served_is_refused_with_the_reason(void **state)
{
    (void)state;
    refused(IMAGE("", ""), "no labels of Cog");
    refused("{\"Id\":\"sha256:" DIGITS "\"}", "no labels of Cog");
    refused("{\"Id\":\"sha256:" DIGITS "\",\"Os\":\"linux\",\"Architecture\":\"arm64\"}",
            "--platform linux/amd64");
    refused("{\"Id\":\"sha256:" DIGITS "\",\"Os\":\"windows\"}", "for windows");
    refused(IMAGE("", "\"run.cog.config\":\"{\\\"weights\\\":[{\\\"name\\\":\\\"w\\\"}]}\","
                      "\"run.cog.openapi_schema\":\"" SCHEMA "\""),
            "managed weights");
    refused(IMAGE("", "\"run.cog.config\":\"{\",\"run.cog.openapi_schema\":\"" SCHEMA "\""),
            "cannot be read");
    refused(IMAGE("", "\"run.cog.config\":\"{}\",\"run.cog.openapi_schema\":\"[]\""),
            "cannot be read");
}

static void an_answer_that_is_none_is_the_engines(void **state)
{
    static const char *const texts[] = { "", "[]", "{}", "{\"Id\":\"sha256:12\"}", "{\"Id\":" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        assert_int_equal(read_as(texts[i], "hello"), STATUS_INVALID);
        assert_non_null(strstr(err.text, "engine"));
    }
}

/* What is stored of it comes back, and a folder's is written as it always was: its version's id
 * depends on it. */
static void the_image_is_part_of_the_configuration(void **state)
{
    struct buf text = BUF_INIT(BUF_UNBOUNDED), folder = BUF_INIT(BUF_UNBOUNDED);
    const struct version_config plain = { .dialect = "cog", .concurrency = 1 };
    struct version_config out;

    (void)state;
    assert_int_equal(read_as(IMAGE("", LABELS), "hello"), STATUS_OK);
    version_config_write(&facts.config, &text);
    assert_int_equal(version_config_parse(&arena, buf_str(&text), &out, &err), STATUS_OK);
    assert_string_equal(out.image, "sha256:" DIGITS);
    assert_true(out.has_init);
    version_config_write(&plain, &folder);
    assert_null(strstr(folder.p, "image"));
    assert_null(strstr(folder.p, "has_init"));
    buf_deinit(&text);
    buf_deinit(&folder);
}

static int clean(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_tell_what_a_version_needs),
        cmocka_unit_test(old_labels_are_read),
        cmocka_unit_test(a_registrys_digest_is_the_version),
        cmocka_unit_test(another_server_is_described_by_a_model_yaml),
        cmocka_unit_test(what_cannot_be_served_is_refused_with_the_reason),
        cmocka_unit_test(an_answer_that_is_none_is_the_engines),
        cmocka_unit_test(the_image_is_part_of_the_configuration),
    };

    return cmocka_run_group_tests(tests, NULL, clean);
}
