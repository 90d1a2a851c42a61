/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool str_ieq(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool str_starts(struct str s, const char *prefix)
{
    size_t n = strlen(prefix);

    return s.n >= n && (n == 0 || memcmp(s.p, prefix, n) == 0);
}

bool str_ends(struct str s, const char *suffix)
{
    size_t n = strlen(suffix);

    return s.n >= n && (n == 0 || memcmp(s.p + s.n - n, suffix, n) == 0);
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

bool str_split(struct str *rest, char sep, struct str *out_head)
{
    const char *at;

    if (!rest->p)
        return false;
    at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
    if (!at) {
        *out_head = *rest;
        *rest = STR_NULL;
        return true;
    }
    *out_head = str_make(rest->p, (size_t)(at - rest->p));
    rest->n -= out_head->n + 1;
    rest->p = at + 1;
    return true;
}

char *str_dup(struct str s)
{
    return xmemdup(s.p, s.n);
}

bool str_to_u64(struct str s, uint64_t *out_value)
{
    uint64_t v = 0;

    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(v, 10U, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return false;
    }
    *out_value = v;
    return true;
}

bool str_to_i64(struct str s, int64_t *out_value)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    uint64_t v;

    if (negative) {
        s.p++;
        s.n--;
    }
    if (!str_to_u64(s, &v) || v > (uint64_t)INT64_MAX + (negative ? 1U : 0U))
        return false;
    *out_value = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

bool str_to_double(struct str s, double *out_value)
{
    char text[64];
    char *end;
    double v;

    if (s.n == 0 || s.n >= sizeof(text) || !(s.p[0] == '-' || (s.p[0] >= '0' && s.p[0] <= '9')))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    if (memchr(text, '\0', s.n) || strpbrk(text, "xXnN"))
        return false;
    v = strtod(text, &end);
    if (end != text + s.n || !isfinite(v))
        return false;
    *out_value = v;
    return true;
}
