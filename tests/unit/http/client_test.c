/* SPDX-License-Identifier: Apache-2.0 */
/* What the client sends, and how answers come. */
#include "http/client.h"

#include "http/client_impl.h"

#include "client_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

static void a_chunked_answer_is_collected(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p, answer_chunked);
    call(&p);
    assert_int_equal(p.outcome, STATUS_OK);
    assert_int_equal(p.call.status, 201);
    assert_int_equal(p.n_headers, 1); /* neither for 103 nor for the trailer */
    assert_int_equal(p.status_in_headers, 201);
    assert_string_equal(p.call.body.p, "hello world");
    assert_true(p.call.request_sent);
    assert_false(p.call.connection_reused);
    assert_true(str_is(http_call_header(&p.call, "x-two"), "a b"));
    assert_true(str_is(http_call_header(&p.call, "X-Empty"), ""));
    assert_non_null(http_call_header(&p.call, "X-Empty").p);
    assert_null(http_call_header(&p.call, "X-Early").p);
    assert_null(http_call_header(&p.call, "X-Trailer").p);
    assert_null(http_call_header(&p.call, "HTTP/1.1 201 Created").p);
    probe_deinit(&p);
}

static void requests_are_sent_as_they_are(void **state)
{
    static const char *const headers[] = { "X-A: 1", "X-Empty: ", "Content-Type: text/x", NULL };
    struct probe p;
    char expected[512];

    (void)state;
    /* A proxy of the environment is none of ours. */
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    probe_init(&p, answer_empty);
    p.spec.headers = headers;
    p.spec.method = "PUT";
    p.spec.body = STR("{\"a\":1}");
    call(&p);
    snprintf(expected, sizeof(expected),
             "PUT /a/./b%%20?q=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: Berth/" BERTH_VERSION
             "\r\nAccept: */*\r\nX-A: 1\r\nX-Empty:\r\nContent-Type: text/x\r\nContent-Length: "
             "7\r\n\r\n{\"a\":1}",
             p.server.port);
    assert_string_equal(p.server.heard.p, expected);
    probe_deinit(&p);
    unsetenv("http_proxy");
}

static void bodies_and_their_absence(void **state)
{
    static const struct {
        const char *method;
        bool has_body;
        const char *contains, *lacks;
    } cases[] = {
        { "GET", false, "GET ", "Content-" },
        { "POST", false, "Content-Length: 0\r\n", "Content-Type" },
        { "POST", true, "Content-Length: 2000000\r\n", "Content-Type" },
        { "POST", true, "POST ", "Expect" },
        { "DELETE", false, "DELETE ", "Content-" },
        { "DELETE", true, "Content-Length: 2000000\r\n", "Expect" },
        { "QUERY", true, "QUERY ", "Content-Type" },
        { "HEAD", false, "HEAD ", "Content-" },
    };
    char *big = calloc(1, 2000000);

    (void)state;
    memset(big, 'x', 2000000);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct probe p;

        probe_init(&p, answer_empty);
        p.spec.method = cases[i].method;
        if (cases[i].has_body)
            p.spec.body = str_make(big, 2000000);
        call(&p);
        assert_int_equal(p.outcome, STATUS_OK);
        assert_non_null(strstr(p.server.heard.p, cases[i].contains));
        assert_null(strstr(p.server.heard.p, cases[i].lacks));
        if (cases[i].has_body)
            assert_true(p.server.heard.n > 2000000);
        probe_deinit(&p);
    }
    free(big);
}

static void answer_redirect(struct server *s)
{
    int fd = server_accept(s);

    server_read(s, fd);
    server_send(
        fd, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\nno");
    server_wait_end(fd);
}

static void redirects_are_answers(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p, answer_redirect);
    call(&p);
    assert_int_equal(p.outcome, STATUS_OK);
    assert_int_equal(p.call.status, 302);
    assert_string_equal(p.call.body.p, "no");
    probe_deinit(&p);
}

static void connections_are_kept(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p, answer_empty);
    p.spec.method = "POST";
    call(&p);
    assert_false(p.call.connection_reused);
    call(&p);
    assert_true(p.call.connection_reused);
    p.restart_in_done = true;
    http_call_start(p.client, &p.call, &p.spec, p.events);
    loop_run(p.loop);
    assert_int_equal(p.n_done, 4);
    assert_int_equal(p.outcome, STATUS_OK);
    assert_int_equal(p.server.n_accepted, 1);
    probe_deinit(&p);
}

static void answer_two_connections(struct server *s)
{
    int a = server_accept(s), b;

    server_read(s, a);
    server_send(a, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    b = server_accept(s);
    server_read(s, b);
    server_send(b, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    server_wait_end(a);
    server_wait_end(b);
}

static void a_new_connection_on_demand(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p, answer_two_connections);
    call(&p);
    p.spec.flags = HTTP_CALL_NEW_CONNECTION;
    call(&p);
    assert_int_equal(p.outcome, STATUS_OK);
    assert_false(p.call.connection_reused);
    probe_deinit(&p);
}

static void a_unix_socket(void **state)
{
    struct probe p;
    struct server s;

    (void)state;
    probe_init(&p, NULL);
    server_start_unix(&s, answer_chunked);
    p.spec.url = "http://localhost/x";
    p.spec.unix_socket = s.path;
    call(&p);
    assert_int_equal(p.outcome, STATUS_OK);
    assert_string_equal(p.call.body.p, "hello world");
    p.spec.unix_socket = "/tmp/berth-no-such-socket";
    call(&p);
    assert_int_equal(p.outcome, STATUS_UNREACHABLE);
    assert_false(p.call.request_sent);
    http_client_free(p.client); /* the server waits for the connection's end */
    p.client = NULL;
    server_end(&s);
    probe_deinit(&p);
}

/* ---- streams ---- */

static void pause_again(struct probe *p)
{
    p->pause_next = true;
}

static void a_paused_stream_loses_nothing(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p, answer_much);
    p.events = &streaming;
    p.pause_next = true;
    p.on_piece = pause_again; /* every second piece is refused once */
    call(&p);
    assert_int_equal(p.outcome, STATUS_OK);
    assert_int_equal(p.text.n, 640000);
    for (size_t i = 0; i < p.text.n; i++)
        assert_true(p.text.p[i] == 'm');
    assert_int_equal(p.call.body.n, 0);
    timer_stop(&p.timer);
    probe_deinit(&p);
}

static void answer_on_demand(struct server *s)
{
    int fd = server_accept(s);

    server_read(s, fd);
    server_send(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    server_wait(s);
    server_send(fd, "1\r\nb\r\n0\r\n\r\n");
    server_wait_end(fd);
}

static void pieces_come_as_they_arrive(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p, answer_on_demand);
    p.events = &streaming;
    p.on_piece = let_go_once; /* the second piece is sent when the first has been seen */
    call(&p);
    assert_int_equal(p.outcome, STATUS_OK);
    assert_string_equal(p.text.p, "ab");
    assert_int_equal(p.n_pieces, 2);
    probe_deinit(&p);
}

static atomic_int n_quickacks;

/* Stands before libc's for the whole program. */
int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    if (level == IPPROTO_TCP && name == TCP_QUICKACK)
        atomic_fetch_add(&n_quickacks, 1);
    return (int)syscall(SYS_setsockopt, fd, level, name, value, size);
}

static void answer_head_first(struct server *s)
{
    int fd = server_accept(s);

    while (server_read(s, fd)) {
        server_send(fd, "HTTP/1.1 200 OK\r\n");
        server_send(fd, "Transfer-Encoding: chunked\r\n\r\n");
        server_wait(s);
        server_send(fd, "1\r\na\r\n");
        server_wait(s);
        server_send(fd, "1\r\nb\r\n0\r\n\r\n");
    }
    close(fd);
}

static int quickacks_at_headers, quickacks_after_head;

static void on_after_head(struct timer *t)
{
    struct probe *p = container_of(t, struct probe, timer);

    quickacks_after_head = atomic_load(&n_quickacks);
    server_let_go(&p->server);
}

static void note_quickacks(struct http_call *c, int status)
{
    struct probe *p = container_of(c, struct probe, call);

    (void)status;
    quickacks_at_headers = atomic_load(&n_quickacks);
    timer_start(&p->timer, 0);
}

static void acknowledgements_do_not_wait(void **state)
{
    const struct http_call_events noting = { .headers = note_quickacks,
                                             .data = streaming.data,
                                             .done = streaming.done };
    struct probe p;

    (void)state;
    probe_init(&p, answer_head_first);
    p.events = &noting;
    timer_init(p.loop, &p.timer, on_after_head);
    for (int i = 0; i < 3; i++) {
        bool is_wanted = i > 0; /* on a fresh and on a reused connection */

        p.spec.flags = i == 0   ? 0
                       : i == 1 ? HTTP_CALL_QUICKACK | HTTP_CALL_NEW_CONNECTION
                                : HTTP_CALL_QUICKACK;
        if (i == 1) { /* the first connection is at its end for this single-minded server */
            http_client_free(p.client);
            server_end(&p.server);
            p.client = http_client_new(p.loop);
            server_start(&p.server, answer_head_first);
            snprintf(p.url, sizeof(p.url), "http://127.0.0.1:%d/", p.server.port);
        }
        atomic_store(&n_quickacks, 0);
        p.on_piece = let_go_once;
        call(&p);
        assert_int_equal(p.outcome, STATUS_OK);
        assert_int_equal(p.call.connection_reused, i == 2);
        if (!is_wanted) {
            assert_int_equal(atomic_load(&n_quickacks), 0);
            continue;
        }
        assert_true(quickacks_at_headers >= 1);                   /* before the answer */
        assert_true(quickacks_after_head > quickacks_at_headers); /* and again, for the body */
        assert_int_equal(atomic_load(&n_quickacks), quickacks_after_head);
    }
    probe_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunked_answer_is_collected),
        cmocka_unit_test(requests_are_sent_as_they_are),
        cmocka_unit_test(bodies_and_their_absence),
        cmocka_unit_test(redirects_are_answers),
        cmocka_unit_test(connections_are_kept),
        cmocka_unit_test(a_new_connection_on_demand),
        cmocka_unit_test(a_unix_socket),
        cmocka_unit_test(a_paused_stream_loses_nothing),
        cmocka_unit_test(pieces_come_as_they_arrive),
        cmocka_unit_test(acknowledgements_do_not_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
