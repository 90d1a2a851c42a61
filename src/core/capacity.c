/* SPDX-License-Identifier: Apache-2.0 */
#include "core/capacity.h"

struct making {
    const struct capacity_view *v;
    struct capacity_plan *out;
    struct hardware *now;  /* what is free, less what those that came before take */
    struct hardware *soon; /* likewise, with the places of all that leave */
    struct hardware *try;
};

static int live_of(const struct capacity_view *v, size_t pool)
{
    int n = 0;

    for (size_t i = 0; i < v->n; i++)
        for (size_t k = 0; v->lanes[i].pool == pool && k < v->lanes[i].n; k++)
            n += !v->lanes[i].instances[k].is_leaving;
    return n;
}

static bool lane_has_live(const struct capacity_lane *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (!l->instances[i].is_leaving)
            return true;
    return false;
}

/* Since when it goes without; what has an instance goes without nothing. */
static int64_t without_since(const struct capacity_view *v, const struct capacity_lane *l)
{
    if (l->waits_since == 0 || lane_has_live(l))
        return v->now;
    return MAX(l->waits_since, l->served_at);
}

/* How long, in parts of its target, times its weight. */
static double urgency(const struct capacity_view *v, const struct capacity_lane *l, int64_t since)
{
    return (double)l->weight * (double)MAX(v->now - since, 0) / (double)MAX(l->target_ms, 1);
}

bool capacity_comes_before(const struct capacity_view *v, size_t x, size_t y)
{
    const struct capacity_lane *a = &v->lanes[x], *b = &v->lanes[y];
    double more = urgency(v, a, without_since(v, a)) - urgency(v, b, without_since(v, b));

    if ((a->promised_at != 0) != (b->promised_at != 0))
        return a->promised_at != 0;
    if (a->promised_at != b->promised_at)
        return a->promised_at < b->promised_at;
    if (more != 0)
        return more > 0;
    more = urgency(v, a, a->waits_since ? a->waits_since : v->now) -
           urgency(v, b, b->waits_since ? b->waits_since : v->now);
    return more != 0 ? more > 0 : x < y;
}

/* The one that comes after `last` (v->n: the first) of those that lack room; v->n: none does. */
static size_t next_waiter(const struct capacity_view *v, size_t last)
{
    size_t best = v->n;

    for (size_t i = 0; i < v->n; i++) {
        if (!v->lanes[i].lacks || !v->lanes[i].sku || i == last)
            continue;
        if (last < v->n && !capacity_comes_before(v, last, i))
            continue;
        if (best == v->n || capacity_comes_before(v, i, best))
            best = i;
    }
    return best;
}

/* Whether there is room for it when all that are above their minimum are gone: what can never come
 * is not kept for it. */
static bool may_come(const struct making *m, const struct capacity_lane *w)
{
    const struct capacity_view *v = m->v;
    struct hold hold;
    struct error err;

    *m->try = *v->hardware;
    for (size_t i = 0; i < v->n; i++) {
        int spare = live_of(v, v->lanes[i].pool) - v->lanes[i].min;

        for (size_t k = 0; k < v->lanes[i].n; k++)
            if (v->lanes[i].instances[k].is_leaving || spare-- > 0)
                hardware_give(m->try, &v->lanes[i].instances[k].hold);
    }
    return hardware_take(m->try, w->sku, &hold, &err) == STATUS_OK;
}

static bool is_planned(const struct capacity_plan *out, size_t lane, size_t instance)
{
    for (size_t i = 0; i < out->n; i++)
        if (!out->steps[i].is_grant && out->steps[i].from == lane &&
            out->steps[i].instance == instance)
            return true;
    return false;
}

/* How many instances of a pool stay, with what is planned. */
static int staying(const struct making *m, size_t pool)
{
    int n = live_of(m->v, pool);

    for (size_t i = 0; i < m->out->n; i++)
        n -= !m->out->steps[i].is_grant && m->v->lanes[m->out->steps[i].from].pool == pool;
    return n;
}

static void look_again(struct capacity_plan *out, int64_t at)
{
    out->look_again_at = MIN(out->look_again_at, at);
}

static bool is_idle(const struct capacity_lane *l, const struct capacity_instance *in)
{
    return in->is_ready && in->in_flight == 0 && l->waits_since == 0;
}

/* A working instance gives up its place for one that waits beyond its target, when it had its turn,
 * and when the other has nothing, or by its weight too little even with it. */
static bool has_to_leave(const struct making *m, const struct capacity_lane *w,
                         const struct capacity_lane *l, const struct capacity_instance *in)
{
    int64_t since = MAX(w->waits_since, w->served_at);
    int64_t own = live_of(m->v, w->pool), other = staying(m, l->pool), at;

    if (!in->is_ready || in->stays || w->waits_since == 0)
        return false;
    if (own > 0 && (own + 1) * l->weight > (other - 1) * w->weight)
        return false;
    if (own > 0)
        since = w->waits_since;
    at = MAX(since + w->target_ms, in->ready_since + w->turn_ms * l->weight / w->weight);
    if (m->v->now < at) {
        look_again(m->out, at);
        return false;
    }
    return true;
}

/* Whether a is missed less than b: what is idle for longest first, then what does least. */
static bool is_missed_less(const struct capacity_lane *la, const struct capacity_instance *a,
                           const struct capacity_lane *lb, const struct capacity_instance *b)
{
    if (is_idle(la, a) != is_idle(lb, b))
        return is_idle(la, a);
    if (is_idle(la, a))
        return a->idle_since < b->idle_since;
    if (a->in_flight != b->in_flight)
        return a->in_flight < b->in_flight;
    return a->ready_since < b->ready_since;
}

/* Whether it holds something of what is missing. */
static bool would_help(const struct capacity_instance *in, const struct hold *missing)
{
    return (missing->cpus_milli > 0 && in->hold.cpus_milli > 0) ||
           (missing->memory > 0 && in->hold.memory > 0) || (missing->gpus & in->hold.gpus) != 0;
}

/* The instance that is missed least of those that may give up their place for a lane, as a step;
 * false: none may. */
static bool find_place(const struct making *m, size_t for_lane, const struct hold *missing,
                       struct capacity_step *out)
{
    const struct capacity_view *v = m->v;
    const struct capacity_lane *w = &v->lanes[for_lane], *from = NULL;
    const struct capacity_instance *best = NULL;

    for (size_t i = 0; i < v->n; i++) {
        const struct capacity_lane *l = &v->lanes[i];

        if (l->pool == w->pool || staying(m, l->pool) <= l->min)
            continue;
        for (size_t k = 0; k < l->n; k++) {
            const struct capacity_instance *in = &l->instances[k];

            if (in->is_leaving || is_planned(m->out, i, k) || !would_help(in, missing) ||
                (!is_idle(l, in) && !has_to_leave(m, w, l, in)) ||
                (best && !is_missed_less(l, in, from, best)))
                continue;
            best = in;
            from = l;
            *out = (struct capacity_step){ .lane = for_lane, .from = i, .instance = k };
        }
    }
    return best != NULL;
}

static bool is_nothing(const struct hold *h)
{
    return h->cpus_milli <= 0 && h->memory <= 0 && h->gpus == 0;
}

/* Plans who gives up a place until there is room; nothing is planned where that does not suffice.
 */
static bool make_room(struct making *m, size_t for_lane)
{
    const struct capacity_lane *w = &m->v->lanes[for_lane];
    size_t before = m->out->n;
    struct hold missing = hardware_missing(m->soon, w->sku);

    *m->try = *m->soon;
    while (!is_nothing(&missing)) {
        struct capacity_step step;

        if (m->out->n == CAPACITY_MAX_STEPS || !find_place(m, for_lane, &missing, &step)) {
            m->out->n = before;
            *m->soon = *m->try;
            return false;
        }
        m->out->steps[m->out->n++] = step;
        hardware_give(m->soon, &m->v->lanes[step.from].instances[step.instance].hold);
        missing = hardware_missing(m->soon, w->sku);
    }
    return true;
}

static void making_init(struct making *m, const struct capacity_view *v, struct arena *a)
{
    *m = (struct making){
        .v = v,
        .now = arena_array(a, struct hardware, 3),
    };
    m->soon = m->now + 1;
    m->try = m->now + 2;
    *m->now = *m->soon = *v->hardware;
    for (size_t i = 0; i < v->n; i++)
        for (size_t k = 0; k < v->lanes[i].n; k++)
            if (v->lanes[i].instances[k].is_leaving)
                hardware_give(m->soon, &v->lanes[i].instances[k].hold);
}

void capacity_decide(const struct capacity_view *v, struct arena *a, struct capacity_plan *out)
{
    struct making m;

    making_init(&m, v, a);
    m.out = out;
    *out = (struct capacity_plan){ .look_again_at = INT64_MAX };
    for (size_t i = next_waiter(v, v->n); i < v->n; i = next_waiter(v, i)) {
        const struct capacity_lane *w = &v->lanes[i];
        struct hold missing = hardware_missing(m.now, w->sku);

        if (is_nothing(&missing) && out->n < CAPACITY_MAX_STEPS)
            out->steps[out->n++] = (struct capacity_step){ .lane = i, .is_grant = true };
        else if (!make_room(&m, i) && !may_come(&m, w))
            continue;
        hardware_reserve(m.now, w->sku);
        hardware_reserve(m.soon, w->sku);
    }
}

/* What a pool lacks first speaks for all of it. */
static bool pool_comes_after(const struct capacity_view *v, size_t lane, size_t other)
{
    if (!capacity_comes_before(v, other, lane))
        return false;
    for (size_t i = 0; i < v->n; i++)
        if (v->lanes[i].pool == v->lanes[lane].pool && v->lanes[i].lacks &&
            !capacity_comes_before(v, other, i))
            return false;
    return true;
}

int capacity_admits(const struct capacity_view *v, struct arena *a, size_t lane, struct error *err)
{
    const struct capacity_lane *l = &v->lanes[lane];
    struct hold hold;
    struct making m;

    making_init(&m, v, a);
    *m.try = *m.now;
    if (hardware_take(m.try, l->sku, &hold, err) != STATUS_OK)
        return CAPACITY_NO_ROOM;
    for (size_t i = next_waiter(v, v->n); i < v->n; i = next_waiter(v, i)) {
        if (i == lane || v->lanes[i].pool == l->pool || !pool_comes_after(v, lane, i) ||
            !may_come(&m, &v->lanes[i]))
            continue;
        hardware_reserve(m.now, v->lanes[i].sku);
        *m.try = *m.now;
        if (hardware_take(m.try, l->sku, &hold, err) != STATUS_OK)
            return (int)i;
    }
    return CAPACITY_ADMITTED;
}
