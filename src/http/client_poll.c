/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's multi socket interface on the loop: it says which sockets and which time to wait for,
 * we tell it when they are there. It calls back from inside; nothing here enters it from a callback
 * of its own. */
#include "http/client_impl.h"

#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static void read_results(struct http_client *c)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(c->multi, &left))) {
        char *im = NULL;

        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &im);
        call_ended((struct call_impl *)(void *)im, m->data.result);
    }
}

static void act(struct http_client *c, curl_socket_t fd, int flags)
{
    CURLMcode rc;
    int running;

    assert(!c->in_curl);
    c->in_curl = true;
    rc = curl_multi_socket_action(c->multi, fd, flags, &running);
    c->in_curl = false;
    if (rc != CURLM_OK)
        log_error("the HTTP client is confused", LOG_S("error", curl_multi_strerror(rc)));
    read_results(c);
}

void client_kick(struct http_client *c)
{
    act(c, CURL_SOCKET_TIMEOUT, 0);
}

static void on_timer(struct timer *t)
{
    client_kick(container_of(t, struct http_client, timer));
}

static int on_set_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct http_client *c = arg;

    (void)multi;
    if (timeout_ms < 0)
        timer_stop(&c->timer);
    else
        timer_start(&c->timer, timeout_ms);
    return 0;
}

/* The kernel goes back to delayed acknowledgements by itself, so this is said again after each
 * read. */
static void ack_at_once(const struct client_socket *s)
{
    int on = 1;

    if (s->call && s->fd >= 0)
        (void)setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct client_socket *s = poll->data;
    int flags = 0;

    if (status < 0)
        flags |= CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    act(s->client, s->fd, flags);
    ack_at_once(s); /* closed meanwhile, it is freed on a later turn only */
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void socket_free(struct client_socket *s)
{
    if (s->call)
        s->call->socket = NULL;
    s->call = NULL;
    s->fd = -1;
    list_remove(&s->node);
    uv_close((uv_handle_t *)&s->poll, on_closed);
}

static struct client_socket *socket_new(struct http_client *c, curl_socket_t fd)
{
    struct client_socket *s = xnew(struct client_socket);

    if (uv_poll_init_socket(loop_uv(c->loop), &s->poll, fd) != 0) {
        free(s);
        return NULL;
    }
    s->client = c;
    s->fd = fd;
    s->poll.data = s;
    list_push(&c->sockets, &s->node);
    return s;
}

void client_socket_detach(struct call_impl *im)
{
    if (im->socket)
        im->socket->call = NULL;
    im->socket = NULL;
}

static void attach(struct client_socket *s, CURL *easy)
{
    char *private = NULL;
    struct call_impl *im;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    im = (struct call_impl *)(void *)private;
    if (!im || !(im->flags & HTTP_CALL_QUICKACK) || im->has_body)
        return;
    if (s->call)
        s->call->socket = NULL;
    client_socket_detach(im);
    im->socket = s;
    s->call = im;
    ack_at_once(s);
}

static int on_set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct http_client *c = arg;
    struct client_socket *s = socket_arg;
    int events = 0;

    if (what == CURL_POLL_REMOVE) {
        if (s)
            socket_free(s);
        curl_multi_assign(c->multi, fd, NULL);
        return 0;
    }
    if (!s) {
        s = socket_new(c, fd);
        if (!s)
            return -1;
        curl_multi_assign(c->multi, fd, s);
    }
    if (what & CURL_POLL_IN)
        events |= UV_READABLE;
    if (what & CURL_POLL_OUT)
        events |= UV_WRITABLE;
    uv_poll_start(&s->poll, events, on_poll);
    if (what & CURL_POLL_IN)
        attach(s, easy);
    return 0;
}

void client_poll_init(struct http_client *c)
{
    list_init(&c->sockets);
    timer_init(c->loop, &c->timer, on_timer);
    c->multi = curl_multi_init();
    assert(c->multi);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_set_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_set_timer);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, 256L);
}

void client_poll_deinit(struct http_client *c)
{
    struct client_socket *s;

    curl_multi_cleanup(c->multi);
    list_each (&c->sockets, s, struct client_socket, node)
        socket_free(s);
    timer_stop(&c->timer);
}
