/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encode.h"

#include "base/mem.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

void hex_add(struct buf *out, const void *p, size_t n)
{
    const unsigned char *bytes = p;
    char *at = n <= SIZE_MAX / 2 ? buf_reserve(out, n * 2) : NULL;

    if (!at) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        at[i * 2] = hex_digits[bytes[i] >> 4];
        at[i * 2 + 1] = hex_digits[bytes[i] & 15];
    }
    buf_commit(out, n * 2);
}

bool hex_decode(struct str hex, unsigned char *out, size_t n)
{
    if (hex.n / 2 != n || hex.n % 2 != 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(hex.p[i * 2]), low = hex_value(hex.p[i * 2 + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

void base64_add(struct buf *out, const void *p, size_t n)
{
    const unsigned char *in = p;
    char *at = n / 3 < SIZE_MAX / 4 - 1 ? buf_reserve(out, (n + 2) / 3 * 4) : NULL;
    size_t m = 0;

    if (!at) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16;

        v |= i + 1 < n ? (uint32_t)in[i + 1] << 8 : 0;
        v |= i + 2 < n ? in[i + 2] : 0;
        at[m++] = base64_digits[v >> 18];
        at[m++] = base64_digits[v >> 12 & 63];
        at[m++] = i + 1 < n ? base64_digits[v >> 6 & 63] : '=';
        at[m++] = i + 2 < n ? base64_digits[v & 63] : '=';
    }
    buf_commit(out, m);
}

/* What each byte stands for, 64 when for nothing. */
static void base64_values(unsigned char values[256])
{
    memset(values, 64, 256);
    for (unsigned char i = 0; i < 64; i++)
        values[(unsigned char)base64_digits[i]] = i;
}

bool base64_decode(struct str text, struct buf *out)
{
    unsigned char values[256];
    uint32_t v = 0, left;
    size_t n = text.n, m = 0;
    char *at;

    if (n > 0 && n % 4 == 0 && text.p[n - 1] == '=')
        n -= text.p[n - 2] == '=' ? 2 : 1;
    if (n % 4 == 1)
        return false;
    at = buf_reserve(out, n / 4 * 3 + (n % 4 ? n % 4 - 1 : 0));
    if (!at)
        return false;
    base64_values(values);
    for (size_t i = 0; i < n; i++) {
        unsigned char digit = values[(unsigned char)text.p[i]];

        if (digit == 64)
            return false;
        v = v << 6 | digit;
        if (i % 4 == 0)
            continue;
        at[m++] = (char)(unsigned char)(v >> (6 - i % 4 * 2) & 255);
    }
    /* Bits behind the last whole byte must be zero, else two texts would mean the same bytes. */
    left = n % 4 == 2 ? v & 15 : n % 4 == 3 ? v & 3 : 0;
    if (left)
        return false;
    buf_commit(out, m);
    return true;
}

static bool unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void percent_add(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (unreserved(s.p[i]))
            buf_addc(out, s.p[i]);
        else
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)s.p[i]);
    }
}

bool percent_decode(struct str s, struct buf *out)
{
    size_t before = out->n;

    if (s.n == 0 || !memchr(s.p, '%', s.n))
        return buf_add_str(out, s);
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '%') {
            int high = i + 2 < s.n ? hex_value(s.p[i + 1]) : -1;
            int low = i + 2 < s.n ? hex_value(s.p[i + 2]) : -1;

            if (high < 0 || low < 0 || (high == 0 && low == 0))
                goto malformed;
            c = (char)(unsigned char)(high << 4 | low);
            i += 2;
        }
        if (!buf_addc(out, c))
            goto malformed;
    }
    return true;

malformed:
    if (out->n > before) {
        out->n = before;
        out->p[before] = '\0';
    }
    return false;
}

/* OpenSSL fails here only without memory or without its own default provider. */
static void must(int ok)
{
    if (ok != 1) {
        fputs("berth: libcrypto cannot compute a hash\n", stderr);
        abort();
    }
}

void sha256(struct str s, unsigned char out[SHA256_SIZE])
{
    static EVP_MD *found; /* looking for it takes longer than to hash a token */
    EVP_MD *md = __atomic_load_n(&found, __ATOMIC_ACQUIRE);
    EVP_MD *none = NULL;

    if (!md) {
        md = EVP_MD_fetch(NULL, "SHA256", NULL);
        must(md != NULL);
        if (!__atomic_compare_exchange_n(&found, &none, md, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE)) {
            EVP_MD_free(md);
            md = none;
        }
    }
    must(EVP_Digest(s.p ? s.p : "", s.n, out, NULL, md, NULL));
}

void hmac_sha256(struct str key, struct str message, unsigned char out[SHA256_SIZE])
{
    const unsigned char *text = (const unsigned char *)(message.p ? message.p : "");

    must(HMAC(EVP_sha256(), key.p ? key.p : "", (int)key.n, text, message.n, out, NULL) != NULL);
}

struct sha256_ctx {
    EVP_MD_CTX *md;
};

struct sha256_ctx *sha256_new(void)
{
    struct sha256_ctx *c = xnew(struct sha256_ctx);

    c->md = EVP_MD_CTX_new();
    must(c->md != NULL);
    must(EVP_DigestInit_ex(c->md, EVP_sha256(), NULL));
    return c;
}

void sha256_add(struct sha256_ctx *c, const void *p, size_t n)
{
    must(EVP_DigestUpdate(c->md, p, n));
}

void sha256_end(struct sha256_ctx *c, unsigned char out[SHA256_SIZE])
{
    must(EVP_DigestFinal_ex(c->md, out, NULL));
    sha256_free(c);
}

void sha256_free(struct sha256_ctx *c)
{
    if (!c)
        return;
    EVP_MD_CTX_free(c->md);
    free(c);
}

struct md5_ctx {
    EVP_MD_CTX *md;
};

struct md5_ctx *md5_new(void)
{
    struct md5_ctx *c = xnew(struct md5_ctx);

    c->md = EVP_MD_CTX_new();
    must(c->md != NULL);
    must(EVP_DigestInit_ex(c->md, EVP_md5(), NULL));
    return c;
}

void md5_add(struct md5_ctx *c, const void *p, size_t n)
{
    must(EVP_DigestUpdate(c->md, p, n));
}

void md5_end(struct md5_ctx *c, unsigned char out[MD5_SIZE])
{
    must(EVP_DigestFinal_ex(c->md, out, NULL));
    md5_free(c);
}

void md5_free(struct md5_ctx *c)
{
    if (!c)
        return;
    EVP_MD_CTX_free(c->md);
    free(c);
}

bool bytes_equal_constant_time(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}
