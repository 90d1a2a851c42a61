/* SPDX-License-Identifier: Apache-2.0 */
/* The folder: where a blob lies, how it becomes visible, how it goes. */
#include "blob/blob_impl.h"

#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAKE_TRIES = 5 };

static void on_idle(struct deferred *d)
{
    struct blobs *b = container_of(d, struct blobs, when_idle);

    if (b->n_busy == 0) /* what has ended may have started something else meanwhile */
        b->idle(b->idle_arg);
}

/* What a writer of an earlier server left behind. */
static void remove_parts(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *e;

    if (!dir)
        return;
    while ((e = readdir(dir)) != NULL)
        if (e->d_name[0] != '.')
            (void)unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
}

enum status blobs_open(struct loop *l, const char *data, struct blobs **out, struct error *err)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX);
    struct blobs *b;

    buf_addf(&path, "%s/blobs", data);
    if (mkdir(path.p, 0700) != 0 && errno != EEXIST)
        return FAIL(err, STATUS_BROKEN, "cannot make the folder %s: %s", path.p, strerror(errno));
    b = xnew(struct blobs);
    b->loop = l;
    list_init(&b->kept);
    b->folder = str_dup(buf_str(&path));
    deferred_init(l, &b->when_idle, on_idle);
    buf_adds(&path, "/part");
    if (mkdir(path.p, 0700) != 0 && errno != EEXIST) {
        enum status s =
            FAIL(err, STATUS_BROKEN, "cannot make the folder %s: %s", path.p, strerror(errno));

        blobs_free(b);
        return s;
    }
    remove_parts(path.p);
    *out = b;
    return STATUS_OK;
}

void blobs_free(struct blobs *b)
{
    if (!b)
        return;
    assert(b->n_busy == 0);
    blobs_drop_kept(b);
    deferred_cancel(&b->when_idle);
    free(b->folder);
    free(b);
}

void blobs_stop(struct blobs *b, void (*idle)(void *arg), void *arg)
{
    b->is_stopping = true;
    b->idle = idle;
    b->idle_arg = arg;
    if (b->n_busy == 0)
        deferred_call(&b->when_idle);
}

void blobs_work(struct blobs *b, struct work *w, void (*run)(struct work *),
                void (*done)(struct work *))
{
    b->n_busy++;
    work_start(b->loop, w, run, done);
}

void blobs_worked(struct blobs *b)
{
    assert(b->n_busy > 0);
    b->n_busy--;
    if (b->n_busy == 0 && b->is_stopping)
        deferred_call(&b->when_idle);
}

/* By the end of the id, which is its random part: the beginning is the time. */
void blob_path(const struct blobs *b, const char *id, struct buf *out)
{
    size_t n = strlen(id);

    assert(n >= 4);
    buf_clear(out);
    buf_addf(out, "%s/%.2s/%.2s/%s", b->folder, id + n - 2, id + n - 4, id);
}

void blob_part_path(const struct blobs *b, const char *id, struct buf *out)
{
    buf_clear(out);
    buf_addf(out, "%s/part/%s", b->folder, id);
}

enum status blob_errno(struct error *err, int code, const char *what)
{
    if (code == ENOSPC || code == EDQUOT)
        return FAIL(err, STATUS_DISK_FULL, "There is no space left on the server's disk.");
    return FAIL(err, STATUS_BROKEN, "a file could not be %s: %s", what, strerror(code));
}

enum status blob_create(const struct blobs *b, const char *id, int *out_fd, struct error *err)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX);

    blob_part_path(b, id, &path);
    *out_fd = open(path.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return *out_fd < 0 ? blob_errno(err, errno, "made") : STATUS_OK;
}

enum status blob_append(int fd, struct str bytes, struct error *err)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return blob_errno(err, errno, "written");
        bytes = str_make(bytes.p + n, bytes.n - (size_t)n);
    }
    return STATUS_OK;
}

static bool sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

/* Cuts the last segment off. */
void blob_parent(struct buf *path)
{
    char *slash = strrchr(path->p, '/');

    *slash = '\0';
    path->n = (size_t)(slash - path->p);
}

/* Makes the two folders above a blob. New names are made durable from the top down. */
static bool make_folders(const struct blobs *b, const char *path)
{
    struct buf inner CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX);
    struct buf outer CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX);

    buf_adds(&inner, path);
    blob_parent(&inner);
    buf_add_str(&outer, buf_str(&inner));
    blob_parent(&outer);
    if (mkdir(outer.p, 0700) == 0)
        (void)sync_folder(b->folder);
    else if (errno != EEXIST)
        return false;
    if (mkdir(inner.p, 0700) == 0)
        (void)sync_folder(outer.p);
    else if (errno != EEXIST)
        return false;
    return true;
}

enum status blob_publish(const struct blobs *b, const char *id, int fd, struct error *err)
{
    struct buf from CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX);
    struct buf to CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX);
    bool ok = false;

    blob_part_path(b, id, &from);
    blob_path(b, id, &to);
    if (fsync(fd) != 0)
        return blob_errno(err, errno, "written");
    /* A folder may be removed, for being empty, between its making and the rename. */
    for (int i = 0; i < MAKE_TRIES && !ok; i++) {
        if (!make_folders(b, to.p) && errno != ENOENT)
            break;
        ok = rename(from.p, to.p) == 0;
        if (!ok && errno != ENOENT)
            break;
    }
    if (!ok)
        return blob_errno(err, errno, "put in its place");
    blob_parent(&to);
    (void)sync_folder(to.p);
    return STATUS_OK;
}

enum status blob_open(const struct blobs *b, const char *id, int *out_fd, struct error *err)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX);

    blob_path(b, id, &path);
    *out_fd = open(path.p, O_RDONLY | O_CLOEXEC);
    if (*out_fd < 0 && errno == ENOENT)
        return FAIL(err, STATUS_NOT_FOUND, "the file does not exist any more");
    return *out_fd < 0 ? blob_errno(err, errno, "read") : STATUS_OK;
}
