/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one instance:
 *
 *   booting   capacity is held, the driver was asked; the setup deadline runs
 *   ready     the model server takes predictions
 *   draining  takes nothing new; stops when the last run is over
 *   stopping  the driver was told to end it
 *
 * and `ended` (instance_end.c), the driver's last word, after which the object goes. Whoever runs
 * in it then is told why. The record in the store is written before the launch and after each step,
 * so that the next server finds it. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/clock.h"
#include "run/fleet.h"
#include "run/instance_impl.h"
#include "run/scaling.h"
#include "run/shadow.h"

#include <assert.h>
#include <stdlib.h>

enum { MAX_ERROR = 4096 };

static const struct launch_events launch_events;
static const struct peer_events peer_events;

const char *instance_state_name(enum instance_state s)
{
    static const char *const names[INSTANCE_STATE_COUNT] = {
        [INSTANCE_BOOTING] = "setting up",
        [INSTANCE_READY] = "ready",
        [INSTANCE_DRAINING] = "draining",
        [INSTANCE_STOPPING] = "stopping",
    };

    return names[s];
}

/* --- the record in the store --- */

void instance_stored(struct store_op *op)
{
    if (op->status != STATUS_OK)
        log_error("an instance's record could not be written", LOG_ERR(&op->error));
    store_op_deinit(op);
    free(op);
}

static void record_created(struct instance *in, const char *gpus)
{
    struct store_instance_create *op = xnew(struct store_instance_create);
    struct pool *p = in->lane->pool;

    op->in = (struct instance_row){
        .id = store_keep(&op->op, str_of(in->id)),
        .pool_id = store_keep(&op->op, str_of(p->id)),
        .pool_is_model = p->is_model,
        .version_id = arena_printf(&op->op.arena, "%s%s", in->lane->version->id,
                                   in->lane->version->trains ? TRAIN_SUFFIX : ""),
        .version_model_id = store_keep(&op->op, str_of(in->lane->version->model_id)),
        .hardware = store_keep(&op->op, str_of(in->lane->sku_name)),
        .driver = driver_facts(fleet_driver(in->fleet, in->lane->version))->name,
        .capability = store_keep(&op->op, str_of(in->capability)),
        .gpus = store_keep(&op->op, str_of(gpus)),
        .created_at = in->created_at,
        .release = in->meter.booted_for,
        .price_nano = in->meter.ledger.price_nano,
    };
    op->account_id = store_keep(&op->op, str_of(p->owner_id));
    op->pool_name = store_keep(&op->op, str_of(p->name));
    store_start(in->fleet->store, &op->op, &STORE_INSTANCE_CREATE, instance_stored);
}

struct store_instance_update *instance_update(struct instance *in)
{
    struct store_instance_update *op = xnew(struct store_instance_update);

    op->in.id = store_keep(&op->op, str_of(in->id));
    return op;
}

static void record_ready(struct instance *in)
{
    struct store_instance_update *op = instance_update(in);

    op->in.ready_at = in->ready_at;
    store_start(in->fleet->store, &op->op, &STORE_INSTANCE_UPDATE, instance_stored);
}

static void on_handle(struct launch *l, struct str json)
{
    struct instance *in = container_of(l, struct instance, launch);
    struct store_instance_update *op = instance_update(in);

    op->in.handle = str_make(store_keep(&op->op, json), json.n);
    store_start(in->fleet->store, &op->op, &STORE_INSTANCE_UPDATE, instance_stored);
}

/* --- setting up --- */

/* `error` is allocated. The next boot waits from now on: the driver may need a while to end this
 * one. */
static void setup_failed(struct instance *in, char *error, const char *why)
{
    struct lane *l = in->lane;

    meter_count(in);
    free(in->setup_error);
    in->setup_error = error;
    if (!in->was_ready)
        l->retry_at = loop_wall_ms(in->fleet->loop) + scale_backoff_ms(l->failures + 1);
    instance_kill(in, why, 0);
}

static void on_deadline(struct timer *t)
{
    struct instance *in = container_of(t, struct instance, deadline);
    char text[TIME_TEXT_SIZE];

    if (in->state == INSTANCE_STOPPING)
        return;
    duration_format(in->fleet->options->setup_timeout, text);
    setup_failed(in,
                 xasprintf("The model did not finish its setup within %s (setup_timeout).", text),
                 "setup took too long");
}

static struct instance *instance_new(struct lane *l)
{
    struct fleet *f = l->pool->fleet;
    struct instance *in = xnew(struct instance);

    in->fleet = f;
    in->lane = l;
    in->state = INSTANCE_BOOTING;
    in->created_at = in->idle_since = loop_wall_ms(f->loop);
    buf_init(&in->setup_log, (size_t)f->options->max_setup_log);
    list_init(&in->runs);
    list_init(&in->copies);
    timer_init(f->loop, &in->deadline, on_deadline);
    list_push(&l->instances, &in->node);
    return in;
}

static void instance_register(struct instance *in)
{
    map_put(&in->fleet->instances, str_of(in->id), in);
    map_put(&in->fleet->capabilities, str_of(in->capability), in);
    in->has_launch = true;
}

/* Uploads lose their order, so that several files come within the output instead. */
static bool wants_uploads(const struct version *v)
{
    return v->output.has_files && !v->output.files_listed && !v->output.is_array;
}

void instance_internal_url(const struct instance *in, char out[256])
{
    const struct fleet *f = in->fleet;
    const char *base = driver_internal_base(fleet_driver(f, in->lane->version));

    snprintf(out, 256, "%s/_i/%s", base ? base : f->internal_base, in->capability);
}

enum status instance_boot(struct lane *l, const char *why, struct error *err)
{
    struct fleet *f = l->pool->fleet;
    struct version *v = l->version;
    char url[256], folder[512], env[512], gpus[256];
    struct buf indexes CLEANUP(buf_deinit) = BUF_INIT(sizeof(gpus) - 1);
    struct buf weights CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct launch_spec spec;
    struct instance *in;
    struct hold hold;
    enum status s;

    s = hardware_take(f->hardware, l->sku, &hold, err);
    if (s != STATUS_OK)
        return s;
    in = instance_new(l);
    in->hold = hold;
    meter_begin(in);
    id_make(&f->ids, loop_wall_ms(f->loop), in->id);
    id_secret(loop_rand(f->loop), 52, in->capability);
    instance_register(in);
    hold_gpu_indexes(f->hardware, &hold, &indexes);
    snprintf(gpus, sizeof(gpus), "%.*s", STR_ARG(buf_str(&indexes)));
    instance_internal_url(in, url);
    snprintf(folder, sizeof(folder), "%s/%s", f->data, v->path);
    snprintf(env, sizeof(env), "%s/%s", f->data, v->config.env ? v->config.env : "");
    if (v->config.weights && strchr(v->config.weights, ':'))
        buf_adds(&weights, v->config.weights);
    else if (v->config.weights)
        buf_addf(&weights, "%s/%s", f->data, v->config.weights);
    spec = (struct launch_spec){
        .id = in->id,
        .version_path = folder,
        .env_path = v->config.env ? env : NULL,
        .config = &v->config,
        .mode = v->trains ? "train" : "predict",
        .weights = weights.n ? weights.p : NULL,
        .internal_url = url,
        .upload = f->files && wants_uploads(v) && !shadow_has(l->pool, l),
        .sku = l->sku,
        .gpu_indexes = gpus,
        .gpu_maker = f->hardware->machine.gpu_maker,
        .setup_timeout_ms = f->options->setup_timeout,
        .orphan_timeout_ms = f->options->orphan_timeout,
        .max_log = f->options->max_setup_log,
    };
    f->n_boots++;
    metrics_boot(l->pool);
    tell_instance(in, "booting");
    log_info("instance boots", LOG_S("instance", in->id), LOG_S("pool", l->pool->name),
             LOG_S("hardware", l->sku_name), LOG_S("why", why));
    record_created(in, gpus);
    timer_start(&in->deadline, f->options->setup_timeout);
    driver_launch(fleet_driver(f, v), &in->launch, &spec, &launch_events);
    return STATUS_OK;
}

void instance_recover(struct lane *l, const struct instance_row *row)
{
    struct fleet *f = l->pool->fleet;
    struct instance *in = instance_new(l);

    snprintf(in->id, sizeof(in->id), "%s", row->id);
    snprintf(in->capability, sizeof(in->capability), "%s", row->capability);
    in->is_recovered = true;
    in->created_at = row->created_at;
    in->was_ready = row->ready_at != 0;
    in->ready_at = row->ready_at;
    meter_recover(in, row);
    if (l->sku)
        hardware_take_again(f->hardware, l->sku, str_of(row->gpus), &in->hold);
    instance_register(in);
    timer_start(&in->deadline, f->options->setup_timeout);
    driver_recover(fleet_driver(f, l->version), &in->launch, in->id, row->handle, &launch_events);
}

static void on_address(struct launch *l, const char *url, const char *unix_socket)
{
    struct instance *in = container_of(l, struct instance, launch);
    struct version *v = in->lane->version;
    char internal[256];
    struct peer_spec spec;

    instance_internal_url(in, internal);
    spec = (struct peer_spec){
        .url = url,
        .unix_socket = unix_socket,
        .internal_url = internal,
        .slots = (int)MAX(v->config.concurrency, 1),
        .streams = v->output.supports_stream,
        .train = v->trains,
        .http = &v->config.http,
    };
    meter_found(in);
    if (in->state == INSTANCE_STOPPING || in->peer_is_open)
        return;
    in->peer_is_open = true;
    peer_open(fleet_protocol(in->fleet, v), &in->peer, &spec, &peer_events);
}

static void on_line(struct launch *l, struct str line)
{
    struct instance *in = container_of(l, struct instance, launch);
    struct arena a CLEANUP(arena_deinit) = { 0 };
    bool is_runtime = false;
    struct str text =
        protocol_log_line(fleet_protocol(in->fleet, in->lane->version), &a, line, &is_runtime);

    if (is_runtime && in->peer_is_open && in->state == INSTANCE_BOOTING)
        peer_printed(&in->peer);
    if (!text.p || is_runtime)
        return;
    if (in->setup_log.n + text.n + 1 >=
        in->setup_log.max) { /* keep the end: that is where it fails */
        size_t drop = MIN(in->setup_log.n, in->setup_log.max / 2 + text.n);

        buf_shift(&in->setup_log, drop);
        in->setup_log.failed = false;
    }
    buf_add_str(&in->setup_log, text);
    if (text.n == 0 || text.p[text.n - 1] != '\n')
        buf_addc(&in->setup_log, '\n');
    if (in->state == INSTANCE_BOOTING)
        tell_log(in);
}

static void became_ready(struct instance *in)
{
    struct lane *l = in->lane;
    struct pool *p = l->pool;
    struct release *r;

    timer_stop(&in->deadline);
    clock_look(in->fleet);
    meter_count(in);
    if (in->state == INSTANCE_BOOTING)
        in->state = INSTANCE_READY;
    in->idle_since = loop_wall_ms(in->fleet->loop);
    l->failures = l->setup_failures = 0;
    l->retry_at = 0;
    if (!in->was_ready) {
        in->was_ready = true;
        in->ready_at = in->idle_since;
        record_ready(in);
        metrics_boot_ended(in, true);
        tell_instance(in, "ready");
        if (!in->is_recovered)
            scaling_booted(in);
        log_info("instance is ready", LOG_S("instance", in->id), LOG_S("pool", p->name),
                 LOG_I("ms", in->ready_at - in->created_at));
    }
    list_each (&p->releases, r, struct release, node) {
        if (r->lane == l && !r->was_ready) {
            r->was_ready = true;
            r->is_failed = false;
            release_mark(r, p, NULL);
        }
    }
}

static void join_runs(struct instance *in)
{
    struct prediction *x;

    list_each (&in->runs, x, struct prediction, run_node)
        if (x->must_join)
            prediction_join(x, in);
}

static void on_health(struct peer *peer, enum peer_health h, const char *text, struct str setup_log)
{
    struct instance *in = container_of(peer, struct instance, peer);

    if (in->state == INSTANCE_STOPPING)
        return; /* whatever it still says, its end is decided */
    if (in->setup_log.n == 0 && setup_log.n)
        buf_add_str(&in->setup_log, setup_log);
    switch (h) {
    case PEER_STARTING:
        break;
    case PEER_READY:
        became_ready(in);
        if (in->is_recovered)
            join_runs(in);
        if (in->is_recovered && in->lane->version->trains && list_empty(&in->runs))
            instance_drain(in, "it was found again, and may have trained before");
        break;
    case PEER_FAILED:
        setup_failed(in, xasprintf("%.*s", (int)MAX_ERROR, text ? text : ""), "setup failed");
        break;
    case PEER_SICK:
        log_warning("instance is sick and is replaced", LOG_S("instance", in->id),
                    LOG_S("why", text ? text : ""));
        if (!in->was_ready)
            setup_failed(in, xasprintf("%.*s", (int)MAX_ERROR, text ? text : ""), SICK);
        else if (list_empty(&in->runs))
            instance_kill(in, SICK, 0);
        else
            instance_drain(in, SICK);
        break;
    }
    pool_wake(in->lane->pool);
}

static const struct launch_events launch_events = {
    .address = on_address,
    .handle = on_handle,
    .line = on_line,
    .ended = instance_ended,
};

static const struct peer_events peer_events = {
    .health = on_health,
};

struct prediction *instance_uploader(struct fleet *f, struct str capability, struct str id)
{
    struct instance *in = map_get(&f->capabilities, capability);
    struct prediction *x = id.n ? prediction_find(f, id) : NULL;

    if (!in)
        return NULL;
    if (!id.n && list_length(&in->runs) == 1) /* Cog before 0.23.1 does not say which */
        x = container_of(list_first(&in->runs), struct prediction, run_node);
    return x && x->instance == in && !x->is_ending ? x : NULL;
}

enum status instance_webhook(struct fleet *f, struct str capability, struct str prediction_id,
                             const struct json *said, struct buf *memory, struct error *err)
{
    struct instance *in = map_get(&f->capabilities, capability);
    struct prediction *x = prediction_find(f, prediction_id);
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct run_result final = { 0 };
    enum status s;

    if (!in)
        return FAIL(err, STATUS_NOT_FOUND, "no such instance");
    if (shadow_webhook(in, prediction_id, said, memory, &s, err))
        return s;
    if (!x || x->is_ending)
        return STATUS_OK; /* it has ended already: nothing to learn */
    if (x->instance != in)
        return FAIL(err, STATUS_NOT_FOUND, "the prediction does not run on this instance");
    if (x->has_run)
        return run_webhook(&x->run, said, memory, err);
    s = protocol_read_final(fleet_protocol(f, x->lane->version), &a, said,
                            x->lane->version->output.is_array, &final, err);
    if (s != STATUS_OK)
        return s;
    final.memory = memory;
    prediction_final(x, &final);
    return STATUS_OK;
}
