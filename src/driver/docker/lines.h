/* SPDX-License-Identifier: Apache-2.0 */
/* A container's log as the engine sends it: frames of 8 bytes of head (stream, 0, 0, 0, length,
 * big-endian) and so many bytes of text; standard output and standard error mixed, lines cut where
 * it pleases. */
#pragma once

#include "base/buf.h"

enum { DOCKER_MAX_LINE = 64 * 1024 }; /* a longer line comes in pieces of so many bytes */

struct docker_lines {
    unsigned char head[8];
    size_t n_head;       /* bytes of it that are there */
    uint32_t left;       /* bytes of the frame's text still to come */
    struct buf parts[2]; /* what has come of a line, of either stream */
    void (*line)(void *arg, struct str line);
    void *arg;
};

void docker_lines_init(struct docker_lines *d, void (*line)(void *arg, struct str line), void *arg);
void docker_lines_deinit(struct docker_lines *d);
/* False: these are no frames (the container has a terminal); nothing more is to be fed. */
bool docker_lines_feed(struct docker_lines *d, struct str piece);
/* The log ended: what has no newline is a line, too. */
void docker_lines_end(struct docker_lines *d);
