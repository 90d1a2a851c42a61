/* SPDX-License-Identifier: Apache-2.0 */
/* What a deployment's last shadow has told: how many answers were compared, how many differ and
 * how, with a few examples. Kept over a restart. How long both took is counted by its canary. */
#pragma once

#include "core/shadow_compare.h"

enum {
    SHADOW_EXAMPLES = 20, /* the latest ones */
    SHADOW_ID_SIZE = 40,
};

/* Why there is no comparison. */
enum shadow_drop {
    SHADOW_DROP_BUSY,      /* as many copies as there may be were under way */
    SHADOW_DROP_NOT_READY, /* the new release had no instance */
    SHADOW_DROP_TOO_LARGE, /* the input */
    SHADOW_DROP_CANCELED,  /* the prediction was, or ended without an answer */
    SHADOW_DROP_LOST,      /* the copy was, with its instance or the server */
    SHADOW_DROPS
};
const char *shadow_drop_name(enum shadow_drop d);

struct shadow_example {
    char prediction[SHADOW_ID_SIZE];
    int64_t at;     /* wall ms */
    bool is_masked; /* a secret was in its input: it has no values */
    bool is_erased; /* it has none any more: they were too old, or erased with the prediction */
    double old_seconds, new_seconds; /* predict_time; < 0: unknown */
    size_t n;                        /* how many differences the answer has */
    struct shadow_difference first;
};

struct shadow_report {
    int64_t release, base; /* whose answers these are; 0: there never was a shadow */
    int64_t copied;        /* copies that were begun: compared, dropped later, or under way */
    int64_t same, differ;
    int64_t failed; /* of those that were compared, how many failed on the new one */
    int64_t dropped[SHADOW_DROPS];
    int64_t kinds[SHADOW_KINDS]; /* answers that differ in this way */
    struct shadow_example examples[SHADOW_EXAMPLES];
    size_t n_examples, next; /* a ring */
};

void shadow_begin(struct shadow_report *r, int64_t release, int64_t base);
/* A comparison is done. `how` is what is kept of it where it differs, but for the verdict and its
 * values where they are masked. */
void shadow_count(struct shadow_report *r, const struct shadow_verdict *v, bool new_failed,
                  const struct shadow_example *how);
int64_t shadow_dropped(const struct shadow_report *r); /* in all */
/* Examples that were taken at or before `before`, or of this prediction (NULL: of none), lose their
 * values. True when any did. */
bool shadow_erase(struct shadow_report *r, int64_t before, const char *prediction);
/* When the oldest example that has values was taken; 0: none has. */
int64_t shadow_oldest(const struct shadow_report *r);
/* The i-th, the latest first; NULL: there are no more. */
const struct shadow_example *shadow_example(const struct shadow_report *r, size_t i);

/* As it is kept, and as it is shown but for times and who asked; false, and empty, for what cannot
 * be read. */
void shadow_write(const struct shadow_report *r, struct buf *out);
bool shadow_read(struct shadow_report *r, struct str stored);
