/* SPDX-License-Identifier: Apache-2.0 */
/* For implementors of drivers. driver.c checks the preconditions once, so that a driver may rely on
 * them.
 *
 * A launch is alive while launch.impl is set: the driver sets it in launch and recover, clears it
 * in release, and ends it with launch_ended(). Every event may make the owner call any driver
 * function on the same launch, so look at launch.impl again after each. */
#pragma once

#include "driver/driver.h"

struct driver_ops {
    const char *name;
    void (*free)(struct driver *d);
    const struct driver_facts *(*facts)(const struct driver *d);
    void (*launch)(struct driver *d, struct launch *l, const struct launch_spec *spec);
    void (*recover)(struct driver *d, struct launch *l, struct str handle);
    void (*stop)(struct driver *d, struct launch *l, int64_t grace_ms);
    void (*release)(struct driver *d, struct launch *l);
    /* The id is a plain word. NULL: nothing to clean. */
    void (*clean)(struct driver *d, struct launch *l, const char *prediction_id);
    void (*sweep)(struct driver *d);                      /* NULL: nothing to sweep */
    const char *(*internal_base)(const struct driver *d); /* NULL: as the server knows it itself */
} DESIGNATED;

struct driver {
    const struct driver_ops *ops;
    struct loop *loop;
};

/* Tells the owner of the end and lets go of the launch, which may be gone when this returns. */
void launch_ended(struct launch *l, const struct exit_info *how, const struct error *err);
/* Fills in the sentence too. */
struct exit_info exit_info_make(int code, int signal, bool out_of_memory, bool lost);
