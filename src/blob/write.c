/* SPDX-License-Identifier: Apache-2.0 */
/* Writers: one piece at a time goes to a work thread, which writes it and takes it into the hashes.
 */
#include "blob/blob_impl.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

struct blob_writer {
    struct blobs *blobs;
    char *id;
    int64_t max;
    int fd;
    struct sha256_ctx *sha256;
    struct md5_ctx *md5;
    struct blob_facts facts;
    struct buf piece;
    struct work work;
    bool is_busy, is_aborted;
    enum status status;
    struct error error;
    blob_done written;
    void (*finished)(void *arg, const struct blob_facts *facts, const struct error *err);
    void *arg;
};

struct blob_writer *blob_writer_new(struct blobs *b, const char *id, int64_t max)
{
    struct blob_writer *w = xnew(struct blob_writer);

    w->blobs = b;
    w->id = xstrdup(id);
    w->max = max;
    w->fd = -1;
    w->sha256 = sha256_new();
    w->md5 = md5_new();
    buf_init(&w->piece, BUF_UNBOUNDED);
    return w;
}

static void writer_free(struct blob_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    sha256_free(w->sha256);
    md5_free(w->md5);
    buf_deinit(&w->piece);
    free(w->id);
    free(w);
}

static void discard_work(struct work *work)
{
    struct blob_writer *w = container_of(work, struct blob_writer, work);
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX);

    blob_part_path(w->blobs, w->id, &path);
    if (w->fd >= 0)
        (void)unlink(path.p);
}

static void on_discarded(struct work *work)
{
    struct blob_writer *w = container_of(work, struct blob_writer, work);

    blobs_worked(w->blobs);
    writer_free(w);
}

void blob_abort(struct blob_writer *w)
{
    if (!w || w->is_aborted)
        return;
    w->is_aborted = true;
    if (!w->is_busy)
        blobs_work(w->blobs, &w->work, discard_work, on_discarded);
}

static void write_work(struct work *work)
{
    struct blob_writer *w = container_of(work, struct blob_writer, work);
    struct str bytes = buf_str(&w->piece);

    if (w->status == STATUS_OK && w->fd < 0)
        w->status = blob_create(w->blobs, w->id, &w->fd, &w->error);
    if (w->status != STATUS_OK)
        return;
    sha256_add(w->sha256, bytes.p, bytes.n);
    md5_add(w->md5, bytes.p, bytes.n);
    w->status = blob_append(w->fd, bytes, &w->error);
}

static void on_written(struct work *work)
{
    struct blob_writer *w = container_of(work, struct blob_writer, work);

    blobs_worked(w->blobs);
    w->is_busy = false;
    if (w->is_aborted)
        blobs_work(w->blobs, &w->work, discard_work, on_discarded);
    else
        w->written(w->arg, w->status == STATUS_OK ? NULL : &w->error);
}

void blob_write(struct blob_writer *w, struct str piece, blob_done done, void *arg)
{
    char text[TIME_TEXT_SIZE];

    assert(!w->is_busy && !w->is_aborted);
    w->is_busy = true;
    w->written = done;
    w->arg = arg;
    buf_clear(&w->piece);
    if (w->status == STATUS_OK && (int64_t)piece.n > w->max - w->facts.size) {
        size_format(w->max, text);
        w->status =
            FAIL(&w->error, STATUS_TOO_LARGE, "The file is larger than the limit of %s.", text);
    } else {
        w->facts.size += (int64_t)piece.n;
        buf_add_str(&w->piece, piece);
    }
    blobs_work(w->blobs, &w->work, write_work, on_written);
}

static void finish_work(struct work *work)
{
    struct blob_writer *w = container_of(work, struct blob_writer, work);

    if (w->status == STATUS_OK && w->fd < 0) /* no byte came */
        w->status = blob_create(w->blobs, w->id, &w->fd, &w->error);
    if (w->status == STATUS_OK)
        w->status = blob_publish(w->blobs, w->id, w->fd, &w->error);
    if (w->status != STATUS_OK) {
        discard_work(work);
        return;
    }
    sha256_end(TAKE(w->sha256), w->facts.sha256);
    md5_end(TAKE(w->md5), w->facts.md5);
}

static void on_finished(struct work *work)
{
    struct blob_writer *w = container_of(work, struct blob_writer, work);
    const char *ids[] = { w->id };

    blobs_worked(w->blobs);
    if (w->is_aborted && w->status == STATUS_OK)
        blobs_remove(w->blobs, ids, 1, NULL, NULL);
    if (!w->is_aborted)
        w->finished(w->arg, &w->facts, w->status == STATUS_OK ? NULL : &w->error);
    writer_free(w);
}

void blob_finish(struct blob_writer *w,
                 void (*done)(void *arg, const struct blob_facts *facts, const struct error *err),
                 void *arg)
{
    assert(!w->is_busy && !w->is_aborted);
    w->is_busy = true;
    w->finished = done;
    w->arg = arg;
    blobs_work(w->blobs, &w->work, finish_work, on_finished);
}

enum status blob_put(struct blobs *b, const char *id, struct str bytes, struct blob_facts *out,
                     struct error *err)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX);
    struct md5_ctx *md5;
    int fd;
    enum status s = blob_create(b, id, &fd, err);

    if (s != STATUS_OK)
        return s;
    s = blob_append(fd, bytes, err);
    if (s == STATUS_OK)
        s = blob_publish(b, id, fd, err);
    close(fd);
    if (s != STATUS_OK) {
        blob_part_path(b, id, &path);
        (void)unlink(path.p);
        return s;
    }
    out->size = (int64_t)bytes.n;
    sha256(bytes, out->sha256);
    md5 = md5_new();
    md5_add(md5, bytes.p, bytes.n);
    md5_end(md5, out->md5);
    return STATUS_OK;
}
