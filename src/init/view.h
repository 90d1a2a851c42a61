/* SPDX-License-Identifier: Apache-2.0 */
/* What a model or a build sees of the machine's files, once it has a mount namespace: the machine
 * read-only and without set-user-id, /tmp, /var/tmp and /dev/shm of its own, and of the folders
 * that are hidden (the server's data, above all) only what the spec names. */
#pragma once

#include "base/status.h"
#include "init/spec.h"

/* In the process that becomes the model, inside its namespace, with the rights that made it.
 * `folder` is the instance folder (absolute); home, tmp and coglet are in it. */
enum status view_enter(const struct init_spec *s, const char *folder, struct error *err) NODISCARD;
/* A /proc in which other users' processes cannot be seen, over this one. */
bool view_hide_processes(void);
