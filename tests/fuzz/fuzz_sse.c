/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of server-sent events: however a stream is cut, its events are the same; and what is
 * written is read again. The first byte chooses the cuts. */
#include "fuzz.h"

#include "http/sse.h"

enum { MAX_EVENT = 2000 };

static struct buf *seen;
static bool is_copying;

static void note(struct str name, struct str id, struct str data)
{
    buf_add_str(seen, name);
    buf_addc(seen, '|');
    buf_add_str(seen, id);
    buf_addc(seen, '|');
    buf_add_str(seen, data);
    buf_addc(seen, ';');
}

/* What a reader reads, a writer can write so that it is read the same. */
static void on_event(struct sse_reader *r, const struct sse_event *e)
{
    (void)r;
    FUZZ_CHECK(e->name.n + e->data.n + e->id.n <= 3 * MAX_EVENT);
    FUZZ_CHECK(!memchr(e->name.p, '\n', e->name.n) && !(e->id.p && memchr(e->id.p, '\n', e->id.n)));
    if (is_copying)
        sse_write(seen, e->name, e->id, e->data);
    else
        note(e->name, e->id, e->data);
}

static bool read_all(struct str text, uint32_t seed, size_t max_event, struct buf *out)
{
    struct fuzz_cuts cuts = { seed };
    struct sse_reader r;
    bool ok = true;

    seen = out;
    buf_init(out, BUF_UNBOUNDED);
    sse_reader_init(&r, max_event, on_event);
    while (ok && text.n > 0) {
        size_t n = seed ? fuzz_cut(&cuts, text.n) : text.n;

        ok = sse_reader_feed(&r, str_make(text.p, n));
        text = str_make(text.p + n, text.n - n);
    }
    sse_reader_deinit(&r);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct buf whole CLEANUP(buf_deinit) = { 0 }, cut CLEANUP(buf_deinit) = { 0 };
    struct buf copy CLEANUP(buf_deinit) = { 0 }, again CLEANUP(buf_deinit) = { 0 };
    struct str text = n ? fuzz_text(p + 1, n - 1) : STR("");
    bool ok = read_all(text, 0, MAX_EVENT, &whole);
    bool ok_cut = read_all(text, n ? p[0] + 1U : 1, MAX_EVENT, &cut);

    if (ok != ok_cut) /* at the limit what is held counts, and that depends on the cuts */
        return 0;
    FUZZ_CHECK(str_eq(buf_str(&whole), buf_str(&cut)), "%.*s", STR_ARG(buf_str(&cut)));
    /* A name may have a NUL, which a writer leaves out. */
    if (!ok || memchr(text.p, '\0', text.n))
        return 0;
    is_copying = true;
    read_all(text, 0, MAX_EVENT, &copy);
    is_copying = false;
    /* What is written names each event, "message" too, and may so pass the limit. */
    read_all(buf_str(&copy), 0, 2 * MAX_EVENT, &again);
    FUZZ_CHECK(str_eq(buf_str(&whole), buf_str(&again)), "%.*s", STR_ARG(buf_str(&again)));
    return 0;
}
