/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share. A target is one file with one LLVMFuzzerTestOneInput(). It is built
 * twice: with libFuzzer (-Dfuzz=true), and in every build with replay.c, which gives it each file
 * of its corpus once, as a test. */
#pragma once

#include "base/compiler.h"
#include "base/str.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* A property that does not hold is a find, in every kind of build. */
#define FUZZ_CHECK(condition, ...)                                                                 \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s:", __FILE__, __LINE__, #condition);                 \
            fprintf(stderr, " " __VA_ARGS__);                                                      \
            fputc('\n', stderr);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline struct str fuzz_text(const uint8_t *p, size_t n)
{
    return str_make((const char *)p, n);
}

/* The input up to a line "--" and what follows it; a text of several parts is kept readable so. */
static inline struct str fuzz_part(struct str *rest)
{
    static const char mark[] = "\n--\n";
    struct str all = *rest;
    const char *at = all.n ? memmem(all.p, all.n, mark, sizeof(mark) - 1) : NULL;

    if (!at) {
        *rest = str_make(all.p + all.n, 0);
        return all;
    }
    *rest = str_make(at + sizeof(mark) - 1, (size_t)(all.p + all.n - at) - sizeof(mark) + 1);
    return str_make(all.p, (size_t)(at - all.p));
}

/* Lengths of pieces that something is cut into: the same for the same seed. */
struct fuzz_cuts {
    uint32_t state;
};

static inline size_t fuzz_cut(struct fuzz_cuts *c, size_t left)
{
    uint32_t x = c->state ? c->state : 1, n;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    c->state = x;
    n = x % 4 == 0 ? 1 : x % 4 == 1 ? 2 + (x >> 8) % 14 : 1 + (x >> 8) % 300;
    return MIN((size_t)n, left);
}
