/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets: what is routed has a path that nobody can read in two ways, and queries are
 * decoded within their own bytes. */
#include "fuzz.h"

#include "base/utf8.h"
#include "http/conn.h"

static const struct http_route routes[] = {
    { .method = "GET", .path = "/v1/models", .name = "a" },
    { .method = "GET", .path = "/v1/models/{owner}/{name}", .name = "b" },
    { .method = "POST", .path = "/v1/models/{owner}/{name}/versions/{id}/trainings", .name = "c" },
    { .method = "DELETE", .path = "/v1/predictions/{id}", .name = "d" },
    { .method = "GET", .path = "/v1/predictions/{id}", .name = "e" },
    { .method = "GET", .path = "/stream/{secret}", .name = "f" },
    { .method = "GET", .path = "/{any}", .name = "g" },
};

static void check_path(struct str path)
{
    struct str rest = str_make(path.p + 1, path.n - 1), part;

    FUZZ_CHECK(path.n > 0 && path.p[0] == '/' && utf8_valid(path));
    while (str_split(&rest, '/', &part)) {
        FUZZ_CHECK(part.n > 0 || !rest.p);
        FUZZ_CHECK(!str_is(part, "..") && !str_is(part, "."));
        for (size_t i = 0; i < part.n; i++)
            FUZZ_CHECK((unsigned char)part.p[i] >= 0x20 && part.p[i] != '\\' && part.p[i] != 0x7f);
    }
}

static void check_match(const struct router_match *m)
{
    FUZZ_CHECK((m->route != NULL) == (m->status == STATUS_OK));
    for (size_t i = 0; i < m->n_params; i++)
        FUZZ_CHECK(!memchr(m->params[i].value.p, '/', m->params[i].value.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct router *router;
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct http_request r = { .arena = &a };
    struct target t;
    struct router_match match;
    struct str path, decoded;
    struct error err;

    if (!router)
        router = router_new(routes, ARRAY_SIZE(routes));
    (void)host_valid(fuzz_text(p, n));
    if (target_split(fuzz_text(p, n), &t, &err) != STATUS_OK)
        return 0;
    FUZZ_CHECK(!t.authority.p || host_valid(t.authority));
    r.query = t.query;
    FUZZ_CHECK(http_query(&r, "cursor").n <= n && http_query(&r, "").n <= n);
    if (str_is(t.path, "*"))
        return 0;
    for (int i = 0; i < 2; i++) {
        path_route(router, i ? "/v1" : NULL, "GET", t.path, &a, &match, &path);
        check_match(&match);
        if (path_decode(path, false, &a, &decoded, &err) == STATUS_OK)
            check_path(decoded);
    }
    return 0;
}
