/* SPDX-License-Identifier: Apache-2.0 */
/* How many instances are needed so that nothing waits longer than the target.
 *
 * Work is counted in seconds of a slot. Instances that boot give theirs from the moment they will
 * be ready, and one that would boot now from a boot time on. Two questions, of any number n:
 *
 *   the queue   would the last one that waits start within the target, or, where no boot can bring
 *               that about any more, by the time that booted ones have worked for as long as is
 *               worth their boot? (Where it starts before a boot would be done, none can help.)
 *   the rate    if predictions go on coming as they do, how long would one wait that comes when a
 *               boot begun now is done?
 *
 * The queue is a fact and the rate a guess: just after an instance was stopped only the queue
 * brings one back. */
#include "core/scale.h"

#include <math.h>

/* What is assumed of a model nothing is known of. */
enum { SERVICE_UNKNOWN_MS = 1000 };

/* An instance that comes too late for the target is worth its boot when it then works for at least
 * this part of the time that booting took. */
static const double WORTH = 0.5;
/* The part of the target that the forecast may fill; the rest is for what it does not foresee. */
static const double FILL = 0.7;
/* The part of a boot time that a forecast over it can tell apart; no target is finer. */
static const double FINEST = 0.25;
/* Standard deviations of the arrivals that are provided for. */
static const double MARGIN = 1.0;

/* How many times as long as the 99th percentile one runs until it counts as stuck; and how often to
 * look while what runs is all that is known. */
enum { STUCK = 3, DOUBT_MS = 1000 };

struct work {
    const struct scale_lane *lane;
    double service, boot, target; /* s */
    double slots;
    double left;   /* slot-seconds that wait or run */
    double coming; /* slot-seconds that will come during a boot */
    double reach;  /* s from now by which the last one should start */
};

static double seconds(int64_t ms)
{
    return (double)ms / 1000;
}

/* How long until the instance works. One that takes longer than usual is still on its way. */
static double ready_in(const struct work *w, const struct scale_instance *in, int64_t now)
{
    double rest;

    if (in->state == SCALE_READY)
        return 0;
    rest = w->boot - seconds(now - in->created_at);
    return MAX(rest, w->boot / 8);
}

static int64_t stuck_at(const struct scale_view *v, const struct scale_lane *l)
{
    return l->oldest_running + STUCK * scale_hist_quantile(&v->learned->service, 0.99) + 1;
}

/* One runs for far longer than those before it did. */
static bool is_stuck(const struct scale_view *v, const struct scale_lane *l)
{
    return l->oldest_running && v->learned->service.n >= SCALE_FEW && v->now >= stuck_at(v, l);
}

int64_t scale_doubts_at(const struct scale_view *v, const struct scale_lane *l)
{
    bool known = v->learned->service.n >= SCALE_FEW;

    if (l->waiting == 0 || !l->oldest_running)
        return INT64_MAX;
    return known && v->now < stuck_at(v, l) ? stuck_at(v, l) : v->now + DOUBT_MS;
}

static void measure(const struct scale_view *v, const struct scale_lane *l, bool takes_new,
                    struct work *w, struct scale_need *out)
{
    const struct scale_learned *a = v->learned;
    int64_t boot = scale_boot_ms(a);
    int64_t ran = l->oldest_running ? v->now - l->oldest_running : 0;
    double mean = a->service.mean_ms, burst;

    out->boot_ms = a->boot.n ? boot : -1;
    out->service_ms = a->service.n ? (int64_t)mean : -1;
    out->rate = scale_rate(a, v->now, seconds(boot));
    if (a->service.n < SCALE_FEW) /* what runs for so long will run for as long again */
        mean = MAX(a->service.n ? mean : SERVICE_UNKNOWN_MS, 2 * (double)ran);
    *w = (struct work){
        .lane = l,
        .service = MAX(mean, 1) / 1000,
        .boot = seconds(boot),
        .target = seconds(v->target_wait_ms),
        .slots = l->slots,
    };
    w->left = w->service * (l->waiting + out->busy / 2.0);
    if (takes_new) {
        burst = sqrt(out->rate * w->boot);
        w->coming = w->service * (out->rate * w->boot + MARGIN * burst);
    }
    w->reach = w->target - (l->newest_waiting ? seconds(v->now - l->newest_waiting) : 0);
    w->reach = MAX(w->reach, (1 + WORTH) * w->boot);
    if (is_stuck(v, l)) /* nothing else begins in its slot meanwhile */
        w->left += w->reach;
}

/* What the live instances, taken in the order in which they are ready, can do by a time. */
struct capacity {
    double by_reach, by_boot; /* slot-seconds */
    int n;
};

static void add_instance(const struct work *w, struct capacity *c, double at)
{
    c->by_reach += w->slots * MAX(w->reach - at, 0);
    c->by_boot += w->slots * MAX(w->boot - at, 0);
    c->n++;
}

static bool queue_is_served(const struct work *w, const struct capacity *c)
{
    return w->left <= 0 || (c->n > 0 && (w->lane->waiting == 0 || w->left <= c->by_reach));
}

static double behind(const struct work *w, const struct capacity *c)
{
    return w->left + w->coming - c->by_boot;
}

static bool rate_is_served(const struct work *w, const struct capacity *c)
{
    double target = MAX(w->target, FINEST * w->boot);

    return c->n == 0 || behind(w, c) <= c->n * w->slots * target * FILL;
}

/* For the queue: enough to have all begun by `reach`. */
static int more_for_queue(const struct work *w, const struct capacity *c)
{
    double each = w->slots * (w->reach - w->boot);

    if (queue_is_served(w, c))
        return 0;
    if (c->n == 0 && w->left <= each)
        return 1;
    return MAX(1, (int)ceil(MIN((w->left - c->by_reach) / each, 1e6)));
}

/* For the rate: enough to keep up with it, and to catch up in the time a boot is worth. */
static int more_for_rate(const struct work *w, const struct capacity *c)
{
    double within = MAX(w->target, WORTH * w->boot), n;

    if (rate_is_served(w, c))
        return 0;
    n = MAX(behind(w, c) / (w->slots * within), w->coming / (w->slots * MAX(w->boot, 0.001)));
    return MAX(1, (int)ceil(MIN(n, 1e6)) - c->n);
}

/* When the last one that waits would start, with what is live. */
static int64_t starts_within(const struct work *w, const struct scale_view *v, int live)
{
    double left = w->left, at = 0, rate = 0, next;

    if (live == 0)
        return INT64_MAX;
    for (size_t i = 0; i < w->lane->n; i++) {
        const struct scale_instance *in = &w->lane->instances[i];

        if (in->state == SCALE_DRAINING)
            continue;
        next = ready_in(w, in, v->now);
        if (next > at) {
            if (left <= rate * (next - at))
                break;
            left -= rate * (next - at);
            at = next;
        }
        rate += w->slots;
    }
    return (int64_t)((at + left / rate) * 1000);
}

void scale_need(const struct scale_view *v, const struct scale_lane *l, bool takes_new,
                struct scale_need *out)
{
    struct capacity c = { 0 };
    struct work w;
    int queue = -1, rate = -1;

    *out = (struct scale_need){ .waiting = l->waiting, .target_ms = v->target_wait_ms };
    for (size_t i = 0; i < l->n; i++)
        if (l->instances[i].state != SCALE_DRAINING) {
            out->live++;
            out->busy += l->instances[i].in_flight;
        }
    measure(v, l, takes_new, &w, out);
    /* Ready ones first, then those that boot, the oldest first. */
    for (int booting = 0; booting <= 1; booting++)
        for (size_t i = 0; i < l->n && (queue < 0 || rate < 0); i++) {
            const struct scale_instance *in = &l->instances[i];

            if (in->state != (booting ? SCALE_BOOTING : SCALE_READY))
                continue;
            if (queue < 0 && queue_is_served(&w, &c))
                queue = c.n;
            if (rate < 0 && (c.n > 0 || w.left <= 0) && rate_is_served(&w, &c))
                rate = c.n;
            add_instance(&w, &c, ready_in(&w, in, v->now));
        }
    if (queue < 0)
        queue = c.n + more_for_queue(&w, &c);
    if (rate < 0) {
        rate = c.n + more_for_rate(&w, &c);
        if (rate > out->live && v->learned->stopped_at &&
            v->now - v->learned->stopped_at < (int64_t)(w.boot * 1000))
            rate = out->live;
    }
    out->n = MAX(queue, rate);
    out->cause = out->live == 0  ? SCALE_FOR_FIRST
                 : queue >= rate ? SCALE_FOR_QUEUE
                                 : SCALE_FOR_RATE;
    if (out->n > out->live || l->waiting > 0) {
        double late = MAX(behind(&w, &c), 0) / (w.slots * MAX(out->live, 1));

        out->starts_within_ms = starts_within(&w, v, out->live);
        out->grows_to_ms = (int64_t)(late * 1000);
    }
    scale_keep(v->learned, MAX(out->live, 1), (int64_t)(w.boot * 1000), v->target_wait_ms,
               &out->keep);
}
