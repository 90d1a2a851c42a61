/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/data.h"

#include "base/file.h"
#include "base/rand.h"

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

enum status data_open(const char *given, struct data_folder *d, struct error *err)
{
    enum status st;

    d->lock_fd = -1;
    if (mkdir(given, 0700) != 0 && errno != EEXIST)
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
    st = take_lock(d, err);
    return st == STATUS_OK ? read_key(d, err) : st;
}

void data_close(struct data_folder *d)
{
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    d->lock_fd = -1;
}
