/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer that knows its maximum. Whatever a peer can make large lives in one.
 * Always NUL-terminated behind the last byte, so that text can be used as a C string. */
#pragma once

#include "base/compiler.h"
#include "base/str.h"

#include <stdarg.h>

struct buf {
    char *p;
    size_t n;    /* bytes in use */
    size_t cap;  /* bytes allocated, including the NUL */
    size_t max;  /* n never passes this; SIZE_MAX means no limit */
    bool failed; /* something did not fit; later appends fail too, so that one check at the end does
                  */
};

#define BUF_INIT(maximum) ((struct buf){ .p = NULL, .n = 0, .cap = 0, .max = (maximum) })
#define BUF_UNBOUNDED     SIZE_MAX

void buf_init(struct buf *b, size_t max);
void buf_deinit(struct buf *b); /* for CLEANUP(); leaves an empty buffer with the same maximum */
void buf_clear(struct buf *b);  /* keeps the memory */

/* False (and b->failed) when the maximum would be passed; nothing is appended then. */
bool buf_add(struct buf *b, const void *p, size_t n);
bool buf_adds(struct buf *b, const char *z);
bool buf_add_str(struct buf *b, struct str s);
bool buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
bool buf_vaddf(struct buf *b, const char *fmt, va_list ap) PRINTF(2, 0);

/* Room for n more bytes at b->p + b->n; after writing m <= n of them, call buf_commit(b, m). */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);

static inline bool buf_addc(struct buf *b, char c)
{
    if (b->n + 1 >= b->cap || b->n >= b->max || b->failed)
        return buf_add(b, &c, 1);
    b->p[b->n++] = c;
    b->p[b->n] = '\0';
    return true;
}

/* Drops n bytes from the front. */
void buf_shift(struct buf *b, size_t n);

static inline struct str buf_str(const struct buf *b)
{
    return str_make(b->p ? b->p : "", b->n);
}

/* The text as an allocated C string; the buffer is empty afterwards. Never NULL. */
char *buf_take(struct buf *b) NODISCARD;
