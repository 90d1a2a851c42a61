/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a live prediction:
 *
 *   created -> queued -> (input read) -> started on an instance -> accepted -> ended -> terminal
 * write -> told
 *                ^------------- requeued: never ran, or its instance was lost ------|
 *
 * Invariants: it stands in a lane's queue, or in an instance's runs, or its terminal write is under
 * way, or a timer will put it back; never in two of them. `row` is what everybody is shown; a
 * terminal status appears there only after it is in stable storage. Each attempt has a number,
 * written before a long run is started, so that no restart can run it a second time. */
#include "run/prediction_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/canary.h"
#include "run/capacity.h"
#include "run/deliver.h"
#include "run/live_output.h"
#include "run/output_file.h"
#include "run/scaling.h"

#include <assert.h>
#include <stdlib.h>

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
    list_init(&p->uploads);
    timer_init(f->loop, &p->timer, prediction_on_timer);
    timer_init(f->loop, &p->flush, prediction_on_flush);
    timer_init(f->loop, &p->deadline, prediction_on_deadline);
    buf_init(&p->output, BUF_UNBOUNDED);
    buf_init(&p->logs, BUF_UNBOUNDED);
    return p;
}

void prediction_drop_text(char **p)
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
    prediction_unprepare(p);
    live_output_close(p);
    output_uploads_free(&p->uploads);
    ledger_tally_deinit(&p->share);
    buf_deinit(&p->output);
    buf_deinit(&p->logs);
    prediction_drop_text(&p->input);
    prediction_drop_text(&p->secret_input);
    prediction_drop_text(&p->normal_input);
    arena_deinit(&p->arena);
    free(p);
}

void prediction_forget(struct prediction *p)
{
    assert(!p->has_run);
    prediction_end_forget(p);
    lane_take(p);
    list_remove(&p->run_node);
    list_init(&p->watchers);
    if (p->instance)
        p->instance->in_flight--;
    p->instance = NULL;
    prediction_unlist(p);
    prediction_unref(p);
}

struct prediction *prediction_find(struct fleet *f, struct str id)
{
    return map_get(&f->predictions, id);
}

struct prediction *prediction_of_stream(struct fleet *f, struct str secret)
{
    return map_get(&f->streams, secret);
}

void prediction_unlist(struct prediction *p)
{
    map_remove(&p->fleet->predictions, str_of(p->id));
    if (p->row.stream_secret)
        map_remove(&p->fleet->streams, str_of(p->row.stream_secret));
}

/* --- watchers --- */

void prediction_watch(struct prediction *p, struct watcher *w)
{
    list_push(&p->watchers, &w->node);
}

void watcher_remove(struct watcher *w)
{
    list_remove(&w->node);
}

/* A watcher may remove itself or any other one while it is told. */
void prediction_tell(struct prediction *p, struct str piece, struct str log_piece)
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

struct str prediction_pieces(const struct prediction *p)
{
    if (!p->has_run)
        return STR_NULL;
    return p->live ? live_output_told(p->live) : buf_str(&p->run.pieces);
}

void prediction_whole(const struct prediction *p, struct str pieces, struct buf *out)
{
    /* Of one value there is one piece, unless the model says what its schema does not. */
    bool is_array = p->lane->version->output.is_array || p->run.n_pieces > 1;

    buf_clear(out);
    buf_reserve(out, pieces.n + 2);
    if (is_array)
        buf_addc(out, '[');
    buf_add_str(out, pieces);
    if (is_array)
        buf_addc(out, ']');
}

void prediction_view(struct prediction *p, struct arena *a, struct prediction_row *out)
{
    struct str pieces = prediction_pieces(p);

    *out = p->row;
    if (prediction_is_terminal(p->row.status))
        return;
    out->queue_position = prediction_queue_position(p);
    out->estimated_start_at =
        prediction_queue_start(p, (int)out->queue_position, loop_wall_ms(p->fleet->loop));
    if (p->lane->pool->held[0])
        out->queue_reason = p->lane->pool->held;
    else if (p->is_queued && lane_count(p->lane, INSTANCE_READY) == 0)
        out->queue_reason = capacity_reason(p->lane, a);
    if (pieces.n > 0) {
        size_t room = pieces.n + 3; /* two brackets and a NUL */
        struct buf text = { .p = arena_alloc(a, room), .cap = room, .max = room - 1 };

        prediction_whole(p, pieces, &text);
        out->output = buf_str(&text);
    } else if (p->output.n > 0) {
        out->output = buf_str(&p->output);
    }
    out->logs =
        p->has_run && p->run.logs.n >= p->logs.n ? buf_str(&p->run.logs) : buf_str(&p->logs);
}

/* --- creation --- */

static void begin_to_live(struct prediction *p)
{
    struct fleet *f = p->fleet;

    map_put(&f->predictions, str_of(p->id), p);
    if (p->row.stream_secret)
        map_put(&f->streams, str_of(p->row.stream_secret), p);
    if (p->row.deadline)
        timer_start(&p->deadline, queue_time_left(p->row.deadline, loop_wall_ms(f->loop)));
    if (f->deliveries)
        deliveries_follow(f->deliveries, p);
}

struct creation {
    struct store_prediction_create op;
    struct prediction *p;
    struct prediction_request *request;
};

/* It cannot be stored. Where it runs already it is stopped; its end finds no row, which is no harm.
 */
static void creation_failed(struct prediction *p, struct prediction_request *r,
                            const struct error *err)
{
    r->created(r, NULL, err);
    if (p->is_early) {
        p->is_void = true;
        prediction_cancel(p);
    }
    prediction_unref(p);
}

static void on_created(struct store_op *op)
{
    struct creation *c = container_of(op, struct creation, op.op);
    struct prediction_request *r = c->request;
    struct prediction *p = c->p;
    struct error err = op->error;
    bool failed = op->status != STATUS_OK;

    if (failed && c->op.existing)
        snprintf(r->existing, sizeof(r->existing), "%s", c->op.existing);
    store_op_deinit(op);
    free(c);
    if (failed) {
        creation_failed(p, r, &err);
        return;
    }
    p->fleet->n_created++;
    metrics_created(p->lane->pool);
    tell_prediction(p, prediction_status_text(p->row.status));
    p->lane->pool->last_used_at = p->row.created_at;
    if (!p->is_early)
        begin_to_live(p);
    if (!p->is_early)
        p->refs++;
    r->created(r, p, NULL);
    if (!p->is_early && !p->is_ending) {
        scaling_arrived(p);
        lane_push(p->lane, p, false);
    }
    p->is_early = false;
    if (p->row.input.n > KEEP_INPUT && !p->secret_input && !p->instance) {
        prediction_drop_text(&p->input);
        p->row.input = STR_NULL;
    }
    prediction_unref(p);
}

/* Dispatch may overlap the commit where nobody can hear of it before both are durable, and where
 * nothing is fetched or told for its sake, nor anything large looked through. A long run waits for
 * its attempt's number all the same, which is written after the prediction. */
static bool may_overlap(const struct fleet *f, const struct prediction *p,
                        const struct prediction_spec *spec)
{
    return spec->is_waited_for && p->row.input.n <= KEEP_INPUT && !spec->key && !spec->webhook &&
           !spec->destination && !(f->files && input_has_uris(p->lane->version->schema));
}

static const char *make_stream_secret(struct prediction *p)
{
    const char *kind = p->lane->version->output.files_listed ? STREAM_OF_FILES : "";
    char secret[STREAM_SECRET_LEN + 1];

    id_secret(loop_rand(p->fleet->loop), STREAM_SECRET_LEN, secret);
    return arena_printf(&p->arena, "%s%s", kind, secret);
}

static void fill_row(struct prediction *p, const struct prediction_spec *spec)
{
    struct version *v = p->lane->version;
    struct pool *pool = spec->pool;
    bool can_stream = v->output.is_iterator && !spec->destination;
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
        .destination = spec->destination ? arena_copy(&p->arena, str_of(spec->destination)) : NULL,
        .destination_id =
            spec->destination_id ? arena_copy(&p->arena, str_of(spec->destination_id)) : NULL,
        .stream_secret = can_stream ? make_stream_secret(p) : NULL,
    };
}

/* What is kept and shown has its secrets masked; the true values are kept sealed until the end. */
void prediction_input_make(struct prediction_input *in, const struct input_schema *schema,
                           const unsigned char *key, const struct json *input)
{
    struct buf masked CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    *in = (struct prediction_input){ .sealed = BUF_INIT(BUF_UNBOUNDED) };
    if (!input_has_secrets(schema) || !input_mask(schema, input, &masked)) {
        in->text = str_dup(input->span);
        return;
    }
    in->text = buf_take(&masked);
    in->secret = str_dup(input->span);
    seal_add(key, input->span, &in->sealed);
}

void prediction_input_deinit(struct prediction_input *in)
{
    prediction_drop_text(&in->text);
    prediction_drop_text(&in->secret);
    buf_deinit(&in->sealed);
}

static void take_input(struct prediction *p, const struct prediction_spec *spec)
{
    const struct input_schema *schema = p->lane->version->schema;
    struct prediction_input made = { 0 }, *in = spec->taken ? spec->taken : &made;
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json v = { .type = JSON_OBJECT, .span = spec->input }, *read = &v;

    if (!spec->taken) {
        if (input_has_secrets(schema) && json_parse(&a, spec->input, NULL, &read, NULL))
            read = &v;
        prediction_input_make(in, schema, p->fleet->key, read);
    }
    p->input = TAKE(in->text);
    p->secret_input = TAKE(in->secret);
    if (in->sealed.n > 0)
        p->row.sealed_input = str_make(arena_copy(&p->arena, buf_str(&in->sealed)), in->sealed.n);
    prediction_input_deinit(in);
}

void prediction_create(struct fleet *f, struct prediction_request *r,
                       const struct prediction_spec *spec)
{
    struct prediction *p = prediction_new(f, spec->lane);
    struct creation *c = xnew(struct creation);

    id_make(&f->ids, loop_wall_ms(f->loop), p->id);
    take_input(p, spec);
    fill_row(p, spec);
    canary_arrived(p);
    c->p = p;
    c->request = r;
    c->op.in = p->row;
    c->op.key = store_keep(&c->op.op, str_of(spec->key));
    memcpy(c->op.hash, spec->hash, sizeof(c->op.hash));
    c->op.key_after = p->row.created_at - KEY_MS;
    p->is_early = may_overlap(f, p, spec);
    p->refs += p->is_early;
    if (!p->is_early) {
        store_start(f->store, &c->op.op, &STORE_PREDICTION_CREATE, on_created);
        return;
    }
    /* Where its end comes at once, one commit has both. */
    store_start_later(f->store, &c->op.op, &STORE_PREDICTION_CREATE, on_created);
    begin_to_live(p);
    scaling_arrived(p);
    lane_push(p->lane, p, false);
}

struct prediction *prediction_restore(struct fleet *f, struct lane *l,
                                      const struct prediction_row *row)
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
    p->row.destination = row->destination ? arena_copy(&p->arena, str_of(row->destination)) : NULL;
    p->row.stream_secret =
        row->stream_secret ? arena_copy(&p->arena, str_of(row->stream_secret)) : NULL;
    p->row.instance_id = NULL;
    p->row.input = p->row.output = p->row.logs = p->row.metrics = STR_NULL;
    begin_to_live(p);
    return p;
}
