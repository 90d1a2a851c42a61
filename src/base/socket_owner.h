/* SPDX-License-Identifier: Apache-2.0 */
/* Whose sockets are: asked of the kernel (sock_diag), which looks them up by their addresses in its
 * tables; some microseconds, however many there are. */
#pragma once

#include "base/status.h"

#include <stdint.h>

struct sockaddr_storage;

/* The user whose TCP socket has this address as its own and is connected to `remote` (NULL: one
 * that listens). NOT_FOUND: this machine, or our network namespace, has none. UNSUPPORTED: the
 * kernel does not tell. */
enum status socket_owner(const struct sockaddr_storage *local,
                         const struct sockaddr_storage *remote, uint32_t *out_uid) NODISCARD;
/* Who is at the other end of a connected socket: TCP of this machine, or unix. */
enum status socket_peer_owner(int fd, uint32_t *out_uid) NODISCARD;
/* The user that listens on this port of 127.0.0.1. */
enum status socket_listener_owner(int port, uint32_t *out_uid) NODISCARD;
