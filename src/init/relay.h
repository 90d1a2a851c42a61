/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between an instance with a network of its own and the server: it passes bytes on, and
 * reads none of them. Two ways only: from the server (a unix socket in the instance's folder) to
 * the port of the model server, and from the namespace (one port of its loopback) to the server's
 * internal listener (a unix socket in the data folder). */
#pragma once

#include "base/compiler.h"

struct relay_ends {
    int from_server;    /* listens: the unix socket */
    int from_model;     /* listens: the port inside */
    int tell;           /* a pipe: the model server's port as an int; its end: pass on what is under
                           way, take no more, and go */
    int folder;         /* that of the server's internal socket ... */
    const char *server; /* ... and its name there */
};

/* The process is in the namespace already. Its sockets and memory are bounded, whatever comes. */
NORETURN void relay_run(const struct relay_ends *e);
