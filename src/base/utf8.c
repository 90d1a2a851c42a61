/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

static inline bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* The ranges of the second byte are those of RFC 3629's grammar: they alone keep out overlong
 * forms, surrogates and what lies past U+10FFFF. */
static inline size_t wide_char(const unsigned char *p, size_t n, uint32_t *out_code)
{
    if (n >= 2 && p[0] >= 0xc2 && p[0] <= 0xdf && is_tail(p[1])) {
        *out_code = (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
        return 2;
    }
    if (n >= 3 && (p[0] & 0xf0) == 0xe0 && is_tail(p[1]) && is_tail(p[2])) {
        if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
            return 0;
        *out_code = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
        return 3;
    }
    if (n >= 4 && p[0] >= 0xf0 && p[0] <= 0xf4 && is_tail(p[1]) && is_tail(p[2]) && is_tail(p[3])) {
        if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
            return 0;
        *out_code = (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
                    (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
        return 4;
    }
    return 0;
}

size_t utf8_char(const char *p, size_t n, uint32_t *out_code)
{
    const unsigned char *u = (const unsigned char *)p;
    uint32_t code = 0;
    size_t len;

    if (n == 0)
        return 0;
    if (u[0] < 0x80) {
        code = u[0];
        len = 1;
    } else {
        len = wide_char(u, n, &code);
    }
    if (len && out_code)
        *out_code = code;
    return len;
}

size_t utf8_run(const char *p, size_t n)
{
    const unsigned char *u = (const unsigned char *)p;
    uint32_t code;
    size_t at = 0;

    while (at < n && u[at] >= 0x80) {
        size_t len = wide_char(u + at, n - at, &code);

        if (len == 0)
            break;
        at += len;
    }
    return at;
}

bool utf8_valid(struct str s)
{
    size_t at = 0;

    while (at < s.n) {
        uint64_t word;
        size_t len;

        if (s.n - at >= sizeof(word)) {
            memcpy(&word, s.p + at, sizeof(word));
            if ((word & 0x8080808080808080U) == 0) {
                at += sizeof(word);
                continue;
            }
        }
        if ((unsigned char)s.p[at] < 0x80) {
            at++;
            continue;
        }
        len = utf8_run(s.p + at, s.n - at);
        if (len == 0)
            return false;
        at += len;
    }
    return true;
}

size_t utf8_count(struct str s)
{
    size_t count = 0;

    for (size_t i = 0; i < s.n; i++)
        count += is_tail((unsigned char)s.p[i]) ? 0 : 1;
    return count;
}

size_t utf8_encode(uint32_t code, char out[4])
{
    unsigned char *u = (unsigned char *)out;

    if (code < 0x80) {
        u[0] = (unsigned char)code;
        return 1;
    }
    if (code < 0x800) {
        u[0] = (unsigned char)(0xc0 | code >> 6);
        u[1] = (unsigned char)(0x80 | (code & 0x3f));
        return 2;
    }
    if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
        return 0;
    if (code < 0x10000) {
        u[0] = (unsigned char)(0xe0 | code >> 12);
        u[1] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
        u[2] = (unsigned char)(0x80 | (code & 0x3f));
        return 3;
    }
    u[0] = (unsigned char)(0xf0 | code >> 18);
    u[1] = (unsigned char)(0x80 | (code >> 12 & 0x3f));
    u[2] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
    u[3] = (unsigned char)(0x80 | (code & 0x3f));
    return 4;
}

size_t utf8_prefix(struct str s, size_t max)
{
    size_t n = max;

    if (s.n <= max)
        return s.n;
    while (n > 0 && is_tail((unsigned char)s.p[n]))
        n--;
    return n;
}
