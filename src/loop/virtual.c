/* SPDX-License-Identifier: Apache-2.0 */
/* The loop whose clock jumps: when nothing is deferred, time moves to the next timer. */
#include "loop/loop_impl.h"

#include <assert.h>

static void look(struct loop *l)
{
    if (l->after_turn)
        l->after_turn(l->after_turn_arg);
}

/* Everything due up to `end_ms`; true when nothing at all is left then. */
static bool run(struct loop *l, int64_t end_ms)
{
    assert(l->is_virtual && !l->is_running);
    l->is_running = true;
    while (!l->stopped) {
        const struct timer *first;

        loop_run_deferred(l);
        look(l);
        if (!list_empty(&l->deferred))
            continue;
        first = loop_first_timer(l);
        if (!first || first->due_ms > end_ms)
            break;
        if (first->due_ms > l->virtual_now_ms)
            l->virtual_now_ms = first->due_ms;
        loop_fire_timers(l);
        look(l);
    }
    l->is_running = false;
    return list_empty(&l->deferred) && !loop_first_timer(l);
}

void loop_after_turn(struct loop *l, void (*cb)(void *arg), void *arg)
{
    assert(l->is_virtual);
    l->after_turn = cb;
    l->after_turn_arg = arg;
}

void loop_run_until(struct loop *l, int64_t now_ms)
{
    run(l, now_ms);
    if (!l->stopped && now_ms > l->virtual_now_ms)
        l->virtual_now_ms = now_ms;
    l->stopped = false;
}

bool loop_run_idle(struct loop *l, int64_t max_ms)
{
    int64_t end_ms = l->virtual_now_ms + max_ms;
    bool is_idle;

    assert(max_ms >= 0);
    is_idle = run(l, end_ms);
    if (!is_idle && !l->stopped)
        l->virtual_now_ms = end_ms;
    l->stopped = false;
    return is_idle;
}

void loop_set_wall(struct loop *l, int64_t by_ms)
{
    assert(l->is_virtual);
    l->virtual_wall_start_ms += by_ms;
}
