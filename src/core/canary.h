/* SPDX-License-Identifier: Apache-2.0 */
/* A canary: a new release has a share of the new predictions for a while, beside the one that
 * serves, and takes over or is halted by what was counted of both.
 *
 * A shadow is one that has no predictions of its own: it has copies of a share of them, whose
 * answers nobody is shown (core/shadow). It takes over when somebody says so, and not before. */
#pragma once

#include "base/json.h"
#include "core/scale/hist.h"

enum { CANARY_WHOLE = 1000000 /* a share of one */, CANARY_WHY_SIZE = 400 };
enum { CANARY_GRAIN_MS = 10 }; /* the old release's run times count as so much at least */

/* --- what a deployment wants of it --- */

enum canary_term {
    CANARY_SHARE,       /* of the new predictions, in millionths */
    CANARY_SECONDS,     /* from the moment the new release is ready */
    CANARY_MAX_ERRORS,  /* of the new release's predictions, in millionths */
    CANARY_MAX_LATENCY, /* the median of its run times by the old one's, in thousandths */
    CANARY_MIN_REQUESTS,
    SHADOW_SHARE,    /* of the predictions, those that are copied; in millionths */
    SHADOW_SECONDS,  /* from the moment the new release is ready */
    SHADOW_RELATIVE, /* how far apart numbers may be: in billionths of the larger one, */
    SHADOW_ABSOLUTE, /* and in billionths */
    SHADOW_COPIES,   /* at most so many at a time */
    CANARY_TERMS
};

struct canary_terms {
    bool is_set;                 /* there is to be one, */
    bool is_shadow;              /* which is a shadow */
    int64_t given[CANARY_TERMS]; /* -1: the default */
};

void canary_terms_init(struct canary_terms *t);
int64_t canary_term(const struct canary_terms *t, enum canary_term which);
/* Hears what is wrong with a member (`path` below "rollout"; NULL: that itself). */
typedef void (*canary_fault)(void *arg, const char *path, const struct error *err);
/* Changes what the object's members name: {"canary": {"share": 0.1, ...}} or {"shadow": {...}};
 * null takes one back, and each takes the place of the other.
 * INVALID when there was any fault, each of which was told; then nothing has changed. */
enum status canary_terms_change(struct canary_terms *t, const struct json *rollout,
                                canary_fault fault, void *arg) NODISCARD;
/* As canary_terms_change() takes it; `all`: with the defaults. */
void canary_terms_write(const struct canary_terms *t, bool all, struct json_writer *w);
/* From what is stored (`settings` of the deployment: {"rollout": {...}, ...}); what is not valid
 * counts as not set. */
void canary_terms_load(struct canary_terms *t, struct str stored);

/* --- one of them --- */

/* OVER: a shadow whose time has passed: nothing is copied any more, and the old release serves
 * until somebody decides. */
enum canary_state {
    CANARY_NONE,
    CANARY_ON,
    CANARY_PROMOTED,
    CANARY_HALTED,
    CANARY_OVER,
    CANARY_STATES
};
const char *canary_state_name(enum canary_state s);

enum canary_side { CANARY_OLD, CANARY_NEW, CANARY_SIDES };

struct canary_count {
    int64_t requests;      /* predictions that were given to it */
    int64_t ended, errors; /* of all that ran on it: succeeded or failed; failed */
    struct scale_hist ran; /* how long those ran that succeeded */
};

struct canary {
    enum canary_state state;
    bool is_shadow;
    int64_t release, base; /* the new one, and the one that serves meanwhile */
    int64_t began_at;      /* wall ms: when the new one was ready first; 0: not yet */
    int64_t ended_at;
    int64_t due; /* what the new one is owed, in millionths of a prediction */
    struct canary_count sides[CANARY_SIDES];
    char why[CANARY_WHY_SIZE]; /* it ended; "": it has not */
};

void canary_begin(struct canary *c, int64_t release, int64_t base, bool is_shadow);
/* The old release serves, and it is not decided whether the new one will. */
bool canary_is_open(const struct canary *c);
/* Whether the next prediction is the new release's. */
bool canary_is_due(const struct canary *c, const struct canary_terms *t);
/* One was given to a side. `can_take`: the new one could have had it. */
void canary_sent(struct canary *c, const struct canary_terms *t, enum canary_side to,
                 bool can_take);
/* A prediction was given to the old release: whether a shadow's has a copy of it. */
bool canary_copies(struct canary *c, const struct canary_terms *t);
/* One that ran on a side has succeeded or failed after `ran_ms`. */
void canary_ended(struct canary *c, enum canary_side on, bool failed, int64_t ran_ms);
/* When its time is over; INT64_MAX: it has not begun. */
int64_t canary_until(const struct canary *c, const struct canary_terms *t);
/* The median of a side's run times in ms; -1: none. */
int64_t canary_median_ms(const struct canary *c, enum canary_side side);
/* What becomes of one that is ON, by what was counted so far: ON, or PROMOTED, HALTED or
 * OVER with the reason in `why`. `is_ready`: the new release has an instance that is. */
enum canary_state canary_judge(const struct canary *c, const struct canary_terms *t, int64_t now,
                               bool is_ready, char why[CANARY_WHY_SIZE]);

/* As it is kept over a restart; false, and NONE, for what cannot be read. */
void canary_write(const struct canary *c, struct buf *out);
bool canary_read(struct canary *c, struct str stored);
