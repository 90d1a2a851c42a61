/* SPDX-License-Identifier: Apache-2.0 */
/* Written as they are taken: a server that is killed loses the last ones. */
#include "serve/record.h"

#include "base/log.h"
#include "base/mem.h"
#include "core/scale/again.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct record {
    FILE *file; /* NULL: it is full, or could not be written */
    const char *path;
    int64_t left;
};

static void end(struct record *r, const char *why)
{
    log_warning("decisions are recorded no longer", LOG_S("file", r->path), LOG_S("why", why));
    (void)fclose(r->file);
    r->file = NULL;
}

static void add(struct record *r, const struct buf *bytes)
{
    if ((int64_t)bytes->n > r->left)
        end(r, "record_limit is reached");
    else if (fwrite(bytes->p, 1, bytes->n, r->file) != bytes->n)
        end(r, strerror(errno));
    else
        r->left -= (int64_t)bytes->n;
}

static void on_decided(void *arg, const struct scale_view *v, const struct scale_plan *plan)
{
    struct record *r = arg;
    struct buf bytes CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    if (!r->file)
        return;
    scale_again_write(v, plan, &bytes);
    add(r, &bytes);
}

enum status record_open(struct fleet *f, struct record **out, struct error *err)
{
    struct buf head CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct record *r;
    FILE *file;

    *out = NULL;
    if (!*f->options->record_decisions)
        return STATUS_OK;
    file = fopen(f->options->record_decisions, "we");
    if (!file)
        return FAIL(err, STATUS_INVALID,
                    "record_decisions: %s cannot be written: %s. Name another file.",
                    f->options->record_decisions, strerror(errno));
    r = xnew(struct record);
    r->file = file;
    r->path = f->options->record_decisions;
    r->left = f->options->record_limit;
    scale_again_head(&head);
    add(r, &head);
    f->decided = on_decided;
    f->decided_arg = r;
    *out = r;
    return STATUS_OK;
}

void record_close(struct record *r)
{
    if (!r)
        return;
    if (r->file && fclose(r->file) != 0)
        log_warning("the last decisions could not be recorded", LOG_S("file", r->path));
    free(r);
}
