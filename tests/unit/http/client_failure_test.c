/* SPDX-License-Identifier: Apache-2.0 */
/* Ends of a call other than a whole answer. */
#include "http/client.h"

#include "http/client_impl.h"

#include "client_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

static void nobody_listens(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p, NULL);
    close(p.server.listener);
    p.server.listener = -1;
    p.spec.method = "POST";
    p.spec.body = STR("x");
    p.restart_in_done = true; /* twice, the second from inside done */
    http_call_start(p.client, &p.call, &p.spec, p.events);
    assert_int_equal(p.n_done, 0);
    loop_run(p.loop);
    assert_int_equal(p.n_done, 2);
    assert_int_equal(p.outcome, STATUS_UNREACHABLE);
    assert_false(p.call.request_sent);
    assert_int_equal(p.call.status, 0);
    assert_int_equal(p.n_headers, 0);
    probe_deinit(&p);
}

static void what_is_no_url(void **state)
{
    static const char *const injected[] = { "X: a\r\nY: b", NULL };
    static const char *const urls[] = { "",
                                        "nonsense://x/",
                                        "file:///etc/passwd",
                                        "http://",
                                        "ftp://127.0.0.1/",
                                        "http://user:pw@127.0.0.1/",
                                        "http://127.0.0.1:99999/" };
    struct probe p;

    (void)state;
    probe_init(&p, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        p.spec.url = urls[i];
        call(&p);
        assert_int_equal(p.outcome, STATUS_INVALID);
        assert_false(p.call.request_sent);
    }
    p.spec.url = p.url;
    p.spec.headers = injected;
    call(&p);
    assert_int_equal(p.outcome, STATUS_INVALID);
    p.spec.headers = NULL;
    p.spec.method = "GET / HTTP/1.1\r\nX: y";
    call(&p);
    assert_int_equal(p.outcome, STATUS_INVALID);
    probe_deinit(&p);
}

static void reset_in_the_middle(struct server *s)
{
    int fd = server_accept(s);

    server_read(s, fd);
    server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    server_wait(s);
    server_reset(fd);
}

static void close_in_the_middle(struct server *s)
{
    int fd = server_accept(s);

    server_read(s, fd);
    server_send(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    server_wait(s);
    close(fd);
}

static void an_answer_that_breaks_off(void **state)
{
    void (*const scripts[])(struct server *) = { reset_in_the_middle, close_in_the_middle };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
        struct probe p;

        probe_init(&p, scripts[i]);
        p.events = &streaming;
        p.on_piece = let_go_once;
        call(&p);
        assert_int_equal(p.outcome, STATUS_BROKEN);
        assert_int_equal(p.call.status, 200);
        assert_string_equal(p.text.p, "half");
        assert_true(p.call.request_sent);
        probe_deinit(&p);
    }
}

static void close_in_the_head(struct server *s)
{
    int fd = server_accept(s);

    server_read(s, fd);
    server_send(fd, "HTTP/1.1 200 OK\r\nContent-Type: te");
    close(fd);
}

static void speak_nonsense(struct server *s)
{
    int fd = server_accept(s);

    server_read(s, fd);
    server_send(fd, "220 smtp.example ready\r\n\r\n");
    close(fd);
}

static void close_without_a_word(struct server *s)
{
    int fd = server_accept(s);

    server_read(s, fd);
    close(fd);
}

static void answers_that_are_none(void **state)
{
    void (*const scripts[])(struct server *) = { close_in_the_head, speak_nonsense,
                                                 close_without_a_word };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
        struct probe p;

        probe_init(&p, scripts[i]);
        p.spec.method = "POST";
        call(&p);
        assert_int_equal(p.outcome, STATUS_BROKEN);
        assert_true(p.call.request_sent);
        assert_int_equal(p.n_headers, 0);
        probe_deinit(&p);
    }
}

/* The first request is answered, the second is read and then the connection ends without an answer;
 * what comes on further connections is answered. */
static void drop_second_request(struct server *s)
{
    int fd = server_accept(s);

    server_read(s, fd);
    server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    server_read(s, fd);
    close(fd);
    fd = server_accept(s);
    if (fd < 0)
        return; /* nobody came: the listener was shut */
    if (server_read(s, fd))
        server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    server_wait_end(fd);
}

static void an_unsafe_request_is_never_sent_twice(void **state)
{
    static const char *const methods[] = { "POST", "PUT", "PATCH", "DELETE" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        struct probe p;

        probe_init(&p, drop_second_request);
        p.spec.method = methods[i];
        p.spec.body = STR("once");
        call(&p);
        assert_int_equal(p.outcome, STATUS_OK);
        call(&p);
        assert_int_equal(p.outcome, STATUS_BROKEN);
        assert_true(p.call.request_sent);
        shutdown(p.server.listener, SHUT_RDWR);
        http_client_free(p.client);
        p.client = NULL;
        pthread_join(p.server.thread, NULL);
        p.server.script = NULL;
        assert_int_equal(count_requests(&p.server), 2);
        probe_deinit(&p);
    }
}

static void a_safe_request_is_sent_again(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p, drop_second_request);
    call(&p);
    call(&p);
    assert_int_equal(p.outcome, STATUS_OK);
    assert_false(p.call.connection_reused);
    assert_int_equal(p.server.n_accepted, 2);
    probe_deinit(&p);
}

static void never_answer(struct server *s)
{
    int fd = server_accept(s);

    server_wait_end(fd);
}

static void slow_answers_time_out(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p, never_answer);
    p.spec.timeout_ms = 30;
    call(&p);
    assert_int_equal(p.outcome, STATUS_TIMED_OUT);
    p.spec.timeout_ms = 60000;
    p.spec.stall_timeout_ms = 30;
    call(&p);
    assert_int_equal(p.outcome, STATUS_TIMED_OUT);
    probe_deinit(&p);
}

static void send_half(struct server *s)
{
    int fd = server_accept(s);

    server_read(s, fd);
    server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
    server_wait_end(fd);
}

static void look_at_stall(struct probe *p)
{
    const struct call_impl *im = p->call.impl;

    assert_true(timer_armed(&im->stall));
    assert_int_equal(im->stall.due_ms, loop_now_ms(p->loop) + p->spec.stall_timeout_ms);
}

static void each_piece_moves_the_stall_timeout(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p, answer_much);
    p.events = &streaming;
    p.on_piece = look_at_stall;
    p.spec.stall_timeout_ms = 60000;
    call(&p);
    assert_int_equal(p.outcome, STATUS_OK);
    probe_deinit(&p);
}

static void on_paused(struct timer *t)
{
    struct probe *p = container_of(t, struct probe, timer);
    const struct call_impl *im = p->call.impl;

    assert_false(timer_armed(&im->stall));
    p->on_piece = look_at_stall;
    http_call_resume(&p->call);
}

static void a_pause_is_no_stall(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p, answer_much);
    timer_init(p.loop, &p.timer, on_paused);
    p.events = &streaming;
    p.pause_next = true;
    p.spec.stall_timeout_ms = 60000;
    call(&p);
    assert_int_equal(p.outcome, STATUS_OK);
    assert_int_equal(p.text.n, 640000);
    probe_deinit(&p);
}

static void on_cancel(struct timer *t)
{
    struct probe *p = container_of(t, struct probe, timer);

    http_call_cancel(&p->call);
    http_call_cancel(&p->call);
    assert_int_equal(p->n_done, 0);
}

static void cancel_soon(struct probe *p)
{
    assert_true(p->call.request_sent); /* known before its end */
    timer_start(&p->timer, 1);
}

static void cancelling(void **state)
{
    struct probe p;

    (void)state;
    /* at once */
    probe_init(&p, NULL);
    http_call_start(p.client, &p.call, &p.spec, p.events);
    http_call_cancel(&p.call);
    assert_int_equal(p.n_done, 0);
    loop_run(p.loop);
    assert_int_equal(p.outcome, STATUS_CANCELED);
    assert_false(p.call.request_sent);
    http_call_cancel(&p.call); /* harmless */
    http_call_resume(&p.call);
    probe_deinit(&p);

    /* while waiting; the server sees the connection end */
    probe_init(&p, send_half);
    timer_init(p.loop, &p.timer, on_cancel);
    p.events = &streaming;
    p.on_piece = cancel_soon;
    call(&p);
    assert_int_equal(p.outcome, STATUS_CANCELED);
    pthread_join(p.server.thread, NULL);
    p.server.script = NULL;
    probe_deinit(&p);

    /* from inside events */
    probe_init(&p, answer_much);
    p.events = &streaming;
    p.cancel_in_headers = true;
    call(&p);
    assert_int_equal(p.outcome, STATUS_CANCELED);
    assert_int_equal(p.n_pieces, 0);
    probe_deinit(&p);

    probe_init(&p, answer_much);
    p.events = &streaming;
    p.cancel_in_data = true;
    call(&p);
    assert_int_equal(p.outcome, STATUS_CANCELED);
    assert_int_equal(p.n_pieces, 1);
    probe_deinit(&p);
}

static void too_large(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p, answer_chunked); /* found out while reading */
    p.spec.max_body = 10;
    call(&p);
    assert_int_equal(p.outcome, STATUS_TOO_LARGE);
    probe_deinit(&p);

    probe_init(&p, answer_much); /* known from the head */
    p.spec.max_body = 639999;
    call(&p);
    assert_int_equal(p.outcome, STATUS_TOO_LARGE);
    assert_int_equal(p.call.body.n, 0);
    probe_deinit(&p);

    probe_init(&p, answer_much);
    p.spec.max_body = 640000;
    call(&p);
    assert_int_equal(p.outcome, STATUS_OK);
    assert_int_equal(p.call.body.n, 640000);
    probe_deinit(&p);
}

static void send_endless_head(struct server *s)
{
    int fd = server_accept(s);
    char line[1025];

    memset(line, 'h', sizeof(line) - 1);
    memcpy(line, "X: ", 3);
    memcpy(line + sizeof(line) - 3, "\r\n", 3);
    server_read(s, fd);
    server_send(fd, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 280; i++)
        server_send(fd, line);
    server_wait_end(fd);
}

static void an_endless_head(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p, send_endless_head);
    call(&p);
    assert_int_equal(p.outcome, STATUS_TOO_LARGE);
    assert_int_equal(p.n_headers, 0);
    probe_deinit(&p);
}

/* `piece` for much longer than any limit, or until nobody reads it. */
static void send_often(struct server *s, const char *first, const char *piece)
{
    int fd = server_accept(s);

    server_read(s, fd);
    server_send(fd, first);
    for (size_t sent = 0; sent < (4 << 20); sent += strlen(piece))
        server_send(fd, piece);
    server_wait_end(fd);
}

static void send_interim_answers(struct server *s)
{
    send_often(s, "",
               "HTTP/1.1 100 Continue\r\nX: a rather long field for so short an answer\r\n\r\n");
}

static void send_status_line(struct server *s)
{
    send_often(s, "HTTP/1.1 200 ",
               "a reason without an end, and without the end of a line either ");
}

static void send_trailers(struct server *s)
{
    send_often(s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
               "X: a trailer, and one more, and one more, and one more\r\n");
}

static void send_garbage_chunks(struct server *s)
{
    send_often(s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
               "what size is this?\r\n");
}

/* No deadline is set, and bytes come all the time: the limit alone ends these. */
static void answers_without_end(void **state)
{
    static const struct {
        void (*script)(struct server *s);
        enum status outcome;
    } rows[] = {
        { send_interim_answers, STATUS_TOO_LARGE },
        { send_trailers, STATUS_TOO_LARGE },
        { send_status_line, STATUS_BROKEN }, /* libcurl's own limit of a line */
        { send_garbage_chunks, STATUS_BROKEN },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct probe p;

        probe_init(&p, rows[i].script);
        p.spec.method = "POST";
        call(&p);
        assert_int_equal(p.outcome, rows[i].outcome);
        assert_true(p.call.head.n <= 256 * 1024);
        probe_deinit(&p);
    }
}

/* 64 lines of 100 bytes. */
static void send_some_head(struct server *s)
{
    int fd = server_accept(s);

    server_read(s, fd);
    server_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
    for (int i = 0; i < 64; i++)
        server_send(fd, "X: 4567890123456789012345678901234567890123456789"
                        "012345678901234567890123456789012345678901234567\r\n");
    server_send(fd, "\r\n");
    server_wait_end(fd);
}

static void a_limit_of_its_own(void **state)
{
    static const struct {
        size_t max;
        enum status outcome;
    } rows[] = { { 6000, STATUS_TOO_LARGE }, { 7000, STATUS_OK }, { 1 << 30, STATUS_OK } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct probe p;

        probe_init(&p, send_some_head);
        http_client_limit_head(p.client, rows[i].max);
        call(&p);
        assert_int_equal(p.outcome, rows[i].outcome);
        probe_deinit(&p);
    }
}

static void freeing_the_client_gives_up_its_calls(void **state)
{
    struct http_call second = { 0 };
    struct probe p;

    (void)state;
    probe_init(&p, send_half);
    p.events = &streaming;
    http_call_start(p.client, &p.call, &p.spec, p.events);
    http_call_start(p.client, &second, &p.spec, p.events); /* never even added */
    http_client_free(p.client);
    p.client = NULL;
    assert_null(p.call.impl);
    assert_int_equal(p.n_done, 0);
    http_call_deinit(&second);
    probe_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(what_is_no_url),
        cmocka_unit_test(an_answer_that_breaks_off),
        cmocka_unit_test(answers_that_are_none),
        cmocka_unit_test(an_unsafe_request_is_never_sent_twice),
        cmocka_unit_test(a_safe_request_is_sent_again),
        cmocka_unit_test(slow_answers_time_out),
        cmocka_unit_test(each_piece_moves_the_stall_timeout),
        cmocka_unit_test(a_pause_is_no_stall),
        cmocka_unit_test(cancelling),
        cmocka_unit_test(too_large),
        cmocka_unit_test(an_endless_head),
        cmocka_unit_test(answers_without_end),
        cmocka_unit_test(a_limit_of_its_own),
        cmocka_unit_test(freeing_the_client_gives_up_its_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
