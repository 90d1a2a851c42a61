/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "run/input_url.h"

#define BASE   "https://berth.example:8080"
#define ID     "01k00000000000000000abwxyz"
#define SECRET "0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjk"

static void addresses_are_told_apart(void **state)
{
    static const struct {
        const char *url;
        enum input_url_kind kind;
        bool is_ours;
        const char *key;
    } rows[] = {
        { BASE "/v1/files/" ID, INPUT_URL_FILE, true, ID },
        { BASE "/v1/files/" ID "?x=1", INPUT_URL_FILE, true, ID },
        { BASE "/v1/files/" ID "/download?owner=a&expiry=1", INPUT_URL_FILE, true, ID },
        { "http://other/v1/files/" ID, INPUT_URL_FILE, false, ID },
        { BASE "/v1/outputs/" SECRET "/a.png", INPUT_URL_OUTPUT, true, SECRET },
        { "http://10.0.0.1/v1/outputs/" SECRET "/a.png#x", INPUT_URL_OUTPUT, false, SECRET },
        { BASE "/v1/files/abc", INPUT_URL_OTHER, true, "" },
        { BASE "/v1/files/" ID "/other", INPUT_URL_OTHER, true, "" },
        { BASE "/v1/outputs/abc/a.png", INPUT_URL_OTHER, true, "" },
        { BASE "/x?/v1/files/" ID, INPUT_URL_OTHER, true, "" },
        { BASE ".evil.example/v1/x", INPUT_URL_OTHER, false, "" },
        { "data:text/plain,/v1/files/" ID, INPUT_URL_OTHER, false, "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct input_url u = input_url_read(str_of(rows[i].url), BASE);

        assert_int_equal(u.kind, rows[i].kind);
        assert_int_equal(u.is_ours, rows[i].is_ours);
        assert_true(str_is(u.key, rows[i].key));
    }
}

static void redirects_are_resolved(void **state)
{
    static const char url[] = "http://h:1/a/b?q";
    static const struct {
        const char *location, *joined;
    } rows[] = {
        { "https://other/x", "https://other/x" },
        { "//other/x?y", "http://other/x?y" },
        { "/x", "http://h:1/x" },
        { "x/y?z=http://w", "http://h:1/a/x/y?z=http://w" },
        { "?z", "http://h:1/a/b?z" },
        { "../x", "http://h:1/a/../x" },
        { "ftp://other/x", NULL },
        { "file:///etc/passwd", NULL },
        { "javascript:1", NULL },
        { "", NULL },
    };
    struct arena a = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *joined = input_url_join(&a, str_of(url), str_of(rows[i].location));

        if (rows[i].joined)
            assert_string_equal(joined, rows[i].joined);
        else
            assert_null(joined);
    }
    assert_string_equal(input_url_join(&a, STR("http://h"), STR("x")), "http://h/x");
    arena_deinit(&a);
}

static void names_and_messages(void **state)
{
    struct arena a = { 0 };
    char wide[400];

    (void)state;
    assert_true(str_is(input_url_name(&a, STR("http://h/a/b%20c.png?x=/y.gif")), "b c.png"));
    assert_true(str_is(input_url_name(&a, STR("http://h/a/")), ""));
    assert_true(str_is(input_url_name(&a, STR("http://h")), ""));
    assert_true(str_is(input_url_name(&a, STR("http://h/%zz")), "%zz"));
    assert_string_equal(input_url_shown(&a, STR("http://h/a?token=secret")), "http://h/a");
    memset(wide, 'x', sizeof(wide));
    assert_int_equal(strlen(input_url_shown(&a, str_make(wide, sizeof(wide)))), 203);
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_told_apart),
        cmocka_unit_test(redirects_are_resolved),
        cmocka_unit_test(names_and_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
