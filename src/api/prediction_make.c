/* SPDX-License-Identifier: Apache-2.0 */
/* Making a prediction, on three routes: by a deployment, by a version, by a model. */
#include "api/api.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/mem.h"
#include "core/webhook.h"

#include <stdlib.h>

enum { MIN_DEADLINE_MS = 5000, MAX_WAIT_S = 60, MAX_KEY = 255 };

/* One request to create a prediction. It outlives its client: what was accepted is carried out. */
struct making {
    struct list node;             /* api->waits, while it waits */
    struct http_request *request; /* NULL: the client has gone, or has its answer */
    struct api_account *account;  /* whose open wait it is; NULL: it does not wait */
    struct prediction_request create;
    struct watcher watcher;
    struct timer timer;   /* the end of a wait */
    struct prediction *p; /* while it is waited for */
    int wait_s;           /* 0: answer at once */
    bool is_watching;
};

static void making_free(struct making *m)
{
    timer_stop(&m->timer);
    list_remove(&m->node);
    if (m->is_watching)
        watcher_remove(&m->watcher);
    if (m->p)
        prediction_unref(m->p);
    if (m->account)
        m->account->n_waits--;
    free(m);
}

static void answer_made(struct making *m, struct prediction *p, bool as_starting)
{
    struct http_request *r = m->request;
    struct prediction_row row;
    char text[512];

    r->on_gone = NULL;
    r->on_half_closed = NULL;
    m->request = NULL;
    prediction_view(p, r->arena, &row);
    if (m->wait_s && p->inlined.p)
        row.output = p->inlined;
    if (as_starting) { /* as the word says, there is nothing to show yet */
        row.output = STR_NULL;
        row.completed_at = 0;
    }
    snprintf(text, sizeof(text), "%s/v1/predictions/%s", row.base_url, row.id);
    http_set_header(r, "Location", text);
    if (m->wait_s) {
        snprintf(text, sizeof(text), "wait=%d", m->wait_s);
        http_set_header(r, "Preference-Applied", text);
    }
    answer_prediction(r, 201, &row, as_starting);
}

static void on_changed(struct watcher *w, struct prediction *p, struct str piece,
                       struct str log_piece)
{
    struct making *m = container_of(w, struct making, watcher);

    (void)piece;
    (void)log_piece;
    if (!prediction_is_terminal(p->row.status))
        return;
    m->is_watching = false;
    answer_made(m, p, false);
    making_free(m);
}

static void on_wait_over(struct timer *t)
{
    struct making *m = container_of(t, struct making, timer);

    answer_made(m, m->p, true);
    making_free(m);
}

void api_answer_waits(struct api *a)
{
    struct making *m;

    a->is_ending = true;
    list_each (&a->waits, m, struct making, node) {
        answer_made(m, m->p, true);
        making_free(m);
    }
}

/* The client closed its side, or went: a wait that nobody waits for any more ends; the prediction
 * goes on. */
static void on_gone(struct http_request *r)
{
    struct making *m = r->context;

    m->request = NULL;
    if (m->p)
        making_free(m);
}

static void on_half_closed(struct http_request *r)
{
    struct making *m = r->context;

    if (!m->p)
        return; /* the answer comes with the commit */
    answer_made(m, m->p, !prediction_is_terminal(m->p->row.status));
    making_free(m);
}

/* A repeat whose prediction has ended: as it is now. */
static void on_made_before(struct http_request *r, struct store_op *op)
{
    struct store_prediction_get *get = container_of(op, struct store_prediction_get, op);
    char text[512];

    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    snprintf(text, sizeof(text), "%s/v1/predictions/%s", get->row.base_url, get->row.id);
    http_set_header(r, "Location", text);
    answer_prediction(r, 201, &get->row, false);
}

static void answer_existing(struct http_request *r, const char *id)
{
    struct store_prediction_get *op = api_op_new(sizeof(*op));

    r->on_half_closed = NULL;
    op->id = store_keep(&op->op, str_of(id));
    op->account_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    api_op_start(r, &op->op, &STORE_PREDICTION_GET, on_made_before);
}

/* A wait is a wish: who may not is told that it has not finished. */
static bool may_wait(const struct http_request *r)
{
    const struct api *a = api_of(r);

    return !a->is_ending && account_of(r)->n_waits < a->options->max_waits;
}

static void on_created(struct prediction_request *c, struct prediction *p, const struct error *err)
{
    struct making *m = container_of(c, struct making, create);
    struct http_request *r = m->request;

    if (r && c->existing[0])
        p = prediction_find(api_of(r)->fleet, str_of(c->existing));
    if (r && c->existing[0] && !p) {
        answer_existing(r, c->existing);
        making_free(m);
        return;
    }

    if (!r) {
        making_free(m);
        return;
    }
    if (err && !p) {
        r->on_gone = NULL;
        api_refuse(r, err);
        making_free(m);
        return;
    }
    if (m->wait_s == 0 || !may_wait(r)) {
        answer_made(m, p, m->wait_s > 0 && !prediction_is_terminal(p->row.status));
        making_free(m);
        return;
    }
    m->account = account_of(r);
    m->account->n_waits++;
    m->p = p;
    p->refs++;
    m->watcher.changed = on_changed;
    m->is_watching = true;
    list_push(&api_of(r)->waits, &m->node);
    prediction_watch(p, &m->watcher);
    timer_start(&m->timer, (int64_t)m->wait_s * 1000);
}

/* "wait" or "wait=5"; what does not parse is ignored, as RFC 7240 asks. */
static int read_prefer(struct http_request *r)
{
    struct str rest = http_header(r, "prefer"), part;
    uint64_t n;

    while (rest.p && str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (str_ieq(part, STR("wait")))
            return MAX_WAIT_S;
        if (part.n > 5 && str_ieq(str_make(part.p, 5), STR("wait=")) &&
            str_to_u64(str_make(part.p + 5, part.n - 5), &n) && n > 0)
            return (int)MIN(n, (uint64_t)MAX_WAIT_S);
    }
    return 0;
}

static struct input_problem *read_deadline(struct http_request *r, int64_t *out_ms)
{
    struct str given = http_header(r, "cancel-after");
    int64_t ms;

    *out_ms = 0;
    if (!given.p)
        given = http_header(r, "replicate-max-lifetime");
    if (!given.p)
        return NULL;
    if (!duration_parse(given, &ms) || ms < MIN_DEADLINE_MS)
        return api_input_problem(
            r, "format", "Cancel-After",
            "\"%.*s\" is not a duration of 5 seconds or more, such as 30, 90s, 5m or "
            "1h30m45s",
            STR_ARG(given));
    *out_ms = loop_wall_ms(r->loop) + ms;
    return NULL;
}

/* The same key, path and body are the same request. */
static struct input_problem *read_key(struct http_request *r, struct prediction_spec *spec)
{
    struct str given = http_header(r, "idempotency-key");
    struct sha256_ctx *hash;

    if (!given.p)
        return NULL;
    if (given.n == 0 || given.n > MAX_KEY)
        return api_input_problem(r, "format", "Idempotency-Key", "Must have 1 to %d characters",
                                 MAX_KEY);
    hash = sha256_new();
    sha256_add(hash, r->path.p, r->path.n);
    sha256_add(hash, "", 1);
    sha256_add(hash, r->body.p, r->body.n);
    sha256_end(hash, spec->hash);
    spec->key = arena_copy(r->arena, given);
    return NULL;
}

static const char *type_given(const struct json *v)
{
    return json_type_name(v);
}

static struct input_problem *check_webhook(struct http_request *r, struct prediction_spec *spec)
{
    struct json *v = json_get(r->json, "webhook");
    char origin[WEBHOOK_ORIGIN_SIZE];
    struct str url;

    if (!v || json_is(v, JSON_NULL))
        return NULL;
    if (!json_is(v, JSON_STRING))
        return api_input_problem(r, "invalid_type", "webhook",
                                 "Invalid type. Expected: string, given: %s", type_given(v));
    url = v->text;
    if (url.n == 0)
        return NULL;
    if (url.n > MAX_URL)
        return api_input_problem(r, "string_lte", "webhook",
                                 "webhook has %zu bytes; it must have at most %d", url.n, MAX_URL);
    if (!webhook_origin(url, origin))
        return api_input_problem(r, "format", "webhook", "Does not match format 'uri'");
    if (str_starts(str_of(origin), "http://") && !api_of(r)->options->webhook_private_targets)
        return api_input_problem(
            r, "format", "webhook",
            "Must be an https:// address (the option webhook_private_targets allows "
            "http://)");
    spec->webhook = arena_copy(r->arena, url);
    return NULL;
}

static struct input_problem *check_filter(struct http_request *r, struct prediction_spec *spec)
{
    static const char *const names[] = { "start", "output", "logs", "completed" };
    struct json *v = json_get(r->json, "webhook_events_filter");
    int at = 0;

    spec->webhook_events = WEBHOOK_DEFAULT;
    if (!v || json_is(v, JSON_NULL))
        return NULL;
    if (!json_is(v, JSON_ARRAY))
        return api_input_problem(r, "invalid_type", "webhook_events_filter",
                                 "Invalid type. Expected: array, given: %s", type_given(v));
    spec->has_webhook_filter = true;
    spec->webhook_events = 0;
    json_each (v, e) {
        unsigned bit = 0;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
            if (str_is(json_to_str(e), names[i]))
                bit = 1U << i;
        if (!bit)
            return api_input_problem(r, "enum",
                                     arena_printf(r->arena, "webhook_events_filter.%d", at),
                                     "webhook_events_filter.%d must be one of the following: "
                                     "\"start\", \"output\", \"logs\", "
                                     "\"completed\"",
                                     at);
        spec->webhook_events |= bit;
        at++;
    }
    return NULL;
}

static void link_problem(struct input_problem ***tail, struct input_problem *p)
{
    if (!p)
        return;
    **tail = p;
    while (p->next)
        p = p->next;
    *tail = &p->next;
}

/* Keys beside those of the contract that clients are known to send, and that mean nothing here. */
static bool is_tolerated(struct str key)
{
    return str_is(key, "webhook_completed") || str_is(key, "stream");
}

/* What can be said of a body before its version is known. */
static struct input_problem *check_body(struct http_request *r, bool takes_version,
                                        struct prediction_spec *spec)
{
    struct input_problem *first = NULL, **tail = &first;
    struct json *input = json_get(r->json, "input"), *version = json_get(r->json, "version");
    int n_unknown = 0;

    if (!json_is(r->json, JSON_OBJECT))
        return api_input_problem(r, "invalid_type", "", "Invalid type. Expected: object, given: %s",
                                 type_given(r->json));
    if (takes_version && !version)
        link_problem(&tail, api_input_problem(r, "required", "", "version is required"));
    else if (takes_version && !json_is(version, JSON_STRING))
        link_problem(&tail, api_input_problem(r, "invalid_type", "version",
                                              "Invalid type. Expected: string, given: %s",
                                              type_given(version)));
    if (!input)
        link_problem(&tail, api_input_problem(r, "required", "", "input is required"));
    else if (!json_is(input, JSON_OBJECT))
        link_problem(&tail, api_input_problem(r, "invalid_type", "input",
                                              "Invalid type. Expected: object, given: %s",
                                              type_given(input)));
    json_each (r->json, v) {
        bool known =
            str_is(v->key, "input") || str_is(v->key, "webhook") ||
            str_is(v->key, "webhook_events_filter") ||
            (takes_version && str_is(v->key, "version")) ||
            (spec->destination && (str_is(v->key, "destination") || str_is(v->key, "version")));

        if (known || is_tolerated(v->key))
            continue;
        if (++n_unknown > API_MAX_PROBLEMS)
            break;
        link_problem(&tail, api_input_problem(r, "additional_property_not_allowed", "",
                                              "Additional property %s is not allowed",
                                              api_shown_key(r, v->key)));
    }
    link_problem(&tail, check_webhook(r, spec));
    link_problem(&tail, check_filter(r, spec));
    link_problem(&tail, read_deadline(r, &spec->deadline));
    link_problem(&tail, read_key(r, spec));
    return first;
}

bool prediction_body_ok(struct http_request *r, bool takes_version, struct prediction_spec *spec)
{
    struct input_problem *first = check_body(r, takes_version, spec);

    if (first)
        api_invalid_input(r, first);
    return !first;
}

/* The last step of all three routes: the input against the version's schema, then into the store.
 */
void prediction_make_with(struct http_request *r, struct prediction_spec *spec)
{
    struct json *input = json_get(r->json, "input");
    struct input_problem *first = input_validate(spec->lane->version->schema, r->arena, input);
    struct making *m;

    if (first) {
        api_invalid_input(r, first);
        return;
    }
    m = xnew(struct making);
    list_init(&m->node);
    m->request = r;
    m->wait_s = spec->destination ? 0 : read_prefer(r); /* trainings are long */
    m->create.created = on_created;
    timer_init(r->loop, &m->timer, on_wait_over);
    r->context = m;
    r->on_gone = on_gone;
    r->on_half_closed = on_half_closed;
    spec->account_id = account_of(r)->info.id;
    spec->input = input->span;
    spec->source = "api";
    spec->is_waited_for = m->wait_s > 0;
    spec->base_url = api_base(r);
    prediction_create(api_of(r)->fleet, &m->create, spec);
}

void prediction_make_deployment(struct http_request *r)
{
    struct pool *p = pool_find(api_of(r)->fleet, http_param(r, "owner"), http_param(r, "name"));
    struct prediction_spec spec = { .pool = p };
    struct error err;

    if (!p || strcmp(p->owner_id, account_of(r)->info.id) != 0) {
        api_not_found(r);
        return;
    }
    if (!prediction_body_ok(r, false, &spec))
        return;
    switch (pool_choose(p, &spec.lane, &spec.release, &err)) {
    case STATUS_OK:
        prediction_make_with(r, &spec);
        break;
    case STATUS_BUSY:
        http_set_header(r, "Retry-After", "10");
        http_problem(r, 429, NULL, "%s", err.text);
        break;
    default:
        http_problem(r, 422, p->max == 0 ? "Deployment disabled" : "Deployment failed", "%s",
                     err.text);
    }
}

/* --- by version or by model --- */

static void refuse_version(struct http_request *r)
{
    http_problem(
        r, 422, "Invalid version or not permitted",
        "The specified version does not exist (or perhaps you don't have permission to use it?)");
}

static void make_on_model(struct http_request *r, const struct version_row *row)
{
    struct prediction_spec spec = { 0 };
    struct error err;

    check_body(r, json_get(r->json, "version") != NULL, &spec);
    if (pool_of_model(api_of(r)->fleet, row, &spec.lane, &err) != STATUS_OK) {
        http_problem_error(r, &err);
        return;
    }
    spec.pool = spec.lane->pool;
    if (spec.lane->n_queue >= api_of(r)->options->max_queue) {
        http_set_header(r, "Retry-After", "10");
        http_problem(r, 429, NULL, "The queue of this version is full (%d waiting).",
                     spec.lane->n_queue);
        return;
    }
    prediction_make_with(r, &spec);
}

static void on_version(struct http_request *r, struct store_op *op)
{
    struct store_version_get *get = container_of(op, struct store_version_get, op);

    if (op->status == STATUS_NOT_FOUND)
        refuse_version(r);
    else if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        make_on_model(r, &get->row);
}

static void on_latest(struct http_request *r, struct store_op *op)
{
    struct store_version_get *get = container_of(op, struct store_version_get, op);

    if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        make_on_model(r, &get->row);
}

void prediction_make(struct http_request *r)
{
    struct str owner = STR_NULL, name = STR_NULL, id = STR_NULL, given;
    struct prediction_spec spec = { 0 };

    if (!prediction_body_ok(r, true, &spec))
        return;
    given = json_to_str(json_get(r->json, "version"));
    if (memchr(given.p, '/', given.n)) { /* owner/name or owner/name:id */
        if (!model_ref_split(given, &owner, &name, &id)) {
            refuse_version(r);
            return;
        }
        api_version_get(r, owner, name, id, on_version);
        return;
    }
    if (given.n == 0) {
        refuse_version(r);
        return;
    }
    api_version_get(r, STR_NULL, STR_NULL, given, on_version);
}

void prediction_make_model(struct http_request *r)
{
    struct prediction_spec spec = { 0 };

    if (prediction_body_ok(r, false, &spec))
        api_version_get(r, http_param(r, "owner"), http_param(r, "name"), STR_NULL, on_latest);
}
