/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop as the rest of the program sees it: time, timers, deferred calls, work off the
 * loop.
 *
 * There are two implementations: the real one drives libuv; the virtual one has a clock that jumps
 * to the next timer, so that a day of traffic replays in about a second. run/ uses nothing else.
 *
 * Rules for all asynchronous calls of this code base: exactly one callback for each start, on the
 * loop, never from inside the start; a cancel is a request, the callback still comes. */
#pragma once

#include "base/compiler.h"
#include "base/list.h"
#include "base/rand.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct uv_loop_s;

struct loop *loop_new_real(void) NODISCARD;
/* Its monotonic clock starts at 0, its wall clock at wall_start_ms. */
struct loop *loop_new_virtual(int64_t wall_start_ms, uint64_t seed) NODISCARD;
/* Before it: all timers stopped, no call deferred, all work done, wakeups freed, handles on
 * loop_uv() closed (their close callbacks may be pending: they run here). A leak of these is a
 * failed assertion. */
void loop_free(struct loop *l);

int64_t loop_now_ms(const struct loop *l);  /* monotonic; constant within one turn */
int64_t loop_wall_ms(const struct loop *l); /* since 1970, UTC; moves with the monotonic clock,
                                               follows steps of the wall clock */
struct rand *loop_rand(struct loop *l);
struct uv_loop_s *loop_uv(struct loop *l); /* NULL for a virtual loop */

/* Real: runs until loop_stop() and returns, also while there is nothing to do; handles still open
 * are the caller's. May be called again. */
void loop_run(struct loop *l);
/* Ends the run after the turn; on the loop's thread only (others use a wakeup). */
void loop_stop(struct loop *l);
/* Virtual: runs everything that is due up to the given time and stands there afterwards. */
void loop_run_until(struct loop *l, int64_t now_ms);
/* Virtual: runs until nothing is due any more; false when `max_ms` of virtual time passed first. */
bool loop_run_idle(struct loop *l, int64_t max_ms);
/* Virtual: sets the wall clock forward, or back; the monotonic one goes on. */
void loop_set_wall(struct loop *l, int64_t by_ms);

/* Virtual: calls `cb` when the deferred calls of a turn are done, and when its timers are (for a
 * simulation that looks at everything). NULL ends it. */
void loop_after_turn(struct loop *l, void (*cb)(void *arg), void *arg);

/* How long the callbacks of each turn took, all of them together: for so long nobody else is
 * served. The wait for events does not count. A virtual loop has none. */
enum { LOOP_LAG_BOUNDS = 16 };

struct loop_lag {
    uint64_t counts[LOOP_LAG_BOUNDS + 1]; /* turns up to each bound (and over the one before it); at
                                             last those over all */
    uint64_t turns, sum_ns, worst_ns;     /* since the loop was made */
};
extern const int64_t LOOP_LAG_BOUNDS_US[LOOP_LAG_BOUNDS];

void loop_lag(const struct loop *l, struct loop_lag *out);

/* Timers live in one heap inside the loop; one that is not armed costs nothing. */
struct timer;
typedef void (*timer_cb)(struct timer *t);

struct timer {
    struct loop *loop;
    timer_cb cb;
    int64_t due_ms;
    uint64_t seq;
    size_t heap_at; /* index in the heap + 1; 0: not armed */
};

void timer_init(struct loop *l, struct timer *t, timer_cb cb);
void timer_start(struct timer *t, int64_t delay_ms); /* arms it, or moves it when armed */
void timer_start_at(struct timer *t, int64_t due_ms);
void timer_stop(struct timer *t);
static inline bool timer_armed(const struct timer *t)
{
    return t->heap_at != 0;
}

/* A call on the next turn. Deferring one that is already deferred does nothing. */
struct deferred;
typedef void (*deferred_cb)(struct deferred *d);

struct deferred {
    struct list node;
    deferred_cb cb;
    struct loop *loop;
};

void deferred_init(struct loop *l, struct deferred *d, deferred_cb cb);
void deferred_call(struct deferred *d);
void deferred_cancel(struct deferred *d);

/* A function that blocks or takes long, on another thread; `done` comes on the loop. On a virtual
 * loop it runs inline, `done` on the next turn. */
struct work;

struct work {
    void (*run)(struct work *w);  /* on another thread: touches only what it owns */
    void (*done)(struct work *w); /* on the loop */
    struct deferred deferred;
    struct loop *loop;
    void *request;
};

void work_start(struct loop *l, struct work *w, void (*run)(struct work *),
                void (*done)(struct work *));
/* Waits until all work is done, that which is started by a `done` too; the loop does not run. */
void work_finish(struct loop *l);

/* From any thread: makes the loop run `cb` soon. Used by the store's threads; calls may be merged.
 * A virtual loop has one thread: its wakeups are sent from there. After wakeup_free() (on the
 * loop's thread, when no other thread can send any more) `cb` does not come. */
struct wakeup;
struct wakeup *wakeup_new(struct loop *l, void (*cb)(void *arg), void *arg) NODISCARD;
void wakeup_send(struct wakeup *w);
void wakeup_free(struct wakeup *w);
