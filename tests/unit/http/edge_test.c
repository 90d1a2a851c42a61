/* SPDX-License-Identifier: Apache-2.0 */
/* Odd requests over raw sockets: each is answered sensibly or refused, and nothing behind a refused
 * message is ever read as a request. */
#include "house.h"

#define H         "Host: h\r\n"
#define POST_HEAD "POST /v1/text HTTP/1.1\r\n" H
#define CHUNKED   POST_HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define SMUGGLED  "GET /smuggled HTTP/1.1\r\n" H "\r\n"

struct probe {
    const char *name;
    struct str bytes;
    int status;
};

#define P(n, st, b)                                                                                \
    {                                                                                              \
        .name = n, .status = st, .bytes = { b, sizeof(b) - 1 }                                     \
    }

static const struct probe refused[] = {
    P("length and encoding", 400,
      POST_HEAD "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    P("encoding and length", 400,
      POST_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
    P("two lengths", 400, POST_HEAD "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd"),
    P("two equal lengths", 400, POST_HEAD "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd"),
    P("signed length", 400, POST_HEAD "Content-Length: +38\r\n\r\n"),
    P("negative length", 400, POST_HEAD "Content-Length: -1\r\n\r\n"),
    P("padded length", 400, POST_HEAD "Content-Length:  38 \r\n\r\n"),
    P("length with a tab", 400, POST_HEAD "Content-Length:\t38\r\n\r\n"),
    P("list of lengths", 400, POST_HEAD "Content-Length: 38,38\r\n\r\n"),
    P("hexadecimal length", 400, POST_HEAD "Content-Length: 0x26\r\n\r\n"),
    P("20 digits", 400, POST_HEAD "Content-Length: 00000000000000000038\r\n\r\n"),
    P("20 nines", 400, POST_HEAD "Content-Length: 99999999999999999999\r\n\r\n"),
    P("empty length", 400, POST_HEAD "Content-Length:\r\n\r\n"),
    P("unknown encoding", 400, POST_HEAD "Transfer-Encoding: gzip\r\n\r\n"),
    P("chunked not last", 400, POST_HEAD "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    P("chunked not alone", 400, POST_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    P("xchunked", 400, POST_HEAD "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    P("chunked twice", 400,
      POST_HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    P("vertical tab before chunked", 400,
      POST_HEAD "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n"),
    P("empty encoding", 400, POST_HEAD "Transfer-Encoding:\r\n\r\n"),
    P("encoding with HTTP/1.0", 400,
      "POST /v1/text HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    P("head ends by CR alone", 400, "GET /v1/ping HTTP/1.1\r\n" H "\r" SMUGGLED),
    P("field ends by CR alone", 400,
      "GET /v1/ping HTTP/1.1\r\nX: y\rTransfer-Encoding: chunked\r\n" H "\r\n"),
    P("head ends by CR CR LF", 400, "GET /v1/ping HTTP/1.1\r\n" H "\r\r\n"),
    P("bare LF", 400, "GET /v1/ping HTTP/1.1\n" H "\r\n"),
    P("bare LF after a field", 400, "GET /v1/ping HTTP/1.1\r\nHost: h\n\r\n"),
    P("hexadecimal chunk size", 400, CHUNKED "0x26\r\n"),
    P("signed chunk size", 400, CHUNKED "+4\r\nabcd\r\n0\r\n\r\n"),
    P("empty chunk size", 400, CHUNKED "\r\nabcd\r\n0\r\n\r\n"),
    P("huge chunk size", 400, CHUNKED "ffffffffffffffffff\r\nabcd\r\n0\r\n\r\n"),
    P("bare LF after a chunk size", 400, CHUNKED "4\nabcd\r\n0\r\n\r\n"),
    P("bare LF after a chunk", 400, CHUNKED "4\r\nabcd\n0\r\n\r\n"),
    P("chunk longer than it says", 400, CHUNKED "4\r\nabcdef\r\n0\r\n\r\n"),
    P("missing last CR LF", 400, CHUNKED "4\r\nabcd\r\n0\r\n" SMUGGLED),
    P("NUL in a value", 400, "GET /v1/ping HTTP/1.1\r\n" H "X: a\0b\r\n\r\n"),
    P("escape in a value", 400, "GET /v1/ping HTTP/1.1\r\n" H "X: a\x1b[1mb\r\n\r\n"),
    P("DEL in a value", 400, "GET /v1/ping HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n"),
    P("space before the colon", 400, "GET /v1/ping HTTP/1.1\r\n" H "X : a\r\n\r\n"),
    P("space in a name", 400, "GET /v1/ping HTTP/1.1\r\n" H "X y: a\r\n\r\n"),
    P("empty name", 400, "GET /v1/ping HTTP/1.1\r\n" H ": a\r\n\r\n"),
    P("no colon", 400, "GET /v1/ping HTTP/1.1\r\n" H "Xa\r\n\r\n"),
    P("UTF-8 in a name", 400, "GET /v1/ping HTTP/1.1\r\n" H "X\xc3\xa4: a\r\n\r\n"),
    P("no Host", 400, "GET /v1/ping HTTP/1.1\r\n\r\n"),
    P("two Hosts", 400, "GET /v1/ping HTTP/1.1\r\n" H H "\r\n"),
    P("Host with user info", 400, "GET /v1/ping HTTP/1.1\r\nHost: u@h\r\n\r\n"),
    P("Host with a space", 400, "GET /v1/ping HTTP/1.1\r\nHost: h h\r\n\r\n"),
    P("Host with a path", 400, "GET /v1/ping HTTP/1.1\r\nHost: h/p\r\n\r\n"),
    P("folded field", 400, "GET /v1/ping HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n"),
    P("folded with a tab", 400, "GET /v1/ping HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n"),
    P("space ahead of the fields", 400, "GET /v1/ping HTTP/1.1\r\n X: a\r\n" H "\r\n"),
    P("HTTP/0.9", 400, "GET /v1/ping\r\n"),
    P("HTTP/0.9 with a version", 400, "GET /v1/ping HTTP/0.9\r\n\r\n"),
    P("HTTP/1.2", 400, "GET /v1/ping HTTP/1.2\r\n" H "\r\n"),
    P("HTTP/2 in words", 400, "GET /v1/ping HTTP/2.0\r\n" H "\r\n"),
    P("HTTP/2 preface", 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    P("lower-case version", 400, "GET /v1/ping http/1.1\r\n" H "\r\n"),
    P("two spaces", 400, "GET  /v1/ping HTTP/1.1\r\n" H "\r\n"),
    P("space after the version", 400, "GET /v1/ping HTTP/1.1 \r\n" H "\r\n"),
    P("tab for a space", 400, "GET\t/v1/ping HTTP/1.1\r\n" H "\r\n"),
    P("UTF-8 in the target", 400, "GET /v1/p\xc3\xa4 HTTP/1.1\r\n" H "\r\n"),
    P("RTSP", 400, "OPTIONS * RTSP/1.0\r\n\r\n"),
    P("TLS", 400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    P("unknown method", 501, "FROB /v1/ping HTTP/1.1\r\n" H "\r\n"),
    P("lower-case method", 501, "get /v1/ping HTTP/1.1\r\n" H "\r\n"),
    P("PRI as a method", 501, "PRI /v1/ping HTTP/1.1\r\n" H "\r\n"),
    P("unknown expectation", 417, POST_HEAD "Content-Length: 4\r\nExpect: tea\r\n\r\nabcd"),
    P("body over the limit", 413, POST_HEAD "Content-Length: 1001\r\n\r\n"),
    P("chunked body over the limit", 413, CHUNKED "3e9\r\n" /* 1001 bytes follow below */),
    P("body over the limit, expecting", 413,
      POST_HEAD "Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n"),
};

/* Sends the bytes with a further request behind them and expects a refusal and nothing else. */
static void expect_refused(const char *name, struct str bytes, size_t filling, int status)
{
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    struct buf CLEANUP(buf_deinit) sent = BUF_INIT(BUF_UNBOUNDED);
    char line[64];
    int fd = dial(&house.s);

    buf_add_str(&sent, bytes);
    for (size_t i = 0; i < filling; i++)
        buf_addc(&sent, 'x');
    buf_adds(&sent, SMUGGLED SMUGGLED);
    try_say(fd, sent.p, sent.n);
    hear_all(fd, &heard);
    close(fd);
    snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    if (!heard.p || !str_starts(buf_str(&heard), line))
        fail_msg("%s: expected %d, heard: %s", name, status, heard.p ? heard.p : "nothing");
    assert_has(&heard, "\r\nContent-Type: application/problem+json\r\n");
    assert_has(&heard, "\r\nConnection: close\r\n");
    assert_has(&heard, "\r\nX-Request-Id: ");
    snprintf(line, sizeof(line), "\"status\":%d}", status);
    assert_has(&heard, line);
    assert_has(&heard, "{\"detail\":\"");
    assert_null(strstr(heard.p, "}HTTP/1.1 "));
    assert_int_equal(atomic_load(&house.smuggled), 0);
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        expect_refused(refused[i].name, refused[i].bytes,
                       strstr(refused[i].name, "chunked body over") ? 1001 : 0, refused[i].status);
}

/* The same bytes one at a time: no decision may depend on how they arrive. */
static void test_refused_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
        char line[64];
        int fd = dial(&house.s), one = 1;

        setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one));
        for (size_t k = 0; k < refused[i].bytes.n; k++)
            if (!try_say(fd, refused[i].bytes.p + k, 1))
                break;
        if (strstr(refused[i].name, "chunked body over"))
            for (size_t k = 0; k < 1001; k++)
                try_say(fd, "x", 1);
        if (strcmp(refused[i].name, "missing last CR LF") != 0)
            try_say(fd, SMUGGLED, sizeof(SMUGGLED) - 1);
        hear_all(fd, &heard);
        close(fd);
        snprintf(line, sizeof(line), "HTTP/1.1 %d ", refused[i].status);
        if (!heard.p || !str_starts(buf_str(&heard), line))
            fail_msg("%s: expected %d, heard: %s", refused[i].name, refused[i].status, heard.p);
        assert_int_equal(atomic_load(&house.smuggled), 0);
    }
}

static void test_sizes(void **state)
{
    struct buf CLEANUP(buf_deinit) b = BUF_INIT(BUF_UNBOUNDED);

    (void)state;
    buf_adds(&b, "GET /");
    for (size_t i = 0; i < 9000; i++)
        buf_addc(&b, 'a');
    expect_refused("request line", buf_str(&b), 0, 414);
    buf_clear(&b);
    buf_adds(&b, "GET /v1/ping HTTP/1.1\r\n" H);
    for (size_t i = 0; i < 100; i++)
        buf_addf(&b, "X-%zu: y\r\n", i);
    buf_adds(&b, "\r\n");
    expect_refused("101 fields", buf_str(&b), 0, 431);
    buf_clear(&b);
    buf_adds(&b, "GET /v1/ping HTTP/1.1\r\n" H "X: ");
    expect_refused("32 KiB of fields", buf_str(&b), 40000, 431);
    buf_clear(&b);
    buf_adds(&b, CHUNKED "4;");
    expect_refused("chunk extension", buf_str(&b), 1100, 400);
    buf_clear(&b);
    buf_adds(&b, CHUNKED "4;a=");
    expect_refused("chunk extension's value", buf_str(&b), 1100, 400);
    buf_clear(&b);
    buf_adds(&b, CHUNKED "4;");
    for (size_t i = 0; i < 600; i++)
        buf_adds(&b, "a;");
    expect_refused("many chunk extensions", buf_str(&b), 0, 400);
    buf_clear(&b);
    buf_adds(&b, CHUNKED "0\r\nX: ");
    expect_refused("trailer", buf_str(&b), 40000, 431);
}

static void test_sizes_that_pass(void **state)
{
    struct buf CLEANUP(buf_deinit) b = BUF_INIT(BUF_UNBOUNDED);
    struct reply r;

    (void)state;
    buf_adds(&b, "GET /v1/asked?");
    for (size_t i = 0; i < 8000; i++)
        buf_addc(&b, 'a');
    buf_adds(&b, " HTTP/1.1\r\n" H);
    for (size_t i = 0; i < 99; i++)
        buf_addf(&b, "X-%zu: %0300d\r\n", i, 1);
    buf_adds(&b, "\r\n");
    ask(b.p, &r);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    buf_clear(&b);
    for (size_t i = 0; i < 3; i++)
        buf_addf(&b, "%s4;c=\"d e\";%0900d=1\r\nabcd\r\n", i == 0 ? CHUNKED : "", 1);
    buf_adds(&b, "0\r\nX-Trailer: y\r\n\r\n");
    ask(b.p, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body.p, "abcdabcdabcd");
    reply_free(&r);
}

/* Refused for what it asks, not for how it is written: the connection goes on. */
static void test_paths(void **state)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        { "GET /v1/things/a%00b HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET /v1/things/%2e%2e HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET /v1/things/../ping HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET /v1/x/%2e%2e/ping HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET /v1//ping HTTP/1.1\r\n" H "\r\n", 404 },
        { "GET //v1/ping HTTP/1.1\r\n" H "\r\n", 404 },
        { "GET /v1/things/a%2fb HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET /v1/things/a%2 HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET /v1/things/a%zz HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET /v1/things/%c0%af HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET /v1/things/a%0d%0ab HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET /v1/ping#x HTTP/1.1\r\n" H "\r\n", 400 },
        { "GET /nothing HTTP/1.1\r\n" H "\r\n", 404 },
        { "TRACE /v1/ping HTTP/1.1\r\n" H "\r\n", 405 },
        { "OPTIONS * HTTP/1.1\r\n" H "\r\n", 405 },
        { "OPTIONS /v1/ping HTTP/1.1\r\n" H "\r\n", 405 },
        { "QUERY /v1/ping HTTP/1.1\r\n" H "\r\n", 405 },
        { "VERSION-CONTROL /v1/ping HTTP/1.1\r\n" H "\r\n", 405 },
        { "DELETE /v1/text HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", 405 },
        { "GET /v1/things/a%20b/ HTTP/1.1\r\n" H "\r\n", 200 },
    };
    struct reply r;
    int fd = dial(&house.s);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        say(fd, cases[i].request);
        hear_reply(fd, &r);
        if (r.status != cases[i].status)
            fail_msg("%s: %d", cases[i].request, r.status);
        assert_has_not(&r.head, "Connection: close");
        if (r.status == 405)
            assert_has(&r.head, "\r\nAllow: ");
        reply_free(&r);
    }
    close(fd);
}

static void test_connect(void **state)
{
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    int fd = dial(&house.s);

    (void)state;
    say(fd, "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n" SMUGGLED);
    hear_all(fd, &heard);
    close(fd);
    assert_has(&heard, "HTTP/1.1 405 ");
    assert_has(&heard, "\r\nAllow: GET, HEAD, POST, PUT, PATCH, QUERY\r\n");
    assert_has(&heard, "\r\nConnection: close\r\n");
    assert_int_equal(atomic_load(&house.smuggled), 0);
}

static void test_unfinished_requests_are_refused(void **state)
{
    static const char *const cut[] = {
        "GET /v1/ping HT",
        "GET /v1/ping HTTP/1.1\r\nHost: h\r\n",
        POST_HEAD "Content-Length: 10\r\n\r\nabc",
        CHUNKED "4\r\nab",
        CHUNKED "4\r\nabcd\r\n0\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cut); i++) {
        struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
        int fd = dial(&house.s);

        say(fd, cut[i]);
        shutdown(fd, SHUT_WR);
        hear_all(fd, &heard);
        close(fd);
        assert_has(&heard, "HTTP/1.1 400 ");
    }
}

static void test_answer_after_fin(void **state)
{
    static const char *const whole[] = {
        "GET /v1/ping HTTP/1.1\r\n" H "\r\n",
        "GET /v1/late?x HTTP/1.1\r\n" H "\r\n",
        "GET /v1/short HTTP/1.0\r\n\r\n",
        CHUNKED "4\r\nabcd\r\n0\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
        struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
        int fd = dial(&house.s);

        say(fd, whole[i]);
        shutdown(fd, SHUT_WR);
        hear_all(fd, &heard);
        close(fd);
        assert_has(&heard, "HTTP/1.1 200 ");
    }
}

static void test_pipeline_before_fin(void **state)
{
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    int fd = dial(&house.s);

    (void)state;
    say(fd, "GET /v1/late?1 HTTP/1.1\r\n" H "\r\n" CHUNKED "4\r\nabcd\r\n0\r\n\r\n"
            "GET /v1/late?2 HTTP/1.1\r\n" H "\r\n");
    shutdown(fd, SHUT_WR);
    hear_all(fd, &heard);
    close(fd);
    assert_has(&heard, "late 1HTTP/1.1 200 ");
    assert_has(&heard, "\r\n\r\nabcdHTTP/1.1 200 ");
    assert_true(str_ends(buf_str(&heard), "late 2"));
}

static void test_nothing_said(void **state)
{
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    int fd = dial(&house.s);

    (void)state;
    shutdown(fd, SHUT_WR);
    hear_all(fd, &heard);
    close(fd);
    assert_int_equal(heard.n, 0);
    fd = dial(&house.s);
    say(fd, "\r\n\r\n");
    shutdown(fd, SHUT_WR);
    hear_all(fd, &heard);
    close(fd);
    assert_int_equal(heard.n, 0);
}

static void test_empty_lines_ahead(void **state)
{
    struct reply r;

    (void)state;
    ask("\r\n\r\nGET /v1/ping HTTP/1.1\r\n" H "\r\n", &r);
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

static const char pipeline[] =
    "GET /v1/late?1 HTTP/1.1\r\n" H "\r\n"
    "POST /v1/text HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nab"
    "\r\n"
    "QUERY /v1/text HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n2\r\ncd\r\n0\r\n\r\n"
    "HEAD /v1/ping HTTP/1.1\r\n" H "\r\n"
    "GET /v1/late?2 HTTP/1.1\r\n" H "\r\n"
    "GET /v1/nothing HTTP/1.1\r\n" H "\r\n"
    "POST /v1/echo HTTP/1.1\r\n" H "Content-Length: 8\r\n\r\n{\"a\": 1}"
    "GET /v1/short HTTP/1.1\r\n" H "\r\n"
    "GET /v1/ping HTTP/1.1\r\n" H "Connection: close\r\n\r\n" SMUGGLED;

static void hear_pipeline(int fd)
{
    static const char *const bodies[] = { "late 1",      "ab",         "cd",   "",    "late 2",
                                          "{\"detail\"", "{\"a\": 1}", "one ", "pong" };
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    const char *at;

    hear_all(fd, &heard);
    at = heard.p;
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        at = strstr(at, "HTTP/1.1 ");
        assert_non_null(at);
        at = strstr(at, "\r\n\r\n");
        assert_non_null(at);
        at += 4;
        if (i == 7)
            at += 3; /* the chunk's size */
        assert_memory_equal(at, bodies[i], strlen(bodies[i]));
    }
    assert_string_equal(at, "pong");
    assert_int_equal(atomic_load(&house.smuggled), 0);
}

static void test_pipeline_in_one_packet(void **state)
{
    int fd = dial(&house.s);

    (void)state;
    say(fd, pipeline);
    hear_pipeline(fd);
    close(fd);
}

static void test_pipeline_byte_by_byte(void **state)
{
    int fd = dial(&house.s), one = 1;

    (void)state;
    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one));
    for (size_t i = 0; pipeline[i]; i++)
        try_say(fd, pipeline + i, 1);
    hear_pipeline(fd);
    close(fd);
}

/* More than fits behind one request that is being answered. */
static void test_long_pipeline(void **state)
{
    static const char one[] =
        "GET /v1/late?x HTTP/1.1\r\n" H "Accept: text/plain, and a lot more of that\r\n\r\n";
    struct buf CLEANUP(buf_deinit) b = BUF_INIT(BUF_UNBOUNDED);
    struct reply r;
    int fd = dial(&house.s);
    enum { MANY = 3000 };

    (void)state;
    buf_adds(&b, "GET /v1/wait HTTP/1.1\r\n" H "\r\n");
    for (size_t i = 0; i < MANY; i++)
        buf_adds(&b, one);
    /* The first one is never answered: what is behind it must not pile up, and must not be run. */
    assert_true(try_say(fd, b.p, 100000));
    await(&house.waiting);
    hang_up_hard(fd);
    fd = dial(&house.s);
    buf_shift(&b, strlen("GET /v1/wait HTTP/1.1\r\n" H "\r\n"));
    buf_shift(&b, (MANY - 200) * (sizeof(one) - 1));
    assert_true(try_say(fd, b.p, b.n));
    for (size_t i = 0; i < 200; i++) {
        hear_reply(fd, &r);
        assert_string_equal(r.body.p, "late x");
        reply_free(&r);
    }
    close(fd);
}

static void test_continue(void **state)
{
    struct reply r;
    int fd = dial(&house.s);

    (void)state;
    for (int i = 0; i < 2; i++) {
        say(fd, POST_HEAD "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
        hear_head(fd, &r);
        assert_string_equal(r.head.p, "HTTP/1.1 100 Continue\r\n\r\n");
        reply_free(&r);
        say(fd, "abcd");
        hear_reply(fd, &r);
        assert_int_equal(r.status, 200);
        assert_string_equal(r.body.p, "abcd");
        reply_free(&r);
    }
    close(fd);
}

static void test_no_continue_for_what_is_refused(void **state)
{
    static const char *const requests[] = {
        "POST /v1/guarded HTTP/1.1\r\n" H "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n",
        "POST /v1/nothing HTTP/1.1\r\n" H "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n",
        "PUT /v1/refusing HTTP/1.1\r\n" H "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n",
        "POST /v1/echo HTTP/1.1\r\n" H "Content-Length: 4\r\nContent-Type: text/plain\r\n"
        "Expect: 100-continue\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
        int fd = dial(&house.s);

        say(fd, requests[i]);
        hear_all(fd, &heard);
        close(fd);
        assert_true(str_starts(buf_str(&heard), "HTTP/1.1 4"));
        assert_has(&heard, "Connection: close");
    }
}

static void test_http10(void **state)
{
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    struct reply r;
    int fd = dial(&house.s);

    (void)state;
    say(fd, "GET /v1/ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    hear_reply(fd, &r);
    assert_int_equal(r.status, 200);
    assert_has(&r.head, "\r\nConnection: keep-alive\r\n");
    reply_free(&r);
    say(fd, "GET /v1/short HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" SMUGGLED);
    hear_all(fd, &heard);
    assert_has(&heard, "\r\nConnection: close\r\n");
    assert_has_not(&heard, "chunked");
    assert_has(&heard, "\r\n\r\none two");
    close(fd);
    fd = dial(&house.s);
    say(fd, "GET /v1/ping HTTP/1.0\r\n\r\n" SMUGGLED);
    buf_clear(&heard);
    hear_all(fd, &heard);
    close(fd);
    assert_has(&heard, "HTTP/1.1 200 ");
    assert_int_equal(atomic_load(&house.smuggled), 0);
}

/* Somebody who offers another protocol gets an answer in this one. */
static void test_upgrade_is_passed_over(void **state)
{
    struct reply r;
    int fd = dial(&house.s);

    (void)state;
    for (int i = 0; i < 2; i++) {
        say(fd,
            POST_HEAD "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                      "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\nContent-Length: 4\r\n\r\nabcd");
        hear_reply(fd, &r);
        assert_string_equal(r.body.p, "abcd");
        reply_free(&r);
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, house_setup, house_teardown)
        T(test_refused),
        T(test_refused_byte_by_byte),
        T(test_sizes),
        T(test_sizes_that_pass),
        T(test_paths),
        T(test_connect),
        T(test_unfinished_requests_are_refused),
        T(test_answer_after_fin),
        T(test_pipeline_before_fin),
        T(test_nothing_said),
        T(test_empty_lines_ahead),
        T(test_pipeline_in_one_packet),
        T(test_pipeline_byte_by_byte),
        T(test_long_pipeline),
        T(test_continue),
        T(test_no_continue_for_what_is_refused),
        T(test_http10),
        T(test_upgrade_is_passed_over),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
