/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct buf out;

static int setup(void **state)
{
    (void)state;
    buf_init(&out, BUF_UNBOUNDED);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_deinit(&out);
    return 0;
}

static void assert_out(const char *expected)
{
    assert_true(str_is(buf_str(&out), expected));
    buf_clear(&out);
}

static void hex_goes_both_ways(void **state)
{
    unsigned char bytes[4];

    (void)state;
    hex_add(&out, "\x00\x7f\xff\xa5", 4);
    assert_out("007fffa5");
    hex_add(&out, "", 0);
    assert_out("");
    assert_true(hex_decode(STR("007FffA5"), bytes, 4));
    assert_memory_equal(bytes, "\x00\x7f\xff\xa5", 4);
    assert_true(hex_decode(STR(""), bytes, 0));
    assert_false(hex_decode(STR("007fff"), bytes, 4));
    assert_false(hex_decode(STR("007fffa5a"), bytes, 4));
    assert_false(hex_decode(STR("007fffg5"), bytes, 4));
    assert_false(hex_decode(STR("007fff 5"), bytes, 4));
}

/* The vectors of RFC 4648, section 10. */
static void base64_goes_both_ways(void **state)
{
    static const struct {
        const char *plain, *padded, *bare;
    } rows[] = {
        { "", "", "" },
        { "f", "Zg==", "Zg" },
        { "fo", "Zm8=", "Zm8" },
        { "foo", "Zm9v", "Zm9v" },
        { "foob", "Zm9vYg==", "Zm9vYg" },
        { "fooba", "Zm9vYmE=", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
        { "\xfb\xff\xfe", "+//+", "+//+" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        base64_add(&out, rows[i].plain, strlen(rows[i].plain));
        assert_out(rows[i].padded);
        assert_true(base64_decode(str_of(rows[i].padded), &out));
        assert_out(rows[i].plain);
        assert_true(base64_decode(str_of(rows[i].bare), &out));
        assert_out(rows[i].plain);
    }
}

static void base64_is_strict(void **state)
{
    static const char *const rows[] = {
        "Z", "Zg=",  "Zg===", "Zg==Zg==", "Zm9v Zm9v", "Zm9v\n", "Zm-_", "Zm9*",
        "=", "====", "==",    "Zh==",     "Zm9=",      "Zm9vY",  "Z===", "Zm=v",
    };

    (void)state;
    buf_adds(&out, "before");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (base64_decode(str_of(rows[i]), &out))
            fail_msg("%s was accepted", rows[i]);
        assert_true(str_is(buf_str(&out), "before"));
    }
}

static void every_byte_survives(void **state)
{
    CLEANUP(buf_deinit) struct buf back = BUF_INIT(BUF_UNBOUNDED);
    unsigned char bytes[256], again[256];

    (void)state;
    for (unsigned i = 0; i < 256; i++)
        bytes[i] = (unsigned char)i;
    for (size_t n = 250; n <= 256; n++) {
        base64_add(&out, bytes, n);
        assert_true(base64_decode(buf_str(&out), &back));
        assert_int_equal(back.n, n);
        assert_memory_equal(back.p, bytes, n);
        buf_clear(&out);
        buf_clear(&back);
    }
    hex_add(&out, bytes, 256);
    assert_true(hex_decode(buf_str(&out), again, 256));
    assert_memory_equal(bytes, again, 256);
    buf_clear(&out);
    percent_add(&out, str_make((const char *)bytes + 1, 255));
    assert_true(percent_decode(buf_str(&out), &back));
    assert_memory_equal(back.p, bytes + 1, 255);
}

static void percent_encoding_keeps_the_unreserved(void **state)
{
    (void)state;
    percent_add(&out, STR("aZ09-._~ /?&=%+\xc3\xa4"));
    assert_out("aZ09-._~%20%2F%3F%26%3D%25%2B%C3%A4");
    assert_true(percent_decode(STR("a%2fb%C3%a4+c"), &out));
    assert_out("a/b\xc3\xa4+c");
    assert_true(percent_decode(STR(""), &out));
    assert_out("");
}

static void malformed_escapes_are_refused(void **state)
{
    static const char *const rows[] = { "%", "a%2", "%g0", "%0g", "a%00b", "%%", "% 20" };

    (void)state;
    buf_adds(&out, "before");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_false(percent_decode(str_of(rows[i]), &out));
        assert_true(str_is(buf_str(&out), "before"));
    }
}

static void maxima_hold(void **state)
{
    CLEANUP(buf_deinit) struct buf small = BUF_INIT(5);

    (void)state;
    hex_add(&small, "abc", 3);
    assert_true(small.failed);
    buf_clear(&small);
    base64_add(&small, "abcd", 4);
    assert_true(small.failed);
    buf_clear(&small);
    percent_add(&small, STR("   "));
    assert_true(small.failed);
    buf_clear(&small);
    assert_false(base64_decode(STR("Zm9vYmFy"), &small));
    buf_clear(&small);
    assert_false(percent_decode(STR("abcdef"), &small));
}

/* FIPS 180-4's example texts. */
static void sha256_is_right(void **state)
{
    static const struct {
        const char *text, *hex;
    } rows[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };
    unsigned char digest[SHA256_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sha256_ctx *c = sha256_new();

        sha256(str_of(rows[i].text), digest);
        hex_add(&out, digest, sizeof(digest));
        assert_out(rows[i].hex);
        for (const char *p = rows[i].text; *p; p++)
            sha256_add(c, p, 1);
        sha256_end(c, digest);
        hex_add(&out, digest, sizeof(digest));
        assert_out(rows[i].hex);
    }
    sha256(STR_NULL, digest);
    hex_add(&out, digest, sizeof(digest));
    assert_out(rows[0].hex);
    sha256_free(sha256_new());
    sha256_free(NULL);
}

/* From RFC 1321. */
static void md5_is_right(void **state)
{
    unsigned char digest[MD5_SIZE];
    struct md5_ctx *c = md5_new();

    (void)state;
    md5_add(c, "message ", 8);
    md5_add(c, "digest", 6);
    md5_end(c, digest);
    hex_add(&out, digest, sizeof(digest));
    assert_out("f96b697d7cb7938d525a2f31aaf161d0");
    md5_free(md5_new());
    md5_free(NULL);
}

/* RFC 4231, test cases 1, 2 and 6. */
static void hmac_is_right(void **state)
{
    unsigned char digest[SHA256_SIZE];
    char key[131];

    (void)state;
    memset(key, 0x0b, 20);
    hmac_sha256(str_make(key, 20), STR("Hi There"), digest);
    hex_add(&out, digest, sizeof(digest));
    assert_out("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), digest);
    hex_add(&out, digest, sizeof(digest));
    assert_out("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    hmac_sha256(str_make(key, sizeof(key)),
                STR("Test Using Larger Than Block-Size Key - Hash Key First"), digest);
    hex_add(&out, digest, sizeof(digest));
    assert_out("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hmac_sha256(STR_NULL, STR_NULL, digest);
    hex_add(&out, digest, sizeof(digest));
    assert_out("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void bytes_are_compared(void **state)
{
    (void)state;
    assert_true(bytes_equal_constant_time("abc", "abc", 3));
    assert_false(bytes_equal_constant_time("abc", "abd", 3));
    assert_true(bytes_equal_constant_time("abc", "abd", 2));
    assert_true(bytes_equal_constant_time("", "", 0));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hex_goes_both_ways),
        TEST(base64_goes_both_ways),
        TEST(base64_is_strict),
        TEST(every_byte_survives),
        TEST(percent_encoding_keeps_the_unreserved),
        TEST(malformed_escapes_are_refused),
        TEST(maxima_hold),
        TEST(sha256_is_right),
        TEST(md5_is_right),
        TEST(hmac_is_right),
        TEST(bytes_are_compared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
