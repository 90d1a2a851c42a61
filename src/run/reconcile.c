/* SPDX-License-Identifier: Apache-2.0 */
/* The reconciler that keeps the number of a pool's instances right.
 *
 * pool_wake() may be called from anywhere, any number of times: the next turn looks at what is,
 * asks scale_decide() what should be, starts the difference, and sets a timer for the moment at
 * which time alone changes the answer. */
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/canary.h"
#include "run/capacity.h"
#include "run/clock.h"
#include "run/pool_impl.h"
#include "run/scaling.h"
#include "run/shadow.h"

#include <assert.h>
#include <stdlib.h>

enum { FAIR_AFTER_MS = 10000, NO_CAPACITY_RETRY_MS = 2000, LOOK_AT_LEAST_MS = 60000 };

/* The timer is there before the look that may set another: whatever keeps this look from coming
 * costs a minute, not a prediction. */
void pool_wake(struct pool *p)
{
    if (!timer_armed(&p->timer))
        timer_start(&p->timer, LOOK_AT_LEAST_MS);
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
    struct release *current = pool_current(p), *leading = pool_leading(p);
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
        .waiting = l->line.n,
        .slots = (int)MAX(l->version->config.concurrency, 1),
        .is_current = p->is_model || (leading && leading->lane == l),
        .tries = canary_has(p, l),
        .yields = shadow_has(p, l),
        .no_capacity = l->no_capacity && others_hold_room(p, l, a),
        .failures = l->failures,
        .retry_at = l->retry_at,
        .served_at = l->served_at,
        .instances = rows,
        .n = n,
    };
    if (!list_empty(&l->queue)) {
        out->oldest_waiting =
            container_of(list_first(&l->queue), struct prediction, node)->waits_since;
        out->newest_waiting = container_of(l->queue.prev, struct prediction, node)->waits_since;
    }
    out->oldest_running = oldest_running(l);
    if (!p->is_model)
        out->is_failed = lane_has_failed(p, l);
    if (!p->is_model && current && current->is_failed && current->lane != l) {
        struct release *to = pool_serving(p);

        out->serves = to && to->lane == l;
    }
    if (!p->is_model && current && current->lane == l && !out->tries) {
        /* Release 1 has nothing to take over from: it boots when there is a reason to. */
        out->must_prove =
            !current->was_ready && !current->is_failed && current->number > 1 && leading == current;
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
    enum status s = capacity_ask(l, &err);

    if (s == STATUS_OK)
        s = instance_boot(l, why, &err);
    if (s == STATUS_OK) {
        capacity_served(l);
        return true;
    }
    l->retry_at = loop_wall_ms(l->pool->fleet->loop) + NO_CAPACITY_RETRY_MS;
    capacity_lacks(l, &err);
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

/* The newest release before r that was ready once and runs elsewhere; NULL: none. One that was
 * halted may be older than all that are left. */
static struct release *older_that_serves(struct pool *p, const struct release *r)
{
    struct release *x = r == pool_current(p) ? canary_base(p) : NULL;

    if (x)
        return x;
    list_each (&p->releases, x, struct release, node)
        if (x->number < r->number && x->lane != r->lane && x->was_ready &&
            !lane_has_failed(p, x->lane))
            return x;
    return r->was_ready ? pool_serving(p) : NULL;
}

/* A lane of releases that were all replaced before they were ever ready, and that have no room on
 * the machine: nobody knows when there will be some, and nobody asks for them any more. */
static bool is_stranded(struct pool *p, const struct lane *l)
{
    const struct release *r;

    if (!l->no_capacity || list_empty(&l->queue) || pool_current(p)->lane == l ||
        lane_count(l, INSTANCE_BOOTING) + lane_count(l, INSTANCE_READY) > 0)
        return false;
    list_each (&p->releases, r, struct release, node)
        if (r->lane == l && r->was_ready)
            return false;
    return true;
}

/* What waits in such a lane goes to the release that serves, once that is known to be able to. */
static void free_stranded(struct pool *p)
{
    struct release *to = p->is_model ? NULL : pool_serving(p);
    struct lane *l;

    if (!to || !to->was_ready)
        return;
    list_each (&p->lanes, l, struct lane, node)
        if (l != to->lane && is_stranded(p, l))
            lane_move_queue(l, to, to->lane);
}

/* What waits in a lane that can serve no longer goes back to an older release, or gets the setup
 * error. A disabled pool keeps no queue, whatever way a prediction came into it. */
static void settle_queues(struct pool *p)
{
    struct release *r;

    if (p->max == 0) {
        pool_cancel_all(p);
        return;
    }
    list_each (&p->releases, r, struct release, node) {
        struct release *to;

        if (list_empty(&r->lane->queue) || !lane_has_failed(p, r->lane))
            continue;
        to = older_that_serves(p, r);
        if (to && to->lane != r->lane)
            lane_move_queue(r->lane, to, to->lane);
        else
            lane_fail_queue(r->lane, r->failure);
    }
    free_stranded(p);
}

/* The budget is spent: what runs finishes, all else stops, and the queue stays. */
static void hold(struct pool *p)
{
    struct lane *l;
    struct instance *in;
    int live = pool_live(p);

    if (live > 0)
        scaling_stopped(p, live, 0, "budget", p->held);
    list_each (&p->lanes, l, struct lane, node)
        list_each (&l->instances, in, struct instance, node)
            if (in->state == INSTANCE_BOOTING || in->state == INSTANCE_READY)
                instance_drain(in, "its budget is spent");
    lane_collect(p);
}

/* What readers are told of a pool, as one number. */
static uint64_t appearance(const struct pool *p)
{
    uint64_t h = HASH_INIT;
    struct instance *in;
    struct lane *l;

    list_each (&p->lanes, l, struct lane, node) {
        const char *waits_for = capacity_is_lacking(l) ? l->waits_for : "-";

        h = hash_bytes(h, str_of(waits_for));
        h = hash_number(h, (uint64_t)l->line.n);
        list_each (&l->instances, in, struct instance, node)
            h = hash_number(h, (uint64_t)in->state ^ (uint64_t)in->in_flight << 4);
    }
    return h;
}

/* Who waits for capacity is looked at every two seconds: that alone is no news. */
static void tell_if_changed(struct pool *p)
{
    uint64_t now = appearance(p);

    if (now != p->told)
        tell_pool(p);
    p->told = now;
}

/* `by_clock`: nothing happened but that time went on. */
static void pool_reconcile(struct pool *p, bool by_clock)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct scale_view view = { 0 };
    struct scale_lane *rows;
    struct scale_plan plan;
    struct lane **lanes, *l;
    int64_t now = loop_wall_ms(p->fleet->loop), change, own_change = INT64_MAX;
    size_t n = 0;

    clock_look(p->fleet);
    timer_stop(&p->timer);
    if (p->fleet->is_stopping)
        return;
    if (!by_clock)
        tell_pool(p); /* who listens looks later, at what this comes to */
    if (pool_is_over(p)) {
        pool_free(p);
        return;
    }
    canary_look(p, &own_change);
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
    if (p->fleet->decided)
        p->fleet->decided(p->fleet->decided_arg, &view, &plan);
    scaling_learn(p, &view, &plan);
    act(&plan, lanes);
    scaling_store(p, &view, &plan);
    plan.look_again_at = MIN(plan.look_again_at, MIN(change, own_change));
    list_each (&p->lanes, l, struct lane, node)
        if (l->no_capacity && l->retry_at > now)
            plan.look_again_at = MIN(plan.look_again_at, l->retry_at);
    list_each (&p->lanes, l, struct lane, node)
        if (l->line.n > 0) /* an event that was lost costs a minute, not a prediction */
            plan.look_again_at = MIN(plan.look_again_at, now + LOOK_AT_LEAST_MS);
    lane_collect(p);
    capacity_wake(p->fleet);
    tell_if_changed(p);
    if (plan.look_again_at != INT64_MAX)
        timer_start(&p->timer, MAX(plan.look_again_at - now, 1));
}

static void on_reconcile(struct deferred *d)
{
    pool_reconcile(container_of(d, struct pool, reconcile), false);
}

static void on_timer(struct timer *t)
{
    pool_reconcile(container_of(t, struct pool, timer), true);
}

void pool_reconcile_init(struct pool *p)
{
    deferred_init(p->fleet->loop, &p->reconcile, on_reconcile);
    timer_init(p->fleet->loop, &p->timer, on_timer);
}
