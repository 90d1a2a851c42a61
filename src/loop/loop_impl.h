/* SPDX-License-Identifier: Apache-2.0 */
/* What the two kinds of loop share; included by loop/ only. */
#pragma once

#include "loop/loop.h"

#include <uv.h>

struct loop_handles;

struct loop {
    bool is_virtual;
    bool stopped;
    bool is_running; /* a run is never started from inside one */
    struct rand rand;

    /* Binary heap by (due_ms, seq): timers of the same millisecond fire in the order they were
     * armed. */
    struct timer **heap;
    size_t n_timers, cap_timers;
    uint64_t next_seq;

    struct list deferred;
    struct list turn_end; /* stands in `deferred` behind the calls of the turn that is running */
    size_t n_work;        /* started, done not yet called */
    size_t n_wakeups;     /* not yet freed */

    /* virtual */
    int64_t virtual_now_ms;
    int64_t virtual_wall_start_ms;
    void (*after_turn)(void *arg); /* NULL: nobody looks */
    void *after_turn_arg;

    /* real */
    struct loop_handles *handles;
    struct list leftovers; /* handles that nobody owns any more; loop_free() closes them */
};

struct loop_handles {
    struct loop *loop;
    uv_loop_t uv;
    uv_prepare_t prepare; /* before each poll: deferred calls, then the timer is set */
    uv_idle_t idle;       /* active while calls are deferred, so that the poll does not block */
    uv_timer_t timer;     /* stands at the first timer of the heap */
    int64_t timer_due_ms; /* -1: not set */
    int64_t lag_at_ns;    /* where the turn that runs began */
    uint64_t lag_idle_ns; /* what the loop had waited by then */
    struct loop_lag lag;
    int64_t wall_read_ms; /* the turn in which the wall clock was read last */
    int64_t wall_ms;
};

/* A handle that has to live on without an owner (a forgotten child, until it is reaped). */
struct loop_leftover {
    struct list node;
    void (*close)(struct loop_leftover *o); /* takes it off the list */
};

/* Calls the deferred ones that stand in the list now; those they add wait for the next turn. */
void loop_run_deferred(struct loop *l);
/* Fires what is due; timers armed meanwhile wait for the next turn. */
void loop_fire_timers(struct loop *l);
struct timer *loop_first_timer(const struct loop *l); /* NULL: none is armed */

/* lag.c: where a run begins; then at the same place of each turn. */
void loop_lag_begin(struct loop_handles *h);
void loop_lag_turn(struct loop_handles *h);
void loop_real_init(struct loop *l);
void loop_real_deinit(struct loop *l);
int64_t loop_real_wall_ms(const struct loop *l);
