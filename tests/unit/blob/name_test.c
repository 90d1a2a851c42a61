/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "blob/name.h"

static void names_are_cleaned(void **state)
{
    static const struct {
        const char *given, *clean;
    } rows[] = {
        { "cat.png", "cat.png" },
        { "../../etc/passwd", "passwd" },
        { "C:\\pictures\\cat.png", "cat.png" },
        { "a b\xc3\xa4\"%.txt", "a b\xc3\xa4\"%.txt" },
        { "a\r\nSet-Cookie: x\x7f", "a__Set-Cookie: x_" },
        { "a\xff\xfe.txt", "a__.txt" },
        { "", "file" },
        { "dir/", "file" },
        { "..", "file" },
        { ".", "file" },
    };
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(FILE_NAME_MAX);
    char deep[400];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        file_name_clean(str_of(rows[i].given), "file", &out);
        assert_string_equal(out.p, rows[i].clean);
    }
    memset(deep, 'x', sizeof(deep));
    memcpy(deep + 254, "\xc3\xa4", 2); /* the limit would cut it */
    file_name_clean(str_make(deep, sizeof(deep)), "file", &out);
    assert_int_equal(out.n, 254);
}

static void types_are_known(void **state)
{
    (void)state;
    assert_string_equal(type_extension(STR("image/PNG; q=1")), ".png");
    assert_string_equal(type_extension(STR("image/jpeg")), ".jpg");
    assert_string_equal(type_extension(STR("what/ever")), "");
    assert_string_equal(type_of_name(STR("a.b.JPEG")), "image/jpeg");
    assert_null(type_of_name(STR(".png")));
    assert_null(type_of_name(STR("png")));
    assert_true(content_type_is_media(STR("image/png")));
    assert_true(content_type_is_media(STR("Video/mp4; codecs=x")));
    assert_false(content_type_is_media(STR("text/html")));
    assert_false(content_type_is_media(STR("imagex/png")));
    assert_false(content_type_is_media(STR_NULL));
    assert_true(content_type_valid(STR("text/plain; charset=utf-8")));
    assert_false(content_type_valid(STR("text")));
    assert_false(content_type_valid(STR("/plain")));
    assert_false(content_type_valid(STR("text/")));
    assert_false(content_type_valid(STR("a/b\r\nX: y")));
}

static void data_uris_are_read(void **state)
{
    static const struct {
        const char *uri, *type, *bytes;
        size_t n;
    } rows[] = {
        { "data:text/html;base64,PGI+", "text/html", "<b>", 3 },
        { "data:text/html;base64,PGI%2B", "text/html", "<b>", 3 },
        { "data:;base64,AAEC", "text/plain;charset=US-ASCII", "\0\1\2", 3 },
        { "data:,a%20b%00", "text/plain;charset=US-ASCII", "a b\0", 4 },
        { "DATA:text/plain;charset=utf-8,x", "text/plain;charset=utf-8", "x", 1 },
        { "data:image/png;BASE64,", "image/png", "", 0 },
    };
    static const char *const bad[] = { "", "data:", "data:text/plain", "http://x/,a", "dat" };
    static const char *const undecodable[] = { "data:;base64,&&&&", "data:,%4", "data:,%zz",
                                               "data:;base64,A" };
    struct data_uri u;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct buf out CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

        assert_true(data_uri_split(str_of(rows[i].uri), &u));
        assert_true(str_is(u.type, rows[i].type));
        assert_true(data_uri_decode(&u, &out));
        assert_int_equal(out.n, rows[i].n);
        assert_memory_equal(buf_str(&out).p, rows[i].bytes, rows[i].n);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(data_uri_split(str_of(bad[i]), &u));
    for (size_t i = 0; i < ARRAY_SIZE(undecodable); i++) {
        struct buf out CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

        assert_true(data_uri_split(str_of(undecodable[i]), &u));
        assert_false(data_uri_decode(&u, &out));
    }
}

static void signatures_are_bound(void **state)
{
    struct str key = STR("k");
    char text[SIGNATURE_LEN + 1];

    (void)state;
    url_sign(key, "input", "abc", text);
    assert_int_equal(strlen(text), SIGNATURE_LEN);
    assert_true(url_signature_ok(key, "input", "abc", str_of(text)));
    assert_false(url_signature_ok(key, "input", "abd", str_of(text)));
    assert_false(url_signature_ok(key, "output", "abc", str_of(text)));
    assert_false(url_signature_ok(STR("l"), "input", "abc", str_of(text)));
    assert_false(url_signature_ok(key, "input", "abc", str_make(text, SIGNATURE_LEN - 1)));
    assert_false(url_signature_ok(key, "input", "abc", STR_NULL));
    text[51] = text[51] == '0' ? '1' : '0';
    assert_false(url_signature_ok(key, "input", "abc", str_of(text)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_cleaned),
        cmocka_unit_test(types_are_known),
        cmocka_unit_test(data_uris_are_read),
        cmocka_unit_test(signatures_are_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
