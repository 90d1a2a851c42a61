/* SPDX-License-Identifier: Apache-2.0 */
/* GET /openapi.json: an OpenAPI 3.1 document for what this server answers, made from the route
 * table. */
#include "api/openapi.h"

#include "api/api.h"

/* clang-format off */
static const char PROBLEM[] = OPENAPI_JSON({"description": "A problem", "content": {"application/problem+json": {
    "schema": {"$ref": "#/components/schemas/Problem"}}}});
static const char OPENAI_ERROR[] = OPENAPI_JSON({"description": "An error in OpenAI's form; a message that is not even HTTP as it should be: a problem", "content": {
    "application/json": {"schema": {"$ref": "#/components/schemas/OpenAIError"}},
    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}});
static const char CURSOR[] = OPENAPI_JSON({"name": "cursor", "in": "query", "schema": {"type": "string",
    "pattern": "^([np][0-9a-z-]{1,63})?$"}, "description": "As a page's `next` and `previous` have it"});
static const char SEGMENT[] = OPENAPI_JSON({"type": "string", "pattern": "^[^/\\\\\\u0000-\\u001f\\u007f]+$"});
/* clang-format on */

enum { MAX_DOCUMENT = 4 << 20 };

static const struct openapi_operation *find_operation(const char *name)
{
    for (size_t i = 0; i < OPENAPI_N_OPERATIONS; i++)
        if (strcmp(OPENAPI_OPERATIONS[i].name, name) == 0)
            return &OPENAPI_OPERATIONS[i];
    return NULL;
}

static void write_ref(struct json_writer *w, const char *schema)
{
    char text[128];

    snprintf(text, sizeof(text), "#/components/schemas/%s", schema);
    json_begin_object(w);
    json_member_string(w, "$ref", text);
    json_end_object(w);
}

static void write_list(struct json_writer *w, const char *schema)
{
    json_begin_object(w);
    json_member_string(w, "type", "array");
    json_key(w, "items");
    write_ref(w, schema);
    json_end_object(w);
}

static void write_page(struct json_writer *w, const char *schema)
{
    json_begin_object(w);
    json_member_string(w, "type", "object");
    json_member_raw(w, "required", STR("[\"next\",\"previous\",\"results\"]"));
    json_key(w, "properties");
    json_begin_object(w);
    json_member_raw(w, "next", STR("{\"type\":[\"string\",\"null\"],\"format\":\"uri\"}"));
    json_member_raw(w, "previous", STR("{\"type\":[\"string\",\"null\"],\"format\":\"uri\"}"));
    json_key(w, "results");
    write_list(w, schema);
    json_end_object(w);
    json_end_object(w);
}

static void write_content(struct json_writer *w, const struct openapi_operation *o)
{
    json_key(w, "content");
    json_begin_object(w);
    json_key(w, o->shape == OPENAPI_OTHER ? o->type : "application/json");
    json_begin_object(w);
    if (o->shape != OPENAPI_OTHER || o->answer) {
        json_key(w, "schema");
        if (o->shape == OPENAPI_LIST)
            write_list(w, o->answer);
        else if (o->shape == OPENAPI_PAGE || o->shape == OPENAPI_WHOLE)
            write_page(w, o->answer);
        else
            write_ref(w, o->answer);
    }
    json_end_object(w);
    if (o->also)
        json_member_raw(w, o->also, STR("{}"));
    json_end_object(w);
}

static void write_responses(struct json_writer *w, const struct http_route *t,
                            const struct openapi_operation *o)
{
    const char *problem = strncmp(t->path, "/openai/", 8) == 0 ? OPENAI_ERROR : PROBLEM;
    char status[8];

    json_key(w, "responses");
    json_begin_object(w);
    if (o)
        snprintf(status, sizeof(status), "%d", o->status);
    json_key(w, o ? status : "2XX");
    json_begin_object(w);
    json_member_string(w, "description", "Success");
    if (o && o->shape != OPENAPI_EMPTY)
        write_content(w, o);
    json_end_object(w);
    if (!(t->flags & HTTP_OPEN))
        json_member_raw(w, "401", str_of(problem));
    json_member_raw(w, "default", str_of(problem));
    json_end_object(w);
}

static void write_body(struct json_writer *w, const struct openapi_operation *o)
{
    if (!o || (!o->request && !o->takes))
        return;
    json_key(w, "requestBody");
    json_begin_object(w);
    json_member_bool(w, "required", !o->body_is_optional);
    json_key(w, "content");
    json_begin_object(w);
    json_key(w, o->takes ? o->takes : "application/json");
    json_begin_object(w);
    json_key(w, "schema");
    if (o->request)
        write_ref(w, o->request);
    else
        json_raw(w, strncmp(o->takes, "text/", 5) == 0
                        ? STR("{\"type\":\"string\",\"minLength\":1}")
                        : STR("{}"));
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
}

/* Path parameters from the path itself, then what the table adds. */
static void write_parameters(struct json_writer *w, const struct http_route *t,
                             const struct openapi_operation *o)
{
    json_key(w, "parameters");
    json_begin_array(w);
    for (const char *at = strchr(t->path, '{'); at; at = strchr(at + 1, '{')) {
        json_begin_object(w);
        json_member_str(w, "name", str_make(at + 1, strcspn(at + 1, "}")));
        json_member_string(w, "in", "path");
        json_member_bool(w, "required", true);
        json_member_raw(w, "schema", str_of(SEGMENT));
        json_end_object(w);
    }
    if (o && o->shape == OPENAPI_PAGE)
        json_raw(w, str_of(CURSOR));
    if (o && o->query)
        json_raw(w, str_of(o->query));
    json_end_array(w);
}

static void write_operation(struct json_writer *w, const struct http_route *t)
{
    const struct openapi_operation *o = find_operation(t->name);
    const char *dot = strchr(t->name, '.');
    size_t n = dot ? (size_t)(dot - t->name) : strlen(t->name);
    char method[16] = { 0 };

    for (size_t i = 0; t->method[i] && i + 1 < sizeof(method); i++)
        method[i] = (char)(t->method[i] | 0x20);
    json_key(w,
             strcmp(t->method, "QUERY") == 0 ? "x-query" : method); /* 3.1 has no word for QUERY */
    json_begin_object(w);
    json_member_string(w, "operationId", t->name);
    json_member_string(w, "summary", t->summary);
    json_key(w, "tags");
    json_begin_array(w);
    json_string(w, str_make(t->name, n));
    json_end_array(w);
    if (t->flags & HTTP_OPEN)
        json_member_raw(w, "security", STR("[]"));
    write_parameters(w, t, o);
    write_body(w, o);
    write_responses(w, t, o);
    json_end_object(w);
}

static bool is_first_of_path(size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(API_ROUTES[i].path, API_ROUTES[at].path) == 0 &&
            !(API_ROUTES[i].flags & HTTP_HIDDEN))
            return false;
    return !(API_ROUTES[at].flags & HTTP_HIDDEN);
}

static void write_paths(struct json_writer *w, const char *base)
{
    json_key(w, "paths");
    json_begin_object(w);
    for (size_t i = 0; i < API_N_ROUTES; i++) {
        bool has_prefix = strncmp(API_ROUTES[i].path, "/v1/", 4) == 0;

        if (!is_first_of_path(i))
            continue;
        json_key(w, API_ROUTES[i].path + (has_prefix ? 3 : 0));
        json_begin_object(w);
        if (!has_prefix) {
            json_key(w, "servers");
            json_begin_array(w);
            json_begin_object(w);
            json_member_string(w, "url", base);
            json_end_object(w);
            json_end_array(w);
        }
        for (size_t k = i; k < API_N_ROUTES; k++)
            if (strcmp(API_ROUTES[k].path, API_ROUTES[i].path) == 0 &&
                !(API_ROUTES[k].flags & HTTP_HIDDEN))
                write_operation(w, &API_ROUTES[k]);
        json_end_object(w);
    }
    json_end_object(w);
}

static void write_skus(struct json_writer *w, const struct hardware *h)
{
    json_key(w, "SKU");
    json_begin_object(w);
    json_member_string(w, "type", "string");
    json_key(w, "enum");
    json_begin_array(w);
    for (size_t i = 0; i < h->n_skus; i++)
        json_stringz(w, h->skus[i].sku);
    json_end_array(w);
    json_end_object(w);
}

static void write_components(struct json_writer *w, const struct hardware *h)
{
    json_key(w, "components");
    json_begin_object(w);
    json_member_raw(w, "securitySchemes",
                    STR("{\"bearerAuth\":{\"type\":\"http\",\"scheme\":\"bearer\"}}"));
    json_key(w, "schemas");
    json_begin_object(w);
    for (size_t i = 0; i < OPENAPI_N_SCHEMAS; i++)
        json_member_raw(w, OPENAPI_SCHEMAS[i].name, str_of(OPENAPI_SCHEMAS[i].json));
    write_skus(w, h);
    json_end_object(w);
    json_end_object(w);
}

void openapi_show(struct http_request *r)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(MAX_DOCUMENT);
    const char *base = api_base(r);
    struct json_writer w;

    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "openapi", "3.1.0");
    json_key(&w, "info");
    json_begin_object(&w);
    json_member_string(&w, "title", "Berth");
    json_member_string(&w, "description",
                       "Model deployments on your own machines, with the HTTP API of Replicate.");
    json_member_string(&w, "version", BERTH_VERSION);
    json_end_object(&w);
    json_key(&w, "servers");
    json_begin_array(&w);
    json_begin_object(&w);
    json_member_string(&w, "url", arena_printf(r->arena, "%s/v1", base));
    json_end_object(&w);
    json_end_array(&w);
    json_member_raw(&w, "security", STR("[{\"bearerAuth\":[]}]"));
    write_paths(&w, base);
    write_components(&w, api_of(r)->hardware);
    json_end_object(&w);
    api_answer(r, 200, &body);
}
