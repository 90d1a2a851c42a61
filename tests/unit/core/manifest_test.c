/* SPDX-License-Identifier: Apache-2.0 */
/* What registries keep of images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/image.h"

#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER  "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define ENTRY(os, arch, digest, more)                                                              \
    "{\"digest\":\"sha256:" digest "\",\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch   \
    "\"}" more "}"

static struct arena arena;
static struct manifest found;
static struct error err;

static enum status read_as(const char *text)
{
    return manifest_read(&arena, str_of(text), "amd64", &found, &err);
}

static void an_image_names_its_configuration(void **state)
{
    static const char *const types[] = { "application/vnd.oci.image.config.v1+json",
                                         "application/vnd.docker.container.image.v1+json" };
    char text[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        snprintf(text, sizeof(text),
                 "{\"schemaVersion\":2,\"mediaType\":\"m\",\"config\":{\"mediaType\":\"%s\","
                 "\"digest\":\"sha256:" DIGITS "\"},\"layers\":[]}",
                 types[i]);
        assert_int_equal(read_as(text), STATUS_OK);
        assert_int_equal(found.kind, MANIFEST_IMAGE);
        assert_string_equal(found.digest, "sha256:" DIGITS);
        assert_string_equal(found.type, "m");
    }
    assert_int_equal(
        read_as("{\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
                "\"digest\":\"sha256:12\"}}"),
        STATUS_INVALID);
    assert_int_equal(read_as("{\"config\":{\"mediaType\":\"application/vnd.oci.empty.v1+json\","
                             "\"digest\":\"sha256:" DIGITS "\"}}"),
                     STATUS_OK);
    assert_int_equal(found.kind, MANIFEST_OTHER);
}

static void an_index_names_the_image_for_this_machine(void **state)
{
    (void)state;
    assert_int_equal(
        read_as("{\"manifests\":[" ENTRY("linux", "arm64", DIGITS, "") "," ENTRY(
            "unknown", "unknown", DIGITS, "") "," ENTRY("linux", "amd64", OTHER, "") "]}"),
        STATUS_OK);
    assert_int_equal(found.kind, MANIFEST_INDEX);
    assert_string_equal(found.digest, "sha256:" OTHER);
    assert_false(found.has_weights);
    assert_int_equal(read_as("{\"manifests\":[" ENTRY("linux", "arm64", DIGITS, "") "]}"),
                     STATUS_OK);
    assert_string_equal(found.digest, "");
    assert_int_equal(
        read_as("{\"manifests\":[" ENTRY("linux", "amd64", OTHER, "") "," ENTRY(
            "linux", "amd64", DIGITS, ",\"artifactType\":\"application/vnd.cog.weight.v1\"") "]}"),
        STATUS_OK);
    assert_true(found.has_weights);
    assert_string_equal(found.digest, "sha256:" OTHER);
    assert_int_equal(read_as("{\"manifests\":[{\"platform\":{\"os\":\"linux\",\"architecture\":"
                             "\"amd64\"}}]}"),
                     STATUS_INVALID);
}

static void what_is_no_manifest_is_refused(void **state)
{
    static const char *const texts[] = { "", "[]", "nonsense", "{\"fsLayers\":[]}" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(read_as(texts[i]), STATUS_INVALID);
}

static void digests_and_tags(void **state)
{
    static const char *const tags[] = { "v1", "latest", "_x", "1.0-rc.1_2" };
    static const char *const none[] = { "", ".a", "-a", "a/b", "a:b", "a b", "a%b" };
    static const char *const names[] = { "shout", "shout:v2", "r.example.com:5000/team/shout",
                                         "localhost/a_b@sha256:" DIGITS, "sha256:" DIGITS };
    static const char *const no_names[] = { "",     "/a",  "a//b",  "a/",    "../info", "a/./b",
                                            "a/..", "a b", "a?b=c", "a%2fb", "\xc3\xbc" };
    char longest[130];

    (void)state;
    assert_true(image_digest_ok(STR("sha256:" DIGITS)));
    assert_false(image_digest_ok(STR("sha256:" DIGITS "0")));
    assert_false(image_digest_ok(STR("sha512:" DIGITS)));
    assert_false(
        image_digest_ok(STR("sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef01234567"
                            "89abcdef")));
    assert_false(image_digest_ok(STR_NULL));
    for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
        assert_true(image_tag_ok(str_of(tags[i])));
    for (size_t i = 0; i < ARRAY_SIZE(none); i++)
        assert_false(image_tag_ok(str_of(none[i])));
    memset(longest, 'a', sizeof(longest));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_true(image_name_ok(str_of(names[i])));
    for (size_t i = 0; i < ARRAY_SIZE(no_names); i++)
        assert_false(image_name_ok(str_of(no_names[i])));
    assert_true(image_tag_ok(str_make(longest, 128)));
    assert_false(image_tag_ok(str_make(longest, 129)));
    assert_false(image_tag_ok(str_make("a\0b", 3)));
}

static void a_configuration_tells_what_a_version_needs(void **state)
{
    static const char config[] =
        "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Labels\":{\"run.cog.config\":"
        "\"{\\\"predict\\\":\\\"p.py:P\\\"}\",\"run.cog.version\":\"0.23.1\","
        "\"run.cog.openapi_schema\":\"{\\\"openapi\\\":\\\"3.0.2\\\",\\\"components\\\":{"
        "\\\"schemas\\\":{\\\"Input\\\":{\\\"type\\\":\\\"object\\\",\\\"properties\\\":{}}}}}\"}}"
        "}";
    const char *reference = "127.0.0.1:5000/acme/shout@sha256:" DIGITS;
    struct image_facts facts;

    (void)state;
    assert_int_equal(image_read_config(&arena, str_of(config), reference, "sha256:" DIGITS, "amd64",
                                       &facts, &err),
                     STATUS_OK);
    assert_string_equal(facts.version, DIGITS);
    assert_string_equal(facts.config.image, reference);
    assert_string_equal(facts.config.predict_ref, "p.py:P");
    assert_string_equal(facts.cog_version, "0.23.1");
    assert_int_equal(image_read_config(&arena, str_of(config), reference, "sha256:" DIGITS, "arm64",
                                       &facts, &err),
                     STATUS_UNPROCESSABLE);
    assert_non_null(strstr(err.text, "amd64"));
    assert_int_equal(image_read_config(&arena, STR("{\"os\":\"windows\"}"), reference,
                                       "sha256:" DIGITS, "", &facts, &err),
                     STATUS_UNPROCESSABLE);
    assert_int_equal(
        image_read_config(&arena, STR("{}"), reference, "sha256:" DIGITS, "", &facts, &err),
        STATUS_UNPROCESSABLE);
    assert_int_equal(
        image_read_config(&arena, STR("[]"), reference, "sha256:" DIGITS, "", &facts, &err),
        STATUS_INVALID);
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
        cmocka_unit_test(an_image_names_its_configuration),
        cmocka_unit_test(an_index_names_the_image_for_this_machine),
        cmocka_unit_test(what_is_no_manifest_is_refused),
        cmocka_unit_test(digests_and_tags),
        cmocka_unit_test(a_configuration_tells_what_a_version_needs),
    };

    return cmocka_run_group_tests(tests, NULL, clean);
}
