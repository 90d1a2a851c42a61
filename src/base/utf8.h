/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing past U+10FFFF. */
#pragma once

#include "base/str.h"

/* Bytes of the valid character at p[0..n), 0 when it is not valid. `out_code` may be NULL. */
size_t utf8_char(const char *p, size_t n, uint32_t *out_code);
/* Length in bytes of the run of valid characters beyond ASCII at p[0..n); 0 when there is none. */
size_t utf8_run(const char *p, size_t n);
bool utf8_valid(struct str s);
size_t utf8_count(struct str s);                /* code points of valid text */
size_t utf8_encode(uint32_t code, char out[4]); /* 0 when it is no Unicode scalar value */
/* The longest prefix of at most `max` bytes that does not cut a character. */
size_t utf8_prefix(struct str s, size_t max);
