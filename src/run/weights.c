/* SPDX-License-Identifier: Apache-2.0 */
/* Files that trainings wrote as weights of new versions. One is named after its content, so that
 * versions may share it; it goes when none has it any more. It is looked for in the store and
 * removed in one turn of the loop, and only while no training is about to register a version, and
 * no backup holds it: what is left then goes at the next start. */
#include "run/weights.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/model.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct release_op {
    struct store_weights_used op;
    struct fleet *fleet;
    uint64_t n_kept; /* when it was looked for */
};

static void remove_file(const struct fleet *f, const char *weights)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(8192);

    buf_addf(&path, "%s/%s", f->data, weights);
    if (unlink(path.p) != 0 && errno != ENOENT)
        log_warning("weights that no version has stay", LOG_S("path", path.p),
                    LOG_S("error", strerror(errno)));
}

static void on_looked(struct store_op *op)
{
    struct release_op *r = container_of(op, struct release_op, op.op);
    struct fleet *f = r->fleet;

    if (op->status == STATUS_OK && !r->op.is_used && f->n_keeping == 0 && f->n_kept == r->n_kept &&
        !f->is_weights_held)
        remove_file(f, r->op.weights);
    store_op_deinit(op);
    free(r);
}

void weights_release(struct fleet *f, const char *weights)
{
    struct release_op *r;

    if (!weights || !str_starts(str_of(weights), WEIGHTS_FOLDER) || f->is_stopping)
        return;
    r = xnew(struct release_op);
    r->fleet = f;
    r->n_kept = f->n_kept;
    r->op.weights = store_keep(&r->op.op, str_of(weights));
    store_start(f->store, &r->op.op, &STORE_WEIGHTS_USED, on_looked);
}

void weights_hold(struct fleet *f, bool is_held)
{
    f->is_weights_held = is_held;
}

enum status weights_sweep(struct fleet *f, struct error *err)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(8192);
    enum status s = STATUS_OK;
    struct dirent *e;
    DIR *dir;

    buf_addf(&path, "%s/" WEIGHTS_FOLDER, f->data);
    dir = opendir(path.p);
    while (dir && s == STATUS_OK && (e = readdir(dir)) != NULL) {
        struct store_weights_used op = { 0 };

        if (e->d_name[0] == '.')
            continue;
        op.weights = arena_printf(&op.op.arena, WEIGHTS_FOLDER "%s", e->d_name);
        s = store_run(f->store, &op.op, &STORE_WEIGHTS_USED);
        if (s != STATUS_OK)
            *err = op.op.error;
        else if (!op.is_used)
            remove_file(f, op.weights);
        store_op_deinit(&op.op);
    }
    if (dir)
        closedir(dir);
    return s;
}
