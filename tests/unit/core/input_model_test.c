/* SPDX-License-Identifier: Apache-2.0 */
/* The shapes of Input that models have: those of Cog 0.23, and of its predecessors that ran on
 * pydantic. */
#include "input_fixture.h"

#include <string.h>

static const char hello[] =
    "'Input':{'title':'Input','type':'object','required':['text'],'properties':{"
    "'text':{'x-order':0,'title':'Text','type':'string','description':'Who'}}}";

static const char no_arguments[] = "'Input':{'title':'Input','type':'object','properties':{}}";

static const char files[] =
    "'Input':{'title':'Input','type':'object','required':['image','more'],'properties':{"
    "'image':{'x-order':0,'title':'Image','type':'string','format':'uri','x-cog-accept':'image/*'},"
    "'more':{'x-order':1,'title':'More','type':'array','items':{'type':'string','format':'uri'}},"
    "'mask':{'x-order':2,'title':'Mask','type':'string','format':'uri','nullable':true}}}";

static const char unions[] = "'Input':{'title':'Input','type':'object','properties':{"
                             "'stop':{'x-order':0,'title':'Stop','anyOf':[{'type':'string'},{'type'"
                             ":'array','items':{'type':'string'}}],"
                             "'nullable':true},"
                             "'seed':{'x-order':1,'title':'Seed','anyOf':[{'type':'integer'},{'"
                             "type':'number'}],'default':0}}}";

static const char training[] =
    "'size':{'title':'size','description':'An enumeration.','enum':[256,512],'type':'integer'},"
    "'Input':{'title':'TrainingInput','type':'object','required':['data'],'properties':{"
    "'data':{'x-order':0,'title':'Data','type':'string','format':'uri'},"
    "'steps':{'x-order':1,'title':'Steps','type':'integer','default':3,'minimum':1},"
    "'size':{'x-order':2,'allOf':[{'$ref':'#/components/schemas/size'}],'default':512}}}";

/* pydantic 2: null is a type, Literal is an enumeration, a nested class a direct reference */
static const char pydantic[] =
    "'Point':{'title':'Point','type':'object','required':['x'],'properties':{'x':{'type':'number',"
    "'exclusiveMinimum':0},'y':{'type':'number','default':1}},'additionalProperties':false},"
    "'Input':{'title':'Input','type':'object','properties':{"
    "'mode':{'enum':['fast','good'],'type':'string','default':'fast'},"
    "'only':{'const':'yes','default':'yes'},"
    "'limit':{'anyOf':[{'type':'integer','maximum':9},{'type':'null'}]},"
    "'at':{'$ref':'#/components/schemas/Point','default':{'x':2.0}},"
    "'names':{'type':'object','additionalProperties':{'type':'string'}},"
    "'any':{'title':'Any'}}}";

static const struct {
    const char *schemas, *input, *problems, *normalized;
} rows[] = {
    { hello, "{'text':'Alice'}", "", "{'text':'Alice'}" },
    { hello, "{'text':'Alice','stream':true}", "", "{'text':'Alice'}" },
    { hello, "{}", "required input: text is required", NULL },
    { hello, "{'text':null}",
      "invalid_type input.text: Invalid type. Expected: string, given: null", NULL },
    { no_arguments, "{}", "", "{}" },
    { no_arguments, "{'x':1}", "", "{}" },
    { files, "{'image':'data:image/png;base64,iVBO','more':[]}", "",
      "{'image':'data:image/png;base64,iVBO','more':[]}" },
    { files, "{'image':'/tmp/a.png','more':['https://a/b','c'],'mask':'ftp://a/b'}",
      "format input.image: Does not match format 'uri' | format input.more.1: Does not match "
      "format 'uri' | "
      "format input.mask: Does not match format 'uri'",
      NULL },
    { files, "{'image':'https://a/b','more':'https://a/b'}",
      "invalid_type input.more: Invalid type. Expected: array, given: string", NULL },
    { unions, "{'stop':['a','b'],'seed':1.0}", "", "{'stop':['a','b'],'seed':1}" },
    { unions, "{'stop':null}", "", "{'seed':0}" },
    { unions, "{'stop':[1]}",
      "number_any_of input.stop: Must validate at least one schema (anyOf) | "
      "invalid_type input.stop.0: Invalid type. Expected: string, given: integer",
      NULL },
    { training, "{'data':'https://a/b.zip','steps':5.0,'size':256}", "",
      "{'data':'https://a/b.zip','steps':5,'size':256}" },
    { training, "{'data':'https://a/b.zip','steps':0,'size':100}",
      "number_gte input.steps: Must be greater than or equal to 1 | "
      "enum input.size: size must be one of the following: 256, 512 | "
      "number_all_of input.size: Must validate all the schemas (allOf)",
      NULL },
    { pydantic, "{'limit':null,'any':null,'names':{'a':'b'}}", "",
      "{'limit':null,'any':null,'names':{'a':'b'},'mode':'fast','only':'yes','at':{'x':2.0}}" },
    { pydantic, "{'mode':'bad','only':'no','at':{'y':1,'z':2},'names':{'a':1}}",
      "enum input.mode: mode must be one of the following: \"fast\", \"good\" | "
      "const input.only: only does not match: \"yes\" | required input.at: x is required | "
      "additional_property_not_allowed input.at: Additional property z is not allowed | "
      "invalid_type input.names.a: Invalid type. Expected: string, given: integer",
      NULL },
    { pydantic, "{'at':{'x':0},'limit':10}",
      "number_any_of input.limit: Must validate at least one schema (anyOf) | "
      "number_lte input.limit: Must be less than or equal to 9 | "
      "number_gt input.at.x: Must be greater than 0",
      NULL },
};

static void models_get_what_they_ask_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct arena a = { 0 };
        struct buf out = BUF_INIT(10000);
        struct input_schema *s;
        struct json *input;
        const char *got;

        arena_init(&a);
        s = schema_of(&a, rows[i].schemas);
        input = json_of(&a, rows[i].input);
        got = problems_of(&a, s, input);
        if (strcmp(got, rows[i].problems) != 0)
            fail_msg("%s:\n got \"%s\"\n not \"%s\"", rows[i].input, got, rows[i].problems);
        if (rows[i].normalized) {
            input_normalize(s, input, &out);
            assert_string_equal(out.p, unquoted(&a, rows[i].normalized));
        }
        buf_deinit(&out);
        input_schema_free(s);
        arena_deinit(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(models_get_what_they_ask_for) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
