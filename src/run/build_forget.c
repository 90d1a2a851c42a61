/* SPDX-License-Identifier: Apache-2.0 */
/* Folders of versions that no model has any more. A folder goes only when its row is gone, nothing
 * runs from it, and no build is just about to register the same content: it is moved aside first,
 * in one step on the loop, and removed on a work thread. What is not done is done at the next
 * start. */
#include "run/build_impl.h"

#include "base/log.h"
#include "base/mem.h"
#include "run/unpack.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

enum { RETRY_MS = 5000 };

#define ASIDE "removed-" /* no version's id begins like this */

struct forget {
    struct list node;
    struct builds *owner;
    char *path; /* relative to the data folder */
    const char *id;
    bool (*in_use)(void *arg, const char *path);
    void *arg;
    bool is_busy;
    uint64_t n_stored; /* when the row was looked for */
    struct store_version_find find;
    struct work work;
    struct buf aside;
};

static void forget_free(struct forget *f)
{
    list_remove(&f->node);
    buf_deinit(&f->aside);
    free(f->path);
    free(f);
}

static void set_busy(struct forget *f, bool is_busy)
{
    f->is_busy = is_busy;
    f->owner->n_forgetting += is_busy ? 1 : -1;
    if (f->owner->is_closing)
        loop_stop(f->owner->loop);
}

static bool must_wait(const struct forget *f)
{
    return f->owner->is_held || builds_are_storing(f->owner) ||
           (f->in_use && f->in_use(f->arg, f->path));
}

static void try_later(struct forget *f)
{
    if (!f->owner->is_closing)
        timer_start(&f->owner->forget_timer, RETRY_MS);
}

static void remove_work(struct work *w)
{
    tree_remove(container_of(w, struct forget, work)->aside.p);
}

static void on_removed(struct work *w)
{
    struct forget *f = container_of(w, struct forget, work);

    set_busy(f, false);
    forget_free(f);
}

static bool move_aside(struct forget *f)
{
    struct buf from CLEANUP(buf_deinit) = BUF_INIT(2048);
    char name[ID_SIZE];

    id_make(f->owner->ids, loop_wall_ms(f->owner->loop), name);
    buf_addf(&from, "%s/%s", f->owner->data, f->path);
    buf_clear(&f->aside);
    buf_addf(&f->aside, "%s/versions/" ASIDE "%s", f->owner->data, name);
    if (rename(from.p, f->aside.p) == 0)
        return true;
    if (errno != ENOENT)
        log_warning("the folder of a deleted version stays", LOG_S("path", from.p),
                    LOG_S("error", strerror(errno)));
    return false;
}

static void on_found(struct store_op *op)
{
    struct forget *f = container_of(op, struct forget, find.op);
    enum status s = op->status;

    store_op_deinit(op);
    set_busy(f, false);
    if (f->owner->is_closing)
        return;
    if (s == STATUS_OK) { /* it was pushed again meanwhile */
        forget_free(f);
    } else if (s != STATUS_NOT_FOUND || f->n_stored != f->owner->n_stored || must_wait(f)) {
        try_later(f);
    } else if (move_aside(f)) {
        set_busy(f, true);
        work_start(f->owner->loop, &f->work, remove_work, on_removed);
    } else {
        forget_free(f);
    }
}

static void try_now(struct forget *f)
{
    if (must_wait(f)) {
        try_later(f);
        return;
    }
    set_busy(f, true);
    f->n_stored = f->owner->n_stored;
    f->find = (struct store_version_find){ .id = f->id };
    store_start(f->owner->store, &f->find.op, &STORE_VERSION_FIND, on_found);
}

static void on_timer(struct timer *t)
{
    struct builds *o = container_of(t, struct builds, forget_timer);
    struct forget *f;

    list_each (&o->forgotten, f, struct forget, node)
        if (!f->is_busy && !o->is_closing)
            try_now(f);
}

void builds_forget_version(struct builds *o, const char *path,
                           bool (*in_use)(void *arg, const char *path), void *arg)
{
    const char *slash = strrchr(path, '/');
    struct forget *f;

    if (o->is_closing || !slash || strncmp(path, "versions/", strlen("versions/")) != 0)
        return;
    f = xnew(struct forget);
    f->owner = o;
    f->path = xstrdup(path);
    f->id = f->path + (slash - path) + 1;
    f->in_use = in_use;
    f->arg = arg;
    buf_init(&f->aside, 2048);
    list_push(&o->forgotten, &f->node);
    try_now(f);
}

void builds_hold(struct builds *o, bool is_held)
{
    o->is_held = is_held;
}

void forget_init(struct builds *o)
{
    list_init(&o->forgotten);
    timer_init(o->loop, &o->forget_timer, on_timer);
}

void forget_deinit(struct builds *o)
{
    timer_stop(&o->forget_timer);
    while (!list_empty(&o->forgotten))
        forget_free(container_of(list_first(&o->forgotten), struct forget, node));
}

/* --- at the start --- */

static bool is_version_id(const char *name)
{
    return strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64;
}

/* A build that was cut off after its files were placed leaves a folder without a row, too. */
static enum status sweep_one(struct builds *o, const char *name, struct error *err)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(2048);
    struct store_version_find op = { .id = name };
    enum status s = STATUS_NOT_FOUND;

    if (is_version_id(name)) {
        s = store_run(o->store, &op.op, &STORE_VERSION_FIND);
        if (s != STATUS_OK && s != STATUS_NOT_FOUND)
            *err = op.op.error;
        store_op_deinit(&op.op);
    } else if (!str_starts(str_of(name), ASIDE)) {
        return STATUS_OK;
    }
    if (s == STATUS_NOT_FOUND) {
        buf_addf(&path, "%s/versions/%s", o->data, name);
        tree_remove(path.p);
        s = STATUS_OK;
    }
    return s;
}

enum status forget_sweep(struct builds *o, struct error *err)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(2048);
    enum status s = STATUS_OK;
    struct dirent *e;
    DIR *d;

    buf_addf(&path, "%s/versions", o->data);
    d = opendir(path.p);
    while (d && s == STATUS_OK && (e = readdir(d)) != NULL)
        s = sweep_one(o, e->d_name, err);
    if (d)
        closedir(d);
    return s;
}
