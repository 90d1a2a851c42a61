/* SPDX-License-Identifier: Apache-2.0 */
/* What a deployment did lately, in steps of time: two hours by the minute, a day by the quarter of
 * an hour. Pure; times are passed in (wall ms). */
#pragma once

#include "core/ledger.h"
#include "core/prediction.h"

/* Durations by their logarithm: each step is 1.5 times the one before, the first up to 1 ms, so
 * that a quantile is right within a quarter. */
enum { SPREAD_STEPS = 42 };

struct spread {
    uint32_t counts[SPREAD_STEPS];
    int64_t sum_ms;
};

void spread_add(struct spread *s, int64_t ms);
void spread_merge(struct spread *s, const struct spread *from);
int64_t spread_count(const struct spread *s);
/* In ms, 0 < q < 1; -1 when there is nothing. */
double spread_quantile(const struct spread *s, double q);

/* What an instance is, as its readers know it. Its time is the ledger's by other kinds: one that
 * drains and still runs something is active there. */
enum series_state {
    SERIES_SETUP,
    SERIES_ACTIVE,
    SERIES_IDLE,
    SERIES_DRAINING, /* or stopping */
    SERIES_STATES
};

const char *series_state_name(enum series_state s);

struct series_step {
    int64_t start; /* wall ms; 0: nothing happened */
    uint32_t created;
    uint32_t ended[PREDICTION_STATUS_COUNT];
    uint32_t boots, failed_boots;
    uint32_t cold_starts;            /* runs that had waited for their instance to get ready */
    uint32_t queue_most;             /* that waited at a time */
    int64_t queue_ms;                /* sum over time: divided by the step, the mean */
    int64_t state_ms[SERIES_STATES]; /* of all instances: by the step, how many there were */
    int64_t cost;                    /* 10^-12 of the unit of money */
    struct spread latency;           /* from its creation to its end */
    struct spread wait;              /* from its creation to its first run */
    struct spread run;               /* predict_time of those that succeeded */
};

enum series_ring { SERIES_MINUTES, SERIES_QUARTERS, SERIES_RINGS };
enum { SERIES_N_MINUTES = 120, SERIES_N_QUARTERS = 96 };

struct series {
    struct series_step *minutes[SERIES_N_MINUTES]; /* NULL: nothing yet */
    struct series_step *quarters[SERIES_N_QUARTERS];
};

int64_t series_step_ms(enum series_ring r);
size_t series_length(enum series_ring r);
/* The steps of a ring that `now` is in and before, oldest first; NULL where nothing happened. */
const struct series_step *series_back(const struct series *s, enum series_ring r, int64_t now,
                                      size_t ago);
/* The step of now, made when missing. For adding to; both rings need it. */
struct series_step *series_now(struct series *s, enum series_ring r, int64_t now);
/* Puts back one that was kept; false when it is too old, or newer than now. */
bool series_restore(struct series *s, enum series_ring r, int64_t now,
                    const struct series_step *step);
void series_deinit(struct series *s);
