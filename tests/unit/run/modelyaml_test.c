/* SPDX-License-Identifier: Apache-2.0 */
/* model.yaml, key by key, what it is refused for, and the schema that is made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/modelyaml.h"

#include "core/input.h"

#include <string.h>

static struct arena arena;

static void read_well(const char *text, struct model_yaml *m, struct cog_yaml *c)
{
    struct error err;

    if (model_yaml_read(&arena, str_of(text), MODEL_YAML_FOLDER, m, c, &err) != STATUS_OK)
        fail_msg("%s", err.text);
}

static void assert_schema(const struct model_yaml *m, const char *path, const char *json)
{
    struct json *root;
    const struct json *v;
    char whole[200];

    snprintf(whole, sizeof(whole), "components.schemas.%s", path);
    assert_int_equal(json_parse(&arena, m->schema, NULL, &root, NULL), STATUS_OK);
    v = json_path(root, whole);
    if (!v || !str_is(v->span, json))
        fail_msg("%s is %.*s, not %s", path, STR_ARG(v ? v->span : STR("nothing")), json);
}

static void all_keys(void **state)
{
    static const char text[] =
        "protocol: plain\n"
        "command: [python3, \"-m\", server, \"--port={port}\"]\n"
        "port: 9000\n"
        "health: /ready\n"
        "path: /v2/run?fast=1\n"
        "concurrency: {max: 4}\n"
        "environment: [A=b]\n"
        "build: {gpu: true, python_packages: [numpy], system_packages: [ffmpeg]}\n"
        "input:\n"
        "  text: {type: string, description: What, minLength: 2}\n"
        "  size: {type: integer, default: 3, title: Size}\n"
        "  more: {optional: true, x-order: 9}\n"
        "output: {schema: {type: string, format: uri}, stream: true, from: data.0.url}\n";
    struct model_yaml m;
    struct cog_yaml c;

    (void)state;
    read_well(text, &m, &c);
    assert_string_equal(m.protocol, "plain");
    assert_string_equal(m.http.command[3], "--port={port}");
    assert_null(m.http.command[4]);
    assert_int_equal(m.http.port, 9000);
    assert_string_equal(m.http.health, "/ready");
    assert_string_equal(m.http.path, "/v2/run?fast=1");
    assert_string_equal(m.http.output, "data.0.url");
    assert_int_equal(c.concurrency, 4);
    assert_string_equal(c.environment[0], "A=b");
    assert_string_equal(c.packages[0], "numpy");
    assert_string_equal(c.system_packages[0], "ffmpeg");
    assert_true(c.gpu);
    assert_string_equal(c.file, "model.yaml");
    assert_schema(&m, "Input.required", "[\"text\"]");
    assert_schema(
        &m, "Input.properties.text",
        "{\"title\":\"text\",\"type\":\"string\",\"description\":\"What\",\"minLength\":2,"
        "\"x-order\":0}");
    assert_schema(&m, "Input.properties.size",
                  "{\"type\":\"integer\",\"default\":3,\"title\":\"Size\",\"x-order\":1}");
    assert_schema(&m, "Input.properties.more", "{\"title\":\"more\",\"x-order\":2}");
    assert_schema(&m, "Output.x-cog-array-type", "\"iterator\"");
    assert_true(output_facts(m.schema).files_listed);
    assert_true(output_facts(m.schema).supports_stream);
}

static void as_little_as_may_be(void **state)
{
    struct model_yaml m;
    struct cog_yaml c;

    (void)state;
    read_well("protocol: openai\ncommand: [vllm, serve]\n", &m, &c);
    assert_string_equal(m.http.health, "/health");
    assert_string_equal(m.http.path, "/v1/chat/completions");
    assert_int_equal(m.http.port, 0);
    assert_null(m.http.model);
    assert_null(c.packages[0]);
    assert_schema(&m, "Input.required", "[]");
    assert_schema(&m, "Input.properties.seed",
                  "{\"title\":\"seed\",\"type\":\"integer\",\"x-order\":7}");
    assert_schema(&m, "Output",
                  "{\"title\":\"Output\",\"type\":\"array\",\"items\":{\"type\":\"string\"},"
                  "\"x-cog-array-type\":\"iterator\",\"x-cog-array-display\":\"concatenate\"}");
    read_well("protocol: plain\ncommand: [x]\n", &m, &c);
    assert_string_equal(m.http.path, "/predict");
    assert_schema(&m, "Input.properties", "{}");
    assert_schema(&m, "Output", "{\"title\":\"Output\"}");
    assert_false(output_facts(m.schema).is_iterator);
    read_well("protocol: openai\ncommand: [x]\npath: /v1/completions\nmodel: a/b\n", &m, &c);
    assert_string_equal(m.http.model, "a/b");
}

static void refusals(void **state)
{
#define P "protocol: plain\ncommand: [x]\n"
#define O "protocol: openai\ncommand: [x]\n"
    static const struct {
        const char *text;
        const char *words[2]; /* both stand in the message */
    } rows[] = {
        { "", { "it must hold keys", "null" } },
        { "protocol: [", { "line" } },
        { "command: [x]\n", { "protocol is missing", "openai" } },
        { "protocol: grpc\ncommand: [x]\n", { "protocol is \"grpc\"", "openai or plain" } },
        { "protocol: {a: b}\n", { "protocol must be text", "object" } },
        { "protocol: plain\n", { "command is missing", "{port}" } },
        { "protocol: plain\ncommand: server.py\n", { "command must be a list" } },
        { "protocol: plain\ncommand: [\"\"]\n", { "command begins with an empty text" } },
        { P "comand: x\n", { "comand is not a key", "concurrency" } },
        { P "port: 80\n", { "port is 80", "1024 to 65535" } },
        { P "port: http\n", { "port is \"http\"", "{port}" } },
        { P "health: up\n", { "health is \"up\"", "/health" } },
        { P "path: \"/a b\"\n", { "path is \"/a b\"", "without spaces" } },
        { P "path: \"\"\n", { "path is empty" } },
        { O "path: /v1/embeddings\n", { "path is \"/v1/embeddings\"", "protocol: plain" } },
        { P "model: x\n", { "model is for the protocol openai only" } },
        { O "output: {stream: true}\n", { "output is for the protocol plain only" } },
        { P "output: text\n", { "output must hold keys" } },
        { P "output: {scheme: {}}\n", { "output.scheme is not a key", "schema, stream, from" } },
        { P "output: {schema: text}\n", { "output.schema must hold keys" } },
        { P "output: {schema: {type: text}}\n", { "output.schema.type is \"text\"" } },
        { P "output: {stream: 1}\n", { "output.stream must be true or false" } },
        { P "output: {from: \"\"}\n", { "output.from is empty", "data.0.url" } },
        { P "output: {from: a..b}\n", { "output.from is \"a..b\"", "data.0.url" } },
        { P "output: {from: a.}\n", { "output.from is \"a.\"" } },
        { P "input: {a: {minimum: x}}\n", { "input.a.minimum is \"x\"", "a number" } },
        { P "input: {z: {type: string}, a: {type: integer, default: x}}\n",
          { "input.a.default is \"x\"", "Expected: integer" } },
        { P "input: {a: {type: integer, default: 9, maximum: 8}}\n",
          { "input.a.default is 9", "less than or equal to 8" } },
        { P "input: [a]\n", { "input must hold keys", "array" } },
        { P "input: {a: string}\n", { "input.a must hold keys", "{type: string}" } },
        { P "input: {a: {type: str}}\n", { "input.a.type is \"str\"", "integer" } },
        { P "input: {a: {optional: 1}}\n", { "input.a.optional must be true or false" } },
        { P "build: {run: [make]}\n", { "model.yaml: build.run cannot be used" } },
        { P "concurrency: {max: 0}\n", { "model.yaml: concurrency.max", "1 to 999" } },
        { P "environment: [PATH=/x]\n", { "model.yaml: environment may not set PATH" } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct error err = { 0 };
        struct model_yaml m;
        struct cog_yaml c;

        if (model_yaml_read(&arena, str_of(rows[i].text), MODEL_YAML_FOLDER, &m, &c, &err) ==
            STATUS_OK)
            fail_msg("taken: %s", rows[i].text);
        assert_true(str_starts(str_of(err.text), "model.yaml: "));
        for (size_t k = 0; k < 2 && rows[i].words[k]; k++)
            if (!strstr(err.text, rows[i].words[k]))
                fail_msg("\"%s\", without \"%s\"", err.text, rows[i].words[k]);
    }
}

/* With an image: what it is built of is in there, and its port is known. */
static void of_an_image(void **state)
{
    static const struct {
        const char *text, *word; /* NULL: it is taken */
    } rows[] = {
        { "protocol: plain\nport: 80\n", NULL },
        { "protocol: openai\nport: 8000\ncommand: [--model, /weights]\nbuild: {gpu: true}\n",
          NULL },
        { "protocol: plain\n", "port is missing" },
        { "protocol: plain\nport: 0\n", "1 to 65535" },
        { "protocol: plain\nport: 80\nbuild: {python_packages: [numpy]}\n",
          "build.python_packages is not a key" },
    };
    struct image_facts facts = { .model_yaml = STR_NULL };
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct model_yaml m;
        struct cog_yaml c;
        enum status s =
            model_yaml_read(&arena, str_of(rows[i].text), MODEL_YAML_IMAGE, &m, &c, &err);

        assert_int_equal(s == STATUS_OK, rows[i].word == NULL);
        if (s != STATUS_OK && !strstr(err.text, rows[i].word))
            fail_msg("\"%s\", without \"%s\"", err.text, rows[i].word);
    }
    assert_int_equal(model_yaml_of_image(&arena, &facts, &err), STATUS_OK);
    assert_null(facts.schema.p); /* Cog's: it is left as it is */
    facts.model_yaml = str_of(rows[1].text);
    assert_int_equal(model_yaml_of_image(&arena, &facts, &err), STATUS_OK);
    assert_string_equal(facts.config.dialect, "openai");
    assert_int_equal(facts.config.http.port, 8000);
    assert_string_equal(facts.config.http.command[1], "/weights");
    assert_true(facts.config.needs_gpu && facts.config.iterator && facts.schema.n > 0);
    facts.model_yaml = str_of(rows[2].text);
    assert_int_equal(model_yaml_of_image(&arena, &facts, &err), STATUS_UNPROCESSABLE);
}

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int take_down(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_keys, set_up, take_down),
        cmocka_unit_test_setup_teardown(as_little_as_may_be, set_up, take_down),
        cmocka_unit_test_setup_teardown(refusals, set_up, take_down),
        cmocka_unit_test_setup_teardown(of_an_image, set_up, take_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
