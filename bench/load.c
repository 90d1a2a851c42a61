/* SPDX-License-Identifier: Apache-2.0 */
/* Each connection has its request under way or is being measured no more; answers have a
 * Content-Length, or end with their last chunk. Nothing is allocated while it runs. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 64 << 10, EVENTS = 256, MOST_SAMPLES = 20 << 20 };

struct client {
    int fd;
    const char *request;
    size_t request_size, sent;
    int64_t sent_ns, sent_wall_us;
    char *in; /* the head, and as much of the body as fits; the rest is only counted */
    size_t n, cap;
    size_t head; /* bytes of the head; 0: not whole yet */
    size_t body; /* bytes of the body received so far */
    size_t length;
    bool is_chunked, is_ended;
    bool has_answer; /* its connection has carried an answer */
    int status;
};

struct load {
    const struct load_options *o;
    struct load_result *out;
    struct client *clients;
    int epoll, open;
    int64_t begin_ns, measure_ns, end_ns;
    long started;
    size_t next_request;
};

static void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int connect_to(const struct load_options *o)
{
    int fd = socket(o->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0)
        fail("socket");
    if (o->address.ss_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (const struct sockaddr *)&o->address, o->address_size) < 0)
        fail("connect");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void watch(struct load *l, struct client *c, int how, uint32_t events)
{
    struct epoll_event e = { .events = events, .data.ptr = c };

    if (epoll_ctl(l->epoll, how, c->fd, &e) < 0)
        fail("epoll_ctl");
}

static void client_close(struct load *l, struct client *c)
{
    if (c->fd < 0)
        return;
    close(c->fd);
    c->fd = -1;
    l->open--;
}

static void note_error(struct load *l, const struct client *c)
{
    struct load_result *r = l->out;

    if (r->errors++ > 0)
        return;
    r->first_bad = c->status;
    snprintf(r->first_text, sizeof(r->first_text), "%.*s", (int)c->n, c->n ? c->in : "");
}

static void send_more(struct load *l, struct client *c)
{
    size_t before = c->sent;
    ssize_t n = send(c->fd, c->request + c->sent, c->request_size - c->sent, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN) {
        note_error(l, c);
        client_close(l, c);
        return;
    }
    c->sent += n > 0 ? (size_t)n : 0;
    if (c->sent < c->request_size)
        watch(l, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    else if (before > 0)
        watch(l, c, EPOLL_CTL_MOD, EPOLLIN);
}

/* A server may close a connection between two requests: the second one is sent on another. */
static void send_again(struct load *l, struct client *c)
{
    close(c->fd);
    c->fd = connect_to(l->o);
    watch(l, c, EPOLL_CTL_ADD, EPOLLIN);
    c->has_answer = false;
    c->sent = 0;
    send_more(l, c);
}

static bool is_over(const struct load *l, int64_t now_ns)
{
    return (l->o->count && l->started >= l->o->count) || now_ns >= l->end_ns;
}

/* The next request, or the end of this connection. */
static void client_next(struct load *l, struct client *c, int64_t now_ns)
{
    const struct load_options *o = l->o;

    if (is_over(l, now_ns)) {
        client_close(l, c);
        return;
    }
    c->request = o->request;
    c->request_size = o->request_size;
    if (o->requests) {
        c->request = o->requests[l->next_request++ % o->n_requests];
        c->request_size = strlen(c->request);
    }
    c->sent = c->n = c->head = c->body = c->length = 0;
    c->is_chunked = c->is_ended = false;
    c->status = 0;
    c->sent_ns = now_ns;
    if (o->stamps)
        c->sent_wall_us = clock_ns(CLOCK_REALTIME) / 1000;
    if (now_ns >= l->measure_ns)
        l->started++;
    send_more(l, c);
}

static const char *find(const char *in, size_t n, const char *what)
{
    return memmem(in, n, what, strlen(what));
}

static void read_head(struct client *c)
{
    const char *end = find(c->in, c->n, "\r\n\r\n"), *line;

    if (!end)
        return;
    c->head = (size_t)(end - c->in) + 4;
    c->status = c->n > 12 ? (int)strtol(c->in + 9, NULL, 10) : 0;
    for (line = c->in; line < end; line = find(line, c->n, "\r\n") + 2) {
        if (strncasecmp(line, "content-length:", 15) == 0)
            c->length = strtoul(line + 15, NULL, 10);
        if (strncasecmp(line, "transfer-encoding:", 18) == 0)
            c->is_chunked = true;
    }
    c->body = c->n - c->head;
}

static void note_stamp(struct load *l, const struct client *c)
{
    const char *at = find(c->in + c->head, c->n - c->head, "\"output\":");
    int64_t us = at ? strtoll(at + 9, NULL, 10) : 0;

    l->out->start_us[l->out->n] = us > c->sent_wall_us ? (uint32_t)(us - c->sent_wall_us) : 0;
}

static void client_answered(struct load *l, struct client *c)
{
    int64_t now = clock_ns(CLOCK_MONOTONIC);
    struct load_result *r = l->out;

    c->has_answer = true;
    if (c->status < 200 || c->status > 299)
        note_error(l, c);
    if (c->sent_ns >= l->measure_ns && r->n < MOST_SAMPLES) {
        if (l->o->stamps)
            note_stamp(l, c);
        r->took_us[r->n++] = (uint32_t)((now - c->sent_ns) / 1000);
    }
    client_next(l, c, now);
}

/* What does not fit is thrown away: only its end matters. */
static bool client_read(struct load *l, struct client *c)
{
    size_t room = c->cap - c->n - 1;
    ssize_t n;

    if (c->head && room < 4096) {
        memmove(c->in + c->head, c->in + c->n - 16, 16);
        c->n = c->head + 16;
        room = c->cap - c->n - 1;
    }
    n = recv(c->fd, c->in + c->n, room, 0);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0 && c->n == 0 && c->has_answer) {
        send_again(l, c);
        return false;
    }
    if (n <= 0) {
        note_error(l, c);
        client_close(l, c);
        return false;
    }
    l->out->bytes += n;
    c->n += (size_t)n;
    c->in[c->n] = '\0';
    if (c->head)
        c->body += (size_t)n;
    else
        read_head(c);
    c->is_ended = c->head && (c->is_chunked ? memcmp(c->in + c->n - 5, "0\r\n\r\n", 5) == 0
                                            : c->body >= c->length);
    return true;
}

static void open_all(struct load *l)
{
    const struct load_options *o = l->o;

    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->clients = calloc((size_t)o->clients, sizeof(*l->clients));
    if (l->epoll < 0 || !l->clients)
        fail("out of memory");
    for (int i = 0; i < o->clients; i++) {
        struct client *c = &l->clients[i];

        c->cap = o->count || o->seconds > 0 ? BUFFER : 2048;
        c->in = malloc(c->cap);
        if (!c->in)
            fail("out of memory");
        c->fd = connect_to(o);
        l->open++;
        watch(l, c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void turn(struct load *l, void (*act)(struct load *l, struct client *c, uint32_t events))
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(l->epoll, events, EVENTS, 10000);

    if (n < 0 && errno != EINTR)
        fail("epoll_wait");
    if (n == 0) {
        fprintf(stderr, "load: no answer for 10 seconds, with %d requests under way\n", l->open);
        exit(1);
    }
    for (int i = 0; i < n; i++)
        act(l, events[i].data.ptr, events[i].events);
}

static void act(struct load *l, struct client *c, uint32_t events)
{
    if (c->fd >= 0 && (events & EPOLLOUT))
        send_more(l, c);
    if (c->fd >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && client_read(l, c) &&
        c->is_ended)
        client_answered(l, c);
}

void load_run(const struct load_options *o, struct load_result *out)
{
    struct load l = { .o = o, .out = out };
    int64_t now;

    *out = (struct load_result){ 0 };
    out->took_us = malloc(sizeof(uint32_t) * (size_t)MOST_SAMPLES);
    out->start_us = malloc(sizeof(uint32_t) * (size_t)MOST_SAMPLES);
    if (!out->took_us || !out->start_us)
        fail("out of memory");
    open_all(&l);
    now = clock_ns(CLOCK_MONOTONIC);
    l.measure_ns = now + (int64_t)(o->warm_up * 1e9);
    l.end_ns = l.measure_ns + (int64_t)(o->seconds * 1e9);
    for (int i = 0; i < o->clients; i++)
        client_next(&l, &l.clients[i], now);
    while (l.open > 0)
        turn(&l, act);
    out->seconds = (double)(clock_ns(CLOCK_MONOTONIC) - l.measure_ns) / 1e9;
}

static void act_held(struct load *l, struct client *c, uint32_t events)
{
    bool had_head = c->head > 0;

    if (c->fd >= 0 && (events & EPOLLOUT))
        send_more(l, c);
    if (c->fd >= 0 && (events & EPOLLIN) && client_read(l, c) && c->head && !had_head)
        l->started++;
}

void load_hold(const struct load_options *o)
{
    struct load_result out = { 0 };
    struct load l = { .o = o, .out = &out, .end_ns = INT64_MAX, .measure_ns = INT64_MAX };
    char byte;

    open_all(&l);
    for (int i = 0; i < o->clients; i++)
        client_next(&l, &l.clients[i], 0);
    while (o->heads && l.started + out.errors < o->clients)
        turn(&l, act_held);
    printf("{\"open\": %d, \"errors\": %ld}\n", l.open, out.errors);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}
