/* SPDX-License-Identifier: Apache-2.0 */
/* Work on other threads, and the way back to the loop from one. Nothing else in loop/ knows of
 * threads. */
#include "loop/loop.h"

#include "base/mem.h"
#include "loop/loop_impl.h"

#include <assert.h>

static void on_pool(uv_work_t *request)
{
    struct work *w = request->data;

    w->run(w);
}

static void on_pool_done(uv_work_t *request, int rc)
{
    struct work *w = request->data;

    assert(rc == 0); /* never cancelled */
    (void)rc;
    w->request = NULL;
    free(request);
    w->loop->n_work--;
    w->done(w);
}

static void on_virtual_done(struct deferred *d)
{
    struct work *w = container_of(d, struct work, deferred);

    w->loop->n_work--;
    w->done(w);
}

void work_start(struct loop *l, struct work *w, void (*run)(struct work *),
                void (*done)(struct work *))
{
    uv_work_t *request;
    int rc;

    *w = (struct work){ .run = run, .done = done, .loop = l };
    l->n_work++;
    if (l->is_virtual) {
        deferred_init(l, &w->deferred, on_virtual_done);
        run(w);
        deferred_call(&w->deferred);
        return;
    }
    request = xnew(uv_work_t);
    request->data = w;
    w->request = request;
    rc = uv_queue_work(&l->handles->uv, request, on_pool, on_pool_done);
    assert(rc == 0);
    (void)rc;
}

void work_finish(struct loop *l)
{
    assert(!l->is_running);
    while (l->n_work > 0)
        if (l->is_virtual)
            loop_run_deferred(l);
        else
            uv_run(&l->handles->uv, UV_RUN_ONCE);
}

struct wakeup {
    struct loop *loop;
    void (*cb)(void *arg);
    void *arg;
    struct deferred deferred; /* virtual */
    uv_async_t async;         /* real */
};

static void on_async(uv_async_t *async)
{
    struct wakeup *w = async->data;

    w->cb(w->arg);
}

static void on_virtual_wakeup(struct deferred *d)
{
    struct wakeup *w = container_of(d, struct wakeup, deferred);

    w->cb(w->arg);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

struct wakeup *wakeup_new(struct loop *l, void (*cb)(void *arg), void *arg)
{
    struct wakeup *w = xnew(struct wakeup);

    w->loop = l;
    w->cb = cb;
    w->arg = arg;
    deferred_init(l, &w->deferred, on_virtual_wakeup);
    l->n_wakeups++;
    if (!l->is_virtual) {
        int rc = uv_async_init(&l->handles->uv, &w->async, on_async);

        assert(rc == 0);
        (void)rc;
        w->async.data = w;
    }
    return w;
}

void wakeup_send(struct wakeup *w)
{
    if (w->loop->is_virtual)
        deferred_call(&w->deferred);
    else
        uv_async_send(&w->async);
}

void wakeup_free(struct wakeup *w)
{
    if (!w)
        return;
    w->loop->n_wakeups--;
    if (w->loop->is_virtual) {
        deferred_cancel(&w->deferred);
        free(w);
    } else {
        uv_close((uv_handle_t *)&w->async, on_closed);
    }
}
