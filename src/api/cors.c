/* SPDX-License-Identifier: Apache-2.0 */
#include "api/cors.h"

#include "api/api.h"

#include <string.h>

static const char METHODS[] = "GET, HEAD, POST, PUT, PATCH, DELETE, QUERY";
/* Of our answers, what a page's script may see beside the few fields that it always may. */
static const char EXPOSED[] =
    "Accept-Ranges, Allow, Content-Disposition, Content-Range, ETag, Link, "
    "Location, Preference-Applied, Retry-After, X-Request-Id";

static bool is_listed(const char *list, struct str origin)
{
    struct str rest = str_of(list), part;

    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (str_is(part, "*") || str_ieq(part, origin))
            return true;
    }
    return false;
}

static bool is_preflight(const struct http_request *r)
{
    return strcmp(r->method, "OPTIONS") == 0 &&
           http_header(r, "Access-Control-Request-Method").p != NULL;
}

/* The names that the page asked for are given back: all may be sent, for the gate is the token. */
static void answer_preflight(struct http_request *r)
{
    struct str asked = http_header(r, "Access-Control-Request-Headers");

    http_set_header(r, "Access-Control-Allow-Methods", METHODS);
    if (asked.n > 0)
        http_set_header(r, "Access-Control-Allow-Headers", arena_copy(r->arena, asked));
    http_set_header(r, "Access-Control-Max-Age", "7200");
    http_respond_empty(r, 204);
}

bool cors_first(struct http_request *r)
{
    const char *list = api_of(r)->options->cors_origins;
    struct str origin;

    if (!*list)
        return true;
    http_set_header(r, "Vary", "Origin");
    origin = http_header(r, "Origin");
    if (origin.n == 0 || !is_listed(list, origin))
        return true;
    http_set_header(r, "Access-Control-Allow-Origin", arena_copy(r->arena, origin));
    if (is_preflight(r)) {
        answer_preflight(r);
        return false;
    }
    http_set_header(r, "Access-Control-Expose-Headers", EXPOSED);
    return true;
}
