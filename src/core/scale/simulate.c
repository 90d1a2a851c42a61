/* SPDX-License-Identifier: Apache-2.0 */
/* Two heaps of events (ends of predictions, ends of boots), the arrivals in their order, and the
 * policy's own timer. Predictions start in the order in which they came, each on the ready instance
 * that has the fewest: as in the live lane. */
#include "core/scale/simulate.h"

#include "base/mem.h"
#include "core/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct event {
    int64_t at;
    uint64_t order; /* equal times: as they were made */
    size_t who;     /* index into `places` */
    int32_t took;
};

struct heap {
    struct event *rows;
    size_t n, cap;
};

struct place { /* of one instance; its row in `instances` moves */
    size_t row;
    int64_t created_at;
    char id[16];
    bool is_gone;
};

struct engine {
    struct simulation sim;
    const struct simulation_spec *spec;
    const struct simulation_policy *policy;
    struct heap ends, boots;
    struct place *places;
    size_t n_places, cap_places, cap_rows;
    size_t *row_place; /* row -> place */
    uint64_t order;
    int32_t *waits;
    size_t n_waits;
    double spent_ms;
    int64_t look_at;
    struct simulation_result *out;
};

static bool before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void heap_push(struct heap *h, struct event e)
{
    size_t i = h->n;

    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 64;
        h->rows = xrealloc(h->rows, h->cap * sizeof(*h->rows));
    }
    for (h->n++; i > 0 && before(&e, &h->rows[(i - 1) / 2]); i = (i - 1) / 2)
        h->rows[i] = h->rows[(i - 1) / 2];
    h->rows[i] = e;
}

static struct event heap_pop(struct heap *h)
{
    struct event top = h->rows[0], last = h->rows[--h->n];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < h->n) {
        if (child + 1 < h->n && before(&h->rows[child + 1], &h->rows[child]))
            child++;
        if (!before(&h->rows[child], &last))
            break;
        h->rows[i] = h->rows[child];
        i = child;
    }
    h->rows[i] = last;
    return top;
}

static struct scale_instance *instance_at(struct engine *e, size_t place)
{
    return &e->sim.instances[e->places[place].row];
}

/* --- instances --- */

static void boot(struct engine *e)
{
    struct simulation *s = &e->sim;
    struct place *p;

    if (e->n_places == e->cap_places) {
        e->cap_places = e->cap_places ? e->cap_places * 2 : 64;
        e->places = xrealloc(e->places, e->cap_places * sizeof(*e->places));
        /* The ids have moved. */
        for (size_t i = 0; i < s->n; i++)
            s->instances[i].id = e->places[e->row_place[i]].id;
    }
    if (s->n == e->cap_rows) {
        e->cap_rows = e->cap_rows ? e->cap_rows * 2 : 64;
        s->instances = xrealloc(s->instances, e->cap_rows * sizeof(*s->instances));
        e->row_place = xrealloc(e->row_place, e->cap_rows * sizeof(*e->row_place));
    }
    p = &e->places[e->n_places];
    *p = (struct place){ .row = s->n, .created_at = s->now };
    (void)snprintf(p->id, sizeof(p->id), "%zu", e->n_places);
    e->row_place[s->n] = e->n_places;
    s->instances[s->n++] = (struct scale_instance){
        .id = p->id,
        .state = SCALE_BOOTING,
        .created_at = s->now,
        .idle_since = s->now,
    };
    heap_push(&e->boots, (struct event){ .at = s->now + e->spec->boot_ms,
                                         .order = e->order++,
                                         .who = e->n_places++ });
    e->out->boots++;
    e->out->peak = MAX(e->out->peak, (int)s->n);
}

static void spend(struct engine *e, int64_t from, int64_t until)
{
    e->spent_ms += (double)(until - from);
}

static void stop(struct engine *e, size_t place)
{
    struct simulation *s = &e->sim;
    size_t row = e->places[place].row;

    spend(e, e->places[place].created_at, s->now);
    e->places[place].is_gone = true;
    s->n--;
    memmove(&s->instances[row], &s->instances[row + 1], (s->n - row) * sizeof(*s->instances));
    memmove(&e->row_place[row], &e->row_place[row + 1], (s->n - row) * sizeof(*e->row_place));
    for (; row < s->n; row++)
        e->places[e->row_place[row]].row = row;
}

static void drain(struct engine *e, const char *id)
{
    size_t place = (size_t)strtoull(id, NULL, 10);
    struct scale_instance *in = instance_at(e, place);

    in->state = SCALE_DRAINING;
    if (in->in_flight == 0)
        stop(e, place);
}

/* --- predictions --- */

static struct scale_instance *free_instance(struct engine *e, size_t *out_row)
{
    struct scale_instance *best = NULL;

    for (size_t i = 0; i < e->sim.n; i++) {
        struct scale_instance *in = &e->sim.instances[i];

        if (in->state == SCALE_READY &&
            queue_prefers(in->in_flight, e->spec->slots, best ? best->in_flight : -1)) {
            best = in;
            *out_row = i;
            if (in->in_flight == 0)
                break;
        }
    }
    return best;
}

static void dispatch(struct engine *e)
{
    struct simulation *s = &e->sim;

    while (s->waiting > 0) {
        size_t row = 0;
        struct scale_instance *in = free_instance(e, &row);
        const struct scale_arrival *a;

        if (!in)
            return;
        a = &s->arrivals[s->started];
        e->waits[e->n_waits++] = (int32_t)MIN(s->now - a->at, INT32_MAX);
        if (e->policy->started)
            e->policy->started(e->policy->arg, s->now, s->now - a->at);
        s->started++;
        s->waiting--;
        s->in_flight++;
        in->in_flight++;
        heap_push(&e->ends, (struct event){ .at = s->now + a->service_ms,
                                            .order = e->order++,
                                            .who = e->row_place[row],
                                            .took = a->service_ms });
    }
}

int64_t simulation_oldest_running(const struct simulation *s)
{
    const struct engine *e = s->state;
    int64_t oldest = 0;

    for (size_t i = 0; i < e->ends.n; i++) {
        int64_t began = e->ends.rows[i].at - e->ends.rows[i].took;

        oldest = oldest == 0 || began < oldest ? began : oldest;
    }
    return oldest;
}

static void ended(struct engine *e, const struct event *ev)
{
    struct scale_instance *in = instance_at(e, ev->who);

    in->in_flight--;
    in->idle_since = e->sim.now;
    e->sim.in_flight--;
    if (e->policy->served)
        e->policy->served(e->policy->arg, e->sim.now, ev->took);
    if (in->state == SCALE_DRAINING && in->in_flight == 0)
        stop(e, ev->who);
}

static void booted(struct engine *e, const struct event *ev)
{
    struct scale_instance *in;

    if (e->places[ev->who].is_gone)
        return;
    in = instance_at(e, ev->who);
    in->state = SCALE_READY;
    in->ready_since = in->idle_since = e->sim.now;
    if (e->policy->booted)
        e->policy->booted(e->policy->arg, e->sim.now, e->sim.now - in->created_at);
}

/* --- the clock --- */

static int64_t next_time(const struct engine *e)
{
    const struct simulation *s = &e->sim;
    int64_t at = INT64_MAX;

    if (s->next < s->n_arrivals)
        at = s->arrivals[s->next].at;
    if (e->ends.n)
        at = MIN(at, e->ends.rows[0].at);
    if (e->boots.n)
        at = MIN(at, e->boots.rows[0].at);
    return MIN(at, e->look_at);
}

/* One event, as in the live server: of equal times, what began first, and arrivals last. */
static void happen(struct engine *e)
{
    struct simulation *s = &e->sim;
    const struct event *end = e->ends.n ? &e->ends.rows[0] : NULL;
    const struct event *ready = e->boots.n ? &e->boots.rows[0] : NULL;
    struct event ev;

    if (end && end->at <= s->now && (!ready || before(end, ready))) {
        ev = heap_pop(&e->ends);
        ended(e, &ev);
    } else if (ready && ready->at <= s->now) {
        ev = heap_pop(&e->boots);
        booted(e, &ev);
    } else if (s->next < s->n_arrivals && s->arrivals[s->next].at <= s->now) {
        s->next++;
        s->waiting++;
        if (e->policy->arrived)
            e->policy->arrived(e->policy->arg, s->now);
    }
}

static void decide(struct engine *e)
{
    struct scale_plan plan = { .look_again_at = INT64_MAX };

    e->policy->decide(e->policy->arg, &e->sim, &plan);
    if (plan.n > 0 && e->policy->decided)
        e->policy->decided(e->policy->arg, &e->sim, &plan);
    for (size_t i = 0; i < plan.n; i++) /* the names of instances move when one is added */
        if (plan.actions[i].verb == SCALE_DRAIN)
            drain(e, plan.actions[i].instance);
    for (size_t i = 0; i < plan.n; i++)
        if (plan.actions[i].verb == SCALE_BOOT)
            boot(e);
    e->look_at = plan.look_again_at <= e->sim.now ? e->sim.now + 1 : plan.look_again_at;
}

static bool is_over(const struct engine *e)
{
    const struct simulation *s = &e->sim;

    if (s->next < s->n_arrivals || s->waiting > 0 || s->in_flight > 0)
        return false;
    return !e->spec->until || s->now >= e->spec->until;
}

static int compare_waits(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return x < y ? -1 : x > y;
}

static int64_t quantile(const int32_t *sorted, size_t n, double q)
{
    size_t at = (size_t)(q * (double)n);

    return n == 0 ? 0 : sorted[MIN(at, n - 1)];
}

static void sum_up(struct engine *e)
{
    struct simulation_result *r = e->out;
    size_t over = 0;
    double sum = 0;

    for (size_t i = 0; i < e->sim.n; i++)
        spend(e, e->sim.instances[i].created_at, e->sim.now);
    for (size_t i = 0; i < e->n_waits; i++) {
        over += e->waits[i] > e->spec->target_ms;
        sum += e->waits[i];
    }
    qsort(e->waits, e->n_waits, sizeof(*e->waits), compare_waits);
    r->instance_seconds = e->spent_ms / 1000;
    r->n = e->n_waits;
    r->p50 = quantile(e->waits, e->n_waits, 0.50);
    r->p95 = quantile(e->waits, e->n_waits, 0.95);
    r->p99 = quantile(e->waits, e->n_waits, 0.99);
    r->most = quantile(e->waits, e->n_waits, 1);
    r->mean = e->n_waits ? sum / (double)e->n_waits : 0;
    r->over_target = e->n_waits ? (double)over / (double)e->n_waits : 0;
}

void simulate(const struct simulation_spec *spec, const struct simulation_policy *policy,
              struct simulation_result *out)
{
    struct engine e = {
        .sim = { .arrivals = spec->arrivals,
                 .n_arrivals = spec->n,
                 .slots = MAX(spec->slots, 1),
                 .now = spec->from },
        .spec = spec,
        .policy = policy,
        .out = out,
        .look_at = spec->from,
    };

    *out = (struct simulation_result){ 0 };
    e.sim.state = &e;
    e.waits = xcalloc(spec->n + 1, sizeof(*e.waits));
    while (!is_over(&e)) {
        int64_t at = next_time(&e);

        if (at == INT64_MAX || (spec->until && at > spec->until && e.sim.next == spec->n &&
                                e.sim.waiting == 0 && e.sim.in_flight == 0)) {
            e.sim.now = spec->until ? spec->until : e.sim.now;
            break;
        }
        e.sim.now = MAX(at, e.sim.now);
        happen(&e);
        dispatch(&e);
        decide(&e);
        dispatch(&e);
    }
    sum_up(&e);
    free(e.waits);
    free(e.ends.rows);
    free(e.boots.rows);
    free(e.places);
    free(e.row_place);
    free(e.sim.instances);
}
