/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes between a client and the registry, in both directions, whatever their number. What one side
 * gives and the other has not taken is at most WINDOW here: whoever is quicker waits.
 *
 *   client --on_body--> window --libcurl asks--> registry        paused: the client's body
 *   registry --on_data--> connection --drained--> client         paused: libcurl's transfer
 *
 * The registry's own deadline runs while it is the registry that is waited for; the client's are
 * its connection's. */
#include "api/registry_impl.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

enum { WINDOW = 256 << 10, MAX_PIECE_LEFT = WINDOW / 2, MAX_ANSWER = 64 << 10 };

struct passing {
    struct registry_open open; /* first */
    struct registry *registry;
    struct http_request *request; /* NULL: the client has gone */
    struct http_call call;
    struct timer stall;
    struct buf window; /* of the client's body: from `at` on the registry has not taken it */
    size_t at;
    int64_t n_body;
    bool has_ended;    /* the client has sent all */
    bool is_held;      /* its body is paused */
    bool is_starved;   /* libcurl waits for more of it */
    bool is_streaming; /* the answer has begun */
    bool is_late, is_too_large;
};

static void passing_free(struct registry_open *o)
{
    struct passing *p = container_of(o, struct passing, open);

    list_remove(&o->node);
    timer_stop(&p->stall);
    buf_deinit(&p->window);
    http_call_deinit(&p->call);
    free(p);
}

static void watch(struct passing *p)
{
    timer_start(&p->stall, REGISTRY_STALL_MS);
}

static void on_stall(struct timer *t)
{
    struct passing *p = container_of(t, struct passing, stall);

    p->is_late = true;
    http_call_cancel(&p->call);
}

/* --- the client's body --- */

static size_t left(const struct passing *p)
{
    return p->window.n - p->at;
}

static size_t on_wanted(struct http_call *call, char *out, size_t room)
{
    struct passing *p = container_of(call, struct passing, call);
    size_t n = MIN(room, left(p));

    if (n == 0 && p->has_ended)
        return 0;
    if (n == 0) {
        timer_stop(&p->stall); /* it is the client that is waited for */
        p->is_starved = true;
        return HTTP_CALL_LATER;
    }
    memcpy(out, p->window.p + p->at, n);
    p->at += n;
    watch(p);
    if (p->is_held && left(p) <= MAX_PIECE_LEFT) {
        p->is_held = false;
        if (p->request)
            http_body_resume(p->request);
    }
    return n;
}

static void on_body(struct http_request *r, struct str piece)
{
    struct passing *p = r->context;

    p->n_body += (int64_t)piece.n;
    if (p->n_body > p->registry->max_layer) {
        p->is_too_large = true;
        r->on_body = NULL;
        http_call_cancel(&p->call);
        return;
    }
    if (p->at >= left(p)) { /* so that less is moved than was sent */
        buf_shift(&p->window, p->at);
        p->at = 0;
    }
    if (piece.n == 0)
        p->has_ended = true;
    else
        buf_add_str(&p->window, piece);
    if (left(p) >= WINDOW) {
        p->is_held = true;
        http_body_pause(r);
    }
    if (p->is_starved) {
        p->is_starved = false;
        watch(p);
        http_call_resume(&p->call);
    }
}

/* --- the answer --- */

/* The registry's own address is nobody's business; paths are the same here. */
static const char *own_address(struct http_request *r, struct str location)
{
    const char *path = location.p, *end = location.p + location.n;

    if (str_starts(location, "http://") || str_starts(location, "https://")) {
        path = memchr(location.p + 8, '/', location.n - 8);
        if (!path)
            path = end;
    }
    return arena_printf(r->arena, "%s%.*s", api_base(r), (int)(end - path), path);
}

void registry_copy_fields(struct http_request *r, const struct http_call *call)
{
    static const char *const fields[] = {
        "Docker-Content-Digest",
        "Docker-Upload-UUID",
        "Range",
        "Content-Range",
        "Accept-Ranges",
        "OCI-Chunk-Min-Length",
        "OCI-Subject",
        "OCI-Chunk-Max-Length",
        "ETag",
        "Cache-Control",
        "Link",
    };
    struct str location = http_call_header(call, "Location");

    http_set_header(r, "Docker-Distribution-Api-Version", "registry/2.0");
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        struct str value = http_call_header(call, fields[i]);

        if (value.p)
            http_set_header(r, fields[i], arena_copy(r->arena, value));
    }
    if (location.n > 8)
        http_set_header(r, "Location", own_address(r, location));
}

static void begin_answer(struct passing *p)
{
    struct http_request *r = p->request;
    struct str type = http_call_header(&p->call, "Content-Type");
    int64_t length;

    registry_copy_fields(r, &p->call);
    p->is_streaming = true;
    type = type.n ? type : STR("application/octet-stream");
    if (str_to_i64(http_call_header(&p->call, "Content-Length"), &length) && length >= 0)
        http_stream_begin_sized(r, p->call.status, arena_copy(r->arena, type), length);
    else
        http_stream_begin(r, p->call.status, arena_copy(r->arena, type));
}

static void on_headers(struct http_call *call, int status)
{
    struct passing *p = container_of(call, struct passing, call);

    if (p->request && strcmp(p->request->method, "GET") == 0 && (status == 200 || status == 206))
        begin_answer(p);
}

static void on_drained(struct http_request *r)
{
    struct passing *p = r->context;

    r->on_drained = NULL;
    watch(p);
    http_call_resume(&p->call);
}

static bool on_data(struct http_call *call, struct str piece)
{
    struct passing *p = container_of(call, struct passing, call);
    struct http_request *r = p->request;

    watch(p);
    if (!r)
        return true;
    if (!p->is_streaming) { /* a refusal, or what says that all went well */
        buf_add_str(&call->body, piece);
        return true;
    }
    if (http_stream_pending(r) >= WINDOW) {
        timer_stop(&p->stall);
        r->on_drained = on_drained;
        return false;
    }
    (void)http_stream_write(r, piece); /* who is gone is told of by on_gone */
    return true;
}

static void refuse(struct passing *p, struct http_request *r, const struct error *err)
{
    if (p->is_too_large) {
        http_problem(r, 413, NULL, "A blob may have %lld bytes at most (registry_max_layer).",
                     (long long)p->registry->max_layer);
        return;
    }
    if (!err || err->status != STATUS_CANCELED)
        log_warning("the registry cannot be used", LOG_S("registry", p->registry->url),
                    LOG_S("what", err ? err->text : "it refuses us"));
    http_problem(r, p->is_late ? 504 : 502, NULL, "The registry behind this server %s.",
                 p->is_late ? "does not answer in time" : "cannot be used");
}

static void give_answer(struct passing *p, struct http_request *r, const struct error *err)
{
    int status = p->call.status;

    if (p->is_streaming && err)
        http_stream_abort(r);
    else if (p->is_streaming)
        http_stream_end(r);
    else if (err || status >= 500 || status == 401 || status == 403)
        refuse(p, r, err);
    else {
        struct str type = http_call_header(&p->call, "Content-Type");

        registry_copy_fields(r, &p->call);
        http_respond(r, status, type.n ? arena_copy(r->arena, type) : NULL, buf_str(&p->call.body));
    }
}

static void on_done(struct http_call *call, const struct error *err)
{
    struct passing *p = container_of(call, struct passing, call);
    struct http_request *r = p->request;

    if (r) {
        r->on_gone = NULL;
        r->on_body = NULL;
        r->on_drained = NULL;
        give_answer(p, r, err);
    }
    passing_free(&p->open);
}

static void on_gone(struct http_request *r)
{
    struct passing *p = r->context;

    p->request = NULL;
    http_call_cancel(&p->call);
}

/* --- the request --- */

static const struct http_call_events without_body = {
    .headers = on_headers,
    .data = on_data,
    .done = on_done,
};
static const struct http_call_events with_body = {
    .headers = on_headers,
    .data = on_data,
    .body = on_wanted,
    .done = on_done,
};

/* A registry answers with the first form that it is told one takes: all that there are. */
#define ACCEPT                                                                                     \
    "Accept: application/vnd.oci.image.index.v1+json, "                                            \
    "application/vnd.oci.image.manifest.v1+json, "                                                 \
    "application/vnd.docker.distribution.manifest.list.v2+json, "                                  \
    "application/vnd.docker.distribution.manifest.v2+json, */*"

static size_t pass_fields(struct http_request *r, const char *out[8])
{
    static const char *const fields[] = { "Content-Range", "Range", "If-Match", "If-None-Match" };
    size_t n = 0;

    out[n++] = ACCEPT;
    /* Whatever the client says: a registry would read a form's members as it does the query's. */
    out[n++] = "Content-Type: application/octet-stream";
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        struct str value = http_header(r, fields[i]);

        if (value.p)
            out[n++] = arena_printf(r->arena, "%s: %.*s", fields[i], STR_ARG(value));
    }
    out[n] = NULL;
    return n;
}

/* -1: it comes in chunks; 0: there is none. */
static int64_t body_size(struct http_request *r)
{
    int64_t n;

    if (http_header(r, "transfer-encoding").p)
        return -1;
    return str_to_i64(http_header(r, "content-length"), &n) ? n : 0;
}

void registry_pass(struct http_request *r, const char *method, const char *path, struct str query)
{
    struct registry *g = api_of(r)->registry;
    bool may_have_body = r->route->flags & HTTP_BODY_STREAM;
    int64_t size = may_have_body ? body_size(r) : 0;
    struct http_call_spec spec = { .method = method };
    struct passing *p;
    const char *fields[8];

    if (size > g->max_layer) {
        http_problem(r, 413, NULL, "A blob may have %lld bytes at most (registry_max_layer).",
                     (long long)g->max_layer);
        return;
    }
    p = xnew(struct passing);
    p->open.free = passing_free;
    list_push(&g->open, &p->open.node);
    p->registry = g;
    p->request = r;
    timer_init(g->loop, &p->stall, on_stall);
    buf_init(&p->window, BUF_UNBOUNDED);
    r->context = p;
    r->on_gone = on_gone;
    if (size != 0)
        r->on_body = on_body;
    pass_fields(r, fields);
    spec.url =
        arena_printf(r->arena, "%s%s%s%.*s", g->url, path, query.n ? "?" : "", STR_ARG(query));
    spec.headers = fields;
    spec.body_size = size;
    spec.max_body = MAX_ANSWER;
    /* What was sent of a body cannot be sent again: no connection that may be over already. */
    spec.flags = HTTP_CALL_BULK | (size != 0 ? HTTP_CALL_NEW_CONNECTION : 0);
    watch(p);
    http_call_start(g->client, &p->call, &spec, size != 0 ? &with_body : &without_body);
}
