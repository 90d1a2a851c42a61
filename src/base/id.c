/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"

#include <assert.h>

enum { N_TIME_CHARS = 10, SECRET_MOST = 64 };

static const int64_t time_most = ((int64_t)1 << 48) - 1;
static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
static const char letters_and_digits[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

void id_gen_init(struct id_gen *g, struct rand *rand)
{
    *g = (struct id_gen){ .rand = rand };
    rand_bytes(rand, g->last, sizeof(g->last));
}

/* False when all 80 bits were ones. */
static bool increment(unsigned char bytes[10])
{
    for (int i = 9; i >= 0; i--)
        if (++bytes[i] != 0)
            return true;
    return false;
}

/* The time fills the ten characters before, the bytes the sixteen behind, five bits each. */
static void write_id(uint64_t ms, const unsigned char bytes[10], char out[ID_SIZE])
{
    uint32_t bits = 0;
    int n_bits = 0;
    size_t at = N_TIME_CHARS;

    for (int i = 0; i < N_TIME_CHARS; i++)
        out[i] = alphabet[ms >> (5 * (N_TIME_CHARS - 1 - i)) & 31];
    for (int i = 0; i < 10; i++) {
        bits = (bits << 8 | bytes[i]) & 0xffff;
        for (n_bits += 8; n_bits >= 5; n_bits -= 5)
            out[at++] = alphabet[bits >> (n_bits - 5) & 31];
    }
    out[ID_LEN] = '\0';
}

static uint64_t clamp_time(int64_t ms)
{
    return ms < 0 ? 0 : ms > time_most ? (uint64_t)time_most : (uint64_t)ms;
}

void id_make(struct id_gen *g, int64_t now_ms, char out[ID_SIZE])
{
    uint64_t now = clamp_time(now_ms);

    if (now > g->last_ms) {
        g->last_ms = now;
        rand_bytes(g->rand, g->last, sizeof(g->last));
    } else if (!increment(g->last)) {
        /* The clock stands still, or goes back: the next millisecond is borrowed. */
        g->last_ms++;
    }
    write_id(g->last_ms, g->last, out);
}

static int digit_of(char c)
{
    const char *at = memchr(alphabet, c, sizeof(alphabet) - 1);

    return at ? (int)(at - alphabet) : -1;
}

bool id_valid(struct str s)
{
    if (s.n != ID_LEN || s.p[0] > '7')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (digit_of(s.p[i]) < 0)
            return false;
    return true;
}

int64_t id_time_ms(struct str id)
{
    uint64_t ms = 0;

    for (size_t i = 0; i < N_TIME_CHARS; i++)
        ms = ms << 5 | (uint64_t)digit_of(id.p[i]);
    return (int64_t)ms;
}

void id_floor(int64_t ms, char out[ID_SIZE])
{
    static const unsigned char zeros[10];

    write_id(clamp_time(ms), zeros, out);
}

void id_secret(struct rand *r, size_t n, char *out)
{
    unsigned char bytes[SECRET_MOST];

    assert(n <= sizeof(bytes));
    rand_bytes(r, bytes, n);
    for (size_t i = 0; i < n; i++)
        out[i] = alphabet[bytes[i] & 31];
    out[n] = '\0';
    explicit_bzero(bytes, sizeof(bytes));
}

void id_token(struct rand *r, char out[TOKEN_LEN + 1])
{
    memcpy(out, "r8_", 3);
    for (size_t i = 3; i < TOKEN_LEN; i++)
        out[i] = letters_and_digits[rand_below(r, sizeof(letters_and_digits) - 1)];
    out[TOKEN_LEN] = '\0';
}
