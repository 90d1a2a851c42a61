/* SPDX-License-Identifier: Apache-2.0 */
/* Timers in a binary heap. Each knows its place, so that stopping one is as cheap as starting it.
 */
#include "loop/loop.h"

#include "base/mem.h"
#include "loop/loop_impl.h"

#include <assert.h>

static bool is_before(const struct timer *a, const struct timer *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->seq < b->seq;
}

static void put(struct loop *l, size_t at, struct timer *t)
{
    l->heap[at] = t;
    t->heap_at = at + 1;
}

static void move_up(struct loop *l, size_t at)
{
    struct timer *t = l->heap[at];

    while (at > 0) {
        size_t parent = (at - 1) / 2;

        if (!is_before(t, l->heap[parent]))
            break;
        put(l, at, l->heap[parent]);
        at = parent;
    }
    put(l, at, t);
}

static void move_down(struct loop *l, size_t at)
{
    struct timer *t = l->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= l->n_timers)
            break;
        if (child + 1 < l->n_timers && is_before(l->heap[child + 1], l->heap[child]))
            child++;
        if (!is_before(l->heap[child], t))
            break;
        put(l, at, l->heap[child]);
        at = child;
    }
    put(l, at, t);
}

void timer_init(struct loop *l, struct timer *t, timer_cb cb)
{
    *t = (struct timer){ .loop = l, .cb = cb };
}

void timer_start(struct timer *t, int64_t delay_ms)
{
    int64_t now = loop_now_ms(t->loop);

    if (delay_ms < 0)
        delay_ms = 0;
    timer_start_at(t, delay_ms > INT64_MAX - now ? INT64_MAX : now + delay_ms);
}

void timer_start_at(struct timer *t, int64_t due_ms)
{
    struct loop *l = t->loop;

    timer_stop(t);
    if (l->n_timers == l->cap_timers) {
        l->cap_timers = l->cap_timers ? l->cap_timers * 2 : 32;
        l->heap = xrealloc(l->heap, l->cap_timers * sizeof(*l->heap));
    }
    /* Never in the past: loop_fire_timers() relies on new timers standing behind older ones that
     * are due. */
    t->due_ms = MAX(due_ms, loop_now_ms(l));
    t->seq = l->next_seq++;
    put(l, l->n_timers++, t);
    move_up(l, t->heap_at - 1);
}

void timer_stop(struct timer *t)
{
    struct loop *l = t->loop;
    struct timer *last;
    size_t at;

    if (!timer_armed(t))
        return;
    at = t->heap_at - 1;
    assert(at < l->n_timers && l->heap[at] == t);
    t->heap_at = 0;
    last = l->heap[--l->n_timers];
    if (last == t)
        return;
    put(l, at, last);
    move_up(l, at);
    move_down(l, last->heap_at - 1);
}

struct timer *loop_first_timer(const struct loop *l)
{
    return l->n_timers ? l->heap[0] : NULL;
}

void loop_fire_timers(struct loop *l)
{
    uint64_t end = l->next_seq;
    int64_t now = loop_now_ms(l);

    for (;;) {
        struct timer *t = loop_first_timer(l);

        if (!t || t->due_ms > now || t->seq >= end)
            return;
        timer_stop(t);
        t->cb(t);
    }
}
