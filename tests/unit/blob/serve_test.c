/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs over HTTP: whole, in ranges, not again, and never more than a little of them in memory. */
#include "serving.h"

#include "blob/serve.h"

#define H      "Host: h\r\n"
#define ID     "01k00000000000000000abwxyz"
#define BIG_ID "01k00000000000000000bigbig"
#define BIG    (24 << 20)

static struct {
    struct serving s;
    struct blobs *blobs;
    char data[64];
    sem_t freed;
} house;

static struct blobs *blobs_here(struct http_request *r)
{
    struct error err;

    if (!house.blobs && blobs_open(r->loop, house.data, &house.blobs, &err) != STATUS_OK)
        abort();
    return house.blobs;
}

static void on_file(struct http_request *r)
{
    struct blob_answer a = {
        .id = ID,
        .name = STR("a \"b\" \xc3\xa4.png"),
        .content_type = http_query(r, "type"),
        .size = 10,
        .etag = STR("abc"),
        .for_all_origins = str_is(http_query(r, "all"), "1"),
    };
    struct blobs *b = blobs_here(r);
    struct blob_facts facts;
    struct error err;

    (void)!blob_put(b, ID, STR("0123456789"), &facts, &err); /* the second time it is there */
    blob_serve(b, r, &a);
}

static void on_missing(struct http_request *r)
{
    struct blob_answer a = {
        .id = "01k00000000000000000zzzzzz", .name = STR("x"), .size = 10, .etag = STR("x")
    };

    blob_serve(blobs_here(r), r, &a);
}

/* Its record says more than there is. */
static void on_short(struct http_request *r)
{
    struct blob_answer a = { .id = ID, .name = STR("x"), .size = 20, .etag = STR("x") };

    blob_serve(blobs_here(r), r, &a);
}

static void on_big(struct http_request *r)
{
    struct blob_answer a = { .id = BIG_ID, .name = STR("big"), .size = BIG, .etag = STR("x") };
    struct buf bytes CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct blob_facts facts;
    struct error err;

    memset(buf_reserve(&bytes, BIG), 'x', BIG);
    buf_commit(&bytes, BIG);
    (void)!blob_put(blobs_here(r), BIG_ID, buf_str(&bytes), &facts, &err);
    blob_serve(house.blobs, r, &a);
}

static const struct http_route routes[] = {
    { .method = "GET", .path = "/file", .handler = on_file, .flags = HTTP_OPEN },
    { .method = "GET", .path = "/missing", .handler = on_missing, .flags = HTTP_OPEN },
    { .method = "GET", .path = "/short", .handler = on_short, .flags = HTTP_OPEN },
    { .method = "GET", .path = "/big", .handler = on_big, .flags = HTTP_OPEN },
};

static void on_idle(void *arg)
{
    (void)arg;
    blobs_free(house.blobs);
    house.blobs = NULL;
    sem_post(&house.freed);
}

static void free_blobs(struct serving *s)
{
    (void)s;
    if (house.blobs)
        blobs_stop(house.blobs, on_idle, NULL);
    else
        sem_post(&house.freed);
}

static int setup(void **state)
{
    (void)state;
    memset(&house, 0, sizeof(house));
    sem_init(&house.freed, 0, 0);
    snprintf(house.data, sizeof(house.data), "/tmp/berth-serve-XXXXXX");
    assert_non_null(mkdtemp(house.data));
    house.s.config.routes = routes;
    house.s.config.n_routes = ARRAY_SIZE(routes);
    serving_start(&house.s);
    return 0;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    serving_call(&house.s, free_blobs);
    await(&house.freed);
    serving_stop(&house.s);
    snprintf(command, sizeof(command), "rm -rf %s", house.data);
    return system(command);
}

static void ask_with(const char *path, const char *fields, struct reply *r)
{
    char request[512];
    int fd = dial(&house.s);

    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" H "%s\r\n", path, fields);
    say(fd, request);
    hear_reply(fd, r);
    close(fd);
}

static void the_whole_file(void **state)
{
    struct reply r;

    (void)state;
    ask_with("/file?type=image/png", "", &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body.p, "0123456789");
    assert_has(&r.head, "\r\nContent-Type: image/png\r\n");
    assert_has(&r.head, "\r\nContent-Length: 10\r\n");
    assert_has(&r.head, "\r\nETag: \"abc\"\r\n");
    assert_has(&r.head, "\r\nAccept-Ranges: bytes\r\n");
    assert_has(&r.head, "\r\nX-Content-Type-Options: nosniff\r\n");
    assert_has(&r.head, "\r\nContent-Security-Policy: default-src 'none'; sandbox\r\n");
    assert_has(&r.head, "\r\nContent-Disposition: inline; filename=\"a _b_ __.png\"; "
                        "filename*=UTF-8''a%20%22b%22%20%C3%A4.png\r\n");
    assert_has_not(&r.head, "Access-Control");
    reply_free(&r);
    ask_with("/file?type=text/html&all=1", "", &r);
    assert_has(&r.head, "\r\nContent-Disposition: attachment; ");
    assert_has(&r.head, "\r\nAccess-Control-Allow-Origin: *\r\n");
    reply_free(&r);
    ask_with("/file", "", &r);
    assert_has(&r.head, "\r\nContent-Type: application/octet-stream\r\n");
    assert_has(&r.head, "\r\nContent-Disposition: attachment; ");
    reply_free(&r);
}

static void ranges(void **state)
{
    static const struct {
        const char *fields;
        int status;
        const char *body, *range;
    } rows[] = {
        { "Range: bytes=0-3\r\n", 206, "0123", "bytes 0-3/10" },
        { "Range: bytes=7-\r\n", 206, "789", "bytes 7-9/10" },
        { "Range: bytes=-2\r\n", 206, "89", "bytes 8-9/10" },
        { "Range: bytes=-200\r\n", 206, "0123456789", "bytes 0-9/10" },
        { "Range: bytes=5-500\r\n", 206, "56789", "bytes 5-9/10" },
        { "Range: bytes=9-9\r\nIf-Range: \"abc\"\r\n", 206, "9", "bytes 9-9/10" },
        { "Range: bytes=9-9\r\nIf-Range: \"old\"\r\n", 200, "0123456789", NULL },
        { "Range: bytes=0-1,4-5\r\n", 200, "0123456789", NULL },
        { "Range: bytes=4-2\r\n", 200, "0123456789", NULL },
        { "Range: lines=1-2\r\n", 200, "0123456789", NULL },
        { "Range: bytes=x\r\n", 200, "0123456789", NULL },
        { "Range: bytes=10-\r\n", 416, NULL, "bytes */10" },
        { "Range: bytes=-0\r\n", 416, NULL, "bytes */10" },
    };
    struct reply r;
    char field[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ask_with("/file", rows[i].fields, &r);
        assert_int_equal(r.status, rows[i].status);
        if (rows[i].body)
            assert_string_equal(r.body.p, rows[i].body);
        snprintf(field, sizeof(field), "\r\nContent-Range: %s\r\n",
                 rows[i].range ? rows[i].range : "");
        if (rows[i].range)
            assert_has(&r.head, field);
        else
            assert_has_not(&r.head, "Content-Range");
        reply_free(&r);
    }
}

static void what_is_known_is_not_sent_again(void **state)
{
    struct reply r;

    (void)state;
    ask_with("/file", "If-None-Match: \"x\", W/\"abc\"\r\n", &r);
    assert_int_equal(r.status, 304);
    assert_has(&r.head, "\r\nETag: \"abc\"\r\n");
    reply_free(&r);
    ask_with("/file", "If-None-Match: \"x\"\r\n", &r);
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

/* After a HEAD, and after a file, the connection goes on. */
static void connections_are_kept(void **state)
{
    struct reply r;
    int fd = dial(&house.s);

    (void)state;
    say(fd, "HEAD /file HTTP/1.1\r\n" H "\r\n");
    hear_head(fd, &r);
    assert_int_equal(r.status, 200);
    assert_has(&r.head, "\r\nContent-Length: 10\r\n");
    reply_free(&r);
    for (int i = 0; i < 2; i++) {
        say(fd, "GET /file HTTP/1.1\r\n" H "\r\n");
        hear_reply(fd, &r);
        assert_string_equal(r.body.p, "0123456789");
        reply_free(&r);
    }
    close(fd);
}

static void what_is_not_there(void **state)
{
    struct reply r;

    (void)state;
    ask_with("/missing", "", &r);
    assert_int_equal(r.status, 404);
    reply_free(&r);
}

/* Never does half a file look like a whole one. */
static void what_is_shorter_than_it_should_be(void **state)
{
    struct buf all CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct reply r;
    int fd;

    (void)state;
    ask_with("/file", "", &r);
    reply_free(&r);
    fd = dial(&house.s);
    say(fd, "GET /short HTTP/1.1\r\n" H "\r\n");
    hear_all(fd, &all);
    assert_has(&all, "\r\nContent-Length: 20\r\n");
    assert_true(str_ends(buf_str(&all), "\r\n\r\n0123456789"));
    close(fd);
}

/* One reads all of it, another goes away in the middle. */
static void a_big_file(void **state)
{
    char *piece = malloc(1 << 20);
    size_t total = 0;
    struct reply r;
    int fd = dial(&house.s);

    (void)state;
    say(fd, "GET /big HTTP/1.1\r\n" H "\r\n");
    hear_head(fd, &r);
    while (total < BIG) {
        ssize_t n = recv(fd, piece, 1 << 20, 0);

        assert_true(n > 0);
        total += (size_t)n;
    }
    assert_int_equal(total, BIG);
    close(fd);
    reply_free(&r);
    fd = dial(&house.s);
    say(fd, "GET /big HTTP/1.1\r\n" H "\r\n");
    hear_head(fd, &r);
    hang_up_hard(fd);
    reply_free(&r);
    free(piece);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_whole_file),
        TEST(ranges),
        TEST(what_is_known_is_not_sent_again),
        TEST(connections_are_kept),
        TEST(what_is_not_there),
        TEST(what_is_shorter_than_it_should_be),
        TEST(a_big_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
