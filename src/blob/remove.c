/* SPDX-License-Identifier: Apache-2.0 */
/* How blobs go, and how they stay for the time of a backup. */
#include "blob/blob_impl.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

struct removal {
    struct list node; /* blobs->kept */
    struct work work;
    struct blobs *blobs;
    bool is_kept; /* until the hold ends */
    char **ids;
    size_t n;
    enum status status;
    struct error error;
    blob_done done;
    void *arg;
};

static void removal_start(struct removal *x);

static void remove_work(struct work *w)
{
    struct removal *x = container_of(w, struct removal, work);
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX);

    for (size_t i = 0; i < x->n && !x->is_kept; i++) {
        blob_path(x->blobs, x->ids[i], &path);
        if (unlink(path.p) != 0 && errno != ENOENT) {
            x->status = blob_errno(&x->error, errno, "removed");
            continue;
        }
        for (int level = 0; level < 2; level++) { /* folders that are empty now go too */
            blob_parent(&path);
            if (rmdir(path.p) != 0)
                break;
        }
    }
}

static void removal_free(struct removal *x)
{
    list_remove(&x->node);
    for (size_t i = 0; i < x->n; i++)
        free(x->ids[i]);
    free(x->ids);
    free(x);
}

static void on_removed(struct work *w)
{
    struct removal *x = container_of(w, struct removal, work);
    blob_done done = x->done;

    blobs_worked(x->blobs);
    x->done = NULL;
    if (done)
        done(x->arg, x->status == STATUS_OK ? NULL : &x->error);
    else if (x->status != STATUS_OK)
        log_warning("a file could not be removed", LOG_ERR(&x->error));
    if (!x->is_kept || x->blobs->is_stopping) /* at the next start it is a stray */
        removal_free(x);
    else if (x->blobs->is_held)
        list_push(&x->blobs->kept, &x->node);
    else
        removal_start(x);
}

static void removal_start(struct removal *x)
{
    x->is_kept = x->blobs->is_held;
    blobs_work(x->blobs, &x->work, remove_work, on_removed);
}

void blobs_hold(struct blobs *b, bool is_held)
{
    b->is_held = is_held;
    while (!is_held && !b->is_stopping && !list_empty(&b->kept)) {
        struct list *node = list_first(&b->kept);

        list_remove(node);
        removal_start(container_of(node, struct removal, node));
    }
}

void blobs_remove(struct blobs *b, const char *const *ids, size_t n, blob_done done, void *arg)
{
    struct removal *x = xnew(struct removal);

    list_init(&x->node);
    x->blobs = b;
    x->ids = xcalloc(n + 1, sizeof(*x->ids));
    for (; x->n < n; x->n++)
        x->ids[x->n] = xstrdup(ids[x->n]);
    x->done = done;
    x->arg = arg;
    removal_start(x);
}

void blobs_drop_kept(struct blobs *b)
{
    while (!list_empty(&b->kept))
        removal_free(container_of(list_first(&b->kept), struct removal, node));
}
