/* SPDX-License-Identifier: Apache-2.0 */
/* A unix socket in a folder whose path may be longer than a socket's address can be: it is reached
 * through /proc/self/fd. Sockets do not block and are closed on exec. */
#pragma once

#include "base/status.h"

enum status sock_listen(int dirfd, const char *name, int *out_fd, struct error *err) NODISCARD;
/* NOT_FOUND: nobody listens. */
enum status sock_connect(int dirfd, const char *name, int *out_fd, struct error *err) NODISCARD;
