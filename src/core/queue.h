/* SPDX-License-Identifier: Apache-2.0 */
/* Those who wait for an instance of a lane: who stands where, who goes next and where to, when its
 * turn may come, when no more are taken, and what becomes of one whose time is over. Pure. */
#pragma once

#include "core/prediction.h"

#include <stddef.h>
#include <stdint.h>

/* --- order --- */

/* Each who waits has a number, which rises along the line, by one but where somebody left from its
 * middle: there are last - first + 1 numbers, and n who have one. Zeroed, nobody waits. */
struct queue_line {
    int64_t first, last; /* nobody has a number before or behind these */
    int n;
};

/* The number of one who comes to the end, or (`at_head`) before all others. */
int64_t queue_join(struct queue_line *q, bool at_head);
/* Whoever has it stands there no more. */
void queue_leave(struct queue_line *q, int64_t number);
/* From 1; 0: not known, because somebody left from the middle; those before it are to be counted.
 */
int queue_position(const struct queue_line *q, int64_t number);
/* Whether one more is refused. */
bool queue_is_full(int n, int64_t max);

/* --- who goes next, and where to --- */

/* Whether an instance that has so many of its slots taken is a better place than the best one so
 * far, which has `best` of them taken (-1: there is none yet): it has a free one, and fewer are
 * taken. Of equals, the first. */
bool queue_prefers(int taken, int slots, int best);

enum queue_turn {
    QUEUE_RUNS,  /* it is its turn */
    QUEUE_WAITS, /* the next may come before it */
    QUEUE_ENOUGH /* as QUEUE_WAITS, and nobody behind it is to be looked at */
};

enum { QUEUE_LOOK_AHEAD = 16 }; /* whose files are fetched at a time */

/* Asked of each in the order of the line. Those whose files are on their way are passed over; a few
 * that have to wait for an instance are prepared meanwhile. `waiting`: how many have waited so far;
 * begins at 0. */
enum queue_turn queue_turn(bool is_prepared, bool has_place, int *waiting);

/* --- time --- */

/* The mean of n measured times; -1: there are none. */
int64_t queue_pace(const int32_t *service_ms, int n);
/* When who stands at a position may start, where all the ready instances have so many slots, of
 * which so many are free, and each is taken for `pace` ms; 0: nothing is known. */
int64_t queue_start(int position, int64_t slots, int64_t free, int64_t pace, int64_t now);

/* For how long a timer is set that ends at the deadline; one that has passed ends it at once. */
int64_t queue_time_left(int64_t deadline, int64_t now);
/* What becomes of one whose deadline has passed: who did not begin is aborted, else canceled. */
enum prediction_status queue_expires_as(enum prediction_status s, bool has_instance);
