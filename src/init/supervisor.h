/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's own life, after it has gone into the background. */
#pragma once

#include "init/spec.h"

/* Runs until the end is known to a server, or nobody asked for it for the orphan timeout.
 * `listener` is the control socket, `folder` the path that dirfd stands for. */
void supervisor_run(const struct init_spec *s, int dirfd, const char *folder, int listener);
