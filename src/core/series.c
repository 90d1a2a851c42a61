/* SPDX-License-Identifier: Apache-2.0 */
#include "core/series.h"

#include "base/mem.h"

#include <stdlib.h>

static const double STEP = 1.5;

static size_t step_of(int64_t ms)
{
    size_t i = 0;

    for (double top = 1; (double)ms > top && i + 1 < SPREAD_STEPS; top *= STEP)
        i++;
    return i;
}

void spread_add(struct spread *s, int64_t ms)
{
    s->counts[step_of(ms)]++;
    s->sum_ms += ms > 0 ? ms : 0;
}

void spread_merge(struct spread *s, const struct spread *from)
{
    for (int i = 0; i < SPREAD_STEPS; i++)
        s->counts[i] += from->counts[i];
    s->sum_ms += from->sum_ms;
}

int64_t spread_count(const struct spread *s)
{
    int64_t n = 0;

    for (size_t i = 0; i < SPREAD_STEPS; i++)
        n += s->counts[i];
    return n;
}

/* Within a step the values are taken as evenly spread. */
double spread_quantile(const struct spread *s, double q)
{
    double rank = q * (double)spread_count(s), below = 0, low = 0, high = 1;

    if (spread_count(s) == 0)
        return -1;
    for (size_t i = 0; i < SPREAD_STEPS; i++) {
        if (s->counts[i] > 0 && below + s->counts[i] >= rank)
            return low + (high - low) * (rank - below) / s->counts[i];
        below += s->counts[i];
        low = high;
        high *= STEP;
    }
    return low;
}

const char *series_state_name(enum series_state s)
{
    static const char *const names[SERIES_STATES] = {
        [SERIES_SETUP] = "setup",
        [SERIES_ACTIVE] = "active",
        [SERIES_IDLE] = "idle",
        [SERIES_DRAINING] = "draining",
    };

    return names[s];
}

int64_t series_step_ms(enum series_ring r)
{
    return r == SERIES_MINUTES ? 60000 : 900000;
}

size_t series_length(enum series_ring r)
{
    return r == SERIES_MINUTES ? SERIES_N_MINUTES : SERIES_N_QUARTERS;
}

static struct series_step **slot(struct series *s, enum series_ring r, int64_t start)
{
    size_t at = (size_t)(start / series_step_ms(r)) % series_length(r);

    return r == SERIES_MINUTES ? &s->minutes[at] : &s->quarters[at];
}

const struct series_step *series_back(const struct series *s, enum series_ring r, int64_t now,
                                      size_t ago)
{
    int64_t start = ledger_floor(now, series_step_ms(r)) - (int64_t)ago * series_step_ms(r);
    size_t at = (size_t)(start / series_step_ms(r)) % series_length(r);
    const struct series_step *step = r == SERIES_MINUTES ? s->minutes[at] : s->quarters[at];

    return step && step->start == start ? step : NULL;
}

struct series_step *series_now(struct series *s, enum series_ring r, int64_t now)
{
    int64_t start = ledger_floor(now, series_step_ms(r));
    struct series_step **at = slot(s, r, start);

    if (!*at)
        *at = xnew(struct series_step);
    if ((*at)->start != start)
        **at = (struct series_step){ .start = start };
    return *at;
}

bool series_restore(struct series *s, enum series_ring r, int64_t now,
                    const struct series_step *step)
{
    int64_t span = series_step_ms(r) * (int64_t)series_length(r);

    if (step->start <= 0 || step->start % series_step_ms(r) || step->start > now ||
        step->start <= now - span)
        return false;
    *series_now(s, r, step->start) = *step;
    return true;
}

void series_deinit(struct series *s)
{
    for (size_t i = 0; i < SERIES_N_MINUTES; i++)
        free(s->minutes[i]);
    for (size_t i = 0; i < SERIES_N_QUARTERS; i++)
        free(s->quarters[i]);
    *s = (struct series){ 0 };
}
