/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning and the end: what is found in the store at start-up, and what is left behind at
 * shutdown. */
#include "run/fleet.h"
#include "run/live_output.h"

#include "base/log.h"
#include "base/mem.h"
#include "run/canary.h"
#include "run/capacity.h"
#include "run/deliver.h"
#include "run/scaling.h"
#include "run/weights.h"

#include <assert.h>
#include <stdlib.h>

static void on_stop_timer(struct timer *t);

void fleet_init(struct fleet *f, struct loop *l, struct store *s, struct hardware *h,
                struct driver *d, struct protocol *pr, const struct fleet_config *c)
{
    *f = (struct fleet){
        .loop = l,
        .store = s,
        .hardware = h,
        .driver = d,
        .images = c->images,
        .protocol = pr,
        .openai = c->openai,
        .plain = c->plain,
        .options = c->options,
        .data = c->data,
        .internal_base = c->internal_base,
        .key = c->key,
        .files = c->files,
    };
    f->wall_ahead = loop_wall_ms(l) - loop_now_ms(l);
    id_gen_init(&f->ids, loop_rand(l));
    map_init(&f->pools);
    map_init(&f->by_name);
    map_init(&f->predictions);
    map_init(&f->streams);
    map_init(&f->instances);
    map_init(&f->capabilities);
    map_init(&f->versions);
    timer_init(l, &f->stop_timer, on_stop_timer);
    meters_init(f);
    list_init(&f->ends);
    capacity_init(f);
}

void fleet_deinit(struct fleet *f)
{
    struct prediction *x;
    struct instance *in;
    struct pool *p;

    f->is_stopping = true;
    f->stopped = NULL;
    timer_stop(&f->stop_timer);
    capacity_deinit(f);
    meters_deinit(f);
    instance_ends_forget(f);
    for (size_t at = 0; map_next(&f->instances, &at, NULL, (void **)&in);)
        instance_let_go(in);
    for (size_t at = 0; map_next(&f->predictions, &at, NULL, (void **)&x);)
        prediction_forget(x);
    for (size_t at = 0; map_next(&f->instances, &at, NULL, (void **)&in);)
        instance_free(in);
    for (size_t at = 0; map_next(&f->pools, &at, NULL, (void **)&p);)
        pool_free(p);
    map_deinit(&f->pools);
    map_deinit(&f->by_name);
    map_deinit(&f->predictions);
    map_deinit(&f->streams);
    map_deinit(&f->instances);
    map_deinit(&f->capabilities);
    map_deinit(&f->versions);
}

/* --- start-up --- */

static enum status load_version(struct fleet *f, const char *owner, const char *model,
                                const char *id, struct store_version_get *op, struct error *err)
{
    enum status s;

    op->owner = str_of(owner);
    op->name = str_of(model);
    op->id = str_of(id);
    s = store_run(f->store, &op->op, &STORE_VERSION_GET);
    if (s != STATUS_OK && err)
        *err = op->op.error;
    return s;
}

static enum status load_release(struct fleet *f, const struct deployment_row *row,
                                const struct release_row *release, struct error *err)
{
    struct store_version_get version = { 0 };
    struct deployment_row with = *row;
    enum status s =
        load_version(f, release->model_owner, release->model_name, release->version, &version, err);

    with.release = *release;
    if (s == STATUS_OK)
        s = pool_apply(f, &with, &version.row, err);
    store_op_deinit(&version.op);
    return s;
}

static enum status list_releases(struct fleet *f, const char *id, bool only_open,
                                 struct store_release_list *op, struct error *err)
{
    enum status s;

    *op = (struct store_release_list){ .deployment_id = id, .only_open = only_open };
    s = store_run(f->store, &op->op, &STORE_RELEASE_LIST);
    if (s != STATUS_OK)
        *err = op->op.error;
    return s;
}

/* Whether the canary is the current release's, or that of one with its version and hardware. */
static bool is_canary_of(const struct store_release_list *all, const struct canary *c)
{
    const struct release_row *now = all->rows;

    for (size_t i = 0; i < all->n; i++)
        if (all->rows[i].number == c->release)
            return strcmp(all->rows[i].version, now->version) == 0 &&
                   strcmp(all->rows[i].hardware, now->hardware) == 0;
    return false;
}

/* The release that serves until the current one is ready, or again if that fails, or beside its
 * canary; NULL: none. */
static const struct release_row *find_fallback(const struct store_release_list *all,
                                               const struct canary *c, bool is_same)
{
    bool is_pinned = canary_is_open(c) || c->state == CANARY_HALTED;

    if (all->n == 0)
        return NULL;
    if (all->rows[0].ready_at && !all->rows[0].failed_at && !(canary_is_open(c) && is_same))
        return NULL;
    for (size_t i = 1; i < all->n; i++)
        if (is_pinned ? all->rows[i].number == c->base
                      : all->rows[i].ready_at && !all->rows[i].failed_at)
            return &all->rows[i];
    return NULL;
}

/* The releases that still matter, oldest first, so that the current one is applied last. */
static enum status load_deployment(struct fleet *f, const struct deployment_row *row,
                                   struct error *err)
{
    struct store_release_list open = { 0 }, all = { 0 };
    const struct release_row *fallback = NULL;
    struct canary canary;
    char *shadow CLEANUP(mem_free) = NULL;
    bool is_same = false;
    enum status s = list_releases(f, row->id, true, &open, err);

    if (s == STATUS_OK)
        s = list_releases(f, row->id, false, &all, err);
    if (s == STATUS_OK)
        s = canary_load(f, row->id, &canary, &shadow, err);
    if (s == STATUS_OK) {
        is_same = is_canary_of(&all, &canary);
        fallback = find_fallback(&all, &canary, is_same);
    }
    for (size_t i = open.n; s == STATUS_OK && i > 0; i--) {
        const struct release_row *r = &open.rows[i - 1];

        if (fallback && r->number >= fallback->number) {
            if (r->number > fallback->number)
                s = load_release(f, row, fallback, err);
            fallback = NULL;
        }
        if (s == STATUS_OK)
            s = load_release(f, row, r, err);
    }
    store_op_deinit(&open.op);
    store_op_deinit(&all.op);
    if (s == STATUS_OK)
        canary_resume(map_get(&f->pools, str_of(row->id)), &canary, shadow, is_same);
    if (s == STATUS_OK)
        s = scaling_restore(map_get(&f->pools, str_of(row->id)), err);
    if (s != STATUS_OK)
        error_context(err, "deployment %s/%s", row->owner, row->name);
    return s;
}

static enum status load_deployments(struct fleet *f, struct error *err)
{
    char after[ID_SIZE] = "";
    bool more = true;
    enum status s = STATUS_OK;

    while (more && s == STATUS_OK) {
        struct store_deployment_list op = { .page = { .limit = 100 } };

        op.page.after = after[0] ? after : NULL;
        s = store_run(f->store, &op.op, &STORE_DEPLOYMENT_LIST);
        if (s != STATUS_OK)
            *err = op.op.error;
        for (size_t i = 0; s == STATUS_OK && i < op.n; i++)
            s = load_deployment(f, &op.rows[i], err);
        if (s == STATUS_OK && op.n > 0)
            snprintf(after, sizeof(after), "%s", op.rows[op.n - 1].id);
        more = s == STATUS_OK && op.info.has_next;
        store_op_deinit(&op.op);
    }
    return s;
}

static struct lane *lane_of_release(struct pool *p, int64_t number)
{
    struct release *r = pool_release(p, number);

    return r ? r->lane : NULL;
}

/* Where a stored prediction or instance belongs; NULL when that is gone. */
static struct lane *find_lane(struct fleet *f, const char *owner, const char *model,
                              const char *version, bool trains)
{
    struct store_version_get op = { 0 };
    struct lane *l = NULL;
    struct error err;
    enum status s = load_version(f, owner, model, version, &op, &err);

    op.row.trains = trains;
    if (s != STATUS_OK || pool_of_model(f, &op.row, &l, &err) != STATUS_OK)
        log_warning("a stored version cannot be used", LOG_S("version", version), LOG_ERR(&err));
    store_op_deinit(&op.op);
    return l;
}

static struct lane *lane_of_prediction(struct fleet *f, const struct prediction_row *row)
{
    struct pool *p = row->deployment_id ? map_get(&f->pools, str_of(row->deployment_id)) : NULL;

    if (row->release > 0)
        return p ? lane_of_release(p, row->release) : NULL;
    return find_lane(f, row->model_owner, row->model_name, row->version, row->destination != NULL);
}

/* A model's pool that nothing waits for is not there yet. */
static void make_model_pool(struct fleet *f, const struct instance_row *row)
{
    struct store_version_find op = { .model_id = row->version_model_id };
    struct str id = str_of(row->version_id);
    bool trains = str_ends(id, TRAIN_SUFFIX);
    struct lane *l;
    struct error err;
    enum status s;

    op.id = store_keep(&op.op, str_make(id.p, id.n - (trains ? strlen(TRAIN_SUFFIX) : 0)));
    s = store_run(f->store, &op.op, &STORE_VERSION_FIND);
    op.row.trains = trains;
    if (s == STATUS_OK && strcmp(op.row.model_id, row->pool_id) == 0 &&
        pool_of_model(f, &op.row, &l, &err) != STATUS_OK)
        log_warning("a stored version cannot be used", LOG_S("version", row->version_id),
                    LOG_ERR(&err));
    store_op_deinit(&op.op);
}

static struct lane *lane_of_instance(struct fleet *f, const struct instance_row *row)
{
    struct pool *p;
    struct lane *l;

    if (row->pool_is_model)
        make_model_pool(f, row);
    p = map_get(&f->pools, str_of(row->pool_id));
    if (!p)
        return NULL;
    list_each (&p->lanes, l, struct lane, node) {
        bool trains = str_ends(str_of(row->version_id), TRAIN_SUFFIX);

        if (strncmp(l->version->id, row->version_id, strlen(l->version->id)) == 0 &&
            l->version->trains == trains && strcmp(l->sku_name, row->hardware) == 0)
            return l;
    }
    return NULL;
}

static void end_record(struct fleet *f, const struct instance_row *row, const char *reason)
{
    struct store_instance_update op = { .in = { .id = row->id } };

    op.in.ended_at = meter_abandon(f, row);
    op.in.metered_ms = op.in.ended_at - row->created_at;
    op.in.end_reason = reason;
    if (store_run(f->store, &op.op, &STORE_INSTANCE_UPDATE) != STATUS_OK)
        log_warning("an instance's end could not be recorded", LOG_ERR(&op.op.error));
    store_op_deinit(&op.op);
}

/* Those whose deployment is gone are ended by the driver's sweep. */
static enum status load_instances(struct fleet *f, struct error *err)
{
    struct store_instance_open op = { 0 };
    enum status s = store_run(f->store, &op.op, &STORE_INSTANCE_OPEN);

    if (s != STATUS_OK)
        *err = op.op.error;
    for (size_t i = 0; s == STATUS_OK && i < op.n; i++) {
        struct lane *l = op.rows[i].handle.n ? lane_of_instance(f, &op.rows[i]) : NULL;

        if (l && fleet_driver(f, l->version))
            instance_recover(l, &op.rows[i]);
        else
            end_record(f, &op.rows[i], "nothing needs it after a restart of the server");
    }
    store_op_deinit(&op.op);
    return s;
}

/* What a run had produced when the server stopped is shown until its instance says more, and kept
 * if it never does. */
static void load_progress(struct fleet *f, struct prediction *p)
{
    struct store_prediction_get op = { .id = p->id };

    if (store_run(f->store, &op.op, &STORE_PREDICTION_GET) == STATUS_OK) {
        buf_add_str(&p->output, op.row.output);
        buf_add_str(&p->logs, op.row.logs);
    }
    store_op_deinit(&op.op);
}

/* A prediction that was under way: it goes on in its instance if it was started the long way and
 * the instance may still be there; else it waits again, first in the queue. */
static void resume(struct fleet *f, struct prediction *p, const struct prediction_row *row)
{
    struct instance *in =
        row->instance_id ? map_get(&f->instances, str_of(row->instance_id)) : NULL;
    struct exit_info lost = { .code = -1, .lost = true, .text = "the server stopped" };

    if (row->instance_id)
        load_progress(f, p);
    if (row->attempt > 0 && row->instance_id)
        p->attempt_open = true;
    if (in && row->started_long) {
        p->instance = in;
        p->must_join = true;
        live_output_load(p);
        p->row.instance_id = in->id;
        in->in_flight++;
        list_push(&in->runs, &p->run_node);
        return;
    }
    if (p->attempt_open)
        prediction_lost(p, &lost, false);
    else if (p->row.cancel_requested)
        prediction_end(p, PREDICTION_CANCELED, NULL);
    else
        lane_push(p->lane, p, false);
}

static void fail_stray(struct fleet *f, const struct prediction_row *row)
{
    struct store_prediction_end op = {
        .id = row->id,
        .attempt = -1,
        .status = PREDICTION_FAILED,
        .error = "The version or deployment that was to run the prediction is gone.",
        .predict_time = 0,
        .completed_at = loop_wall_ms(f->loop),
    };

    if (f->deliveries)
        deliveries_fill(f->deliveries, row, &op);
    if (store_run(f->store, &op.op, &STORE_PREDICTION_END) != STATUS_OK)
        log_error("a prediction without a version could not be ended", LOG_S("prediction", row->id),
                  LOG_ERR(&op.op.error));
    store_op_deinit(&op.op);
}

/* Oldest first; those that were under way are put back newest first, each at the head, so that the
 * order stays. Model pools come to life here, before the instances are looked for. */
static enum status load_predictions(struct fleet *f, struct error *err)
{
    struct store_prediction_open op = { 0 };
    enum status s = store_run(f->store, &op.op, &STORE_PREDICTION_OPEN);
    struct prediction **live;

    if (s != STATUS_OK) {
        *err = op.op.error;
        store_op_deinit(&op.op);
        return s;
    }
    live = arena_array(&op.op.arena, struct prediction *, op.n + 1);
    for (size_t i = 0; i < op.n; i++) {
        struct lane *l = lane_of_prediction(f, &op.rows[i]);

        if (l)
            live[i] = prediction_restore(f, l, &op.rows[i]);
        else
            fail_stray(f, &op.rows[i]);
    }
    s = load_instances(f, err);
    for (size_t i = 0; s == STATUS_OK && i < op.n; i++)
        if (live[i] && !op.rows[i].instance_id)
            resume(f, live[i], &op.rows[i]);
    for (size_t i = op.n; s == STATUS_OK && i > 0; i--)
        if (live[i - 1] && op.rows[i - 1].instance_id)
            resume(f, live[i - 1], &op.rows[i - 1]);
    if (op.n > 0)
        log_info("open predictions were found again", LOG_I("n", op.n));
    store_op_deinit(&op.op);
    return s;
}

enum status fleet_load(struct fleet *f, struct error *err)
{
    struct store_lease_take lease = { 0 };
    enum status s = store_run(f->store, &lease.op, &STORE_LEASE_TAKE);

    f->lease_epoch = lease.epoch;
    if (s != STATUS_OK)
        *err = lease.op.error;
    store_op_deinit(&lease.op);
    if (s == STATUS_OK)
        s = load_deployments(f, err);
    if (s == STATUS_OK)
        s = load_predictions(f, err);
    if (s == STATUS_OK)
        s = weights_sweep(f, err);
    if (s == STATUS_OK)
        s = trainings_load(f, err);
    if (s == STATUS_OK)
        driver_sweep(f->driver);
    if (s == STATUS_OK && f->images)
        driver_sweep(f->images);
    return s;
}

/* --- releases --- */

static void on_marked(struct store_op *op)
{
    if (op->status != STATUS_OK)
        log_warning("a release's state could not be stored", LOG_ERR(&op->error));
    store_op_deinit(op);
    free(op);
}

void release_mark(struct release *r, struct pool *p, const char *failure)
{
    struct store_release_mark *op = xnew(struct store_release_mark);

    tell_release(p, r->number, failure ? "failed" : r->was_ready ? "ready" : "new");
    op->deployment_id = store_keep(&op->op, str_of(p->id));
    op->number = r->number;
    op->now = loop_wall_ms(p->fleet->loop);
    op->failure = store_keep(&op->op, str_of(failure));
    op->clear = !failure && !r->was_ready;
    op->lease_epoch = p->fleet->lease_epoch;
    store_start(p->fleet->store, &op->op, &STORE_RELEASE_MARK, on_marked);
}

/* --- the end --- */

static bool goes_on_without_us(const struct fleet *f, const struct prediction *p)
{
    return p->row.started_long && !protocol_ends_with_us(fleet_protocol(f, p->lane->version));
}

/* Runs that end with our connection, or all of them where the instances go with us. */
static size_t runs_to_wait_for(struct fleet *f)
{
    struct prediction *p;
    size_t at = 0, n = 0;

    while (map_next(&f->predictions, &at, NULL, (void **)&p))
        n += p->is_ending || p->loading ||
             (p->has_run && !(f->options->keep_instances && goes_on_without_us(f, p)));
    return n;
}

static void let_go(struct fleet *f)
{
    struct instance *in;
    size_t at = 0;

    meters_flush(f);
    while (map_next(&f->instances, &at, NULL, (void **)&in)) {
        if (!in->has_launch)
            continue;
        if (f->options->keep_instances &&
            (in->state == INSTANCE_READY || in->state == INSTANCE_DRAINING))
            instance_let_go(in);
        else
            instance_kill(in, "the server stops", 2000);
    }
}

static bool launches_remain(struct fleet *f)
{
    struct instance *in;
    size_t at = 0;

    while (map_next(&f->instances, &at, NULL, (void **)&in))
        if (in->has_launch)
            return true;
    return false;
}

void fleet_check_stopped(struct fleet *f)
{
    void (*stopped)(void *) = f->stopped;

    if (!f->is_stopping || !stopped || timer_armed(&f->stop_timer) || launches_remain(f))
        return;
    scaling_flush_all(f);
    canary_flush_all(f);
    f->stopped = NULL;
    stopped(f->stopped_arg);
}

static void on_stop_timer(struct timer *t)
{
    struct fleet *f = container_of(t, struct fleet, stop_timer);
    bool is_due = loop_now_ms(f->loop) >= f->stop_at;

    if (!is_due && runs_to_wait_for(f) > 0) {
        timer_start(&f->stop_timer, 20);
        return;
    }
    let_go(f);
    fleet_check_stopped(f);
}

void fleet_stop(struct fleet *f, void (*stopped)(void *arg), void *arg)
{
    f->is_stopping = true;
    f->stopped = stopped;
    f->stopped_arg = arg;
    f->stop_at = loop_now_ms(f->loop) + f->options->drain_timeout;
    timer_start(&f->stop_timer, 0);
}

void fleet_stop_now(struct fleet *f)
{
    struct instance *in;
    size_t at = 0;

    f->stop_at = 0;
    if (timer_armed(&f->stop_timer)) {
        timer_start(&f->stop_timer, 0);
        return;
    }
    /* Asked once more: what does not end (a process that hangs in the kernel) is left to the next
     * server. */
    meters_flush(f);
    while (map_next(&f->instances, &at, NULL, (void **)&in))
        if (in->has_launch)
            instance_let_go(in);
    fleet_check_stopped(f);
}
