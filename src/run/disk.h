/* SPDX-License-Identifier: Apache-2.0 */
/* Room on the disk of the data folder. While little is left nothing new is accepted, so that what
 * was accepted can still be written down when it ends. */
#pragma once

#include "loop/loop.h"

struct disk {
    struct loop *loop;
    char *folder;
    int64_t reserve;   /* bytes; 0: never low */
    int64_t free;      /* bytes, at `looked_at` */
    int64_t looked_at; /* monotonic ms */
    bool is_low, is_looking;
    struct work work;
    int64_t seen; /* the work thread's */
};

/* Looks at once, and waits for that: at the start. */
void disk_init(struct disk *d, struct loop *l, const char *folder, int64_t reserve);
void disk_deinit(
    struct disk *d); /* nothing may be under way any more: after the loop's work ended */

/* What is known; a look that is older than half a second starts a new one, off the loop. Before the
 * first request after a pause what is known may be old: then it is not low, and whoever writes
 * finds out. */
bool disk_is_low(struct disk *d);
