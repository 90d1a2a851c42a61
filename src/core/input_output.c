/* SPDX-License-Identifier: Apache-2.0 */
#include "core/input_impl.h"

enum { MAX_HOPS = 32, MAX_STEPS = 1000 };

/* Follows references; the value itself when it is none or leads nowhere. */
static const struct json *follow(const struct json *document, const struct json *v)
{
    for (int hops = 0; hops < MAX_HOPS; hops++) {
        struct str ref = json_to_str(json_get(v, "$ref"));
        const struct json *target = ref.p ? schema_resolve(document, ref) : NULL;

        if (!target)
            break;
        v = target;
    }
    return v;
}

static bool has_files(const struct json *document, const struct json *schema, int depth,
                      int *steps);

static bool any_has_files(const struct json *document, const struct json *list, int depth,
                          int *steps)
{
    if (json_is(list, JSON_ARRAY) || json_is(list, JSON_OBJECT)) {
        json_each (list, v)
            if (has_files(document, v, depth, steps))
                return true;
    }
    return false;
}

static bool has_files(const struct json *document, const struct json *schema, int depth, int *steps)
{
    static const char *const lists[] = { "properties", "allOf", "anyOf", "oneOf" };

    if (!schema || depth == 0 || (*steps)-- <= 0)
        return false;
    schema = follow(document, schema);
    if (str_is(json_to_str(json_get(schema, "format")), "uri"))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        if (any_has_files(document, json_get(schema, lists[i]), depth - 1, steps))
            return true;
    return has_files(document, json_get(schema, "items"), depth - 1, steps) ||
           has_files(document, json_get(schema, "additionalProperties"), depth - 1, steps);
}

static bool is_array(const struct json *schema)
{
    return str_is(json_to_str(json_get(schema, "type")), "array") ||
           json_get(schema, "x-cog-array-type");
}

/* Titles and our own words say nothing, nor do items of which nothing is said. */
static bool is_typed(const struct json *schema)
{
    if (json_is(schema, JSON_OBJECT))
        json_each (schema, v)
            if (!str_is(v->key, "title") && !str_is(v->key, "description") &&
                !str_starts(v->key, "x-") && !(str_is(v->key, "type") && is_array(schema)) &&
                !(str_is(v->key, "items") && !is_typed(v)))
                return true;
    return false;
}

struct output_facts output_facts(struct str openapi)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct output_facts facts = { 0 };
    struct json *document = NULL;
    const struct json *output;
    int steps = MAX_STEPS;

    arena_init(&a);
    if (openapi.n == 0 || json_parse(&a, openapi, NULL, &document, NULL) != STATUS_OK)
        return facts;
    output = follow(document, json_path(document, "components.schemas.Output"));
    facts.is_iterator = str_is(json_to_str(json_get(output, "x-cog-array-type")), "iterator");
    facts.concatenates =
        str_is(json_to_str(json_get(output, "x-cog-array-display")), "concatenate");
    facts.is_array = is_array(output);
    facts.is_typed = is_typed(output);
    facts.has_files = has_files(document, output, MAX_HOPS, &steps);
    steps = MAX_STEPS;
    facts.files_listed =
        facts.is_array && has_files(document, json_get(output, "items"), MAX_HOPS, &steps);
    facts.supports_stream = json_is(
        json_get(json_path(document, "paths./predictions.post"), "x-cog-streaming"), JSON_TRUE);
    return facts;
}
