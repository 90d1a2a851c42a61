/* SPDX-License-Identifier: Apache-2.0 */
/* A real server on a real loop in a thread of its own, and plain blocking sockets against it.
 * Assertions are made on the test's own thread only; handlers report through counters and
 * semaphores. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "http/server.h"
#include "loop/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 20 }; /* for what must come; a test that waits so long has failed */

struct serving {
    const char *address;
    struct http_config config;
    pthread_t thread;
    struct loop *loop;
    struct http_server *server;
    struct http_listener *listener;
    struct wakeup *wakeup;
    void (*call)(struct serving *s);
    sem_t ready, called;
    int64_t grace_ms;
    int port;
};

static void serving_drained(void *arg)
{
    struct serving *s = arg;

    wakeup_free(s->wakeup);
    loop_stop(s->loop);
}

static void serving_called(void *arg)
{
    struct serving *s = arg;

    s->call(s);
    sem_post(&s->called);
}

static void *serving_main(void *arg)
{
    struct serving *s = arg;
    struct error err;

    s->loop = loop_new_real();
    s->server = http_server_new(s->loop);
    s->wakeup = wakeup_new(s->loop, serving_called, s);
    if (http_server_listen(s->server, s->address, &s->config, &s->listener, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    s->port = http_listener_port(s->listener);
    sem_post(&s->ready);
    loop_run(s->loop);
    http_server_free(s->server);
    loop_free(s->loop);
    return NULL;
}

static inline void serving_start(struct serving *s)
{
    if (!s->address)
        s->address = "127.0.0.1:0";
    s->config.user = s;
    sem_init(&s->ready, 0, 0);
    sem_init(&s->called, 0, 0);
    pthread_create(&s->thread, NULL, serving_main, s);
    sem_wait(&s->ready);
}

/* Waits for something that a handler reports. */
static inline void await(sem_t *sem)
{
    struct timespec until;
    int r;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    do
        r = sem_timedwait(sem, &until);
    while (r < 0 && errno == EINTR);
    assert_int_equal(r, 0);
}

/* Runs a function on the loop's thread. */
static inline void serving_call(struct serving *s, void (*call)(struct serving *s))
{
    s->call = call;
    wakeup_send(s->wakeup);
    await(&s->called);
}

static void serving_drain(struct serving *s)
{
    http_server_drain(s->server, s->grace_ms, serving_drained, s);
}

static inline void serving_stop(struct serving *s)
{
    serving_call(s, serving_drain);
    pthread_join(s->thread, NULL);
    sem_destroy(&s->ready);
    sem_destroy(&s->called);
}

static inline int dial(const struct serving *s)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)s->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval patience = { .tv_sec = PATIENCE_S };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

/* What the peer has closed already may be refused. */
static inline bool try_say(int fd, const void *p, size_t n)
{
    const char *at = p;

    while (n > 0) {
        ssize_t r = send(fd, at, n, MSG_NOSIGNAL);

        if (r <= 0)
            return false;
        at += r;
        n -= (size_t)r;
    }
    return true;
}

static inline void say(int fd, const char *text)
{
    assert_true(try_say(fd, text, strlen(text)));
}

/* Everything until the peer closes; a reset ends it as well. */
static inline void hear_all(int fd, struct buf *out)
{
    for (;;) {
        char *at = buf_reserve(out, 65536);
        ssize_t r = recv(fd, at, 65536, 0);

        if (r < 0)
            assert_true(errno == ECONNRESET || errno == EPIPE);
        if (r <= 0)
            return;
        buf_commit(out, (size_t)r);
    }
}

struct reply {
    int status;
    struct buf head, body;
    bool chunked;
};

static inline void reply_free(struct reply *r)
{
    buf_deinit(&r->head);
    buf_deinit(&r->body);
}

static inline void hear_byte(int fd, struct buf *out)
{
    char ch;

    assert_int_equal(recv(fd, &ch, 1, 0), 1);
    buf_addc(out, ch);
}

static inline void hear_head(int fd, struct reply *r)
{
    *r = (struct reply){ .head = BUF_INIT(BUF_UNBOUNDED), .body = BUF_INIT(BUF_UNBOUNDED) };
    while (!strstr(r->head.p ? r->head.p : "", "\r\n\r\n"))
        hear_byte(fd, &r->head);
    assert_true(str_starts(buf_str(&r->head), "HTTP/1.1 "));
    r->status = (int)strtol(r->head.p + 9, NULL, 10);
    r->chunked = strstr(r->head.p, "Transfer-Encoding: chunked") != NULL;
}

static inline void hear_chunk(int fd, struct buf *out)
{
    struct buf line = BUF_INIT(64);
    size_t n;

    while (!strstr(line.p ? line.p : "", "\r\n"))
        hear_byte(fd, &line);
    n = strtoul(line.p, NULL, 16);
    buf_clear(out);
    for (size_t i = 0; i < n + 2; i++)
        hear_byte(fd, out);
    out->n -= 2;
    out->p[out->n] = '\0';
    buf_deinit(&line);
}

/* One whole answer with a Content-Length. */
static inline void hear_reply(int fd, struct reply *r)
{
    const char *length;
    size_t n = 0;

    hear_head(fd, r);
    length = strstr(r->head.p, "Content-Length: ");
    if (length)
        n = strtoul(length + 16, NULL, 10);
    for (size_t i = 0; i < n; i++)
        hear_byte(fd, &r->body);
    if (!r->body.p)
        buf_adds(&r->body, "");
}

static inline void assert_has(const struct buf *b, const char *part)
{
    if (!strstr(b->p ? b->p : "", part))
        fail_msg("\"%s\" is not in: %s", part, b->p ? b->p : "");
}

static inline void assert_has_not(const struct buf *b, const char *part)
{
    if (strstr(b->p ? b->p : "", part))
        fail_msg("\"%s\" is in: %s", part, b->p);
}

static inline void assert_closed(int fd)
{
    char ch;

    assert_true(recv(fd, &ch, 1, 0) <= 0 && errno != EAGAIN);
}

/* Closes with a reset instead of a FIN. */
static inline void hang_up_hard(int fd)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}
