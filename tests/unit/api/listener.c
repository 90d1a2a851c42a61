/* SPDX-License-Identifier: Apache-2.0 */
#include "listener.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

enum { WRITE_BUFFER = 4 << 20 };

static struct listener *listener_of(const struct http_request *r)
{
    return (struct listener *)(uintptr_t)r; /* its first member */
}

/* --- what the server offers to handlers --- */

void http_set_header(struct http_request *r, const char *name, const char *value)
{
    (void)r;
    (void)name;
    (void)value;
}

struct str http_header(const struct http_request *r, const char *name)
{
    const char *last = listener_of(r)->last;

    return strcmp(name, "last-event-id") == 0 && last ? str_of(last) : STR_NULL;
}

struct str http_param(const struct http_request *r, const char *name)
{
    (void)name;
    return str_of(listener_of(r)->secret);
}

void http_stream_begin(struct http_request *r, int status, const char *content_type)
{
    (void)content_type;
    listener_of(r)->status = status;
}

static void on_gone(struct deferred *d)
{
    struct listener *rd = container_of(d, struct listener, gone);

    rd->is_gone = true;
    if (rd->request.on_gone)
        rd->request.on_gone(&rd->request);
    rd->request.on_gone = rd->request.on_drained = NULL;
}

bool http_stream_write(struct http_request *r, struct str piece)
{
    struct listener *rd = listener_of(r);

    assert(!rd->is_ended && !rd->is_gone);
    buf_add_str(&rd->got, piece);
    if (rd->is_lazy)
        rd->pending += piece.n;
    if (rd->pending > rd->most_pending)
        rd->most_pending = rd->pending;
    if (rd->pending <= WRITE_BUFFER)
        return true;
    deferred_call(&rd->gone);
    return false;
}

size_t http_stream_pending(const struct http_request *r)
{
    return listener_of(r)->pending;
}

void http_stream_end(struct http_request *r)
{
    assert(!listener_of(r)->is_ended);
    listener_of(r)->is_ended = true;
}

void http_problem(struct http_request *r, int status, const char *title, const char *fmt, ...)
{
    (void)title;
    (void)fmt;
    listener_of(r)->status = status;
}

/* --- what answer.c offers --- */

void api_not_found(struct http_request *r)
{
    listener_of(r)->status = 404;
}

void api_refuse(struct http_request *r, const struct error *err)
{
    (void)err;
    listener_of(r)->status = 500;
}

void *api_op_new(size_t size)
{
    return xcalloc(1, size);
}

struct answer {
    struct http_request *request;
    void (*done)(struct http_request *r, struct store_op *op);
};

static void on_done(struct store_op *op)
{
    struct answer *a = op->user;

    a->done(a->request, op);
    free(a);
    store_op_deinit(op);
    free(op);
}

void api_op_start(struct http_request *r, struct store_op *op, const struct store_op_type *type,
                  void (*done)(struct http_request *r, struct store_op *op))
{
    struct answer *a = xnew(struct answer);

    a->request = r;
    a->done = done;
    op->user = a;
    store_start(api_of(r)->store, op, type, on_done);
}

/* --- the reader's side --- */

void listener_open(struct listener *rd, struct api *a, const char *secret, const char *last)
{
    bool is_lazy = rd->is_lazy, is_head = rd->request.is_head;

    *rd = (struct listener){ .api = a, .secret = secret, .last = last, .is_lazy = is_lazy };
    buf_init(&rd->got, BUF_UNBOUNDED);
    deferred_init(a->loop, &rd->gone, on_gone);
    rd->request.loop = a->loop;
    rd->request.arena = &rd->arena;
    rd->request.user = a;
    rd->request.is_head = is_head;
    stream_show(&rd->request);
}

void listener_take(struct listener *rd)
{
    rd->pending = 0;
    if (rd->request.on_drained)
        rd->request.on_drained(&rd->request);
}

void listener_leave(struct listener *rd)
{
    if (!rd->is_ended)
        deferred_call(&rd->gone);
}

void listener_deinit(struct listener *rd)
{
    deferred_cancel(&rd->gone);
    buf_deinit(&rd->got);
    arena_deinit(&rd->arena);
}
