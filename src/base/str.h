/* SPDX-License-Identifier: Apache-2.0 */
/* A view of bytes that somebody else owns, passed by value. Not NUL-terminated. */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){ .p = "" literal, .n = sizeof(literal) - 1 })
#define STR_NULL     ((struct str){ .p = NULL, .n = 0 })
/* For printf: "%.*s", STR_ARG(s) */
#define STR_ARG(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct str str_of(const char *z)
{
    return (struct str){ .p = z, .n = z ? strlen(z) : 0 };
}

static inline struct str str_make(const char *p, size_t n)
{
    return (struct str){ .p = p, .n = n };
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_is(struct str a, const char *z)
{
    return str_eq(a, str_of(z));
}

bool str_ieq(struct str a, struct str b); /* ASCII letters only */
bool str_starts(struct str s, const char *prefix);
bool str_ends(struct str s, const char *suffix);
struct str str_trim(struct str s); /* spaces and tabs at both ends */

/* Splits at the first `sep`: *head is what is before, *rest what follows (NULL p when there was
 * none). False when s.p is NULL, so that `while (str_split(&rest, ',', &part))` walks a list. */
bool str_split(struct str *rest, char sep, struct str *out_head);

char *str_dup(struct str s) NODISCARD; /* NUL-terminated copy */

/* Whole decimal numbers; false when anything else is there or the value does not fit. */
bool str_to_i64(struct str s, int64_t *out_value);
bool str_to_u64(struct str s, uint64_t *out_value);
bool str_to_double(struct str s, double *out_value);
