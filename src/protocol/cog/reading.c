/* SPDX-License-Identifier: Apache-2.0 */
/* A large event of a run. Its bytes are taken from the stream's reader and become JSON on another
 * thread, and the memory of both is given back there too: each takes a millisecond for a few
 * megabytes, in which nobody else would be served. The stream is held meanwhile, so that events
 * keep their order; what comes of it is the HTTP client's to keep, but for the rest of the piece
 * that had the event's end. */
#include "protocol/cog/cog_impl.h"

#include "base/mem.h"

struct cog_reading {
    struct work work;
    struct cog_run *run; /* NULL: it is gone */
    enum cog_event kind;
    struct buf bytes;
    struct str text; /* of these: the event's data */
    struct arena arena;
    struct json *root;
    enum status status;
    struct error error;
};

static void free_work(struct work *w)
{
    struct cog_reading *x = container_of(w, struct cog_reading, work);

    arena_deinit(&x->arena);
    buf_deinit(&x->bytes);
}

static void on_freed(struct work *w)
{
    free(container_of(w, struct cog_reading, work));
}

/* The stream goes on, with what is left of the piece first. */
static void go_on(struct cog_run *cr)
{
    struct buf rest CLEANUP(buf_deinit) = { 0 };

    sse_reader_go_on(&cr->reader, &rest);
    cog_events_feed(cr, buf_str(&rest));
    if (cr->reading)
        return;
    http_call_resume(&cr->put);
    if (!cr->put_waits)
        return;
    cr->put_waits = false;
    cog_put_over(cr, NULL);
}

static void on_read(struct work *w)
{
    struct cog_reading *x = container_of(w, struct cog_reading, work);
    struct cog_run *cr = x->run;

    if (cr) {
        cr->reading = NULL;
        if (cr->run && x->status == STATUS_OK)
            cog_event_take(cr, x->kind, &x->arena, x->root, &x->bytes);
        else if (cr->run)
            cog_event_refuse(cr, &x->error);
        go_on(cr);
        cog_run_unref(cr);
    }
    work_start(w->loop, w, free_work, on_freed);
}

static void read_work(struct work *w)
{
    struct cog_reading *x = container_of(w, struct cog_reading, work);

    x->status = json_parse(&x->arena, x->text, &COG_JSON, &x->root, &x->error);
}

void cog_reading_start(struct cog_run *cr, enum cog_event kind, const struct sse_event *e)
{
    struct cog_reading *x = xnew(struct cog_reading);

    x->run = cr;
    x->kind = kind;
    x->text = e->data;
    sse_reader_take_data(&cr->reader, &x->bytes);
    sse_reader_hold(&cr->reader);
    cr->reading = x;
    cr->refs++;
    work_start(cr->peer->cog->base.loop, &x->work, read_work, on_read);
}

void cog_reading_drop(struct cog_run *cr)
{
    if (cr->reading)
        cr->reading->run = NULL;
    cr->reading = NULL;
}
