/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed answers. A small one is done at once, with one compressor for all; a large one in
 * slices, one each turn of the loop, so that the others need not wait for it. */
#include "http/gzip.h"

#include "base/mem.h"
#include "http/conn.h"

#include <stdlib.h>
#include <zlib.h>

enum {
    GZIP_FORMAT = 15 + 16, /* zlib's way to say it */
    LEVEL = 1,             /* a third of the time of the usual one, for a few per cent more bytes */
    MEMORY = 8,
};

struct gzip {
    z_stream z;
    struct buf in, out;
    size_t at; /* of `in` */
    int status;
    const char *type;
};

/* Of the parts "name;q=0.5" the weight in thousandths; -1: not this name. */
static int weight_of(struct str part, const char *name)
{
    struct str rest = part, bare, more;
    int weight = 1000, digit = 100;

    str_split(&rest, ';', &bare);
    if (!str_ieq(str_trim(bare), str_of(name)))
        return -1;
    while (str_split(&rest, ';', &more)) {
        more = str_trim(more);
        if (more.n < 3 || (more.p[0] != 'q' && more.p[0] != 'Q') || more.p[1] != '=')
            continue;
        weight = more.p[2] == '1' ? 1000 : 0;
        for (size_t i = 4; i < more.n && digit > 0 && weight < 1000; i++, digit /= 10)
            if (more.p[i] >= '0' && more.p[i] <= '9')
                weight += digit * (more.p[i] - '0');
    }
    return weight;
}

bool gzip_asked(struct str accept_encoding)
{
    struct str rest = accept_encoding, part;
    int gzip = -1, any = -1, identity = -1;

    while (str_split(&rest, ',', &part)) {
        gzip = MAX(gzip, MAX(weight_of(part, "gzip"), weight_of(part, "x-gzip")));
        identity = MAX(identity, weight_of(part, "identity"));
        any = MAX(any, weight_of(part, "*"));
    }
    if (gzip < 0)
        gzip = any;
    return gzip > 0 && gzip >= identity;
}

/* What is not compressed yet. */
static bool is_text(struct str type)
{
    struct str rest = type, bare;

    str_split(&rest, ';', &bare);
    bare = str_trim(bare);
    return str_starts(bare, "text/") || str_is(bare, "application/json") ||
           str_is(bare, "image/svg+xml") || str_is(bare, "application/javascript") ||
           str_ends(bare, "+json");
}

bool gzip_fits(const char *type, struct str body)
{
    return type && body.n > GZIP_LEAST && is_text(str_of(type));
}

static bool begin(z_stream *z)
{
    return deflateInit2(z, LEVEL, Z_DEFLATED, GZIP_FORMAT, MEMORY, Z_DEFAULT_STRATEGY) == Z_OK;
}

/* Feeds one piece; false when the compressor fails, which it does not but for want of memory. */
static bool feed(z_stream *z, struct str piece, bool is_last, struct buf *out)
{
    enum { STEP = 16 << 10 };
    union {
        const char *in;
        unsigned char *out;
    } p = { .in = piece.p }; /* zlib does not write there */
    int r;

    z->next_in = p.out;
    z->avail_in = (unsigned)piece.n;
    do {
        union {
            char *in;
            unsigned char *out;
        } at = { .in = buf_reserve(out, STEP) };

        z->next_out = at.out;
        z->avail_out = STEP;
        r = deflate(z, is_last ? Z_FINISH : Z_NO_FLUSH);
        buf_commit(out, STEP - z->avail_out);
    } while (r == Z_OK && (z->avail_out == 0 || is_last));
    return r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR;
}

bool gzip_now(struct http_server *s, struct str body, struct buf *out)
{
    if (!s->zip) {
        s->zip = xnew(z_stream);
        if (!begin(s->zip)) {
            free(s->zip);
            s->zip = NULL;
            return false;
        }
    }
    deflateReset(s->zip);
    return feed(s->zip, body, true, out) && out->n < body.n;
}

bool gzip_unpack(struct str zipped, size_t size, struct buf *out)
{
    union {
        const char *in;
        char *text;
        unsigned char *bytes;
    } from = { .in = zipped.p }, to = { .text = buf_reserve(out, size) }; /* read only */
    z_stream z = { .next_in = from.bytes, .avail_in = (unsigned)zipped.n };
    bool ok;

    if (!to.text || inflateInit2(&z, GZIP_FORMAT) != Z_OK)
        return false;
    z.next_out = to.bytes;
    z.avail_out = (unsigned)size;
    ok = inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_out == 0;
    inflateEnd(&z);
    if (ok)
        buf_commit(out, size);
    return ok;
}

void gzip_deinit(struct http_server *s)
{
    if (s->zip)
        deflateEnd(s->zip);
    free(s->zip);
}

struct gzip *gzip_new(int status, const char *type, struct str body, struct buf *owner)
{
    struct gzip *g = xnew(struct gzip);

    if (!begin(&g->z)) {
        free(g);
        return NULL;
    }
    g->status = status;
    g->type = type;
    buf_init(&g->in, BUF_UNBOUNDED);
    buf_init(&g->out, BUF_UNBOUNDED);
    if (owner) {
        g->in = *owner;
        buf_init(owner, BUF_UNBOUNDED);
    } else {
        buf_add_str(&g->in, body);
    }
    return g;
}

bool gzip_step(struct gzip *g)
{
    size_t n = MIN(g->in.n - g->at, (size_t)GZIP_SLICE);
    bool is_last = g->at + n == g->in.n;

    if (!feed(&g->z, str_make(g->in.p + g->at, n), is_last, &g->out)) {
        buf_deinit(&g->out);
        return false;
    }
    g->at += n;
    return !is_last;
}

bool gzip_is_smaller(const struct gzip *g)
{
    return g->out.n > 0 && g->out.n < g->in.n;
}

struct buf *gzip_body(struct gzip *g)
{
    return gzip_is_smaller(g) ? &g->out : &g->in;
}

int gzip_status(const struct gzip *g)
{
    return g->status;
}

const char *gzip_type(const struct gzip *g)
{
    return g->type;
}

void gzip_free(struct gzip *g)
{
    if (!g)
        return;
    deflateEnd(&g->z);
    buf_deinit(&g->in);
    buf_deinit(&g->out);
    free(g);
}
