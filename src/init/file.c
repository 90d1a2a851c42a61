/* SPDX-License-Identifier: Apache-2.0 */
#include "init/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum status init_file_read(int dirfd, const char *name, struct buf *out, struct error *err)
{
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
    char part[4096];
    ssize_t n;

    if (fd < 0)
        return FAIL(err, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_BROKEN, "cannot open %s: %s",
                    name, strerror(errno));
    do {
        n = read(fd, part, sizeof(part));
        if (n > 0)
            buf_add(out, part, (size_t)n);
    } while ((n > 0 && !out->failed) || (n < 0 && errno == EINTR));
    close(fd);
    if (out->failed)
        return FAIL(err, STATUS_TOO_LARGE, "%s is too large", name);
    return n < 0 ? FAIL(err, STATUS_BROKEN, "cannot read %s: %s", name, strerror(errno))
                 : STATUS_OK;
}

static bool write_all(int fd, struct str text)
{
    while (text.n > 0) {
        ssize_t n = write(fd, text.p, text.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text = str_make(text.p + n, text.n - (size_t)n);
    }
    return true;
}

enum status init_file_replace(int dirfd, const char *name, struct str text, struct error *err)
{
    char second[64];
    bool written;
    int fd;

    snprintf(second, sizeof(second), "%s.new", name);
    fd = openat(dirfd, second, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return FAIL(err, STATUS_UNREACHABLE, "cannot write %s: %s", name, strerror(errno));
    written = write_all(fd, text);
    close(fd);
    if (!written || renameat(dirfd, second, dirfd, name) != 0) {
        enum status st = errno == ENOSPC ? STATUS_DISK_FULL : STATUS_UNREACHABLE;

        FAIL(err, st, "cannot write %s: %s", name, strerror(errno));
        unlinkat(dirfd, second, 0);
        return st;
    }
    return STATUS_OK;
}

bool init_file_poke(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return false;
    n = write(fd, text, strlen(text));
    close(fd);
    return n == (ssize_t)strlen(text);
}

/* Models may take away their own rights on a folder; ours to give back, since we own it. */
static int open_folder(int dirfd, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dirfd, name, flags);

    if (fd < 0 && errno == EACCES && fchmodat(dirfd, name, 0700, 0) == 0)
        fd = openat(dirfd, name, flags);
    return fd;
}

/* One level of recursion for each level of folders, up to a depth; what lies deeper is moved up to
 * the top, where the next round finds it. */
struct emptying {
    int top;
    unsigned n_moved;
    bool again;
};

static void move_up(struct emptying *e, int fd, const char *name)
{
    enum { MAX_TRIES = 1000 };
    char aside[32];

    for (int i = 0; i < MAX_TRIES; i++) {
        snprintf(aside, sizeof(aside), ".deeper-%u", e->n_moved++);
        if (renameat(fd, name, e->top, aside) == 0) {
            e->again = true;
            return;
        }
        if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
            return;
    }
}

static void empty(struct emptying *e, int fd, int depth)
{
    DIR *d = fdopendir(fd);
    const struct dirent *entry;

    if (!d) {
        close(fd);
        return;
    }
    fchmod(fd, 0700);
    while ((entry = readdir(d))) {
        const char *name = entry->d_name;
        int inner;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || unlinkat(fd, name, 0) == 0)
            continue;
        inner = open_folder(fd, name);
        if (inner >= 0 && depth == 0) {
            fchmod(inner, 0700); /* to move it, we must be able to write it */
            close(inner);
            move_up(e, fd, name);
            continue;
        }
        if (inner >= 0)
            empty(e, inner, depth - 1);
        unlinkat(fd, name, AT_REMOVEDIR);
    }
    closedir(d);
}

bool folder_remove(int dirfd, const char *name)
{
    enum { MAX_DEPTH = 100 };
    struct emptying e = { .again = true };

    while (e.again) {
        int fd = open_folder(dirfd, name);

        e.again = false;
        e.top = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (fd >= 0)
            empty(&e, fd, MAX_DEPTH);
        if (e.top >= 0)
            close(e.top);
    }
    return unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

/* Takes the fd. A file with several names counts several times: so nothing is saved by them. */
static int64_t size_below(int fd, int64_t enough, int depth)
{
    DIR *d = fdopendir(fd);
    const struct dirent *e;
    int64_t sum = 0;

    if (!d) {
        close(fd);
        return 0;
    }
    while (sum <= enough && (e = readdir(d))) {
        struct stat st;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        sum += (int64_t)st.st_blocks * 512;
        if (S_ISDIR(st.st_mode) && depth == 0) {
            sum = enough + 1; /* nothing can be hidden from the sum by depth */
        } else if (S_ISDIR(st.st_mode)) {
            int inner = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

            sum += inner >= 0 ? size_below(inner, enough - sum, depth - 1) : 0;
        }
    }
    closedir(d);
    return sum;
}

int64_t folder_size(int dirfd, const char *name, int64_t enough)
{
    enum { MAX_DEPTH = 200 };
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? 0 : size_below(fd, enough, MAX_DEPTH);
}
