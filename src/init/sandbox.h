/* SPDX-License-Identifier: Apache-2.0 */
/* What an instance sees of the machine: its own folders, its own /tmp/coglet, its version's folders
 * read-only. */
#pragma once

#include "base/status.h"
#include "init/spec.h"

/* Whether a mount namespace may be had; tried out in a child. */
bool sandbox_can_mount(void);
/* Makes home, tmp and coglet in the instance folder and /tmp/coglet, and enters the mount namespace
 * for good. Where none may be had, *out_own_coglet is false, and /tmp/coglet is shared with the
 * other instances. */
enum status sandbox_enter(const struct init_spec *s, int dirfd, const char *folder,
                          bool *out_own_coglet, struct error *err) NODISCARD;
