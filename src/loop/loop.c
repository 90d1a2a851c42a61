/* SPDX-License-Identifier: Apache-2.0 */
/* What both kinds of loop have in common: making and freeing, time, deferred calls. A turn is one
 * pass of deferred calls and due timers; whatever is added during a pass waits for the next, so
 * that a callback which arms itself again cannot starve the rest. */
#include "loop/loop.h"

#include "base/mem.h"
#include "loop/loop_impl.h"

#include <assert.h>
#include <signal.h>

static struct loop *new_loop(void)
{
    struct loop *l = xnew(struct loop);

    list_init(&l->deferred);
    list_init(&l->leftovers);
    return l;
}

struct loop *loop_new_real(void)
{
    struct loop *l = new_loop();

    /* A peer that hangs up is an error of the write, not the end of the process. */
    signal(SIGPIPE, SIG_IGN);
    rand_init_os(&l->rand);
    loop_real_init(l);
    return l;
}

struct loop *loop_new_virtual(int64_t wall_start_ms, uint64_t seed)
{
    struct loop *l = new_loop();

    l->is_virtual = true;
    l->virtual_wall_start_ms = wall_start_ms;
    rand_init_seeded(&l->rand, seed);
    return l;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    assert(l->n_timers == 0 && "every timer is stopped before its loop is freed");
    assert(list_empty(&l->deferred) && "no call is deferred when the loop is freed");
    assert(l->n_work == 0 && "all work is done when the loop is freed");
    assert(l->n_wakeups == 0 && "wakeup_free() comes before loop_free()");
    if (!l->is_virtual)
        loop_real_deinit(l);
    free(l->heap);
    free(l);
}

int64_t loop_now_ms(const struct loop *l)
{
    if (l->is_virtual)
        return l->virtual_now_ms;
    /* Between runs there are no turns: a timer that is armed after a long start must not be early.
     */
    if (!l->is_running)
        uv_update_time(&l->handles->uv);
    return (int64_t)uv_now(&l->handles->uv);
}

int64_t loop_wall_ms(const struct loop *l)
{
    return l->is_virtual ? l->virtual_wall_start_ms + l->virtual_now_ms : loop_real_wall_ms(l);
}

struct rand *loop_rand(struct loop *l)
{
    return &l->rand;
}

struct uv_loop_s *loop_uv(struct loop *l)
{
    return l->is_virtual ? NULL : &l->handles->uv;
}

void loop_stop(struct loop *l)
{
    l->stopped = true;
    if (!l->is_virtual)
        uv_stop(&l->handles->uv);
}

void deferred_init(struct loop *l, struct deferred *d, deferred_cb cb)
{
    list_init(&d->node);
    d->cb = cb;
    d->loop = l;
}

void deferred_call(struct deferred *d)
{
    if (list_empty(&d->node))
        list_push(&d->loop->deferred, &d->node);
}

void deferred_cancel(struct deferred *d)
{
    list_remove(&d->node);
}

void loop_run_deferred(struct loop *l)
{
    if (list_empty(&l->deferred))
        return;
    list_push(&l->deferred, &l->turn_end);
    while (l->deferred.next != &l->turn_end) {
        struct deferred *d = container_of(l->deferred.next, struct deferred, node);

        list_remove(&d->node);
        d->cb(d);
    }
    list_remove(&l->turn_end);
}
