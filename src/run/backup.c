/* SPDX-License-Identifier: Apache-2.0 */
#include "run/backup.h"

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/unpack.h"
#include "run/weights.h"
#include "store/backup.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct backups {
    struct loop *loop;
    struct backups_config config;
    struct id_gen ids;
    char id[ID_SIZE]; /* "": nothing is held */
    bool is_copying, is_stopping, is_unwanted;
    char path[PATH_MAX]; /* of the copy */
    struct store_copy copy;
    struct timer end;
    void (*done)(void *arg, const struct backup_info *info, const struct error *err);
    void *arg;
};

static void hold(struct backups *b, bool is_held)
{
    blobs_hold(b->config.files->blobs, is_held);
    builds_hold(b->config.builds, is_held);
    weights_hold(b->config.fleet, is_held);
}

static void release(struct backups *b)
{
    timer_stop(&b->end);
    if (unlink(b->path) != 0 && errno != ENOENT)
        log_warning("the copy of a backup stays", LOG_S("path", b->path),
                    LOG_S("error", strerror(errno)));
    b->id[0] = '\0';
    if (!b->is_stopping)
        hold(b, false);
}

static void on_end(struct timer *t)
{
    struct backups *b = container_of(t, struct backups, end);

    log_warning("a backup was not ended in time; files may go again", LOG_S("backup", b->id));
    release(b);
}

struct backups *backups_new(struct loop *l, const struct backups_config *c)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX);
    struct backups *b = xnew(struct backups);

    b->loop = l;
    b->config = *c;
    id_gen_init(&b->ids, loop_rand(l));
    timer_init(l, &b->end, on_end);
    buf_addf(&path, "%s/backups", c->data);
    tree_remove(path.p);
    return b;
}

void backups_stop(struct backups *b)
{
    b->is_stopping = true;
    if (b->id[0] && !b->is_copying)
        release(b);
}

void backups_free(struct backups *b)
{
    if (!b)
        return;
    timer_stop(&b->end);
    free(b);
}

static void on_copied(struct store_op *op)
{
    struct backups *b = container_of(op, struct backups, copy.op);
    struct backup_info info = { .id = b->id };

    b->is_copying = false;
    info.database = b->path + strlen(b->config.data) + 1;
    info.held_until = loop_wall_ms(b->loop) + b->config.options->backup_hold;
    if (op->status != STATUS_OK)
        log_error("the database could not be copied for a backup", LOG_ERR(&op->error));
    b->done(b->arg, op->status == STATUS_OK ? &info : NULL,
            op->status == STATUS_OK ? NULL : &op->error);
    if (op->status != STATUS_OK || b->is_stopping || b->is_unwanted)
        release(b);
    else
        timer_start(&b->end, b->config.options->backup_hold);
    store_op_deinit(op);
}

void backup_begin(struct backups *b,
                  void (*done)(void *arg, const struct backup_info *info, const struct error *err),
                  void *arg)
{
    struct buf folder CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX);
    struct error err;

    if (b->id[0]) {
        (void)FAIL(&err, STATUS_CONFLICT,
                   "Backup %s is under way. If nobody makes it any more, --force ends it.", b->id);
        done(arg, NULL, &err);
        return;
    }
    buf_addf(&folder, "%s/backups", b->config.data);
    if (mkdir(folder.p, 0700) != 0 && errno != EEXIST) {
        (void)FAIL(&err, errno == ENOSPC ? STATUS_DISK_FULL : STATUS_BROKEN,
                   "cannot make the folder %s: %s", folder.p, strerror(errno));
        done(arg, NULL, &err);
        return;
    }
    id_make(&b->ids, loop_wall_ms(b->loop), b->id);
    snprintf(b->path, sizeof(b->path), "%s/%s.db", folder.p, b->id);
    b->done = done;
    b->arg = arg;
    b->is_copying = true;
    b->is_unwanted = false;
    b->copy = (struct store_copy){ .path = b->path };
    hold(b, true); /* first: what the copy names must not go while it is made */
    store_start(b->config.store, &b->copy.op, &STORE_COPY, on_copied);
}

enum status backup_end(struct backups *b, struct str id, struct error *err)
{
    if (!b->id[0] || b->is_copying || (!str_is(id, b->id) && !str_is(id, "current")))
        return FAIL(err, STATUS_NOT_FOUND, "No backup %.*s is held.", (int)MIN(id.n, (size_t)64),
                    id.p);
    release(b);
    return STATUS_OK;
}

void backup_abandon(struct backups *b)
{
    b->is_unwanted = true;
}
