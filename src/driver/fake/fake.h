/* SPDX-License-Identifier: Apache-2.0 */
/* The fake driver: instances that exist on the loop's clock only, scripted by data. The reference
 * for real drivers. */
#pragma once

#include "driver/driver.h"

/* What the next launches do, in order; the last row repeats. */
struct fake_launch_script {
    int64_t address_after_ms; /* < 0: never gets one */
    enum status fail;         /* not OK: ends at once with this status, before it has an address */
    int64_t exit_after_ms;    /* counted from the launch; 0: runs until stopped */
    int exit_code;
    int64_t stop_takes_ms; /* how long SIGTERM takes; beyond the grace it is killed */
    bool lost_on_recover;
    const char *const *lines; /* printed at the launch; ends with NULL; may be NULL */
} DESIGNATED;

struct driver *fake_driver_new(struct loop *l, const struct fake_launch_script *script,
                               size_t n) NODISCARD;
/* Instead of the rows: asked at each launch, for what it is to do. */
typedef struct fake_launch_script (*fake_choose)(void *arg, const struct launch_spec *spec);
void fake_driver_choose(struct driver *d, fake_choose choose, void *arg);
/* For tests: ends a running instance as if it had crashed, by id; the event comes on the loop's
 * next turn. False when there is none. */
bool fake_driver_crash(struct driver *d, const char *id, int signal);
size_t fake_driver_running(const struct driver *d);
size_t fake_driver_launched(const struct driver *d); /* in all */
