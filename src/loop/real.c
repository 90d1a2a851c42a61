/* SPDX-License-Identifier: Apache-2.0 */
/* The loop on libuv. One prepare handle runs the deferred calls and sets the one uv_timer just
 * before each poll; an idle handle is active exactly while deferred calls wait, which makes the
 * poll return at once. The prepare handle also keeps the loop alive until loop_stop(). */
#include "loop/loop_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>

static void on_timer(uv_timer_t *handle)
{
    struct loop_handles *h = handle->data;

    h->timer_due_ms = -1;
    loop_fire_timers(h->loop);
}

static void on_idle(uv_idle_t *handle)
{
    (void)handle; /* Its being active is what matters. */
}

static void set_timer(struct loop_handles *h)
{
    const struct timer *first = loop_first_timer(h->loop);
    int64_t now = loop_now_ms(h->loop);

    if (!first) {
        if (h->timer_due_ms >= 0)
            uv_timer_stop(&h->timer);
        h->timer_due_ms = -1;
    } else if (h->timer_due_ms != first->due_ms) {
        h->timer_due_ms = first->due_ms;
        uv_timer_start(&h->timer, on_timer, (uint64_t)MAX(first->due_ms - now, 0), 0);
    }
}

static void on_prepare(uv_prepare_t *handle)
{
    struct loop_handles *h = handle->data;

    loop_run_deferred(h->loop);
    if (list_empty(&h->loop->deferred))
        uv_idle_stop(&h->idle);
    else
        uv_idle_start(&h->idle, on_idle);
    set_timer(h);
    loop_lag_turn(h);
}

void loop_real_init(struct loop *l)
{
    struct loop_handles *h = xnew(struct loop_handles);
    int rc = uv_loop_init(&h->uv);

    assert(rc == 0 && "an event loop needs a few file descriptors");
    (void)rc;
    l->handles = h;
    h->loop = l;
    h->timer_due_ms = h->wall_read_ms = -1;
    rc = uv_loop_configure(&h->uv, UV_METRICS_IDLE_TIME);
    assert(rc == 0);
    uv_prepare_init(&h->uv, &h->prepare);
    uv_idle_init(&h->uv, &h->idle);
    uv_timer_init(&h->uv, &h->timer);
    h->prepare.data = h->idle.data = h->timer.data = h;
    uv_prepare_start(&h->prepare, on_prepare);
}

static void report_open(uv_handle_t *handle, void *arg)
{
    (void)arg;
    log_error("a handle is still open", LOG_S("type", uv_handle_type_name(handle->type)),
              LOG_I("closing", uv_is_closing(handle)));
}

void loop_real_deinit(struct loop *l)
{
    struct loop_handles *h = l->handles;
    struct loop_leftover *o;
    int rc;

    list_each (&l->leftovers, o, struct loop_leftover, node)
        o->close(o);
    uv_close((uv_handle_t *)&h->prepare, NULL);
    uv_close((uv_handle_t *)&h->idle, NULL);
    uv_close((uv_handle_t *)&h->timer, NULL);
    /* Close callbacks may close more (a connection that frees its parts): a few turns, none of them
     * blocks. */
    for (int i = 0; i < 8 && uv_run(&h->uv, UV_RUN_NOWAIT) != 0; i++)
        ;
    rc = uv_loop_close(&h->uv);
    if (rc != 0)
        uv_walk(&h->uv, report_open, NULL);
    assert(rc == 0 && "every handle is closed before its loop is freed");
    free(h);
    l->handles = NULL;
}

int64_t loop_real_wall_ms(const struct loop *l)
{
    struct loop_handles *h = l->handles;
    int64_t now = loop_now_ms(l);

    if (h->wall_read_ms != now) {
        h->wall_read_ms = now;
        h->wall_ms = clock_wall_ms();
    }
    return h->wall_ms;
}

void loop_run(struct loop *l)
{
    assert(!l->is_virtual && !l->is_running);
    l->is_running = true;
    /* Time stood still since the loop was made or ran last. */
    uv_update_time(&l->handles->uv);
    loop_lag_begin(l->handles);
    uv_run(&l->handles->uv, UV_RUN_DEFAULT);
    l->is_running = l->stopped = false;
}
