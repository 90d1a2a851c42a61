/* SPDX-License-Identifier: Apache-2.0 */
/* The model server itself: starting it, and reading from its output where it listens. */
#pragma once

#include "base/status.h"
#include "base/str.h"
#include "init/cgroup.h"
#include "init/netns.h"
#include "init/spec.h"

#include <sys/types.h>

struct model_server {
    pid_t pid;
    int log;             /* what it prints on both outputs (does not block) */
    bool has_own_coglet; /* it does not share /tmp/coglet */
};

/* Starts it in its own process group and its own surroundings (sandbox.h). On failure it never ran:
 * BROKEN when the program itself cannot be started. */
enum status model_server_start(const struct init_spec *s, const struct cgroup *g,
                               const struct netns *n, const char *folder, struct model_server *out,
                               struct error *err) NODISCARD;
/* The port in "Starting coglet server on 127.0.0.1:41234" (within coglet's JSON line) or "listening
 * 127.0.0.1:41234"; 0 when the line does not say. */
int model_server_port(struct str line);
