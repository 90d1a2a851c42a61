/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ops/page.h"

#include <assert.h>

/* Sorts behind every id: those are lower-case letters and digits. */
#define LAST_ID "~"

void page_walk_init(struct page_walk *w, struct db *db, struct store_op *op,
                    const struct page_query *q)
{
    assert(q->limit > 0);
    *w = (struct page_walk){
        .db = db,
        .op = op,
        .after = { .id = q->after },
        .before = { .id = q->before },
        .oldest = { .id = "", .at = INT64_MIN },
        .newest = { .id = LAST_ID, .at = INT64_MAX },
        .limit = q->limit,
    };
}

static enum status open_from(struct page_walk *w, bool down, struct page_key from, int64_t limit,
                             struct reader *r)
{
    struct db_value *args = down ? w->older_args : w->newer_args;

    args[PAGE_ID] = DB_V_TEXT(from.id);
    args[PAGE_LIMIT] = DB_V_INT(limit);
    if (w->has_at)
        args[PAGE_AT] = DB_V_INT(from.at);
    return reader_open(r, w->db, down ? w->older : w->newer, args, &w->op->arena, &w->op->error);
}

static bool next_wanted(struct page_walk *w, struct reader *r)
{
    while (reader_next(r)) {
        if (!w->wants || w->wants(w, r)) {
            r->at = 0;
            return true;
        }
    }
    return false;
}

static enum status probe(struct page_walk *w, bool down, struct page_key from, bool *out)
{
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = open_from(w, down, from, w->wants ? INT64_MAX : 1, &r);
    bool found = false;

    if (s != STATUS_OK)
        return s;
    found = next_wanted(w, &r);
    if (r.status == STATUS_OK)
        *out = found;
    return r.status;
}

struct progress {
    size_t n, bytes;
    struct page_key first; /* that was read: next to the cursor */
    bool more;
};

static enum status collect(struct page_walk *w, bool down, struct page_key from, bool from_end,
                           struct progress *p)
{
    CLEANUP(reader_close) struct reader r = READER_INIT;
    size_t limit = (size_t)w->limit;
    enum status s = open_from(w, down, from, w->wants ? INT64_MAX : w->limit + 1, &r);

    if (s != STATUS_OK)
        return s;
    while (next_wanted(w, &r)) {
        size_t bytes = 0;
        struct page_key key;

        if (p->n == limit || (w->max_bytes > 0 && p->bytes >= w->max_bytes)) {
            p->more = true;
            break;
        }
        key = w->read(w, &r, from_end ? limit - 1 - p->n : p->n, &bytes);
        if (p->n++ == 0)
            p->first = key;
        p->bytes += bytes;
    }
    return r.status;
}

enum status page_walk(struct page_walk *w, size_t *out_first, size_t *out_n,
                      struct page_info *out_info)
{
    bool has_cursor = w->after.id || w->before.id;
    bool back = !w->after.id && w->before.id;
    bool down = back == w->rising; /* against the list's order when going back */
    struct page_key from = w->after.id    ? w->after
                           : w->before.id ? w->before
                           : down         ? w->newest
                                          : w->oldest;
    struct progress p = { .n = 0 };
    bool other = false;
    enum status s = collect(w, down, from, back, &p);

    if (s == STATUS_OK && has_cursor && p.n > 0)
        s = probe(w, !down, p.first, &other);
    if (s != STATUS_OK)
        return s;
    *out_first = back ? (size_t)w->limit - p.n : 0;
    *out_n = p.n;
    *out_info = (struct page_info){ .has_next = back ? other : p.more,
                                    .has_previous = back ? p.more : other };
    return STATUS_OK;
}
