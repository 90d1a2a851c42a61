/* SPDX-License-Identifier: Apache-2.0 */
#include "client_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* So that waiting for what never comes ends as a failure. */
enum { PATIENCE_MS = 20000 };

/* ---- the server ---- */

int server_accept(struct server *s)
{
    struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
    int fd = accept(s->listener, NULL, NULL);

    if (fd < 0)
        return fd;
    s->n_accepted++;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

bool server_read(struct server *s, int fd)
{
    size_t start = s->heard.n, need = 0;
    char chunk[4096];

    for (;;) {
        const char *head_end = s->heard.p ? strstr(s->heard.p + start, "\r\n\r\n") : NULL;
        ssize_t n;

        if (head_end) {
            const char *length = strcasestr(s->heard.p + start, "content-length:");

            need = (size_t)(head_end - s->heard.p) + 4;
            if (length && length < head_end)
                need += strtoul(length + 15, NULL, 10);
            if (s->heard.n >= need)
                return true;
        }
        n = recv(fd, chunk, sizeof(chunk), 0);
        if (n <= 0)
            return false;
        buf_add(&s->heard, chunk, (size_t)n);
    }
}

void server_send(int fd, const char *text)
{
    size_t n = strlen(text);

    while (n > 0) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return;
        text += sent;
        n -= (size_t)sent;
    }
}

void server_wait(struct server *s)
{
    char c;

    if (read(s->gate[0], &c, 1) != 1)
        return; /* the test has given up */
}

void server_let_go(struct server *s)
{
    if (write(s->gate[1], "x", 1) != 1)
        abort();
}

void server_wait_end(int fd)
{
    char chunk[4096];

    while (recv(fd, chunk, sizeof(chunk), 0) > 0)
        ;
    close(fd);
}

void server_reset(int fd)
{
    struct linger hard = { .l_onoff = 1 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd);
}

static void *server_main(void *arg)
{
    struct server *s = arg;

    s->script(s);
    return NULL;
}

void server_start(struct server *s, void (*script)(struct server *s))
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(in);

    *s = (struct server){ .script = script, .heard = BUF_INIT(64 << 20) };
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(s->listener, 16), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&in, &size), 0);
    s->port = ntohs(in.sin_port);
    assert_int_equal(pipe(s->gate), 0);
    if (script)
        assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

void server_start_unix(struct server *s, void (*script)(struct server *s))
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };

    *s = (struct server){ .script = script, .heard = BUF_INIT(1 << 20) };
    snprintf(s->path, sizeof(s->path), "/tmp/berth-client-test-%d", (int)getpid());
    memcpy(un.sun_path, s->path, sizeof(un.sun_path));
    unlink(s->path);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_int_equal(listen(s->listener, 16), 0);
    assert_int_equal(pipe(s->gate), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

void server_end(struct server *s)
{
    shutdown(s->listener, SHUT_RDWR); /* a script that still waits for a connection goes on */
    close(s->gate[1]);
    if (s->script)
        pthread_join(s->thread, NULL);
    close(s->gate[0]);
    close(s->listener);
    if (s->path[0])
        unlink(s->path);
    buf_deinit(&s->heard);
}

/* ---- the client's side ---- */

static void on_headers(struct http_call *c, int status)
{
    struct probe *p = container_of(c, struct probe, call);

    p->n_headers++;
    p->status_in_headers = status;
    if (p->cancel_in_headers)
        http_call_cancel(c);
}

static bool on_data(struct http_call *c, struct str piece)
{
    struct probe *p = container_of(c, struct probe, call);

    p->n_pieces++;
    if (p->pause_next) {
        p->pause_next = false;
        timer_start(&p->timer, 1);
        return false;
    }
    buf_add_str(&p->text, piece);
    if (p->cancel_in_data)
        http_call_cancel(c);
    if (p->on_piece)
        p->on_piece(p);
    return true;
}

static void on_done(struct http_call *c, const struct error *err)
{
    struct probe *p = container_of(c, struct probe, call);

    p->n_done++;
    p->outcome = err ? err->status : STATUS_OK;
    if (err)
        p->error = *err;
    if (p->restart_in_done) {
        p->restart_in_done = false;
        http_call_start(p->client, c, &p->spec, p->events);
        return;
    }
    loop_stop(p->loop);
}

const struct http_call_events collecting = { .headers = on_headers, .done = on_done };
const struct http_call_events streaming = { .headers = on_headers,
                                            .data = on_data,
                                            .done = on_done };

static void on_resume(struct timer *t)
{
    struct probe *p = container_of(t, struct probe, timer);

    http_call_resume(&p->call);
}

void probe_init(struct probe *p, void (*script)(struct server *s))
{
    *p = (struct probe){ .loop = loop_new_real(),
                         .text = BUF_INIT(64 << 20),
                         .events = &collecting };
    p->client = http_client_new(p->loop);
    timer_init(p->loop, &p->timer, on_resume);
    server_start(&p->server, script);
    snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%d/a/./b%%20?q=1", p->server.port);
    p->spec = (struct http_call_spec){ .method = "GET", .url = p->url, .timeout_ms = PATIENCE_MS };
}

void probe_deinit(struct probe *p)
{
    http_client_free(p->client);
    server_end(&p->server);
    http_call_deinit(&p->call);
    buf_deinit(&p->text);
    loop_free(p->loop);
}

void call(struct probe *p)
{
    int before = p->n_done;

    http_call_start(p->client, &p->call, &p->spec, p->events);
    assert_int_equal(p->n_done, before); /* never from inside start */
    loop_run(p->loop);
    assert_int_equal(p->n_done, before + 1);
}

void answer_chunked(struct server *s)
{
    int fd = server_accept(s);

    server_read(s, fd);
    server_send(
        fd,
        "HTTP/1.1 103 Early Hints\r\nX-Early: yes\r\n\r\n"
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nX-Two:  a b \r\nX-Empty:\r\n\r\n");
    server_send(fd, "5\r\nhello\r\n");
    server_send(fd, "6\r\n world\r\n0\r\nX-Trailer: t\r\n\r\n");
    server_wait_end(fd);
}

void answer_empty(struct server *s)
{
    int fd = server_accept(s);

    while (server_read(s, fd))
        server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    close(fd);
}

void answer_much(struct server *s)
{
    int fd = server_accept(s);
    char line[65];

    memset(line, 'm', 64);
    line[64] = '\0';
    server_read(s, fd);
    server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 640000\r\n\r\n");
    for (int i = 0; i < 10000; i++)
        server_send(fd, line);
    server_wait_end(fd);
}

void let_go_once(struct probe *p)
{
    p->on_piece = NULL;
    server_let_go(&p->server);
}

int count_requests(const struct server *s)
{
    int n = 0;

    for (const char *at = s->heard.p; (at = strstr(at, " HTTP/1.1\r\n")); at++)
        n++;
    return n;
}
