/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of everything, for backups. */
#pragma once

#include "store/store.h"

/* The whole database as it is at one moment, in a new file at `path`. Takes one of the readers for
 * as long as it lasts; nothing else waits for it. CONFLICT where something is at the path,
 * DISK_FULL where there is no room: then nothing is left there. */
struct store_copy {
    struct store_op op;
    const char *path;
};
extern const struct store_op_type STORE_COPY;
