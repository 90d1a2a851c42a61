/* SPDX-License-Identifier: Apache-2.0 */
/* FNV-1a, for what nobody chooses in order to collide: nothing here is secret or seeded. */
#pragma once

#include "base/str.h"

#define HASH_INIT UINT64_C(0xcbf29ce484222325)

/* A whole number takes one step, as a byte does. */
static inline uint64_t hash_number(uint64_t h, uint64_t v)
{
    return (h ^ v) * UINT64_C(0x100000001b3);
}

static inline uint64_t hash_bytes(uint64_t h, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        h = hash_number(h, (unsigned char)s.p[i]);
    return h;
}
