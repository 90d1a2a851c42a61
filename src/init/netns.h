/* SPDX-License-Identifier: Apache-2.0 */
/* A network of an instance's own: a namespace with a loopback and no way out, and a process of ours
 * in it, a child of the supervisor, that passes on what may pass (relay.h). For root only. */
#pragma once

#include "base/status.h"
#include "init/spec.h"

#include <sys/types.h>

/* Where the server reaches the model server, in the instance's folder: "<instance id>" and this.
 * The server's own, in its data folder: SERVER_SOCKET. */
#define NETNS_SOCKET        ".sock"
#define NETNS_SERVER_SOCKET "internal.sock"

struct netns {
    pid_t pid;    /* of the relay; 0: the network is shared */
    int fd, tell; /* the namespace, and how the relay is told; -1 */
};

#define NETNS_NONE ((struct netns){ .fd = -1, .tell = -1 })

/* Whether one may be had; tried out in a child. */
bool netns_can(void);
/* Makes the namespace and starts the relay. Nothing is left after a failure. */
enum status netns_start(const struct init_spec *s, int dirfd, struct netns *out,
                        struct error *err) NODISCARD;
/* In the process that becomes the model, for good. */
enum status netns_enter(const struct netns *n, struct error *err) NODISCARD;
/* The user that listens on that port of the namespace's loopback (socket_owner.h). */
enum status netns_listener_owner(const struct netns *n, int port, uint32_t *out_uid) NODISCARD;
/* Before the server is told of the socket. */
void netns_tell_port(const struct netns *n, int port);
/* The relay passes on what the model has said, and ends. */
void netns_finish(struct netns *n);
void netns_deinit(struct netns *n);
