/* SPDX-License-Identifier: Apache-2.0 */
/* A log file of bounded size: whole lines, of which the oldest go when room is needed. A line's
 * offset counts all bytes ever written, so that it never changes and tells what was lost.
 *
 * The file: "BERTHLOG", then in the machine's byte order u32 version, u32 size of the head, u64
 * capacity, u64 first offset kept, u64 offset of the end; then the bytes, offset modulo capacity.
 * Written by one process; a reader that opened it sees the state of that moment. */
#pragma once

#include "base/buf.h"
#include "base/status.h"

#define RING_FILE "log"

enum { RING_MAX_LINE = 64 * 1024 };

struct ring {
    int fd;
    uint64_t cap;
    uint64_t start, end; /* offsets of the first line kept and behind the last one */
};

#define RING_CLOSED ((struct ring){ .fd = -1 })

/* In the folder that dirfd stands for. `create` replaces what is there. */
enum status ring_create(int dirfd, uint64_t cap, struct ring *out, struct error *err) NODISCARD;
enum status ring_open(int dirfd, struct ring *out, struct error *err) NODISCARD;
void ring_close(struct ring *r);

/* Without its newline; newlines inside become spaces, what is longer than the limit of a line is
 * cut off. */
void ring_add(struct ring *r, struct str line);
size_t ring_max_line(const struct ring *r);
/* The first line at or after *at, which is moved behind it; false at the end. out_off is the line's
 * own offset: more than *at was when lines were lost. Replaces what is in `line`. */
bool ring_next(const struct ring *r, uint64_t *at, uint64_t *out_off, struct buf *line);
