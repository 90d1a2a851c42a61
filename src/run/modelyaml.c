/* SPDX-License-Identifier: Apache-2.0 */
#include "run/modelyaml.h"

#include "base/yaml.h"
#include "core/input.h"
#include "run/cogyaml_impl.h"

enum { SCHEMA_MAX = 16 << 20 };

static const char *const types[] = { "string", "integer", "number", "boolean",
                                     "array",  "object",  NULL };

static bool is_one_of(struct str s, const char *const *list)
{
    for (; *list; list++)
        if (str_is(s, *list))
            return true;
    return false;
}

/* --- how it is started and spoken to --- */

static enum status read_protocol(struct yaml_reader *r, const struct json *root,
                                 struct model_yaml *m)
{
    static const char *const known[] = { "openai", "plain", NULL };
    enum status s = yaml_read_text(r, json_get(root, "protocol"), "protocol", &m->protocol);

    if (s != STATUS_OK)
        return s;
    if (!m->protocol)
        return FAIL(r->err, STATUS_INVALID,
                    "model.yaml: protocol is missing; it must be openai (chat completions, as vLLM "
                    "has them) or plain (JSON by POST).");
    if (!is_one_of(str_of(m->protocol), known))
        return FAIL(r->err, STATUS_INVALID,
                    "model.yaml: protocol is \"%.40s\"; it must be openai or plain. For a model of "
                    "Cog's, bring a cog.yaml instead.",
                    m->protocol);
    return STATUS_OK;
}

static enum status read_command(struct yaml_reader *r, const struct json *root,
                                enum model_yaml_of of, struct model_yaml *m)
{
    enum status s = yaml_read_list(r, json_get(root, "command"), "command", &m->http.command);

    if (s == STATUS_OK && !m->http.command[0] && of == MODEL_YAML_FOLDER)
        s = FAIL(r->err, STATUS_INVALID,
                 "model.yaml: command is missing; it must be the program that serves the model and "
                 "its arguments, such as [python3, server.py, --port, \"{port}\"].");
    for (const char *const *c = m->http.command; s == STATUS_OK && *c; c++)
        if (!**c && c == m->http.command)
            s = FAIL(
                r->err, STATUS_INVALID,
                "model.yaml: command begins with an empty text; it must begin with a program.");
    return s;
}

static enum status read_port(struct yaml_reader *r, const struct json *v, enum model_yaml_of of,
                             struct model_yaml *m)
{
    bool is_given = v && !json_is(v, JSON_NULL);

    if (!is_given && of == MODEL_YAML_FOLDER)
        return STATUS_OK;
    if (!is_given)
        return FAIL(r->err, STATUS_INVALID,
                    "model.yaml: port is missing; it must be the one on which the image's server "
                    "listens, such as 8000.");
    if (of == MODEL_YAML_IMAGE && json_to_i64(v, &m->http.port) && m->http.port >= 1 &&
        m->http.port <= 65535)
        return STATUS_OK;
    if (of == MODEL_YAML_IMAGE)
        return FAIL(r->err, STATUS_INVALID,
                    "model.yaml: port is %.*s; it must be a whole number from 1 to 65535.",
                    (int)MIN(v->span.n, (size_t)40), v->span.p);
    if (!json_to_i64(v, &m->http.port) || m->http.port < 1024 || m->http.port > 65535)
        return FAIL(r->err, STATUS_INVALID,
                    "model.yaml: port is %.*s; it must be a whole number from 1024 to 65535. Leave "
                    "it out where the server can be told its port (in PORT, or as {port} in "
                    "command).",
                    (int)MIN(v->span.n, (size_t)40), v->span.p);
    return STATUS_OK;
}

/* A path of a URL, from its slash on. */
static enum status read_path(struct yaml_reader *r, const struct json *root, const char *key,
                             const char *usual, const char **out)
{
    enum status s = yaml_read_text(r, json_get(root, key), key, out);

    if (s != STATUS_OK)
        return s;
    if (!*out)
        *out = usual;
    for (const char *c = *out; *c; c++)
        if (**out != '/' || *c <= ' ' || *c == 0x7f || *c == '#')
            return FAIL(
                r->err, STATUS_INVALID,
                "model.yaml: %s is \"%.100s\"; it must be a path such as %s, without spaces "
                "and #.",
                key, *out, usual);
    if (!**out)
        return FAIL(r->err, STATUS_INVALID,
                    "model.yaml: %s is empty; it must be a path such as %s.", key, usual);
    return STATUS_OK;
}

static enum status read_http(struct yaml_reader *r, const struct json *root, enum model_yaml_of of,
                             struct model_yaml *m)
{
    bool is_openai = strcmp(m->protocol, "openai") == 0;
    enum status s = read_command(r, root, of, m);

    if (s == STATUS_OK)
        s = read_port(r, json_get(root, "port"), of, m);
    if (s == STATUS_OK)
        s = read_path(r, root, "health", "/health", &m->http.health);
    if (s == STATUS_OK)
        s = read_path(r, root, "path", is_openai ? "/v1/chat/completions" : "/predict",
                      &m->http.path);
    if (s == STATUS_OK && is_openai && !str_ends(str_of(m->http.path), "/completions"))
        s = FAIL(r->err, STATUS_INVALID,
                 "model.yaml: path is \"%.100s\"; for the protocol openai it must end with "
                 "/chat/completions or /completions. What else such a server has (embeddings, say) "
                 "is reached with protocol: plain.",
                 m->http.path);
    if (s == STATUS_OK)
        s = yaml_read_text(r, json_get(root, "model"), "model", &m->http.model);
    if (s == STATUS_OK && m->http.model && !is_openai)
        s = FAIL(r->err, STATUS_INVALID,
                 "model.yaml: model is for the protocol openai only; leave it out.");
    return s;
}

/* --- what goes in --- */

static enum status check_type(struct yaml_reader *r, const char *where, const struct json *property)
{
    static const char *const bounds[] = { "minimum",   "maximum",  "multipleOf", "minLength",
                                          "maxLength", "minItems", "maxItems" };
    const struct json *type = json_get(property, "type");
    struct str text = json_to_str(type);

    if (type && !is_one_of(text, types))
        return FAIL(
            r->err, STATUS_INVALID,
            "model.yaml: %.150s.type is %.*s; it must be string, integer, number, boolean, array "
            "or object.",
            where, (int)MIN(type->span.n, (size_t)40), type->span.p);
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        const struct json *v = json_get(property, bounds[i]);

        if (v && !json_is(v, JSON_NUMBER))
            return FAIL(r->err, STATUS_INVALID,
                        "model.yaml: %.150s.%s is %.*s; it must be a number.", where, bounds[i],
                        (int)MIN(v->span.n, (size_t)40), v->span.p);
    }
    return STATUS_OK;
}

/* One input as a member of Input's properties: what it says itself, and where it stands. */
static enum status write_property(struct yaml_reader *r, struct json_writer *w,
                                  const struct json *property, int64_t order)
{
    const char *where = arena_printf(r->arena, "input.%.*s", (int)MIN(property->key.n, (size_t)100),
                                     property->key.p);
    const struct json *optional = json_get(property, "optional");
    bool yes;

    if (!json_is(property, JSON_OBJECT))
        return FAIL(
            r->err, STATUS_INVALID,
            "model.yaml: %s must hold keys of a JSON Schema, such as {type: string}, not %s.",
            where, json_type_name(property));
    if (optional && !json_to_bool(optional, &yes))
        return FAIL(r->err, STATUS_INVALID, "model.yaml: %s.optional must be true or false.",
                    where);
    if (check_type(r, where, property) != STATUS_OK)
        return STATUS_INVALID;
    json_key_str(w, property->key);
    json_begin_object(w);
    if (!json_get(property, "title"))
        json_member_str(w, "title", property->key);
    json_each (property, v) {
        if (str_is(v->key, "optional") || str_is(v->key, "x-order"))
            continue;
        json_key_str(w, v->key);
        json_raw(w, v->span);
    }
    json_member_int(w, "x-order", order);
    json_end_object(w);
    return STATUS_OK;
}

static bool is_required(const struct json *property)
{
    bool optional = false;

    json_to_bool(json_get(property, "optional"), &optional);
    return !optional && !json_get(property, "default");
}

static enum status write_input(struct yaml_reader *r, struct json_writer *w,
                               const struct json *input)
{
    int64_t order = 0;

    json_begin_object(w);
    json_member_string(w, "type", "object");
    json_member_string(w, "title", "Input");
    json_key(w, "properties");
    json_begin_object(w);
    json_each (input, property) {
        if (write_property(r, w, property, order++) != STATUS_OK)
            return STATUS_INVALID;
    }
    json_end_object(w);
    json_key(w, "required");
    json_begin_array(w);
    json_each (input, property)
        if (is_required(property))
            json_string(w, property->key);
    json_end_array(w);
    json_end_object(w);
    return STATUS_OK;
}

/* What servers of that kind take. */
static const char usual_input[] =
    "{prompt: {type: string, optional: true, description: 'What to answer. Not needed where "
    "messages are given.'},"
    " system_prompt: {type: string, optional: true, description: 'How to answer a prompt'},"
    " messages: {type: array, optional: true, items: {type: object}, description: 'A conversation: "
    "objects with role and content'},"
    " max_tokens: {type: integer, optional: true, minimum: 1, description: 'Most tokens of the "
    "answer'},"
    " temperature: {type: number, optional: true, minimum: 0, maximum: 2},"
    " top_p: {type: number, optional: true, minimum: 0, maximum: 1},"
    " stop: {type: array, optional: true, items: {type: string}, description: 'Texts that end the "
    "answer'},"
    " seed: {type: integer, optional: true},"
    " presence_penalty: {type: number, optional: true, minimum: -2, maximum: 2},"
    " frequency_penalty: {type: number, optional: true, minimum: -2, maximum: 2}}";

static enum status find_input(struct yaml_reader *r, const struct json *root,
                              const struct model_yaml *m, const struct json **out)
{
    const struct json *input = json_get(root, "input");
    struct json *usual;
    enum status s = yaml_must_be_mapping(r, input, "input");

    *out = input;
    if (s != STATUS_OK || json_is(input, JSON_OBJECT))
        return s;
    *out = NULL; /* a plain server that is told nothing */
    if (strcmp(m->protocol, "openai") != 0)
        return STATUS_OK;
    s = yaml_parse(r->arena, str_of(usual_input), "the usual input", &usual, r->err);
    *out = usual;
    return s;
}

/* --- what comes out --- */

static void write_output(struct json_writer *w, const struct json *schema, bool streams)
{
    bool is_text =
        str_is(json_to_str(json_get(schema, "type")), "string") && !json_get(schema, "format");

    json_begin_object(w);
    json_member_string(w, "title", "Output");
    if (streams) {
        json_member_string(w, "type", "array");
        json_member_raw(w, "items", schema ? schema->span : STR("{}"));
        json_member_string(w, "x-cog-array-type", "iterator");
        if (is_text)
            json_member_string(w, "x-cog-array-display", "concatenate");
    } else {
        json_each (schema, v) {
            if (str_is(v->key, "title"))
                continue;
            json_key_str(w, v->key);
            json_raw(w, v->span);
        }
    }
    json_end_object(w);
}

static bool has_empty_part(const char *dotted)
{
    struct str rest = str_of(dotted), part;

    while (str_split(&rest, '.', &part))
        if (!part.n)
            return true;
    return str_ends(str_of(dotted), ".");
}

static enum status read_output(struct yaml_reader *r, const struct json *output,
                               struct model_yaml *m, const struct json **out_schema,
                               bool *out_streams)
{
    static const char *const keys[] = { "schema", "stream", "from", NULL };
    const struct json *stream = json_get(output, "stream");
    enum status s = yaml_must_be_mapping(r, output, "output");

    if (s == STATUS_OK && json_is(output, JSON_OBJECT) && strcmp(m->protocol, "openai") == 0)
        s = FAIL(r->err, STATUS_INVALID,
                 "model.yaml: output is for the protocol plain only: by the protocol openai it is "
                 "the text of the answer. Leave it out.");
    if (s == STATUS_OK)
        s = yaml_only_keys(r, output, "output.", keys);
    if (s == STATUS_OK)
        s = yaml_must_be_mapping(r, json_get(output, "schema"), "output.schema");
    if (s == STATUS_OK && json_is(json_get(output, "schema"), JSON_OBJECT)) {
        *out_schema = json_get(output, "schema");
        s = check_type(r, "output.schema", *out_schema);
    }
    if (s == STATUS_OK && stream && !json_is(stream, JSON_NULL) &&
        !json_to_bool(stream, out_streams))
        s = FAIL(r->err, STATUS_INVALID, "model.yaml: output.stream must be true or false.");
    if (s == STATUS_OK)
        s = yaml_read_text(r, json_get(output, "from"), "output.from", &m->http.output);
    if (s == STATUS_OK && m->http.output && !*m->http.output)
        s = FAIL(r->err, STATUS_INVALID,
                 "model.yaml: output.from is empty; it must be where in the answer the output "
                 "stands, such as data.0.url. Leave it out for the whole answer.");
    if (s == STATUS_OK && m->http.output && has_empty_part(m->http.output))
        s = FAIL(r->err, STATUS_INVALID,
                 "model.yaml: output.from is \"%.100s\"; it must be names and numbers with one dot "
                 "between two of them, such as data.0.url.",
                 m->http.output);
    return s;
}

/* --- the whole --- */

static enum status write_schema(struct yaml_reader *r, const struct json *root,
                                struct model_yaml *m)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(SCHEMA_MAX);
    const struct json *input = NULL, *output = NULL;
    bool streams = strcmp(m->protocol, "openai") == 0;
    struct json *text = NULL;
    struct json_writer w;
    enum status s = find_input(r, root, m, &input);

    if (s == STATUS_OK)
        s = read_output(r, json_get(root, "output"), m, &output, &streams);
    if (s == STATUS_OK && streams && !output)
        s = json_parse(r->arena, STR("{\"type\":\"string\"}"), NULL, &text, r->err);
    if (s != STATUS_OK)
        return s;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_member_string(&w, "openapi", "3.0.2");
    json_member_raw(&w, "info", STR("{\"title\":\"Model\",\"version\":\"0.1.0\"}"));
    json_member_raw(&w, "paths", STR("{\"/predictions\":{\"post\":{\"x-cog-streaming\":true}}}"));
    json_key(&w, "components");
    json_begin_object(&w);
    json_key(&w, "schemas");
    json_begin_object(&w);
    json_key(&w, "Input");
    s = write_input(r, &w, input);
    if (s != STATUS_OK)
        return s;
    json_key(&w, "Output");
    write_output(&w, output ? output : text, streams);
    json_end_object(&w);
    json_end_object(&w);
    json_end_object(&w);
    if (out.failed)
        return FAIL(r->err, STATUS_TOO_LARGE, "model.yaml: input and output are too large.");
    m->schema = str_make(arena_copy(r->arena, buf_str(&out)), out.n);
    return STATUS_OK;
}

/* A default is an input like any other: it has to be one that its own schema takes. */
static enum status check_defaults(struct yaml_reader *r, const struct input_schema *schema,
                                  const struct json *input)
{
    json_each (input, property) {
        const struct json *usual = json_get(property, "default");
        struct json one, object = { .type = JSON_OBJECT, .n = 1, .child = &one };
        const struct input_problem *problem;

        if (!usual || json_is(usual, JSON_NULL))
            continue;
        one = *usual;
        one.key = property->key;
        one.next = NULL;
        object.span = STR("{}");
        problem = input_validate(schema, r->arena, &object);
        while (problem && strcmp(problem->type, "required") == 0)
            problem = problem->next; /* the others, which are not here */
        if (problem)
            return FAIL(r->err, STATUS_INVALID,
                        "model.yaml: input.%.*s.default is %.*s, which this input does not take: "
                        "%.200s.",
                        (int)MIN(property->key.n, (size_t)100), property->key.p,
                        (int)MIN(usual->span.n, (size_t)60), usual->span.p, problem->description);
    }
    return STATUS_OK;
}

/* What says what it takes has to be what a schema can be. */
static enum status check_schema(struct yaml_reader *r, const struct model_yaml *m,
                                const struct json *input)
{
    struct input_schema *schema;
    enum status s = input_schema_new(m->schema, "Input", &schema, r->err);

    if (s != STATUS_OK) {
        error_context(r->err, "model.yaml: input");
        return STATUS_INVALID;
    }
    s = check_defaults(r, schema, input);
    input_schema_free(schema);
    return s;
}

/* Of an image `build` says no more than whether it needs a GPU. */
static enum status read_build(struct yaml_reader *r, const struct json *build,
                              enum model_yaml_of of)
{
    static const char *const of_images[] = { "gpu", NULL };
    enum status s = STATUS_OK;

    if (of == MODEL_YAML_IMAGE && json_is(build, JSON_OBJECT))
        s = yaml_only_keys(r, build, "build.", of_images);
    return s == STATUS_OK ? yaml_read_build(r, build) : s;
}

enum status model_yaml_read(struct arena *a, struct str text, enum model_yaml_of of,
                            struct model_yaml *out, struct cog_yaml *common, struct error *err)
{
    static const char *const keys[] = { "protocol", "command",     "port",        "health",
                                        "path",     "model",       "input",       "output",
                                        "build",    "concurrency", "environment", NULL };
    static const char *const none[] = { NULL };
    struct yaml_reader r = {
        .arena = a, .err = err, .out = common, .file = "model.yaml", .who = "this server"
    };
    struct json *root;
    enum status s = yaml_parse(a, text, "model.yaml", &root, err);

    *out = (struct model_yaml){ 0 };
    *common = (struct cog_yaml){
        .file = r.file, .packages = none, .system_packages = none, .environment = none
    };
    if (s != STATUS_OK)
        return s;
    if (!json_is(root, JSON_OBJECT))
        return FAIL(err, STATUS_INVALID,
                    "model.yaml: it must hold keys such as protocol and command, not %s.",
                    json_type_name(root));
    s = yaml_only_keys(&r, root, "", keys);
    if (s == STATUS_OK)
        s = read_protocol(&r, root, out);
    if (s == STATUS_OK)
        s = read_http(&r, root, of, out);
    if (s == STATUS_OK)
        s = read_build(&r, json_get(root, "build"), of);
    if (s == STATUS_OK)
        s = yaml_read_concurrency(&r, json_get(root, "concurrency"));
    if (s == STATUS_OK)
        s = yaml_read_list(&r, json_get(root, "environment"), "environment", &common->environment);
    if (s == STATUS_OK)
        s = yaml_check_environment(&r);
    if (s == STATUS_OK)
        s = write_schema(&r, root, out);
    return s == STATUS_OK ? check_schema(&r, out, json_get(root, "input")) : s;
}

enum status model_yaml_of_image(struct arena *a, struct image_facts *facts, struct error *err)
{
    struct version_config *c = &facts->config;
    struct cog_yaml common;
    struct model_yaml m;

    if (!facts->model_yaml.p)
        return STATUS_OK;
    if (model_yaml_read(a, facts->model_yaml, MODEL_YAML_IMAGE, &m, &common, err) != STATUS_OK)
        return err->status = STATUS_UNPROCESSABLE;
    facts->schema = m.schema;
    c->dialect = m.protocol;
    c->http = m.http;
    c->concurrency = MAX(common.concurrency, 1);
    c->needs_gpu = common.gpu;
    c->environment = common.environment;
    c->iterator = output_facts(m.schema).is_iterator;
    c->output_files_listed = output_facts(m.schema).files_listed;
    return STATUS_OK;
}
