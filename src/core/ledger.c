/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ledger.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { AMOUNT_DIGITS = 12 };

const char *ledger_kind_name(enum ledger_kind k)
{
    static const char *const names[LEDGER_KINDS] = {
#define X(name, text) [LEDGER_##name] = text,
        LEDGER_KIND_TABLE(X)
#undef X
    };

    return names[k];
}

int64_t ledger_floor(int64_t wall_ms, int64_t unit_ms)
{
    int64_t rest = wall_ms % unit_ms;

    return wall_ms - (rest < 0 ? rest + unit_ms : rest);
}

int64_t ledger_first_hour(int64_t now, int64_t keep_ms)
{
    return ledger_floor(now - keep_ms, LEDGER_DAY_MS);
}

/* --- tallies --- */

void ledger_tally_add(struct ledger_tally *t, const struct ledger_piece *p)
{
    if (p->ms == 0)
        return;
    for (size_t i = t->n; i > 0; i--) { /* the last hours are the ones that grow */
        struct ledger_piece *at = &t->pieces[i - 1];

        if (at->hour == p->hour && at->price_nano == p->price_nano && at->kind == p->kind) {
            at->ms += p->ms;
            return;
        }
    }
    if (t->n == t->room) {
        t->room = t->room ? t->room * 2 : 2;
        t->pieces = xrealloc(t->pieces, t->room * sizeof(*t->pieces));
    }
    t->pieces[t->n++] = *p;
}

void ledger_tally_span(struct ledger_tally *t, int64_t from, int64_t to, enum ledger_kind kind,
                       int64_t price_nano)
{
    while (from < to) {
        int64_t hour = ledger_floor(from, LEDGER_HOUR_MS), end = MIN(to, hour + LEDGER_HOUR_MS);

        ledger_tally_add(
            t, &(struct ledger_piece){
                   .hour = hour, .price_nano = price_nano, .kind = kind, .ms = end - from });
        from = end;
    }
}

void ledger_tally_move(struct ledger_tally *to, struct ledger_tally *from)
{
    for (size_t i = 0; i < from->n; i++)
        ledger_tally_add(to, &from->pieces[i]);
    from->n = 0;
}

int64_t ledger_tally_ms(const struct ledger_tally *t)
{
    int64_t ms = 0;

    for (size_t i = 0; i < t->n; i++)
        ms += t->pieces[i].ms;
    return ms;
}

__int128 ledger_tally_amount(const struct ledger_tally *t)
{
    __int128 amount = 0;

    for (size_t i = 0; i < t->n; i++)
        amount += (__int128)t->pieces[i].ms * t->pieces[i].price_nano;
    return amount;
}

void ledger_tally_deinit(struct ledger_tally *t)
{
    free(t->pieces);
    *t = (struct ledger_tally){ 0 };
}

/* --- the meter --- */

/* The i-th of n parts of `ms`: equal but for the last milliseconds, which go to those whose turn it
 * is. */
static int64_t part(int64_t ms, size_t n, size_t i, unsigned turn)
{
    size_t place = (i + n - turn % n) % n;

    return ms / (int64_t)n + (place < (size_t)(ms % (int64_t)n));
}

static void divide(struct ledger_meter *m, int64_t hour, int64_t ms,
                   struct ledger_tally *const *shares, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ledger_tally_add(shares[i], &(struct ledger_piece){ .hour = hour,
                                                            .price_nano = m->price_nano,
                                                            .kind = LEDGER_ACTIVE,
                                                            .ms = part(ms, n, i, m->turn) });
    m->turn = (unsigned)((m->turn + (uint64_t)ms % n) % n);
}

void ledger_meter_count(struct ledger_meter *m, int64_t now, int64_t wall, enum ledger_kind kind,
                        struct ledger_tally *own, struct ledger_tally *const *shares, size_t n)
{
    int64_t ms = now - m->at, from = wall - ms;

    if (ms <= 0)
        return;
    m->at = now;
    m->counted_ms += ms;
    if (n == 0) {
        assert(kind != LEDGER_ACTIVE);
        ledger_tally_span(own, from, wall, kind, m->price_nano);
        return;
    }
    while (from < wall) {
        int64_t hour = ledger_floor(from, LEDGER_HOUR_MS), end = MIN(wall, hour + LEDGER_HOUR_MS);

        divide(m, hour, end - from, shares, n);
        from = end;
    }
}

/* --- sums --- */

void ledger_sum_add(struct ledger_sum *s, enum ledger_kind kind, int64_t price_nano, int64_t ms)
{
    s->ms[kind] += ms;
    s->amount[kind] += (__int128)ms * price_nano;
}

int64_t ledger_sum_ms(const struct ledger_sum *s)
{
    int64_t ms = 0;

    for (size_t i = 0; i < LEDGER_KINDS; i++)
        ms += s->ms[i];
    return ms;
}

__int128 ledger_sum_amount(const struct ledger_sum *s)
{
    __int128 amount = 0;

    for (size_t i = 0; i < LEDGER_KINDS; i++)
        amount += s->amount[i];
    return amount;
}

__int128 ledger_price_of(int64_t price_nano, int64_t n, int64_t ms)
{
    return (__int128)price_nano * n * ms;
}

void ledger_format(__int128 amount, char out[LEDGER_TEXT])
{
    unsigned __int128 rest = amount < 0 ? -(unsigned __int128)amount : (unsigned __int128)amount;
    char digits[LEDGER_TEXT];
    size_t n = 0, at = 0, skip = 0;

    for (; rest > 0 || n <= AMOUNT_DIGITS; rest /= 10)
        digits[n++] = (char)('0' + (int)(rest % 10));
    while (skip < AMOUNT_DIGITS && digits[skip] == '0')
        skip++;
    if (amount < 0)
        out[at++] = '-';
    while (n > skip) {
        if (n == AMOUNT_DIGITS)
            out[at++] = '.';
        out[at++] = digits[--n];
    }
    out[at] = '\0';
}
