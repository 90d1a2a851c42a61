/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_number.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

/* A number as 0.d1d2d3... * 10^point with neither leading nor trailing zeros, which makes the form
 * unique. The digits stay in the text, from `first` to `last`, possibly with the dot between. */
struct decimal {
    bool negative;
    const char *first, *last; /* NULL: the value is zero */
    size_t n_digits;
    int64_t point;
};

/* Exponents beyond this are all the same to us: no accessor can hold such a value. */
enum { EXPONENT_MOST = 1 << 30 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits(struct str s, size_t at)
{
    size_t n = 0;

    while (at + n < s.n && is_digit(s.p[at + n]))
        n++;
    return n;
}

size_t json_number_scan(struct str s, bool *out_is_integer)
{
    size_t at = s.n > 0 && s.p[0] == '-' ? 1 : 0;
    size_t n = digits(s, at);

    *out_is_integer = true;
    if (n == 0 || (s.p[at] == '0' && n > 1))
        return 0;
    at += n;
    if (at < s.n && s.p[at] == '.') {
        n = digits(s, at + 1);
        if (n == 0)
            return 0;
        at += 1 + n;
        *out_is_integer = false;
    }
    if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
        at++;
        if (at < s.n && (s.p[at] == '+' || s.p[at] == '-'))
            at++;
        n = digits(s, at);
        if (n == 0)
            return 0;
        at += n;
        *out_is_integer = false;
    }
    return at;
}

static int64_t exponent_of(struct str s)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    int64_t e = 0;

    for (size_t i = 0; i < s.n; i++)
        if (is_digit(s.p[i]) && e < EXPONENT_MOST)
            e = e * 10 + (s.p[i] - '0');
    return negative ? -e : e;
}

static struct decimal decimal_of(struct str s)
{
    struct decimal d = { 0 };
    size_t before = 0; /* digits from the first significant one to the dot */
    int64_t lead = 0;  /* zeros between the dot and the first significant digit, negative */
    bool dot = false;
    size_t i = 0;
    size_t seen = 0;

    if (s.n > 0 && s.p[0] == '-') {
        d.negative = true;
        i++;
    }
    for (; i < s.n && s.p[i] != 'e' && s.p[i] != 'E'; i++) {
        if (s.p[i] == '.') {
            dot = true;
            continue;
        }
        if (s.p[i] == '0' && !d.first) {
            lead -= dot ? 1 : 0;
            continue;
        }
        if (!d.first)
            d.first = s.p + i;
        seen++;
        before += dot ? 0 : 1;
        if (s.p[i] != '0') {
            d.last = s.p + i;
            d.n_digits = seen;
        }
    }
    d.point = lead + (int64_t)before;
    if (i < s.n)
        d.point += exponent_of(str_make(s.p + i + 1, s.n - i - 1));
    if (!d.first)
        d = (struct decimal){ 0 };
    return d;
}

bool json_number_integral(struct str number, bool *out_negative, uint64_t *out_magnitude)
{
    struct decimal d = decimal_of(number);
    uint64_t v = 0;

    *out_negative = d.negative;
    *out_magnitude = 0;
    if (!d.first)
        return true;
    if (d.point < (int64_t)d.n_digits || d.point > 20)
        return false;
    for (const char *p = d.first; p <= d.last; p++) {
        if (*p == '.')
            continue;
        if (__builtin_mul_overflow(v, 10U, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
            return false;
    }
    for (int64_t i = (int64_t)d.n_digits; i < d.point; i++)
        if (__builtin_mul_overflow(v, 10U, &v))
            return false;
    *out_magnitude = v;
    return true;
}

bool json_number_equal(struct str a, struct str b)
{
    struct decimal x = decimal_of(a), y = decimal_of(b);
    const char *p = x.first, *q = y.first;

    if (x.negative != y.negative || x.n_digits != y.n_digits || x.point != y.point)
        return false;
    if (!p)
        return true;
    for (size_t i = 0; i < x.n_digits; i++, p++, q++) {
        p += *p == '.' ? 1 : 0;
        q += *q == '.' ? 1 : 0;
        if (*p != *q)
            return false;
    }
    /* Past the clamp of the exponent only the same text is known to be the same value. */
    if (x.point >= EXPONENT_MOST || x.point <= -EXPONENT_MOST)
        return str_eq(a, b);
    return true;
}

bool json_number_double(struct str number, double *out)
{
    char small[64];
    char *text = number.n < sizeof(small) ? small : xmemdup(number.p, number.n);
    double v;

    if (text == small) {
        memcpy(small, number.p, number.n);
        small[number.n] = '\0';
    }
    v = strtod(text, NULL);
    if (text != small)
        free(text);
    if (!isfinite(v))
        return false;
    *out = v;
    return true;
}
