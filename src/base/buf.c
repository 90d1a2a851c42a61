/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t max)
{
    *b = BUF_INIT(max);
}

void buf_deinit(struct buf *b)
{
    free(b->p);
    *b = BUF_INIT(b->max);
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
    if (b->p)
        b->p[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t n)
{
    size_t need, cap;

    if (b->failed || n > b->max || b->n > b->max - n) {
        b->failed = true;
        return NULL;
    }
    if (n >= SIZE_MAX - b->n) {
        b->failed = true;
        return NULL;
    }
    need = b->n + n + 1;
    if (need > b->cap) {
        cap = b->cap ? b->cap : 64;
        while (cap < need)
            cap = cap > SIZE_MAX / 2 ? need : cap * 2;
        b->p = xrealloc(b->p, cap);
        b->cap = cap;
    }
    return b->p + b->n;
}

void buf_commit(struct buf *b, size_t n)
{
    assert(b->p && b->n + n < b->cap);
    b->n += n;
    b->p[b->n] = '\0';
}

bool buf_add(struct buf *b, const void *p, size_t n)
{
    char *at = buf_reserve(b, n);

    if (!at)
        return false;
    if (n)
        memcpy(at, p, n);
    buf_commit(b, n);
    return true;
}

bool buf_adds(struct buf *b, const char *z)
{
    return buf_add(b, z, strlen(z));
}

bool buf_add_str(struct buf *b, struct str s)
{
    return buf_add(b, s.p, s.n);
}

bool buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
    size_t room = b->p && !b->failed ? b->cap - b->n : 0; /* the NUL's place counts */
    va_list again;
    char *at;
    int n;

    va_copy(again, ap);
    n = vsnprintf(room ? b->p + b->n : NULL, room, fmt, again);
    va_end(again);
    if (n >= 0 && (size_t)n < room && (size_t)n <= b->max - b->n) { /* it fitted, nearly always */
        b->n += (size_t)n;
        return true;
    }
    if (room)
        b->p[b->n] = '\0'; /* what was written there does not count */
    if (n < 0) {
        b->failed = true;
        return false;
    }
    at = buf_reserve(b, (size_t)n);
    if (!at)
        return false;
    vsnprintf(at, (size_t)n + 1, fmt, ap);
    buf_commit(b, (size_t)n);
    return true;
}

bool buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    bool ok;

    va_start(ap, fmt);
    ok = buf_vaddf(b, fmt, ap);
    va_end(ap);
    return ok;
}

void buf_shift(struct buf *b, size_t n)
{
    assert(n <= b->n);
    if (n == 0)
        return;
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
    b->p[b->n] = '\0';
}

char *buf_take(struct buf *b)
{
    char *p = b->p ? b->p : xmemdup("", 0);

    *b = BUF_INIT(b->max);
    return p;
}
