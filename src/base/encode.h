/* SPDX-License-Identifier: Apache-2.0 */
/* Hex, base64, percent-encoding, SHA-256 and MD5: the encodings that protocols ask for. */
#pragma once

#include "base/buf.h"

void hex_add(struct buf *out, const void *p, size_t n);        /* lower case */
bool hex_decode(struct str hex, unsigned char *out, size_t n); /* exactly n bytes */

void base64_add(struct buf *out, const void *p, size_t n); /* standard alphabet, padded */
bool base64_decode(struct str text, struct buf *out); /* padding optional; white space is refused */

void percent_add(struct buf *out, struct str s);    /* all but unreserved characters of RFC 3986 */
bool percent_decode(struct str s, struct buf *out); /* false: malformed escape, or %00 */

enum { SHA256_SIZE = 32 };
void sha256(struct str s, unsigned char out[SHA256_SIZE]);
void hmac_sha256(struct str key, struct str message, unsigned char out[SHA256_SIZE]);
/* In parts; `struct sha256_ctx` is opaque (OpenSSL). */
struct sha256_ctx *sha256_new(void) NODISCARD;
void sha256_add(struct sha256_ctx *c, const void *p, size_t n);
void sha256_end(struct sha256_ctx *c, unsigned char out[SHA256_SIZE]); /* and frees c */
void sha256_free(struct sha256_ctx *c);

/* For checksums that others want to see, never for trust. */
enum { MD5_SIZE = 16 };
struct md5_ctx *md5_new(void) NODISCARD;
void md5_add(struct md5_ctx *c, const void *p, size_t n);
void md5_end(struct md5_ctx *c, unsigned char out[MD5_SIZE]); /* and frees c */
void md5_free(struct md5_ctx *c);

bool bytes_equal_constant_time(const void *a, const void *b, size_t n);
