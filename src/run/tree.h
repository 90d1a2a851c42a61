/* SPDX-License-Identifier: Apache-2.0 */
/* Folders as wholes. Links in them are never followed. All of it blocks: for a work thread. */
#pragma once

#include "base/status.h"

/* Removes a folder and all in it, read-only ones too; silent when it is not there. */
void tree_remove(const char *path);
/* Everything in a folder can be read by everybody and written by nobody. */
void tree_make_readonly(const char *path);

enum tree_modes {
    TREE_KEEP,     /* as they are */
    TREE_READABLE, /* read by everybody, written by the owner */
    TREE_READ_ONLY /* read by everybody, written by nobody; sockets, pipes and devices go */
};

/* A folder and everything in it belongs to the user from now on (-1: to whom it does), with these
 * modes. What may be written there by others while this runs is the caller's affair: nothing may.
 * INVALID: folders more than 1,100 deep. */
enum status tree_give(const char *path, int64_t uid, enum tree_modes modes,
                      struct error *err) NODISCARD;
