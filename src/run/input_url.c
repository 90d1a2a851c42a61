/* SPDX-License-Identifier: Apache-2.0 */
#include "run/input_url.h"

#include "base/encode.h"
#include "base/utf8.h"

enum { SHOWN_MAX = 200, SECRET_LEN = 52 };

struct parts {
    struct str origin; /* "https://host:port" */
    struct str path;   /* "/a/b", or empty */
};

static bool split(struct str url, struct parts *out)
{
    size_t n = str_starts(url, "https://") ? 8 : str_starts(url, "http://") ? 7 : 0, end;

    if (n == 0)
        return false;
    while (n < url.n && !strchr("/?#", url.p[n]))
        n++;
    for (end = n; end < url.n && url.p[end] != '?' && url.p[end] != '#';)
        end++;
    *out = (struct parts){ str_make(url.p, n), str_make(url.p + n, end - n) };
    return true;
}

/* The segment behind `prefix`, and what follows it (with its slash). */
static bool segment_after(struct str path, const char *prefix, struct str *out_segment,
                          struct str *out_rest)
{
    size_t n = strlen(prefix), end;

    if (!str_starts(path, prefix))
        return false;
    for (end = n; end < path.n && path.p[end] != '/';)
        end++;
    *out_segment = str_make(path.p + n, end - n);
    *out_rest = str_make(path.p + end, path.n - end);
    return true;
}

struct input_url input_url_read(struct str url, const char *base)
{
    struct input_url out = { .kind = INPUT_URL_OTHER };
    struct parts p;
    struct str key, rest;

    if (!split(url, &p))
        return out;
    out.is_ours = base && str_is(p.origin, base);
    if (segment_after(p.path, "/v1/files/", &key, &rest) && id_valid(key) &&
        (rest.n == 0 || str_is(rest, "/download"))) {
        out.kind = INPUT_URL_FILE;
        out.key = key;
    } else if (segment_after(p.path, "/v1/outputs/", &key, &rest) && key.n == SECRET_LEN) {
        out.kind = INPUT_URL_OUTPUT;
        out.key = key;
    }
    return out;
}

struct str input_url_name(struct arena *a, struct str url)
{
    struct buf plain CLEANUP(buf_deinit) = BUF_INIT(url.n);
    struct parts p;
    size_t at;

    if (!split(url, &p))
        return STR("");
    for (at = p.path.n; at > 0 && p.path.p[at - 1] != '/';)
        at--;
    p.path = str_make(p.path.p + at, p.path.n - at);
    if (!percent_decode(p.path, &plain))
        return p.path;
    return str_make(arena_copy(a, buf_str(&plain)), plain.n);
}

const char *input_url_shown(struct arena *a, struct str url)
{
    size_t n = 0;

    while (n < url.n && url.p[n] != '?' && url.p[n] != '#')
        n++;
    if (n <= SHOWN_MAX)
        return arena_copy(a, str_make(url.p, n));
    return arena_printf(a, "%.*s...", (int)utf8_prefix(str_make(url.p, n), SHOWN_MAX), url.p);
}

const char *input_url_join(struct arena *a, struct str url, struct str location)
{
    struct parts p;
    size_t colon, at;

    if (!split(url, &p) || location.n == 0)
        return NULL;
    if (str_starts(location, "https://") || str_starts(location, "http://"))
        return arena_copy(a, location);
    if (str_starts(location, "//")) {
        colon = (size_t)((const char *)memchr(p.origin.p, ':', p.origin.n) - p.origin.p);
        return arena_printf(a, "%.*s:%.*s", (int)colon, p.origin.p, STR_ARG(location));
    }
    if (location.p[0] == '/')
        return arena_printf(a, "%.*s%.*s", STR_ARG(p.origin), STR_ARG(location));
    if (location.p[0] == '?')
        return arena_printf(a, "%.*s%.*s%.*s", STR_ARG(p.origin), STR_ARG(p.path),
                            STR_ARG(location));
    for (at = 0; at < location.n && !strchr("/?#:", location.p[at]);)
        at++;
    if (at < location.n && location.p[at] == ':')
        return NULL; /* another scheme */
    for (at = p.path.n; at > 0 && p.path.p[at - 1] != '/';)
        at--;
    return arena_printf(a, "%.*s%s%.*s%.*s", STR_ARG(p.origin), at ? "" : "/", (int)at, p.path.p,
                        STR_ARG(location));
}
