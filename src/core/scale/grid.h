/* SPDX-License-Identifier: Apache-2.0 */
/* What if: one traffic through the live policy with other settings, side by side. */
#pragma once

#include "base/json.h"
#include "core/scale/schedule.h"
#include "core/scale/simulate.h"

struct scale_choice {
    int min, max;
    int64_t target_ms, keep_ms; /* SCALE_KEEP_AUTO, or ms */
    bool is_present;            /* what the deployment has now */
    struct simulation_result r;
    double cost;
};

enum { SCALE_MAX_CHOICES = 24 };

struct scale_grid {
    const struct scale_arrival *arrivals;
    size_t n;
    int64_t from, until; /* ms; until 0: the end of the last prediction */
    int64_t boot_ms;
    int slots;
    double price;                          /* of an instance, for a second */
    const struct scale_schedule *schedule; /* NULL: none */
    /* What the deployment has now; without one, a beginning. */
    struct scale_choice present;
    bool has_present;
    /* What stays as it is given: -1 (or SCALE_NOT_SET for keep_ms) tries several. */
    int min, max;
    int64_t target_ms, keep_ms;

    struct scale_choice choices[SCALE_MAX_CHOICES]; /* out */
    int n_choices;
    int best; /* the one that is recommended */
};

/* Fills in the choices and runs them. Takes long: about a microsecond for each event. */
void scale_grid_run(struct scale_grid *g);
/* {"predictions", "boot_seconds", "settings": [{...}], "recommendation"}. Waits in seconds. */
void scale_grid_write(const struct scale_grid *g, struct json_writer *w);
/* What to do, in words. */
void scale_grid_advise(const struct scale_grid *g, struct buf *out);
