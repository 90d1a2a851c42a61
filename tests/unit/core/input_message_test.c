/* SPDX-License-Identifier: Apache-2.0 */
/* The words of problems, and where they are reported. */
#include "input_fixture.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *x, *value, *problems;
} of_x[] = {
    { "{'type':'integer'}", "'3'",
      "invalid_type input.x: Invalid type. Expected: integer, given: string" },
    { "{'type':'integer'}", "3.5",
      "invalid_type input.x: Invalid type. Expected: integer, given: number" },
    { "{'type':'integer'}", "3.0", "" },
    { "{'type':'integer'}", "1e3", "" },
    { "{'type':'integer'}", "18446744073709551615", "" },
    { "{'type':'integer'}", "true",
      "invalid_type input.x: Invalid type. Expected: integer, given: boolean" },
    { "{'type':'integer'}", "null",
      "invalid_type input.x: Invalid type. Expected: integer, given: null" },
    { "{'type':'integer','nullable':true}", "null", "" },
    { "{'type':'integer','nullable':true}", "'a'",
      "invalid_type input.x: Invalid type. Expected: integer, given: string" },
    { "{'type':'number'}", "1", "" },
    { "{'type':'number'}", "[]",
      "invalid_type input.x: Invalid type. Expected: number, given: array" },
    { "{'type':'string'}", "{}",
      "invalid_type input.x: Invalid type. Expected: string, given: object" },
    { "{'type':'string'}", "1",
      "invalid_type input.x: Invalid type. Expected: string, given: integer" },
    { "{'type':'string'}", "1.5",
      "invalid_type input.x: Invalid type. Expected: string, given: number" },
    { "{'type':'boolean'}", "'true'",
      "invalid_type input.x: Invalid type. Expected: boolean, given: string" },
    { "{'type':['string','null']}", "1",
      "invalid_type input.x: Invalid type. Expected: [string,null], given: integer" },
    { "{'type':['string','null']}", "null", "" },
    { "{'minimum':1,'maximum':8}", "9", "number_lte input.x: Must be less than or equal to 8" },
    { "{'minimum':1,'maximum':8}", "0", "number_gte input.x: Must be greater than or equal to 1" },
    { "{'minimum':1,'maximum':8}", "8", "" },
    { "{'minimum':1,'maximum':8}", "'a'", "" },
    { "{'maximum':1.0}", "2", "number_lte input.x: Must be less than or equal to 1" },
    { "{'maximum':0.1}", "0.11", "number_lte input.x: Must be less than or equal to 0.1" },
    { "{'maximum':0.1}", "0.10", "" },
    { "{'maximum':2147483647}", "2147483648",
      "number_lte input.x: Must be less than or equal to 2147483647" },
    { "{'maximum':9223372036854775807}", "9223372036854775808",
      "number_lte input.x: Must be less than or equal to 9.223372037e+18" },
    { "{'maximum':18446744073709551615}", "18446744073709551615", "" },
    { "{'maximum':18446744073709551614}", "18446744073709551615",
      "number_lte input.x: Must be less than or equal to 1.844674407e+19" },
    { "{'maximum':1e-7}", "1", "number_lte input.x: Must be less than or equal to 1e-07" },
    { "{'maximum':8}", "1e999", "number_lte input.x: Must be less than or equal to 8" },
    { "{'exclusiveMaximum':8}", "8", "number_lt input.x: Must be less than 8" },
    { "{'maximum':8,'exclusiveMaximum':true}", "8", "number_lt input.x: Must be less than 8" },
    { "{'maximum':8,'exclusiveMaximum':false}", "8", "" },
    { "{'exclusiveMinimum':-0.5}", "-0.5", "number_gt input.x: Must be greater than -0.5" },
    { "{'minimum':8,'exclusiveMinimum':true}", "8", "number_gt input.x: Must be greater than 8" },
    { "{'multipleOf':8}", "12", "multiple_of input.x: Must be a multiple of 8" },
    { "{'multipleOf':0.01}", "0.07", "" },
    { "{'multipleOf':0}", "1", "" },
    { "{'minLength':2}", "'a'",
      "string_gte input.x: String length must be greater than or equal to 2" },
    { "{'maxLength':2}", "'abc'",
      "string_lte input.x: String length must be less than or equal to 2" },
    { "{'maxLength':2}", "'\xc3\xa4\xf0\x9f\x92\xa9'", "" },
    { "{'pattern':'^[a-z]+$'}", "'ABC'", "pattern input.x: Does not match pattern '^[a-z]+$'" },
    { "{'pattern':'^[a-z]+$'}", "'abc\\n'", "pattern input.x: Does not match pattern '^[a-z]+$'" },
    { "{'pattern':'b'}", "'abc'", "" },
    { "{'pattern':'^\\\\u00e4$'}", "'\xc3\xa4'", "" },
    { "{'pattern':'(unclosed'}", "'abc'", "" },
    { "{'format':'uri'}", "'hello'", "format input.x: Does not match format 'uri'" },
    { "{'format':'uri'}", "'file:///etc/passwd'", "format input.x: Does not match format 'uri'" },
    { "{'format':'uri'}", "'https://'", "format input.x: Does not match format 'uri'" },
    { "{'format':'uri'}", "'https:///a'", "format input.x: Does not match format 'uri'" },
    { "{'format':'uri'}", "'https://a b/'", "format input.x: Does not match format 'uri'" },
    { "{'format':'uri'}", "'https://a/\\u0001'", "format input.x: Does not match format 'uri'" },
    { "{'format':'uri'}", "'data:text/plain;base64'",
      "format input.x: Does not match format 'uri'" },
    { "{'format':'uri'}", "'data:text/plain;base64,aGk='", "" },
    { "{'format':'uri'}", "'HTTPS://a/b c?d#e'", "" },
    { "{'format':'uri'}", "'http://127.0.0.1:1/x'", "" },
    { "{'format':'uri'}", "7", "" },
    { "{'format':'email'}", "'hello'", "" },
    { "{'enum':['a','<b>']}", "'c'",
      "enum input.x: x must be one of the following: \"a\", \"\\u003cb\\u003e\"" },
    { "{'enum':[1,2.50,4.0,null,true,[1],{'k':'v'}]}", "3",
      "enum input.x: x must be one of the following: 1, 2.5, 4, null, true, [1], {\"k\":\"v\"}" },
    { "{'enum':[1]}", "1.0", "" },
    { "{'const':'on'}", "'off'", "const input.x: x does not match: \"on\"" },
    { "{'type':'array','minItems':2}", "[1]",
      "array_min_items input.x: Array must have at least 2 items" },
    { "{'type':'array','maxItems':1}", "[1,2]",
      "array_max_items input.x: Array must have at most 1 items" },
    { "{'type':'array','items':{'type':'string'}}", "['a',1,'b',null]",
      "invalid_type input.x.1: Invalid type. Expected: string, given: integer | "
      "invalid_type input.x.3: Invalid type. Expected: string, given: null" },
    { "{'type':'array','items':{'enum':['a']}}", "['b']",
      "enum input.x.0: x.0 must be one of the following: \"a\"" },
    { "{'type':'array','items':{'type':'string','format':'uri'}}", "['https://a','b']",
      "format input.x.1: Does not match format 'uri'" },
    { "{'uniqueItems':true}", "[1,2,1.0,{'a':1,'b':2},{'b':2,'a':1},1]",
      "unique input.x: array items[0,2] must be unique | unique input.x: array items[3,4] must be "
      "unique | "
      "unique input.x: array items[2,5] must be unique" },
    { "{'uniqueItems':true}", "[0,false,'',null,'0',[],{}]", "" },
    { "{'anyOf':[{'type':'string'},{'type':'number'}]}", "true",
      "number_any_of input.x: Must validate at least one schema (anyOf) | "
      "invalid_type input.x: Invalid type. Expected: string, given: boolean" },
    { "{'anyOf':[{'type':'string'},{'type':'number','maximum':3}]}", "4",
      "number_any_of input.x: Must validate at least one schema (anyOf) | "
      "number_lte input.x: Must be less than or equal to 3" },
    { "{'anyOf':[{'type':'string'},{'type':'number'}]}", "1.5", "" },
    { "{'oneOf':[{'type':'integer'},{'minimum':2}]}", "3",
      "number_one_of input.x: Must validate one and only one schema (oneOf)" },
    { "{'oneOf':[{'type':'integer'},{'minimum':2}]}", "1.5",
      "number_one_of input.x: Must validate one and only one schema (oneOf) | "
      "number_gte input.x: Must be greater than or equal to 2" },
    { "{'not':{'type':'string'}}", "'a'",
      "number_not input.x: Must not validate the schema (not)" },
    { "{'type':'object','properties':{'w':{'type':'integer'}},'required':['w','h']}", "{'w':'1'}",
      "required input.x: h is required | "
      "invalid_type input.x.w: Invalid type. Expected: integer, given: string" },
    { "{'properties':{'w':{}},'additionalProperties':false}", "{'w':1,'v':2}",
      "additional_property_not_allowed input.x: Additional property v is not allowed" },
    { "{'additionalProperties':{'type':'string'}}", "{'w':1}",
      "invalid_type input.x.w: Invalid type. Expected: string, given: integer" },
    { "true", "1", "" },
    { "false", "1", "false input.x: False always fails validation" },
    { "{'x-unknown':1,'deprecated':true,'x-order':0,'title':'X','default':'a'}", "1", "" },
    { "{'$ref':'#/components/schemas/Nowhere'}", "1", "" },
    { "{'allOf':[{'$ref':'#/components/schemas/Input/properties/x/d/a~1b%25'}],'d':{'a/"
      "b%':{'maximum':0}}}",
      "1",
      "number_lte input.x: Must be less than or equal to 0 | "
      "number_all_of input.x: Must validate all the schemas (allOf)" },
    { "{'$ref':'#/components/schemas/Input/properties/x'}", "1",
      "internal input.x: The schema refers to itself without end" },
    { "{'allOf':[{'$ref':'#/components/schemas/Input/properties/x'}]}", "1",
      "internal input.x: The schema refers to itself without end" },
};

static void words_of_one_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(of_x); i++) {
        struct arena a = { 0 };
        struct input_schema *s;
        const char *got, *expected;

        arena_init(&a);
        s = schema_of_x(&a, of_x[i].x);
        got = problems_of(&a, s, json_of(&a, arena_printf(&a, "{'x':%s}", of_x[i].value)));
        /* The words of patterns and formats have single quotes of their own. */
        expected = of_x[i].problems;
        if (strcmp(got, expected) != 0)
            fail_msg("%s of %s:\n got \"%s\"\n not \"%s\"", of_x[i].value, of_x[i].x, got,
                     expected);
        input_schema_free(s);
        arena_deinit(&a);
    }
}

static void missing_inputs_are_reported_at_their_parent(void **state)
{
    struct arena a = { 0 };
    struct input_schema *s;

    (void)state;
    arena_init(&a);
    s = schema_of(
        &a,
        "'Input':{'type':'object','required':['topic','n'],'properties':{'topic':{'type':'string'},"
        "'steps':{'type':'integer','maximum':8}}}");
    assert_string_equal(problems_of(&a, s, json_of(&a, "{'steps':9,'other':1}")),
                        "required input: topic is required | required input: n is required | "
                        "number_lte input.steps: Must be less than or equal to 8");
    assert_string_equal(problems_of(&a, s, json_of(&a, "[1]")),
                        "invalid_type input: Invalid type. Expected: object, given: array");
    assert_string_equal(problems_of(&a, s, json_of(&a, "{'topic':'a','n':1,'topic':2}")),
                        "invalid_type input.topic: Invalid type. Expected: string, given: integer");
    input_schema_free(s);
    arena_deinit(&a);
}

static void choices_come_through_references(void **state)
{
    struct arena a = { 0 };
    struct input_schema *s;

    (void)state;
    arena_init(&a);
    s = schema_of(
        &a, "'color':{'title':'color','description':'An enumeration.','enum':['red','green'],"
            "'type':'string'},'Input':{'type':'object','properties':{'color':{'default':'red',"
            "'allOf':[{'$ref':'#/components/schemas/color'}],'x-order':0,'nullable':true},"
            "'direct':{'$ref':'#/components/schemas/color'}}}");
    assert_string_equal(problems_of(&a, s, json_of(&a, "{'color':'green','direct':'red'}")), "");
    assert_string_equal(problems_of(&a, s, json_of(&a, "{'color':null}")), "");
    assert_string_equal(
        problems_of(&a, s, json_of(&a, "{'color':'blue'}")),
        "enum input.color: color must be one of the following: \"red\", \"green\" | "
        "number_all_of input.color: Must validate all the schemas (allOf)");
    assert_string_equal(
        problems_of(&a, s, json_of(&a, "{'direct':'blue'}")),
        "enum input.direct: direct must be one of the following: \"red\", \"green\"");
    input_schema_free(s);
    arena_deinit(&a);
}

static void recursive_schemas_work(void **state)
{
    struct arena a = { 0 };
    struct input_schema *s;

    (void)state;
    arena_init(&a);
    s = schema_of(
        &a, "'node':{'type':'object','properties':{'next':{'$ref':'#/components/schemas/node'},"
            "'v':{'type':'integer'}}},'Input':{'$ref':'#/components/schemas/node'}");
    assert_string_equal(problems_of(&a, s, json_of(&a, "{'next':{'next':{'v':1}}}")), "");
    assert_string_equal(
        problems_of(&a, s, json_of(&a, "{'next':{'next':{'v':'a'}}}")),
        "invalid_type input.next.next.v: Invalid type. Expected: integer, given: string");
    input_schema_free(s);
    arena_deinit(&a);
}

static void a_missing_schema_takes_everything(void **state)
{
    static const char *const documents[] = { "", "{}", "[]",
                                             "{\"components\":{\"schemas\":{\"Input\":7}}}",
                                             "{\"components\":{\"schemas\":[{\"$ref\":\"#\"}]}}" };
    struct arena a = { 0 };
    struct error err;

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
        struct input_schema *s;
        struct buf out = BUF_INIT(1000);
        struct json *input = json_of(&a, "{'a': null, 'b' : 3.0}");

        assert_int_equal(input_schema_new(str_of(documents[i]), "Input", &s, &err), STATUS_OK);
        assert_null(input_validate(s, &a, input));
        input_normalize(s, input, &out);
        assert_string_equal(out.p, "{\"a\": null, \"b\" : 3.0}");
        buf_clear(&out);
        assert_false(input_has_secrets(s));
        assert_false(input_mask(s, input, &out));
        buf_deinit(&out);
        input_schema_free(s);
    }
    assert_int_equal(
        input_schema_new(STR("{\"components\":"), "Input", &(struct input_schema *){ NULL }, &err),
        STATUS_INVALID);
    arena_deinit(&a);
}

static char *repeated(const char *begin, const char *piece, size_t n, const char *end)
{
    struct buf b = BUF_INIT(BUF_UNBOUNDED);

    buf_adds(&b, begin);
    for (size_t i = 0; i < n; i++)
        buf_adds(&b, piece);
    buf_adds(&b, end);
    return buf_take(&b);
}

static size_t count(const struct input_problem *p)
{
    size_t n = 0;

    for (; p; p = p->next)
        n++;
    return n;
}

static void problems_are_at_most_a_hundred(void **state)
{
    struct arena a = { 0 };
    struct input_schema *s;
    char *text = repeated("{'x':[0", ",0", 100000, "]}");

    (void)state;
    arena_init(&a);
    s = schema_of_x(&a, "{'type':'array','items':{'type':'string'}}");
    assert_int_equal(count(input_validate(s, &a, json_of(&a, text))), 100);
    input_schema_free(s);
    s = schema_of_x(&a, "{'uniqueItems':true}");
    assert_int_equal(count(input_validate(s, &a, json_of(&a, text))), 100);
    input_schema_free(s);
    free(text);
    arena_deinit(&a);
}

static void long_keys_are_cut_in_messages(void **state)
{
    struct arena a = { 0 };
    struct input_schema *s;
    char *key = repeated("{'x':{'", "\xc3\xa4", 5000, "':1}}");
    const struct input_problem *p;

    (void)state;
    arena_init(&a);
    s = schema_of_x(&a, "{'additionalProperties':false}");
    p = input_validate(s, &a, json_of(&a, key));
    assert_non_null(p);
    assert_true(strlen(p->description) < 300);
    assert_true(strstr(p->description, "\xc3\xa4... is not allowed") != NULL);
    input_schema_free(s);
    free(key);
    arena_deinit(&a);
}

/* Each of these would run for minutes or for ever without the limits. */
static void hostile_schemas_end(void **state)
{
    struct arena a = { 0 };
    struct input_schema *s;
    char *many_a = repeated("{'x':'", "a", 1000000, "!'}");
    char *many_short = repeated("{'x':['a'", ",'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'", 1000, "]}");
    char *deep = repeated("{'x':", "[", 100, "");

    (void)state;
    arena_init(&a);
    s = schema_of_x(&a, "{'pattern':'^(a+)+$'}");
    assert_string_equal(problems_of(&a, s, json_of(&a, many_a)),
                        "pattern input.x: Does not match pattern '^(a+)+$'");
    input_schema_free(s);
    s = schema_of_x(&a, "{'pattern':'a++b'}");
    assert_string_equal(problems_of(&a, s, json_of(&a, many_a)),
                        "pattern input.x: Does not match pattern 'a++b'");
    input_schema_free(s);
    s = schema_of_x(&a, "{'items':{'pattern':'^(a+)+$'}}");
    assert_non_null(strstr(problems_of(&a, s, json_of(&a, many_short)), "takes too long to check"));
    input_schema_free(s);
    /* 4^100 branches */
    s = schema_of(
        &a, "'l':{'anyOf':[{'type':'array','items':{'$ref':'#/components/schemas/l'},'minItems':2},"
            "{'type':'array','items':{'$ref':'#/components/schemas/l'},'minItems':3},"
            "{'type':'array','items':{'$ref':'#/components/schemas/l'},'minItems':4}]},"
            "'Input':{'properties':{'x':{'$ref':'#/components/schemas/l'}}}");
    {
        char *closed = repeated(deep, "]", 100, "}");
        const char *got = problems_of(&a, s, json_of(&a, closed));

        assert_non_null(strstr(got, "The input takes too long to check against the schema"));
        free(closed);
    }
    input_schema_free(s);
    free(many_a);
    free(many_short);
    free(deep);
    arena_deinit(&a);
}

static void long_chains_of_references_compile(void **state)
{
    struct arena a = { 0 };
    struct buf b = BUF_INIT(BUF_UNBOUNDED);
    struct input_schema *s;

    (void)state;
    arena_init(&a);
    for (int i = 0; i < 20000; i++)
        buf_addf(&b, "'n%d':{'$ref':'#/components/schemas/n%d'},", i, i + 1);
    buf_adds(&b, "'n20000':{'type':'string','format':'password'},'Input':{'$ref':'#/components/"
                 "schemas/n0'}");
    s = schema_of(&a, b.p);
    assert_true(input_has_secrets(s));
    assert_non_null(strstr(problems_of(&a, s, json_of(&a, "{}")), "refers to itself without end"));
    input_schema_free(s);
    buf_deinit(&b);
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_one_value),
        cmocka_unit_test(missing_inputs_are_reported_at_their_parent),
        cmocka_unit_test(choices_come_through_references),
        cmocka_unit_test(recursive_schemas_work),
        cmocka_unit_test(a_missing_schema_takes_everything),
        cmocka_unit_test(problems_are_at_most_a_hundred),
        cmocka_unit_test(long_keys_are_cut_in_messages),
        cmocka_unit_test(hostile_schemas_end),
        cmocka_unit_test(long_chains_of_references_compile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
