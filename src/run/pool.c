/* SPDX-License-Identifier: Apache-2.0 */
/* Pools, their lanes and releases, and the reconciler that keeps the number of instances right.
 *
 * pool_wake() may be called from anywhere, any number of times: the next turn looks at what is,
 * asks scale_decide() what should be, starts the difference, and sets a timer for the moment at
 * which time alone changes the answer. */
#include "base/log.h"
#include "base/mem.h"
#include "run/fleet.h"
#include "run/scaling.h"

#include <assert.h>
#include <stdlib.h>

enum { FAIR_AFTER_MS = 10000, NO_CAPACITY_RETRY_MS = 2000 };

static void pool_reconcile(struct pool *p);

static void on_reconcile(struct deferred *d)
{
    pool_reconcile(container_of(d, struct pool, reconcile));
}

static void on_timer(struct timer *t)
{
    pool_reconcile(container_of(t, struct pool, timer));
}

static struct pool *pool_new(struct fleet *f, const char *id, bool is_model)
{
    struct pool *p = xnew(struct pool);

    p->fleet = f;
    p->id = xstrdup(id);
    p->is_model = is_model;
    list_init(&p->releases);
    list_init(&p->lanes);
    deferred_init(f->loop, &p->reconcile, on_reconcile);
    timer_init(f->loop, &p->timer, on_timer);
    map_put(&f->pools, str_of(p->id), p);
    return p;
}

static void release_free(struct release *r)
{
    list_remove(&r->node);
    free(r->failure);
    free(r);
}

static void lane_free(struct lane *l)
{
    list_remove(&l->node);
    version_unref(l->pool->fleet, l->version);
    free(l->sku_name);
    free(l->last_failure);
    free(l);
}

void pool_free(struct pool *p)
{
    struct release *r;
    struct lane *l;

    deferred_cancel(&p->reconcile);
    timer_stop(&p->timer);
    list_each (&p->releases, r, struct release, node)
        release_free(r);
    list_each (&p->lanes, l, struct lane, node)
        lane_free(l);
    scaling_free(p);
    map_remove(&p->fleet->pools, str_of(p->id));
    pool_metrics_free(p->metrics);
    free(p->id);
    free(p->owner_id);
    free(p->owner);
    free(p->name);
    free(p);
}

struct pool *pool_find(struct fleet *f, struct str owner, struct str name)
{
    char key[160];

    if (owner.n + name.n + 2 > sizeof(key))
        return NULL;
    snprintf(key, sizeof(key), "%.*s/%.*s", STR_ARG(owner), STR_ARG(name));
    return map_get(&f->by_name, str_of(key));
}

struct release *pool_current(const struct pool *p)
{
    struct list *first = list_first(&p->releases);

    return first ? container_of(first, struct release, node) : NULL;
}

/* --- lanes --- */

struct lane *lane_find(struct pool *p, const struct version *v, const char *sku)
{
    struct lane *l;

    list_each (&p->lanes, l, struct lane, node)
        if (l->version == v && strcmp(l->sku_name, sku) == 0)
            return l;
    return NULL;
}

struct lane *lane_get(struct pool *p, struct version *v, const char *sku)
{
    struct lane *l = lane_find(p, v, sku);

    if (l)
        return l;
    l = xnew(struct lane);
    l->pool = p;
    l->version = version_ref(v);
    l->sku_name = xstrdup(sku);
    l->sku = hardware_find(p->fleet->hardware, str_of(sku));
    list_init(&l->queue);
    list_init(&l->instances);
    list_push(&p->lanes, &l->node);
    return l;
}

int lane_count(const struct lane *l, enum instance_state s)
{
    struct instance *in;
    int n = 0;

    list_each (&l->instances, in, struct instance, node)
        n += in->state == s;
    return n;
}

static bool lane_is_needed(const struct pool *p, const struct lane *l)
{
    struct release *r;

    if (l->refs > 0 || !list_empty(&l->queue) || !list_empty(&l->instances))
        return true;
    r = pool_current(p);
    return r && r->lane == l;
}

/* An older release is over when nothing waits or runs in its lane; then the lane goes too. The
 * newest one that was ever ready stays: should the current one fail, it takes over again. */
void lane_collect(struct pool *p)
{
    struct release *current = pool_current(p), *r;
    struct lane *l;
    bool kept = current && current->was_ready;

    list_each (&p->releases, r, struct release, node) {
        if (r == current)
            continue;
        if (r->lane == current->lane) {
            release_free(r);
        } else if (!kept && r->was_ready && !r->is_failed) {
            kept = true;
        } else if (!lane_is_needed(p, r->lane)) {
            release_free(r);
        }
    }
    list_each (&p->lanes, l, struct lane, node) {
        bool is_used = lane_is_needed(p, l);

        list_each (&p->releases, r, struct release, node)
            is_used = is_used || r->lane == l;
        if (!is_used)
            lane_free(l);
    }
}

/* --- deployments --- */

static struct release *release_add(struct pool *p, const struct release_row *row, struct lane *lane)
{
    struct release *r = xnew(struct release);

    r->number = row->number;
    r->lane = lane;
    r->min = row->min_instances;
    r->max = row->max_instances;
    r->was_ready = row->ready_at != 0;
    r->is_failed = row->failed_at != 0;
    r->failure = xstrdup(row->failure);
    list_push_front(&p->releases, &r->node);
    return r;
}

static void cancel_all(struct pool *p)
{
    struct prediction *x;
    struct instance *in;
    struct lane *l;

    list_each (&p->lanes, l, struct lane, node) {
        list_each (&l->queue, x, struct prediction, node)
            prediction_cancel(x);
        list_each (&l->instances, in, struct instance, node)
            list_each (&in->runs, x, struct prediction, run_node)
                prediction_cancel(x);
    }
}

enum status pool_apply(struct fleet *f, const struct deployment_row *row,
                       const struct version_row *version, struct error *err)
{
    struct pool *p = map_get(&f->pools, str_of(row->id));
    struct version *v;
    struct release *before, *r;
    struct lane *lane;
    enum status s = version_use(f, version, &v, err);
    char key[160];

    if (s != STATUS_OK)
        return s;
    if (!p) {
        p = pool_new(f, row->id, false);
        p->owner_id = xstrdup(row->owner_id);
        p->owner = xstrdup(row->owner);
        p->name = xstrdup(row->name);
        snprintf(key, sizeof(key), "%s/%s", row->owner, row->name);
        map_put(&f->by_name, str_of(key), p);
        scaling_new(p);
    }
    scaling_set(p, row->settings);
    before = pool_current(p);
    lane = lane_get(p, v, row->release.hardware);
    version_unref(f, v);
    p->last_used_at = row->last_used_at;
    if (!before || before->number != row->release.number) {
        r = release_add(p, &row->release, lane);
        /* The running instances go over at once: the release is as ready as they are. */
        if (((before && before->lane == lane && before->was_ready) ||
             lane_count(lane, INSTANCE_READY) > 0) &&
            !r->was_ready) {
            r->was_ready = true;
            release_mark(r, p, NULL);
        }
        lane->failures = lane->setup_failures = 0;
        lane->retry_at = 0;
    }
    p->min = row->release.min_instances;
    p->max = row->release.max_instances;
    if (p->max == 0)
        cancel_all(p);
    pool_wake(p);
    return STATUS_OK;
}

void pool_remove(struct fleet *f, const char *id)
{
    struct pool *p = map_get(&f->pools, str_of(id));
    char key[160];

    if (!p)
        return;
    snprintf(key, sizeof(key), "%s/%s", p->owner, p->name);
    map_remove(&f->by_name, str_of(key));
    p->is_deleted = true;
    p->min = p->max = 0;
    cancel_all(p);
    pool_wake(p); /* frees it once the last instance is gone */
}

enum status pool_of_model(struct fleet *f, const struct version_row *row, struct lane **out,
                          struct error *err)
{
    struct pool *p = map_get(&f->pools, str_of(row->model_id));
    const char *sku = row->model_hardware;
    struct version *v;
    enum status s = version_use(f, row, &v, err);

    if (s != STATUS_OK)
        return s;
    if (!p) {
        p = pool_new(f, row->model_id, true);
        p->owner_id = xstrdup(row->owner_id);
        p->owner = xstrdup(row->owner);
        p->name = xstrdup(row->model);
    }
    p->max = f->options->model_max_instances;
    if (!sku || !*sku || !hardware_find(f->hardware, str_of(sku)))
        sku = hardware_smallest(f->hardware)->sku;
    *out = lane_get(p, v, sku);
    version_unref(f, v);
    return STATUS_OK;
}

static size_t list_releases(const struct pool *p, struct rollout_release *out,
                            struct release **objects, size_t max)
{
    struct release *current = pool_current(p), *r;
    size_t n = 0;

    list_each (&p->releases, r, struct release, node) {
        if (n == max)
            break;
        objects[n] = r;
        out[n++] = (struct rollout_release){
            .number = r->number,
            /* Instances belong to the lane: where the current release fails, so does an older one
               of the same. */
            .is_failed = r->is_failed || (current->is_failed && r->lane == current->lane),
            .was_ready = r->was_ready,
            .lane_ready = lane_count(r->lane, INSTANCE_READY),
            .lane_live =
                lane_count(r->lane, INSTANCE_READY) + lane_count(r->lane, INSTANCE_BOOTING),
        };
    }
    return n;
}

static struct release *choose_release(struct pool *p)
{
    struct rollout_release rows[16];
    struct release *objects[ARRAY_SIZE(rows)];
    size_t n = list_releases(p, rows, objects, ARRAY_SIZE(rows));
    int at = rollout_choose(rows, n);

    return at < 0 ? NULL : objects[at];
}

enum status pool_choose(struct pool *p, struct lane **out_lane, struct release **out_release,
                        struct error *err)
{
    struct release *current = pool_current(p), *r;
    int64_t max_queue = scaling_max_queue(p);

    if (p->max == 0)
        return FAIL(err, STATUS_UNPROCESSABLE,
                    "The deployment %s/%s is disabled: it may run no instances. Set max_instances "
                    "to 1 or more to enable it.",
                    p->owner, p->name);
    r = choose_release(p);
    if (!r)
        return FAIL(err, STATUS_UNPROCESSABLE,
                    "Release %lld of the deployment %s/%s has failed: its instances did not get "
                    "through setup. %.300s",
                    (long long)current->number, p->owner, p->name,
                    current->failure ? current->failure : "");
    if (r->lane->n_queue >= max_queue)
        return FAIL(err, STATUS_BUSY, "The queue of the deployment %s/%s is full (%d waiting).",
                    p->owner, p->name, r->lane->n_queue);
    *out_lane = r->lane;
    *out_release = r;
    return STATUS_OK;
}

void pool_enable(struct pool *p)
{
    struct release *r = pool_current(p);
    struct lane *l;

    list_each (&p->lanes, l, struct lane, node) {
        l->failures = l->setup_failures = 0;
        l->retry_at = 0;
    }
    if (r && r->is_failed) {
        r->is_failed = false;
        release_mark(r, p, NULL);
    }
    pool_wake(p);
}

/* --- the reconciler --- */

void pool_wake(struct pool *p)
{
    deferred_call(&p->reconcile);
}

static enum scale_state state_of(const struct instance *in)
{
    if (in->state == INSTANCE_BOOTING)
        return SCALE_BOOTING;
    return in->state == INSTANCE_READY ? SCALE_READY : SCALE_DRAINING;
}

/* Whether the lane could boot if the other lanes of its pool gave up their places. */
static bool others_hold_room(const struct pool *p, const struct lane *l, struct arena *a)
{
    struct hardware *without = arena_array(a, struct hardware, 1);
    struct instance *in;
    struct lane *other;
    struct hold hold;
    struct error err;

    *without = *p->fleet->hardware;
    list_each (&p->lanes, other, struct lane, node)
        if (other != l)
            list_each (&other->instances, in, struct instance, node)
                hardware_give(without, &in->hold);
    return l->sku && hardware_take(without, l->sku, &hold, &err) == STATUS_OK;
}

/* The newest release of a lane speaks for it. */
static bool lane_has_failed(const struct pool *p, const struct lane *l)
{
    struct release *r;

    list_each (&p->releases, r, struct release, node)
        if (r->lane == l)
            return r->is_failed;
    return false;
}

/* Those of one instance are in the order in which they began. */
static int64_t oldest_running(const struct lane *l)
{
    int64_t oldest = 0;
    struct instance *in;

    list_each (&l->instances, in, struct instance, node) {
        int64_t began;

        if (list_empty(&in->runs))
            continue;
        began = container_of(list_first(&in->runs), struct prediction, run_node)->dispatched_at;
        if (began && (!oldest || began < oldest))
            oldest = began;
    }
    return oldest;
}

static void view_lane(struct pool *p, const struct lane *l, struct arena *a, struct scale_lane *out)
{
    struct release *current = pool_current(p);
    struct scale_instance *rows;
    struct instance *in;
    size_t n = 0;

    rows = arena_array(a, struct scale_instance, list_length(&l->instances) + 1);
    list_each (&l->instances, in, struct instance, node)
        rows[n++] = (struct scale_instance){
            .id = in->id,
            .state = state_of(in),
            .in_flight = in->in_flight,
            .created_at = in->created_at,
            .idle_since = in->idle_since,
            .ready_since = in->ready_at,
        };
    *out = (struct scale_lane){
        .waiting = l->n_queue,
        .slots = (int)MAX(l->version->config.concurrency, 1),
        .is_current = p->is_model || (current && current->lane == l),
        .no_capacity = l->no_capacity && others_hold_room(p, l, a),
        .failures = l->failures,
        .retry_at = l->retry_at,
        .served_at = l->served_at,
        .instances = rows,
        .n = n,
    };
    if (!list_empty(&l->queue)) {
        out->oldest_waiting =
            container_of(list_first(&l->queue), struct prediction, node)->row.created_at;
        out->newest_waiting = container_of(l->queue.prev, struct prediction, node)->row.created_at;
    }
    out->oldest_running = oldest_running(l);
    if (!p->is_model)
        out->is_failed = lane_has_failed(p, l);
    if (!p->is_model && current && current->is_failed && current->lane != l) {
        struct release *to = choose_release(p);

        out->serves = to && to->lane == l;
    }
    if (!p->is_model && current && current->lane == l) {
        /* Release 1 has nothing to take over from: it boots when there is a reason to. */
        out->must_prove = !current->was_ready && !current->is_failed && current->number > 1;
    }
}

static struct instance *find_instance(struct lane *l, const char *id)
{
    struct instance *in;

    list_each (&l->instances, in, struct instance, node)
        if (in->id == id)
            return in;
    return NULL;
}

static bool boot_one(struct lane *l, const char *why)
{
    struct error err;
    enum status s = instance_boot(l, why, &err);
    int64_t now = loop_wall_ms(l->pool->fleet->loop);

    if (s == STATUS_OK) {
        l->no_capacity = false;
        l->waits_for[0] = '\0';
        return true;
    }
    if (!l->no_capacity) {
        pool_wake(l->pool); /* another lane may give up its place */
        log_info("an instance waits for capacity", LOG_S("pool", l->pool->name),
                 LOG_S("hardware", l->sku_name), LOG_ERR(&err));
    }
    l->no_capacity = true;
    snprintf(l->waits_for, sizeof(l->waits_for), "%.199s", err.text);
    l->retry_at = now + NO_CAPACITY_RETRY_MS;
    return false;
}

/* Leaves in the plan what could be carried out. */
static void act(struct scale_plan *plan, struct lane **lanes)
{
    size_t n = 0;

    for (size_t i = 0; i < plan->n; i++) {
        const struct scale_action *a = &plan->actions[i];
        struct lane *l = lanes[a->lane];
        bool done = true;

        if (a->verb == SCALE_BOOT) {
            done = (!l->no_capacity || l->retry_at <= loop_wall_ms(l->pool->fleet->loop)) &&
                   boot_one(l, a->why);
            plan->to -= !done;
        } else {
            instance_drain(find_instance(l, a->instance), a->why);
        }
        if (done)
            plan->actions[n++] = *a;
    }
    plan->n = n;
}

static bool pool_is_over(const struct pool *p)
{
    struct lane *l;

    if (!p->is_deleted)
        return false;
    list_each (&p->lanes, l, struct lane, node)
        if (l->refs > 0 || !list_empty(&l->queue) || !list_empty(&l->instances))
            return false;
    return true;
}

/* The newest release before r that was ready once and runs elsewhere; NULL: none. */
static struct release *older_that_serves(struct pool *p, const struct release *r)
{
    struct release *x;

    list_each (&p->releases, x, struct release, node)
        if (x->number < r->number && x->lane != r->lane && x->was_ready &&
            !lane_has_failed(p, x->lane))
            return x;
    return NULL;
}

/* What waits in a lane that can serve no longer goes back to an older release, or gets the setup
 * error. A disabled pool keeps no queue, whatever way a prediction came into it. */
static void settle_queues(struct pool *p)
{
    struct release *r;

    if (p->max == 0) {
        cancel_all(p);
        return;
    }
    list_each (&p->releases, r, struct release, node) {
        struct release *to;

        if (list_empty(&r->lane->queue) || !lane_has_failed(p, r->lane))
            continue;
        to = older_that_serves(p, r);
        if (to)
            lane_move_queue(r->lane, to, to->lane);
        else
            lane_fail_queue(r->lane, r->failure);
    }
}

/* The budget is spent: what runs finishes, all else stops, and the queue stays. */
static void hold(struct pool *p)
{
    struct lane *l;
    struct instance *in;

    list_each (&p->lanes, l, struct lane, node)
        list_each (&l->instances, in, struct instance, node)
            if (in->state == INSTANCE_BOOTING || in->state == INSTANCE_READY)
                instance_drain(in, "its budget is spent");
    lane_collect(p);
}

static void pool_reconcile(struct pool *p)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct scale_view view = { 0 };
    struct scale_lane *rows;
    struct scale_plan plan;
    struct lane **lanes, *l;
    int64_t now = loop_wall_ms(p->fleet->loop), change;
    size_t n = 0;

    timer_stop(&p->timer);
    if (p->fleet->is_stopping)
        return;
    if (pool_is_over(p)) {
        pool_free(p);
        return;
    }
    settle_queues(p);
    if (budget_holds(p, p->held)) {
        hold(p);
        return;
    }
    p->held[0] = '\0';
    list_each (&p->lanes, l, struct lane, node) {
        lane_dispatch(l);
        n++;
    }
    rows = arena_array(&a, struct scale_lane, n + 1);
    lanes = arena_array(&a, struct lane *, n + 1);
    n = 0;
    list_each (&p->lanes, l, struct lane, node) {
        lanes[n] = l;
        view_lane(p, l, &a, &rows[n++]);
    }
    view = (struct scale_view){
        .now = now,
        .min = (int)p->min,
        .max = (int)p->max,
        .surge = (int)(p->is_model ? 0 : p->fleet->options->surge),
        .idle_timeout_ms = p->fleet->options->idle_timeout,
        .fair_after_ms = FAIR_AFTER_MS,
        .lanes = rows,
        .n_lanes = n,
    };
    scaling_view(p, &view, &change);
    scale_decide(&view, &plan);
    scaling_learn(p, &view, &plan);
    act(&plan, lanes);
    scaling_store(p, &view, &plan);
    plan.look_again_at = MIN(plan.look_again_at, change);
    list_each (&p->lanes, l, struct lane, node)
        if (l->no_capacity && l->retry_at > now)
            plan.look_again_at = MIN(plan.look_again_at, l->retry_at);
    lane_collect(p);
    if (plan.look_again_at != INT64_MAX)
        timer_start(&p->timer, MAX(plan.look_again_at - now, 1));
}
