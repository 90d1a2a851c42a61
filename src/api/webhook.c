/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks: the key that signs them, and what became of each message. */
#include "core/webhook.h"
#include "api/api.h"
#include "run/deliver.h"

enum { MAX_LIST = 4 << 20, OLD_KEY_MS = 24 * 3600 * 1000 };

/* --- the key --- */

static void answer_key(struct http_request *r, const char *key, int64_t old_until)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct json_writer w;

    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "key", key);
    if (old_until)
        show_time(&w, "previous_key_valid_until", old_until);
    json_end_object(&w);
    api_answer(r, 200, &body);
}

static void rotate_effect(struct api *a, struct store_op *op)
{
    (void)op;
    deliveries_forget_keys(a->fleet->deliveries);
}

static void on_rotated(struct http_request *r, struct store_op *op)
{
    struct store_account_rotate *rotate = container_of(op, struct store_account_rotate, op);

    if (op->status == STATUS_OK)
        answer_key(r, rotate->fresh, rotate->old_until);
    else
        api_refuse(r, &op->error);
}

void webhook_key_rotate(struct http_request *r)
{
    struct store_account_rotate *op = api_op_new(sizeof(*op));
    char fresh[WEBHOOK_SECRET_SIZE];

    webhook_secret_make(loop_rand(r->loop), fresh);
    op->account_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    op->fresh = store_keep(&op->op, str_of(fresh));
    op->old_until = loop_wall_ms(r->loop) + OLD_KEY_MS;
    api_op_start_effect(r, &op->op, &STORE_ACCOUNT_ROTATE, rotate_effect, on_rotated);
}

static void on_key(struct http_request *r, struct store_op *op)
{
    struct store_account_secret *secret = container_of(op, struct store_account_secret, op);

    if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else if (!secret->webhook_secret) /* an account from before there were keys */
        webhook_key_rotate(r);
    else
        answer_key(r, secret->webhook_secret, 0);
}

void webhook_key_show(struct http_request *r)
{
    struct store_account_secret *op = api_op_new(sizeof(*op));

    op->account_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    api_op_start(r, &op->op, &STORE_ACCOUNT_SECRET, on_key);
}

/* --- messages --- */

void api_render_prediction(struct buf *out, const struct prediction_row *row)
{
    struct json_writer w;

    json_writer_init(&w, out);
    show_prediction(&w, row, false);
}

static const char *event_name(enum webhook_event e)
{
    switch (e) {
    case WEBHOOK_START:
        return "start";
    case WEBHOOK_OUTPUT:
        return "output";
    case WEBHOOK_LOGS:
        return "logs";
    case WEBHOOK_COMPLETED:
        return "completed";
    }
    return "";
}

static void show_attempts(struct json_writer *w, const struct webhook_row *m)
{
    json_key(w, "attempts");
    json_begin_array(w);
    for (size_t i = 0; i < m->n_tries; i++) {
        const struct webhook_attempt_row *a = &m->tries[i];

        json_begin_object(w);
        json_member_int(w, "number", a->number);
        show_time(w, "at", a->at);
        json_member_double(w, "seconds", (double)a->took_ms / 1000);
        if (a->status)
            json_member_int(w, "response_status", a->status);
        else
            json_member_null(w, "response_status");
        json_member_string(w, "error", a->error);
        json_end_object(w);
    }
    json_end_array(w);
}

static void show_message(struct json_writer *w, const struct webhook_row *m, const char *url)
{
    static const char *const states[] = { "pending", "delivered", "failed" };
    struct buf id CLEANUP(buf_deinit) = BUF_INIT(64);

    buf_addf(&id, "msg_%s", m->id);
    json_begin_object(w);
    json_member_int(w, "n", m->n);
    json_member_str(w, "id", buf_str(&id));
    json_member_string(w, "event", event_name(m->event));
    json_member_string(w, "url", url);
    json_member_string(w, "status", states[m->state]);
    show_time(w, "created_at", m->created_at);
    show_time(w, "next_attempt_at", m->state == WEBHOOK_PENDING ? m->next_at : 0);
    show_attempts(w, m);
    json_end_object(w);
}

static void show_messages(struct http_request *r, struct store_op *op, struct json_writer *w)
{
    struct store_webhook_list *list = container_of(op, struct store_webhook_list, op);
    struct page_info all = { 0 };

    page_begin(r, w, &all, NULL, NULL);
    for (size_t i = 0; i < list->n; i++)
        show_message(w, &list->rows[i], list->url);
    page_end(w);
}

static void on_messages(struct http_request *r, struct store_op *op)
{
    api_answer_op(r, op, 200, MAX_LIST, show_messages);
}

void webhook_list(struct http_request *r)
{
    struct store_webhook_list *op = api_op_new(sizeof(*op));

    op->prediction_id = store_keep(&op->op, http_param(r, "id"));
    op->account_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    api_op_start(r, &op->op, &STORE_WEBHOOK_LIST, on_messages);
}

static void resend_effect(struct api *a, struct store_op *op)
{
    struct store_webhook_resend *resend = container_of(op, struct store_webhook_resend, op);

    deliveries_wake(a->fleet->deliveries, resend->target);
}

static void on_resent(struct http_request *r, struct store_op *op)
{
    if (op->status == STATUS_OK)
        http_respond_empty(r, 202);
    else
        api_refuse(r, &op->error);
}

void webhook_resend(struct http_request *r)
{
    struct store_webhook_resend *op;
    int64_t n;

    if (!str_to_i64(http_param(r, "n"), &n)) {
        api_not_found(r);
        return;
    }
    op = api_op_new(sizeof(*op));
    op->prediction_id = store_keep(&op->op, http_param(r, "id"));
    op->account_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    op->n = n;
    op->now = loop_wall_ms(r->loop);
    op->until = op->now + api_of(r)->options->webhook_retry_for;
    api_op_start_effect(r, &op->op, &STORE_WEBHOOK_RESEND, resend_effect, on_resent);
}
