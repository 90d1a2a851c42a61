/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/data.h"

#include "base/file.h"
#include "base/rand.h"
#include "init/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status take_lock(struct data_folder *d, struct error *err)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX + 16);

    buf_addf(&path, "%s/lock", d->path);
    d->lock_fd = open(path.p, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock_fd < 0)
        return FAIL(err, STATUS_BROKEN, "cannot open %s: %s", path.p, strerror(errno));
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return FAIL(
            err, STATUS_CONFLICT,
            "another server is running on the data folder %s. Stop it, or choose another folder "
            "with --data.",
            d->path);
    return STATUS_OK;
}

static enum status make_key(struct data_folder *d, const char *path, struct error *err)
{
    enum status st = STATUS_OK;
    struct rand r;
    ssize_t n;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return FAIL(err, STATUS_BROKEN, "cannot make the key file %s: %s", path, strerror(errno));
    rand_init_os(&r);
    rand_bytes(&r, d->key, sizeof(d->key));
    errno = ENOSPC; /* what a short write means */
    n = write(fd, d->key, sizeof(d->key));
    if (n != (ssize_t)sizeof(d->key) || fsync(fd) != 0) {
        st = FAIL(err, STATUS_BROKEN, "cannot write the key file %s: %s", path, strerror(errno));
        unlink(path); /* half a key would stop the next start */
    }
    close(fd);
    return st;
}

/* The key that seals secrets at rest: made once, kept beside the database. */
static enum status read_key(struct data_folder *d, struct error *err)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX + 16);
    struct buf key CLEANUP(buf_deinit) = BUF_INIT(1 << 16);
    enum status st;

    buf_addf(&path, "%s/key", d->path);
    st = file_read(path.p, &key, err);
    if (st == STATUS_NOT_FOUND)
        return make_key(d, path.p, err);
    if (st != STATUS_OK)
        return st;
    if (key.n != sizeof(d->key))
        return FAIL(err, STATUS_BROKEN,
                    "the key file %s has %zu bytes, not %zu: it is damaged. Put it back from a "
                    "backup. If nothing was ever stored in this data folder, remove the file and a "
                    "new key is made.",
                    path.p, key.n, sizeof(d->key));
    memcpy(d->key, key.p, sizeof(d->key));
    return STATUS_OK;
}

static DIR *open_again(const struct data_folder *d)
{
    int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (fd >= 0 && !dir)
        close(fd);
    return dir;
}

static bool was_there(const struct data_folder *d, const char *name)
{
    struct str rest = buf_str(&d->found), one;

    while (str_split(&rest, '\0', &one)) {
        if (str_is(one, name))
            return true;
    }
    return false;
}

static void look_around(struct data_folder *d)
{
    DIR *dir = open_again(d);
    const struct dirent *e;

    d->found = BUF_INIT(BUF_UNBOUNDED);
    while (dir && (e = readdir(dir)))
        buf_add(&d->found, e->d_name, strlen(e->d_name) + 1);
    d->is_new = dir && !was_there(d, "key") && !was_there(d, "berth.db");
    if (dir)
        closedir(dir);
}

enum status data_open(const char *given, struct data_folder *d, struct error *err)
{
    enum status st;

    d->lock_fd = d->fd = -1;
    d->is_made = mkdir(given, 0700) == 0;
    if (!d->is_made && errno != EEXIST)
        return FAIL(err, STATUS_BROKEN, "cannot make the data folder %s: %s", given,
                    strerror(errno));
    if (!realpath(given, d->path))
        return FAIL(err, STATUS_BROKEN, "cannot use the data folder %s: %s", given,
                    strerror(errno));
    if (strlen(d->path) > DATA_FOLDER_MAX)
        return FAIL(err, STATUS_INVALID,
                    "the data folder's path has %zu bytes, and %d is the limit (paths inside it "
                    "have limits of the operating system): %.100s...",
                    strlen(d->path), DATA_FOLDER_MAX, d->path);
    d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0)
        return FAIL(err, STATUS_BROKEN, "cannot open the data folder %s: %s", d->path,
                    strerror(errno));
    look_around(d);
    st = take_lock(d, err);
    return st == STATUS_OK ? read_key(d, err) : st;
}

void data_leave_as_found(struct data_folder *d)
{
    DIR *dir = d->lock_fd >= 0 ? open_again(d) : NULL; /* otherwise it is another server's */
    const struct dirent *e;
    struct stat st;

    while (dir && (e = readdir(dir))) {
        if (e->d_name[0] == '.' || was_there(d, e->d_name) ||
            fstatat(d->fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (d->is_new && S_ISDIR(st.st_mode))
            folder_remove(d->fd, e->d_name);
        else if (d->is_new || S_ISSOCK(st.st_mode))
            unlinkat(d->fd, e->d_name, 0);
    }
    if (dir)
        closedir(dir);
    if (dir && d->is_made)
        rmdir(d->path);
}

void data_close(struct data_folder *d)
{
    buf_deinit(&d->found);
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    if (d->fd >= 0)
        close(d->fd);
    d->lock_fd = d->fd = -1;
}
