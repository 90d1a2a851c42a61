/* SPDX-License-Identifier: Apache-2.0 */
#include "http/conn.h"

#include "base/encode.h"
#include "base/utf8.h"

static bool is_host_char(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           (ch != '\0' && strchr("-._~%!$&'()*+,;=", ch));
}

/* host [":" port], a host in brackets being an IPv6 address. */
bool host_valid(struct str host)
{
    size_t i = 0;

    if (host.n > 255)
        return false;
    if (host.n > 0 && host.p[0] == '[') {
        const char *end = memchr(host.p, ']', host.n);

        if (!end)
            return false;
        for (i = 1; host.p + i < end; i++)
            if (!strchr("0123456789abcdefABCDEF:.", host.p[i]) || host.p[i] == '\0')
                return false;
        i++;
    } else {
        while (i < host.n && is_host_char(host.p[i]) && host.p[i] != ',')
            i++;
    }
    if (i == host.n)
        return true;
    if (host.p[i++] != ':' || host.n - i > 5)
        return false;
    for (; i < host.n; i++)
        if (host.p[i] < '0' || host.p[i] > '9')
            return false;
    return true;
}

/* "http://" or "https://", in any case; 0 when it begins otherwise. */
static size_t scheme_length(struct str s)
{
    if (s.n >= 7 && str_ieq(str_make(s.p, 7), STR("http://")))
        return 7;
    if (s.n >= 8 && str_ieq(str_make(s.p, 8), STR("https://")))
        return 8;
    return 0;
}

enum status target_split(struct str target, struct target *out, struct error *err)
{
    struct target t = { .path = target };
    size_t scheme = scheme_length(target);
    const char *at;

    if (scheme) {
        size_t n = scheme;

        while (n < target.n && target.p[n] != '/' && target.p[n] != '?')
            n++;
        t.authority = str_make(target.p + scheme, n - scheme);
        t.path = str_make(target.p + n, target.n - n);
        if (t.authority.n == 0 || !host_valid(t.authority))
            return FAIL(err, STATUS_INVALID, "The request target names no valid host.");
        if (t.path.n == 0)
            t.path = STR("/");
    }
    at = memchr(t.path.p, '?', t.path.n);
    if (at) {
        t.query = str_make(at + 1, (size_t)(t.path.p + t.path.n - at) - 1);
        t.path.n = (size_t)(at - t.path.p);
        if (scheme && t.path.n == 0)
            t.path = STR("/");
    }
    if (memchr(target.p, '#', target.n))
        return FAIL(err, STATUS_INVALID, "The request target may not have a fragment.");
    if (!(t.path.n > 0 && t.path.p[0] == '/') && !str_is(target, "*"))
        return FAIL(err, STATUS_INVALID, "The request target must begin with a slash.");
    *out = t;
    return STATUS_OK;
}

static bool segment_valid(struct str decoded, bool may_have_slashes)
{
    if (str_is(decoded, ".") || str_is(decoded, "..") || !utf8_valid(decoded))
        return false;
    for (size_t i = 0; i < decoded.n; i++) {
        unsigned char ch = (unsigned char)decoded.p[i];

        if (ch < 0x20 || ch == 0x7f || ch == '\\' || (ch == '/' && !may_have_slashes))
            return false;
    }
    return true;
}

enum status path_decode(struct str path, bool may_have_slashes, struct arena *a, struct str *out,
                        struct error *err)
{
    struct buf CLEANUP(buf_deinit) whole = BUF_INIT(path.n);
    struct str rest = str_make(path.p + 1, path.n - 1);
    struct str part;

    while (str_split(&rest, '/', &part)) {
        size_t at = whole.n + 1;

        if (part.n == 0 && rest.p)
            return FAIL(err, STATUS_NOT_FOUND, "The path has an empty segment.");
        if (!buf_addc(&whole, '/') || !percent_decode(part, &whole))
            return FAIL(err, STATUS_INVALID, "The path has an invalid percent-encoding.");
        if (!segment_valid(str_make(whole.p + at, whole.n - at), may_have_slashes))
            return FAIL(err, STATUS_INVALID, "The path has a segment that is not allowed.");
    }
    *out = str_make(arena_copy(a, buf_str(&whole)), whole.n);
    return STATUS_OK;
}

struct str path_with_slashes(struct str path, const char *below, struct arena *a)
{
    struct str out;
    char *to;

    if (!below || !str_starts(path, below) || !memchr(path.p, '%', path.n))
        return path;
    to = arena_copy(a, path);
    out = str_make(to, 0);
    for (size_t i = 0; i < path.n; i++) {
        bool is_slash =
            path.n - i >= 3 && str_ieq(str_make(path.p + i, 3), STR("%2f")); /* %2F too */

        to[out.n++] = is_slash ? '/' : path.p[i];
        i += is_slash ? 2 : 0;
    }
    return out;
}

enum status query_check(struct str query, struct error *err)
{
    struct buf CLEANUP(buf_deinit) plain = BUF_INIT(query.n);

    if (percent_decode(query, &plain) && utf8_valid(buf_str(&plain)))
        return STATUS_OK;
    return FAIL(err, STATUS_INVALID,
                "The query must be percent-encoded UTF-8, and have no %%00 in it.");
}

/* Whether the path is the prefix itself or goes on below it. */
static bool is_below(struct str path, const char *prefix)
{
    size_t n = strlen(prefix);

    return str_starts(path, prefix) && (path.n == n || path.p[n] == '/');
}

/* Clients that glue their base to an absolute address ask for "/v1/https://host/v1/...": yields
 * what follows that host. */
static struct str unglue(struct str path, const char *prefix)
{
    size_t n = is_below(path, prefix) ? strlen(prefix) : 0;
    struct str rest = str_make(path.p + n, path.n - n);
    size_t scheme, host;

    if (rest.n < 2 || rest.p[0] != '/')
        return path;
    rest = str_make(rest.p + 1, rest.n - 1);
    scheme = scheme_length(rest);
    for (host = scheme; host < rest.n && rest.p[host] != '/'; host++)
        ;
    if (!scheme || host == scheme || host == rest.n ||
        !host_valid(str_make(rest.p + scheme, host - scheme)))
        return path;
    return str_make(rest.p + host, rest.n - host);
}

/* What is asked for below the prefix is found there or nowhere, not at a parameter of another
 * route. */
static void find_below(const struct router *rt, const char *prefix, const char *method,
                       struct str path, struct router_match *out)
{
    router_find(rt, method, path, out);
    if (out->route && !is_below(str_of(out->route->path), prefix))
        *out = (struct router_match){ .status = STATUS_NOT_FOUND };
}

void path_route(const struct router *rt, const char *prefix, const char *method, struct str path,
                struct arena *a, struct router_match *out, struct str *out_path)
{
    size_t n = prefix ? strlen(prefix) : 0;

    *out_path = path;
    if (n == 0) {
        router_find(rt, method, path, out);
        return;
    }
    path = unglue(path, prefix);
    if (is_below(path, prefix)) {
        struct str rest = str_make(path.p + n, path.n - n);

        *out_path = is_below(rest, prefix) ? rest : path;
        find_below(rt, prefix, method, *out_path, out);
        return;
    }
    *out_path = str_of(arena_printf(a, "%s%.*s", prefix, STR_ARG(path)));
    find_below(rt, prefix, method, *out_path, out);
    if (out->status == STATUS_NOT_FOUND) {
        *out_path = path;
        router_find(rt, method, path, out);
    }
}
