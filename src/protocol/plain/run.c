/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one prediction that is one request:
 *
 * - making: the request's body, where the input is large.
 * - asking: it is sent. Who refuses does so at once, so that after a while of silence it counts as
 *   accepted.
 * - reading: a good answer comes, whole or in events; refused: the text of another one comes.
 * - taking: a large answer is made into an output.
 * - waiting: the connection broke. A server that says that it is well has given this one up: it
 *   failed. One that says nothing may be gone: lost, or its end comes first.
 * - over: `ended` was called, or the caller let go; what is open is closing.
 *
 * To cancel is to close the connection. After each of the caller's events `pr->run` may be NULL;
 * the code here holds a reference meanwhile. */
#include "base/mem.h"
#include "protocol/plain/plain_impl.h"

#include <ctype.h>

enum { LARGE = 64 << 10, REFUSAL_MAX = 64 << 10 };

#define TO(x) FLOW_TO(PLAIN_##x)
static const struct flow_state states[] = {
    [PLAIN_MAKING] = { "making", TO(ASKING) | TO(OVER) },
    [PLAIN_ASKING] = { "asking", TO(READING) | TO(REFUSED) | TO(WAITING) | TO(OVER) },
    [PLAIN_READING] = { "reading", TO(TAKING) | TO(WAITING) | TO(OVER) },
    [PLAIN_REFUSED] = { "refused", TO(WAITING) | TO(OVER) },
    [PLAIN_TAKING] = { "taking", TO(OVER) },
    [PLAIN_WAITING] = { "waiting", TO(OVER) },
    [PLAIN_OVER] = { "over", 0 },
};
#undef TO

static const struct http_call_events call_events;

static const struct plain_timing *timing_of(const struct plain_run *pr)
{
    return &pr->peer->protocol->timing;
}

static int64_t now_of(const struct plain_run *pr)
{
    return loop_now_ms(pr->peer->protocol->base.loop);
}

/* --- ends --- */

void plain_run_free(struct plain_run *pr)
{
    list_remove(&pr->node);
    timer_stop(&pr->timer);
    timer_stop(&pr->accept_timer);
    deferred_cancel(&pr->soon);
    http_call_deinit(&pr->call);
    buf_deinit(&pr->input);
    buf_deinit(&pr->body);
    buf_deinit(&pr->answer);
    sse_reader_deinit(&pr->reader);
    plain_answer_deinit(&pr->got);
    free(pr);
}

static void run_unref(struct plain_run *pr)
{
    struct plain_peer *pp = pr->peer;

    if (--pr->refs > 0)
        return;
    plain_run_free(pr);
    plain_peer_unref(pp);
}

static void let_go(struct plain_run *pr)
{
    pr->run = NULL;
    deferred_cancel(&pr->soon);
    timer_stop(&pr->accept_timer);
    flow_goto(&pr->flow, PLAIN_OVER);
    if (pr->call_open)
        timer_start(&pr->timer, timing_of(pr)->linger_ms);
    else
        timer_stop(&pr->timer);
}

void plain_run_drop(struct plain_run *pr)
{
    let_go(pr);
    if (pr->call_open)
        http_call_cancel(&pr->call);
    run_unref(pr);
}

void plain_run_release(struct run *r)
{
    plain_run_drop(r->impl);
}

bool plain_run_is_unsent(const struct run *r)
{
    const struct plain_run *pr = r->impl;

    return !pr->accepted && !pr->call.request_sent;
}

static void finish(struct plain_run *pr, struct run_result *res)
{
    struct run *r = pr->run;

    pr->refs++;
    res->logs = buf_str(&r->logs);
    res->predict_time = (double)(now_of(pr) - pr->began_ms) / 1000;
    if (pr->got.metrics.n)
        res->metrics = buf_str(&pr->got.metrics);
    if (res->verdict != RUN_DONE || res->status != PREDICTION_SUCCEEDED) {
        if (pr->call_open) /* nobody waits for the rest */
            http_call_cancel(&pr->call);
    }
    let_go(pr);
    run_finish(r, res);
    run_unref(pr);
    run_unref(pr);
}

/* An end without an output of its own: the pieces that came are kept. */
static void fail(struct plain_run *pr, enum run_verdict v, const char *text)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct buf pieces CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    size_t most = pr->peer->protocol->limits.max_error;
    struct run_result res = { .verdict = v,
                              .status = PREDICTION_FAILED,
                              .error = text ? run_error_text(&a, str_of(text), most) : NULL };

    if (pr->canceled) {
        res.verdict = RUN_DONE;
        res.status = PREDICTION_CANCELED;
        res.error = NULL;
    }
    if (res.verdict == RUN_DONE) {
        run_pieces_whole(pr->run, pr->output_is_array, &pieces);
        if (pieces.n)
            res.output = buf_str(&pieces);
    }
    finish(pr, &res);
}

static void succeed(struct plain_run *pr, struct buf *output)
{
    struct run_result res = { .verdict = RUN_DONE, .status = PREDICTION_SUCCEEDED };

    if (output->n > pr->max_output) {
        char *text = run_too_large(pr->max_output);

        fail(pr, RUN_DONE, text);
        free(text);
        return;
    }
    if (output->n) {
        res.output = buf_str(output);
        res.memory = output;
    }
    finish(pr, &res);
}

static void too_large(struct plain_run *pr)
{
    char *text = run_too_large(pr->max_output);

    buf_clear(&pr->run->pieces);
    pr->run->n_pieces = 0;
    pr->canceled = false; /* the reason is this, whoever else asked */
    fail(pr, RUN_DONE, text);
    free(text);
}

static void on_soon(struct deferred *d)
{
    struct plain_run *pr = container_of(d, struct plain_run, soon);

    fail(pr, pr->verdict, pr->error.text);
}

static void end_soon(struct plain_run *pr, enum run_verdict v)
{
    pr->verdict = v;
    deferred_call(&pr->soon);
}

static void on_timer(struct timer *t)
{
    struct plain_run *pr = container_of(t, struct plain_run, timer);

    if (pr->run)
        fail(pr, RUN_LOST, "The connection to the model server ended before the result came");
    else if (pr->call_open)
        http_call_cancel(&pr->call);
}

/* --- sending --- */

static void accept(struct plain_run *pr)
{
    timer_stop(&pr->accept_timer);
    if (pr->accepted)
        return;
    pr->accepted = true;
    pr->run->events->accepted(pr->run);
}

static void on_accept_timer(struct timer *t)
{
    struct plain_run *pr = container_of(t, struct plain_run, accept_timer);

    if (pr->run)
        accept(pr);
}

static void ask(struct plain_run *pr)
{
    static const char *const headers[] = { "Content-Type: application/json",
                                           "Accept: text/event-stream, application/json, */*",
                                           NULL };
    struct plain_peer *pp = pr->peer;

    flow_goto(&pr->flow, PLAIN_ASKING);
    pr->call_open = true;
    pr->refs++;
    pr->began_ms = now_of(pr);
    timer_start(&pr->accept_timer, timing_of(pr)->accept_ms);
    /* Such servers close idle connections after some seconds: a request that meets that would be
     * lost. */
    http_call_start(
        pp->protocol->client, &pr->call,
        &(struct http_call_spec){ .method = "POST",
                                  .url = pp->url,
                                  .unix_socket = pp->unix_socket,
                                  .headers = headers,
                                  .body = buf_str(&pr->body),
                                  .flags = HTTP_CALL_QUICKACK | HTTP_CALL_NEW_CONNECTION },
        &call_events);
}

static void make_work(struct work *w)
{
    struct plain_run *pr = container_of(w, struct plain_run, work);

    pr->work_status = pr->peer->protocol->kind->request(pr->peer, buf_str(&pr->input), &pr->body,
                                                        &pr->work_error);
}

static void on_made(struct work *w)
{
    struct plain_run *pr = container_of(w, struct plain_run, work);

    pr->works = false;
    if (!pr->run) {
        /* it was let go of meanwhile */
    } else if (pr->work_status != STATUS_OK) {
        fail(pr, RUN_DONE, pr->work_error.text);
    } else {
        ask(pr);
    }
    run_unref(pr);
}

static void begin(struct plain_run *pr, struct str input)
{
    const struct plain_kind *kind = pr->peer->protocol->kind;

    if (!input.n)
        input = STR("{}");
    if (input.n > LARGE) {
        buf_add_str(&pr->input, input);
        pr->works = true;
        pr->refs++;
        work_start(pr->peer->protocol->base.loop, &pr->work, make_work, on_made);
    } else if (kind->request(pr->peer, input, &pr->body, &pr->error) == STATUS_OK) {
        ask(pr);
    } else {
        end_soon(pr, RUN_DONE);
    }
}

void plain_run_start(struct run *r, const struct run_spec *spec)
{
    struct plain_peer *pp = r->peer->impl;
    struct loop *l = pp->protocol->base.loop;
    struct plain_run *pr = xnew(struct plain_run);

    pr->peer = pp;
    pp->refs++;
    pr->run = r;
    pr->refs = 1;
    pr->output_is_array = spec->output_is_array;
    pr->max_output = spec->max_output;
    pr->began_ms = now_of(pr);
    buf_init(&pr->input, BUF_UNBOUNDED);
    buf_init(&pr->body, BUF_UNBOUNDED);
    buf_init(&pr->answer, BUF_UNBOUNDED); /* bounded where it is read */
    buf_init(&pr->got.output, BUF_UNBOUNDED);
    buf_init(&pr->got.metrics, BUF_UNBOUNDED);
    timer_init(l, &pr->timer, on_timer);
    timer_init(l, &pr->accept_timer, on_accept_timer);
    deferred_init(l, &pr->soon, on_soon);
    flow_init(&pr->flow, "plain-run", states, PLAIN_MAKING);
    list_push(&pp->runs, &pr->node);
    r->impl = pr;
    if (spec->join) {
        FAIL(&pr->error, STATUS_NOT_FOUND,
             "The result was lost: the server was restarted, and the model server keeps none");
        end_soon(pr, RUN_FORGOTTEN);
    } else if (pp->health == PEER_FAILED || pp->health == PEER_SICK) {
        FAIL(&pr->error, STATUS_UNREACHABLE, "the model server takes no predictions any more");
        end_soon(pr, RUN_NEVER_RAN);
    } else {
        begin(pr, spec->input);
    }
}

void plain_run_cancel(struct run *r)
{
    struct plain_run *pr = r->impl;

    if (pr->canceled)
        return;
    pr->canceled = true;
    if (pr->call_open)
        http_call_cancel(&pr->call);
    deferred_call(&pr->soon);
}

/* --- the answer --- */

void plain_run_piece(struct plain_run *pr, struct str json)
{
    struct run *r = pr->run;

    if (r->pieces.n + json.n > pr->max_output) {
        too_large(pr);
        return;
    }
    if (r->n_pieces++)
        buf_addc(&r->pieces, ',');
    buf_add_str(&r->pieces, json);
    r->events->progress(r, json, STR_NULL);
}

void plain_run_failed(struct plain_run *pr, struct str text)
{
    char *copy = str_dup(text.n ? text : STR("The model server failed without saying why"));

    fail(pr, RUN_DONE, copy);
    free(copy);
}

static void on_stream_end(struct plain_run *pr)
{
    struct buf output CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    if (pr->was_elsewhere && !pr->run->n_pieces) {
        struct error err;

        FAIL(&err, STATUS_INVALID,
             "No event of the model server's answer has anything at %.200s, where model.yaml says "
             "under output.from that its output is",
             pr->peer->output);
        fail(pr, RUN_DONE, err.text);
        return;
    }
    run_pieces_whole(pr->run, pr->output_is_array, &output);
    if (!output.n && pr->output_is_array)
        buf_adds(&output, "[]");
    succeed(pr, &output);
}

static void on_event(struct sse_reader *reader, const struct sse_event *e)
{
    struct plain_run *pr = container_of(reader, struct plain_run, reader);

    if (!pr->run || pr->has_ended)
        return;
    pr->has_ended = !pr->peer->protocol->kind->event(pr, e);
    if (pr->run && pr->has_ended)
        on_stream_end(pr);
}

/* "text/html; charset=utf-8" gives "text/html". */
static void keep_type(struct plain_run *pr)
{
    struct str rest = http_call_header(&pr->call, "Content-Type"), type = STR_NULL;

    if (rest.p)
        str_split(&rest, ';', &type);
    type = str_trim(type);
    snprintf(pr->type, sizeof(pr->type), "%.*s", (int)MIN(type.n, sizeof(pr->type) - 1),
             type.p ? type.p : "");
    for (char *c = pr->type; *c; c++)
        *c = (char)tolower((unsigned char)*c);
}

static void on_headers(struct http_call *c, int status)
{
    struct plain_run *pr = container_of(c, struct plain_run, call);
    bool is_good = status >= 200 && status < 300;

    if (!pr->run || pr->flow.at != PLAIN_ASKING)
        return;
    flow_goto(&pr->flow, is_good ? PLAIN_READING : PLAIN_REFUSED);
    if (!is_good) {
        timer_stop(&pr->accept_timer);
        return;
    }
    keep_type(pr);
    pr->is_stream = strcmp(pr->type, "text/event-stream") == 0;
    if (pr->is_stream)
        sse_reader_init(&pr->reader, pr->max_output + LARGE, on_event);
    pr->refs++;
    accept(pr);
    run_unref(pr);
}

static bool on_data(struct http_call *c, struct str piece)
{
    struct plain_run *pr = container_of(c, struct plain_run, call);

    if (!pr->run)
        return true; /* read to the end, to keep the connection */
    pr->refs++;
    if (pr->is_stream) {
        if (!sse_reader_feed(&pr->reader, piece) && pr->run)
            too_large(pr);
    } else if (pr->flow.at == PLAIN_REFUSED) {
        buf_add(&pr->answer, piece.p, MIN(piece.n, REFUSAL_MAX - MIN(pr->answer.n, REFUSAL_MAX)));
    } else if (pr->answer.n + piece.n > pr->max_output) {
        too_large(pr);
    } else {
        buf_add_str(&pr->answer, piece);
    }
    run_unref(pr);
    return true;
}

static void take_work(struct work *w)
{
    struct plain_run *pr = container_of(w, struct plain_run, work);

    pr->work_status = pr->peer->protocol->kind->answer(
        pr->peer, str_of(pr->type), buf_str(&pr->answer), &pr->got, &pr->work_error);
}

static void taken(struct plain_run *pr)
{
    struct plain_answer *got = &pr->got;
    struct buf array CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    if (pr->work_status != STATUS_OK) {
        fail(pr, RUN_DONE, pr->work_error.text);
    } else if (got->failed) {
        plain_run_failed(pr, str_of(got->error));
    } else if (pr->output_is_array && got->output.n && got->output.p[0] != '[') {
        buf_addf(&array, "[%.*s]", STR_ARG(buf_str(&got->output)));
        succeed(pr, &array);
    } else {
        succeed(pr, &got->output);
    }
}

static void on_taken(struct work *w)
{
    struct plain_run *pr = container_of(w, struct plain_run, work);

    pr->works = false;
    if (pr->run)
        taken(pr);
    run_unref(pr);
}

static void take_answer(struct plain_run *pr)
{
    flow_goto(&pr->flow, PLAIN_TAKING);
    if (pr->answer.n <= LARGE) {
        take_work(&pr->work);
        taken(pr);
        return;
    }
    pr->works = true;
    pr->refs++;
    work_start(pr->peer->protocol->base.loop, &pr->work, take_work, on_taken);
}

/* --- how it ends --- */

static void on_refused(struct plain_run *pr)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    int status = pr->call.status;
    const char *text = plain_refusal(&a, status, buf_str(&pr->answer));

    bool has_no_room = status == 429 || status == 503;

    if (status >= 500)
        plain_probe_now(pr->peer);
    fail(pr, has_no_room && !pr->accepted ? RUN_NEVER_RAN : RUN_DONE, text);
}

void plain_run_peer_well(struct plain_run *pr)
{
    if (!pr->run || pr->flow.at != PLAIN_WAITING || pr->peer->n_probes < pr->asked_probe)
        return;
    FAIL(&pr->error, STATUS_BROKEN,
         "The model server closed the connection before its answer was complete; its log may say "
         "why");
    end_soon(pr, RUN_DONE);
}

void plain_run_peer_gone(struct plain_run *pr)
{
    if (pr->run && pr->flow.at == PLAIN_WAITING)
        timer_start(&pr->timer, 0);
}

static void on_broken(struct plain_run *pr, const struct error *err)
{
    if (err && (err->status == STATUS_UNREACHABLE || !pr->call.request_sent) && !pr->accepted) {
        plain_probe_now(pr->peer);
        fail(pr, RUN_NEVER_RAN, "the model server does not answer");
        return;
    }
    flow_goto(&pr->flow, PLAIN_WAITING);
    pr->asked_probe = pr->peer->n_probes + 1; /* not one that is under way */
    timer_start(&pr->timer, timing_of(pr)->lost_ms);
    plain_probe_now(pr->peer);
}

static void on_done(struct http_call *c, const struct error *err)
{
    struct plain_run *pr = container_of(c, struct plain_run, call);

    pr->call_open = false;
    if (!pr->run)
        timer_stop(&pr->timer);
    else if (pr->canceled)
        fail(pr, RUN_DONE, NULL);
    else if (err)
        on_broken(pr, err);
    else if (pr->flow.at == PLAIN_REFUSED)
        on_refused(pr);
    else if (pr->is_stream && pr->peer->protocol->kind->must_say_end)
        on_broken(pr, NULL);
    else if (pr->is_stream)
        on_stream_end(pr);
    else
        take_answer(pr);
    run_unref(pr);
}

static const struct http_call_events call_events = {
    .headers = on_headers,
    .data = on_data,
    .done = on_done,
};
