/* SPDX-License-Identifier: Apache-2.0 */
/* A pair is two sockets; each flow goes from one to the other, has at most one piece on its way,
 * and is ended by itself, so that who has said all still hears the answer. Where nothing is waited
 * for from a socket it leaves the poll set: its end would be told there for ever. */
#include "init/relay.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "init/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of each way; a piece; how many pieces in a row before others have their turn. */
enum { MAX_PAIRS = 1000, OTHER_FILES = 64, PIECE = 64 * 1024, TURNS = 16, EVENTS = 64 };

struct pair;

struct end {
    int fd;
    uint32_t wanted; /* 0: not in the poll set */
    struct pair *pair;
};

struct way {
    struct end listener;
    size_t n_pairs;
};

struct pair {
    struct list node;
    struct way *way;
    bool is_connecting, is_gone;
    struct end ends[2];    /* who called, and who was called */
    struct buf rest[2];    /* of the flow from that end: what the other one did not take yet */
    bool said[2], told[2]; /* that end has said all; the other one knows */
};

struct relay {
    const struct relay_ends *given;
    int poll, port;
    struct way from_server, from_model;
    struct end tell;
    struct list pairs, gone;
    size_t max_pairs;
    bool is_leaving;
    char piece[PIECE];
};

static void want(struct relay *r, struct end *e, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.ptr = e };
    int op = !e->wanted ? EPOLL_CTL_ADD : events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;

    if (e->wanted == events)
        return;
    if (epoll_ctl(r->poll, op, e->fd, &ev) == 0)
        e->wanted = events;
}

static void listen_if_room(struct relay *r, struct way *w)
{
    want(r, &w->listener, w->n_pairs < r->max_pairs && !r->is_leaving ? EPOLLIN : 0);
}

static void drop(struct relay *r, struct pair *p)
{
    if (p->is_gone)
        return;
    p->is_gone = true;
    for (int i = 0; i < 2; i++) {
        if (p->ends[i].fd >= 0)
            close(p->ends[i].fd);
        buf_deinit(&p->rest[i]);
    }
    p->way->n_pairs--;
    list_remove(&p->node);
    list_push(&r->gone, &p->node); /* an event of this turn may still name it */
    listen_if_room(r, p->way);
}

static bool can_wait(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* False: the other end takes nothing any more. What it did not take yet is kept. */
static bool give(struct pair *p, int from, const char *data, size_t n)
{
    ssize_t taken = send(p->ends[1 - from].fd, data, n, MSG_NOSIGNAL);

    if (taken < 0 && !can_wait())
        return false;
    taken = MAX(taken, 0);
    return (size_t)taken == n || buf_add(&p->rest[from], data + taken, n - (size_t)taken);
}

static bool give_rest(struct pair *p, int from)
{
    struct buf *rest = &p->rest[from];
    ssize_t taken = send(p->ends[1 - from].fd, rest->p, rest->n, MSG_NOSIGNAL);

    if (taken < 0)
        return can_wait();
    buf_shift(rest, (size_t)taken);
    if (rest->n == 0)
        buf_deinit(rest); /* who is idle has no memory */
    return true;
}

static bool flow(struct relay *r, struct pair *p, int from)
{
    for (int turn = 0; turn < TURNS && !p->said[from]; turn++) {
        ssize_t n;

        if (p->rest[from].n > 0 && !give_rest(p, from))
            return false;
        if (p->rest[from].n > 0)
            return true;
        n = recv(p->ends[from].fd, r->piece, sizeof(r->piece), 0);
        if (n < 0)
            return can_wait();
        if (n > 0 && !give(p, from, r->piece, (size_t)n))
            return false;
        p->said[from] = n == 0;
    }
    if (p->rest[from].n > 0 && !give_rest(p, from))
        return false;
    if (p->said[from] && p->rest[from].n == 0 && !p->told[from]) {
        p->told[from] = true;
        shutdown(p->ends[1 - from].fd, SHUT_WR);
    }
    return true;
}

static uint32_t wants_of(const struct pair *p, int i)
{
    bool reads = !p->said[i] && p->rest[i].n == 0, writes = p->rest[1 - i].n > 0;

    if (p->is_connecting)
        return i == 1 ? EPOLLOUT : 0;
    return (reads ? EPOLLIN : 0) | (writes ? EPOLLOUT : 0);
}

static bool is_connected(struct pair *p)
{
    int code = 0;
    socklen_t n = sizeof(code);

    p->is_connecting = false;
    return getsockopt(p->ends[1].fd, SOL_SOCKET, SO_ERROR, &code, &n) == 0 && code == 0;
}

/* A model that ends takes its sockets along: what it said before is what is waited for. */
static bool has_said_all(const struct relay *r, const struct pair *p)
{
    return p->told[p->way == &r->from_server ? 1 : 0];
}

static void serve(struct relay *r, struct pair *p)
{
    if (p->is_gone)
        return;
    if ((p->is_connecting && !is_connected(p)) || !flow(r, p, 0) || !flow(r, p, 1) ||
        (p->told[0] && p->told[1]) || (r->is_leaving && has_said_all(r, p))) {
        drop(r, p);
        return;
    }
    for (int i = 0; i < 2; i++)
        want(r, &p->ends[i], wants_of(p, i));
}

static void at_once(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* The port is told before anybody is told of the socket. */
static int call_model(struct relay *r, bool *out_is_connecting)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd;

    if (!r->port && read(r->given->tell, &r->port, sizeof(r->port)) != sizeof(r->port))
        return -1;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    at_once(fd);
    at.sin_port = htons((uint16_t)r->port);
    if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    *out_is_connecting = errno == EINPROGRESS;
    if (*out_is_connecting)
        return fd;
    close(fd);
    return -1;
}

static int call_server(const struct relay *r)
{
    int fd;

    return sock_connect(r->given->folder, r->given->server, &fd, NULL) == STATUS_OK ? fd : -1;
}

static void on_caller(struct relay *r, struct way *w)
{
    int fd = accept4(w->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct pair *p;

    if (fd < 0)
        return;
    p = xnew(struct pair);
    p->way = w;
    p->ends[0] = (struct end){ .fd = fd, .pair = p };
    p->rest[0] = p->rest[1] = BUF_INIT(PIECE);
    if (w == &r->from_model)
        at_once(fd);
    p->ends[1] =
        (struct end){ .fd = w == &r->from_model ? call_server(r) : call_model(r, &p->is_connecting),
                      .pair = p };
    w->n_pairs++;
    list_push(&r->pairs, &p->node);
    if (p->ends[1].fd < 0)
        drop(r, p);
    else if (p->is_connecting)
        want(r, &p->ends[1], EPOLLOUT);
    else
        serve(r, p);
    listen_if_room(r, w);
}

/* The port, or that it is time to leave. */
static void on_told(struct relay *r)
{
    struct pair *p;
    int port;
    ssize_t n = read(r->given->tell, &port, sizeof(port));

    if (n == sizeof(port))
        r->port = port;
    if (n != 0)
        return;
    r->is_leaving = true;
    want(r, &r->tell, 0);
    listen_if_room(r, &r->from_server);
    listen_if_room(r, &r->from_model);
    list_each (&r->pairs, p, struct pair, node)
        serve(r, p);
}

static void on_event(struct relay *r, struct end *e)
{
    if (e->pair)
        serve(r, e->pair);
    else if (e == &r->tell)
        on_told(r);
    else
        on_caller(r, e == &r->from_model.listener ? &r->from_model : &r->from_server);
}

/* As many as we may have open, of which no way can take those of the other. */
static size_t room(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 1;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < OTHER_FILES + 4)
        return 1;
    return (size_t)MIN((files.rlim_cur - OTHER_FILES) / 4, (rlim_t)MAX_PAIRS);
}

static void begin(struct relay *r, const struct relay_ends *e)
{
    r->given = e;
    r->max_pairs = room();
    r->poll = epoll_create1(EPOLL_CLOEXEC);
    list_init(&r->pairs);
    list_init(&r->gone);
    r->from_server.listener = (struct end){ .fd = e->from_server };
    r->from_model.listener = (struct end){ .fd = e->from_model };
    r->tell = (struct end){ .fd = e->tell };
    want(r, &r->tell, EPOLLIN);
    listen_if_room(r, &r->from_server);
    listen_if_room(r, &r->from_model);
}

void relay_run(const struct relay_ends *e)
{
    struct relay *r = xnew(struct relay);
    struct epoll_event events[EVENTS];

    begin(r, e);
    while (!r->is_leaving || !list_empty(&r->pairs)) {
        int n = epoll_wait(r->poll, events, EVENTS, -1);
        struct list *gone;

        if (n < 0 && errno != EINTR)
            _exit(1);
        for (int i = 0; i < n; i++)
            on_event(r, events[i].data.ptr);
        while ((gone = list_first(&r->gone))) {
            list_remove(gone);
            free(container_of(gone, struct pair, node));
        }
    }
    _exit(0);
}
