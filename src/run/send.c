/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt to deliver one message: the prediction is rendered as it is now, signed, posted, and
 * what became of it written down. A live prediction is at hand; an ended one is read. */
#include "run/deliver_impl.h"

#include "base/log.h"
#include "base/mem.h"
#include "core/webhook.h"

#include <stdlib.h>

enum {
    RECORD_RETRY_MS = 1000,
    ANSWER_MOST = 64 << 10, /* nobody reads what a receiver says; more than this is cut off */
};

/* Operations of the store on behalf of an attempt. */
struct key_op {
    struct store_account_secret op;
    struct send *send;
    uint64_t epoch;
};

static struct deliveries *deliveries_of(const struct send *s)
{
    return s->target->deliveries;
}

/* --- writing it down --- */

static void on_recorded(struct store_op *op)
{
    struct store_webhook_attempt *a = container_of(op, struct store_webhook_attempt, op);
    struct send *s = op->user;

    /* NOT_FOUND: its prediction was deleted meanwhile. */
    if (op->status != STATUS_OK && op->status != STATUS_NOT_FOUND) {
        log_error("the attempt of a webhook could not be recorded; it is tried again",
                  LOG_S("prediction", s->prediction_id), LOG_ERR(&op->error));
        timer_start(&s->retry, RECORD_RETRY_MS);
        return;
    }
    if (op->status == STATUS_OK && a->state == WEBHOOK_PENDING)
        s->again_at = a->next_at;
    send_over(s);
}

/* The message of an end. */
static void record_end(struct send *s, int64_t now, int status, const char *error)
{
    struct deliveries *d = deliveries_of(s);
    struct store_webhook_attempt *a = xnew(struct store_webhook_attempt);

    a->op.user = s;
    a->id = s->id;
    a->until = s->until;
    a->next_at = now + webhook_backoff_ms(s->number, loop_rand(d->loop));
    a->state = !error                  ? WEBHOOK_DELIVERED
               : a->next_at > s->until ? WEBHOOK_FAILED
                                       : WEBHOOK_PENDING;
    a->attempt = (struct webhook_attempt_row){
        .number = s->number,
        .at = s->started_at,
        .took_ms = now - s->started_at,
        .status = status,
        .error = store_keep(&a->op, str_of(error)),
    };
    if (a->state == WEBHOOK_FAILED)
        log_warning("a webhook was given up", LOG_S("prediction", s->prediction_id),
                    LOG_S("receiver", s->target->origin), LOG_I("attempts", s->number),
                    LOG_S("error", error));
    s->record = a;
    store_start(d->store, &a->op, &STORE_WEBHOOK_ATTEMPT, on_recorded);
}

/* `error` NULL: the receiver has it. */
static void record(struct send *s, int status, const char *error)
{
    int64_t now = loop_wall_ms(deliveries_of(s)->loop);

    s->has_arrived = !error;
    if (s->event == WEBHOOK_COMPLETED) {
        record_end(s, now, status, error);
        return;
    }
    hook_note(s->hook, s, now - s->started_at, status, error);
    send_over(s);
}

static void on_retry(struct timer *t)
{
    struct send *s = container_of(t, struct send, retry);

    if (deliveries_of(s)->is_stopping)
        return;
    if (s->record)
        store_start(deliveries_of(s)->store, &s->record->op, &STORE_WEBHOOK_ATTEMPT, on_recorded);
    else
        record(s, 0, s->fault);
}

/* There is no call; that is said on a turn of its own, as the end of a call would be. */
static void fail(struct send *s, const char *why)
{
    s->started_at = loop_wall_ms(deliveries_of(s)->loop);
    s->fault = why;
    timer_start(&s->retry, 0);
}

/* --- the call --- */

static bool on_answer(struct http_call *c, struct str piece)
{
    struct send *s = container_of(c, struct send, call);

    s->n_answer += piece.n;
    if (s->n_answer > ANSWER_MOST)
        http_call_cancel(c);
    return true;
}

static void on_called(struct http_call *c, const struct error *err)
{
    struct send *s = container_of(c, struct send, call);
    char text[600];

    if (deliveries_of(s)->is_stopping)
        return;
    s->was_called = true;
    /* The answer's head counts; whether its body ever ends does not. */
    if (c->status >= 200 && c->status < 300) {
        record(s, c->status, NULL);
        return;
    }
    if (c->status >= 300 && c->status < 400)
        snprintf(text, sizeof(text), "The receiver redirected (%d); redirects are not followed.",
                 c->status);
    else if (c->status)
        snprintf(text, sizeof(text), "The receiver answered %d.", c->status);
    else
        snprintf(text, sizeof(text), "%s", err ? err->text : "The receiver gave no answer.");
    record(s, c->status, text);
}

static const struct http_call_events call_events = {
    .data = on_answer,
    .done = on_called,
};

static void message_id(const struct send *s, char out[ID_SIZE + 8])
{
    snprintf(out, ID_SIZE + 8, "msg_%s", s->id);
}

static void start_call(struct send *s)
{
    struct deliveries *d = deliveries_of(s);
    char id[ID_SIZE + 8], id_line[64], time_line[64], sign_line[600];
    const char *const headers[] = {
        "Content-Type: application/json",
        "User-Agent: Webhooks/1 (Berth/" BERTH_VERSION ")",
        id_line,
        time_line,
        sign_line,
        NULL,
    };
    struct http_call_spec spec = {
        .method = "POST",
        .url = s->url,
        .headers = headers,
        .body = buf_str(&s->body),
        .connect_timeout_ms = MIN(d->options->webhook_timeout, (int64_t)5000),
        .timeout_ms = d->options->webhook_timeout,
        .flags = d->options->webhook_private_targets ? 0 : HTTP_CALL_PUBLIC_ONLY,
    };

    if (d->is_stopping)
        return;
    if (s->body.failed || s->signature.n == 0) {
        fail(s,
             s->body.failed ? "The message is too large." : "The account has no webhook secret.");
        return;
    }
    message_id(s, id);
    s->started_at = loop_wall_ms(d->loop);
    snprintf(id_line, sizeof(id_line), "webhook-id: %s", id);
    snprintf(time_line, sizeof(time_line), "webhook-timestamp: %lld", (long long)s->at_s);
    snprintf(sign_line, sizeof(sign_line), "webhook-signature: %.*s",
             STR_ARG(buf_str(&s->signature)));
    http_call_start(d->client, &s->call, &spec, &call_events);
}

static void sign_and_call(struct send *s, const struct key_pair *keys)
{
    char id[ID_SIZE + 8];

    message_id(s, id);
    s->at_s = loop_wall_ms(deliveries_of(s)->loop) / 1000;
    body_sign(s, keys, id, s->at_s, start_call);
}

/* --- what is sent --- */

/* Without the store nothing can be said. The row is still due; of progress the next is soon. */
static void give_up(struct send *s, const struct error *err)
{
    if (err->status != STATUS_NOT_FOUND)
        log_error("a webhook's message could not be read", LOG_S("prediction", s->prediction_id),
                  LOG_ERR(err));
    fail(s, "The prediction could not be read.");
}

static void on_key(struct store_op *op)
{
    struct key_op *k = container_of(op, struct key_op, op.op);
    struct send *s = k->send;
    struct deliveries *d = deliveries_of(s);
    const struct key_pair pair = {
        .key = k->op.webhook_secret,
        .old = k->op.old,
        .old_until = k->op.old_until,
    };

    if (d->is_stopping) {
        /* the store keeps the message */
    } else if (op->status == STATUS_OK) {
        sign_and_call(s, &pair);
        keys_keep(d, &k->op, k->epoch);
    } else {
        give_up(s, &op->error);
    }
    store_op_deinit(op);
    free(k);
}

/* The body is there. */
static void send_to(struct send *s, const struct prediction_row *row)
{
    struct deliveries *d = deliveries_of(s);
    const struct key_pair *keys = keys_find(d, row->account_id);
    struct key_op *k;

    if (d->is_stopping)
        return;
    s->url = xstrdup(row->webhook);
    if (keys) {
        sign_and_call(s, keys);
        return;
    }
    s->account_id = xstrdup(row->account_id);
    k = xnew(struct key_op);
    k->send = s;
    k->epoch = d->key_epoch;
    k->op.account_id = s->account_id;
    store_start(d->store, &k->op.op, &STORE_ACCOUNT_SECRET, on_key);
}

/* A live prediction as it is now: its progress is newer in memory than in the store. */
static void send_live(struct send *s, struct str input, struct store_prediction_get *read)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct prediction_row row;

    prediction_view(s->hook->p, &a, &row);
    row.input = input;
    body_write(s, &row, true, read, send_to);
}

static void on_read(struct store_op *op)
{
    struct store_prediction_get *get = container_of(op, struct store_prediction_get, op);
    struct send *s = op->user;

    if (deliveries_of(s)->is_stopping) {
        /* the store keeps the message */
    } else if (op->status != STATUS_OK) {
        give_up(s, &op->error);
    } else if (!get->row.webhook || (s->hook && s->hook->has_ended)) {
        send_over(s); /* it ended meanwhile: only that is told */
    } else if (s->hook) {
        send_live(s, get->row.input, get);
        return;
    } else {
        body_write(s, &get->row, false, get, send_to);
        return;
    }
    store_op_deinit(op);
    free(get);
}

static void read_it(struct send *s)
{
    struct store_prediction_get *get = xnew(struct store_prediction_get);

    get->op.user = s;
    get->id = s->prediction_id;
    store_start(deliveries_of(s)->store, &get->op, &STORE_PREDICTION_GET, on_read);
}

/* --- life --- */

static struct send *send_new(struct target *t, const char *id, const char *prediction_id,
                             enum webhook_event event)
{
    struct send *s = xnew(struct send);

    s->target = t;
    s->event = event;
    snprintf(s->id, sizeof(s->id), "%s", id);
    snprintf(s->prediction_id, sizeof(s->prediction_id), "%s", prediction_id);
    buf_init(&s->body, BUF_UNBOUNDED);
    timer_init(t->deliveries->loop, &s->retry, on_retry);
    list_push(&t->sends, &s->node);
    return s;
}

void send_end(struct target *t, const struct webhook_row *row)
{
    struct send *s = send_new(t, row->id, row->prediction_id, WEBHOOK_COMPLETED);

    s->number = row->attempts + 1;
    s->created_at = row->created_at;
    s->until = row->until;
    read_it(s);
}

void send_progress(struct hook *h)
{
    struct deliveries *d = h->target->deliveries;
    char id[ID_SIZE];
    struct send *s;

    id_make(d->ids, loop_wall_ms(d->loop), id);
    s = send_new(h->target, id, h->p->id, h->event);
    s->hook = h;
    s->number = 1;
    s->created_at = loop_wall_ms(d->loop);
    if (h->p->row.input.p)
        send_live(s, h->p->row.input, NULL);
    else
        read_it(s);
}

void send_free(struct send *s)
{
    list_remove(&s->node);
    timer_stop(&s->retry);
    body_drop(s);
    http_call_deinit(&s->call);
    buf_deinit(&s->body);
    buf_deinit(&s->signature);
    if (s->record)
        store_op_deinit(&s->record->op);
    free(s->record);
    free(s->account_id);
    free(s->url);
    free(s);
}
