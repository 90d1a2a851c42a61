/* SPDX-License-Identifier: Apache-2.0 */
#include "run/capacity.h"

#include "base/log.h"
#include "core/capacity.h"
#include "run/clock.h"
#include "run/scaling.h"
#include "run/shadow.h"

#include <string.h>

/* A working instance is left alone for so long, and for so many of the other one's boots, so that
 * taking turns does not take all the time. */
enum { TURN_MS = 10000, TURN_BOOTS = 3 };

/* Who needs room asks every two seconds. Who does not ask any more (its boots fail, its pool has
 * all that it may have) keeps nobody waiting. */
enum { STILL_ASKS_MS = 5000 };

struct seen {
    struct capacity_view view;
    struct capacity_lane *rows; /* view.lanes */
    struct lane **lanes;
    struct instance ***instances; /* of each lane */
};

/* The minimum of this hour; nothing of what is disabled, deleted or over its budget. */
static int pool_min(const struct pool *p, int64_t now)
{
    int64_t change;

    if (p->held[0] || p->max == 0)
        return 0;
    return p->scaling
               ? MIN(scale_schedule_min(&p->scaling->settings.schedule, (int)p->min, now, &change),
                     (int)p->max)
               : (int)p->min;
}

static bool must_prove(const struct pool *p, const struct lane *l)
{
    const struct release *r = pool_current(p);

    return r && r->lane == l && !r->was_ready && !r->is_failed && r->number > 1 &&
           !shadow_has(p, l);
}

bool capacity_is_lacking(const struct lane *l)
{
    const struct pool *p = l->pool;
    int64_t now = loop_wall_ms(p->fleet->loop);
    bool still_asks = loop_now_ms(p->fleet->loop) <= l->refused_at + STILL_ASKS_MS;

    return l->no_capacity && still_asks && !p->held[0] && !p->is_deleted &&
           (l->line.n > 0 || must_prove(p, l) || pool_live(p) < pool_min(p, now));
}

static int64_t measured_boot_ms(const struct pool *p)
{
    bool is_known = p->scaling && p->scaling->learned.boot.n > 0;

    return is_known ? scale_boot_ms(&p->scaling->learned) : 0;
}

static void see_instances(struct seen *s, struct arena *a, const struct lane *l, size_t at,
                          struct capacity_lane *out)
{
    size_t n = list_length(&l->instances), k = 0;
    struct capacity_instance *rows = arena_array(a, struct capacity_instance, n + 1);
    struct instance *in;

    s->instances[at] = arena_array(a, struct instance *, n + 1);
    list_each (&l->instances, in, struct instance, node) {
        s->instances[at][k] = in;
        rows[k++] = (struct capacity_instance){
            .hold = in->hold,
            .is_ready = in->state == INSTANCE_READY,
            .is_leaving = in->state == INSTANCE_DRAINING || in->state == INSTANCE_STOPPING,
            .stays = l->version->trains,
            .in_flight = in->in_flight,
            .idle_since = in->idle_since,
            .ready_since = in->ready_at,
        };
    }
    out->instances = rows;
    out->n = n;
}

static void see_lane(struct seen *s, struct arena *a, struct lane *l, size_t pool)
{
    const struct pool *p = l->pool;
    bool lacks = capacity_is_lacking(l);
    size_t at = s->view.n++;
    struct capacity_lane *out = &s->rows[at];

    s->lanes[at] = l;
    l->promised_at = lacks ? l->promised_at : 0;
    *out = (struct capacity_lane){
        .pool = pool,
        .min = pool_min(p, s->view.now),
        .weight = (int)scaling_weight(p),
        .sku = l->sku,
        .lacks = lacks,
        .served_at = l->served_at,
        .promised_at = l->promised_at,
        .target_ms = scaling_target_ms(p),
        .turn_ms = MAX(TURN_MS, TURN_BOOTS * measured_boot_ms(p)),
    };
    if (!list_empty(&l->queue))
        out->waits_since =
            container_of(list_first(&l->queue), struct prediction, node)->waits_since;
    see_instances(s, a, l, at, out);
}

/* Every lane that has or lacks something, and `also`, whatever it has. */
static void see(struct fleet *f, struct arena *a, const struct lane *also, struct seen *out)
{
    struct pool *p;
    struct lane *l;
    size_t at = 0, n = 0, pool = 0;

    while (map_next(&f->pools, &at, NULL, (void **)&p))
        n += list_length(&p->lanes);
    *out = (struct seen){
        .view = {
            .now = loop_wall_ms(f->loop),
            .hardware = f->hardware,
        },
        .rows = arena_array(a, struct capacity_lane, n + 1),
        .lanes = arena_array(a, struct lane *, n + 1),
        .instances = arena_array(a, struct instance **, n + 1),
    };
    out->view.lanes = out->rows;
    for (at = 0; map_next(&f->pools, &at, NULL, (void **)&p); pool++)
        list_each (&p->lanes, l, struct lane, node)
            if (l == also || !list_empty(&l->instances) || l->no_capacity)
                see_lane(out, a, l, pool);
}

/* --- asking --- */

static const char *name_for(const struct pool *whose, const struct pool *reader, struct arena *a)
{
    if (!whose->owner_id || strcmp(whose->owner_id, reader->owner_id) != 0)
        return "somebody else's";
    return arena_printf(a, "%s/%s", whose->owner, whose->name);
}

enum status capacity_ask(struct lane *l, struct error *err)
{
    struct fleet *f = l->pool->fleet;
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct seen s;
    int answer;
    size_t at = 0;

    if (!l->sku)
        return FAIL(err, STATUS_BUSY, "the hardware %s is no longer offered by this server",
                    l->sku_name);
    if (l->version->is_image && !f->images)
        return FAIL(err, STATUS_BUSY,
                    "the version is an image, and this server has no container engine "
                    "(docker_socket)");
    if (l->version->is_image && !l->sku->is_docker)
        return FAIL(err, STATUS_BUSY, "the hardware %s does not offer the docker runtime",
                    l->sku_name);
    if (f->n_lacking == 0)
        return STATUS_OK;
    see(f, &a, l, &s);
    while (s.lanes[at] != l)
        at++;
    answer = capacity_admits(&s.view, &a, at, err);
    if (answer == CAPACITY_ADMITTED)
        return STATUS_OK;
    if (answer >= 0)
        return FAIL(err, STATUS_BUSY, "waits for its turn: %s comes before it",
                    name_for(s.lanes[answer]->pool, l->pool, &a));
    return STATUS_BUSY;
}

void capacity_lacks(struct lane *l, const struct error *err)
{
    struct fleet *f = l->pool->fleet;

    if (!l->no_capacity) {
        f->n_lacking++;
        log_info("an instance waits for capacity", LOG_S("pool", l->pool->name),
                 LOG_S("hardware", l->sku_name), LOG_ERR(err));
        pool_wake(l->pool); /* another lane of it may give up its place */
    }
    l->no_capacity = true;
    l->refused_at = loop_now_ms(f->loop);
    l->refused_seq = f->room_seq;
    snprintf(l->waits_for, sizeof(l->waits_for), "%.199s", err->text);
    capacity_wake(f);
}

void capacity_served(struct lane *l)
{
    struct fleet *f = l->pool->fleet;

    if (!l->no_capacity)
        return;
    log_info("it waits for capacity no longer", LOG_S("pool", l->pool->name),
             LOG_S("hardware", l->sku_name));
    l->no_capacity = false;
    l->promised_at = 0;
    l->waits_for[0] = '\0';
    f->n_lacking--;
    f->room_seq++;
    capacity_wake(f);
}

/* --- deciding --- */

static int64_t waiting_ms(const struct capacity_lane *l, int64_t now)
{
    return l->waits_since ? now - l->waits_since : 0;
}

static void give_up(const struct seen *s, const struct capacity_step *step, struct arena *a)
{
    struct lane *to = s->lanes[step->lane], *from = s->lanes[step->from];
    struct instance *in = s->instances[step->from][step->instance];
    const struct capacity_lane *w = &s->view.lanes[step->lane];
    bool is_idle = in->in_flight == 0 && from->line.n == 0;
    int live = pool_live(from->pool);
    const char *words;

    words = arena_printf(
        a, "%s gives up its place for %s, of which %d wait%s, the first for %.1f s (target %.1f s)",
        is_idle ? "an idle instance" : "an instance that had its turn ends what it does and",
        name_for(to->pool, from->pool, a), to->line.n, to->line.n == 1 ? "s" : "",
        (double)waiting_ms(w, s->view.now) / 1000, (double)w->target_ms / 1000);
    if (!to->promised_at)
        to->promised_at = s->view.now;
    scaling_stopped(from->pool, live, live - 1, "capacity", words);
    instance_drain(in, "gives up its place to another deployment");
}

/* They may try again, where something has changed. Which of its lanes takes the room is the pool's
 * own matter. */
static void grant(struct pool *p)
{
    struct lane *l;

    list_each (&p->lanes, l, struct lane, node) {
        if (!l->no_capacity || l->retry_at == 0 || l->refused_seq == p->fleet->room_seq)
            continue;
        l->retry_at = 0;
        pool_wake(p);
    }
}

static void decide(struct fleet *f)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct capacity_plan plan;
    struct seen s;

    timer_stop(&f->capacity_timer);
    if (f->n_lacking == 0 || f->is_stopping)
        return;
    clock_look(f);
    see(f, &a, NULL, &s);
    capacity_decide(&s.view, &a, &plan);
    for (size_t i = 0; i < plan.n; i++) {
        if (plan.steps[i].is_grant)
            grant(s.lanes[plan.steps[i].lane]->pool);
        else
            give_up(&s, &plan.steps[i], &a);
    }
    if (plan.look_again_at != INT64_MAX)
        timer_start(&f->capacity_timer, MAX(plan.look_again_at - s.view.now, 1));
}

static void on_wake(struct deferred *d)
{
    decide(container_of(d, struct fleet, capacity));
}

static void on_timer(struct timer *t)
{
    decide(container_of(t, struct fleet, capacity_timer));
}

void capacity_init(struct fleet *f)
{
    deferred_init(f->loop, &f->capacity, on_wake);
    timer_init(f->loop, &f->capacity_timer, on_timer);
}

void capacity_deinit(struct fleet *f)
{
    deferred_cancel(&f->capacity);
    timer_stop(&f->capacity_timer);
}

void capacity_wake(struct fleet *f)
{
    if (f->n_lacking > 0 && !f->is_stopping)
        deferred_call(&f->capacity);
}

void capacity_freed(struct fleet *f)
{
    struct pool *p;
    size_t at = 0;

    f->room_seq++;
    while (f->n_lacking > 0 && map_next(&f->pools, &at, NULL, (void **)&p))
        grant(p);
    capacity_wake(f);
}

/* --- telling --- */

static bool has_some(const struct lane *l, const struct hold *missing)
{
    struct instance *in;

    list_each (&l->instances, in, struct instance, node)
        if ((missing->cpus_milli > 0 && in->hold.cpus_milli > 0) ||
            (missing->memory > 0 && in->hold.memory > 0) || (missing->gpus & in->hold.gpus) != 0)
            return true;
    return false;
}

struct lane **capacity_holders(const struct lane *l, struct arena *a)
{
    struct fleet *f = l->pool->fleet;
    struct hold missing = { 0 };
    struct lane **out, *other;
    struct pool *p;
    size_t at = 0, n = 0;

    while (map_next(&f->pools, &at, NULL, (void **)&p))
        n += list_length(&p->lanes);
    out = arena_array(a, struct lane *, n + 1);
    if (l->sku)
        missing = hardware_missing(f->hardware, l->sku);
    n = 0;
    for (at = 0; map_next(&f->pools, &at, NULL, (void **)&p);)
        list_each (&p->lanes, other, struct lane, node)
            if (other != l && has_some(other, &missing))
                out[n++] = other;
    return out;
}

const char *capacity_reason(const struct lane *l, struct arena *a)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(2000);
    struct lane **by;

    if (!capacity_is_lacking(l))
        return NULL;
    buf_adds(&out, l->waits_for);
    by = capacity_holders(l, a);
    for (size_t i = 0; by[i]; i++) {
        size_t n = list_length(&by[i]->instances);

        buf_addf(&out, "%s%s (%zu instance%s)", i == 0 ? "; held by " : ", ",
                 name_for(by[i]->pool, l->pool, a), n, n == 1 ? "" : "s");
    }
    return arena_copy(a, buf_str(&out));
}
