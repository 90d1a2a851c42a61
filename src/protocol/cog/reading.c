/* SPDX-License-Identifier: Apache-2.0 */
/* What is large: an event of a run, or an answer about health, which has all that setup printed.
 * Its bytes are taken from who had them and become JSON on another thread, and the memory of both
 * is given back there too: each takes a millisecond for a few megabytes, in which nobody else would
 * be served. An event's stream is held meanwhile, so that events keep their order; what comes of it
 * is the HTTP client's to keep, but for the rest of the piece that had the event's end. */
#include "protocol/cog/cog_impl.h"

#include "base/mem.h"

static void free_work(struct work *w)
{
    struct cog_reading *x = container_of(w, struct cog_reading, work);

    arena_deinit(&x->arena);
    buf_deinit(&x->bytes);
    buf_deinit(&x->extra);
}

static void on_freed(struct work *w)
{
    free(container_of(w, struct cog_reading, work));
}

static void on_read(struct work *w)
{
    struct cog_reading *x = container_of(w, struct cog_reading, work);

    if (x->owner)
        x->done(x);
    work_start(w->loop, w, free_work, on_freed);
}

static void read_work(struct work *w)
{
    struct cog_reading *x = container_of(w, struct cog_reading, work);

    x->status = json_parse(&x->arena, x->text, x->limits, &x->root, &x->error);
    if (x->status == STATUS_OK && x->also)
        x->also(x);
}

struct cog_reading *cog_reading_new(struct buf *bytes, const struct json_limits *limits,
                                    void *owner, void (*done)(struct cog_reading *x))
{
    struct cog_reading *x = xnew(struct cog_reading);

    x->bytes = *bytes;
    *bytes = (struct buf){ 0 };
    x->text = buf_str(&x->bytes);
    x->limits = limits;
    x->owner = owner;
    x->done = done;
    return x;
}

void cog_reading_begin(struct loop *l, struct cog_reading *x)
{
    work_start(l, &x->work, read_work, on_read);
}

void cog_reading_drop(struct cog_reading **x)
{
    if (*x)
        (*x)->owner = NULL;
    *x = NULL;
}

/* --- events --- */

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

static void on_event_read(struct cog_reading *x)
{
    struct cog_run *cr = x->owner;

    cr->reading = NULL;
    if (cr->run && x->status == STATUS_OK)
        cog_event_take(cr, (enum cog_event)x->kind, &x->arena, x->root, &x->bytes);
    else if (cr->run)
        cog_event_refuse(cr, &x->error);
    go_on(cr);
    cog_run_unref(cr);
}

void cog_reading_start(struct cog_run *cr, enum cog_event kind, const struct sse_event *e)
{
    struct str data = e->data; /* a part of what is taken */
    struct buf bytes = { 0 };
    struct cog_reading *x;

    sse_reader_take_data(&cr->reader, &bytes);
    x = cog_reading_new(&bytes, &COG_JSON, cr, on_event_read);
    x->kind = (int)kind;
    x->text = data;
    sse_reader_hold(&cr->reader);
    cr->reading = x;
    cr->refs++;
    cog_reading_begin(cr->peer->cog->base.loop, x);
}
