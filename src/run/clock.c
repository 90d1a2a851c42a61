/* SPDX-License-Identifier: Apache-2.0 */
#include "run/clock.h"

#include "base/log.h"
#include "run/fleet.h"
#include "run/scaling.h"

enum { STEP_MS = 1000 }; /* less is no step: clocks are slewed all the time */

static void shift(int64_t *at, int64_t by_ms)
{
    if (*at != 0)
        *at += by_ms;
}

static void shift_lane(struct lane *l, int64_t by_ms)
{
    struct prediction *p;
    struct instance *in;

    shift(&l->retry_at, by_ms);
    shift(&l->served_at, by_ms);
    shift(&l->promised_at, by_ms);
    list_each (&l->queue, p, struct prediction, node)
        shift(&p->waits_since, by_ms);
    list_each (&l->instances, in, struct instance, node) {
        shift(&in->idle_since, by_ms);
        shift(&in->ready_at, by_ms);
        list_each (&in->runs, p, struct prediction, run_node) {
            shift(&p->waits_since, by_ms);
            shift(&p->dispatched_at, by_ms);
        }
    }
}

void clock_look(struct fleet *f)
{
    int64_t ahead = loop_wall_ms(f->loop) - loop_now_ms(f->loop), by_ms = ahead - f->wall_ahead;
    struct pool *p;
    struct lane *l;

    if (by_ms > -STEP_MS && by_ms < STEP_MS)
        return;
    f->wall_ahead = ahead;
    log_info("the clock was set", LOG_I("by_ms", by_ms));
    for (size_t at = 0; map_next(&f->pools, &at, NULL, (void **)&p);) {
        if (p->scaling)
            scale_learn_clock(&p->scaling->learned, by_ms);
        list_each (&p->lanes, l, struct lane, node)
            shift_lane(l, by_ms);
        pool_wake(p);
    }
}
