/* SPDX-License-Identifier: Apache-2.0 */
/* The data folder as a place: made when it is missing, held by one server at a time, with the key
 * that seals secrets at rest. */
#pragma once

#include "base/buf.h"
#include "base/seal.h"
#include "base/status.h"

#include <limits.h>

enum { DATA_FOLDER_MAX = 300 }; /* bytes of its path: those below it have limits, too */

struct data_folder {
    char path[PATH_MAX]; /* without links */
    int lock_fd;         /* -1: not held */
    int fd;              /* the folder itself; -1 */
    unsigned char key[SEAL_KEY_SIZE];
    bool is_made, is_new; /* by this start: the folder; all of what a server keeps in it */
    struct buf found;     /* what was there before, each name with a zero byte behind it */
};

/* CONFLICT where another server holds it, INVALID for a path that is too long, BROKEN for a key
 * that is damaged. data_close() is right after a failure, too. */
enum status data_open(const char *given, struct data_folder *out, struct error *err) NODISCARD;
/* After a start that was refused, before data_close(): what it made goes. Of a folder that was some
 * server's already only its sockets do. */
void data_leave_as_found(struct data_folder *d);
void data_close(struct data_folder *d);
