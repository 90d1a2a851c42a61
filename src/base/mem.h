/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation of our own small objects: never fails, aborts instead. The store is durable, so that a
 * restart recovers. Anything whose size a peer chooses goes through struct buf, which has a
 * maximum. */
#pragma once

#include "base/compiler.h"

#include <stdarg.h>
#include <stddef.h>

void *xcalloc(size_t n, size_t size) NODISCARD;
void *xrealloc(void *p, size_t size) NODISCARD;
void *xmemdup(const void *p, size_t n) NODISCARD; /* adds a NUL after the copy */
char *xstrdup(const char *s) NODISCARD;           /* NULL gives NULL */
char *xasprintf(const char *fmt, ...) PRINTF(1, 2) NODISCARD;

/* For CLEANUP(): free(*p). */
void mem_free(void *p);

/* What is freed stays the process's, up to 32 MB of it, for what is allocated next: a large text in
 * pages that the kernel gives anew costs several times what the copying does. Before any thread. */
void mem_keep_freed(void);

#define xnew(type) ((type *)xcalloc(1, sizeof(type)))
