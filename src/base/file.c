/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 4 << 10 };

/* By way of a piece of its own: a file that just fits must not fail for want of room to see its
 * end. */
static enum status read_all(int fd, const char *path, struct buf *out, struct error *err)
{
    char piece[PIECE];

    for (;;) {
        ssize_t n = read(fd, piece, sizeof(piece));

        if (n == 0)
            return STATUS_OK;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return FAIL(err, STATUS_BROKEN, "cannot read %s: %s", path, strerror(errno));
        if (!buf_add(out, piece, (size_t)n))
            return FAIL(err, STATUS_TOO_LARGE, "%s is larger than the limit of %zu bytes", path,
                        out->max);
    }
}

enum status file_read(const char *path, struct buf *out, struct error *err)
{
    size_t before = out->n;
    enum status s;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return FAIL(err, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_BROKEN, "cannot open %s: %s",
                    path, strerror(errno));
    s = read_all(fd, path, out, err);
    close(fd);
    if (s != STATUS_OK) {
        out->n = before;
        out->failed = false;
        if (out->p)
            out->p[before] = '\0';
    }
    return s;
}
