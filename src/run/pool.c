/* SPDX-License-Identifier: Apache-2.0 */
/* Pools, their lanes and releases: what there is. reconcile.c keeps the number of instances right.
 */
#include "base/log.h"
#include "base/mem.h"
#include "run/canary.h"
#include "run/capacity.h"
#include "run/fleet.h"
#include "run/pool_impl.h"
#include "run/scaling.h"
#include "run/shadow.h"

#include <assert.h>
#include <stdlib.h>

static struct pool *pool_new(struct fleet *f, const char *id, bool is_model)
{
    struct pool *p = xnew(struct pool);

    p->fleet = f;
    p->id = xstrdup(id);
    p->is_model = is_model;
    list_init(&p->releases);
    list_init(&p->lanes);
    pool_reconcile_init(p);
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
    capacity_served(l);
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
    canary_free(p);
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

int pool_live(const struct pool *p)
{
    struct lane *l;
    int n = 0;

    list_each (&p->lanes, l, struct lane, node)
        n += lane_count(l, INSTANCE_BOOTING) + lane_count(l, INSTANCE_READY);
    return n;
}

struct release *pool_current(const struct pool *p)
{
    struct list *first = list_first(&p->releases);

    return first ? container_of(first, struct release, node) : NULL;
}

struct release *pool_release(const struct pool *p, int64_t number)
{
    struct release *r;

    list_each (&p->releases, r, struct release, node)
        if (r->number == number)
            return r;
    return NULL;
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
 * newest one that was ever ready stays: should the current one fail, it takes over again. So does
 * the one that serves beside a canary, or after it was halted. */
void lane_collect(struct pool *p)
{
    struct release *current = pool_current(p), *base = canary_base(p), *r;
    struct lane *l;
    bool kept = current && current->was_ready;

    list_each (&p->releases, r, struct release, node) {
        if (r == current || r == base)
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

void pool_cancel_all(struct pool *p)
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
    struct release *before, *served, *r;
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
        canary_new(p);
    }
    scaling_set(p, row->settings);
    canary_set(p, row->settings);
    before = pool_current(p);
    lane = lane_get(p, v, row->release.hardware);
    version_unref(f, v);
    p->last_used_at = row->last_used_at;
    if (!before || before->number != row->release.number) {
        served = before ? pool_serving(p) : NULL;
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
        canary_released(p, served, row->release.ready_at == 0);
        if (!r->was_ready)
            tell_release(p, r->number, "new");
    }
    p->min = row->release.min_instances;
    p->max = row->release.max_instances;
    if (p->max == 0)
        pool_cancel_all(p);
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
    if (p->shadow)
        shadow_stops(p);
    pool_cancel_all(p);
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

struct release *pool_serving(struct pool *p)
{
    struct rollout_release rows[16];
    struct release *objects[ARRAY_SIZE(rows)], *base = canary_base(p);
    size_t n = list_releases(p, rows, objects, ARRAY_SIZE(rows));
    int at = rollout_choose(rows, n);

    if (base)
        return base;
    return at < 0 ? NULL : objects[at];
}

struct release *pool_leading(const struct pool *p)
{
    struct release *base = canary_base(p);

    return base ? base : pool_current(p);
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
    r = pool_serving(p);
    if (!r)
        return FAIL(err, STATUS_UNPROCESSABLE,
                    "Release %lld of the deployment %s/%s has failed: its instances did not get "
                    "through setup. %.300s",
                    (long long)current->number, p->owner, p->name,
                    current->failure ? current->failure : "");
    r = canary_choose(p, r);
    if (queue_is_full(r->lane->line.n, max_queue))
        return FAIL(err, STATUS_BUSY, "The queue of the deployment %s/%s is full (%d waiting).",
                    p->owner, p->name, r->lane->line.n);
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
        canary_again(p);
    }
    pool_wake(p);
}
