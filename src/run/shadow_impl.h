/* SPDX-License-Identifier: Apache-2.0 */
/* Between shadow.c (copies, from their beginning to their end), shadow_run.c (how they run) and
 * shadow_judge.c (what comes of their answers). */
#pragma once

#include "run/shadow.h"

struct copy_answer {
    bool is_known, failed;
    struct str output; /* of the heap; p == NULL: none */
    char *error;       /* likewise */
    double seconds;    /* < 0: unknown */
};

struct shadow_copy {
    struct list node;     /* shadow->copies */
    struct list run_node; /* instance->copies, while it runs */
    struct shadow *shadow;
    struct lane *lane; /* held */
    char id[ID_SIZE], of[ID_SIZE];
    char *base_url;      /* that addresses in the old answer begin with */
    char *input;         /* with addresses for `capability` where it has files */
    char capability[56]; /* "": it has none */
    bool is_masked, is_erased;
    struct instance *instance; /* NULL: it waits, or is done */
    struct run run;
    bool has_run, is_canceled, timed_out;
    bool is_dropped; /* only its run has to end */
    bool is_judged;
    struct timer timer;
    struct copy_answer old, new;
};

/* It is gone. */
void shadow_copy_over(struct shadow_copy *c);
/* Off its instance, whose place is free then. */
void shadow_copy_leave(struct shadow_copy *c);
/* There will be no comparison. It goes, now or when its run has ended. */
void shadow_copy_drop(struct shadow_copy *c, enum shadow_drop why);
/* The new release has answered, or failed to. */
void shadow_copy_answered(struct shadow_copy *c, bool failed, struct str output, const char *error,
                          double seconds);
void shadow_copy_on_timer(struct timer *t);

/* Both answers are there. shadow_judged() comes once, maybe from inside. */
void shadow_judge(struct shadow_copy *c);
void shadow_judged(struct shadow_copy *c, const struct shadow_verdict *v);
