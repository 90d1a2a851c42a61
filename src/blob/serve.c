/* SPDX-License-Identifier: Apache-2.0 */
#include "blob/serve.h"

#include "base/mem.h"
#include "blob/name.h"

#include <stdlib.h>

struct range {
    int64_t offset, length;
};

enum range_verdict { RANGE_NONE, RANGE_ONE, RANGE_OUTSIDE };

/* What is not understood is left out of account, as RFC 9110 wants; of several ranges, all of the
 * file is given. */
static enum range_verdict read_range(struct str given, int64_t size, struct range *out)
{
    struct str rest = given, first;
    uint64_t from = 0, to = 0;

    if (!given.p || !str_split(&rest, '=', &first) || !str_ieq(str_trim(first), STR("bytes")) ||
        !rest.p || memchr(rest.p, ',', rest.n))
        return RANGE_NONE;
    rest = str_trim(rest);
    if (!str_split(&rest, '-', &first) || !rest.p)
        return RANGE_NONE;
    if (first.n == 0) { /* the last so many */
        if (!str_to_u64(rest, &to))
            return RANGE_NONE;
        to = MIN(to, (uint64_t)size);
        *out = (struct range){ size - (int64_t)to, (int64_t)to };
        return to == 0 ? RANGE_OUTSIDE : RANGE_ONE;
    }
    if (!str_to_u64(first, &from) || (rest.n > 0 && (!str_to_u64(rest, &to) || to < from)))
        return RANGE_NONE;
    if (from >= (uint64_t)size)
        return RANGE_OUTSIDE;
    if (rest.n == 0 || to >= (uint64_t)size)
        to = (uint64_t)size - 1;
    *out = (struct range){ (int64_t)from, (int64_t)(to - from + 1) };
    return RANGE_ONE;
}

bool tag_is_listed(struct str list, struct str etag)
{
    struct str part;

    while (list.p && str_split(&list, ',', &part)) {
        part = str_trim(part);
        if (str_is(part, "*"))
            return true;
        if (str_starts(part, "W/"))
            part = str_make(part.p + 2, part.n - 2);
        if (part.n == etag.n + 2 && part.p[0] == '"' && part.p[part.n - 1] == '"' &&
            str_eq(str_make(part.p + 1, etag.n), etag))
            return true;
    }
    return false;
}

static void add_disposition(struct http_request *r, const struct blob_answer *a)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(4096);
    bool is_media = !a->is_attachment && content_type_is_media(a->content_type);

    buf_addf(&text, "%s; filename=\"", is_media ? "inline" : "attachment");
    for (size_t i = 0; i < a->name.n; i++) {
        unsigned char c = (unsigned char)a->name.p[i];

        buf_addc(&text, c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '%' ? '_' : (char)c);
    }
    buf_adds(&text, "\"; filename*=UTF-8''");
    percent_add(&text, a->name);
    if (!text.failed)
        http_set_header(r, "Content-Disposition", text.p);
}

static void add_fields(struct http_request *r, const struct blob_answer *a)
{
    const char *tag = arena_printf(r->arena, "\"%.*s\"", STR_ARG(a->etag));

    add_disposition(r, a);
    if (a->etag.n)
        http_set_header(r, "ETag", tag);
    http_set_header(r, "Accept-Ranges", "bytes");
    http_set_header(r, "Cache-Control", "private, max-age=3600");
    http_set_header(r, "Content-Security-Policy", "default-src 'none'; sandbox");
    if (a->for_all_origins) {
        if (!http_has_set(r, "Access-Control-Allow-Origin")) /* two would count as none */
            http_set_header(r, "Access-Control-Allow-Origin", "*");
        http_set_header(r, "Cross-Origin-Resource-Policy", "cross-origin");
    }
}

struct serving {
    struct http_request *request;
    struct blob_reader *reader;
};

static void on_gone(struct http_request *r)
{
    struct serving *s = r->context;

    blob_reader_close(s->reader);
    free(s);
}

static void on_piece(void *arg, struct str piece, const struct error *err);

static void on_drained(struct http_request *r)
{
    struct serving *s = r->context;

    r->on_drained = NULL;
    blob_read(s->reader, on_piece, s);
}

static void on_piece(void *arg, struct str piece, const struct error *err)
{
    struct serving *s = arg;
    struct http_request *r = s->request;

    if (err) {
        http_stream_abort(r);
        return; /* on_gone comes */
    }
    if (piece.n == 0) {
        r->on_gone = NULL;
        http_stream_end(r);
        blob_reader_close(s->reader);
        free(s);
        return;
    }
    if (!http_stream_write(r, piece))
        return;
    if (http_stream_pending(r) > 0)
        r->on_drained = on_drained;
    else
        blob_read(s->reader, on_piece, s);
}

/* The first piece says whether the blob is there: only then an answer begins. */
struct opening {
    struct http_request *request;
    struct blob_reader *reader;
    int status;
    int64_t length;
    char *content_type;
};

static void opening_free(struct opening *o)
{
    free(o->content_type);
    free(o);
}

static void on_opening_gone(struct http_request *r)
{
    struct opening *o = r->context;

    blob_reader_close(o->reader);
    opening_free(o);
}

static void on_first(void *arg, struct str piece, const struct error *err)
{
    struct opening *o = arg;
    struct http_request *r = o->request;
    struct serving *s;

    r->on_gone = NULL;
    if (err) {
        http_problem_error(r, err); /* the error is the reader's */
        blob_reader_close(o->reader);
        opening_free(o);
        return;
    }
    s = xnew(struct serving);
    s->request = r;
    s->reader = o->reader;
    r->context = s;
    r->on_gone = on_gone;
    http_stream_begin_sized(r, o->status, o->content_type, o->length);
    opening_free(o);
    on_piece(s, r->is_head ? STR("") : piece, NULL);
}

static void open_blob(struct blobs *b, struct http_request *r, const struct blob_answer *a,
                      int status, const struct range *range)
{
    struct opening *o = xnew(struct opening);

    o->request = r;
    o->status = status;
    o->length = range->length;
    o->content_type =
        a->content_type.n ? str_dup(a->content_type) : xstrdup("application/octet-stream");
    o->reader = blob_reader_new(b, a->id, range->offset, range->length);
    r->context = o;
    r->on_gone = on_opening_gone;
    blob_read(o->reader, on_first, o);
}

void blob_serve(struct blobs *b, struct http_request *r, const struct blob_answer *a)
{
    struct range range = { 0, a->size };
    struct str if_range = http_header(r, "If-Range");
    enum range_verdict verdict = RANGE_NONE;

    if (!if_range.p || tag_is_listed(if_range, a->etag))
        verdict = read_range(http_header(r, "Range"), a->size, &range);
    if (verdict == RANGE_OUTSIDE) {
        http_set_header(r, "Content-Range",
                        arena_printf(r->arena, "bytes */%lld", (long long)a->size));
        http_problem(r, 416, NULL, "The file has %lld bytes; the range lies outside of it.",
                     (long long)a->size);
        return;
    }
    add_fields(r, a);
    if (tag_is_listed(http_header(r, "If-None-Match"), a->etag)) {
        http_respond_empty(r, 304);
        return;
    }
    if (verdict == RANGE_ONE)
        http_set_header(r, "Content-Range",
                        arena_printf(r->arena, "bytes %lld-%lld/%lld", (long long)range.offset,
                                     (long long)(range.offset + range.length - 1),
                                     (long long)a->size));
    open_blob(b, r, a, verdict == RANGE_ONE ? 206 : 200, &range);
}
