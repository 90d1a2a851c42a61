/* SPDX-License-Identifier: Apache-2.0 */
#include "receiver.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct exchange {
    struct list node;
    struct http_client *client;
    struct http_call *call;
    struct manner manner;
    struct timer timer;
    bool is_canceled;
};

static char *header_of(const struct http_call_spec *spec, const char *name)
{
    size_t n = strlen(name);

    for (const char *const *h = spec->headers; *h; h++)
        if (strncmp(*h, name, n) == 0 && (*h)[n] == ':')
            return xstrdup(*h + n + 2);
    return NULL;
}

static void on_answer(struct timer *t)
{
    struct exchange *x = container_of(t, struct exchange, timer);
    struct http_call *call = x->call;
    struct error err;
    bool failed = x->is_canceled || x->manner.hangs || x->manner.status == 0;

    if (x->is_canceled)
        (void)FAIL(&err, STATUS_CANCELED, "the call was canceled");
    else if (x->manner.hangs)
        (void)FAIL(&err, STATUS_TIMED_OUT, "no complete answer in time");
    else if (failed)
        (void)FAIL(&err, STATUS_UNREACHABLE, "nobody listens there");
    else
        call->status = x->manner.status;
    x->client->n_open--;
    list_remove(&x->node);
    free(x);
    call->impl = NULL;
    call->events->done(call, failed ? &err : NULL);
}

void http_call_start(struct http_client *c, struct http_call *call,
                     const struct http_call_spec *spec, const struct http_call_events *events)
{
    struct exchange *x = xnew(struct exchange);
    struct delivery *d = xnew(struct delivery);

    *call = (struct http_call){ .events = events, .impl = x };
    d->at = loop_now_ms(c->loop);
    d->url = xstrdup(spec->url);
    d->id = header_of(spec, "webhook-id");
    d->signature = header_of(spec, "webhook-signature");
    d->body = str_dup(spec->body);
    list_push(&c->calls, &d->node);
    c->n++;
    c->n_open++;
    if (c->n_open > c->most_open)
        c->most_open = c->n_open;
    x->client = c;
    x->call = call;
    x->manner = c->choose ? c->choose(c, d) : c->manner;
    list_push(&c->open, &x->node);
    timer_init(c->loop, &x->timer, on_answer);
    timer_start(&x->timer, x->manner.hangs ? spec->timeout_ms : x->manner.ms);
}

void http_call_cancel(struct http_call *call)
{
    struct exchange *x = call->impl;

    if (!x)
        return;
    x->is_canceled = true;
    timer_start(&x->timer, 0);
}

void http_call_resume(struct http_call *call)
{
    (void)call;
}

void http_call_deinit(struct http_call *call)
{
    assert(!call->impl);
    buf_deinit(&call->body);
    buf_deinit(&call->head);
}

struct str http_call_header(const struct http_call *call, const char *name)
{
    (void)call;
    (void)name;
    return STR_NULL;
}

struct http_client *http_client_new(struct loop *l)
{
    (void)l;
    return NULL;
}

/* What is open ends without a word. */
void http_client_free(struct http_client *c)
{
    struct exchange *x;

    list_each (&c->open, x, struct exchange, node) {
        timer_stop(&x->timer);
        list_remove(&x->node);
        x->call->impl = NULL;
        c->n_open--;
        free(x);
    }
}

void receiver_init(struct http_client *c)
{
    *c = (struct http_client){ .manner = { .status = 200 } };
    list_init(&c->calls);
    list_init(&c->open);
}

void receiver_attach(struct http_client *c, struct loop *l)
{
    c->loop = l;
}

void receiver_deinit(struct http_client *c)
{
    struct delivery *d;

    list_each (&c->calls, d, struct delivery, node) {
        list_remove(&d->node);
        free(d->url);
        free(d->id);
        free(d->body);
        free(d->signature);
        free(d);
    }
}

struct delivery *receiver_got(struct http_client *c, int n)
{
    struct delivery *d;

    list_each (&c->calls, d, struct delivery, node)
        if (n-- == 0)
            return d;
    return NULL;
}
