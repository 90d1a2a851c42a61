/* SPDX-License-Identifier: Apache-2.0 */
#include "core/decimal.h"

#include <inttypes.h>
#include <stdio.h>

enum { MAX_DIGITS = 36, MAX_EXPONENT = 1000000 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads "e-12"; very large exponents stop growing. */
static bool parse_exponent(struct str s, size_t *at, int64_t *out)
{
    bool negative = false;
    int64_t value = 0;
    size_t i = *at + 1;

    if (i < s.n && (s.p[i] == '+' || s.p[i] == '-'))
        negative = s.p[i++] == '-';
    if (i >= s.n || !is_digit(s.p[i]))
        return false;
    for (; i < s.n && is_digit(s.p[i]); i++)
        value = MIN(value * 10 + (s.p[i] - '0'), MAX_EXPONENT);
    *at = i;
    *out = negative ? -value : value;
    return true;
}

/* Takes one digit into d. Zeros wait until a digit follows them, so that none stands at the end. */
static void add_digit(struct decimal *d, int digit, int *n_digits, int64_t *zeros)
{
    if (digit == 0) {
        *zeros += *n_digits > 0 ? 1 : 0;
        return;
    }
    if (*zeros + *n_digits + 1 > MAX_DIGITS)
        d->is_long = true;
    if (d->is_long)
        return;
    for (; *zeros > 0; (*zeros)--, (*n_digits)++)
        d->mantissa *= 10;
    d->mantissa = d->mantissa * 10 + digit;
    (*n_digits)++;
}

bool decimal_parse(struct str s, struct decimal *out)
{
    struct decimal d = { 0 };
    bool negative = s.n > 0 && s.p[0] == '-';
    size_t at = negative ? 1 : 0;
    size_t first = at, last = SIZE_MAX, n_int = 0,
           n_frac = 0; /* last: index of the last digit but 0 */
    int n_digits = 0;
    int64_t zeros = 0, exponent = 0;

    for (; at < s.n && is_digit(s.p[at]); at++, n_int++) {
        add_digit(&d, s.p[at] - '0', &n_digits, &zeros);
        last = s.p[at] != '0' ? n_int : last;
    }
    if (n_int == 0 || (n_int > 1 && s.p[first] == '0'))
        return false;
    if (at < s.n && s.p[at] == '.') {
        for (at++; at < s.n && is_digit(s.p[at]); at++, n_frac++) {
            add_digit(&d, s.p[at] - '0', &n_digits, &zeros);
            last = s.p[at] != '0' ? n_int + n_frac : last;
        }
        if (n_frac == 0)
            return false;
    }
    if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E') && !parse_exponent(s, &at, &exponent))
        return false;
    if (at != s.n)
        return false;
    if (last != SIZE_MAX)
        d.exponent = (int64_t)n_int - 1 - (int64_t)last + exponent;
    d.mantissa = negative ? -d.mantissa : d.mantissa;
    *out = d;
    return true;
}

bool decimal_scale(const struct decimal *d, int scale, int64_t *out)
{
    __int128 v = d->mantissa;
    int64_t exponent = d->exponent + scale;

    if (d->is_long || (exponent < 0 && v != 0))
        return false;
    for (; v != 0 && exponent > 0; exponent--) {
        v *= 10;
        if (v > INT64_MAX || v < INT64_MIN)
            return false;
    }
    if (v > INT64_MAX || v < INT64_MIN)
        return false;
    *out = (int64_t)v;
    return true;
}

bool decimal_is_integer(const struct decimal *d)
{
    return d->exponent >= 0;
}

bool decimal_is_multiple(const struct decimal *v, const struct decimal *m)
{
    __int128 step = m->mantissa < 0 ? -m->mantissa : m->mantissa;
    __int128 rest = v->mantissa < 0 ? -v->mantissa : v->mantissa;
    int64_t places = v->exponent - m->exponent;

    if (v->is_long || m->is_long || step == 0)
        return false;
    if (rest == 0)
        return true;
    /* Then step * 10^n would have to divide a mantissa that 10 does not divide. */
    if (places < 0)
        return false;
    rest %= step;
    for (; places > 0 && rest != 0; places--)
        rest = rest * 10 % step;
    return rest == 0;
}

void decimal_format(int64_t value, int scale, char out[48])
{
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint64_t unit = 1;
    int n;

    for (int i = 0; i < scale; i++)
        unit *= 10;
    n = snprintf(out, 48, "%s%" PRIu64, value < 0 ? "-" : "", magnitude / unit);
    if (magnitude % unit == 0)
        return;
    n += snprintf(out + n, (size_t)(48 - n), ".%0*" PRIu64, scale, magnitude % unit);
    while (out[n - 1] == '0')
        out[--n] = '\0';
}
