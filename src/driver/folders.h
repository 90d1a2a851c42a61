/* SPDX-License-Identifier: Apache-2.0 */
/* What instances and builds see of the machine beside their own: the option instance_folders. */
#pragma once

#include "base/arena.h"

/* Lists that end with NULL. */
struct folders {
    const char *const *read_only;
    const char *const *writable;
};

/* "PATH" and "PATH=rw" with colons between; NULL: none. What is NULL in `read_only` and `writable`,
 * of n_… places, is passed over: they come before those of the text. */
struct folders folders_make(struct arena *a, const char *text, const char *const *read_only,
                            size_t n_read_only, const char *const *writable, size_t n_writable);
