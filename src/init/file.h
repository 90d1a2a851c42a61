/* SPDX-License-Identifier: Apache-2.0 */
/* Small files as wholes, and removal of folders. */
#pragma once

#include "base/buf.h"
#include "base/status.h"

/* Appends the file's text, as far as the buffer takes it (TOO_LARGE). */
enum status init_file_read(int dirfd, const char *name, struct buf *out,
                           struct error *err) NODISCARD;
/* Mode 0600, through a second name, so that nobody sees half of it. */
enum status init_file_replace(int dirfd, const char *name, struct str text,
                              struct error *err) NODISCARD;
/* One write to an existing file, as /proc and control groups want it. False: errno tells. */
bool init_file_poke(const char *path, const char *text);
/* A folder with everything in it, however deep; symbolic links are removed, never followed. True
 * when it is gone. */
bool folder_remove(int dirfd, const char *name);
/* Bytes on the disk of all that is in a folder; links are not followed. Stops once over `enough`,
 * which folders more than 200 deep are in any case, and counts what it cannot look into as nothing.
 */
int64_t folder_size(int dirfd, const char *name, int64_t enough);
