/* SPDX-License-Identifier: Apache-2.0 */
/* Names for compiler features, so that the rest of the code reads the same with gcc and clang. */
#pragma once

#include <stddef.h>

#define NODISCARD         __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN          __attribute__((noreturn))
#define DESIGNATED        __attribute__((designated_init))
#define UNUSED            __attribute__((unused))
#define FALLTHROUGH       __attribute__((fallthrough))

#ifdef __clang__
#undef DESIGNATED
#define DESIGNATED
#endif

/* Runs fn(&variable) when the variable leaves its scope. Initialise at the declaration. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Gives ownership away: yields the pointer and leaves NULL behind. */
#define TAKE(p)                                                                                    \
    ({                                                                                             \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The struct that holds `member`, from a pointer to that member. */
#define container_of(ptr, type, member) ((type *)(void *)(((char *)(ptr)) - offsetof(type, member)))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
