/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is freed all at once. Each HTTP request and each flow has one; what outlives it is
 * copied out. */
#pragma once

#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *head;
};

void arena_init(struct arena *a);
void arena_deinit(struct arena *a); /* for CLEANUP() */

size_t arena_size(const struct arena *a); /* bytes that it has from the heap */

void *arena_alloc(struct arena *a, size_t n) NODISCARD; /* zeroed, aligned for any type */
void *arena_alloc_array(struct arena *a, size_t n, size_t size) NODISCARD;
char *arena_copy(struct arena *a, struct str s) NODISCARD; /* NUL-terminated */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3) NODISCARD;

#define arena_new(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc_array((a), (n), sizeof(type)))
