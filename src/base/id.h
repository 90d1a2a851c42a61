/* SPDX-License-Identifier: Apache-2.0 */
/* Ids of 26 characters in the lower-case ULID alphabet (Crockford base32): 48 bits of time in
 * milliseconds, then 80 random bits. They sort by time, and serve as page cursors. Within one
 * generator ids are strictly increasing even in one millisecond. */
#pragma once

#include "base/rand.h"
#include "base/str.h"

enum { ID_LEN = 26, ID_SIZE = ID_LEN + 1 };

struct id_gen {
    struct rand *rand;
    uint64_t last_ms;
    unsigned char last[10];
};

void id_gen_init(struct id_gen *g, struct rand *rand);
void id_make(struct id_gen *g, int64_t now_ms, char out[ID_SIZE]);
bool id_valid(struct str s);
int64_t id_time_ms(struct str id);            /* of a valid id */
void id_floor(int64_t ms, char out[ID_SIZE]); /* the smallest id of that millisecond */

/* Random text in the same alphabet, for capabilities: 52 characters are 256 bits (n <= 64). */
void id_secret(struct rand *r, size_t n, char *out); /* n characters and a NUL */
/* Replicate's form of a token: "r8_" and 37 letters or digits, 40 characters in all. */
enum { TOKEN_LEN = 40 };
void id_token(struct rand *r, char out[TOKEN_LEN + 1]);
