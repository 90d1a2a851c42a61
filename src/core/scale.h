/* SPDX-License-Identifier: Apache-2.0 */
/* How many instances should run, and where new predictions go: pure decisions about one pool.
 *
 * A pool is a deployment, or a model that runs without one. Its instances belong to lanes, one for
 * each (version, hardware); a release that changes neither takes over the lane it finds. The same
 * functions serve the live server and the simulator. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum scale_state { SCALE_BOOTING, SCALE_READY, SCALE_DRAINING /* stops as soon as it is idle */ };

struct scale_instance {
    const char *id;
    enum scale_state state;
    int in_flight;
    int64_t idle_since;  /* ms; meaningful when in_flight is 0 */
    int64_t ready_since; /* ms; meaningful when it is ready */
};

struct scale_lane {
    int waiting;            /* queued predictions */
    int64_t oldest_waiting; /* when the first of them was queued */
    int slots;              /* of one instance, >= 1 */
    bool is_current;        /* of the current release (in a model's pool: every lane is) */
    bool serves;     /* not current, but takes new predictions because the current release failed */
    bool must_prove; /* a new release that was never ready: one boot, even with nothing waiting */
    bool is_failed;  /* boots nothing until somebody asks again */
    bool no_capacity;  /* the last try to boot found no room on the machine, and there would be some
                          without the other lanes' instances */
    int failures;      /* boots that failed in a row */
    int64_t retry_at;  /* no boot before */
    int64_t served_at; /* when it last had an instance; 0: never */
    const struct scale_instance *instances;
    size_t n;
};

struct scale_view {
    int64_t now;
    int min, max; /* of the current release; max 0: disabled */
    int surge;    /* instances above max while a release takes over */
    int64_t idle_timeout_ms;
    int64_t fair_after_ms; /* a lane without a place takes one from another when its head waited so
                              long */
    const struct scale_lane *lanes;
    size_t n_lanes;
};

enum scale_verb { SCALE_BOOT, SCALE_DRAIN };

struct scale_action {
    enum scale_verb verb;
    size_t lane;
    const char *instance; /* SCALE_DRAIN */
    const char *why;      /* a few words, for the log */
};

enum { SCALE_MAX_ACTIONS = 64 };

struct scale_plan {
    struct scale_action actions[SCALE_MAX_ACTIONS];
    size_t n;
    int64_t
        look_again_at; /* the next moment at which time alone changes the answer; INT64_MAX: none */
};

void scale_decide(const struct scale_view *v, struct scale_plan *out);

/* How long to wait after the n-th failed boot in a row (n from 1). */
int64_t scale_backoff_ms(int failures);

/* Boots in a row after which a release that was never ready is marked failed. */
enum { SCALE_BOOTS_UNTIL_FAILED = 3 };

/* Which release new predictions are bound to. */
struct rollout_release {
    int64_t number;
    bool is_failed;
    bool was_ready;
    int lane_ready; /* instances of its lane that are ready */
    int lane_live;  /* instances of its lane that boot or are ready */
};

/* `releases` newest first, the current one at 0. The index of the one that takes new predictions,
 * or -1 when none can: then the current one's failure is the answer. */
int rollout_choose(const struct rollout_release *releases, size_t n);
