/* SPDX-License-Identifier: Apache-2.0 */
#include "init/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address(int dirfd, const char *name)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", dirfd, name);
    return a;
}

enum status sock_listen(int dirfd, const char *name, int *out_fd, struct error *err)
{
    struct sockaddr_un a = address(dirfd, name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return FAIL(err, STATUS_UNREACHABLE, "cannot make a socket: %s", strerror(errno));
    unlinkat(dirfd, name, 0);
    if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) != 0 ||
        fchmodat(dirfd, name, 0600, 0) != 0 || listen(fd, 8) != 0) {
        FAIL(err, STATUS_UNREACHABLE, "cannot listen on %s: %s", name, strerror(errno));
        close(fd);
        return STATUS_UNREACHABLE;
    }
    *out_fd = fd;
    return STATUS_OK;
}

enum status sock_connect(int dirfd, const char *name, int *out_fd, struct error *err)
{
    struct sockaddr_un a = address(dirfd, name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    enum status st;

    if (fd < 0)
        return FAIL(err, STATUS_UNREACHABLE, "cannot make a socket: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) != 0) {
        st = errno == ENOENT || errno == ECONNREFUSED ? STATUS_NOT_FOUND : STATUS_UNREACHABLE;
        FAIL(err, st, "cannot connect to %s: %s", name, strerror(errno));
        close(fd);
        return st;
    }
    *out_fd = fd;
    return STATUS_OK;
}
