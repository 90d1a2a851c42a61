/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that take their time: deadlines are totals, and limits are on connections. The tests wait
 * for what has to come; none says how long it may take. */
#include "house.h"

#define H "Host: h\r\n"

/* Says one byte after the other, each after a moment in which the server did not answer. */
static void drip(int fd, const char *text, struct buf *heard)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    for (;; text += text[1] != '\0')
        if (poll(&p, 1, 2) > 0 || !try_say(fd, text, 1))
            break;
    hear_all(fd, heard);
    close(fd);
}

static void test_head_that_drips(void **state)
{
    struct http_limits limits = { .head_timeout_ms = 40 };
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);

    (void)state;
    house_open(&limits);
    drip(dial(&house.s), "GET /v1/ping HTTP/1.1\r\nX: yyyyyyy", &heard);
    assert_has(&heard, "HTTP/1.1 408 ");
    assert_has(&heard, "\r\nConnection: close\r\n");
    assert_has(&heard, "application/problem+json");
    house_close();
}

static void test_body_that_drips(void **state)
{
    static const char *const requests[] = {
        "POST /v1/text HTTP/1.1\r\n" H "Content-Length: 1000\r\n\r\nabc",
        "POST /v1/text HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0000000",
        "POST /v1/nothing HTTP/1.1\r\n" H "Content-Length: 1000\r\n\r\nabc",
    };
    struct http_limits limits = { .body_floor_after_ms = 40, .body_floor_per_s = 1 << 20 };

    (void)state;
    house_open(&limits);
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
        const char *body = strstr(requests[i], "\r\n\r\n") + 4;
        int fd = dial(&house.s);

        assert_true(try_say(fd, requests[i], (size_t)(body - requests[i])));
        if (i == 2) {
            struct reply r;

            /* Answered already, and still not allowed to drip. */
            hear_reply(fd, &r);
            assert_int_equal(r.status, 404);
            reply_free(&r);
        }
        drip(fd, body, &heard);
        if (i < 2)
            assert_has(&heard, "HTTP/1.1 408 ");
    }
    house_close();
}

static void test_upload_that_stalls(void **state)
{
    struct http_limits limits = { .body_floor_after_ms = 40 };
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    static char burst[1 << 20];
    int fd;

    (void)state;
    house_open(&limits);
    fd = dial(&house.s);
    say(fd, "PUT /v1/upload HTTP/1.1\r\n" H "Content-Length: 2000000\r\n\r\n");
    /* A burst does not buy a long silence. */
    assert_true(try_say(fd, burst, sizeof(burst)));
    await(&house.gone);
    hear_all(fd, &heard);
    close(fd);
    assert_has(&heard, "HTTP/1.1 408 ");
    house_close();
}

/* A handler that pauses is slow itself; its client is not to blame. */
static void test_pause_is_not_the_clients(void **state)
{
    struct http_limits limits = { .body_floor_after_ms = 5 };
    static char bytes[1 << 20];
    struct reply r;
    int fd;

    (void)state;
    house_open(&limits);
    fd = dial(&house.s);
    say(fd, "PUT /v1/slow HTTP/1.1\r\n" H "Content-Length: 1048576\r\n\r\n");
    assert_true(try_say(fd, bytes, sizeof(bytes)));
    hear_reply(fd, &r);
    assert_int_equal(r.status, 201);
    assert_string_equal(r.body.p, "1048576");
    reply_free(&r);
    close(fd);
    house_close();
}

static void test_idle_connections_close(void **state)
{
    struct http_limits limits = { .head_timeout_ms = 20, .idle_timeout_ms = 20 };
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    struct reply r;
    int fd;

    (void)state;
    house_open(&limits);
    fd = dial(&house.s);
    hear_all(fd, &heard);
    assert_int_equal(heard.n, 0);
    close(fd);
    fd = dial(&house.s);
    say(fd, "GET /v1/ping HTTP/1.1\r\n" H "\r\n");
    hear_reply(fd, &r);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    assert_closed(fd);
    close(fd);
    house_close();
}

static void test_silent_crowd(void **state)
{
    enum { CROWD = 300 };
    struct http_limits limits = { .max_connections = 100 };
    static int crowd[CROWD];
    struct reply r;

    (void)state;
    house_open(&limits);
    for (size_t i = 0; i < CROWD; i++)
        crowd[i] = dial(&house.s);
    ask("GET /v1/ping HTTP/1.1\r\n" H "\r\n", &r);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    assert_closed(crowd[0]); /* the longest idle made room */
    for (size_t i = 0; i < CROWD; i++)
        close(crowd[i]);
    house_close();
}

/* When all are at work, the one that is too many is turned away. */
static void test_busy_crowd(void **state)
{
    struct http_limits limits = { .max_connections = 3 };
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    int busy[3], fd;

    (void)state;
    house_open(&limits);
    for (size_t i = 0; i < ARRAY_SIZE(busy); i++) {
        busy[i] = dial(&house.s);
        say(busy[i], "GET /v1/wait HTTP/1.1\r\n" H "\r\n");
        await(&house.waiting);
    }
    fd = dial(&house.s);
    hear_all(fd, &heard);
    close(fd);
    assert_has(&heard, "HTTP/1.1 503 ");
    assert_has(&heard, "application/problem+json");
    for (size_t i = 0; i < ARRAY_SIZE(busy); i++)
        close(busy[i]);
    house.s.grace_ms = 1;
    house_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_that_drips),
        cmocka_unit_test(test_body_that_drips),
        cmocka_unit_test(test_upload_that_stalls),
        cmocka_unit_test(test_pause_is_not_the_clients),
        cmocka_unit_test(test_idle_connections_close),
        cmocka_unit_test(test_silent_crowd),
        cmocka_unit_test(test_busy_crowd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
