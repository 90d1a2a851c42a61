/* SPDX-License-Identifier: Apache-2.0 */
/* Readers: one piece at a time comes from a work thread. */
#include "blob/blob_impl.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct blob_reader {
    struct blobs *blobs;
    char *id;
    int fd;
    int64_t at, left;
    char *piece; /* BLOB_PIECE bytes */
    size_t n;
    struct work work;
    bool is_busy, is_closed;
    enum status status;
    struct error error;
    void (*done)(void *arg, struct str piece, const struct error *err);
    void *arg;
};

struct blob_reader *blob_reader_new(struct blobs *b, const char *id, int64_t offset, int64_t length)
{
    struct blob_reader *r = xnew(struct blob_reader);

    r->blobs = b;
    r->id = xstrdup(id);
    r->fd = -1;
    r->at = offset;
    r->left = length;
    r->piece = xcalloc(1, BLOB_PIECE);
    return r;
}

static void reader_free(struct blob_reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    free(r->piece);
    free(r->id);
    free(r);
}

void blob_reader_close(struct blob_reader *r)
{
    if (!r || r->is_closed)
        return;
    r->is_closed = true;
    if (!r->is_busy)
        reader_free(r);
}

static enum status read_piece(struct blob_reader *r)
{
    size_t want = (size_t)MIN(r->left, (int64_t)BLOB_PIECE);
    ssize_t n = 0;

    if (r->fd < 0) {
        enum status s = blob_open(r->blobs, r->id, &r->fd, &r->error);

        if (s != STATUS_OK)
            return s;
    }
    if (want == 0)
        return STATUS_OK;
    do
        n = pread(r->fd, r->piece, want, r->at);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return blob_errno(&r->error, errno, "read");
    if (n == 0)
        return FAIL(&r->error, STATUS_BROKEN, "a stored file is shorter than it was");
    r->n = (size_t)n;
    r->at += n;
    r->left -= n;
    return STATUS_OK;
}

static void read_work(struct work *w)
{
    struct blob_reader *r = container_of(w, struct blob_reader, work);

    r->n = 0;
    r->status = read_piece(r);
}

static void on_read(struct work *w)
{
    struct blob_reader *r = container_of(w, struct blob_reader, work);

    blobs_worked(r->blobs);
    r->is_busy = false;
    if (r->is_closed)
        reader_free(r);
    else
        r->done(r->arg, str_make(r->piece, r->n), r->status == STATUS_OK ? NULL : &r->error);
}

void blob_read(struct blob_reader *r,
               void (*done)(void *arg, struct str piece, const struct error *err), void *arg)
{
    assert(!r->is_busy && !r->is_closed);
    r->is_busy = true;
    r->done = done;
    r->arg = arg;
    blobs_work(r->blobs, &r->work, read_work, on_read);
}

enum status blob_get(struct blobs *b, const char *id, struct buf *out, struct error *err)
{
    int fd;
    ssize_t n = 1;
    enum status s = blob_open(b, id, &fd, err);

    if (s != STATUS_OK)
        return s;
    while (n > 0) {
        char *at = buf_reserve(out, BLOB_PIECE);

        if (!at) {
            s = FAIL(err, STATUS_TOO_LARGE, "the file is larger than the limit");
            break;
        }
        n = read(fd, at, BLOB_PIECE);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n < 0)
            s = blob_errno(err, errno, "read");
        else
            buf_commit(out, (size_t)n);
    }
    close(fd);
    return s;
}
