/* SPDX-License-Identifier: Apache-2.0 */
/* Rates are decayed sums: each arrival adds 1/tau, and all fades with e^(-t/tau). Gaps are taken
 * for each number of instances on its own: the first is rarely free of work for long where the
 * fifth is needed once a day. */
#include "core/scale/learn.h"

#include "base/compiler.h"

#include <math.h>

static const double TAU[SCALE_RATES] = { 15, 60, 240 };

/* Seconds of silence in which nothing is concluded after a restart. */
enum { BLIND_MS = 60000, BOOT_UNKNOWN_MS = 10000 };

static void fade_rates(struct scale_learned *l, int64_t now)
{
    double dt = (double)(now - l->rates_at) / 1000;

    if (l->rates_at && dt > 0)
        for (int i = 0; i < SCALE_RATES; i++)
            l->rates[i] *= exp(-dt / TAU[i]);
    l->rates_at = MAX(l->rates_at, now);
}

void scale_learn_arrival(struct scale_learned *l, int64_t now)
{
    fade_rates(l, now);
    for (int i = 0; i < SCALE_RATES; i++)
        l->rates[i] += 1 / TAU[i];
}

double scale_rate(const struct scale_learned *l, int64_t now, double seconds)
{
    double dt = (double)(now - l->rates_at) / 1000;
    int i = 0;

    while (i + 1 < SCALE_RATES && TAU[i] < seconds)
        i++;
    return dt > 0 ? l->rates[i] * exp(-dt / TAU[i]) : l->rates[i];
}

void scale_learn_service(struct scale_learned *l, int64_t ms)
{
    scale_hist_add(&l->service, ms);
}

/* Each boot takes its part of what was lost so far away, each wait adds its own: in the long run
 * the value is the loss for each boot. */
static const double LATE_PART = 0.05;

void scale_learn_wait(struct scale_learned *l, int64_t waited_ms, int64_t target_ms)
{
    if (waited_ms > target_ms)
        l->late_ms += LATE_PART * (double)(waited_ms - target_ms);
}

void scale_learn_boot(struct scale_learned *l, int64_t ms)
{
    l->late_ms *= 1 - LATE_PART;
    scale_hist_add(&l->boot, ms);
}

int64_t scale_boot_ms(const struct scale_learned *l)
{
    return l->boot.n ? scale_hist_quantile(&l->boot, 0.75) : BOOT_UNKNOWN_MS;
}

void scale_learn_need(struct scale_learned *l, int64_t now, int need)
{
    int levels = MIN(need, SCALE_LEVELS), before = MIN(l->need, SCALE_LEVELS);

    for (int i = before; i < levels; i++) { /* needed again */
        if (l->below_since[i] > 0)
            scale_hist_add(&l->gaps[i], now - l->below_since[i]);
        l->below_since[i] = 0;
    }
    for (int i = levels; i < before; i++)
        l->below_since[i] = l->is_new_life ? -now : now;
    l->need = need;
    l->is_new_life = false;
}

/* Zero says that there was none. */
static void shift(int64_t *at, int64_t by_ms)
{
    if (*at != 0)
        *at += by_ms;
}

void scale_learn_clock(struct scale_learned *l, int64_t by_ms)
{
    shift(&l->rates_at, by_ms);
    shift(&l->stopped_at, by_ms);
    shift(&l->blind_until, by_ms);
    for (int i = 0; i < SCALE_LEVELS; i++)
        shift(&l->below_since[i], l->below_since[i] < 0 ? -by_ms : by_ms);
}

void scale_learned_init(struct scale_learned *l, int64_t now)
{
    l->need = SCALE_LEVELS;
    l->is_new_life = true;
    l->stopped_at = 0;
    l->rates_at = l->rates_at ? now : 0;
    l->blind_until = now + BLIND_MS;
    for (int i = 0; i < SCALE_LEVELS; i++)
        l->below_since[i] = 0;
}
