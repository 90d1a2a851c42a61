/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets what the machine has too little of: a pure decision over all pools.
 *
 * What lacks room for an instance is served in an order: first who was promised a place, then who
 * went without any instance for the longest time, measured against its target and multiplied by its
 * weight, then who has some and waits for more. Free room goes to the first; what the first one
 * lacks is not taken by those behind it. Idle instances above their pool's minimum are given up for
 * the work of others. What runs is never stopped: an instance that works gives up its place after
 * its turn, when it has done what it does. */
#pragma once

#include "base/compiler.h"
#include "core/hardware.h"

struct capacity_instance {
    struct hold hold;
    bool is_ready;
    bool is_leaving; /* its place comes free when it has done what it does */
    bool stays;      /* is not asked to leave while it works: one run each */
    int in_flight;
    int64_t idle_since;  /* ms; meaningful when in_flight is 0 */
    int64_t ready_since; /* ms; when its turn began */
};

/* Instances of one kind, and what waits for them. */
struct capacity_lane {
    size_t pool; /* lanes of one pool have the same number: it divides among them itself */
    int min;     /* of the pool */
    int weight;  /* of the pool, at least 1 */
    const struct sku *sku; /* NULL: is not offered any more */
    bool lacks;            /* needs an instance, and there was no room for it */
    int64_t waits_since;   /* ms; the oldest prediction that waits; 0: none does */
    int64_t served_at;     /* ms; when its last instance went; 0: it had none */
    int64_t promised_at;   /* ms; when a place was made for it that it has not taken yet; 0: none */
    int64_t target_ms;     /* what a prediction should wait at most */
    int64_t turn_ms;       /* a working instance is left alone for so long for its sake */
    const struct capacity_instance *instances;
    size_t n;
};

struct capacity_view {
    int64_t now; /* ms */
    const struct hardware *hardware;
    const struct capacity_lane *lanes;
    size_t n;
};

struct capacity_step {
    size_t lane;           /* whom it is for */
    bool is_grant;         /* there is room for it now; else an instance gives up its place: */
    size_t from, instance; /* lane and index of that */
};

enum { CAPACITY_MAX_STEPS = 64 };

struct capacity_plan {
    struct capacity_step steps[CAPACITY_MAX_STEPS];
    size_t n;
    int64_t look_again_at; /* when time alone may change the answer; INT64_MAX: never */
};

/* Memory of the plan's making is taken from `a`. */
void capacity_decide(const struct capacity_view *v, struct arena *a, struct capacity_plan *out);

enum { CAPACITY_ADMITTED = -1, CAPACITY_NO_ROOM = -2 };
/* Whether a lane may take room now that others need too: CAPACITY_ADMITTED, CAPACITY_NO_ROOM (with
 * the reason), or the lane that comes before it. */
int capacity_admits(const struct capacity_view *v, struct arena *a, size_t lane, struct error *err);

/* Whether lane x is served before lane y. */
bool capacity_comes_before(const struct capacity_view *v, size_t x, size_t y);
