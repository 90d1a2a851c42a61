/* SPDX-License-Identifier: Apache-2.0 */
/* Multipart bodies: however one is cut, its parts are the same. First the Content-Type, then a line
 * "--", then the body, whose first byte chooses the cuts. */
#include "fuzz.h"

#include "http/multipart.h"

struct record {
    struct buf seen;
    size_t bytes;
    bool in_part;
};

static bool on_begin(struct multipart *m, const struct multipart_part *part, struct error *err)
{
    struct record *r = m->user;

    (void)err;
    FUZZ_CHECK(!r->in_part);
    r->in_part = true;
    buf_addf(&r->seen, "<%.*s|%.*s|%.*s>", STR_ARG(part->name), STR_ARG(part->filename),
             STR_ARG(part->content_type));
    return true;
}

static bool on_data(struct multipart *m, struct str piece, struct error *err)
{
    struct record *r = m->user;

    (void)err;
    FUZZ_CHECK(r->in_part && piece.n > 0);
    r->bytes += piece.n;
    return buf_add_str(&r->seen, piece);
}

static bool on_end(struct multipart *m, struct error *err)
{
    struct record *r = m->user;

    (void)err;
    FUZZ_CHECK(r->in_part);
    r->in_part = false;
    return buf_adds(&r->seen, "</>");
}

static const struct multipart_events events = { .begin = on_begin, .data = on_data, .end = on_end };

static enum status read_all(struct str type, struct str body, uint32_t seed, struct record *r)
{
    struct fuzz_cuts cuts = { seed };
    struct multipart m;
    struct error err;
    enum status s;
    size_t size = body.n;

    buf_init(&r->seen, BUF_UNBOUNDED);
    s = multipart_init(&m, type, &events, r, &err);
    while (s == STATUS_OK && body.n > 0) {
        size_t n = seed ? fuzz_cut(&cuts, body.n) : body.n;

        s = multipart_feed(&m, str_make(body.p, n), &err);
        body = str_make(body.p + n, body.n - n);
    }
    if (s == STATUS_OK)
        s = multipart_finish(&m, &err);
    FUZZ_CHECK(s != STATUS_OK || !r->in_part);
    FUZZ_CHECK(s == STATUS_OK || s == STATUS_INVALID || s == STATUS_TOO_LARGE ||
                   s == STATUS_MEDIA_TYPE,
               "%d", (int)s);
    FUZZ_CHECK(r->bytes <= size);
    multipart_deinit(&m);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str body = fuzz_text(p, n), type = fuzz_part(&body);
    struct record whole = { 0 }, cut = { 0 };
    uint32_t seed = body.n ? (unsigned char)body.p[0] + 1U : 1;
    enum status s;

    if (body.n > 0)
        body = str_make(body.p + 1, body.n - 1);
    s = read_all(type, body, 0, &whole);
    FUZZ_CHECK(read_all(type, body, seed, &cut) == s);
    /* One that is refused may have told more of its last part, or less. */
    if (s == STATUS_OK)
        FUZZ_CHECK(str_eq(buf_str(&whole.seen), buf_str(&cut.seen)), "%.*s",
                   STR_ARG(buf_str(&cut.seen)));
    buf_deinit(&whole.seen);
    buf_deinit(&cut.seen);
    return 0;
}
