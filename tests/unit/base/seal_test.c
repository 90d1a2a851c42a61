/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/seal.h"

static const unsigned char key[SEAL_KEY_SIZE] = { 1, 2, 3 };

static void test_what_is_sealed_comes_back(void **state)
{
    static const char *const texts[] = { "", "x", "{\"token\":\"s3cret\"}" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct buf sealed CLEANUP(buf_deinit) = BUF_INIT(4096);
        struct buf again CLEANUP(buf_deinit) = BUF_INIT(4096);

        seal_add(key, str_of(texts[i]), &sealed);
        assert_true(seal_open(key, buf_str(&sealed), &again));
        assert_true(str_is(buf_str(&again), texts[i]));
        if (strlen(texts[i]) > 8)
            assert_null(memmem(sealed.p, sealed.n, texts[i], 8));
    }
}

static void test_a_changed_byte_or_another_key_opens_nothing(void **state)
{
    unsigned char other[SEAL_KEY_SIZE] = { 9 };
    struct buf sealed CLEANUP(buf_deinit) = BUF_INIT(4096);

    (void)state;
    seal_add(key, STR("secret"), &sealed);
    for (size_t i = 0; i < sealed.n; i++) {
        struct buf out CLEANUP(buf_deinit) = BUF_INIT(4096);

        sealed.p[i] = (char)(sealed.p[i] ^ 1);
        assert_false(seal_open(key, buf_str(&sealed), &out));
        sealed.p[i] = (char)(sealed.p[i] ^ 1);
    }
    {
        struct buf out CLEANUP(buf_deinit) = BUF_INIT(64);

        assert_false(seal_open(other, buf_str(&sealed), &out));
        assert_false(seal_open(key, STR("short"), &out));
        assert_int_equal(out.n, 0);
    }
}

static void test_the_same_text_is_sealed_differently_each_time(void **state)
{
    struct buf a CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(4096);

    (void)state;
    seal_add(key, STR("secret"), &a);
    seal_add(key, STR("secret"), &b);
    assert_false(str_eq(buf_str(&a), buf_str(&b)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_sealed_comes_back),
        cmocka_unit_test(test_a_changed_byte_or_another_key_opens_nothing),
        cmocka_unit_test(test_the_same_text_is_sealed_differently_each_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
