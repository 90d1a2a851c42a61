/* SPDX-License-Identifier: Apache-2.0 */
/* POST /openai/v1/chat/completions and /completions: what is asked for becomes a prediction on a
 * deployment; and their list of models. */
#include "api/openai.h"

#include "run/canary.h"

#include <stdarg.h>

enum { MAX_INPUT = 256 << 20 };

/* --- errors --- */

bool openai_is(const struct http_request *r)
{
    struct str path = r->path.n ? r->path : r->target;

    if (r->route)
        path = str_of(r->route->path);
    return str_starts(path, "/openai/");
}

void openai_write_error(struct json_writer *w, const char *type, const char *param,
                        const char *code, struct str text)
{
    json_begin_object(w);
    json_key(w, "error");
    json_begin_object(w);
    json_member_str(w, "message", text);
    json_member_string(w, "type", type);
    json_member_string(w, "param", param);
    json_member_string(w, "code", code);
    json_end_object(w);
    json_end_object(w);
}

void openai_problem(struct http_request *r, int status, const char *type, const char *param,
                    const char *code, const char *fmt, ...)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(512 * 1024);
    struct json_writer w;
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    json_writer_init(&w, &body);
    openai_write_error(&w, type, param, code, buf_str(&text));
    api_answer(r, status, &body);
}

bool openai_refuse(struct http_request *r, int status, struct str detail)
{
    const char *type = status == 429  ? "rate_limit_error"
                       : status < 500 ? "invalid_request_error"
                                      : "server_error";

    if (openai_is(r))
        openai_problem(r, status, type, NULL, NULL, "%.*s", STR_ARG(detail));
    return openai_is(r);
}

/* --- reading a request --- */

static bool read_body(struct http_request *r, struct openai_request *q)
{
    struct json *stream, *n;
    struct error err;
    int64_t count = 1;

    if (json_parse(r->arena, r->body, NULL, &q->body, &err) != STATUS_OK) {
        openai_problem(r, 400, "invalid_request_error", NULL, NULL,
                       "The body is not valid JSON: %s.", err.text);
        return false;
    }
    if (!json_is(q->body, JSON_OBJECT)) {
        openai_problem(r, 400, "invalid_request_error", NULL, NULL,
                       "The body must be a JSON object.");
        return false;
    }
    if (!json_is(json_get(q->body, "model"), JSON_STRING)) {
        openai_problem(r, 400, "invalid_request_error", "model", NULL,
                       "model is required: a deployment as owner/name.");
        return false;
    }
    q->model = arena_copy(r->arena, json_to_str(json_get(q->body, "model")));
    stream = json_get(q->body, "stream");
    if (stream && !json_is(stream, JSON_NULL) && !json_to_bool(stream, &q->streams)) {
        openai_problem(r, 400, "invalid_request_error", "stream", NULL,
                       "stream must be true or false.");
        return false;
    }
    json_to_bool(json_path(q->body, "stream_options.include_usage"), &q->includes_usage);
    if (!json_to_i64(json_get(q->body, "max_completion_tokens"), &q->max_tokens))
        json_to_i64(json_get(q->body, "max_tokens"), &q->max_tokens);
    n = json_get(q->body, "n");
    if (n && !json_is(n, JSON_NULL) && (!json_to_i64(n, &count) || count != 1)) {
        openai_problem(r, 400, "invalid_request_error", "n", NULL,
                       "n must be 1: one answer for each request.");
        return false;
    }
    return true;
}

static struct pool *find_pool(struct http_request *r, const char *model)
{
    struct str owner, name, version;
    struct pool *p = NULL;

    if (model && model_ref_split(str_of(model), &owner, &name, &version) && !version.p)
        p = pool_find(api_of(r)->fleet, owner, name);
    if (p && strcmp(p->owner_id, account_of(r)->info.id) == 0)
        return p;
    openai_problem(
        r, 404, "invalid_request_error", "model", "model_not_found",
        "There is no deployment \"%.140s\" of this account; `model` is one as owner/name.",
        model ? model : "");
    return NULL;
}

static bool choose(struct http_request *r, struct pool *p, struct prediction_spec *spec)
{
    struct error err;
    enum status s = pool_choose(p, &spec->lane, &spec->release, &err);

    if (s == STATUS_OK) { /* what the body becomes depends on what is taken */
        canary_keep_known(p, &spec->lane, &spec->release);
        return true;
    }
    if (s == STATUS_BUSY)
        http_set_header(r, "Retry-After", "10");
    openai_problem(r, s == STATUS_BUSY ? 429 : 422,
                   s == STATUS_BUSY ? "rate_limit_error" : "invalid_request_error", "model", NULL,
                   "%s", err.text);
    return false;
}

static bool input_ok(struct http_request *r, const struct version *v, const struct buf *text)
{
    struct input_problem *problem;
    struct json *input;
    struct error err;

    if (json_parse(r->arena, buf_str(text), NULL, &input, &err) != STATUS_OK) {
        openai_problem(r, 400, "invalid_request_error", NULL, NULL, "%s", err.text);
        return false;
    }
    problem = input_validate(v->schema, r->arena, input);
    if (problem)
        openai_problem(r, 400, "invalid_request_error", problem->field, problem->type, "%s: %s",
                       problem->field, problem->description);
    return !problem;
}

static void complete(struct http_request *r, bool is_chat)
{
    struct openai_request q = { .is_chat = is_chat };
    struct prediction_spec spec = { .source = "api" };
    struct buf input CLEANUP(buf_deinit) = BUF_INIT(MAX_INPUT);
    struct json *document = NULL;
    struct error err;

    if (!read_body(r, &q))
        return;
    spec.pool = find_pool(r, q.model);
    if (!spec.pool || !choose(r, spec.pool, &spec))
        return;
    if (json_parse(r->arena, spec.lane->version->schema_text, NULL, &document, &err) == STATUS_OK)
        q.properties = json_path(document, "components.schemas.Input.properties");
    if (!openai_map_input(r, &q, &input) || !input_ok(r, spec.lane->version, &input))
        return;
    spec.account_id = account_of(r)->info.id;
    spec.input = buf_str(&input);
    spec.base_url = api_base(r);
    openai_tell(r, &q, &spec);
}

void openai_chat(struct http_request *r)
{
    complete(r, true);
}

void openai_completion(struct http_request *r)
{
    complete(r, false);
}

/* --- models --- */

static void show_pool(struct json_writer *w, const struct pool *p)
{
    char name[160];

    snprintf(name, sizeof(name), "%s/%s", p->owner, p->name);
    json_begin_object(w);
    json_member_string(w, "id", name);
    json_member_string(w, "object", "model");
    json_member_int(w, "created", id_time_ms(str_of(p->id)) / 1000);
    json_member_string(w, "owned_by", p->owner);
    json_end_object(w);
}

/* The caller's deployments; their clients ask for nothing else. */
void openai_models(struct http_request *r)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(16 << 20);
    struct json_writer w;
    struct pool *p;

    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "object", "list");
    json_key(&w, "data");
    json_begin_array(&w);
    for (size_t at = 0; map_next(&api_of(r)->fleet->pools, &at, NULL, (void **)&p);)
        if (!p->is_model && !p->is_deleted && strcmp(p->owner_id, account_of(r)->info.id) == 0)
            show_pool(&w, p);
    json_end_array(&w);
    json_end_object(&w);
    api_answer(r, 200, &body);
}

void openai_model(struct http_request *r)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct str id = http_param(r, "id"), owner = http_param(r, "owner");
    struct str name = http_param(r, "name");
    struct json_writer w;
    struct pool *p;

    p = find_pool(r, id.p ? arena_copy(r->arena, id)
                          : arena_printf(r->arena, "%.*s/%.*s", STR_ARG(owner), STR_ARG(name)));
    if (!p)
        return;
    json_writer_init(&w, &body);
    show_pool(&w, p);
    api_answer(r, 200, &body);
}
