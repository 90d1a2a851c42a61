/* SPDX-License-Identifier: Apache-2.0 */
/* The processes of this machine, read from /proc. */
#pragma once

#include "base/buf.h"

#include <sys/types.h>

/* When the process started, in ticks since boot; 0 when there is no such process. */
int64_t procs_start(pid_t pid);

/* SIGKILL for all descendants of this process. Since it is the subreaper of its descendants, one
 * whose parent died is found too. Zombies are left alone, and so is `but` (0: nobody). Returns how
 * many were signalled. */
size_t procs_kill_descendants(pid_t but);

/* Bytes of memory that the descendants hold together. Pages that several of them share are counted
 * once, if the kernel tells, as soon as the plain sum is over `enough`. */
int64_t procs_memory(int64_t enough);

/* SIGKILL for every process of ours whose environment holds this "NAME=value". For what a
 * supervisor that died before its time left behind. Returns how many were signalled. */
size_t procs_kill_marked(struct str name_and_value);

/* Processes of the machine that belong to the user (its real one); zombies do not count. */
size_t procs_of_user(uid_t uid);
/* SIGKILL for all of them at once, so that none can be born meanwhile. For root only; `uid` is
 * never 0. */
void procs_kill_user(uid_t uid);
/* Bytes on the disk of files that the descendants have open and whose names are gone. */
int64_t procs_nameless_files(void);
