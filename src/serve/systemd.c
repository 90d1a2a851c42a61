/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/systemd.h"

#include "base/clock.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static bool number_of(const char *name, uint64_t *out)
{
    const char *text = getenv(name);

    return text && str_to_u64(str_of(text), out);
}

int systemd_sockets(void)
{
    uint64_t pid, n;
    bool ours = number_of("LISTEN_PID", &pid) && pid == (uint64_t)getpid() &&
                number_of("LISTEN_FDS", &n) && n > 0 && n <= 64;

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (!ours)
        return 0;
    for (int fd = SYSTEMD_FIRST_FD; fd < SYSTEMD_FIRST_FD + (int)n; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return (int)n;
}

void systemd_notify(const char *message)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    size_t n = path ? strlen(path) : 0;
    int fd;

    if ((n > 0 && path[0] != '/' && path[0] != '@') || n < 2 || n >= sizeof(at.sun_path))
        return;
    memcpy(at.sun_path, path, n);
    if (path[0] == '@')
        at.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    /* A manager that does not listen is no reason not to serve. */
    (void)!sendto(fd, message, strlen(message), MSG_NOSIGNAL,
                  (const struct sockaddr *)(const void *)&at,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    close(fd);
}

void systemd_notify_reloading(void)
{
    struct timespec now;
    char text[80];

    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    systemd_notify(text);
}
