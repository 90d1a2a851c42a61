/* SPDX-License-Identifier: Apache-2.0 */
#include "core/queue.h"

#include "base/compiler.h"

#include <assert.h>

/* --- order --- */

int64_t queue_join(struct queue_line *q, bool at_head)
{
    if (q->n++ == 0)
        return q->first = q->last = 0;
    return at_head ? --q->first : ++q->last;
}

/* Behind a gap the bounds are further apart than those who wait; they stay outside of them. */
void queue_leave(struct queue_line *q, int64_t number)
{
    assert(q->n > 0 && number >= q->first && number <= q->last);
    q->n--;
    if (number == q->first)
        q->first++;
    else if (number == q->last)
        q->last--;
}

int queue_position(const struct queue_line *q, int64_t number)
{
    return q->last - q->first + 1 == q->n ? (int)(number - q->first + 1) : 0;
}

bool queue_is_full(int n, int64_t max)
{
    return n >= max;
}

/* --- who goes next, and where to --- */

bool queue_prefers(int taken, int slots, int best)
{
    return taken < slots && (best < 0 || taken < best);
}

enum queue_turn queue_turn(bool is_prepared, bool has_place, int *waiting)
{
    if (is_prepared && has_place)
        return QUEUE_RUNS;
    return ++*waiting < QUEUE_LOOK_AHEAD ? QUEUE_WAITS : QUEUE_ENOUGH;
}

/* --- time --- */

int64_t queue_pace(const int32_t *service_ms, int n)
{
    int64_t sum = 0;

    for (int i = 0; i < n; i++)
        sum += service_ms[i];
    return n ? sum / n : -1;
}

int64_t queue_start(int position, int64_t slots, int64_t free, int64_t pace, int64_t now)
{
    if (position == 0 || slots == 0 || pace < 0)
        return 0;
    if (position <= free)
        return now;
    return now + (position - free + slots - 1) / slots * pace;
}

int64_t queue_time_left(int64_t deadline, int64_t now)
{
    return MAX(deadline - now, 0);
}

enum prediction_status queue_expires_as(enum prediction_status s, bool has_instance)
{
    return s == PREDICTION_STARTING && !has_instance ? PREDICTION_ABORTED : PREDICTION_CANCELED;
}
