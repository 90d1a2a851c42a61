/* SPDX-License-Identifier: Apache-2.0 */
/* The stored form: a letter for the form, then numbers of seven bits a byte, small ones first. Most
 * buckets are empty and are left out. */
#include "core/scale/learn.h"

#include "base/compiler.h"
#include "base/mem.h"

#include <string.h>

enum { FORM = 'a' };

static void put(struct buf *out, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        buf_addc(out, (char)(v | 128));
    buf_addc(out, (char)v);
}

static void put_hist(struct buf *out, const struct scale_hist *h)
{
    uint64_t used = 0;

    for (int i = 0; i < SCALE_HIST_BUCKETS; i++)
        used += h->counts[i] > 0;
    put(out, h->n);
    put(out, (uint64_t)MAX(h->mean_ms * 1000, 0));
    put(out, used);
    for (int i = 0; i < SCALE_HIST_BUCKETS; i++)
        if (h->counts[i] > 0) {
            put(out, (uint64_t)i);
            put(out, h->counts[i]);
        }
}

void scale_learned_write(const struct scale_learned *l, struct buf *out)
{
    buf_addc(out, FORM);
    put_hist(out, &l->service);
    put_hist(out, &l->boot);
    for (int i = 0; i < SCALE_LEVELS; i++)
        put_hist(out, &l->gaps[i]);
    for (int i = 0; i < SCALE_RATES; i++)
        put(out, (uint64_t)(l->rates[i] * 1e6));
    put(out, (uint64_t)MAX(l->rates_at, 0));
    put(out, (uint64_t)MIN(l->late_ms * 1000, 1e15));
}

struct source {
    const unsigned char *p, *end;
    bool ok;
};

static uint64_t get(struct source *s)
{
    uint64_t v = 0;

    for (unsigned shift = 0; s->p < s->end && shift < 64; shift += 7) {
        unsigned char c = *s->p++;

        v |= (uint64_t)(c & 127) << shift;
        if (!(c & 128))
            return v;
    }
    s->ok = false;
    return 0;
}

static void get_hist(struct source *s, struct scale_hist *h)
{
    uint64_t n = get(s), used;

    h->n = (uint32_t)MIN(n, SCALE_HIST_MOST);
    h->mean_ms = (double)get(s) / 1000;
    used = get(s);
    for (uint64_t i = 0; i < used && s->ok; i++) {
        uint64_t at = get(s), count = get(s);

        if (at >= SCALE_HIST_BUCKETS || count > (SCALE_HIST_MOST + 1) * SCALE_HIST_WEIGHT) {
            s->ok = false;
            return;
        }
        h->counts[at] = (uint16_t)count;
        h->total += (uint32_t)count;
    }
}

bool scale_learned_read(struct scale_learned *l, struct str bytes, int64_t now)
{
    struct source s = { .p = (const unsigned char *)bytes.p, .ok = bytes.n > 0 };
    struct scale_learned *read CLEANUP(mem_free) = xnew(struct scale_learned);

    s.end = s.p + bytes.n;
    if (!s.ok || *s.p++ != FORM)
        return false;
    get_hist(&s, &read->service);
    get_hist(&s, &read->boot);
    for (int i = 0; i < SCALE_LEVELS; i++)
        get_hist(&s, &read->gaps[i]);
    for (int i = 0; i < SCALE_RATES; i++)
        read->rates[i] = (double)get(&s) / 1e6;
    read->rates_at = (int64_t)(get(&s) & INT64_MAX);
    read->late_ms = (double)get(&s) / 1000;
    if (!s.ok || s.p != s.end)
        return false;
    *l = *read;
    scale_learned_init(l, now);
    return true;
}
