/* SPDX-License-Identifier: Apache-2.0 */
/* What a deployment has shown of itself: how long a prediction and a boot take, how fast
 * predictions come, and for how long an instance is not needed. A value like any other: it is
 * copied, stored (scale_learned_write) and fed with what happened and when. */
#pragma once

#include "base/buf.h"
#include "core/scale/hist.h"

enum { SCALE_LEVELS = 32, SCALE_RATES = 3 };

struct scale_learned {
    struct scale_hist service; /* of one prediction in its slot */
    struct scale_hist boot;    /* from the launch until it is ready */
    /* For how long the l-th instance was not needed, until it was needed again; the last level is
     * also that of all above it. */
    struct scale_hist gaps[SCALE_LEVELS];
    /* ms; since when it is not needed; 0: it is; negative: since at least -t. */
    int64_t below_since[SCALE_LEVELS];
    double rates[SCALE_RATES]; /* arrivals a second, over ever longer times */
    int64_t rates_at;          /* ms; when they were right; 0: nothing came yet */
    int need;                  /* instances that were needed at the last look */
    bool is_new_life;          /* there was no look yet */
    int64_t stopped_at;        /* ms; the last time one was let go */
    double late_ms;            /* what predictions waited beyond the target, for each boot; fades */
    int64_t blind_until; /* ms; until then little is known of the present (a restart): nothing is
                            concluded from silence */
};

void scale_learn_arrival(struct scale_learned *l, int64_t now);
void scale_learn_service(struct scale_learned *l, int64_t ms);
void scale_learn_wait(struct scale_learned *l, int64_t waited_ms, int64_t target_ms);
void scale_learn_boot(struct scale_learned *l, int64_t ms);
/* The clock was set, by so much: what lies in its past stays as long ago as it is. */
void scale_learn_clock(struct scale_learned *l, int64_t by_ms);
/* What scale_decide() found to be needed. */
void scale_learn_need(struct scale_learned *l, int64_t now, int need);

/* What a boot takes, with care; a guess while nothing is known. */
int64_t scale_boot_ms(const struct scale_learned *l);

/* Arrivals a second as they were over about the last `seconds`. */
double scale_rate(const struct scale_learned *l, int64_t now, double seconds);

/* What is left when the server ends: a few hundred bytes. */
void scale_learned_write(const struct scale_learned *l, struct buf *out);
/* From those bytes, at a later time: what went on between is unknown, and is not taken for silence.
 * False, and nothing learned, when they are not such bytes. */
bool scale_learned_read(struct scale_learned *l, struct str bytes, int64_t now);
/* For a deployment that was never looked at, with instances that may be there already. */
void scale_learned_init(struct scale_learned *l, int64_t now);

/* How long an instance that nothing needs is worth keeping. */
struct scale_keep {
    int64_t for_ms;          /* since it was last needed */
    int64_t again_at, until; /* ms since then: boots again ahead of the next one and stays until;
                                0: it does not */
    bool is_learned;         /* from gaps that were seen */
    int64_t typical_gap_ms;  /* the median of those; -1: none */
};

/* Of the l-th instance (from 1). What a boot costs is in instance-milliseconds. */
void scale_keep(const struct scale_learned *l, int level, int64_t boot_ms, int64_t target_ms,
                struct scale_keep *out);
