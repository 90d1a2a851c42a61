/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal numbers as they are written, without a detour through binary fractions: prices, and the
 * numbers of input schemas. */
#pragma once

#include "base/str.h"

/* The value is mantissa * 10^exponent; the mantissa does not end in 0 (and exponent is 0 when it is
 * 0). */
struct decimal {
    __int128 mantissa; /* at most 36 digits; unset when `is_long` */
    int64_t exponent;  /* never negative means: an integer */
    bool is_long;      /* more digits than that; `exponent` holds nonetheless */
};

/* JSON's grammar, and nothing else around it. */
bool decimal_parse(struct str s, struct decimal *out);
/* The value times 10^scale, when that is an integer of 64 bits. */
bool decimal_scale(const struct decimal *d, int scale, int64_t *out);
bool decimal_is_integer(const struct decimal *d);
/* Whether v is a whole multiple of m, which is not 0; exact. False also where digits exceed what is
 * kept. */
bool decimal_is_multiple(const struct decimal *v, const struct decimal *m);
/* 1500 with scale 3 is "1.5". */
void decimal_format(int64_t value, int scale, char out[48]);
