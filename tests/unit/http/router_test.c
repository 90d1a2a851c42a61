/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/conn.h"

static void handler(struct http_request *r)
{
    (void)r;
}

#define ROUTE(m, p)                                                                                \
    {                                                                                              \
        .method = m, .path = p, .handler = handler, .name = m " " p                                \
    }

static const struct http_route routes[] = {
    ROUTE("GET", "/v1/models"),
    ROUTE("POST", "/v1/models"),
    ROUTE("QUERY", "/v1/models"),
    ROUTE("GET", "/v1/models/{owner}/{name}"),
    ROUTE("DELETE", "/v1/models/{owner}/{name}"),
    ROUTE("PATCH", "/v1/models/{owner}/{name}"),
    ROUTE("GET", "/v1/models/{who}/{name}/versions/{id}"),
    ROUTE("GET", "/v1/models/official/list"),
    ROUTE("GET", "/healthz"),
    ROUTE("GET", "/{owner}/{name}"),
    ROUTE("GET", "/"),
};

static struct router *rt;

static int setup(void **state)
{
    (void)state;
    rt = router_new(routes, ARRAY_SIZE(routes));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    router_free(rt);
    return 0;
}

static const struct {
    const char *method, *path, *found; /* NULL: not found; "405 ..." : what is allowed */
} finds[] = {
    { "GET", "/v1/models", "GET /v1/models" },
    { "GET", "/v1/models/", "GET /v1/models" },
    { "GET", "/v1/models//", NULL },
    { "GET", "//v1/models", NULL },
    { "GET", "/v1", NULL },
    { "GET", "/", "GET /" },
    { "GET", "", NULL },
    { "GET", "v1/models", NULL },
    { "QUERY", "/v1/models", "QUERY /v1/models" },
    { "PUT", "/v1/models", "405 GET, HEAD, POST, QUERY" },
    { "GET", "/v1/models/a/b", "GET /v1/models/{owner}/{name}" },
    { "GET", "/v1/models/official/list", "GET /v1/models/official/list" },
    { "GET", "/v1/models/official/other", "GET /v1/models/{owner}/{name}" },
    { "DELETE", "/v1/models/official/list", "DELETE /v1/models/{owner}/{name}" },
    { "PUT", "/v1/models/official/list", "405 GET, HEAD, PATCH, DELETE" },
    { "GET", "/v1/models/official/list/versions/9", "GET /v1/models/{who}/{name}/versions/{id}" },
    { "GET", "/v1/models/a/b/versions", NULL },
    { "GET", "/healthz", "GET /healthz" },
    { "POST", "/healthz", "405 GET, HEAD" },
    { "GET", "/acme/hello", "GET /{owner}/{name}" },
    { "GET", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18", NULL },
};

static void test_find(void **state)
{
    struct router_match m;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(finds); i++) {
        const char *found = finds[i].found;

        router_find(rt, finds[i].method, str_of(finds[i].path), &m);
        if (!found) {
            assert_null(m.route);
            assert_int_equal(m.status, STATUS_NOT_FOUND);
        } else if (strncmp(found, "405 ", 4) == 0) {
            assert_null(m.route);
            assert_int_equal(m.status, STATUS_METHOD);
            assert_string_equal(m.allow, found + 4);
        } else {
            assert_non_null(m.route);
            assert_string_equal(m.route->name, found);
            assert_int_equal(m.status, STATUS_OK);
        }
    }
}

static void test_params_have_the_names_of_their_route(void **state)
{
    struct router_match m;

    (void)state;
    router_find(rt, "GET", STR("/v1/models/a%20b/c/versions/d"), &m);
    assert_int_equal(m.n_params, 3);
    assert_true(str_is(m.params[0].name, "who"));
    assert_true(str_is(m.params[0].value, "a%20b"));
    assert_true(str_is(m.params[1].name, "name"));
    assert_true(str_is(m.params[2].name, "id"));
    assert_true(str_is(m.params[2].value, "d"));
    router_find(rt, "GET", STR("/v1/models/a/c"), &m);
    assert_true(str_is(m.params[0].name, "owner"));
}

static void test_allow_all(void **state)
{
    char allow[64];

    (void)state;
    router_allow_all(rt, allow);
    assert_string_equal(allow, "GET, HEAD, POST, PATCH, DELETE, QUERY");
}

static void test_prefix(void **state)
{
    static const struct {
        const char *path, *found;
    } cases[] = {
        { "/v1/models", "/v1/models" },
        { "/models", "/v1/models" },
        { "/v1/v1/models", "/v1/models" },
        { "/v1/v1/v1/models", NULL },
        { "/v1/https://host.example:8080/v1/models", "/v1/models" },
        { "/v1/http://host/v1/models/a/b", "/v1/models/{owner}/{name}" },
        { "/https://host/v1/models", "/v1/models" },
        { "/v1/https://host/models", "/v1/models" },
        { "/v1/https://us%40er:x@host/v1/models", NULL },
        { "/v1/https:///v1/models", NULL },
        { "/v1/ftp://host/v1/models", NULL },
        { "/v1/https://host/v1/https://host/v1/models", NULL },
        { "/healthz", "/healthz" },
        { "/v1/healthz", NULL },
        { "/acme/hello", "/{owner}/{name}" },
        { "/models/a/b", "/v1/models/{owner}/{name}" },
        { "/v1models", NULL },
    };
    struct arena CLEANUP(arena_deinit) a = { 0 };
    struct router_match m;
    struct str path;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        path_route(rt, "/v1", "GET", str_of(cases[i].path), &a, &m, &path);
        if (cases[i].found) {
            assert_non_null(m.route);
            assert_string_equal(m.route->path, cases[i].found);
        } else {
            assert_null(m.route);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_params_have_the_names_of_their_route),
        cmocka_unit_test(test_allow_all),
        cmocka_unit_test(test_prefix),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
