/* SPDX-License-Identifier: Apache-2.0 */
/* What is due for whom, and when progress is told; send.c makes the single attempt.
 *
 * For each receiver the outbox is read level-triggered: whenever a place is free, something new was
 * written, or a time has come, the rows that are due are read and as many started as there are
 * places. Nothing is kept in memory of a row that waits, so that a receiver that is dead for a day
 * costs a timer. */
#include "run/deliver_impl.h"

#include "base/log.h"
#include "base/mem.h"
#include "core/webhook.h"

#include <assert.h>
#include <stdlib.h>

enum { THROTTLE_MS = 500, AGAIN_MS = 1000, LONGEST_SLEEP_MS = 3600000 };

static void target_wake(struct target *t);
static void hook_consider(struct hook *h);

/* --- receivers --- */

static int places(const struct deliveries *d)
{
    return (int)d->options->webhook_concurrency;
}

static void on_target_timer(struct timer *timer)
{
    target_wake(container_of(timer, struct target, timer));
}

static struct target *target_get(struct deliveries *d, const char *origin)
{
    struct target *t = map_get(&d->targets, str_of(origin));

    if (t)
        return t;
    t = xnew(struct target);
    t->deliveries = d;
    t->origin = xstrdup(origin);
    list_init(&t->sends);
    list_init(&t->ended);
    list_init(&t->waiting);
    timer_init(d->loop, &t->timer, on_target_timer);
    map_put(&d->targets, str_of(t->origin), t);
    return t;
}

static void target_free(struct target *t)
{
    timer_stop(&t->timer);
    map_remove(&t->deliveries->targets, str_of(t->origin));
    free(t->origin);
    free(t);
}

/* One that nothing waits for is forgotten. */
static void target_collect(struct target *t)
{
    if (t->n_hooks == 0 && t->n_ends + t->n_progress == 0 && !t->is_loading &&
        !timer_armed(&t->timer))
        target_free(t);
}

static bool stands_in(const struct list *sends, const char *id)
{
    struct send *s;

    list_each (sends, s, struct send, node)
        if (strcmp(s->id, id) == 0)
            return true;
    return false;
}

static void free_all(struct list *sends)
{
    struct send *s;

    list_each (sends, s, struct send, node)
        send_free(s);
}

struct due_op {
    struct store_webhook_due op;
    struct target *target;
};

static void start_due(struct target *t, const struct store_webhook_due *due)
{
    struct deliveries *d = t->deliveries;

    for (size_t i = 0; i < due->n && t->n_ends < places(d); i++) {
        const struct webhook_row *row = &due->rows[i];

        if (stands_in(&t->sends, row->id) || stands_in(&t->ended, row->id))
            continue; /* what was read of the latter may be older than their attempt */
        if (map_get(&d->hooks, str_of(row->prediction_id)))
            continue; /* goes out when the message before it has */
        t->n_ends++;
        send_end(t, row);
    }
    if (due->next_at)
        timer_start(&t->timer,
                    MIN(MAX(due->next_at - loop_wall_ms(d->loop), 0), (int64_t)LONGEST_SLEEP_MS));
}

static void on_due(struct store_op *op)
{
    struct due_op *due = container_of(op, struct due_op, op.op);
    struct target *t = due->target;
    bool failed = op->status != STATUS_OK, again = t->wake_again;

    t->is_loading = t->wake_again = false;
    if (t->deliveries->is_stopping) {
        /* the store keeps them */
    } else if (failed) {
        log_error("waiting webhooks could not be read", LOG_S("receiver", t->origin),
                  LOG_ERR(&op->error));
        timer_start(&t->timer, AGAIN_MS);
    } else {
        start_due(t, &due->op);
    }
    free_all(&t->ended);
    store_op_deinit(op);
    free(due);
    if (again)
        target_wake(t);
    else
        target_collect(t);
}

static void target_wake(struct target *t)
{
    struct deliveries *d = t->deliveries;
    struct due_op *due;

    if (d->is_stopping)
        return;
    if (t->is_loading) {
        t->wake_again = true;
        return;
    }
    timer_stop(&t->timer);
    if (t->n_ends >= places(d))
        return; /* again when a place is free */
    due = xnew(struct due_op);
    due->target = t;
    due->op.target = t->origin;
    due->op.now = loop_wall_ms(d->loop);
    due->op.limit =
        3 * places(d); /* some of them are under way, or wait for a message before them */
    t->is_loading = true;
    store_start(d->store, &due->op.op, &STORE_WEBHOOK_DUE, on_due);
}

void deliveries_wake(struct deliveries *d, const char *origin)
{
    if (!d->is_stopping)
        target_wake(target_get(d, origin));
}

/* --- progress --- */

static void hook_free(struct hook *h)
{
    struct target *t = h->target;

    map_remove(&t->deliveries->hooks, str_of(h->p->id));
    list_remove(&h->waiting);
    watcher_remove(&h->watcher);
    timer_stop(&h->timer);
    prediction_unref(h->p);
    free(h);
    t->n_hooks--;
}

static void start_waiting(struct target *t)
{
    struct list *node;

    while (t->n_progress < places(t->deliveries) && (node = list_first(&t->waiting)) != NULL) {
        struct hook *h = container_of(node, struct hook, waiting);

        list_remove(node);
        h->is_sending = true;
        h->event = h->dirty & WEBHOOK_START    ? WEBHOOK_START
                   : h->dirty & WEBHOOK_OUTPUT ? WEBHOOK_OUTPUT
                                               : WEBHOOK_LOGS;
        if (h->event != WEBHOOK_START)
            h->told_at = loop_now_ms(t->deliveries->loop);
        h->dirty = h->event == WEBHOOK_START ? h->dirty & ~(unsigned)WEBHOOK_START : 0;
        t->n_progress++;
        send_progress(h);
    }
}

static void hook_consider(struct hook *h)
{
    struct target *t = h->target;
    int64_t due = h->told_at + THROTTLE_MS, now = loop_now_ms(t->deliveries->loop);

    if (h->dirty == 0 || h->is_sending || !list_empty(&h->waiting) || t->deliveries->is_stopping)
        return;
    if (!(h->dirty & WEBHOOK_START) && h->told_at && now < due) {
        if (!timer_armed(&h->timer))
            timer_start(&h->timer, due - now);
        return;
    }
    list_push(&t->waiting, &h->waiting);
    start_waiting(t);
}

static void on_hook_timer(struct timer *timer)
{
    hook_consider(container_of(timer, struct hook, timer));
}

static void hook_end(struct hook *h)
{
    struct target *t = h->target;

    hook_free(h);
    target_wake(t);
}

static void on_changed(struct watcher *w, struct prediction *p, struct str piece,
                       struct str log_piece)
{
    struct hook *h = container_of(w, struct hook, watcher);
    unsigned events = p->row.webhook_events;

    if (prediction_is_terminal(p->row.status)) {
        h->has_ended = true;
        list_remove(&h->waiting);
        if (!h->is_sending) /* else its end waits for that */
            hook_end(h);
        return;
    }
    if (!h->has_begun && p->row.status == PREDICTION_PROCESSING) {
        h->has_begun = true;
        h->dirty |= events & WEBHOOK_START;
    }
    if (piece.p)
        h->dirty |= events & WEBHOOK_OUTPUT;
    if (log_piece.p)
        h->dirty |= events & WEBHOOK_LOGS;
    hook_consider(h);
}

void deliveries_follow(struct deliveries *d, struct prediction *p)
{
    const unsigned progress = WEBHOOK_START | WEBHOOK_OUTPUT | WEBHOOK_LOGS;
    char origin[WEBHOOK_ORIGIN_SIZE];
    struct hook *h;

    if (!p->row.webhook || !(p->row.webhook_events & progress) || d->is_stopping ||
        !webhook_origin(str_of(p->row.webhook), origin))
        return;
    h = xnew(struct hook);
    h->p = p;
    p->refs++;
    h->target = target_get(d, origin);
    h->target->n_hooks++;
    h->has_begun = p->row.status != PREDICTION_STARTING; /* found again: that was told before */
    h->watcher.changed = on_changed;
    list_init(&h->waiting);
    timer_init(d->loop, &h->timer, on_hook_timer);
    map_put(&d->hooks, str_of(p->id), h);
    prediction_watch(p, &h->watcher);
}

void deliveries_fill(struct deliveries *d, const struct prediction_row *row,
                     struct store_prediction_end *op)
{
    char origin[WEBHOOK_ORIGIN_SIZE], id[ID_SIZE];

    if (!row->webhook || !(row->webhook_events & WEBHOOK_COMPLETED) ||
        !webhook_origin(str_of(row->webhook), origin))
        return;
    id_make(d->ids, loop_wall_ms(d->loop), id);
    op->webhook_id = store_keep(&op->op, str_of(id));
    op->webhook_target = store_keep(&op->op, str_of(origin));
    op->webhook_until = op->completed_at + d->options->webhook_retry_for;
}

/* --- what send.c gives back --- */

void send_over(struct send *s)
{
    struct target *t = s->target;
    struct hook *h = s->hook;
    bool was_end = s->event == WEBHOOK_COMPLETED;

    if (was_end && t->is_loading) {
        list_remove(&s->node);
        list_push(&t->ended, &s->node);
    } else {
        send_free(s);
    }
    if (was_end)
        t->n_ends--;
    else
        t->n_progress--;
    if (t->deliveries->is_stopping)
        return;
    if (h) {
        h->is_sending = false;
        if (h->has_ended)
            hook_free(h);
        else
            hook_consider(h);
    }
    start_waiting(t);
    target_wake(t);
}

/* --- the whole --- */

struct deliveries *deliveries_new(struct fleet *f, struct http_client *c,
                                  const struct deliveries_config *config)
{
    struct deliveries *d = xnew(struct deliveries);

    d->loop = f->loop;
    d->store = f->store;
    d->client = c;
    d->options = config->options;
    d->render = config->render;
    d->ids = &f->ids;
    map_init(&d->targets);
    map_init(&d->hooks);
    return d;
}

enum status deliveries_load(struct deliveries *d, struct error *err)
{
    struct store_webhook_targets op = { 0 };
    enum status s = store_run(d->store, &op.op, &STORE_WEBHOOK_TARGETS);

    if (s != STATUS_OK)
        *err = op.op.error;
    for (size_t i = 0; s == STATUS_OK && i < op.n; i++)
        deliveries_wake(d, op.rows[i]);
    store_op_deinit(&op.op);
    return s;
}

void deliveries_stop(struct deliveries *d)
{
    struct target *t;
    struct hook *h;

    if (!d)
        return;
    d->is_stopping = true;
    for (size_t at = 0; map_next(&d->targets, &at, NULL, (void **)&t);) {
        struct send *s;

        timer_stop(&t->timer);
        list_each (&t->sends, s, struct send, node)
            s->hook = NULL;
    }
    for (size_t at = 0; map_next(&d->hooks, &at, NULL, (void **)&h);)
        hook_free(h);
}

void deliveries_free(struct deliveries *d)
{
    struct target *t;

    if (!d)
        return;
    for (size_t at = 0; map_next(&d->targets, &at, NULL, (void **)&t);) {
        free_all(&t->sends);
        free_all(&t->ended);
        target_free(t);
    }
    map_deinit(&d->targets);
    map_deinit(&d->hooks);
    free(d);
}
