/* SPDX-License-Identifier: Apache-2.0 */
/* Tells a budget's receiver that it is warned or reached. What it was told last is in the store, so
 * that a message that did not arrive is sent again after a restart. */
#include "run/budget_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/webhook.h"
#include "store/account.h"

#include <stdlib.h>

static void send_message(struct budget_state *x);

static void on_retry(struct timer *t)
{
    send_message(container_of(t, struct budget_state, retry));
}

void budget_tell_init(struct budget_state *x)
{
    timer_init(x->budgets->fleet->loop, &x->retry, on_retry);
    buf_init(&x->body, 16 * 1024);
    buf_init(&x->signature, 1024);
}

static void forget_message(struct budget_state *x)
{
    buf_deinit(&x->body);
    buf_deinit(&x->signature);
    if (x->is_called)
        http_call_deinit(&x->call);
    x->is_called = false;
    x->call = (struct http_call){ 0 };
}

void budget_tell_deinit(struct budget_state *x)
{
    forget_message(x);
}

static void on_noted(struct store_op *op)
{
    if (op->status != STATUS_OK)
        log_warning("that a budget's receiver was told could not be stored", LOG_ERR(&op->error));
    store_op_deinit(op);
    free(op);
}

static void note(struct budget_state *x)
{
    struct store_budget_told *op = xnew(struct store_budget_told);

    x->told_level = x->telling_level;
    x->told_period = x->telling_period;
    op->id = store_keep(&op->op, str_of(x->b.id));
    op->terms = x->b.terms;
    op->level = x->told_level;
    op->period = x->told_period;
    store_start(x->budgets->fleet->store, &op->op, &STORE_BUDGET_TOLD, on_noted);
}

/* Of one that was replaced meanwhile nothing is noted: that would be taken for the new one's. */
static void over(struct budget_state *x)
{
    if (!x->is_dropped)
        note(x);
    forget_message(x);
    budget_told(x);
}

/* --- one attempt --- */

static void on_called(struct http_call *c, const struct error *err)
{
    struct budget_state *x = container_of(c, struct budget_state, call);
    struct fleet *f = x->budgets->fleet;

    if (x->budgets->is_stopping)
        return;
    if (c->status >= 200 && c->status < 300) {
        over(x);
        return;
    }
    log_warning("a budget's receiver could not be told", LOG_S("of", x->b.id),
                LOG_I("status", c->status), LOG_S("error", err ? err->text : ""));
    if (x->is_dropped || x->attempts >= 20) {
        over(x);
        return;
    }
    http_call_deinit(c);
    x->call = (struct http_call){ 0 };
    x->is_called = false;
    timer_start(&x->retry, webhook_backoff_ms(x->attempts, loop_rand(f->loop)));
}

static const struct http_call_events call_events = { .done = on_called };

struct key_op {
    struct store_account_secret op;
    struct budget_state *x;
};

static void on_key(struct store_op *op)
{
    struct key_op *k = container_of(op, struct key_op, op.op);
    struct budget_state *x = k->x;
    const struct options *o = x->budgets->fleet->options;
    int64_t at_s = loop_wall_ms(x->budgets->fleet->loop) / 1000;
    char id[ID_SIZE + 8], id_line[64], time_line[64], sign_line[600];
    const char *const headers[] = {
        "Content-Type: application/json", id_line, time_line, sign_line, NULL,
    };
    const struct http_call_spec spec = {
        .method = "POST",
        .url = x->b.webhook,
        .headers = headers,
        .body = buf_str(&x->body),
        .timeout_ms = o->webhook_timeout,
        .max_body = 64 * 1024,
        .flags = o->webhook_private_targets ? 0 : HTTP_CALL_PUBLIC_ONLY,
    };

    snprintf(id, sizeof(id), "msg_%s", x->message_id);
    buf_clear(&x->signature);
    if (x->budgets->is_stopping) {
        /* the next server tells */
    } else if (x->is_dropped || op->status != STATUS_OK || !k->op.webhook_secret ||
               !webhook_sign(k->op.webhook_secret, id, at_s, buf_str(&x->body), &x->signature)) {
        over(x);
    } else {
        snprintf(id_line, sizeof(id_line), "webhook-id: %s", id);
        snprintf(time_line, sizeof(time_line), "webhook-timestamp: %lld", (long long)at_s);
        snprintf(sign_line, sizeof(sign_line), "webhook-signature: %.*s",
                 STR_ARG(buf_str(&x->signature)));
        x->is_called = true;
        http_call_start(x->budgets->client, &x->call, &spec, &call_events);
    }
    store_op_deinit(op);
    free(k);
}

static void send_message(struct budget_state *x)
{
    struct key_op *k = xnew(struct key_op);

    x->attempts++;
    k->x = x;
    k->op.account_id = store_keep(&k->op.op, str_of(x->b.account_id));
    store_start(x->budgets->fleet->store, &k->op.op, &STORE_ACCOUNT_SECRET, on_key);
}

/* --- what is told --- */

static void add_amount(struct json_writer *w, const char *key, __int128 amount)
{
    char text[LEDGER_TEXT];

    ledger_format(amount, text);
    json_member_raw(w, key, str_of(text));
}

static void write_body(struct budget_state *x)
{
    const struct pool *p = map_get(&x->budgets->fleet->pools, str_of(x->b.id));
    char text[TIME_TEXT_SIZE];
    struct json_writer w;

    buf_clear(&x->body);
    json_writer_init(&w, &x->body);
    json_begin_object(&w);
    json_member_string(&w, "type",
                       x->b.level == BUDGET_REACHED ? "budget.reached" : "budget.warned");
    if (p) {
        json_member_string(&w, "owner", p->owner);
        json_member_string(&w, "deployment", p->name);
    }
    add_amount(&w, "amount", (__int128)x->b.terms.amount_nano * 1000);
    add_amount(&w, "spent", x->b.spent);
    json_member_string(&w, "period", x->b.terms.is_monthly ? "month" : "day");
    time_format(x->b.period, text);
    json_member_string(&w, "period_start", text);
    json_end_object(&w);
}

void budget_tell(struct budget_state *x)
{
    struct fleet *f = x->budgets->fleet;
    bool knows = x->told_period == x->b.period && x->told_level >= x->b.level;

    if (!x->b.webhook || x->b.level == BUDGET_OK || knows || x->is_telling || f->is_stopping ||
        x->budgets->is_stopping)
        return;
    x->is_telling = true;
    x->telling_level = x->b.level;
    x->telling_period = x->b.period;
    x->attempts = 0;
    id_make(&f->ids, loop_wall_ms(f->loop), x->message_id);
    write_body(x);
    send_message(x);
}
