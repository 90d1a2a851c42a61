/* SPDX-License-Identifier: Apache-2.0 */
/* Servers: how many connections there may be, and how all of it ends. */
#include "http/conn.h"

#include "base/mem.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

enum { KEEPALIVE_S = 60, UNSENT_MAX = 256 << 10 };

static void on_grace_over(struct timer *t);
static void on_waits_over(struct timer *t);
static void on_drained(struct deferred *d);

struct http_server *http_server_new(struct loop *l)
{
    struct http_server *s = xnew(struct http_server);

    assert(loop_uv(l));
    s->loop = l;
    s->uv = loop_uv(l);
    s->read_buf = xcalloc(1, READ_SIZE);
    id_gen_init(&s->ids, loop_rand(l));
    list_init(&s->listeners);
    list_init(&s->conns);
    list_init(&s->idle);
    map_init(&s->addresses);
    timer_init(l, &s->grace, on_grace_over);
    timer_init(l, &s->waits_grace, on_waits_over);
    deferred_init(l, &s->drained, on_drained);
    return s;
}

void http_server_free(struct http_server *s)
{
    struct http_listener *li;

    if (!s)
        return;
    assert(s->n_handles == 0);
    list_each (&s->listeners, li, struct http_listener, node) {
        list_remove(&li->node);
        listener_free(li);
    }
    timer_stop(&s->grace);
    timer_stop(&s->waits_grace);
    deferred_cancel(&s->drained);
    map_deinit(&s->addresses);
    free(s->read_buf);
    free(s->plain_buf);
    gzip_deinit(s);
    free(s);
}

void server_handle_gone(struct http_server *s)
{
    s->n_handles--;
    if (s->is_draining && s->n_handles == 0)
        deferred_call(&s->drained);
}

void server_forget(struct http_conn *c)
{
    peer_forget(c);
    list_remove(&c->node);
    list_remove(&c->idle_node);
    c->server->n_conns--;
    server_handle_gone(c->server);
}

/* Too many connections: the longest idle one makes room; when all are at work, the new one has to
 * go. */
static bool make_room(struct http_conn *c)
{
    struct http_server *s = c->server;
    struct list *oldest = list_first(&s->idle);

    if (s->n_conns <= c->listener->config.limits.max_connections)
        return true;
    if (!oldest)
        return false;
    conn_abort(container_of(oldest, struct http_conn, idle_node));
    return true;
}

static void turn_away(struct http_conn *c)
{
    static const char body[] = "{\"detail\":\"There are too many connections.\",\"status\":503}";
    char text[512], id[ID_SIZE];
    uv_buf_t part;

    if (c->listener->config.tls && !c->listener->is_unix) { /* there is no time for a handshake */
        conn_drop(c);
        return;
    }
    id_make(&c->server->ids, loop_wall_ms(c->server->loop), id);
    part.base = text;
    part.len = (size_t)snprintf(text, sizeof(text),
                                "HTTP/1.1 503 Service Unavailable\r\nX-Request-Id: %s\r\n"
                                "X-Content-Type-Options: nosniff\r\nRetry-After: 1\r\n"
                                "Content-Type: application/problem+json\r\n"
                                "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                                id, sizeof(body) - 1, body);
    /* Nobody waits for this to be taken. */
    if (uv_try_write(&c->handle.stream, &part, 1) < 0)
        c->is_broken = true;
    conn_drop(c);
}

/* Of an answer that is not read the kernel would else keep megabytes for each connection, and take
 * one answer after the other for one that reads none. */
static void limit_unsent(struct http_conn *c)
{
    uv_os_fd_t fd;
    int most = UNSENT_MAX;

    if (uv_fileno(&c->handle.any, &fd) == 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof(most));
}

static bool is_refused(const struct http_conn *c)
{
    const struct http_config *config = &c->listener->config;
    int fd;

    return config->refuses && uv_fileno(&c->handle.any, &fd) == 0 &&
           config->refuses(config->refuses_user, fd);
}

void server_on_connection(uv_stream_t *stream, int status)
{
    struct http_listener *li =
        container_of((union http_handle *)(void *)stream, struct http_listener, handle);
    struct http_server *s = li->server;
    struct http_conn *c;

    if (status < 0 || li->is_closing)
        return;
    c = xnew(struct http_conn);
    c->server = s;
    c->listener = li;
    list_init(&c->idle_node);
    if (li->is_unix)
        uv_pipe_init(s->uv, &c->handle.pipe, 0);
    else
        uv_tcp_init(s->uv, &c->handle.tcp);
    list_push(&s->conns, &c->node);
    s->n_conns++;
    s->n_handles++;
    if (uv_accept(stream, &c->handle.stream) < 0) {
        conn_drop(c);
        return;
    }
    if (is_refused(c)) {
        conn_drop(c);
        return;
    }
    if (!make_room(c) || !peer_meet(c)) {
        turn_away(c);
        return;
    }
    if (!li->is_unix) {
        uv_tcp_nodelay(&c->handle.tcp, 1);
        uv_tcp_keepalive(&c->handle.tcp, 1, KEEPALIVE_S);
        limit_unsent(c);
    }
    if (li->config.tls && !li->is_unix)
        c->tls = tls_new(li->config.tls);
    if (li->config.tls && !li->is_unix && !c->tls)
        conn_drop(c);
    else
        conn_start(c);
}

static void on_drained(struct deferred *d)
{
    struct http_server *s = container_of(d, struct http_server, drained);

    timer_stop(&s->grace);
    timer_stop(&s->waits_grace);
    if (s->done)
        s->done(s->done_arg);
}

static void on_grace_over(struct timer *t)
{
    struct http_server *s = container_of(t, struct http_server, grace);
    struct http_conn *c;

    list_each (&s->conns, c, struct http_conn, node)
        conn_abort(c);
}

static void on_waits_over(struct timer *t)
{
    struct http_server *s = container_of(t, struct http_server, waits_grace);
    struct http_conn *c;

    list_each (&s->conns, c, struct http_conn, node)
        if (c->state == CONN_WAIT)
            conn_abort(c);
}

void http_server_drain_waits(struct http_server *s, int64_t ms)
{
    if (s->n_handles > 0)
        timer_start(&s->waits_grace, ms);
}

void http_server_drain(struct http_server *s, int64_t grace_ms, void (*done)(void *arg), void *arg)
{
    struct http_listener *li;
    struct http_conn *c;

    s->is_draining = true;
    s->done = done;
    s->done_arg = arg;
    list_each (&s->listeners, li, struct http_listener, node)
        listener_close(li);
    list_each (&s->conns, c, struct http_conn, node)
        conn_last_call(c);
    timer_start(&s->grace, grace_ms);
    if (s->n_handles == 0)
        deferred_call(&s->drained);
}
