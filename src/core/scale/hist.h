/* SPDX-License-Identifier: Apache-2.0 */
/* A histogram of durations that forgets: four buckets to an octave, from 1 ms to three days. Old
 * values fade as new ones come, so that it tells how things are and not how they once were. */
#pragma once

#include <stdint.h>

enum { SCALE_HIST_BUCKETS = 112, SCALE_HIST_WEIGHT = 16 /* what one value adds */ };

struct scale_hist {
    uint16_t counts[SCALE_HIST_BUCKETS];
    uint32_t total; /* of counts */
    uint32_t n;     /* values seen, at most SCALE_HIST_MOST */
    double mean_ms; /* fades as well */
};

enum { SCALE_HIST_MOST = 200 };

void scale_hist_add(struct scale_hist *h, int64_t ms);
/* 0 <= q <= 1; -1 when it is empty. */
int64_t scale_hist_quantile(const struct scale_hist *h, double q);
/* Which bucket holds a duration, and where buckets begin (ms). */
int scale_hist_bucket(int64_t ms);
int64_t scale_hist_edge(int bucket);
