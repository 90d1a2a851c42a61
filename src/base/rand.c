/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rand.h"

#include "base/compiler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void rand_init_os(struct rand *r)
{
    *r = (struct rand){ 0 };
}

static uint64_t rotate(uint64_t v, int by)
{
    return v << by | v >> (64 - by);
}

/* Spreads a seed of few bits (1, 2, 3 ...) over the state: the splitmix64 generator. */
static uint64_t spread(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15U;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

void rand_init_seeded(struct rand *r, uint64_t seed)
{
    *r = (struct rand){ .is_seeded = 1 };
    r->state[0] = spread(&seed);
    r->state[1] = spread(&seed);
}

/* xoroshiro128++ */
static uint64_t next(struct rand *r)
{
    uint64_t a = r->state[0], b = r->state[1];
    uint64_t v = rotate(a + b, 17) + a;

    b ^= a;
    r->state[0] = rotate(a, 49) ^ b ^ b << 21;
    r->state[1] = rotate(b, 28);
    return v;
}

static void os_bytes(void *out, size_t n)
{
    char *at = out;

    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            fputs("berth: the system gives no random bytes\n", stderr);
            abort();
        }
        at += got;
        n -= (size_t)got;
    }
}

void rand_bytes(struct rand *r, void *out, size_t n)
{
    char *at = out;

    if (!r->is_seeded) {
        os_bytes(out, n);
        return;
    }
    while (n > 0) {
        uint64_t v = next(r);
        size_t part = MIN(n, sizeof(v));

        memcpy(at, &v, part);
        at += part;
        n -= part;
    }
}

uint64_t rand_u64(struct rand *r)
{
    uint64_t v;

    rand_bytes(r, &v, sizeof(v));
    return v;
}

uint64_t rand_below(struct rand *r, uint64_t n)
{
    /* 2^64 mod n values at the low end would make some results likelier: they are drawn again. */
    uint64_t least = (0 - n) % n, v;

    do
        v = rand_u64(r);
    while (v < least);
    return v % n;
}

double rand_unit(struct rand *r)
{
    return (double)(rand_u64(r) >> 11) * 0x1p-53;
}
