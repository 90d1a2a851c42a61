/* SPDX-License-Identifier: Apache-2.0 */
/* What a server may be handed by the manager that starts it, and what it tells that manager. The
 * protocols are plain; no library is needed. */
#pragma once

/* The first of the sockets that were handed over to this process (LISTEN_PID, LISTEN_FDS); their
 * number is the result. Asked again it is 0, and no child is told of them. */
enum { SYSTEMD_FIRST_FD = 3 };
int systemd_sockets(void);
/* One message such as "READY=1", if anybody wants to know (NOTIFY_SOCKET). */
void systemd_notify(const char *message);
void systemd_notify_reloading(void);
