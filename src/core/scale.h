/* SPDX-License-Identifier: Apache-2.0 */
/* How many instances should run, and where new predictions go: pure decisions about one pool.
 *
 * A pool is a deployment, or a model that runs without one. Its instances belong to lanes, one for
 * each (version, hardware); a release that changes neither takes over the lane it finds. The same
 * functions serve the live server and the simulator. */
#pragma once

#include "base/compiler.h"
#include "core/scale/learn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum scale_state { SCALE_BOOTING, SCALE_READY, SCALE_DRAINING /* stops as soon as it is idle */ };

struct scale_instance {
    const char *id;
    enum scale_state state;
    int in_flight;
    int64_t created_at;  /* ms; when its boot began */
    int64_t idle_since;  /* ms; meaningful when in_flight is 0 */
    int64_t ready_since; /* ms; meaningful when it is ready */
};

struct scale_lane {
    int waiting;            /* queued predictions */
    int64_t oldest_waiting; /* when the first of them was queued */
    int64_t newest_waiting; /* and the last; 0: not known */
    int64_t oldest_running; /* when the longest of those in flight began; 0: none, or not known */
    int slots;              /* of one instance, >= 1 */
    bool is_current;        /* of the current release (in a model's pool: every lane is) */
    bool serves;     /* not current, but takes new predictions because the current release failed */
    bool must_prove; /* a new release that was never ready: one boot, even with nothing waiting */
    bool tries;      /* not current: a new release that has a share of the new predictions; one
                        instance at least, where others keep room for one of the current lane */
    bool yields;     /* also `tries`: nobody waits for it; it takes a free place, and gives it up */
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
    int min, max;            /* of the current release; max 0: disabled */
    bool max_cost_binds;     /* `max` is less than the release's, for its price */
    int surge;               /* instances above max while a release takes over */
    int64_t idle_timeout_ms; /* how long an idle instance is kept where nothing is learned */
    /* Of a deployment. NULL: an instance for each slot's worth of work, and idle_timeout_ms. */
    const struct scale_learned *learned;
    int64_t target_wait_ms; /* with `learned`: what all but a few should wait at most */
    int64_t keep_alive_ms;  /* with `learned`; SCALE_KEEP_AUTO: by its own gaps */
    int64_t fair_after_ms;  /* a lane without a place takes one from another when its head waited so
                               long */
    const struct scale_lane *lanes;
    size_t n_lanes;
};

enum {
    SCALE_KEEP_AUTO = -1,
    SCALE_FEW = 3, /* service times; with fewer, what runs for so long will run for as long again */
};

enum scale_verb { SCALE_BOOT, SCALE_DRAIN };

enum scale_cause {
    SCALE_FOR_QUEUE, /* what waits would wait too long */
    SCALE_FOR_RATE,  /* what comes would */
    SCALE_FOR_FIRST, /* something waits, and there is no instance */
    SCALE_FOR_MINIMUM,
    SCALE_FOR_RETURN, /* the next prediction is due */
    SCALE_FOR_PROOF,  /* a new release */
    SCALE_SINCE_IDLE,
    SCALE_SINCE_REPLACED,
    SCALE_SINCE_MAXIMUM, /* there are more than may be */
    SCALE_SINCE_PLACE,   /* another lane needs it */
    SCALE_SINCE_DISABLED,
    SCALE_SINCE_FAILED, /* its release has failed */
    SCALE_CAUSES
};

/* How many instances a lane needs, and what that was found from. Durations in ms; -1: not known. */
struct scale_need {
    int n;
    enum scale_cause cause; /* of the highest demand, when there is one */
    int live;               /* what it has: booting and ready */
    int waiting, busy;
    int64_t service_ms, boot_ms, target_ms;
    int64_t starts_within_ms; /* how long the last one waiting would still wait with what is live;
                                 INT64_MAX: for ever */
    int64_t grows_to_ms;      /* what the wait would be when a boot that began now is done */
    double rate;              /* arrivals a second */
    struct scale_keep keep;   /* of the last instance */
};

struct scale_action {
    enum scale_verb verb;
    size_t lane;
    const char *instance; /* SCALE_DRAIN */
    enum scale_cause cause;
    const char *why; /* a few words, for the log */
};

enum { SCALE_MAX_ACTIONS = 64 };

struct scale_plan {
    struct scale_action actions[SCALE_MAX_ACTIONS];
    size_t n;
    /* The next moment at which time alone changes the answer; INT64_MAX: none. */
    int64_t look_again_at;
    int from, to;           /* live instances of the pool, before and after */
    int needed;             /* what to tell scale_learn_need() */
    struct scale_need need; /* of the lane that takes new predictions, in a deployment */
};

void scale_decide(const struct scale_view *v, struct scale_plan *out);

/* Of one lane, from what it has learned; `takes_new`: predictions go on coming to it. */
void scale_need(const struct scale_view *v, const struct scale_lane *l, bool takes_new,
                struct scale_need *out);

/* When time alone may change the answer, because predictions wait behind one that runs for longer
 * than was known of; INT64_MAX: not. */
int64_t scale_doubts_at(const struct scale_view *v, const struct scale_lane *l);

/* In all lanes. */
int scale_waiting(const struct scale_view *v);

/* One sentence on a plan that changes something, or that leaves what waits waiting ("2 -> 4: 37
 * waiting, ..." with an arrow). `now` is the time of the decision. */
void scale_explain(const struct scale_view *v, const struct scale_plan *plan, struct buf *out);
/* A word for it, as it is stored. */
const char *scale_cause_name(enum scale_cause c);

/* How long to wait after the n-th failed boot in a row (n from 1). */
int64_t scale_backoff_ms(int failures);

/* Boots in a row after which a release that was never ready is marked failed. */
enum { SCALE_BOOTS_UNTIL_FAILED = 3 };
