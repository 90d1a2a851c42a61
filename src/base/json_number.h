/* SPDX-License-Identifier: Apache-2.0 */
/* Exact decimal arithmetic on the text of a JSON number. For base/json only. */
#pragma once

#include "base/str.h"

/* Length of the number that s begins with by JSON's grammar; 0 when there is none. */
size_t json_number_scan(struct str s, bool *out_is_integer);

/* The value as sign and magnitude, when it is integral and the magnitude fits in 64 bits. */
bool json_number_integral(struct str number, bool *out_negative, uint64_t *out_magnitude);
bool json_number_equal(struct str a, struct str b);
bool json_number_double(struct str number, double *out);
