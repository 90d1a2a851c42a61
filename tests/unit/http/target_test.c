/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/conn.h"

static void test_split(void **state)
{
    static const struct {
        const char *target, *path, *query, *authority; /* path NULL: refused */
    } cases[] = {
        { "/", "/", NULL, NULL },
        { "/a/b?c=d?e", "/a/b", "c=d?e", NULL },
        { "/a?", "/a", "", NULL },
        { "*", "*", NULL, NULL },
        { "http://h:1/a?b", "/a", "b", "h:1" },
        { "HTTPS://h", "/", NULL, "h" },
        { "http://h?b", "/", "b", "h" },
        { "http:///a", NULL, NULL, NULL },
        { "http://u@h/a", NULL, NULL, NULL },
        { "/a#b", NULL, NULL, NULL },
        { "a/b", NULL, NULL, NULL },
        { "*a", NULL, NULL, NULL },
        { "?a", NULL, NULL, NULL },
        { "ftp://h/a", NULL, NULL, NULL },
    };
    struct target t;
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        enum status st = target_split(str_of(cases[i].target), &t, &err);

        assert_int_equal(st, cases[i].path ? STATUS_OK : STATUS_INVALID);
        if (st != STATUS_OK)
            continue;
        assert_true(str_is(t.path, cases[i].path));
        assert_true(cases[i].query ? t.query.p && str_is(t.query, cases[i].query) : !t.query.p);
        assert_true(cases[i].authority ? str_is(t.authority, cases[i].authority) : !t.authority.p);
    }
}

static void test_decode(void **state)
{
    static const struct {
        const char *path, *decoded; /* NULL: refused */
    } cases[] = {
        { "/", "/" },
        { "/a/b", "/a/b" },
        { "/a/b/", "/a/b/" },
        { "/a%20b", "/a b" },
        { "/%e2%82%ac", "/\xe2\x82\xac" },
        { "/a+b", "/a+b" },
        { "/..a/.b", "/..a/.b" },
        { "//", NULL },
        { "/a//b", NULL },
        { "/.", NULL },
        { "/a/..", NULL },
        { "/a/../b", NULL },
        { "/%2e%2e/b", NULL },
        { "/.%2E/b", NULL },
        { "/a%2fb", NULL },
        { "/a%2Fb", NULL },
        { "/a%5cb", NULL },
        { "/a%00b", NULL },
        { "/a%0ab", NULL },
        { "/a%7f", NULL },
        { "/a%", NULL },
        { "/a%2", NULL },
        { "/a%zz", NULL },
        { "/%c0%af", NULL }, /* an overlong slash */
        { "/%e0%80%af", NULL },
        { "/%ed%a0%80", NULL }, /* half a surrogate pair */
        { "/%ff", NULL },
    };
    struct arena CLEANUP(arena_deinit) a = { 0 };
    struct str out;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        enum status st = path_decode(str_of(cases[i].path), false, &a, &out, NULL);

        assert_int_equal(st == STATUS_OK, cases[i].decoded != NULL);
        if (st == STATUS_OK)
            assert_true(str_is(out, cases[i].decoded));
    }
    assert_int_equal(path_decode(STR("/a%2fb/c"), true, &a, &out, NULL), STATUS_OK);
    assert_true(str_is(out, "/a/b/c"));
    assert_int_equal(path_decode(STR("/a%5cb"), true, &a, &out, NULL), STATUS_INVALID);
}

static void test_queries(void **state)
{
    static const char *const good[] = { "", "a", "a=b&c", "a=%e2%82%ac", "a=%20+%2B", "=&&=" };
    static const char *const bad[] = {
        "a=%", "a=%2", "a=%zz", "%00", "a=b%00c", "a=%ff", "a=\xff"
    };

    (void)state;
    assert_int_equal(query_check(STR_NULL, NULL), STATUS_OK);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_int_equal(query_check(str_of(good[i]), NULL), STATUS_OK);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(query_check(str_of(bad[i]), NULL), STATUS_INVALID);
}

static void test_hosts(void **state)
{
    static const char *const good[] = { "a", "a.b-c_d:80", "127.0.0.1:8080", "[::1]:1", "[::1]",
                                        "",  "a:" };
    static const char *const bad[] = { "u@a", "a b", "a:b", "a:123456", "a/b",  "a,b",    "[::1",
                                       "[g]", "a?b", "a#b", "\"a\"",    "a\\b", "[::1]x", "\xff" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(host_valid(str_of(good[i])));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(host_valid(str_of(bad[i])));
}

static void slashes_in_disguise(void **state)
{
    static const char *const cases[][2] = {
        { "/o/models/a%2fb", "/o/models/a/b" },       { "/o/models/a%2Fb%2", "/o/models/a/b%2" },
        { "/o/models/a%252Fb", "/o/models/a%252Fb" }, { "/o/model/a%2Fb", "/o/model/a%2Fb" },
        { "/o/models/%2f%2F", "/o/models///" },       { "/o/models/", "/o/models/" },
    };
    struct arena a CLEANUP(arena_deinit) = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_true(str_is(path_with_slashes(str_of(cases[i][0]), "/o/models/", &a), cases[i][1]));
        assert_true(str_is(path_with_slashes(str_of(cases[i][0]), NULL, &a), cases[i][0]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slashes_in_disguise), cmocka_unit_test(test_split),
        cmocka_unit_test(test_decode),         cmocka_unit_test(test_queries),
        cmocka_unit_test(test_hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
