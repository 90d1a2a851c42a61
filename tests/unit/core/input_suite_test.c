/* SPDX-License-Identifier: Apache-2.0 */
/* The keyword files of the public JSON Schema test suite, as Debian packages it
 * (json-schema-test-suite), for the keywords that input schemas may use. Where the package is not
 * installed the test says so and is skipped; JSON_SCHEMA_TEST_SUITE names another place of its
 * "tests" folder.
 *
 * `differences` lists all that we mean to judge otherwise than the suite, with the reason; a
 * difference that is none any more fails the test as well. */
#include "input_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { MESON_SKIPPED = 77 }; /* as an exit status */

static const char *const folders[] = {
    "/usr/share/json-schema-test-suite/tests",
    "/usr/share/json-schema-test-suite",
};

static const struct {
    const char *draft;
    const char *keywords[32];
} files[] = {
    { "draft4",
      { "additionalProperties",
        "allOf",
        "anyOf",
        "default",
        "enum",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "multipleOf",
        "not",
        "oneOf",
        "pattern",
        "properties",
        "ref",
        "required",
        "type",
        "uniqueItems",
        NULL } },
    { "draft6",
      { "additionalProperties",
        "allOf",
        "anyOf",
        "boolean_schema",
        "const",
        "default",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "multipleOf",
        "not",
        "oneOf",
        "pattern",
        "properties",
        "ref",
        "required",
        "type",
        "uniqueItems",
        NULL } },
};

/* The test is NULL: all of the group. */
static const struct {
    const char *file, *group, *test, *reason;
} differences[] = {
    { "additionalProperties", "additionalProperties being false does not allow other properties",
      "patternProperties are not additional properties", "patternProperties is ignored" },
    { "additionalProperties", "non-ASCII pattern with additionalProperties",
      "matching the pattern is valid", "patternProperties is ignored" },
    { "items", "an array of schemas for items", NULL, "items with a list of schemas is ignored" },
    { "items", "items with boolean schemas", NULL, "items with a list of schemas is ignored" },
    { "properties", "properties, patternProperties, additionalProperties interaction", NULL,
      "patternProperties is ignored" },
    { "ref", "relative pointer ref to array", NULL, "items with a list of schemas is ignored" },
    { "ref", "remote ref, containing refs itself", NULL, "other documents are not fetched" },
    { "ref", "Recursive references between schemas", NULL, "$id is ignored" },
};

struct counts {
    size_t run, different;
    bool is_seen[ARRAY_SIZE(differences)], is_needed[ARRAY_SIZE(differences)];
};

static char *slurp(const char *path)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    FILE *f = fopen(path, "r");

    if (!f)
        return NULL;
    for (size_t n = 1; n > 0;) {
        n = fread(buf_reserve(&text, 65536), 1, 65536, f);
        buf_commit(&text, n);
    }
    fclose(f);
    return buf_take(&text);
}

static const char *suite_folder(struct arena *a)
{
    const char *named = getenv("JSON_SCHEMA_TEST_SUITE");

    for (size_t i = 0; i <= ARRAY_SIZE(folders); i++) {
        const char *folder = i == 0 ? named : folders[i - 1];
        FILE *f = folder ? fopen(arena_printf(a, "%s/draft4/type.json", folder), "r") : NULL;

        if (!f)
            continue;
        fclose(f);
        return folder;
    }
    return NULL;
}

/* In an OpenAPI document the schema is not the root, so that references within it begin elsewhere.
 */
static struct input_schema *wrapped(struct arena *a, const struct json *schema)
{
    static const char before[] = "\"$ref\": \"#";
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct input_schema *s = NULL;
    struct error err = { 0 };
    const char *text = arena_copy(a, schema->span);
    const char *at;

    buf_adds(&b, "{\"components\":{\"schemas\":{\"Input\":");
    while ((at = strstr(text, before)) != NULL) {
        buf_add(&b, text, (size_t)(at - text));
        buf_addf(&b, "%s/components/schemas/Input", before);
        text = at + strlen(before);
    }
    buf_addf(&b, "%s}}}", text);
    if (input_schema_new(buf_str(&b), "Input", &s, &err))
        fail_msg("%s", err.text);
    return s;
}

/* Notes that a case was seen, and whether it differed. */
static bool is_listed(struct counts *counts, const char *file, struct str group, struct str test,
                      bool differs)
{
    bool found = false;

    for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
        if (strcmp(differences[i].file, file) != 0 || !str_is(group, differences[i].group) ||
            (differences[i].test && !str_is(test, differences[i].test)))
            continue;
        found = true;
        counts->is_seen[i] = true;
        counts->is_needed[i] |= differs;
    }
    return found;
}

static void run_group(struct arena *a, const char *draft, const char *file,
                      const struct json *group, struct counts *counts)
{
    struct str name = json_to_str(json_get(group, "description"));
    struct input_schema *s = wrapped(a, json_get(group, "schema"));

    json_each (json_get(group, "tests"), test) {
        struct str what = json_to_str(json_get(test, "description"));
        const char *got = problems_of(a, s, json_get(test, "data"));
        bool is_valid = *got == '\0', expected = false;

        assert_true(json_to_bool(json_get(test, "valid"), &expected));
        counts->run++;
        counts->different += is_valid != expected ? 1 : 0;
        if (!is_listed(counts, file, name, what, is_valid != expected) && is_valid != expected)
            fail_msg("%s/%s: \"%.*s\", \"%.*s\": should be %s; %s", draft, file, STR_ARG(name),
                     STR_ARG(what), expected ? "valid" : "invalid", got);
    }
    input_schema_free(s);
}

static void keyword_files_agree(void **state)
{
    struct arena a = { 0 };
    struct counts counts = { 0 };
    const char *folder;

    (void)state;
    arena_init(&a);
    folder = suite_folder(&a);
    for (size_t d = 0; d < ARRAY_SIZE(files); d++) {
        for (const char *const *file = files[d].keywords; *file; file++) {
            const char *path = arena_printf(&a, "%s/%s/%s.json", folder, files[d].draft, *file);
            char *text CLEANUP(mem_free) = slurp(path);
            struct json *groups = NULL;
            struct error err = { 0 };

            if (!text)
                fail_msg("%s cannot be read", path);
            if (json_parse(&a, str_of(text), NULL, &groups, &err))
                fail_msg("%s: %s", path, err.text);
            json_each (groups, group)
                run_group(&a, files[d].draft, *file, group, &counts);
        }
    }
    print_message("%zu cases, %zu judged otherwise\n", counts.run, counts.different);
    for (size_t i = 0; i < ARRAY_SIZE(differences); i++)
        if (counts.is_seen[i] && !counts.is_needed[i])
            fail_msg("%s, \"%s\" is no difference any more", differences[i].file,
                     differences[i].group);
    assert_true(counts.run > 300);
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(keyword_files_agree) };
    struct arena a = { 0 };
    bool is_there;

    arena_init(&a);
    is_there = suite_folder(&a) != NULL;
    arena_deinit(&a);
    if (!is_there) {
        print_message("skipped: the package json-schema-test-suite is not installed\n");
        return MESON_SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
