/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of a deployment's predictions that run on its shadow (run/canary knows when there is one),
 * and the comparison of both answers.
 *
 * A copy lives in memory only, beside the predictions and in none of their lists: nobody is told of
 * it, nothing waits for it, and no more than its answer's comparison is kept. It runs where the
 * new release has a free place, and is dropped, and counted as that, where there are too many. */
#pragma once

#include "core/shadow.h"
#include "run/fleet.h"

struct shadow {
    struct pool *pool;
    struct shadow_report report;
    struct list copies; /* struct shadow_copy */
    int n_copies;
    struct timer age; /* until the oldest example loses its values */
};

void shadow_new(struct pool *p); /* pool->shadow */
void shadow_free(struct pool *p);
/* One begins anew; ends (what was not compared yet is dropped). */
void shadow_starts(struct pool *p, int64_t release, int64_t base);
void shadow_stops(struct pool *p);
/* At start-up: what an earlier server counted; what it had under way is lost. */
void shadow_resume(struct pool *p, const char *stored); /* NULL: there is nothing */
/* Whether a lane runs copies only. */
bool shadow_has(const struct pool *p, const struct lane *l);
/* What waits may run now. */
void shadow_dispatch(struct pool *p);

/* --- what happens to predictions --- */

/* It runs: there may be a copy of it. */
void shadow_began(struct prediction *p);
/* Its end is stored. */
void shadow_answered(struct prediction *p);
/* It ends with `s`: whether a copy still needs the files of its input. */
bool shadow_needs_inputs(const struct prediction *p, enum prediction_status s);
/* What was kept of a prediction is to be forgotten. */
void shadow_forget(struct fleet *f, const char *prediction_id);

/* --- and to instances --- */

/* It is gone, and its peer is closed. `how`: what it says of its end where that was its own; NULL:
 * where it was ours. */
void shadow_instance_gone(struct instance *in, const char *how);
/* A message of an instance about a copy of its; false: there is none of that id. */
bool shadow_webhook(struct instance *in, struct str id, const struct json *said, struct buf *memory,
                    enum status *out, struct error *err);
