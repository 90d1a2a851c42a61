/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one prediction on a Cog server: its states, its ends and what the peer's health means
 * for it. How it is sent is in create.c, how events are read in events.c.
 *
 * - waiting: until the first health answer tells the dialect.
 *
 * - creating: PUT /predictions/<id> is open. Short: it asks for events, and the answer is the
 *   stream. Long, and all servers that do not stream: it asks for a webhook, the answer is 202.
 *
 * - backoff: 409; after a success the answer comes a moment before the slot is free.
 *
 * - streaming: events come. A short run ends with its stream; a long one pauses and joins again.
 *
 * - joining: PUT of the same id with an input that cannot start anything.
 *
 * - awaiting: no stream (any more), webhooks tell the rest. It has a deadline once it is known that
 *   the server has forgotten the id or is going. Where streams keep breaking, a join is tried again
 *   from time to time.
 *
 * - over: `ended` was called, or the caller let go; open calls are closing.
 *
 * A stream that coglet cuts off (its reader lagged) is joined again when the run is long. A short
 * one is lost: coglet cancels what was created by a stream when its last reader goes.
 *
 * Nothing but a stack frame of the HTTP client, of a timer or of run_webhook() calls the caller's
 * events; after each of them `cr->run` may be NULL, and the code here holds a reference meanwhile.
 */
#include "protocol/cog/cog_impl.h"

#include "base/mem.h"

#include <assert.h>

#define LOST_RESULT_TEXT "The result was lost: the model server has forgotten this prediction"
#define LOST_TEXT        "The connection to the model server ended before the result came"

static const struct flow_state states[] = {
    [AT_WAITING] = { "waiting", FLOW_TO(AT_CREATING) | FLOW_TO(AT_JOINING) | FLOW_TO(AT_AWAITING) |
                                    FLOW_TO(AT_OVER) },
    [AT_CREATING] = { "creating", FLOW_TO(AT_CREATING) | FLOW_TO(AT_BACKOFF) |
                                      FLOW_TO(AT_STREAMING) | FLOW_TO(AT_JOINING) |
                                      FLOW_TO(AT_AWAITING) | FLOW_TO(AT_OVER) },
    [AT_BACKOFF] = { "backoff", FLOW_TO(AT_CREATING) | FLOW_TO(AT_OVER) },
    [AT_STREAMING] = { "streaming", FLOW_TO(AT_PAUSING) | FLOW_TO(AT_AWAITING) | FLOW_TO(AT_OVER) },
    [AT_PAUSING] = { "pausing", FLOW_TO(AT_JOINING) | FLOW_TO(AT_AWAITING) | FLOW_TO(AT_OVER) },
    [AT_JOINING] = { "joining", FLOW_TO(AT_STREAMING) | FLOW_TO(AT_PAUSING) | FLOW_TO(AT_AWAITING) |
                                    FLOW_TO(AT_OVER) },
    [AT_AWAITING] = { "awaiting", FLOW_TO(AT_AWAITING) | FLOW_TO(AT_JOINING) | FLOW_TO(AT_OVER) },
    [AT_OVER] = { "over", 0 },
};

/* --- ends --- */

void cog_run_free(struct cog_run *cr)
{
    list_remove(&cr->node);
    timer_stop(&cr->timer);
    timer_stop(&cr->cancel_timer);
    deferred_cancel(&cr->soon);
    cog_reading_drop(&cr->reading);
    http_call_deinit(&cr->put);
    http_call_deinit(&cr->cancel);
    buf_deinit(&cr->body);
    buf_deinit(&cr->answer);
    buf_deinit(&cr->tail);
    sse_reader_deinit(&cr->reader);
    free(cr->id);
    free(cr->url);
    free(cr->cancel_url);
    free(cr);
}

void cog_run_unref(struct cog_run *cr)
{
    struct cog_peer *cp = cr->peer;

    if (--cr->refs > 0)
        return;
    cog_run_free(cr);
    cog_peer_unref(cp);
}

/* The caller's half goes; what is open may close by itself, so that its connection is kept. */
static void let_go(struct cog_run *cr)
{
    cr->run = NULL;
    if (cr->accepted)
        cr->peer->n_accepted--;
    timer_stop(&cr->cancel_timer);
    deferred_cancel(&cr->soon);
    flow_goto(&cr->flow, AT_OVER);
    if (cr->put_open)
        timer_start(&cr->timer, cr->peer->cog->timing.linger_ms);
    else
        timer_stop(&cr->timer);
}

void cog_run_drop(struct cog_run *cr, bool tell_server)
{
    bool was_accepted = cr->accepted;

    let_go(cr);
    if (cr->put_open)
        http_call_cancel(&cr->put);
    /* A short run's connection says it; a long one goes on unless it is told. */
    if (tell_server && was_accepted && cr->way == RUN_LONG && !cr->cancel_sent)
        cog_run_send_cancel(cr);
    cog_run_unref(cr);
}

void cog_run_finish(struct cog_run *cr, struct run_result *res)
{
    struct run *r = cr->run;
    struct cog_peer *cp = cr->peer;

    cr->refs++;
    cog_logs_settle(&cr->logs);
    res->logs = buf_str(&r->logs);
    let_go(cr);
    if (res->peer_is_sick && res->verdict == RUN_DONE)
        cog_peer_sick(cp, "the model server has lost a slot", false);
    else if (res->peer_is_sick)
        cog_peer_sick(cp, "the model's process ended by itself", true);
    run_finish(r, res);
    cog_run_unref(cr);
    cog_run_unref(cr);
}

void cog_run_fail(struct cog_run *cr, enum run_verdict v, const char *text)
{
    struct buf pieces CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct run_result res = { .verdict = v,
                              .status = PREDICTION_FAILED,
                              .error = text,
                              .predict_time = -1,
                              .peer_is_sick = v == RUN_CRASHED };
    struct run *r = cr->run;

    if (cr->canceled && v != RUN_CRASHED) {
        res.verdict = RUN_DONE;
        res.status = PREDICTION_CANCELED;
        res.error = NULL;
    }
    if (r->n_pieces > 0 && r->pieces.n <= cr->max_output &&
        (res.verdict == RUN_DONE || res.verdict == RUN_CRASHED)) {
        run_pieces_whole(r, cr->output_is_array, &pieces);
        res.output = buf_str(&pieces);
    }
    cog_run_finish(cr, &res);
}

void cog_run_await(struct cog_run *cr, int64_t ms, enum cog_late late)
{
    flow_goto(&cr->flow, AT_AWAITING);
    cr->late = late;
    if (ms > 0)
        timer_start(&cr->timer, ms);
    else
        timer_stop(&cr->timer);
}

bool cog_run_has_deadline(const struct cog_run *cr)
{
    return cr->flow.at == AT_AWAITING && timer_armed(&cr->timer) && cr->late != LATE_JOIN;
}

static void on_late(struct cog_run *cr)
{
    switch (cr->late) {
    case LATE_JOIN:
        cog_run_join(cr);
        return;
    case LATE_FAILED:
        cog_run_fail(cr, RUN_DONE, LOST_RESULT_TEXT);
        return;
    case LATE_FORGOTTEN:
        cog_run_fail(cr, RUN_FORGOTTEN, LOST_RESULT_TEXT);
        return;
    case LATE_LOST:
        cog_run_fail(cr, RUN_LOST, LOST_TEXT);
        return;
    case LATE_CRASHED:
        cog_run_fail(cr, RUN_CRASHED, COG_CRASH_TEXT);
        return;
    case LATE_CANCELED:
        cr->canceled = true;
        cog_run_fail(cr, RUN_DONE, NULL);
        return;
    }
}

/* --- begin --- */

static void begin(struct cog_run *cr)
{
    if (!cr->join)
        cog_run_create(cr);
    else if (cog_peer_streams(cr->peer))
        cog_run_join(cr);
    else
        cog_run_await(cr, 0, LATE_FORGOTTEN);
}

static void on_timer(struct timer *t)
{
    struct cog_run *cr = container_of(t, struct cog_run, timer);

    switch ((enum cog_run_at)cr->flow.at) {
    case AT_BACKOFF:
        cog_run_create(cr);
        return;
    case AT_PAUSING:
        cog_run_join(cr);
        return;
    case AT_AWAITING:
        on_late(cr);
        return;
    case AT_OVER:
        if (cr->put_open)
            http_call_cancel(&cr->put);
        return;
    case AT_WAITING:
    case AT_CREATING:
    case AT_STREAMING:
    case AT_JOINING:
        return;
    }
}

static void on_soon(struct deferred *d)
{
    struct cog_run *cr = container_of(d, struct cog_run, soon);

    if (cr->canceled)
        cog_run_fail(cr, RUN_DONE, NULL);
    else if (cr->peer->health == PEER_FAILED || cr->peer->health == PEER_SICK)
        cog_run_fail(cr, RUN_NEVER_RAN, "the model server takes no predictions any more");
    else if (cr->flow.at == AT_BACKOFF)
        cog_run_create(cr);
    else if (cr->flow.at == AT_WAITING)
        begin(cr);
}

static void on_cancel_timer(struct timer *t)
{
    cog_run_send_cancel(container_of(t, struct cog_run, cancel_timer));
}

static void build_body(struct cog_run *cr, struct str input)
{
    struct json_writer w;

    buf_init(&cr->body, BUF_UNBOUNDED);
    json_writer_init(&w, &cr->body);
    json_begin_object(&w);
    json_key(&w, "input");
    json_raw(&w, input.n ? input : STR("{}"));
    /* create.c closes it, with or without a webhook */
}

void cog_run_start(struct run *r, const struct run_spec *spec)
{
    struct cog_peer *cp = r->peer->impl;
    struct cog_run *cr = xnew(struct cog_run);
    struct loop *l = cp->cog->base.loop;

    cr->peer = cp;
    cr->run = r;
    cr->refs = 1;
    cr->id = xstrdup(spec->id);
    cr->url = cog_peer_path(cp, spec->id, "");
    cr->cancel_url = cog_peer_path(cp, spec->id, "/cancel");
    cr->way = spec->join ? RUN_LONG : spec->way;
    cr->join = spec->join;
    cr->output_is_array = spec->output_is_array;
    cr->max_output = spec->max_output ? spec->max_output : 100000000;
    cr->ready_since_ms = -1;
    if (!spec->join)
        build_body(cr, spec->input);
    cog_logs_init(&cr->logs, &r->logs, spec->max_logs);
    timer_init(l, &cr->timer, on_timer);
    timer_init(l, &cr->cancel_timer, on_cancel_timer);
    deferred_init(l, &cr->soon, on_soon);
    flow_init(&cr->flow, "cog-run", states, AT_WAITING);
    list_push(&cp->runs, &cr->node);
    r->impl = cr;
    if (spec->join) { /* it holds a slot already */
        cr->accepted = true;
        cp->n_accepted++;
    }
    if (cp->dialect != COG_UNKNOWN)
        begin(cr);
    else if (cp->health == PEER_FAILED || cp->health == PEER_SICK)
        deferred_call(&cr->soon);
}

void cog_run_accept(struct cog_run *cr)
{
    if (cr->accepted)
        return;
    cr->accepted = true;
    cr->peer->n_accepted++;
    cr->peer->full_since_ms = -1;
    cr->run->events->accepted(cr->run);
    if (cr->run && cr->canceled && !cr->cancel_sent)
        cog_run_send_cancel(cr);
}

/* --- cancel, release, webhook --- */

void cog_run_cancel(struct run *r)
{
    struct cog_run *cr = r->impl;

    if (cr->canceled)
        return;
    cr->canceled = true;
    if (cr->accepted) {
        cog_run_send_cancel(cr);
    } else if (cr->flow.at == AT_WAITING || cr->flow.at == AT_BACKOFF) {
        timer_stop(&cr->timer);
        deferred_call(&cr->soon);
    } /* creating: when the answer is there */
}

void cog_run_release(struct run *r)
{
    cog_run_drop(r->impl, false);
}

bool cog_run_is_unsent(const struct run *r)
{
    const struct cog_run *cr = r->impl;

    return !cr->accepted && !cr->unsure && !cr->put.request_sent;
}

enum status cog_run_webhook(struct run *r, const struct json *said, struct buf *memory,
                            struct error *err)
{
    struct cog_run *cr = r->impl;
    enum status st;

    if (cr->flow.at == AT_WAITING || cr->flow.at == AT_BACKOFF)
        if (!cr->join)
            return FAIL(err, STATUS_INVALID, "prediction %s was not taken yet", cr->id);
    cr->refs++;
    st = cog_events_merge(cr, said, memory, err);
    cog_run_unref(cr);
    return st;
}

/* --- the peer's health --- */

void cog_run_peer_known(struct cog_run *cr)
{
    if (cr->run && cr->flow.at == AT_WAITING)
        deferred_call(&cr->soon);
}

/* READY from a server with one slot, while this run is believed to hold it. */
void cog_run_peer_ready(struct cog_run *cr)
{
    int64_t now = cog_now(cr->peer);

    if (!cr->run || !cr->accepted || cr->flow.at == AT_WAITING)
        return;
    if (cog_run_has_deadline(cr))
        return;
    if (cr->ready_since_ms < 0)
        cr->ready_since_ms = now;
    else if (now - cr->ready_since_ms >= cr->peer->cog->timing.lost_result_ms)
        cog_run_await(cr, 1, cr->join ? LATE_FORGOTTEN : LATE_FAILED);
}

void cog_run_peer_sick(struct cog_run *cr, bool worker_is_gone)
{
    if (!cr->run)
        return;
    if (!cr->accepted) {
        if (cr->flow.at == AT_WAITING)
            deferred_call(&cr->soon);
        return;
    }
    if (cr->flow.at == AT_WAITING)
        flow_goto(&cr->flow, AT_AWAITING);
    /* An open stream says by itself how it ends; after a crash the last webhook does come. */
    if (cr->flow.at == AT_AWAITING || cr->flow.at == AT_PAUSING)
        cog_run_await(cr, cr->peer->cog->timing.sick_wait_ms,
                      worker_is_gone ? LATE_CRASHED : LATE_LOST);
}
