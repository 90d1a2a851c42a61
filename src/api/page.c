/* SPDX-License-Identifier: Apache-2.0 */
#include "api/page.h"

#include "api/api.h"
#include "blob/serve.h"

/* Everything comes from this server, and nothing runs that is not a file of it. Blobs and data
 * addresses are what a person drops into a form and what a model answers. */
static const char POLICY[] = "default-src 'none'; script-src 'self'; style-src 'self'; "
                             "img-src 'self' data: blob:; media-src 'self' data: blob:; "
                             "font-src 'self'; connect-src 'self'; form-action 'self'; "
                             "frame-ancestors 'none'; base-uri 'none'";

/* First segments that programs ask for: nobody is shown a page below them. */
static const char *const of_programs[] = {
    "v1", "v2", "openai", "assets", "_i", "session", "healthz", "metrics",
};

static const struct page_file *find_file(struct str name)
{
    for (const struct page_file *f = PAGE_FILES; f->name; f++)
        if (str_is(name, f->name))
            return f;
    return NULL;
}

static void answer_file(struct http_request *r, const struct page_file *f)
{
    http_set_header(r, "ETag", arena_printf(r->arena, "W/\"%s\"", f->tag));
    if (tag_is_listed(http_header(r, "If-None-Match"), str_of(f->tag)))
        http_respond_empty(r, 304);
    else
        http_respond_gzipped(r, 200, f->type, str_make(f->gzip, f->n), f->plain_size);
}

static void page_show(struct http_request *r)
{
    const struct page_file *f = find_file(STR("index.html"));

    http_set_header(r, "Vary", "Accept");
    if (!f) {
        http_respond(r, 404, "text/plain; charset=utf-8",
                     STR("This server was built without the dashboard (meson's option web). "
                         "Its API is at /v1.\n"));
        return;
    }
    http_set_header(r, "Content-Security-Policy", POLICY);
    http_set_header(r, "Referrer-Policy", "same-origin");
    http_set_header(r, "Cross-Origin-Opener-Policy", "same-origin");
    http_set_header(r, "Cache-Control", "no-cache");
    answer_file(r, f);
}

/* Names have a hash of what is in them: a file never changes. */
void page_asset(struct http_request *r)
{
    struct str name = http_param(r, "name");
    const struct page_file *f = str_is(name, "index.html") ? NULL : find_file(name);

    if (!f) {
        api_not_found(r);
        return;
    }
    http_set_header(r, "Cache-Control", "public, max-age=31536000, immutable");
    http_set_header(r, "Cross-Origin-Resource-Policy", "same-origin");
    answer_file(r, f);
}

bool page_is_accepted(struct str accept)
{
    struct str rest = accept, part, bare;

    while (str_split(&rest, ',', &part)) {
        str_split(&part, ';', &bare);
        if (str_ieq(str_trim(bare), STR("text/html")))
            return true;
    }
    return false;
}

static bool is_of_programs(struct str path)
{
    struct str rest = path, first;

    str_split(&rest, '/', &first); /* before the slash that it begins with */
    str_split(&rest, '/', &first);
    for (size_t i = 0; i < ARRAY_SIZE(of_programs); i++)
        if (str_is(first, of_programs[i]))
            return true;
    return false;
}

const struct http_route *page_divert(const struct http_request *r, struct str path)
{
    static const struct http_route page = {
        .method = "GET",
        .path = "/",
        .handler = page_show,
        .flags = HTTP_OPEN | HTTP_BODY_NONE | HTTP_HIDDEN,
        .name = "page",
        .summary = "The dashboard",
    };

    if (strcmp(r->method, "GET") != 0 || http_header(r, "authorization").p ||
        !page_is_accepted(http_header(r, "accept")) || is_of_programs(path))
        return NULL;
    return &page;
}
