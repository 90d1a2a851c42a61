/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers and clients may rely on: answers, bodies, routes, addresses, the end. */
#include "house.h"

#define H "Host: h\r\n"

static void test_answer(void **state)
{
    struct reply r;

    (void)state;
    ask("GET /v1/ping HTTP/1.1\r\n" H "\r\n", &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body.p, "pong");
    assert_true(str_starts(buf_str(&r.head), "HTTP/1.1 200 OK\r\nDate: "));
    assert_has(&r.head, " GMT\r\n");
    assert_has(&r.head, "\r\nContent-Type: text/plain\r\n");
    assert_has(&r.head, "\r\nContent-Length: 4\r\n");
    assert_has(&r.head, "\r\nX-Content-Type-Options: nosniff\r\n");
    assert_has_not(&r.head, "Connection:");
    reply_free(&r);
}

static void test_request_id(void **state)
{
    const char *at, *other;
    struct reply r, again;

    (void)state;
    ask("GET /v1/ping HTTP/1.1\r\n" H "X-Request-Id: my.Own_id-1\r\n\r\n", &r);
    assert_has(&r.head, "\r\nX-Request-Id: my.Own_id-1\r\n");
    reply_free(&r);
    ask("GET /v1/ping HTTP/1.1\r\n" H "X-Request-Id: not this one\r\n\r\n", &r);
    ask("GET /v1/nothing HTTP/1.1\r\n" H "X-Request-Id:\r\n\r\n", &again);
    at = strstr(r.head.p, "X-Request-Id: ");
    other = strstr(again.head.p, "X-Request-Id: ");
    assert_non_null(at);
    assert_non_null(other);
    assert_memory_equal(at + 14 + 26, "\r\n", 2);
    assert_true(strncmp(at, other, 14 + 26) < 0); /* they sort by time */
    reply_free(&r);
    reply_free(&again);
}

static void test_head(void **state)
{
    static const char *const paths[] = { "/v1/ping", "/v1/large", "/v1/short", "/v1/stream",
                                         "/v1/nothing" };
    struct reply head, get;
    int fd = dial(&house.s);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        char request[100];
        char *length;

        snprintf(request, sizeof(request), "HEAD %s HTTP/1.1\r\n" H "X-Request-Id: x\r\n\r\n",
                 paths[i]);
        say(fd, request);
        hear_head(fd, &head);
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" H "X-Request-Id: x\r\n\r\n",
                 paths[i]);
        get.head = BUF_INIT(BUF_UNBOUNDED);
        get.body = BUF_INIT(BUF_UNBOUNDED);
        if (i != 1 && i != 3) {
            int other = dial(&house.s);

            say(other, request);
            hear_head(other, &get);
            /* The date may have moved on by a second. */
            assert_string_equal(strstr(head.head.p, "X-Request-Id"),
                                strstr(get.head.p, "X-Request-Id"));
            close(other);
        }
        length = strstr(head.head.p, "Content-Length: ");
        if (i == 1)
            assert_int_equal(strtoul(length + 16, NULL, 10), MEASURED);
        reply_free(&head);
        reply_free(&get);
    }
    await(&house.gone); /* the endless stream was told that nobody reads */
    close(fd);
}

static void test_large_answer(void **state)
{
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    int fd = dial(&house.s);

    (void)state;
    say(fd, "GET /v1/large HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    hear_all(fd, &heard);
    close(fd);
    assert_int_equal(strlen(strstr(heard.p, "\r\n\r\n")), 4);
    assert_int_equal(heard.n - (size_t)(strstr(heard.p, "\r\n\r\n") + 4 - heard.p), MEASURED);
}

static void test_an_answer_over_its_limit(void **state)
{
    struct reply r;

    (void)state;
    ask("GET /v1/overfull HTTP/1.1\r\n" H "X-Request-Id: which\r\n\r\n", &r);
    assert_int_equal(r.status, 500);
    assert_has(&r.head, "\r\nContent-Type: application/problem+json\r\n");
    assert_has(&r.body, "larger than 20 bytes");
    assert_has(&r.body, "which");
    assert_has_not(&r.body, "\"a\"");
    reply_free(&r);
}

static void post_list(size_t n, struct reply *r)
{
    struct buf CLEANUP(buf_deinit) request = BUF_INIT(BUF_UNBOUNDED);

    buf_addf(&request, "POST /v1/echo HTTP/1.1\r\n" H "Content-Length: %zu\r\n\r\n[", 2 * n + 1);
    for (size_t i = 0; i < n; i++)
        buf_adds(&request, i + 1 < n ? "1," : "1]");
    ask(request.p, r);
}

static void test_json_of_many_values(void **state)
{
    struct reply r;

    (void)state;
    post_list(HTTP_JSON_VALUES - 1, &r); /* the list is a value too */
    assert_int_equal(r.status, 200);
    reply_free(&r);
    post_list(HTTP_JSON_VALUES, &r);
    assert_int_equal(r.status, 400);
    assert_has(&r.body, "more than 200000 values");
    reply_free(&r);
}

static void test_prefixes(void **state)
{
    static const char *const paths[] = {
        "/v1/asked?q=a+b%26c&q=z",          "/asked?q=a+b%26c",
        "/v1/v1/asked?q=a+b%26c",           "/v1/asked/?q=a+b%26c",
        "/v1/https://h/v1/asked?q=a+b%26c", "http://h/v1/asked?q=a+b%26c",
    };
    char request[200];
    struct reply r;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" H "\r\n", paths[i]);
        ask(request, &r);
        assert_int_equal(r.status, 200);
        assert_string_equal(r.body.p, i == 3 ? "GET|/v1/asked/|a b&c|http://h"
                                             : "GET|/v1/asked|a b&c|http://h");
        reply_free(&r);
    }
}

static void test_base_url_without_host(void **state)
{
    char expected[100];
    struct reply r;

    (void)state;
    ask("GET /v1/asked HTTP/1.0\r\n\r\n", &r);
    snprintf(expected, sizeof(expected), "GET|/v1/asked||http://127.0.0.1:%d", house.s.port);
    assert_string_equal(r.body.p, expected);
    reply_free(&r);
}

static void test_not_found_and_not_allowed(void **state)
{
    struct reply r;

    (void)state;
    ask("GET /v1/nothing HTTP/1.1\r\n" H "\r\n", &r);
    assert_int_equal(r.status, 404);
    assert_has(&r.head, "\r\nContent-Type: application/problem+json\r\n");
    assert_string_equal(
        r.body.p, "{\"detail\":\"The requested resource could not be found.\",\"status\":404}");
    reply_free(&r);
    ask("PUT /things/x HTTP/1.1\r\n" H "\r\n", &r);
    assert_int_equal(r.status, 405);
    assert_has(&r.head, "\r\nAllow: GET, HEAD, PATCH\r\n");
    assert_string_equal(r.body.p,
                        "{\"detail\":\"Method \\\"PUT\\\" not allowed.\",\"status\":405}");
    reply_free(&r);
}

static void test_params_are_decoded_and_fields_cannot_be_split(void **state)
{
    struct reply r;

    (void)state;
    ask("GET /v1/things/a%20%e2%82%ac%3F HTTP/1.1\r\n" H "\r\n", &r);
    assert_string_equal(r.body.p, "a \xe2\x82\xac?");
    assert_has(&r.head, "\r\nX-Name: v  X-Injected: 1\r\n");
    reply_free(&r);
}

static const struct {
    const char *type, *body; /* a type may have more fields behind it */
    int status;
    const char *says;
} json_cases[] = {
    { "application/json", "{\"a\" : [1, 2]}", 200, "{\"a\" : [1, 2]}" },
    { "application/json; charset=utf-8", "{}", 200, "{}" },
    { "application/vnd.x+json", "{}", 200, "{}" },
    { "", "{}", 200, "{}" },
    { "text/plain", "{}", 415, "Unsupported media type \\\"text/plain\\\" in request." },
    { "application/x-www-form-urlencoded", "a=b", 415, "Unsupported media type" },
    { "application/json\r\nContent-Encoding: gzip", "\x1f\x8b\x08", 415,
      "Content-Encoding \\\"gzip\\\" is not taken: send the body as it is" },
    { "application/json\r\nContent-Encoding: Identity", "{}", 200, "{}" },
    { "application/json", "", 400, "a JSON object is expected" },
    { "application/json", "{\"a\": 1,}", 400, "line 1, column 9" },
    { "application/json", "{\n \"a\" 1}", 400, "line 2, column 6" },
    { "application/json", "{\"a\":{\"b\":1,\"c\":2,\"b\":3}}", 400,
      "\\\"b\\\" is given more than once" },
    { "application/json", "{\"a\":\"\xff\"}", 400, "\"title\":\"Bad Request\"" },
    { "application/json", "nothing", 400, "\"title\":\"Bad Request\"" },
};

static void test_json_bodies(void **state)
{
    int fd = dial(&house.s);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(json_cases); i++) {
        struct buf CLEANUP(buf_deinit) b = BUF_INIT(BUF_UNBOUNDED);
        struct reply r;

        buf_addf(&b, "POST /v1/echo HTTP/1.1\r\n" H "%s%s%sContent-Length: %zu\r\n\r\n%s",
                 *json_cases[i].type ? "Content-Type: " : "", json_cases[i].type,
                 *json_cases[i].type ? "\r\n" : "", strlen(json_cases[i].body), json_cases[i].body);
        say(fd, b.p);
        hear_reply(fd, &r);
        if (r.status != json_cases[i].status || !strstr(r.body.p, json_cases[i].says))
            fail_msg("%s: %d %s", json_cases[i].body, r.status, r.body.p);
        assert_has_not(&r.head, "Connection: close");
        reply_free(&r);
    }
    close(fd);
}

static void test_nested_without_end(void **state)
{
    struct buf CLEANUP(buf_deinit) b = BUF_INIT(BUF_UNBOUNDED);
    enum { DEEP = 1 << 20 };
    struct reply r;
    int fd = dial(&house.s);

    (void)state;
    buf_addf(&b, "POST /v1/echo HTTP/1.1\r\n" H "Content-Length: %d\r\n\r\n", DEEP);
    for (int i = 0; i < DEEP; i++)
        buf_addc(&b, '[');
    assert_true(try_say(fd, b.p, b.n));
    hear_reply(fd, &r);
    close(fd);
    assert_int_equal(r.status, 400);
    reply_free(&r);
}

/* Content-Type and even a body on a GET are no reason to refuse it. */
static void test_body_of_a_get(void **state)
{
    struct reply r;
    int fd = dial(&house.s);

    (void)state;
    for (int i = 0; i < 2; i++) {
        say(fd, "GET /v1/asked HTTP/1.1\r\n" H
                "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
        hear_reply(fd, &r);
        assert_int_equal(r.status, 200);
        reply_free(&r);
    }
    close(fd);
}

/* Whoever may not ask does not get to send a body, and keeps the connection when that is a small
 * one. */
static void test_gate(void **state)
{
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    struct reply r;
    int fd = dial(&house.s);

    (void)state;
    say(fd, "POST /v1/guarded HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nno json ");
    hear_reply(fd, &r);
    assert_int_equal(r.status, 401);
    assert_has(&r.body, "{\"title\":\"Unauthenticated\",\"detail\":\"You did not");
    reply_free(&r);
    say(fd, ".POST /v1/guarded HTTP/1.1\r\n" H "Authorization: x\r\nContent-Length: 2\r\n\r\n{}");
    hear_reply(fd, &r);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    say(fd, "POST /v1/guarded HTTP/1.1\r\n" H "Content-Length: 1000000\r\n\r\n");
    hear_all(fd, &heard);
    assert_has(&heard, "HTTP/1.1 401 ");
    assert_has(&heard, "\r\nConnection: close\r\n");
    close(fd);
}

/* An endless body that nobody wants ends with its connection, and its sender can read the answer.
 */
static void test_unwanted_chunks(void **state)
{
    static const char chunk[] = "400\r\n%01024d\r\n";
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    char text[1100];
    int fd = dial(&house.s);

    (void)state;
    say(fd, "POST /v1/nothing HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
    snprintf(text, sizeof(text), chunk, 0);
    for (int i = 0; i < 200; i++)
        try_say(fd, text, strlen(text));
    hear_all(fd, &heard);
    close(fd);
    assert_has(&heard, "HTTP/1.1 404 ");
}

static void test_upload(void **state)
{
    static char bytes[1 << 20];
    static const char *const paths[] = { "/v1/upload", "/v1/slow" };
    char head[200];
    struct reply r;
    int fd = dial(&house.s);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        snprintf(head, sizeof(head), "PUT %s HTTP/1.1\r\n" H "Content-Length: %zu\r\n\r\n",
                 paths[i], sizeof(bytes));
        say(fd, head);
        assert_true(try_say(fd, bytes, sizeof(bytes)));
        hear_reply(fd, &r);
        assert_int_equal(r.status, 201);
        assert_string_equal(r.body.p, "1048576");
        reply_free(&r);
        snprintf(head, sizeof(head), "PUT %s HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n",
                 paths[i]);
        say(fd, head);
        for (int k = 0; k < 300; k++)
            say(fd, "5\r\nabcde\r\n1\r\nf\r\n");
        say(fd, "0\r\n\r\n");
        hear_reply(fd, &r);
        assert_string_equal(r.body.p, "1800");
        reply_free(&r);
        snprintf(head, sizeof(head), "PUT %s HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", paths[i]);
        say(fd, head);
        hear_reply(fd, &r);
        assert_string_equal(r.body.p, "0");
        reply_free(&r);
        snprintf(head, sizeof(head),
                 "PUT %s HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n",
                 paths[i]);
        say(fd, head);
        hear_head(fd, &r);
        assert_int_equal(r.status, 100);
        reply_free(&r);
        say(fd, "abc");
        hear_reply(fd, &r);
        assert_string_equal(r.body.p, "3");
        reply_free(&r);
    }
    close(fd);
}

static void test_unfinished_upload(void **state)
{
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    int fd = dial(&house.s);

    (void)state;
    say(fd, "PUT /v1/upload HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nabc");
    await(&house.waiting);
    hang_up_hard(fd);
    await(&house.gone);
    fd = dial(&house.s);
    say(fd, "PUT /v1/upload HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nabc");
    await(&house.waiting);
    shutdown(fd, SHUT_WR);
    await(&house.gone);
    hear_all(fd, &heard);
    close(fd);
    assert_has(&heard, "HTTP/1.1 400 ");
}

static void test_upload_over_its_limit(void **state)
{
    static char chunk[65536];
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    int fd = dial(&house.s);

    (void)state;
    say(fd, "PUT /v1/upload HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 65; i++)
        if (!try_say(fd, "10000\r\n", 7) || !try_say(fd, chunk, sizeof(chunk)) ||
            !try_say(fd, "\r\n", 2))
            break;
    hear_all(fd, &heard);
    close(fd);
    assert_has(&heard, "HTTP/1.1 413 ");
    await(&house.gone);
}

static void test_client_goes_while_it_waits(void **state)
{
    struct reply r;
    int fd = dial(&house.s);

    (void)state;
    say(fd, "GET /v1/wait HTTP/1.1\r\n" H "\r\n");
    await(&house.waiting);
    hang_up_hard(fd);
    await(&house.gone);
    fd = dial(&house.s);
    say(fd, "GET /v1/wait HTTP/1.1\r\n" H "\r\n");
    await(&house.waiting);
    shutdown(fd, SHUT_WR);
    await(&house.half);
    hear_reply(fd, &r);
    assert_string_equal(r.body.p, "starting");
    assert_has(&r.head, "Connection: close");
    reply_free(&r);
    assert_closed(fd);
    close(fd);
}

/* What went wrong inside is for the log, not for the client. */
static void test_errors(void **state)
{
    struct reply r;

    (void)state;
    ask("GET /v1/broken HTTP/1.1\r\n" H "X-Request-Id: abc\r\n\r\n", &r);
    assert_int_equal(r.status, 500);
    assert_has_not(&r.body, "secret");
    assert_has(&r.body, "abc");
    reply_free(&r);
    ask("GET /v1/conflict HTTP/1.1\r\n" H "\r\n", &r);
    assert_int_equal(r.status, 409);
    assert_string_equal(r.body.p, "{\"detail\":\"the name is taken\",\"status\":409}");
    reply_free(&r);
}

static void test_observer(void **state)
{
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    struct reply r;
    int fd;

    (void)state;
    ask("GET /v1/ping HTTP/1.1\r\n" H "\r\n", &r);
    reply_free(&r);
    ask("GET /v1/nothing HTTP/1.1\r\n" H "\r\n", &r);
    reply_free(&r);
    fd = dial(&house.s);
    say(fd, "nonsense\r\n");
    hear_all(fd, &heard);
    close(fd);
    /* By the time of a further answer, those before it have been observed. */
    ask("GET /v1/ping HTTP/1.1\r\n" H "\r\n", &r);
    reply_free(&r);
    assert_true(atomic_load(&house.observed) >= 3);
    assert_int_equal(atomic_load(&house.observed_404), 1);
}

static sem_t draining;

static void drain_now(struct serving *s)
{
    serving_drain(s);
    sem_post(&draining);
}

/* Idle connections close, what is open is answered, what does not end in time is told. */
static void test_drain(void **state)
{
    struct reply r;
    int idle, half, waits;

    (void)state;
    sem_init(&draining, 0, 0);
    house_open(NULL);
    house.s.grace_ms = 60000;
    idle = dial(&house.s);
    say(idle, "GET /v1/ping HTTP/1.1\r\n" H "\r\n");
    hear_reply(idle, &r);
    reply_free(&r);
    waits = dial(&house.s);
    say(waits, "GET /v1/wait HTTP/1.1\r\n" H "\r\n");
    await(&house.waiting);
    half = dial(&house.s);
    say(half, "PUT /v1/upload HTTP/1.1\r\n" H "Content-Length: 4\r\n\r\nab");
    await(&house.waiting);
    house.s.call = drain_now;
    wakeup_send(house.s.wakeup);
    await(&draining);
    assert_closed(idle);
    say(half, "cd");
    hear_reply(half, &r);
    assert_int_equal(r.status, 201);
    assert_has(&r.head, "Connection: close");
    reply_free(&r);
    shutdown(waits, SHUT_WR);
    hear_reply(waits, &r);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    close(idle);
    close(half);
    close(waits);
    pthread_join(house.s.thread, NULL);
    sem_destroy(&draining);
}

static void test_drain_with_its_grace_over(void **state)
{
    int waits, fresh;

    (void)state;
    house_open(NULL);
    fresh = dial(&house.s);
    waits = dial(&house.s);
    say(waits, "GET /v1/wait HTTP/1.1\r\n" H "\r\n");
    await(&house.waiting);
    house.s.grace_ms = 1;
    house_close();
    await(&house.gone);
    assert_closed(waits);
    assert_closed(fresh);
    close(waits);
    close(fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, house_setup, house_teardown)
        T(test_answer),
        T(test_request_id),
        T(test_head),
        T(test_large_answer),
        T(test_an_answer_over_its_limit),
        T(test_json_of_many_values),
        T(test_prefixes),
        T(test_base_url_without_host),
        T(test_not_found_and_not_allowed),
        T(test_params_are_decoded_and_fields_cannot_be_split),
        T(test_json_bodies),
        T(test_nested_without_end),
        T(test_body_of_a_get),
        T(test_gate),
        T(test_unwanted_chunks),
        T(test_upload),
        T(test_unfinished_upload),
        T(test_upload_over_its_limit),
        T(test_client_goes_while_it_waits),
        T(test_errors),
        T(test_observer),
#undef T
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_with_its_grace_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
