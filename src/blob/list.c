/* SPDX-License-Identifier: Apache-2.0 */
#include "blob/blob_impl.h"

#include "base/mem.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>

struct listing {
    struct work work;
    struct blobs *blobs;
    char *before;
    char **ids;
    size_t n, room;
    void (*done)(void *arg, const char *const *ids, size_t n);
    void *arg;
};

static void add(struct listing *x, const char *id)
{
    if (x->n == x->room) {
        x->room = x->room ? x->room * 2 : 64;
        x->ids = xrealloc(x->ids, x->room * sizeof(*x->ids));
    }
    x->ids[x->n++] = xstrdup(id);
}

/* <blobs>/aa/bb/id: folders have names of two characters, and whatever else is there is not ours.
 */
static void walk(struct listing *x, const char *folder, int depth)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX);
    DIR *dir = opendir(folder);
    struct dirent *e;

    if (!dir)
        return;
    while ((e = readdir(dir)) != NULL) {
        size_t n = strlen(e->d_name);

        if (e->d_name[0] == '.')
            continue;
        if (depth == 0 && n > 2 && strcmp(e->d_name, x->before) < 0)
            add(x, e->d_name);
        if (depth == 0 || n != 2)
            continue;
        buf_clear(&path);
        buf_addf(&path, "%s/%s", folder, e->d_name);
        if (!path.failed)
            walk(x, path.p, depth - 1);
    }
    closedir(dir);
}

static void list_work(struct work *w)
{
    struct listing *x = container_of(w, struct listing, work);

    walk(x, x->blobs->folder, 2);
}

static void on_listed(struct work *w)
{
    struct listing *x = container_of(w, struct listing, work);

    blobs_worked(x->blobs);
    x->done(x->arg, (const char *const *)x->ids, x->n);
    for (size_t i = 0; i < x->n; i++)
        free(x->ids[i]);
    free(x->ids);
    free(x->before);
    free(x);
}

void blobs_list(struct blobs *b, const char *before,
                void (*done)(void *arg, const char *const *ids, size_t n), void *arg)
{
    struct listing *x = xnew(struct listing);

    x->blobs = b;
    x->before = xstrdup(before);
    x->done = done;
    x->arg = arg;
    blobs_work(b, &x->work, list_work, on_listed);
}
