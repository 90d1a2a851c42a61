/* SPDX-License-Identifier: Apache-2.0 */
/* Where a server listens, and who may connect how often. */
#include "house.h"

#include <ifaddrs.h>
#include <sys/stat.h>

#define H "Host: h\r\n"

static void test_unix_socket(void **state)
{
    static char path[64], address[80];
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    char dir[] = "/tmp/http-test-XXXXXX";
    struct stat st;
    struct reply r;
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/socket", dir);
    snprintf(address, sizeof(address), "unix:%s", path);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    /* What a killed server left behind is no hindrance. */
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    close(fd);
    memset(&house, 0, sizeof(house));
    house.s.address = address;
    house.s.config =
        (struct http_config){ .routes = house_routes, .n_routes = ARRAY_SIZE(house_routes) };
    serving_start(&house.s);
    assert_int_equal(house.s.port, 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    say(fd, "GET /v1/ping HTTP/1.1\r\nHost: localhost\r\n\r\n");
    hear_reply(fd, &r);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    close(fd);
    serving_stop(&house.s);
    assert_int_equal(stat(path, &st), -1);
    rmdir(dir);
}

static void test_addresses_that_cannot_be_listened_on(void **state)
{
    static const struct http_config config = { .routes = house_routes,
                                               .n_routes = ARRAY_SIZE(house_routes) };
    static const struct {
        const char *address;
        enum status status;
    } cases[] = {
        { "127.0.0.1", STATUS_INVALID },
        { ":0", STATUS_INVALID },
        { "127.0.0.1:65536", STATUS_INVALID },
        { "127.0.0.1:x", STATUS_INVALID },
        { "unix:", STATUS_INVALID },
        { "unix:/nonexistent/folder/socket", STATUS_INVALID },
        { "192.0.2.1:0", STATUS_INVALID },
    };
    struct http_listener *li;
    struct http_server *server;
    struct loop *l = loop_new_real();
    struct error err;
    char taken[40];

    (void)state;
    server = http_server_new(l);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(http_server_listen(server, cases[i].address, &config, &li, &err),
                         cases[i].status);
    house_open(NULL);
    snprintf(taken, sizeof(taken), "127.0.0.1:%d", house.s.port);
    assert_int_equal(http_server_listen(server, taken, &config, &li, &err), STATUS_CONFLICT);
    assert_non_null(strstr(err.text, taken));
    house_close();
    http_server_free(server);
    loop_free(l);
}

static void test_ipv6(void **state)
{
    struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    struct reply r;
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    char expected[64];

    (void)state;
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        close(fd);
        skip();
    }
    close(fd);
    memset(&house, 0, sizeof(house));
    house.s.address = "[::1]:0";
    house.s.config =
        (struct http_config){ .routes = house_routes, .n_routes = ARRAY_SIZE(house_routes) };
    serving_start(&house.s);
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    at.sin6_port = htons((uint16_t)house.s.port);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    say(fd, "GET /v1/asked HTTP/1.0\r\n\r\n");
    hear_reply(fd, &r);
    snprintf(expected, sizeof(expected), "GET|/v1/asked||http://[::1]:%d", house.s.port);
    assert_string_equal(r.body.p, expected);
    reply_free(&r);
    close(fd);
    serving_stop(&house.s);
}

/* An address of this machine that is not the loopback's. */
static bool own_address(struct in_addr *out)
{
    struct ifaddrs *all, *i;
    bool found = false;

    if (getifaddrs(&all) < 0)
        return false;
    for (i = all; i && !found; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
            continue;
        *out = ((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr;
        found = ntohl(out->s_addr) >> 24 != 127;
    }
    freeifaddrs(all);
    return found;
}

static int dial_at(struct in_addr address)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)house.s.port),
                              .sin_addr = address };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void test_limit_for_each_address(void **state)
{
    struct buf CLEANUP(buf_deinit) heard = BUF_INIT(BUF_UNBOUNDED);
    struct in_addr address = { 0 };
    struct reply r;
    int fd[2], other;

    (void)state;
    if (!own_address(&address))
        skip();
    memset(&house, 0, sizeof(house));
    sem_init(&house.waiting, 0, 0);
    sem_init(&house.gone, 0, 0);
    house.s.address = "0.0.0.0:0";
    house.s.config = (struct http_config){ .routes = house_routes,
                                           .n_routes = ARRAY_SIZE(house_routes),
                                           .limits.max_per_address = 2 };
    serving_start(&house.s);
    for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
        fd[i] = dial_at(address);
        say(fd[i], "GET /v1/wait HTTP/1.1\r\n" H "\r\n");
        await(&house.waiting);
    }
    other = dial_at(address);
    hear_all(other, &heard);
    assert_has(&heard, "HTTP/1.1 503 ");
    close(other);
    for (size_t i = 0; i < 5; i++) { /* the loopback has no limit */
        ask("GET /v1/ping HTTP/1.1\r\n" H "\r\n", &r);
        assert_int_equal(r.status, 200);
        reply_free(&r);
    }
    hang_up_hard(fd[0]);
    await(&house.gone);
    other = dial_at(address);
    say(other, "GET /v1/ping HTTP/1.1\r\n" H "\r\n");
    hear_reply(other, &r);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    close(other);
    close(fd[1]);
    house.s.grace_ms = 1;
    serving_stop(&house.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_addresses_that_cannot_be_listened_on),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_limit_for_each_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
