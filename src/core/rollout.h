/* SPDX-License-Identifier: Apache-2.0 */
/* Which release of a deployment takes new predictions. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
