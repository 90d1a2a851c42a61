/* SPDX-License-Identifier: Apache-2.0 */
/* Receiving a pushed folder: its bytes go to a file piece by piece, on a work thread, one piece at
 * a time. */
#include "run/build_impl.h"

#include "base/mem.h"
#include "run/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct push {
    struct builds *owner;
    char id[ID_SIZE];
    char folder[512];
    int fd;
    bool is_busy, is_aborted;
    int64_t bytes;
    struct work work;
    struct buf piece;
    void (*more)(void *arg, const struct error *err);
    void (*done)(void *arg, const struct build_row *row, const struct error *err);
    void *arg;
    enum status status;
    struct error error;
    struct store_build_create create;
    struct arena arena;
};

static void push_path(const struct push *p, const char *name, struct buf *out)
{
    buf_clear(out);
    buf_addf(out, "%s/%s", p->folder, name);
}

enum status push_begin(struct builds *o, struct push **out, struct error *err)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct push *p = xnew(struct push);

    p->owner = o;
    id_make(o->ids, loop_wall_ms(o->loop), p->id);
    snprintf(p->folder, sizeof(p->folder), "%s/builds/%s", o->data, p->id);
    push_path(p, "source.tar.gz.part", &path);
    p->fd = mkdir(p->folder, 0700) == 0
                ? open(path.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
                : -1;
    if (p->fd < 0) {
        int code = errno;

        free(p);
        return FAIL(err, code == ENOSPC ? STATUS_DISK_FULL : STATUS_BROKEN, "cannot write %s: %s",
                    path.p, strerror(code));
    }
    buf_init(&p->piece, BUF_UNBOUNDED);
    *out = p;
    return STATUS_OK;
}

static void set_busy(struct push *p, bool is_busy)
{
    p->is_busy = is_busy;
    p->owner->n_pushing += is_busy ? 1 : -1;
    if (p->owner->is_closing)
        loop_stop(p->owner->loop);
}

static void write_work(struct work *w)
{
    struct push *p = container_of(w, struct push, work);
    const char *at = p->piece.p;
    size_t left = p->piece.n;

    while (left > 0) {
        ssize_t n = write(p->fd, at, left);

        if (n <= 0) {
            p->status = FAIL(&p->error, errno == ENOSPC ? STATUS_DISK_FULL : STATUS_BROKEN,
                             "The pushed folder could not be written: %s", strerror(errno));
            return;
        }
        at += n;
        left -= (size_t)n;
    }
}

static void no_work(struct work *w)
{
    (void)w;
}

static void on_written(struct work *w)
{
    struct push *p = container_of(w, struct push, work);

    set_busy(p, false);
    if (p->is_aborted)
        push_abort(p);
    else
        p->more(p->arg, p->status == STATUS_OK ? NULL : &p->error);
}

void push_write(struct push *p, struct str piece, void (*more)(void *arg, const struct error *err),
                void *arg)
{
    int64_t limit = p->owner->options->max_push;

    p->more = more;
    p->arg = arg;
    p->bytes += (int64_t)piece.n;
    buf_clear(&p->piece);
    buf_add_str(&p->piece, piece);
    if (p->bytes > limit)
        p->status = FAIL(&p->error, STATUS_TOO_LARGE,
                         "The pushed folder is larger than %lld bytes (max_push). Leave out what "
                         "is not needed with a .dockerignore.",
                         (long long)limit);
    set_busy(p, true);
    work_start(p->owner->loop, &p->work, p->status == STATUS_OK ? write_work : no_work, on_written);
}

static void push_free(struct push *p)
{
    if (p->fd >= 0)
        close(p->fd);
    buf_deinit(&p->piece);
    arena_deinit(&p->arena);
    free(p);
}

void push_abort(struct push *p)
{
    p->is_aborted = true;
    if (p->is_busy) /* another thread writes from it: when that is over */
        return;
    tree_remove(p->folder);
    push_free(p);
}

static void on_recorded(struct store_op *op)
{
    struct push *p = container_of(op, struct push, create.op);
    struct build_row row = p->create.in;
    struct error err = op->error;

    set_busy(p, false);
    if (op->status != STATUS_OK) {
        p->done(p->arg, NULL, &err);
        store_op_deinit(op);
        push_abort(p);
        return;
    }
    p->done(p->arg, &row, NULL);
    if (!p->owner->is_closing) /* else the next start marks it failed */
        build_new(p->owner, &row);
    store_op_deinit(op);
    push_free(p);
}

static void on_closed(struct work *w)
{
    struct push *p = container_of(w, struct push, work);

    if (p->status != STATUS_OK) {
        set_busy(p, false);
        p->done(p->arg, NULL, &p->error);
        push_abort(p);
        return;
    }
    store_start(p->owner->store, &p->create.op, &STORE_BUILD_CREATE, on_recorded);
}

static void close_work(struct work *w)
{
    struct push *p = container_of(w, struct push, work);
    struct buf from CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct buf to CLEANUP(buf_deinit) = BUF_INIT(1024);
    bool ok = fsync(p->fd) == 0;

    push_path(p, "source.tar.gz.part", &from);
    push_path(p, "source.tar.gz", &to);
    ok = ok && rename(from.p, to.p) == 0;
    if (!ok)
        p->status = FAIL(&p->error, errno == ENOSPC ? STATUS_DISK_FULL : STATUS_BROKEN,
                         "The pushed folder could not be written: %s", strerror(errno));
}

void push_finish(struct push *p, const struct push_target *t,
                 void (*done)(void *arg, const struct build_row *row, const struct error *err),
                 void *arg)
{
    p->done = done;
    p->arg = arg;
    p->create.in = (struct build_row){
        .id = p->id,
        .account_id = arena_copy(&p->arena, str_of(t->account_id)),
        .model_id = arena_copy(&p->arena, str_of(t->model_id)),
        .model_owner = arena_copy(&p->arena, str_of(t->model_owner)),
        .model_name = arena_copy(&p->arena, str_of(t->model_name)),
        .status = "queued",
        .created_at = loop_wall_ms(p->owner->loop),
    };
    set_busy(p, true);
    work_start(p->owner->loop, &p->work, close_work, on_closed);
}
