/* SPDX-License-Identifier: Apache-2.0 */
/* Making a prediction, on three routes: by a deployment, by a version, by a model. */
#include "api/session.h"
#include "base/encode.h"
#include "base/mem.h"
#include "run/canary.h"

#include <stdlib.h>

enum { MAX_WAIT_S = 60 };

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
    bool said_how_long;   /* wait=N, not the bare word */
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
    if (!row.input.p) /* a large one is not kept; with secrets it is */
        row.input = json_get(r->json, "input")->span;
    if (m->wait_s && p->inlined.p)
        row.output = p->inlined;
    if (as_starting) { /* as the word says, there is nothing to show yet */
        row.output = STR_NULL;
        row.logs = STR("");
        row.instance_id = NULL;
        row.started_at = row.completed_at = 0;
    }
    snprintf(text, sizeof(text), "%s/v1/predictions/%s", row.base_url, row.id);
    http_set_header(r, "Location", text);
    if (m->wait_s) {
        snprintf(text, sizeof(text), "wait=%d", m->wait_s);
        http_set_header(r, "Preference-Applied", m->said_how_long ? text : "wait");
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
static int read_prefer(struct http_request *r, bool *out_said_how_long)
{
    struct str rest = http_header(r, "prefer"), part;
    uint64_t n;

    while (rest.p && str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (str_ieq(part, STR("wait")))
            return MAX_WAIT_S;
        if (part.n > 5 && str_ieq(str_make(part.p, 5), STR("wait=")) &&
            str_to_u64(str_make(part.p + 5, part.n - 5), &n) && n > 0) {
            *out_said_how_long = true;
            return (int)MIN(n, (uint64_t)MAX_WAIT_S);
        }
    }
    return 0;
}

/* The last step of all routes: into the store. The input is valid. */
static void make_now(struct http_request *r, struct prediction_spec *spec)
{
    struct making *m = xnew(struct making);

    list_init(&m->node);
    m->request = r;
    if (!spec->destination) /* trainings are long */
        m->wait_s = read_prefer(r, &m->said_how_long);
    m->create.created = on_created;
    timer_init(r->loop, &m->timer, on_wait_over);
    r->context = m;
    r->on_gone = on_gone;
    r->on_half_closed = on_half_closed;
    spec->account_id = account_of(r)->info.id;
    spec->source = session_is(r) ? "web" : "api";
    spec->is_waited_for = m->wait_s > 0;
    spec->base_url = api_base(r);
    prediction_create(api_of(r)->fleet, &m->create, spec);
}

/* The deployment's present lane and release; false: the request was answered. */
static bool choose(struct http_request *r, struct prediction_spec *spec)
{
    struct pool *p = pool_find(api_of(r)->fleet, http_param(r, "owner"), http_param(r, "name"));
    struct error err;

    if (!p || strcmp(p->owner_id, account_of(r)->info.id) != 0) {
        api_not_found(r);
        return false;
    }
    spec->pool = p;
    switch (pool_choose(p, &spec->lane, &spec->release, &err)) {
    case STATUS_OK:
        return true;
    case STATUS_BUSY:
        http_set_header(r, "Retry-After", "10");
        http_problem(r, 429, NULL, "%s", err.text);
        return false;
    default:
        http_problem(r, 422, p->max == 0 ? "Deployment disabled" : "Deployment failed", "%s",
                     err.text);
        return false;
    }
}

/* Of a model that runs without a deployment; true: the request was answered. */
static bool refuse_if_full(struct http_request *r, const struct lane *l)
{
    if (!queue_is_full(l->line.n, api_of(r)->options->max_queue))
        return false;
    http_set_header(r, "Retry-After", "10");
    http_problem(r, 429, NULL, "The queue of this version is full (%d waiting).", l->line.n);
    return true;
}

/* A large input is checked, and copied, on another thread. Meanwhile the client may go, and the
 * deployment may get another version. */
struct checking {
    struct work work;
    struct http_kept *kept;
    struct http_request *request; /* NULL: the client has gone */
    struct prediction_spec spec;
    struct lane *lane; /* held */
    const unsigned char *key;
    const struct json *input;
    struct str path, body;
    struct arena arena;
    struct input_problem *problems; /* in the arena */
    struct prediction_input taken;
};

/* The same key, path and body are the same request. */
static void hash_request(struct str path, struct str body, unsigned char out[32])
{
    struct sha256_ctx *hash = sha256_new();

    sha256_add(hash, path.p, path.n);
    sha256_add(hash, "", 1);
    sha256_add(hash, body.p, body.n);
    sha256_end(hash, out);
}

static void check_work(struct work *w)
{
    struct checking *c = container_of(w, struct checking, work);
    const struct input_schema *schema = c->lane->version->schema;

    c->problems = input_validate(schema, &c->arena, c->input);
    if (c->problems)
        return;
    prediction_input_make(&c->taken, schema, c->key, c->input);
    if (c->spec.key)
        hash_request(c->path, c->body, c->spec.hash);
}

/* One check serves for both where a canary goes on. */
static bool choose_known(struct http_request *r, struct prediction_spec *spec)
{
    if (!choose(r, spec))
        return false;
    canary_keep_known(spec->pool, &spec->lane, &spec->release);
    return true;
}

static void on_checked(struct work *w)
{
    struct checking *c = container_of(w, struct checking, work);
    struct http_request *r = c->request;
    const struct version *checked = c->lane->version;

    if (r) {
        r->on_gone = NULL;
        c->spec.taken = &c->taken;
        if (c->problems)
            api_invalid_input(r, c->problems);
        else if (c->spec.release && !choose_known(r, &c->spec))
            ; /* answered */
        else if (!c->spec.release && !c->spec.destination && refuse_if_full(r, c->lane))
            ; /* likewise: others came meanwhile */
        else if (!str_eq(c->spec.lane->version->schema_text, checked->schema_text))
            prediction_make_with(r, &c->spec);
        else
            make_now(r, &c->spec);
    }
    prediction_input_deinit(&c->taken);
    arena_deinit(&c->arena);
    lane_release(c->lane);
    http_release(c->kept);
    free(c);
}

static void on_gone_unchecked(struct http_request *r)
{
    struct checking *c = r->context;

    c->request = NULL;
}

static void check(struct http_request *r, const struct prediction_spec *spec,
                  struct http_kept *kept)
{
    struct checking *c = xnew(struct checking);

    c->kept = kept;
    c->request = r;
    c->spec = *spec;
    c->spec.taken = NULL;
    if (spec->destination_id)
        c->spec.destination_id = arena_copy(r->arena, str_of(spec->destination_id));
    c->lane = spec->lane;
    lane_hold(c->lane);
    c->key = api_of(r)->fleet->key;
    c->input = json_get(r->json, "input");
    c->path = str_make(arena_copy(&c->arena, r->path), r->path.n);
    c->body = r->body;
    r->context = c;
    r->on_gone = on_gone_unchecked;
    work_start(r->loop, &c->work, check_work, on_checked);
}

/* What is a canary's runs on the release beside it too, should it be halted; what only one of the
 * two takes is that release's. */
static struct input_problem *validate(struct http_request *r, struct prediction_spec *spec,
                                      const struct json *input)
{
    struct release *instead = canary_instead(spec->pool, spec->release);
    struct input_problem *found;

    if (instead) {
        found = input_validate(instead->lane->version->schema, r->arena, input);
        if (!found && !input_validate(spec->lane->version->schema, r->arena, input))
            return NULL;
        spec->release = instead;
        spec->lane = instead->lane;
        return found;
    }
    return input_validate(spec->lane->version->schema, r->arena, input);
}

void prediction_make_with(struct http_request *r, struct prediction_spec *spec)
{
    struct json *input = json_get(r->json, "input");
    struct http_kept *kept = http_keep(r);
    struct input_problem *first;

    spec->input = input->span;
    if (kept) {
        canary_keep_known(spec->pool, &spec->lane, &spec->release);
        check(r, spec, kept);
        return;
    }
    first = validate(r, spec, input);
    if (first) {
        api_invalid_input(r, first);
        return;
    }
    if (spec->key)
        hash_request(r->path, r->body, spec->hash);
    make_now(r, spec);
}

void prediction_make_deployment(struct http_request *r)
{
    struct prediction_spec spec = { 0 };

    if (!own_pool(r)) /* nothing is said of a body for what is not there */
        return;
    if (prediction_body_ok(r, false, &spec) && choose(r, &spec))
        prediction_make_with(r, &spec);
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

    (void)prediction_body_read(r, json_get(r->json, "version") != NULL, &spec);
    if (pool_of_model(api_of(r)->fleet, row, &spec.lane, &err) != STATUS_OK) {
        http_problem_error(r, &err);
        return;
    }
    spec.pool = spec.lane->pool;
    if (!refuse_if_full(r, spec.lane))
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
