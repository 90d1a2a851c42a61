/* SPDX-License-Identifier: Apache-2.0 */
/* Where addresses of files stand, and how they are replaced. */
#include "input_fixture.h"

#define URI "{'type':'string','format':'uri'}"

static const struct {
    const char *schema; /* of the whole */
    const char *value;
    const char *found; /* with each address as <field:text>, loose ones as <?...> */
} rows[] = {
    { URI, "'http://a/b'", "<:http://a/b>" },
    { URI, "null", "null" },
    { "{'type':'string'}", "'data:,a'", "'data:,a'" },
    { "{'type':'array','items':" URI "}", "[ 'a:1' , 'a:2' ]", "[ <:a:1> , <:a:2> ]" },
    { "{'type':'object','properties':{'p':" URI
      ",'s':{'type':'string'},'l':{'type':'array','items':" URI
      "},'o':{'$ref':'#/components/schemas/O'}}}",
      "{'p':'a:1','s':'data:,x','l':['a:2',null],'o':{'deep':'a:3','other':'data:,y'}}",
      "{'p':<p:a:1>,'s':'data:,x','l':[<l:a:2>,null],'o':{'deep':<o:a:3>,'other':'data:,y'}}" },
    { "{'anyOf':[" URI ",{'type':'null'}]}", "'a:1'", "<:a:1>" },
    { "{'allOf':[" URI "," URI "]}", "'a:1'", "<:a:1>" },
    { "{'type':'object','additionalProperties':" URI "}", "{'k':'a:1'}", "{'k':<k:a:1>}" },
    /* Nothing is said: what begins like data may be data. */
    { "{'title':'Output'}", "{'k':['data:,x','text']}", "{'k':[<?:data:,x>,'text']}" },
    { "{'type':'object'}", "{'k':'data:,x'}", "{'k':<?k:data:,x>}" },
    { "{'type':'array'}", "['data:,x']", "[<?:data:,x>]" },
    { "{'type':'array','items':{}}", "['data:,x']", "[<?:data:,x>]" },
    { "{'type':'array','items':{'type':'string'}}", "['data:,x']", "['data:,x']" },
};

static void addresses_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct arena a = { 0 };
        struct input_schema *s =
            schema_of(&a, arena_printf(&a,
                                       "'Input':%s,'O':{'type':'object','properties':{'deep':" URI
                                       ",'other':{'type':'string'}}}",
                                       rows[i].schema));
        struct json *v = json_of(&a, rows[i].value);
        struct buf out = BUF_INIT(BUF_UNBOUNDED);
        struct input_uri *uris;
        size_t n = input_uris(s, &a, v, true, &uris);
        struct str *with = arena_array(&a, struct str, n + 1);

        for (size_t k = 0; k < n; k++)
            with[k] = str_of(arena_printf(&a, "<%s%.*s:%.*s>", uris[k].is_loose ? "?" : "",
                                          STR_ARG(uris[k].field), STR_ARG(uris[k].value->text)));
        input_replace(v, uris, with, n, &out);
        assert_string_equal(out.p, unquoted(&a, rows[i].found));
        buf_deinit(&out);
        input_schema_free(s);
        arena_deinit(&a);
    }
}

static void what_is_loose_is_found_on_demand_only(void **state)
{
    struct arena a = { 0 };
    struct input_schema *s = schema_of(&a, "'Input':{'title':'x'}");
    struct input_schema *none = schema_of(&a, "'Other':{}");
    struct json *v = json_of(&a, "'data:,x'");
    struct input_uri *uris;

    (void)state;
    assert_int_equal(input_uris(s, &a, v, false, &uris), 0);
    assert_int_equal(input_uris(s, &a, v, true, &uris), 1);
    assert_int_equal(input_uris(none, &a, v, true, &uris), 1);
    assert_int_equal(input_uris(none, &a, v, false, &uris), 0);
    assert_false(input_has_uris(s));
    assert_false(input_has_uris(none));
    input_schema_free(s);
    input_schema_free(none);
    arena_deinit(&a);
}

static void some_are_left_as_they_are(void **state)
{
    struct arena a = { 0 };
    struct input_schema *s = schema_of(&a, "'Input':{'type':'array','items':" URI "}");
    struct json *v = json_of(&a, "['a:1','a:2','a:3']");
    struct str with[3] = { STR_NULL, STR("\"new\""), STR_NULL };
    struct buf out = BUF_INIT(BUF_UNBOUNDED);
    struct input_uri *uris;

    (void)state;
    assert_true(input_has_uris(s));
    assert_int_equal(input_uris(s, &a, v, false, &uris), 3);
    input_replace(v, uris, with, 3, &out);
    assert_string_equal(out.p, "[\"a:1\",\"new\",\"a:3\"]");
    assert_true(input_accepts(s, json_of(&a, "['https://a']")));
    assert_false(input_accepts(s, json_of(&a, "null")));
    buf_deinit(&out);
    input_schema_free(s);
    arena_deinit(&a);
}

/* A schema that contains itself does not keep us for ever. */
static void a_cycle_ends(void **state)
{
    struct arena a = { 0 };
    struct input_schema *s = schema_of(
        &a, "'Input':{'anyOf':[" URI
            ",{'$ref':'#/components/schemas/Input'},{'$ref':'#/components/schemas/Input'}]}");
    struct input_uri *uris;

    (void)state;
    assert_int_equal(input_uris(s, &a, json_of(&a, "'a:1'"), false, &uris), 1);
    input_schema_free(s);
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_found),
        cmocka_unit_test(what_is_loose_is_found_on_demand_only),
        cmocka_unit_test(some_are_left_as_they_are),
        cmocka_unit_test(a_cycle_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
