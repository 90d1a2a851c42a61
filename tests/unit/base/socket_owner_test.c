/* SPDX-License-Identifier: Apache-2.0 */
/* Whose sockets are, as the kernel says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/socket_owner.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOMEBODY = 310007 };

/* Only root makes sockets somebody else's. */
static uint32_t give(int fd)
{
    return geteuid() == 0 && fchown(fd, SOMEBODY, (gid_t)-1) == 0 ? SOMEBODY : geteuid();
}

static void of_both_families(void **state)
{
    static const int families[] = { AF_INET, AF_INET6 };

    (void)state;
    for (int i = 0; i < 2; i++) {
        union {
            struct sockaddr any;
            struct sockaddr_in v4;
            struct sockaddr_in6 v6;
        } at = { .v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
        socklen_t n = sizeof(at);
        int listener, client, accepted, off = 0;
        uint32_t wanted, uid = 1;

        /* A listener for both, to which the client comes by its IPv4 address. */
        listener = socket(families[i], SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (families[i] == AF_INET6) {
            at.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = in6addr_any };
            if (listener < 0 ||
                setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0) {
                print_message("skipped: no IPv6 here\n");
                return;
            }
        }
        assert_int_equal(bind(listener, &at.any, n), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, &at.any, &n), 0);
        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        wanted = give(client);
        at.v4 = (struct sockaddr_in){ .sin_family = AF_INET,
                                      .sin_port = at.v4.sin_port,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        assert_int_equal(connect(client, &at.any, sizeof(at.v4)), 0);
        accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(accepted >= 0);
        assert_int_equal(socket_peer_owner(accepted, &uid), STATUS_OK);
        assert_int_equal(uid, wanted);
        assert_int_equal(socket_peer_owner(client, &uid), STATUS_OK);
        assert_int_equal(uid, geteuid());
        wanted = give(listener);
        assert_int_equal(socket_listener_owner(ntohs(at.v4.sin_port), &uid), STATUS_OK);
        assert_int_equal(uid, wanted);
        close(client);
        close(accepted);
        close(listener);
        assert_int_equal(socket_listener_owner(ntohs(at.v4.sin_port), &uid), STATUS_NOT_FOUND);
    }
}

static void of_unix_sockets(void **state)
{
    uint32_t uid = 1;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(socket_peer_owner(ends[0], &uid), STATUS_OK);
    assert_int_equal(uid, geteuid());
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(socket_peer_owner(-1, &uid), STATUS_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_both_families),
        cmocka_unit_test(of_unix_sockets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
