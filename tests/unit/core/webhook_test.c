/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/webhook.h"

static void receivers_are_told_apart(void **state UNUSED)
{
    static const char *const cases[][2] = {
        { "https://Example.COM/a?b", "https://example.com:443" },
        { "http://example.com", "http://example.com:80" },
        { "HTTPS://user:pass@example.com:8443/x@y", "https://example.com:8443" },
        { "https://[2001:DB8::1]/x", "https://[2001:db8::1]:443" },
        { "https://[::1]:90", "https://[::1]:90" },
        { "https://a?b@c", "https://a:443" },
    };
    static const char *const refused[] = {
        "",   "https://", "ftp://a", "https:///x", "https://:80/", "https://a b/", "https://u@/",
        "//a"
    };
    char out[WEBHOOK_ORIGIN_SIZE], longest[600];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_true(webhook_origin(str_of(cases[i][0]), out));
        assert_string_equal(out, cases[i][1]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_false(webhook_origin(str_of(refused[i]), out));
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "https://", 8);
    assert_false(webhook_origin(str_make(longest, sizeof(longest)), out));
    assert_true(webhook_origin(str_make(longest, 8 + 255), out));
}

/* The example of the Standard Webhooks specification. */
static void signatures(void **state UNUSED)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct str body = STR("{\"test\": 2432232314}");
    const char *secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const char *id = "msg_p5jXN8AQM9LWM0D4loKWxJek";

    assert_true(webhook_sign(secret, id, 1614265330, body, &out));
    assert_true(str_is(buf_str(&out), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    assert_true(webhook_sign(secret, id, 1614265330, body, &out));
    assert_true(str_is(buf_str(&out), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= "
                                      "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    assert_false(webhook_sign(NULL, id, 1, body, &out));
    assert_false(webhook_sign("whsec_", id, 1, body, &out));
    assert_false(webhook_sign("whsec_*", id, 1, body, &out));
    assert_false(webhook_sign("secret_MfKQ", id, 1, body, &out));
}

static void secrets_have_one_underscore(void **state UNUSED)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(1024);
    char a[WEBHOOK_SECRET_SIZE], b[WEBHOOK_SECRET_SIZE];
    struct rand r;

    rand_init_seeded(&r, 1);
    webhook_secret_make(&r, a);
    webhook_secret_make(&r, b);
    assert_int_equal(strlen(a), 38);
    assert_string_not_equal(a, b);
    assert_ptr_equal(strchr(a, '_'), strrchr(a, '_'));
    assert_true(webhook_sign(a, "i", 1, STR(""), &out));
}

static void waits_grow_to_a_quarter_of_an_hour(void **state UNUSED)
{
    struct rand r;

    rand_init_seeded(&r, 1);
    for (int64_t n = 0; n < 100; n++) {
        int64_t whole = n <= 1 ? 1000 : n > 10 ? 900000 : 1000 << (n - 1);
        int64_t ms = webhook_backoff_ms(n, &r);

        assert_in_range(ms, whole * 4 / 5, whole * 6 / 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receivers_are_told_apart),
        cmocka_unit_test(signatures),
        cmocka_unit_test(secrets_have_one_underscore),
        cmocka_unit_test(waits_grow_to_a_quarter_of_an_hour),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
