/* SPDX-License-Identifier: Apache-2.0 */
/* Streamed answers: their form, their readers, and the limits of what waits for a reader. */
#include "house.h"

#define H "Host: h\r\n"

static void test_chunks(void **state)
{
    struct buf CLEANUP(buf_deinit) piece = BUF_INIT(BUF_UNBOUNDED);
    struct reply r;
    int fd = dial(&house.s);

    (void)state;
    for (int i = 0; i < 2; i++) {
        say(fd, "GET /v1/short HTTP/1.1\r\n" H "\r\n");
        hear_head(fd, &r);
        assert_int_equal(r.status, 200);
        assert_true(r.chunked);
        assert_has_not(&r.head, "Content-Length");
        hear_chunk(fd, &piece);
        assert_string_equal(piece.p, "one ");
        hear_chunk(fd, &piece);
        assert_string_equal(piece.p, "two");
        hear_chunk(fd, &piece);
        assert_string_equal(piece.p, "");
        reply_free(&r);
    }
    close(fd);
}

static void open_stream(int fd)
{
    struct buf CLEANUP(buf_deinit) piece = BUF_INIT(BUF_UNBOUNDED);
    struct reply r;

    say(fd, "GET /v1/stream HTTP/1.1\r\n" H "\r\n");
    hear_head(fd, &r);
    assert_has(&r.head, "\r\nContent-Type: text/event-stream\r\n");
    reply_free(&r);
    hear_chunk(fd, &piece);
    assert_string_equal(piece.p, "data: 1\n\n");
    await(&house.waiting);
}

static void test_reader_goes(void **state)
{
    int fd = dial(&house.s);

    (void)state;
    open_stream(fd);
    hang_up_hard(fd);
    await(&house.gone);
    fd = dial(&house.s);
    open_stream(fd);
    shutdown(fd, SHUT_WR);
    await(&house.gone);
    assert_closed(fd);
    close(fd);
    fd = dial(&house.s);
    open_stream(fd);
    close(fd);
    await(&house.gone);
}

/* A reader that was gone before its stream began. */
static void test_reader_was_gone(void **state)
{
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    int fd = dial(&house.s);

    (void)state;
    say(fd, "GET /v1/stream HTTP/1.1\r\n" H "\r\n");
    shutdown(fd, SHUT_WR);
    await(&house.gone);
    hear_all(fd, &heard);
    close(fd);
    assert_has(&heard, "HTTP/1.1 200 ");
}

/* Nobody reads: the stream ends at its cap, and everybody else is served. */
static void test_flood(void **state)
{
    struct http_limits limits = { .max_write_buffer = 256 << 10 };
    struct reply r;
    int fd[5];

    (void)state;
    house_open(&limits);
    for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
        fd[i] = dial(&house.s);
        say(fd[i], "GET /v1/flood HTTP/1.1\r\n" H "\r\n");
    }
    ask("GET /v1/ping HTTP/1.1\r\n" H "\r\n", &r);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
        await(&house.gone);
    for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
        close(fd[i]);
    house_close();
}

static void test_back_pressure(void **state)
{
    static char part[65536];
    size_t heard = 0;
    struct reply r;
    int fd = dial(&house.s), small = 65536;

    (void)state;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    say(fd, "GET /v1/measured HTTP/1.0\r\n\r\n");
    await(&house.waiting); /* it has filled what lies between us, and holds back */
    hear_head(fd, &r);
    reply_free(&r);
    for (;;) {
        ssize_t n = recv(fd, part, sizeof(part), 0);

        assert_true(n >= 0);
        if (n == 0)
            break;
        heard += (size_t)n;
    }
    assert_int_equal(heard, MEASURED);
    await(&house.drained);
    await(&house.ended);
    close(fd);
}

/* An answer that nobody takes does not hold its connection for ever. */
static void test_answer_that_is_not_taken(void **state)
{
    struct http_limits limits = { .write_timeout_ms = 30 };
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    struct pollfd gone;

    (void)state;
    house_open(&limits);
    gone.fd = dial(&house.s);
    gone.events = 0;
    say(gone.fd, "GET /v1/measured HTTP/1.1\r\n" H "\r\n");
    await(&house.gone);
    hear_all(gone.fd, &heard);
    assert_true(heard.n < MEASURED);
    close(gone.fd);
    house_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, house_setup, house_teardown)
        T(test_chunks),
        T(test_reader_goes),
        T(test_reader_was_gone),
        T(test_back_pressure),
#undef T
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_answer_that_is_not_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
