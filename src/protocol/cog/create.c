/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of a run: the PUT that creates it, the PUT that joins it, the POST that cancels it.
 */
#include "protocol/cog/cog_impl.h"

#include "base/mem.h"

#define NO_ANSWER "The connection to the model server ended before it answered"

enum {
    MAX_JOINS = 5,
    MAX_CANCELS = 4,
    GOOD_STREAM_MS = 60000, /* one that lasted so long does not count among those that broke */
    ANSWER_MAX = 1 << 20,   /* of a refusal */
};

/* How long after the answers 409; the first is the next turn of the loop. */
static const int64_t conflict_delays_ms[] = { 0, 1, 2, 5, 10, 20, 50, 100 };

static const struct http_call_events put_events;

static bool is_event_stream(const struct http_call *c)
{
    return str_starts(http_call_header(c, "Content-Type"), "text/event-stream");
}

/* --- sending --- */

static void start_put(struct cog_run *cr, enum cog_put kind, struct str body)
{
    static const char *const stream[] = { "Content-Type: application/json",
                                          "Accept: text/event-stream", NULL };
    static const char *const async[] = { "Content-Type: application/json", "Prefer: respond-async",
                                         NULL };
    struct cog_peer *cp = cr->peer;
    unsigned flags = kind == PUT_ASYNC ? 0 : HTTP_CALL_QUICKACK;

    /* The older server closes idle connections after 5 s: a request that meets that would be lost.
     */
    if (cp->dialect == COG_LEGACY)
        flags |= HTTP_CALL_NEW_CONNECTION;
    cr->kind = kind;
    cr->put_open = true;
    cr->refs++;
    buf_deinit(&cr->answer);
    buf_init(&cr->answer, ANSWER_MAX);
    http_call_start(cp->cog->client, &cr->put,
                    &(struct http_call_spec){
                        .method = "PUT",
                        .url = cr->url,
                        .unix_socket = cp->unix_socket,
                        .headers = kind == PUT_ASYNC ? async : stream,
                        .body = body,
                        .timeout_ms = kind == PUT_ASYNC ? cp->cog->timing.stall_ms : 0,
                        .stall_timeout_ms = kind == PUT_ASYNC ? 0 : cp->cog->timing.stall_ms,
                        .flags = flags },
                    &put_events);
}

/* The members after "input". Rebuilt for each way, behind what build_body() left. */
static void close_body(struct cog_run *cr, size_t open, bool with_webhook, bool streams)
{
    struct json_writer w;

    cr->body.n = open;
    json_writer_init(&w, &cr->body);
    w.comma = true;
    if (with_webhook) {
        char *url = xasprintf("%s/webhook/%s", cr->peer->internal_url, cr->id);

        json_member_string(&w, "webhook", url);
        free(url);
        if (streams) { /* the rest comes by the join */
            json_key(&w, "webhook_events_filter");
            json_raw(&w, STR("[\"completed\"]"));
        }
    }
    json_end_object(&w);
}

void cog_run_create(struct cog_run *cr)
{
    bool streams = cog_peer_streams(cr->peer) && !cr->streamless;
    bool by_stream = streams && (cr->way == RUN_SHORT || !cr->peer->internal_url);

    if (!cr->open_body)
        cr->open_body = cr->body.n;
    cr->hooked = !by_stream && cr->peer->internal_url;
    close_body(cr, cr->open_body, cr->hooked, streams);
    flow_goto(&cr->flow, AT_CREATING);
    start_put(cr, by_stream ? PUT_STREAM : PUT_ASYNC, buf_str(&cr->body));
}

void cog_run_join(struct cog_run *cr)
{
    /* The id is looked up before the input is checked: this can join a run, and never start one. */
    flow_goto(&cr->flow, AT_JOINING);
    cr->n_joins++;
    cr->joined_ms = cog_now(cr->peer);
    start_put(cr, PUT_JOIN, STR("{\"input\":0}"));
}

/* --- what the creating PUT was answered --- */

static void on_conflict(struct cog_run *cr)
{
    struct cog_peer *cp = cr->peer;
    size_t last = ARRAY_SIZE(conflict_delays_ms) - 1;
    int64_t now = cog_now(cp), delay;

    if (cr->canceled) {
        cog_run_fail(cr, RUN_DONE, NULL);
        return;
    }
    if (cr->n_conflicts == 0)
        cr->conflict_since_ms = now;
    cog_peer_full(cp);
    if (now - cr->conflict_since_ms >= cp->cog->timing.conflict_ms || cp->health == PEER_SICK) {
        struct run_result res = { .verdict = RUN_NEVER_RAN,
                                  .error = "the model server has no free slot",
                                  .predict_time = -1 };

        cog_run_finish(cr, &res);
        return;
    }
    delay = conflict_delays_ms[MIN((size_t)cr->n_conflicts, last)];
    cr->n_conflicts++;
    flow_goto(&cr->flow, AT_BACKOFF);
    if (delay == 0)
        deferred_call(&cr->soon);
    else
        timer_start(&cr->timer, delay);
}

static void on_accepted(struct cog_run *cr)
{
    cog_run_accept(cr);
    if (!cr->run)
        return;
    if (cog_peer_streams(cr->peer) && !cr->streamless)
        cog_run_join(cr);
    else
        cog_run_await(cr, 0, LATE_FAILED);
}

static void refuse(struct cog_run *cr, enum run_verdict v, bool is_sick)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct run_result res = { .verdict = v, .status = PREDICTION_FAILED, .predict_time = -1 };

    res.error = cog_refusal(&a, cr->put.status, buf_str(&cr->answer));
    if (cr->canceled) {
        res.verdict = RUN_DONE;
        res.status = PREDICTION_CANCELED;
        res.error = NULL;
    }
    if (is_sick)
        cog_peer_sick(cr->peer, "the model server does not know its own routes", false);
    cog_run_finish(cr, &res);
}

/* 200 that is no stream: a server that takes no notice of what was asked and answers with the end
 * itself. */
static void take_sync_answer(struct cog_run *cr, enum status st, const struct json *root,
                             struct buf *memory, struct error *err)
{
    if (st == STATUS_OK)
        st = cog_events_merge(cr, root, memory, err);
    if (cr->run && st != STATUS_OK)
        cog_event_refuse(cr, err);
    else if (cr->run)
        cog_run_await(cr, 0, LATE_FAILED);
}

static void on_answer_read(struct cog_reading *x)
{
    struct cog_run *cr = x->owner;

    cr->reading = NULL;
    if (cr->run)
        take_sync_answer(cr, x->status, x->root, &x->bytes, &x->error);
    cog_run_unref(cr);
}

static void on_sync_answer(struct cog_run *cr)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *root = NULL;
    struct error err;
    enum status st;

    cog_run_accept(cr);
    if (!cr->run)
        return;
    if (cr->answer.n > COG_LARGE) {
        cr->reading = cog_reading_new(&cr->answer, &COG_JSON, cr, on_answer_read);
        cr->refs++;
        cog_reading_begin(cr->peer->cog->base.loop, cr->reading);
        return;
    }
    st = json_parse(&a, buf_str(&cr->answer), &COG_JSON, &root, &err);
    take_sync_answer(cr, st, root, NULL, &err);
}

static void on_create_answer(struct cog_run *cr)
{
    switch (cr->put.status) {
    case 200:
        on_sync_answer(cr);
        return;
    case 202:
        on_accepted(cr);
        return;
    case 406:
        if (cr->kind != PUT_STREAM || !cr->peer->internal_url) {
            refuse(cr, RUN_DONE, false);
            return;
        }
        cr->streamless = true;
        cog_run_create(cr);
        return;
    case 409:
        on_conflict(cr);
        return;
    case 429:
    case 503:
        refuse(cr, RUN_NEVER_RAN, false);
        return;
    case 404: /* the older server's answer to everything once its setup has failed early */
        refuse(cr, RUN_DONE, true);
        return;
    case 422:
        refuse(cr, RUN_DONE, false);
        return;
    default:
        cog_probe_now(cr->peer);
        refuse(cr, RUN_DONE, false);
    }
}

/* No answer. What was not sent has not run; what was sent may have, and may run. A join tells
 * whether it does, and cannot start it. */
static void on_create_broken(struct cog_run *cr, const struct error *err)
{
    cog_probe_now(cr->peer);
    if (err->status == STATUS_UNREACHABLE || !cr->put.request_sent) {
        cog_run_fail(cr, RUN_NEVER_RAN, "the model server does not answer");
    } else if (err->status == STATUS_TOO_LARGE) {
        cog_answer_too_large(cr);
    } else if (cog_peer_streams(cr->peer) && !cr->streamless) {
        cr->unsure = cr->broke = true;
        cog_run_join(cr);
    } else if (cr->hooked) {
        cog_run_await(cr, cr->peer->cog->timing.webhook_wait_ms, LATE_LOST);
    } else {
        cog_run_fail(cr, RUN_LOST, NO_ANSWER);
    }
}

/* --- what the joining PUT was answered, and how streams end --- */

static void pause_and_join(struct cog_run *cr)
{
    const struct cog_timing *t = &cr->peer->cog->timing;

    if (cog_now(cr->peer) - cr->joined_ms > GOOD_STREAM_MS)
        cr->n_joins = 1;
    if (cr->n_joins >= MAX_JOINS && cr->unsure && !cr->hooked) {
        cog_run_fail(cr, RUN_LOST, NO_ANSWER);
        return;
    }
    if (cr->n_joins >= MAX_JOINS || cr->truncated) {
        cog_run_await(cr, t->recheck_ms, LATE_JOIN);
        return;
    }
    flow_goto(&cr->flow, AT_PAUSING);
    timer_start(&cr->timer, t->rejoin_ms * cr->n_joins);
}

/* The creating PUT broke, and the server does not know the run: it never had it, or has ended it.
 * What was created by its stream has ended with that. With a webhook the end is told at once, and
 * again in the seconds after; meanwhile the PUT may also have been read late. */
static void on_unknown(struct cog_run *cr)
{
    if (cr->hooked && !cr->asked) {
        cr->asked = true;
        cog_run_await(cr, cr->peer->cog->timing.unsure_wait_ms, LATE_JOIN);
    } else {
        cog_run_fail(cr, RUN_FORGOTTEN, NO_ANSWER);
    }
}

static void on_join_answer(struct cog_run *cr)
{
    const struct cog_timing *t = &cr->peer->cog->timing;

    switch (cr->put.status) {
    case 406: /* it does not stream */
    case 202:
    case 429: /* too many readers */
        cr->streamless = true;
        cog_run_await(cr, 0, LATE_FAILED);
        return;
    case 503: /* in setup: this is another process than the one that ran it */
        cog_probe_now(cr->peer);
        cog_run_fail(cr, RUN_LOST, "The model server began anew");
        return;
    default: /* 422: it is not running (any more). The webhook has the end, or nobody has */
        if (cr->unsure)
            on_unknown(cr);
        else
            cog_run_await(cr, cr->join ? t->retry_wait_ms : t->webhook_wait_ms,
                          cr->canceled ? LATE_CANCELED
                          : cr->join   ? LATE_FORGOTTEN
                                       : LATE_FAILED);
    }
}

static void on_join_broken(struct cog_run *cr, const struct error *err)
{
    cog_probe_now(cr->peer);
    if (err->status == STATUS_UNREACHABLE && cr->unsure && !cr->hooked)
        cog_run_fail(cr, RUN_LOST, NO_ANSWER);
    else if (err->status == STATUS_UNREACHABLE)
        cog_run_await(cr, cr->peer->cog->timing.sick_wait_ms, LATE_LOST);
    else if (err->status == STATUS_TOO_LARGE)
        cog_answer_too_large(cr);
    else
        pause_and_join(cr);
}

static void on_stream_over(struct cog_run *cr)
{
    if (cr->reader_dead && cog_events_finish_by_tail(cr))
        return;
    cog_probe_now(cr->peer);
    if (cr->way == RUN_SHORT)
        cog_run_fail(cr, RUN_LOST,
                     "The connection to the model server ended before the result came");
    else
        pause_and_join(cr);
}

/* --- the PUT's events --- */

static void on_put_headers(struct http_call *c, int status)
{
    struct cog_run *cr = container_of(c, struct cog_run, put);

    if (!cr->run || status != 200)
        return;
    cr->answer.max = cr->max_output + cr->peer->cog->timing.event_extra;
    if (cr->kind == PUT_ASYNC || !is_event_stream(c))
        return;
    flow_goto(&cr->flow, AT_STREAMING);
    cr->unsure = false;
    cog_events_begin(cr);
    cog_run_accept(cr);
}

static bool on_put_data(struct http_call *c, struct str piece)
{
    struct cog_run *cr = container_of(c, struct cog_run, put);

    if (!cr->run)
        return true; /* read to the end, to keep the connection */
    if (cr->reading)
        return false;
    if (cr->flow.at == AT_STREAMING)
        cog_events_feed(cr, piece);
    else if (!buf_add_str(&cr->answer, piece))
        cog_answer_too_large(cr);
    return true;
}

void cog_put_over(struct cog_run *cr, const struct error *err)
{
    if (!cr->run)
        timer_stop(&cr->timer);
    else if (cr->flow.at == AT_STREAMING && err && err->status == STATUS_TOO_LARGE)
        cog_answer_too_large(cr);
    else if (cr->flow.at == AT_STREAMING)
        on_stream_over(cr);
    else if (cr->flow.at == AT_JOINING && err)
        on_join_broken(cr, err);
    else if (cr->flow.at == AT_JOINING)
        on_join_answer(cr);
    else if (cr->flow.at == AT_CREATING && err)
        on_create_broken(cr, err);
    else if (cr->flow.at == AT_CREATING)
        on_create_answer(cr);
    cog_run_unref(cr);
}

static void on_put_done(struct http_call *c, const struct error *err)
{
    struct cog_run *cr = container_of(c, struct cog_run, put);

    cr->put_open = false;
    cr->put_waits = cr->reading != NULL;
    if (!cr->put_waits)
        cog_put_over(cr, err);
}

static const struct http_call_events put_events = {
    .headers = on_put_headers,
    .data = on_put_data,
    .done = on_put_done,
};

/* --- cancel --- */

static void on_cancel_done(struct http_call *c, const struct error *err)
{
    struct cog_run *cr = container_of(c, struct cog_run, cancel);
    const struct cog_timing *t = &cr->peer->cog->timing;

    cr->cancel_open = false;
    if (!cr->run) {
        /* it has ended meanwhile */
    } else if (!err && c->status == 200) {
        /* The end follows on the stream or by the webhook. Yet about one in a hundred is lost:
         * coglet raises an exception in the model's thread, and where that meets a place which
         * swallows it (writing a line, an `except:` of the model) the model goes on. So it is asked
         * again, ever later, as the exception may also meet a model that is clearing up. */
        timer_start(&cr->cancel_timer, t->cancel_repeat_ms << MIN(cr->n_cancels - 1, 5));
    } else if (!err && c->status == 404) {
        /* It has ended; that is on its way. */
        if (cr->flow.at == AT_AWAITING && !cog_run_has_deadline(cr))
            cog_run_await(cr, t->webhook_wait_ms, LATE_CANCELED);
    } else if (cr->way == RUN_SHORT && cr->flow.at == AT_STREAMING) {
        http_call_cancel(&cr->put); /* what a stream created ends with the stream */
        cog_run_fail(cr, RUN_DONE, NULL);
    } else if (cr->n_cancels < MAX_CANCELS) {
        timer_start(&cr->cancel_timer, t->cancel_again_ms);
    }
    cog_run_unref(cr);
}

static const struct http_call_events cancel_events = { .done = on_cancel_done };

void cog_run_send_cancel(struct cog_run *cr)
{
    static const char *const headers[] = { "Content-Type: application/json", NULL };

    if (cr->cancel_open)
        return;
    cr->cancel_sent = cr->cancel_open = true;
    cr->n_cancels++;
    cr->refs++;
    http_call_start(cr->peer->cog->client, &cr->cancel,
                    &(struct http_call_spec){ .method = "POST",
                                              .url = cr->cancel_url,
                                              .unix_socket = cr->peer->unix_socket,
                                              .headers = headers,
                                              .body = STR("{}"),
                                              .timeout_ms = 10000,
                                              .max_body = 64 * 1024 },
                    &cancel_events);
}
