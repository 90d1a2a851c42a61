/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacks a pushed folder. The archive is hostile until proven otherwise: whatever could write
 * outside the target, or is no plain file, folder or inner link, is refused with its reason. */
#pragma once

#include "base/status.h"
#include "run/tree.h"

struct unpack_limits {
    int64_t max_bytes; /* unpacked, together */
    int64_t max_files; /* and folders */
    int64_t max_depth; /* folders within each other, the file itself counted */
    int64_t max_path;  /* bytes */
};

/* Blocks: for a work thread. `target` must exist and be empty. INVALID says which entry and why;
 * TOO_LARGE past a limit. */
enum status unpack_folder(const char *archive, const char *target,
                          const struct unpack_limits *limits, struct error *err) NODISCARD;

/* The SHA-256 of what a folder holds: paths in order, the executable bit, and each file's bytes. 64
 * hex digits and NUL. Blocks. */
enum status tree_digest(const char *folder, const char *also, char out_hex[65],
                        struct error *err) NODISCARD;
