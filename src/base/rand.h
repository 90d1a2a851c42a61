/* SPDX-License-Identifier: Apache-2.0 */
/* Randomness as an object, so that a simulation can be replayed from its seed. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rand {
    uint64_t state[2];
    int is_seeded; /* 0: from the operating system, fit for secrets */
};

void rand_init_os(struct rand *r);
void rand_init_seeded(struct rand *r, uint64_t seed);
void rand_bytes(struct rand *r, void *out, size_t n);
uint64_t rand_u64(struct rand *r);
uint64_t rand_below(struct rand *r, uint64_t n); /* uniform in [0, n), n > 0 */
double rand_unit(struct rand *r);                /* uniform in [0, 1) */
