/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rollout.h"

int rollout_choose(const struct rollout_release *releases, size_t n)
{
    int fallback = -1;

    if (n == 0)
        return -1;
    for (size_t i = 1; i < n && fallback < 0; i++)
        if (!releases[i].is_failed && (releases[i].was_ready || releases[i].lane_live > 0))
            fallback = (int)i;
    if (releases[0].is_failed)
        return fallback;
    if (releases[0].was_ready || releases[0].lane_ready > 0)
        return 0;
    /* Not ready yet: an older release that has instances goes on taking them. */
    for (size_t i = 1; i < n; i++)
        if (!releases[i].is_failed && releases[i].lane_ready > 0)
            return (int)i;
    return 0;
}
