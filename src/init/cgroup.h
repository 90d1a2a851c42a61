/* SPDX-License-Identifier: Apache-2.0 */
/* A control group of one instance's own, where this machine lets us make one below ours: version 2,
 * or version 1 with the memory, cpu and pids hierarchies apart. It enforces limits; the processes
 * of an instance are found without it.
 *
 * With version 2 a group that holds processes cannot limit those below it. Where our own group is
 * called "berth-server", as systemd's DelegateSubgroup makes it, the instances' are made beside it,
 * in the group that was delegated. */
#pragma once

#include "base/status.h"

#include <stdint.h>

struct cgroup {
    char memory[512]; /* folder that holds the memory limit; "": none */
    char cpu[512];    /* likewise; the same folder with version 2 */
    char pids[512];   /* likewise */
};

/* Makes what can be made; a limit of 0 is none. `processes` counts threads. */
void cgroup_create(struct cgroup *g, const char *name, int64_t memory, int64_t cpus_milli,
                   int64_t processes);
/* Likewise on a machine whose /proc and mounts are found below `root`: for tests. */
void cgroup_create_below(struct cgroup *g, const char *root, const char *name, int64_t memory,
                         int64_t cpus_milli, int64_t processes);
/* Puts the calling process in. */
void cgroup_enter(const struct cgroup *g);
/* Whether the kernel has killed one of its processes for want of memory. */
bool cgroup_was_out_of_memory(const struct cgroup *g);
/* SIGKILL for all in it. */
void cgroup_kill(const struct cgroup *g);
/* Removes the folders; the processes must be gone. */
void cgroup_remove(const struct cgroup *g);
