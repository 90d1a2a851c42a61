/* SPDX-License-Identifier: Apache-2.0 */
/* A large answer goes in slices: what one turn of the loop hands to the kernel has a limit, and
 * nothing is lost or copied on the way. libuv's writes come by here first. */
#include "serving.h"

#include <dlfcn.h>
#include <uv.h>

enum { SIZE = 8 << 20, MOST = (384 << 10) + 4096 }; /* the end of one, two slices, heads */

static struct serving s;
static uint64_t turn, written, most; /* of the loop's thread */
static bool was_taken;

static void count(const uv_buf_t *bufs, unsigned n)
{
    struct loop_lag lag;

    loop_lag(s.loop, &lag);
    if (lag.turns != turn)
        written = 0;
    turn = lag.turns;
    for (unsigned i = 0; i < n; i++)
        written += bufs[i].len;
    most = MAX(most, written);
}

int uv_try_write(uv_stream_t *stream, const uv_buf_t *bufs, unsigned n)
{
    int (*real)(uv_stream_t *, const uv_buf_t *, unsigned) = dlsym(RTLD_NEXT, "uv_try_write");

    count(bufs, n);
    return real(stream, bufs, n);
}

int uv_write(uv_write_t *req, uv_stream_t *stream, const uv_buf_t *bufs, unsigned n, uv_write_cb cb)
{
    int (*real)(uv_write_t *, uv_stream_t *, const uv_buf_t *, unsigned, uv_write_cb) =
        dlsym(RTLD_NEXT, "uv_write");

    count(bufs, n);
    return real(req, stream, bufs, n, cb);
}

static char letter(size_t i)
{
    return (char)('a' + (i / 1000 + i) % 26);
}

static void on_large(struct http_request *r)
{
    struct buf CLEANUP(buf_deinit) b = BUF_INIT(SIZE);
    char *at = buf_reserve(&b, SIZE);

    for (size_t i = 0; i < SIZE; i++)
        at[i] = letter(i);
    buf_commit(&b, SIZE);
    http_respond_json(r, 200, &b);
    was_taken = b.n == 0;
}

static const struct http_route routes[] = {
    { .method = "GET", .path = "/large", .handler = on_large, .flags = HTTP_OPEN },
};

static void check(const char **at, const char *end)
{
    const char *body = strstr(*at, "\r\n\r\n");

    assert_true(str_starts(str_of(*at), "HTTP/1.1 200 OK\r\n"));
    assert_non_null(body);
    body += 4;
    assert_true(end - body >= SIZE);
    for (size_t i = 0; i < SIZE; i++)
        if (body[i] != letter(i))
            fail_msg("byte %zu is wrong", i);
    *at = body + SIZE;
}

/* The second one begins behind what waits of the first. */
static void large_answers_go_in_slices(void **state)
{
    struct buf all CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    const char *at, *end;
    int fd = dial(&s);

    (void)state;
    say(fd, "GET /large HTTP/1.1\r\nHost: h\r\n\r\n"
            "GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    hear_all(fd, &all);
    at = all.p;
    end = all.p + all.n;
    check(&at, end);
    check(&at, end);
    assert_ptr_equal(at, end);
    close(fd);
    assert_in_range(most, 1, MOST);
    assert_true(was_taken);
}

/* A client that goes in the middle leaves nothing behind. */
static void its_client_may_go(void **state)
{
    char bytes[65536];

    (void)state;
    for (size_t wanted = 1; wanted < SIZE; wanted += 600000) {
        int fd = dial(&s);

        say(fd, "GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
        for (size_t n = 0; n < wanted;) {
            ssize_t r = recv(fd, bytes, sizeof(bytes), 0);

            assert_true(r > 0);
            n += (size_t)r;
        }
        hang_up_hard(fd);
    }
}

static int setup(void **state)
{
    (void)state;
    s = (struct serving){ .config = { .routes = routes, .n_routes = ARRAY_SIZE(routes) },
                          .grace_ms = 60000 };
    serving_start(&s);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    serving_stop(&s);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(large_answers_go_in_slices, setup, teardown),
        cmocka_unit_test_setup_teardown(its_client_may_go, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
