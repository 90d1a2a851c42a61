/* SPDX-License-Identifier: Apache-2.0 */
/* What changes is told where it happens, as often as it happens, to one listener: it is quick, and
 * takes what it wants to know later from what is there then. A fleet without one tells nobody. */
#pragma once

#include <stdint.h>

struct build_row;
struct instance;
struct pool;
struct prediction;

enum change_kind {
    CHANGE_POOL,       /* its instances, queue, settings, its shadow's counts; or it goes */
    CHANGE_PREDICTION, /* was created, begins to run, has ended */
    CHANGE_PROGRESS,   /* one that runs has more output or logs */
    CHANGE_INSTANCE,
    CHANGE_LOG, /* an instance that gets ready has said more */
    CHANGE_RELEASE,
    CHANGE_DECISION,
    CHANGE_BUILD,
};

/* Everything is valid during the call only. */
struct change {
    enum change_kind kind;
    const char *owner_id;    /* the account that may know of it */
    const struct pool *pool; /* NULL: a build's */
    const char *id;          /* of a prediction, an instance, a build */
    const char *state;       /* of these, and of a release */
    int64_t number;          /* of a release */
    const struct build_row *build;
};

struct change_listener {
    void (*changed)(struct change_listener *l, const struct change *c);
};

void tell_pool(const struct pool *p);
void tell_prediction(const struct prediction *p, const char *status);
void tell_progress(const struct prediction *p);
void tell_instance(const struct instance *in, const char *state);
void tell_log(const struct instance *in);
void tell_release(const struct pool *p, int64_t number, const char *state);
void tell_decision(const struct pool *p);
void tell_build(struct change_listener *l, const struct build_row *row);
