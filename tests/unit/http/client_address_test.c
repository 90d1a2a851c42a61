/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that may go to public addresses only. */
#include "http/client.h"

#include "http/client_impl.h"

#include "client_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void only_public_addresses(void **state)
{
    struct probe p;

    (void)state;
    probe_init(&p, answer_empty);
    p.spec.flags = HTTP_CALL_PUBLIC_ONLY;
    call(&p);
    assert_int_equal(p.outcome, STATUS_FORBIDDEN);
    assert_false(p.call.request_sent);
    assert_int_equal(p.server.n_accepted, 0);

    /* A connection that another call opened is not a way around it. */
    p.spec.flags = 0;
    call(&p);
    assert_int_equal(p.outcome, STATUS_OK);
    p.spec.flags = HTTP_CALL_PUBLIC_ONLY;
    call(&p);
    assert_int_equal(p.outcome, STATUS_FORBIDDEN);
    assert_int_equal(count_requests(&p.server), 1);

    p.spec.unix_socket = "/tmp/berth-no-such-socket";
    call(&p);
    assert_int_equal(p.outcome, STATUS_FORBIDDEN);
    probe_deinit(&p);
}

static void names_for_loopback_are_refused_too(void **state)
{
    static const char *const hosts[] = { "localhost",          "127.1",      "0",
                                         "2130706433",         "0x7f000001", "[::1]",
                                         "[::ffff:127.0.0.1]", "[::]" };
    struct probe p;

    (void)state;
    probe_init(&p, NULL);
    p.spec.flags = HTTP_CALL_PUBLIC_ONLY;
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        snprintf(p.url, sizeof(p.url), "http://%s:%d/", hosts[i], p.server.port);
        call(&p);
        /* Where the machine has no IPv6 nothing is even tried. */
        assert_true(p.outcome == STATUS_FORBIDDEN ||
                    (hosts[i][0] == '[' && p.outcome == STATUS_UNREACHABLE));
    }
    probe_deinit(&p);
}

static void which_addresses_are_public(void **state)
{
    static const char *const private[] = { "0.0.0.0",
                                           "0.1.2.3",
                                           "10.0.0.1",
                                           "10.255.255.255",
                                           "100.64.0.1",
                                           "100.127.255.255",
                                           "127.0.0.1",
                                           "127.255.255.255",
                                           "169.254.169.254",
                                           "172.16.0.1",
                                           "172.31.255.255",
                                           "192.0.0.1",
                                           "192.168.1.1",
                                           "198.18.0.1",
                                           "198.19.255.255",
                                           "224.0.0.1",
                                           "239.255.255.255",
                                           "240.0.0.1",
                                           "255.255.255.255",
                                           "::",
                                           "::1",
                                           "::127.0.0.1",
                                           "::ffff:127.0.0.1",
                                           "::ffff:10.1.2.3",
                                           "::ffff:169.254.169.254",
                                           "64:ff9b::10.0.0.1",
                                           "64:ff9b::7f00:1",
                                           "64:ff9b:1::1",
                                           "2002:7f00:1::",
                                           "2002:a00:1::1",
                                           "fc00::1",
                                           "fdff::1",
                                           "fe80::1",
                                           "febf::1",
                                           "fec0::1",
                                           "ff02::1",
                                           "not an address",
                                           "" };
    static const char *const public[] = {
        "1.1.1.1",         "9.255.255.255",   "11.0.0.0",
        "100.63.255.255",  "100.128.0.0",     "126.255.255.255",
        "128.0.0.0",       "169.253.255.255", "169.255.0.0",
        "172.15.255.255",  "172.32.0.0",      "192.0.1.0",
        "192.167.255.255", "192.169.0.0",     "198.17.255.255",
        "198.20.0.0",      "223.255.255.255", "2606:4700:4700::1111",
        "2002:101:101::1", "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8",
        "fbff::1",         "2001:4860::1"
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(private); i++)
        if (address_text_is_public(private[i]))
            fail_msg("%s is not public", private[i]);
    for (size_t i = 0; i < ARRAY_SIZE(public); i++)
        if (!address_text_is_public(public[i]))
            fail_msg("%s is public", public[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_public_addresses),
        cmocka_unit_test(names_for_loopback_are_refused_too),
        cmocka_unit_test(which_addresses_are_public),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
