/* SPDX-License-Identifier: Apache-2.0 */
/* Request bodies that come by pieces. */
#include "http/client.h"

#include "client_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/socket.h>

/* What the test still gives: `left` bytes, in pieces of at most `piece`, with a pause before each
 * one where `waits`. */
static struct {
    size_t left, piece;
    bool waits, has_waited;
    int n_asked;
} source;

static size_t on_body(struct http_call *c, char *out, size_t room)
{
    struct probe *p = container_of(c, struct probe, call);
    size_t n = MIN(MIN(room, source.piece), source.left);

    source.n_asked++;
    if (source.waits && !source.has_waited) {
        source.has_waited = true;
        timer_start(&p->timer, 1); /* which resumes */
        return HTTP_CALL_LATER;
    }
    source.has_waited = false;
    memset(out, 'x', n);
    source.left -= n;
    return n;
}

static struct http_call_events events;

static void init(struct probe *p, void (*script)(struct server *s), size_t size, int64_t told)
{
    probe_init(p, script);
    events = streaming;
    events.body = on_body;
    p->events = &events;
    p->spec.method = "PATCH";
    p->spec.body_size = told;
    source.left = size;
    source.piece = 10000;
    source.waits = source.has_waited = false;
    source.n_asked = 0;
}

static void a_body_of_known_size(void **state)
{
    struct probe p;

    (void)state;
    init(&p, answer_empty, 1000000, 1000000);
    call(&p);
    assert_int_equal(p.outcome, STATUS_OK);
    assert_true(str_starts(buf_str(&p.server.heard), "PATCH "));
    assert_non_null(strstr(p.server.heard.p, "Content-Length: 1000000\r\n"));
    assert_null(strstr(p.server.heard.p, "Expect"));
    assert_null(strstr(p.server.heard.p, "chunked"));
    assert_true(p.server.heard.n > 1000000);
    assert_int_equal(source.left, 0);
    probe_deinit(&p);
}

static void a_body_that_has_to_be_waited_for(void **state)
{
    struct probe p;

    (void)state;
    init(&p, answer_empty, 95000, 95000);
    source.waits = true;
    call(&p);
    assert_int_equal(p.outcome, STATUS_OK);
    assert_int_equal(source.left, 0);
    assert_true(source.n_asked >= 20);
    probe_deinit(&p);
}

/* Until the last chunk. */
static void answer_chunks(struct server *s)
{
    char chunk[4096];
    int fd = server_accept(s);

    while (!s->heard.p || !strstr(s->heard.p, "\r\n0\r\n\r\n")) {
        ssize_t n = recv(fd, chunk, sizeof(chunk), 0);

        if (n <= 0)
            break;
        buf_add(&s->heard, chunk, (size_t)n);
    }
    server_send(fd, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    server_wait_end(fd);
}

static void a_body_of_unknown_size(void **state)
{
    struct probe p;

    (void)state;
    init(&p, answer_chunks, 30000, -1);
    source.waits = true;
    call(&p);
    assert_int_equal(p.outcome, STATUS_OK);
    assert_int_equal(p.call.status, 202);
    assert_non_null(strstr(p.server.heard.p, "Transfer-Encoding: chunked\r\n"));
    assert_null(strstr(p.server.heard.p, "Content-Length"));
    assert_true(p.server.heard.n > 30000);
    probe_deinit(&p);
}

/* It answers after the head, and reads nothing more. */
static void refuse_early(struct server *s)
{
    char chunk[4096];
    int fd = server_accept(s);
    ssize_t n = recv(fd, chunk, sizeof(chunk), 0);

    buf_add(&s->heard, chunk, (size_t)MAX(n, 0));
    server_send(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone");
    server_wait_end(fd);
}

static void a_refusal_ends_the_sending(void **state)
{
    struct probe p;

    (void)state;
    init(&p, refuse_early, (size_t)1 << 30, (int64_t)1 << 30);
    source.waits = true;
    call(&p);
    assert_int_equal(p.outcome, STATUS_OK);
    assert_int_equal(p.call.status, 404);
    assert_string_equal(p.text.p, "gone");
    assert_true(source.left > (size_t)1 << 29);
    probe_deinit(&p);
}

static void a_call_that_is_given_up(void **state)
{
    struct probe p;

    (void)state;
    init(&p, answer_chunks, (size_t)1 << 40, -1);
    source.waits = true;
    p.spec.timeout_ms = 50;
    call(&p);
    assert_int_equal(p.outcome, STATUS_TIMED_OUT);
    assert_int_equal(p.n_done, 1);
    probe_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_of_known_size),
        cmocka_unit_test(a_body_that_has_to_be_waited_for),
        cmocka_unit_test(a_body_of_unknown_size),
        cmocka_unit_test(a_refusal_ends_the_sending),
        cmocka_unit_test(a_call_that_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
