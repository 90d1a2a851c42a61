/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static struct sockaddr_storage at(const char *text)
{
    struct sockaddr_storage out = { 0 };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    struct sockaddr_in v4 = { .sin_family = AF_INET };

    if (strcmp(text, "unix") == 0) {
        out.ss_family = AF_UNIX;
    } else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
        memcpy(&out, &v6, sizeof(v6));
    } else {
        assert_int_equal(inet_pton(AF_INET, text, &v4.sin_addr), 1);
        memcpy(&out, &v4, sizeof(v4));
    }
    return out;
}

static void test_what_belongs(void **state)
{
    static const struct {
        const char *list, *address;
        bool belongs;
    } cases[] = {
        { "", "127.0.0.1", false },
        { "", "unix", false },
        { "unix", "unix", true },
        { "unix", "127.0.0.1", false },
        { "127.0.0.1", "127.0.0.1", true },
        { "127.0.0.1", "127.0.0.2", false },
        { "127.0.0.1", "::ffff:127.0.0.1", true },
        { "10.0.0.0/8 , 192.168.3.0/25", "10.255.1.2", true },
        { "10.0.0.0/8,192.168.3.0/25", "192.168.3.127", true },
        { "10.0.0.0/8,192.168.3.0/25", "192.168.3.128", false },
        { "0.0.0.0/0", "8.8.8.8", true },
        { "0.0.0.0/0", "fd00::1", false },
        { "::/0", "fd00::1", true },
        { "::/0", "8.8.8.8", true },
        { "fd00::/8", "fd12::1", true },
        { "fd00::/8", "fe80::1", false },
        { "fd00::/9", "fd80::1", false },
        { "::1,unix", "::1", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sockaddr_storage address = at(cases[i].address);
        struct networks list;
        struct error err;

        assert_int_equal(networks_parse(str_of(cases[i].list), &list, &err), STATUS_OK);
        if (networks_have(&list, &address) != cases[i].belongs)
            fail_msg("%s in %s", cases[i].address, cases[i].list);
        networks_deinit(&list);
    }
}

static void test_what_is_refused(void **state)
{
    static const char *const cases[] = { "localhost",       "10.0.0.0/33",  "10.0.0.0/",   "::/129",
                                         "10.0.0.0/-1",     "127.0.0.1,",   "1.2.3.4.5/8", "10/8",
                                         "unix,,127.0.0.1", "127.0.0.1 ::1" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct networks list;
        struct error err = { 0 };

        if (networks_parse(str_of(cases[i]), &list, &err) != STATUS_INVALID)
            fail_msg("%s was taken", cases[i]);
        assert_non_null(strchr(err.text, '"'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_belongs),
        cmocka_unit_test(test_what_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
