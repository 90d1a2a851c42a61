/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are read as a whole. */
#pragma once

#include "base/buf.h"
#include "base/status.h"

/* Appends a whole file to `out`, whose maximum is the limit. NOT_FOUND when there is none,
 * TOO_LARGE when it does not fit, BROKEN for everything else (a folder, a fault of the disk); then
 * `out` is as it was. */
enum status file_read(const char *path, struct buf *out, struct error *err) NODISCARD;
