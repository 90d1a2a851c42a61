/* SPDX-License-Identifier: Apache-2.0 */
/* What an instance is on the machine: a user of its own, and a mount and an ipc namespace in which
 * it sees what view.h says. No pid namespace: with the network shared, coglet's abstract sockets,
 * which are named by pid, would meet those of others. */
#pragma once

#include "base/status.h"
#include "init/spec.h"

#include <sys/types.h>

/* What may be had here; each is tried out in a child. */
bool sandbox_can_mount(void);
bool sandbox_can_become(uid_t uid); /* and have a mount namespace, without the help of another */
bool sandbox_can_hide_processes(void);

/* Makes home, tmp and coglet in the instance folder; they belong to the spec's user. */
enum status sandbox_prepare(const struct init_spec *s, int dirfd, struct error *err) NODISCARD;
/* In the process that becomes the model: its limits, and signals as a program expects them. */
void sandbox_limit(const struct init_spec *s);
/* In the process that becomes the model, for good: the namespaces, the view, the user. Where no
 * mount namespace may be had, *out_own_coglet is false, and /tmp/coglet is shared with the other
 * instances. */
enum status sandbox_enter(const struct init_spec *s, const char *folder, bool *out_own_coglet,
                          struct error *err) NODISCARD;
/* Takes that user and group, beside it those groups alone (numbers; NULL: none), and gives up all
 * rights. */
enum status sandbox_become(uid_t uid, const char *const *groups, struct error *err) NODISCARD;
