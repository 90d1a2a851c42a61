/* SPDX-License-Identifier: Apache-2.0 */
/* The copies of an input that the instance and the store get, and the facts of outputs. */
#include "input_fixture.h"

#include <string.h>

/* What Cog 0.23 makes of an Input with every kind of argument. */
static const char every_kind[] =
    "'c':{'title':'c','description':'An enumeration.','enum':['red','green'],'type':'string'},"
    "'ci':{'title':'ci','description':'An enumeration.','enum':[1,2,4],'type':'integer'},"
    "'Input':{'title':'Input','type':'object','required':['s'],'properties':{"
    "'s':{'x-order':0,'title':'S','type':'string','minLength':2,'maxLength':8,'pattern':'^[a-z]+$'}"
    ","
    "'i':{'x-order':1,'title':'I','type':'integer','default':3,'minimum':0,'maximum':10},"
    "'f':{'x-order':2,'title':'F','type':'number','default':0.5,'minimum':0.0,'maximum':1.0},"
    "'b':{'x-order':3,'title':'B','type':'boolean','default':false},"
    "'c':{'x-order':4,'allOf':[{'$ref':'#/components/schemas/c'}],'default':'red'},"
    "'ci':{'x-order':5,'allOf':[{'$ref':'#/components/schemas/ci'}],'default':1},"
    "'o':{'x-order':6,'title':'O','type':'integer','nullable':true},"
    "'p':{'x-order':7,'title':'P','type':'string','format':'uri','nullable':true},"
    "'ps':{'x-order':8,'title':'Ps','type':'array','items':{'type':'string','format':'uri'},'"
    "default':[]},"
    "'sec':{'x-order':9,'title':'Sec','type':'string','format':'password','writeOnly':true,"
    "'x-cog-secret':true,'nullable':true},"
    "'d':{'x-order':10,'title':'D','type':'object','default':{}},"
    "'u':{'x-order':11,'title':'U','anyOf':[{'type':'string'},{'type':'integer'}],'nullable':true},"
    "'li':{'x-order':12,'title':'Li','type':'array','items':{'type':'integer'},'nullable':true}}}";

static const struct {
    const char *input, *expected;
} normalized[] = {
    { "{'s':'ab'}", "{'s':'ab','i':3,'f':0.5,'b':false,'c':'red','ci':1,'ps':[],'d':{}}" },
    { "{ 'o' : null , 'unknown' : {'a':1}, 's':'ab', 'p':null, 'u':null }",
      "{'s':'ab','i':3,'f':0.5,'b':false,'c':'red','ci':1,'ps':[],'d':{}}" },
    { "{'i':4.0,'f':1,'o':-0.0,'s':'ab','b':true,'c':'green','ci':2.0,'ps':['https://a/"
      "b'],'d':{'x': 3.0},"
      "'u':5.0,'li':[1.0, 2,3e0],'sec':'x','p':'data:,a'}",
      "{'i':4,'f':1,'o':0,'s':'ab','b':true,'c':'green','ci':2,'ps':['https://a/b'],'d':{'x': 3.0},"
      "'u':5,'li':[1,2,3],'sec':'x','p':'data:,a'}" },
    { "{'s':'ab','i':1,'i':2.0,'c':null,'f':0,'b':false,'ci':1,'ps':[],'d':{}}",
      "{'s':'ab','i':2,'f':0,'b':false,'ci':1,'ps':[],'d':{},'c':'red'}" },
    { "{'s':'ab','o':18446744073709551615.0}", "{'s':'ab','o':18446744073709551615,'i':3,'f':0.5,'"
                                               "b':false,'c':'red','ci':1,'ps':[],'d':{}}" },
};

static void instances_get_whole_inputs(void **state)
{
    struct arena a = { 0 };
    struct input_schema *s;

    (void)state;
    arena_init(&a);
    s = schema_of(&a, every_kind);
    for (size_t i = 0; i < ARRAY_SIZE(normalized); i++) {
        struct buf out = BUF_INIT(BUF_UNBOUNDED);
        struct json *again;
        struct error err;

        input_normalize(s, json_of(&a, normalized[i].input), &out);
        assert_string_equal(out.p, unquoted(&a, normalized[i].expected));
        assert_int_equal(json_parse(&a, buf_str(&out), NULL, &again, &err), STATUS_OK);
        assert_string_equal(problems_of(&a, s, again), "");
        buf_deinit(&out);
    }
    input_schema_free(s);
    arena_deinit(&a);
}

static void null_stays_where_the_schema_wants_it(void **state)
{
    static const struct {
        const char *x, *input, *expected;
    } rows[] = {
        { "{'type':['integer','null']}", "{'x':null}", "{'x':null}" },
        { "{'anyOf':[{'type':'integer'},{'type':'null'}],'default':null}", "{'x':null}",
          "{'x':null}" },
        { "{'anyOf':[{'type':'integer'},{'type':'null'}],'default':null}", "{}", "{'x':null}" },
        { "{'type':'integer','nullable':true,'default':null}", "{}", "{}" },
        { "{'type':'integer','nullable':true,'default':5}", "{'x':null}", "{'x':5}" },
        { "{'title':'Any'}", "{'x':null}", "{'x':null}" },
        { "{'enum':['a',null]}", "{'x':null}", "{'x':null}" },
        { "{'type':'array','items':{'type':'integer','nullable':true}}", "{'x':[null,1.0]}",
          "{'x':[null,1]}" },
        { "{'type':'object','properties':{'w':{'type':'integer'}}}", "{'x':{'w':1.0,'v':2.0}}",
          "{'x':{'w':1,'v':2.0}}" },
        { "{'type':'object','additionalProperties':{'type':'integer'}}", "{'x':{'w\\\"':1.0}}",
          "{'x':{'w\\\"':1}}" },
        { "{'type':'integer','default':4.0}", "{}", "{'x':4}" },
        { "{'type':['integer','number']}", "{'x':4.0}", "{'x':4.0}" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct arena a = { 0 };
        struct buf out = BUF_INIT(BUF_UNBOUNDED);
        struct input_schema *s;

        arena_init(&a);
        s = schema_of_x(&a, rows[i].x);
        input_normalize(s, json_of(&a, rows[i].input), &out);
        assert_string_equal(out.p, unquoted(&a, rows[i].expected));
        input_schema_free(s);
        buf_deinit(&out);
        arena_deinit(&a);
    }
}

static void a_required_null_stays(void **state)
{
    struct arena a = { 0 };
    struct buf out = BUF_INIT(BUF_UNBOUNDED);
    struct input_schema *s;

    (void)state;
    arena_init(&a);
    s = schema_of(
        &a, "'Input':{'required':['x'],'properties':{'x':{'type':'string','nullable':true}}}");
    input_normalize(s, json_of(&a, "{'x':null}"), &out);
    assert_string_equal(out.p, "{\"x\":null}");
    input_schema_free(s);
    buf_deinit(&out);
    arena_deinit(&a);
}

static void unknown_keys_stay_where_they_are_meant(void **state)
{
    static const struct {
        const char *input_schema, *expected;
    } rows[] = {
        { "'Input':{'type':'object'}", "{'y':1.0}" },
        { "'Input':{'type':'object','properties':{}}", "{}" },
        { "'Input':{'properties':{},'additionalProperties':true}", "{'y':1.0}" },
        { "'Input':{'properties':{},'additionalProperties':{'type':'integer'}}", "{'y':1}" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct arena a = { 0 };
        struct buf out = BUF_INIT(BUF_UNBOUNDED);
        struct input_schema *s;

        arena_init(&a);
        s = schema_of(&a, rows[i].input_schema);
        input_normalize(s, json_of(&a, "{'y':1.0}"), &out);
        assert_string_equal(out.p, unquoted(&a, rows[i].expected));
        input_schema_free(s);
        buf_deinit(&out);
        arena_deinit(&a);
    }
}

static void the_limit_of_the_buffer_holds(void **state)
{
    struct arena a = { 0 };
    struct buf out = BUF_INIT(20);
    struct input_schema *s;

    (void)state;
    arena_init(&a);
    s = schema_of(&a, every_kind);
    input_normalize(s, json_of(&a, "{'s':'ab'}"), &out);
    assert_true(out.failed);
    input_schema_free(s);
    buf_deinit(&out);
    arena_deinit(&a);
}

static const struct {
    const char *schemas, *input, *expected; /* NULL: no secret in it */
} masked[] = {
    { every_kind, "{ 's':'ab', 'sec' : 'hunter2' , 'i':1}",
      "{ 's':'ab', 'sec' : '**********' , 'i':1}" },
    { every_kind, "{'s':'ab'}", NULL },
    { every_kind, "{'s':'ab','sec':null}", NULL },
    { every_kind, "{'sec':'a','sec':'b'}", "{'sec':'**********','sec':'**********'}" },
    { "'Input':{'properties':{'l':{'items':{'format':'password'}}}}", "{'l':['a',null,'b']}",
      "{'l':['**********',null,'**********']}" },
    { "'Input':{'properties':{'o':{'additionalProperties':{'x-cog-secret':true}}}}",
      "{'o':{'k':{'n':1}}}", "{'o':{'k':'**********'}}" },
    { "'t':{'format':'password'},'Input':{'properties':{'t':{'allOf':[{'$ref':'#/components/"
      "schemas/t'}]},"
      "'u':{'anyOf':[{'type':'integer'},{'$ref':'#/components/schemas/t'}]}}}",
      "{'t':'a','u':1,'v':2}", "{'t':'**********','u':'**********','v':2}" },
    /* found out of order, and one within the other */
    { "'Input':{'allOf':[{'properties':{'b':{'x-cog-secret':true}}},{'properties':{'a':{'x-cog-"
      "secret':true},"
      "'b':{'properties':{'c':{'x-cog-secret':true}}}}}]}",
      "{'a':'1','b':{'c':'2'}}", "{'a':'**********','b':'**********'}" },
    { "'Input':{'x-cog-secret':true}", "{'a':1}", "'**********'" },
};

static void secrets_are_masked(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(masked); i++) {
        struct arena a = { 0 };
        struct buf out = BUF_INIT(BUF_UNBOUNDED);
        struct input_schema *s;
        bool found;

        arena_init(&a);
        s = schema_of(&a, masked[i].schemas);
        assert_true(input_has_secrets(s));
        found = input_mask(s, json_of(&a, masked[i].input), &out);
        assert_int_equal(found, masked[i].expected != NULL);
        if (found)
            assert_string_equal(out.p, unquoted(&a, masked[i].expected));
        else
            assert_int_equal(out.n, 0);
        input_schema_free(s);
        buf_deinit(&out);
        arena_deinit(&a);
    }
}

/* 2^100 ways lead to the secret: rather all is masked than that the search goes on. */
static void a_search_without_end_masks_all(void **state)
{
    struct arena a = { 0 };
    struct buf out = BUF_INIT(BUF_UNBOUNDED);
    struct input_schema *s;

    (void)state;
    arena_init(&a);
    s = schema_of(
        &a, "'Input':{'anyOf':[{'$ref':'#/components/schemas/Input'},"
            "{'$ref':'#/components/schemas/Input'}],'properties':{'p':{'format':'password'}}}");
    assert_true(input_mask(s, json_of(&a, "{'p':'hunter2'}"), &out));
    assert_null(strstr(out.p, "hunter2"));
    input_schema_free(s);
    buf_deinit(&out);
    arena_deinit(&a);
}

static struct output_facts facts_of(struct arena *a, const char *output, const char *post)
{
    return output_facts(str_of(unquoted(
        a,
        arena_printf(a,
                     "{'paths':{'/predictions':{'post':%s}},'components':{'schemas':{'Output':%s,"
                     "'f':{'type':'string','format':'uri'},'loop':{'items':{'$ref':'#/components/"
                     "schemas/loop'}}"
                     "}}}",
                     post, output))));
}

static void outputs_have_facts(void **state)
{
    static const struct {
        const char *output, *post;
        struct output_facts facts;
    } rows[] = {
        { "{'type':'string'}", "{}", { 0 } },
        { "{'type':'string','format':'uri'}",
          "{'x-cog-streaming':true}",
          { .has_files = true, .supports_stream = true } },
        { "{'type':'array','items':{'type':'string'},'x-cog-array-type':'iterator',"
          "'x-cog-array-display':'concatenate'}",
          "{'x-cog-streaming':false}",
          { .is_iterator = true, .concatenates = true, .is_array = true } },
        { "{'type':'array','items':{'$ref':'#/components/schemas/f'}}",
          "{}",
          { .has_files = true, .files_listed = true, .is_array = true } },
        { "{'type':'object','properties':{'a':{'type':'array','items':{'$ref':'#/components/"
          "schemas/f'}}}}",
          "{}",
          { .has_files = true } },
        { "{'title':'Output','$ref':'#/components/schemas/f'}", "{}", { .has_files = true } },
        { "{'anyOf':[{'type':'integer'},{'$ref':'#/components/schemas/f'}]}",
          "{}",
          { .has_files = true } },
        { "{'type':'object','additionalProperties':{'format':'uri'}}",
          "{}",
          { .has_files = true } },
        { "{'$ref':'#/components/schemas/loop'}", "{}", { 0 } },
        { "{'title':'Any'}", "null", { 0 } },
    };
    static const char *const typed[] = { "{'title':'Output','type':'string'}",
                                         "{'type':'array','items':{'type':'string'}}",
                                         "{'type':'array','maxItems':2}", "{'enum':['a']}" };
    static const char *const untyped[] = {
        "{}", "{'title':'Output','description':'what comes'}",
        "{'title':'Output','type':'array','items':{},'x-cog-array-type':'iterator'}", "true"
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct arena a = { 0 };
        struct output_facts f;

        arena_init(&a);
        f = facts_of(&a, rows[i].output, rows[i].post);
        assert_int_equal(f.is_iterator, rows[i].facts.is_iterator);
        assert_int_equal(f.concatenates, rows[i].facts.concatenates);
        assert_int_equal(f.has_files, rows[i].facts.has_files);
        assert_int_equal(f.files_listed, rows[i].facts.files_listed);
        assert_int_equal(f.is_array, rows[i].facts.is_array);
        assert_int_equal(f.supports_stream, rows[i].facts.supports_stream);
        arena_deinit(&a);
    }
    for (size_t i = 0; i < ARRAY_SIZE(typed); i++) {
        struct arena a = { 0 };

        arena_init(&a);
        assert_true(facts_of(&a, typed[i], "{}").is_typed);
        arena_deinit(&a);
    }
    for (size_t i = 0; i < ARRAY_SIZE(untyped); i++) {
        struct arena a = { 0 };

        arena_init(&a);
        assert_false(facts_of(&a, untyped[i], "{}").is_typed);
        arena_deinit(&a);
    }
    assert_false(output_facts(STR("")).is_array);
    assert_false(output_facts(STR("{")).is_array);
    assert_false(output_facts(STR("[]")).is_array);
}

static void trainings_have_a_component_of_their_own(void **state)
{
    struct arena a = { 0 };
    struct input_schema *s;
    struct error err;
    const char *document;

    (void)state;
    arena_init(&a);
    document =
        unquoted(&a, "{'components':{'schemas':{'Input':{'properties':{'x':{'type':'string'}}},"
                     "'TrainingInput':{'properties':{'steps':{'type':'integer','default':3}}}}}}");
    assert_int_equal(input_schema_new(str_of(document), "TrainingInput", &s, &err), STATUS_OK);
    assert_string_equal(problems_of(&a, s, json_of(&a, "{'x':1,'steps':'a'}")),
                        "invalid_type input.steps: Invalid type. Expected: integer, given: string");
    input_schema_free(s);
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instances_get_whole_inputs),
        cmocka_unit_test(null_stays_where_the_schema_wants_it),
        cmocka_unit_test(a_required_null_stays),
        cmocka_unit_test(unknown_keys_stay_where_they_are_meant),
        cmocka_unit_test(the_limit_of_the_buffer_holds),
        cmocka_unit_test(secrets_are_masked),
        cmocka_unit_test(a_search_without_end_masks_all),
        cmocka_unit_test(outputs_have_facts),
        cmocka_unit_test(trainings_have_a_component_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
