/* SPDX-License-Identifier: Apache-2.0 */
/* How long to keep what is idle. Each gap that was seen would have cost its idle time up to the
 * keep-alive, or that and a boot; the keep-alive with the least sum is taken. A boot costs its own
 * time, more where it is longer than anybody should wait, and what those who waited for it lost.
 * Where gaps are alike and long, it may be cheapest to stop at once and to boot again ahead of the
 * next prediction. */
#include "core/scale/learn.h"

#include "base/compiler.h"

enum {
    ENOUGH = 4 /* gaps, to learn from */,
    CHANGE_MS = 5000 /* launching and stopping as such */
};

/* Boot times that what others waited beyond the target adds to the price of a boot at most: a flood
 * that came once must not hold instances for ever. */
enum { MOST_LATE = 2 };
/* And how many times its own length one is worth that is longer than the target. */
static const double MOST_TIMES = 4;

static double price_of_boot(const struct scale_learned *l, int64_t boot_ms, int64_t target_ms)
{
    double b = (double)boot_ms, t = (double)MAX(target_ms, 1000);
    double times = MIN(MAX(1, b / t), MOST_TIMES);

    return CHANGE_MS + b * times + MIN(l->late_ms, MOST_LATE * b);
}

static double middle(int bucket)
{
    return (double)(scale_hist_edge(bucket) + scale_hist_edge(bucket + 1)) / 2;
}

/* The bucket at whose end it is best to stop; -1: at once. */
static int best_end(const struct scale_hist *h, double price, double *out_cost)
{
    double passed = 0; /* idle time of the gaps that end before */
    double left = h->total, best;
    int at = -1;

    best = left * price;
    for (int i = 0; i < SCALE_HIST_BUCKETS && left > 0; i++) {
        double end = (double)scale_hist_edge(i + 1), cost;

        passed += h->counts[i] * middle(i);
        left -= h->counts[i];
        cost = passed + left * (end + price);
        if (h->counts[i] > 0 && cost < best) {
            best = cost;
            at = i;
        }
    }
    *out_cost = best;
    return at;
}

/* Those that were seen, and one that was not yet: who sends one after the other pauses some time,
 * and a history of short gaps alone says nothing of that. */
static struct scale_hist with_a_pause(const struct scale_hist *h, double price)
{
    struct scale_hist more = *h;

    more.counts[scale_hist_bucket((int64_t)(price / 2))] += SCALE_HIST_WEIGHT;
    more.total += SCALE_HIST_WEIGHT;
    return more;
}

/* What it would cost to be away until `from` and there until `until`. */
static double cost_of_return(const struct scale_hist *h, double boot, double price, double from,
                             double until)
{
    double cost = 0;

    for (int i = 0; i < SCALE_HIST_BUCKETS; i++) {
        double gap = middle(i);

        if (gap <= from)
            cost += h->counts[i] * price;
        else if (gap <= until)
            cost += h->counts[i] * (CHANGE_MS + MAX(gap - from, boot));
        else
            cost += h->counts[i] * (CHANGE_MS + until - from + price);
    }
    return cost;
}

void scale_keep(const struct scale_learned *l, int level, int64_t boot_ms, int64_t target_ms,
                struct scale_keep *out)
{
    const struct scale_hist *h = &l->gaps[MIN(MAX(level, 1), SCALE_LEVELS) - 1];
    double price = price_of_boot(l, boot_ms, target_ms), least;
    struct scale_hist gaps;
    int64_t from, until;
    int at;

    /* Without a history, as long as a boot costs: never more than twice of what was best. */
    *out = (struct scale_keep){ .for_ms = (int64_t)price, .typical_gap_ms = -1 };
    if (h->n < ENOUGH)
        return;
    gaps = with_a_pause(h, price);
    at = best_end(&gaps, price, &least);
    out->for_ms = at < 0 ? 0 : scale_hist_edge(at + 1);
    out->is_learned = true;
    out->typical_gap_ms = scale_hist_quantile(h, 0.5);
    if (level > 1)
        return;
    from = scale_hist_quantile(h, 0.05);
    from = scale_hist_edge(scale_hist_bucket(from)) - boot_ms;
    until = scale_hist_edge(scale_hist_bucket(scale_hist_quantile(h, 0.95)) + 1);
    if (from > out->for_ms &&
        cost_of_return(h, (double)boot_ms, price, (double)from, (double)until) < least) {
        out->for_ms = 0;
        out->again_at = from;
        out->until = until;
    }
}
