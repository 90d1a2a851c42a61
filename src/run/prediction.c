/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a live prediction:
 *
 *   created -> queued -> (input read) -> started on an instance -> accepted -> ended -> terminal write -> told
 *                ^------------- requeued: never ran, or its instance was lost ------|
 *
 * Invariants: it stands in a lane's queue, or in an instance's runs, or its terminal write is under way, or a timer
 * will put it back; never in two of them. `row` is what everybody is shown; a terminal status appears there only after
 * it is in stable storage. Each attempt has a number, written before a long run is started, so that no restart can run
 * it a second time. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/fleet.h"

#include <assert.h>
#include <stdlib.h>

enum {
    KEEP_INPUT = 64 * 1024,   /* larger inputs are read from the store when they are needed */
    FLUSH_MS = 1000,          /* progress goes to the store at most so often */
    SHORT_RUN_MS = 2000,      /* runs that are this quick may be started the short way */
    STORE_RETRY_MS = 1000,
    REFUSED_RETRY_MS = 100,   /* an instance did not take it: not again in the same moment */
    SILENT_END_MS = 3000,     /* how long the driver has to tell what became of a run that broke off */
};

static void on_timer(struct timer *t);
static void on_flush(struct timer *t);
static void on_deadline(struct timer *t);

static struct prediction *prediction_new(struct fleet *f, struct lane *l)
{
    struct prediction *p = xnew(struct prediction);

    p->fleet = f;
    p->lane = l;
    p->refs = 1;
    l->refs++;
    list_init(&p->node);
    list_init(&p->run_node);
    list_init(&p->watchers);
    timer_init(f->loop, &p->timer, on_timer);
    timer_init(f->loop, &p->flush, on_flush);
    timer_init(f->loop, &p->deadline, on_deadline);
    buf_init(&p->output, BUF_UNBOUNDED);
    buf_init(&p->logs, BUF_UNBOUNDED);
    return p;
}

static void free_text(char **p)
{
    free(*p);
    *p = NULL;
}

void prediction_unref(struct prediction *p)
{
    if (--p->refs > 0)
        return;
    assert(list_empty(&p->node) && list_empty(&p->run_node) && list_empty(&p->watchers));
    timer_stop(&p->timer);
    timer_stop(&p->flush);
    timer_stop(&p->deadline);
    p->lane->refs--;
    pool_wake(p->lane->pool);
    buf_deinit(&p->output);
    buf_deinit(&p->logs);
    free_text(&p->input);
    free_text(&p->secret_input);
    free_text(&p->normal_input);
    arena_deinit(&p->arena);
    free(p);
}

void prediction_forget(struct prediction *p)
{
    assert(!p->has_run);
    lane_take(p);
    list_remove(&p->run_node);
    list_init(&p->watchers);
    if (p->instance)
        p->instance->in_flight--;
    p->instance = NULL;
    map_remove(&p->fleet->predictions, str_of(p->id));
    prediction_unref(p);
}

struct prediction *prediction_find(struct fleet *f, struct str id)
{
    return map_get(&f->predictions, id);
}

/* --- watchers -------------------------------------------------------------------------------------------------- */

void prediction_watch(struct prediction *p, struct watcher *w)
{
    list_push(&p->watchers, &w->node);
}

void watcher_remove(struct watcher *w)
{
    list_remove(&w->node);
}

/* A watcher may remove itself or any other one while it is told. */
static void tell(struct prediction *p, struct str piece, struct str log_piece)
{
    struct list untold = LIST_INIT(untold), *node;

    p->refs++;
    while ((node = list_first(&p->watchers)) != NULL) {
        list_remove(node);
        list_push(&untold, node);
    }
    while ((node = list_first(&untold)) != NULL) {
        struct watcher *w = container_of(node, struct watcher, node);

        list_remove(node);
        list_push(&p->watchers, node);
        w->changed(w, p, piece, log_piece);
    }
    prediction_unref(p);
}

void prediction_view(struct prediction *p, struct arena *a, struct prediction_row *out)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    *out = p->row;
    if (prediction_is_terminal(p->row.status))
        return;
    if (p->has_run && p->run.n_pieces > 0) {
        bool is_array = p->lane->version->output.is_array;

        if (is_array)
            buf_addc(&text, '[');
        buf_add_str(&text, buf_str(&p->run.pieces));
        if (is_array)
            buf_addc(&text, ']');
        out->output = str_make(arena_copy(a, buf_str(&text)), text.n);
    } else if (p->output.n > 0) {
        out->output = buf_str(&p->output);
    }
    out->logs = p->has_run && p->run.logs.n >= p->logs.n ? buf_str(&p->run.logs) : buf_str(&p->logs);
}

/* --- creation --------------------------------------------------------------------------------------------------- */

static void deadline_start(struct prediction *p)
{
    if (p->row.deadline)
        timer_start(&p->deadline, MAX(p->row.deadline - loop_wall_ms(p->fleet->loop), 0));
}

struct creation {
    struct store_prediction_create op;
    struct prediction *p;
    struct prediction_request *request;
};

static void on_created(struct store_op *op)
{
    struct creation *c = container_of(op, struct creation, op.op);
    struct prediction_request *r = c->request;
    struct prediction *p = c->p;
    struct error err = op->error;
    bool failed = op->status != STATUS_OK;

    store_op_deinit(op);
    free(c);
    if (failed) {
        r->created(r, NULL, &err);
        prediction_unref(p);
        return;
    }
    p->fleet->n_created++;
    p->lane->pool->last_used_at = p->row.created_at;
    map_put(&p->fleet->predictions, str_of(p->id), p);
    deadline_start(p);
    p->refs++;
    r->created(r, p, NULL);
    if (!p->is_ending)
        lane_push(p->lane, p, false);
    if (p->row.input.n > KEEP_INPUT && !p->secret_input) {
        free_text(&p->input);
        p->row.input = STR_NULL;
    }
    prediction_unref(p);
}

static void fill_row(struct prediction *p, const struct prediction_spec *spec)
{
    struct version *v = p->lane->version;
    struct pool *pool = spec->pool;

    p->row = (struct prediction_row){
        .id = p->id,
        .sealed_input = p->row.sealed_input,
        .account_id = arena_copy(&p->arena, str_of(spec->account_id)),
        .deployment_id = spec->release ? arena_copy(&p->arena, str_of(pool->id)) : NULL,
        .deployment = spec->release ? arena_copy(&p->arena, str_of(pool->name)) : NULL,
        .release = spec->release ? spec->release->number : 0,
        .model_id = arena_copy(&p->arena, str_of(v->model_id)),
        .model_owner = arena_copy(&p->arena, str_of(v->owner)),
        .model_name = arena_copy(&p->arena, str_of(v->model)),
        .version = arena_copy(&p->arena, str_of(v->id)),
        .status = PREDICTION_STARTING,
        .source = arena_copy(&p->arena, str_of(spec->source)),
        .input = str_of(p->input),
        .predict_time = -1,
        .created_at = loop_wall_ms(p->fleet->loop),
        .deadline = spec->deadline,
        .webhook = spec->webhook ? arena_copy(&p->arena, str_of(spec->webhook)) : NULL,
        .webhook_events = spec->webhook_events,
        .has_webhook_filter = spec->has_webhook_filter,
        .base_url = arena_copy(&p->arena, str_of(spec->base_url)),
    };
}

/* What is kept and shown has its secrets masked; the true values are kept sealed until the end. */
static void take_input(struct prediction *p, struct str input)
{
    struct input_schema *schema = p->lane->version->schema;
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct buf masked CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct buf sealed CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct json *v;
    struct error err;

    if (input_has_secrets(schema) && json_parse(&a, input, NULL, &v, &err) == STATUS_OK &&
        input_mask(schema, v, &masked)) {
        p->secret_input = str_dup(input);
        p->input = buf_take(&masked);
        seal_add(p->fleet->key, input, &sealed);
        p->row.sealed_input = str_make(arena_copy(&p->arena, buf_str(&sealed)), sealed.n);
    } else {
        p->input = str_dup(input);
    }
}

void prediction_create(struct fleet *f, struct prediction_request *r, const struct prediction_spec *spec)
{
    struct prediction *p = prediction_new(f, spec->lane);
    struct creation *c = xnew(struct creation);

    id_make(&f->ids, loop_wall_ms(f->loop), p->id);
    take_input(p, spec->input);
    fill_row(p, spec);
    c->p = p;
    c->request = r;
    c->op.in = p->row;
    store_start(f->store, &c->op.op, &STORE_PREDICTION_CREATE, on_created);
}

struct prediction *prediction_restore(struct fleet *f, struct lane *l, const struct prediction_row *row)
{
    struct prediction *p = prediction_new(f, l);

    snprintf(p->id, sizeof(p->id), "%s", row->id);
    p->row = *row;
    p->row.id = p->id;
    p->row.account_id = arena_copy(&p->arena, str_of(row->account_id));
    p->row.deployment_id =
        row->deployment_id ? arena_copy(&p->arena, str_of(row->deployment_id)) : NULL;
    p->row.deployment = row->deployment ? arena_copy(&p->arena, str_of(row->deployment)) : NULL;
    p->row.model_id = arena_copy(&p->arena, str_of(row->model_id));
    p->row.model_owner = arena_copy(&p->arena, str_of(row->model_owner));
    p->row.model_name = arena_copy(&p->arena, str_of(row->model_name));
    p->row.version = arena_copy(&p->arena, str_of(row->version));
    p->row.source = arena_copy(&p->arena, str_of(row->source));
    p->row.webhook = row->webhook ? arena_copy(&p->arena, str_of(row->webhook)) : NULL;
    p->row.base_url = arena_copy(&p->arena, str_of(row->base_url));
    p->row.stream_secret =
        row->stream_secret ? arena_copy(&p->arena, str_of(row->stream_secret)) : NULL;
    p->row.instance_id = NULL;
    p->row.input = p->row.output = p->row.logs = p->row.metrics = STR_NULL;
    map_put(&f->predictions, str_of(p->id), p);
    deadline_start(p);
    return p;
}

/* --- the run ------------------------------------------------------------------------------------------------------ */

static const struct run_events run_events;

static void detach(struct prediction *p)
{
    struct instance *in = p->instance;

    list_remove(&p->run_node);
    p->instance = NULL;
    p->row.instance_id = NULL;
    p->accepted = p->attempt_open = p->must_join = false;
    p->loading = NULL;
    timer_stop(&p->timer);
    timer_stop(&p->flush);
    free_text(&p->normal_input);
    if (p->row.input.n > KEEP_INPUT && !p->secret_input) {
        free_text(&p->input);
        p->row.input = STR_NULL;
    }
    if (in)
        instance_run_ended(in);
}

void prediction_keep_progress(struct prediction *p)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct prediction_row row;
    struct buf output = BUF_INIT(BUF_UNBOUNDED);

    prediction_view(p, &a, &row);
    buf_add_str(&output, row.output);
    if (row.logs.p != p->logs.p) {
        buf_clear(&p->logs);
        buf_add_str(&p->logs, row.logs);
    }
    buf_deinit(&p->output);
    p->output = output;
}

static bool is_short(const struct prediction *p)
{
    int64_t p99 = version_p99_ms(p->lane->version);

    return p99 >= 0 && p99 < SHORT_RUN_MS && p->fleet->options->max_attempts > 1;
}

static struct run_spec run_spec_of(const struct prediction *p)
{
    return (struct run_spec){
        .id = p->id,
        .input = str_of(p->normal_input ? p->normal_input : "{}"),
        .way = p->row.started_long ? RUN_LONG : RUN_SHORT,
        .max_output = (size_t)p->fleet->options->max_output,
        .max_logs = (size_t)p->fleet->options->max_logs,
        .output_is_array = p->lane->version->output.is_array,
    };
}

static void ask_to_end(struct prediction *p)
{
    timer_start(&p->timer, p->fleet->options->cancel_grace);
    run_cancel(&p->run);
}

static void run_begin(struct prediction *p, bool join)
{
    struct run_spec spec = run_spec_of(p);

    spec.join = join;
    p->has_run = true;
    p->must_join = p->timed_out = false;
    timer_start(&p->timer, p->fleet->options->run_timeout);
    run_start(&p->instance->peer, &p->run, &spec, &run_events);
    if (p->row.cancel_requested)
        ask_to_end(p);
}

struct start_op {
    struct store_prediction_start op;
    struct prediction *p;
};

static void start_failed(struct prediction *p, const struct error *err)
{
    log_error("an attempt could not be recorded; the prediction waits", LOG_S("prediction", p->id),
              LOG_ERR(err));
    p->row.attempt--;
    detach(p);
    timer_start(&p->timer, STORE_RETRY_MS);
}

static void on_start_stored(struct store_op *op)
{
    struct start_op *s = container_of(op, struct start_op, op.op);
    struct prediction *p = s->p;
    struct error err = op->error;
    bool failed = op->status != STATUS_OK;
    bool is_mine = p->loading == s; /* not so where it lost its instance meanwhile, or ended */

    if (is_mine)
        p->loading = NULL;
    store_op_deinit(op);
    free(s);
    if (is_mine) {
        if (failed)
            start_failed(p, &err);
        else if (p->row.cancel_requested)
            prediction_end(p, PREDICTION_CANCELED, NULL);
        else if (p->fleet->is_stopping)
            prediction_requeue(p, true);
        else
            run_begin(p, false);
    } else if (failed) {
        log_error("an attempt could not be recorded", LOG_S("prediction", p->id), LOG_ERR(&err));
    }
    prediction_unref(p);
}

/* The input is at hand: writes the attempt's number, and runs it (the long way only after that is durable). */
static void attempt_start(struct prediction *p)
{
    struct start_op *s = xnew(struct start_op);

    p->row.attempt++;
    p->attempt_open = true;
    p->row.started_long = !is_short(p);
    p->row.instance_id = p->instance->id;
    s->p = p;
    s->op.id = p->id;
    s->op.attempt = p->row.attempt;
    s->op.instance_id = store_keep(&s->op.op, str_of(p->instance->id));
    s->op.started_long = p->row.started_long;
    s->op.started_at = p->row.started_at ? p->row.started_at : loop_wall_ms(p->fleet->loop);
    p->refs++;
    p->loading = p->row.started_long ? s : NULL;
    store_start(p->fleet->store, &s->op.op, &STORE_PREDICTION_START, on_start_stored);
    if (!p->row.started_long)
        run_begin(p, false);
}

static void normalize(struct prediction *p)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct buf out = BUF_INIT(BUF_UNBOUNDED);
    struct json *v;
    struct error err;
    const char *text = p->secret_input ? p->secret_input : p->input;

    if (json_parse(&a, str_of(text), NULL, &v, &err) == STATUS_OK)
        input_normalize(p->lane->version->schema, v, &out);
    else /* it was valid when it was accepted */
        log_error("a stored input cannot be read", LOG_S("prediction", p->id), LOG_ERR(&err));
    free_text(&p->normal_input);
    p->normal_input = buf_take(&out);
}

/* The values of secrets are kept in memory only: what waited over a restart has lost them. */
static bool secrets_are_lost(const struct prediction *p)
{
    struct input_schema *schema = p->lane->version->schema;
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct buf masked CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct json *v;
    struct error err;

    return !p->secret_input && input_has_secrets(schema) &&
           json_parse(&a, str_of(p->input), NULL, &v, &err) == STATUS_OK &&
           input_mask(schema, v, &masked);
}

static void input_arrived(struct prediction *p, struct str input)
{
    p->input = str_dup(input);
    p->row.input = str_of(p->input);
    if (secrets_are_lost(p)) {
        prediction_end(p, PREDICTION_FAILED,
                       "The prediction waited while the server was restarted. Secret inputs are not kept over "
                       "a restart: create the prediction again.");
        return;
    }
    if (p->is_rebound && !prediction_input_fits(p, p->lane->version)) {
        prediction_end(p, PREDICTION_FAILED, PREDICTION_MISFIT);
        return;
    }
    normalize(p);
    attempt_start(p);
}

static void unseal(struct prediction *p, struct str sealed)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    if (!sealed.p || p->secret_input)
        return;
    if (seal_open(p->fleet->key, sealed, &text))
        p->secret_input = buf_take(&text);
    else
        log_error("a secret input cannot be read: the data folder's key is not the one it was sealed with",
                  LOG_S("prediction", p->id));
}

struct load_op {
    struct store_prediction_get op;
    struct prediction *p;
};

static void on_loaded(struct store_op *op)
{
    struct load_op *l = container_of(op, struct load_op, op.op);
    struct prediction *p = l->p;
    bool is_mine = p->loading == l; /* as above */

    if (is_mine) {
        p->loading = NULL;
        if (op->status != STATUS_OK) {
            log_error("an input could not be read", LOG_S("prediction", p->id), LOG_ERR(&op->error));
            detach(p);
            timer_start(&p->timer, STORE_RETRY_MS);
        } else if (p->row.cancel_requested) {
            prediction_end(p, PREDICTION_CANCELED, NULL);
        } else if (p->fleet->is_stopping) {
            prediction_requeue(p, true);
        } else {
            unseal(p, l->op.row.sealed_input);
            input_arrived(p, l->op.row.input);
        }
    }
    store_op_deinit(op);
    free(l);
    prediction_unref(p);
}

void prediction_begin(struct prediction *p, struct instance *in)
{
    struct load_op *l;

    assert(!p->is_queued && !p->instance && !p->has_run);
    p->instance = in;
    in->in_flight++;
    list_push(&in->runs, &p->run_node);
    if (p->input) {
        normalize(p);
        attempt_start(p);
        return;
    }
    l = xnew(struct load_op);
    l->p = p;
    l->op.id = p->id;
    p->refs++;
    p->loading = l;
    store_start(p->fleet->store, &l->op.op, &STORE_PREDICTION_GET, on_loaded);
}

void prediction_join(struct prediction *p, struct instance *in)
{
    assert(p->instance == in && !p->has_run);
    run_begin(p, true);
}

static void on_accepted(struct run *r)
{
    struct prediction *p = container_of(r, struct prediction, run);

    p->accepted = true;
    if (p->row.status == PREDICTION_STARTING) {
        p->row.status = PREDICTION_PROCESSING;
        p->row.started_at = loop_wall_ms(p->fleet->loop);
        tell(p, STR_NULL, STR_NULL);
    }
}

static void on_progress(struct run *r, struct str piece, struct str log_piece)
{
    struct prediction *p = container_of(r, struct prediction, run);

    if (!timer_armed(&p->flush) && !p->flushing)
        timer_start(&p->flush, FLUSH_MS);
    tell(p, piece, log_piece);
}

struct progress_op {
    struct store_prediction_progress op;
    struct prediction *p;
};

static void on_progress_stored(struct store_op *op)
{
    struct progress_op *g = container_of(op, struct progress_op, op.op);

    if (op->status != STATUS_OK && op->status != STATUS_CONFLICT)
        log_warning("progress could not be stored", LOG_S("prediction", g->p->id),
                    LOG_ERR(&op->error));
    g->p->flushing = false;
    prediction_unref(g->p);
    store_op_deinit(op);
    free(g);
}

static void store_progress(struct prediction *p, bool with_text)
{
    struct progress_op *g = xnew(struct progress_op);
    struct prediction_row row = { 0 };

    g->p = p;
    g->op.id = p->id;
    g->op.attempt = with_text ? p->row.attempt : -1;
    g->op.cancel_requested = p->row.cancel_requested;
    if (with_text) {
        prediction_view(p, &g->op.op.arena, &row);
        g->op.output = str_make(store_keep(&g->op.op, row.output), row.output.n);
        g->op.logs = str_make(store_keep(&g->op.op, row.logs), row.logs.n);
    }
    p->refs++;
    p->flushing = true;
    store_start(p->fleet->store, &g->op.op, &STORE_PREDICTION_PROGRESS, on_progress_stored);
}

static void on_flush(struct timer *t)
{
    struct prediction *p = container_of(t, struct prediction, flush);

    if (p->has_run && !p->is_ending)
        store_progress(p, true);
}

static void on_run_ended(struct run *r, const struct run_result *res)
{
    struct prediction *p = container_of(r, struct prediction, run);
    struct instance *in = p->instance;
    const char *error = res->error;

    prediction_keep_progress(p);
    p->has_run = false;
    /* Their memory is the protocol's until we return. */
    p->run.logs = p->run.pieces = (struct buf){ 0 };
    p->run.n_pieces = 0;
    switch (res->verdict) {
    case RUN_DONE:
        prediction_final(p, res);
        break;
    case RUN_NEVER_RAN:
        prediction_requeue(p, true);
        if (p->is_queued && !res->peer_is_sick) { /* the same instance would be asked at once */
            lane_take(p);
            timer_start(&p->timer, REFUSED_RETRY_MS);
        }
        break;
    case RUN_CRASHED:
        if (!error)
            error = "The model process ended by itself while it ran the prediction.";
        prediction_end(p, p->row.cancel_requested && !p->timed_out ? PREDICTION_CANCELED
                                                                    : PREDICTION_FAILED,
                       error);
        break;
    case RUN_LOST:
        /* The driver knows whether the process ended by itself, and says so within moments. If it does not, the
         * timer ends the instance. */
        timer_start(&p->timer, SILENT_END_MS);
        return;
    }
    if (res->peer_is_sick && in)
        instance_drain(in, "sick");
}

static const struct run_events run_events = {
    .accepted = on_accepted,
    .progress = on_progress,
    .ended = on_run_ended,
};

/* --- ends ------------------------------------------------------------------------------------------------------------ */

struct end_op {
    struct store_prediction_end op;
    struct prediction *p;
    struct timer retry;
};

static void on_end_stored(struct store_op *op);

static void on_end_retry(struct timer *t)
{
    struct end_op *e = container_of(t, struct end_op, retry);

    e->op.op.status = STATUS_OK;
    store_start(e->p->fleet->store, &e->op.op, &STORE_PREDICTION_END, on_end_stored);
}

/* It is in stable storage: now everybody may know. */
static void on_end_stored(struct store_op *op)
{
    struct end_op *e = container_of(op, struct end_op, op.op);
    struct prediction *p = e->p;
    struct list *node;

    if (op->status != STATUS_OK && op->status != STATUS_CONFLICT && op->status != STATUS_NOT_FOUND) {
        log_error("an end could not be stored; it is tried again", LOG_S("prediction", p->id),
                  LOG_ERR(&op->error));
        timer_start(&e->retry, STORE_RETRY_MS);
        return;
    }
    p->row.status = e->op.status;
    p->row.output = e->op.output;
    p->row.logs = e->op.logs;
    p->row.metrics = e->op.metrics;
    p->row.error = e->op.error;
    p->row.predict_time = e->op.predict_time;
    p->row.completed_at = e->op.completed_at;
    p->fleet->n_ended++;
    map_remove(&p->fleet->predictions, str_of(p->id));
    log_info("prediction ended", LOG_S("prediction", p->id),
             LOG_S("status", prediction_status_text(p->row.status)),
             LOG_I("ms", p->row.completed_at - p->row.created_at));
    while ((node = list_first(&p->watchers)) != NULL) {
        struct watcher *w = container_of(node, struct watcher, node);

        watcher_remove(w);
        w->changed(w, p, STR_NULL, STR_NULL);
    }
    p->row.output = p->row.logs = p->row.metrics = STR_NULL;
    p->row.error = NULL;
    store_op_deinit(op);
    free(e);
    prediction_unref(p);
}

static struct str keep(struct end_op *e, struct str s)
{
    return str_make(store_keep(&e->op.op, s), s.n);
}

static void end_with(struct prediction *p, const struct run_result *res)
{
    struct end_op *e = xnew(struct end_op);
    int64_t now = loop_wall_ms(p->fleet->loop);

    assert(!p->is_ending);
    p->is_ending = true;
    lane_take(p);
    e->p = p;
    timer_init(p->fleet->loop, &e->retry, on_end_retry);
    e->op.id = p->id;
    e->op.attempt = -1;
    e->op.status = res->status;
    e->op.output = keep(e, res->output);
    e->op.logs = keep(e, res->logs);
    e->op.metrics = keep(e, res->metrics);
    e->op.error = store_keep(&e->op.op, str_of(res->error));
    e->op.completed_at = now;
    e->op.predict_time = res->predict_time;
    if (e->op.predict_time < 0)
        e->op.predict_time = p->row.started_at ? (double)(now - p->row.started_at) / 1000 : 0;
    timer_stop(&p->deadline);
    detach(p);
    store_start(p->fleet->store, &e->op.op, &STORE_PREDICTION_END, on_end_stored);
}

void prediction_final(struct prediction *p, const struct run_result *given)
{
    struct run_result res = *given;
    char text[160], limit[TIME_TEXT_SIZE];

    if (p->is_ending)
        return;
    if (res.status == PREDICTION_SUCCEEDED && p->row.started_at)
        version_measured(p->lane->version, loop_wall_ms(p->fleet->loop) - p->row.started_at);
    if (!res.logs.p)
        res.logs = buf_str(&p->logs);
    if (!res.output.p && p->output.n > 0)
        res.output = buf_str(&p->output);
    if (p->timed_out && res.status == PREDICTION_CANCELED) {
        duration_format(p->fleet->options->run_timeout, limit);
        snprintf(text, sizeof(text), "The prediction ran longer than %s (run_timeout) and was ended.",
                 limit);
        res.status = PREDICTION_FAILED;
        res.error = text;
    }
    end_with(p, &res);
}

/* An end that no instance told: canceled while it waited, or given up. What was produced so far is kept. */
void prediction_end(struct prediction *p, enum prediction_status status, const char *error)
{
    struct run_result res = {
        .status = status,
        .error = error,
        .output = p->output.n ? buf_str(&p->output) : STR_NULL,
        .logs = buf_str(&p->logs),
        .predict_time = -1,
    };

    if (!p->is_ending)
        prediction_final(p, &res);
}

/* The instance is gone, and with it the run. */
void prediction_lost(struct prediction *p, const struct exit_info *how, const char *setup_text)
{
    char text[512];

    (void)setup_text;
    p->has_run = false;
    if (p->is_ending)
        return;
    if (p->row.cancel_requested || p->timed_out) {
        prediction_end(p, PREDICTION_CANCELED, NULL);
        return;
    }
    if (!p->attempt_open || p->loading) {
        prediction_requeue(p, true); /* it was still on its way there */
        return;
    }
    if (how->lost && p->row.attempt < p->fleet->options->max_attempts) {
        prediction_requeue(p, false);
        return;
    }
    if (how->lost)
        snprintf(text, sizeof(text),
                 "The instance that ran the prediction was lost, %lld times in all (max_attempts).",
                 (long long)p->row.attempt);
    else if (how->out_of_memory)
        snprintf(text, sizeof(text),
                 "The model used more memory than its hardware (%s) has and was ended. Choose hardware "
                 "with more memory.",
                 p->lane->sku_name);
    else
        snprintf(text, sizeof(text), "The model process ended while it ran the prediction: %s.",
                 how->text);
    prediction_end(p, PREDICTION_FAILED, text);
}

struct requeue_op {
    struct store_prediction_requeue op;
    struct prediction *p;
};

static void on_requeued(struct store_op *op)
{
    struct requeue_op *q = container_of(op, struct requeue_op, op.op);

    if (op->status != STATUS_OK && op->status != STATUS_CONFLICT)
        log_error("a return to the queue could not be stored", LOG_S("prediction", q->p->id),
                  LOG_ERR(&op->error));
    prediction_unref(q->p);
    store_op_deinit(op);
    free(q);
}

/* The next attempt's number is written after this, by the same writer, in order. */
void prediction_requeue(struct prediction *p, bool not_counted)
{
    struct requeue_op *q;
    int64_t attempt = p->row.attempt;
    bool was_open = p->attempt_open;

    log_info("prediction goes back to the queue", LOG_S("prediction", p->id),
             LOG_I("attempt", attempt), LOG_S("why", not_counted ? "it never ran" : "instance lost"));
    if (not_counted && was_open)
        p->row.attempt--;
    detach(p);
    if (p->row.cancel_requested) {
        prediction_end(p, PREDICTION_CANCELED, NULL);
        return;
    }
    lane_push(p->lane, p, true);
    if (!was_open)
        return;
    q = xnew(struct requeue_op);
    q->p = p;
    p->refs++;
    q->op.id = p->id;
    q->op.attempt = attempt;
    q->op.not_counted = not_counted;
    store_start(p->fleet->store, &q->op.op, &STORE_PREDICTION_REQUEUE, on_requeued);
}

/* --- cancel and time ---------------------------------------------------------------------------------------------------- */

void prediction_cancel(struct prediction *p)
{
    bool first = !p->row.cancel_requested;

    if (p->is_ending)
        return;
    p->row.cancel_requested = true;
    if (!p->instance) {
        prediction_end(p, PREDICTION_CANCELED, NULL);
        return;
    }
    if (first)
        store_progress(p, false);
    if (first && p->has_run)
        ask_to_end(p);
    /* Else it is on its way to an instance, or its instance is being found again: seen there. */
}

static void on_deadline(struct timer *t)
{
    struct prediction *p = container_of(t, struct prediction, deadline);

    if (p->row.status == PREDICTION_STARTING && !p->instance && !p->is_ending)
        prediction_end(p, PREDICTION_ABORTED, "The deadline (Cancel-After) passed before the prediction began.");
    else
        prediction_cancel(p);
}

static void on_timer(struct timer *t)
{
    struct prediction *p = container_of(t, struct prediction, timer);

    if (p->is_ending)
        return;
    if (!p->instance) { /* the store had no room; once more */
        lane_push(p->lane, p, true);
        return;
    }
    if (!p->has_run) {
        instance_kill(p->instance, "contact with it was lost", 0);
        return;
    }
    if (p->row.cancel_requested || p->timed_out) {
        instance_kill(p->instance, "a canceled prediction did not end", 0);
        return;
    }
    p->timed_out = true;
    timer_start(&p->timer, p->fleet->options->cancel_grace);
    run_cancel(&p->run);
}
