/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdlib.h>

enum { ALIGNMENT = 16, FIRST_BLOCK = 2048, LAST_BLOCK = 1 << 20 };

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(ALIGNMENT) char bytes[];
};

void arena_init(struct arena *a)
{
    a->head = NULL;
}

void arena_deinit(struct arena *a)
{
    while (a->head) {
        struct arena_block *next = a->head->next;

        free(a->head);
        a->head = next;
    }
}

size_t arena_size(const struct arena *a)
{
    size_t n = 0;

    for (const struct arena_block *b = a->head; b; b = b->next)
        n += sizeof(*b) + b->size;
    return n;
}

static struct arena_block *add_block(struct arena *a, size_t n)
{
    size_t size = a->head ? MIN(a->head->size * 2, (size_t)LAST_BLOCK) : FIRST_BLOCK;
    struct arena_block *b;

    if (size < n)
        size = n;
    b = xrealloc(NULL, sizeof(*b) + size);
    b->used = 0;
    b->size = size;
    b->next = a->head;
    a->head = b;
    return b;
}

static void *take(struct arena *a, size_t n)
{
    struct arena_block *b = a->head;
    void *p;

    if (n > SIZE_MAX / 2)
        abort();
    n = (n + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (!b || b->size - b->used < n)
        b = add_block(a, n);
    p = b->bytes + b->used;
    b->used += n;
    return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
    return memset(take(a, n), 0, n);
}

void *arena_alloc_array(struct arena *a, size_t n, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(n, size, &total))
        abort();
    return arena_alloc(a, total);
}

char *arena_copy(struct arena *a, struct str s)
{
    char *p = take(a, s.n + 1);

    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    CLEANUP(buf_deinit) struct buf text = BUF_INIT(BUF_UNBOUNDED);
    va_list ap;

    va_start(ap, fmt);
    if (!buf_vaddf(&text, fmt, ap))
        abort();
    va_end(ap);
    return arena_copy(a, buf_str(&text));
}
