/* SPDX-License-Identifier: Apache-2.0 */
#include "model_server.h"

#include "base/mem.h"

struct http_client {
    struct loop *loop;
};

static struct model_server *the_server;

struct exchange {
    struct list node;
    struct http_call *call;
    char *method, *path;
    bool wants_stream, wants_async;
    struct buf body;
    struct buf kept; /* of the answer: its reader had enough */
    bool ends;       /* behind what is kept */
    struct deferred deferred, cancel, resume;
    struct timer timeout;
};

static void exchange_end(struct exchange *x, const struct error *err)
{
    struct http_call *call = x->call;

    if (the_server->stream == x)
        the_server->stream = NULL;
    list_remove(&x->node);
    deferred_cancel(&x->deferred);
    deferred_cancel(&x->cancel);
    deferred_cancel(&x->resume);
    timer_stop(&x->timeout);
    buf_deinit(&x->kept);
    buf_deinit(&x->body);
    free(x->method);
    free(x->path);
    free(x);
    call->impl = NULL;
    call->events->done(call, err);
}

static void fail(struct exchange *x, enum status st, const char *text)
{
    struct error err;

    error_set(&err, st, "model_server", "%s", text);
    exchange_end(x, &err);
}

static bool give(struct exchange *x, struct str piece)
{
    if (!x->call->events->data)
        buf_add_str(&x->call->body, piece);
    else if (x->kept.n > 0 || !x->call->events->data(x->call, piece))
        buf_add_str(&x->kept, piece);
    return x->kept.n == 0;
}

static void on_resume(struct deferred *d)
{
    struct exchange *x = container_of(d, struct exchange, resume);
    struct buf kept CLEANUP(buf_deinit) = x->kept;

    buf_init(&x->kept, BUF_UNBOUNDED);
    if (kept.n == 0 || give(x, buf_str(&kept)))
        if (x->ends)
            exchange_end(x, NULL);
}

static void head(struct exchange *x, int status, const char *type)
{
    x->call->status = status;
    buf_clear(&x->call->head);
    buf_addf(&x->call->head, "%s", type);
    if (x->call->events->headers)
        x->call->events->headers(x->call, status);
}

static void answer(struct exchange *x, const struct answer *a)
{
    x->call->request_sent = a->status != 0;
    if (a->status == 0) {
        fail(x, STATUS_UNREACHABLE, "connection refused");
    } else if (a->status == -1) {
        fail(x, STATUS_BROKEN, "reset by peer");
    } else if (a->status == 200 && !a->body) {
        the_server->stream = x;
        head(x, 200, "text/event-stream");
    } else if (a->status > 0) {
        head(x, a->status, "application/json");
        if (!x->call->events->data && a->body && strlen(a->body) > x->call->body.max) {
            fail(x, STATUS_TOO_LARGE, "too large");
            return;
        }
        give(x, str_of(a->body ? a->body : "{}"));
        exchange_end(x, NULL);
    }
}

static void on_create(struct exchange *x, struct model_server *s)
{
    struct answer a = { x->wants_stream ? 200 : 202, NULL };
    int i = s->n_creates++;

    buf_addf(&s->requests, "create-%s\n",
             x->wants_stream  ? "stream"
             : x->wants_async ? "async"
                              : "sync");
    buf_clear(&s->last_body);
    buf_add_str(&s->last_body, buf_str(&x->body));
    if (i < MAX_ANSWERS && (s->creates[i].status || s->creates[i].body))
        a = s->creates[i];
    if (a.body && strcmp(a.body, "refused") == 0)
        a.status = 0;
    answer(x, &a);
}

static void on_request(struct deferred *d)
{
    struct exchange *x = container_of(d, struct exchange, deferred);
    struct model_server *s = the_server;
    struct answer a = { 200, NULL };

    if (str_ends(str_of(x->path), "/health-check")) {
        s->n_probes++;
        if (s->health && !s->health[0])
            return;
        answer(x, &(struct answer){ s->health ? 200 : 0, s->health });
    } else if (str_ends(str_of(x->path), "/shutdown")) {
        buf_adds(&s->requests, "shutdown\n");
        answer(x, &(struct answer){ 200, "{}" });
    } else if (str_ends(str_of(x->path), "/cancel")) {
        int i = s->n_cancels++;

        buf_addf(&s->requests, "cancel\n");
        answer(x, s->cancels[i].status ? &s->cancels[i] : &(struct answer){ 200, "{}" });
    } else if (str_is(buf_str(&x->body), "{\"input\":0}")) {
        int i = s->n_joins++;

        buf_addf(&s->requests, "join\n");
        if (s->joins[i].status || s->joins[i].body)
            a = s->joins[i];
        answer(x, &a);
    } else {
        on_create(x, s);
    }
}

static void on_canceled(struct deferred *d)
{
    fail(container_of(d, struct exchange, cancel), STATUS_CANCELED, "canceled");
}

static void on_timeout(struct timer *t)
{
    fail(container_of(t, struct exchange, timeout), STATUS_TIMED_OUT, "no answer in time");
}

struct http_client *http_client_new(struct loop *l)
{
    struct http_client *c = xnew(struct http_client);

    c->loop = l;
    return c;
}

void http_client_free(struct http_client *c)
{
    struct exchange *x;

    list_each (&the_server->open, x, struct exchange, node) {
        list_remove(&x->node);
        deferred_cancel(&x->deferred);
        deferred_cancel(&x->cancel);
        deferred_cancel(&x->resume);
        timer_stop(&x->timeout);
        buf_deinit(&x->kept);
        buf_deinit(&x->body);
        free(x->method);
        free(x->path);
        free(x);
    }
    free(c);
}

void http_call_start(struct http_client *c, struct http_call *call,
                     const struct http_call_spec *spec, const struct http_call_events *events)
{
    struct exchange *x = xnew(struct exchange);

    http_call_deinit(call);
    buf_init(&call->body, spec->max_body ? spec->max_body : 64 << 20);
    buf_init(&call->head, 4096);
    call->events = events;
    call->status = 0;
    call->request_sent = false;
    call->impl = x;
    x->call = call;
    x->method = xstrdup(spec->method);
    x->path = xstrdup(spec->url);
    buf_init(&x->body, BUF_UNBOUNDED);
    buf_add_str(&x->body, spec->body.p ? spec->body : STR(""));
    for (const char *const *h = spec->headers; h && *h; h++) {
        x->wants_stream |= strcmp(*h, "Accept: text/event-stream") == 0;
        x->wants_async |= strcmp(*h, "Prefer: respond-async") == 0;
    }
    list_push(&the_server->open, &x->node);
    deferred_init(c->loop, &x->deferred, on_request);
    deferred_init(c->loop, &x->cancel, on_canceled);
    deferred_init(c->loop, &x->resume, on_resume);
    buf_init(&x->kept, BUF_UNBOUNDED);
    timer_init(c->loop, &x->timeout, on_timeout);
    if (spec->timeout_ms)
        timer_start(&x->timeout, spec->timeout_ms);
    deferred_call(&x->deferred);
}

void http_call_cancel(struct http_call *call)
{
    struct exchange *x = call->impl;

    if (x)
        deferred_call(&x->cancel);
}

void http_call_deinit(struct http_call *call)
{
    buf_deinit(&call->body);
    buf_deinit(&call->head);
}

void http_call_resume(struct http_call *call)
{
    struct exchange *x = call->impl;

    if (x)
        deferred_call(&x->resume);
}

struct str http_call_header(const struct http_call *call, const char *name)
{
    return strcmp(name, "Content-Type") == 0 ? buf_str(&call->head) : STR_NULL;
}

void server_init(struct model_server *s, struct loop *l)
{
    *s = (struct model_server){ .loop = l };
    list_init(&s->open);
    buf_init(&s->requests, BUF_UNBOUNDED);
    buf_init(&s->last_body, BUF_UNBOUNDED);
    buf_adds(&s->requests, "");
    the_server = s;
}

void server_deinit(struct model_server *s)
{
    buf_deinit(&s->requests);
    buf_deinit(&s->last_body);
    the_server = NULL;
}

void server_send(struct model_server *s, const char *text)
{
    give(s->stream, str_of(text));
}

void server_event(struct model_server *s, const char *name, const char *data)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    buf_addf(&b, "event: %s\ndata: %s\n\n", name, data);
    give(s->stream, buf_str(&b));
}

void server_end(struct model_server *s)
{
    s->stream->ends = true;
    if (s->stream->kept.n == 0)
        exchange_end(s->stream, NULL);
}

void server_break(struct model_server *s)
{
    fail(s->stream, STATUS_BROKEN, "reset by peer");
}
