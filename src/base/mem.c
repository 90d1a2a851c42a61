/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

NORETURN static void out_of_memory(void)
{
    fputs("berth: out of memory\n", stderr);
    abort();
}

void *xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);

    if (!p)
        out_of_memory();
    return p;
}

void *xrealloc(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);

    if (!q)
        out_of_memory();
    return q;
}

void *xmemdup(const void *p, size_t n)
{
    char *q = xrealloc(NULL, n + 1);

    if (n)
        memcpy(q, p, n);
    q[n] = '\0';
    return q;
}

char *xstrdup(const char *s)
{
    return s ? xmemdup(s, strlen(s)) : NULL;
}

char *xasprintf(const char *fmt, ...)
{
    va_list ap;
    char *s = NULL;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&s, fmt, ap);
    va_end(ap);
    if (n < 0)
        out_of_memory();
    return s;
}

void mem_free(void *p)
{
    void *memory;

    /* The variable may be a pointer to any type. */
    memcpy(&memory, p, sizeof(memory));
    free(memory);
}

/* Blocks above the first are the kernel's again as soon as they are freed, wherever they lay. */
enum { OWN_PAGES_MIN = 8 << 20, KEPT_MAX = 32 << 20 };

void mem_keep_freed(void)
{
#ifdef M_TRIM_THRESHOLD /* glibc; others have their own ways */
    (void)mallopt(M_MMAP_THRESHOLD, OWN_PAGES_MIN);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_MAX);
#endif
}
