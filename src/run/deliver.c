/* SPDX-License-Identifier: Apache-2.0 */
/* Receivers, and which ends are due for them; deliver_progress.c has what is told before the end,
 * send.c makes the single attempt.
 *
 * For each receiver the outbox is read level-triggered: whenever a place is free and there was more
 * than fitted, something new was written, or a time has come, the rows that are due are read and as
 * many started as there are places. Nothing is kept in memory of a row that waits, so that a
 * receiver that is dead for a day costs a timer. */
#include "run/deliver_impl.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

enum { AGAIN_MS = 1000, LONGEST_SLEEP_MS = 3600000 };

/* --- receivers --- */

int target_places(const struct target *t)
{
    return (int)t->deliveries->options->webhook_concurrency;
}

static void on_target_timer(struct timer *timer)
{
    target_wake(container_of(timer, struct target, timer));
}

static void on_pause_over(struct timer *timer)
{
    struct target *t = container_of(timer, struct target, pause);

    hooks_start_waiting(t);
    target_collect(t);
}

struct target *target_get(struct deliveries *d, const char *origin)
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
    timer_init(d->loop, &t->pause, on_pause_over);
    map_put(&d->targets, str_of(t->origin), t);
    return t;
}

static void target_free(struct target *t)
{
    timer_stop(&t->timer);
    timer_stop(&t->pause);
    map_remove(&t->deliveries->targets, str_of(t->origin));
    free(t->origin);
    free(t);
}

void target_collect(struct target *t)
{
    if (t->n_hooks == 0 && t->n_ends + t->n_progress == 0 && !t->is_loading &&
        !timer_armed(&t->timer) && !timer_armed(&t->pause))
        target_free(t);
}

static struct send *find_send(const struct list *sends, const char *id)
{
    struct send *s;

    list_each (sends, s, struct send, node)
        if (strcmp(s->id, id) == 0)
            return s;
    return NULL;
}

static void free_all(struct list *sends)
{
    struct send *s;

    list_each (sends, s, struct send, node)
        send_free(s);
}

/* Looks at that time, or before. */
static void look_at(struct target *t, int64_t due_ms)
{
    if (!timer_armed(&t->timer) || t->timer.due_ms > due_ms)
        timer_start_at(&t->timer, due_ms);
}

static void look_at_wall(struct target *t, int64_t wall_ms)
{
    struct loop *l = t->deliveries->loop;
    int64_t ms = MAX(wall_ms - loop_wall_ms(l), 0);

    look_at(t, loop_now_ms(l) + MIN(ms, (int64_t)LONGEST_SLEEP_MS));
}

static bool must_pause(struct target *t)
{
    if (!target_is_failing(t) || loop_now_ms(t->deliveries->loop) >= t->end_at)
        return false;
    look_at(t, t->end_at);
    return true;
}

/* --- what is due --- */

struct due_op {
    struct store_webhook_due op;
    struct target *target;
};

/* Whether a row that was read as due is not to be sent now. */
static bool is_cared_for(struct target *t, const struct webhook_row *row)
{
    const struct send *s = find_send(&t->sends, row->id), *over = find_send(&t->ended, row->id);

    if (s && s->until != row->until)
        t->has_more = true; /* to be sent again, once more after this */
    if (over && over->until != row->until)
        t->wake_again = true; /* likewise */
    if (s || over)
        return true; /* what was read of the latter may be older than their attempt */
    /* Goes out when the message before it has. */
    return map_get(&t->deliveries->hooks, str_of(row->prediction_id)) != NULL;
}

static void start_due(struct target *t, const struct store_webhook_due *due)
{
    struct loop *l = t->deliveries->loop;

    t->has_more = due->n == (size_t)due->limit;
    for (size_t i = 0; i < due->n; i++) {
        const struct webhook_row *row = &due->rows[i];

        if (is_cared_for(t, row))
            continue;
        if (t->n_ends >= target_places(t)) {
            t->has_more = true;
            break;
        }
        if (must_pause(t))
            break;
        t->n_ends++;
        t->end_at = loop_now_ms(l) + END_PAUSE_MS;
        send_end(t, row);
    }
    if (due->next_at)
        look_at_wall(t, due->next_at);
}

static void on_due(struct store_op *op)
{
    struct due_op *due = container_of(op, struct due_op, op.op);
    struct target *t = due->target;
    bool failed = op->status != STATUS_OK, again;

    t->is_loading = false;
    if (t->deliveries->is_stopping) {
        /* the store keeps them */
    } else if (failed) {
        log_error("waiting webhooks could not be read", LOG_S("receiver", t->origin),
                  LOG_ERR(&op->error));
        timer_start(&t->timer, AGAIN_MS);
    } else {
        start_due(t, &due->op);
    }
    again = t->wake_again;
    t->wake_again = false;
    free_all(&t->ended);
    store_op_deinit(op);
    free(due);
    if (again)
        target_wake(t);
    else
        target_collect(t);
}

void target_wake(struct target *t)
{
    struct deliveries *d = t->deliveries;
    struct due_op *due;

    if (d->is_stopping)
        return;
    if (t->is_loading) {
        t->wake_again = true;
        return;
    }
    if (t->n_ends >= target_places(t)) {
        t->has_more = true; /* again when a place is free */
        return;
    }
    if (must_pause(t))
        return;
    timer_stop(&t->timer);
    due = xnew(struct due_op);
    due->target = t;
    due->op.target = t->origin;
    due->op.now = loop_wall_ms(d->loop);
    due->op.limit =
        3 * target_places(t); /* some of them are under way, or wait for a message before them */
    t->is_loading = true;
    store_start(d->store, &due->op.op, &STORE_WEBHOOK_DUE, on_due);
}

void deliveries_wake(struct deliveries *d, const char *origin)
{
    if (!d->is_stopping)
        target_wake(target_get(d, origin));
}

/* --- what send.c gives back --- */

static void put_away(struct target *t, struct send *s)
{
    bool was_end = s->event == WEBHOOK_COMPLETED;

    if (was_end)
        t->n_ends--;
    else
        t->n_progress--;
    if (was_end && t->is_loading) {
        list_remove(&s->node);
        list_push(&t->ended, &s->node);
    } else {
        send_free(s);
    }
}

static void judge(struct target *t, const struct send *s)
{
    if (!s->was_called)
        return;
    t->n_failed = s->has_arrived ? 0 : t->n_failed + 1;
    if (target_is_failing(t) && s->event != WEBHOOK_COMPLETED) {
        t->progress_at = loop_now_ms(t->deliveries->loop) + PROGRESS_PAUSE_MS;
        timer_start_at(&t->pause, t->progress_at); /* so long the receiver is remembered */
    }
}

void send_over(struct send *s)
{
    struct target *t = s->target;
    struct hook *h = s->hook;
    bool was_failing = target_is_failing(t), is_stopping = t->deliveries->is_stopping;

    if (!is_stopping)
        judge(t, s);
    if (s->again_at && !is_stopping)
        look_at_wall(t, s->again_at);
    put_away(t, s);
    if (is_stopping)
        return;
    if (h)
        hook_sent(h);
    hooks_start_waiting(t);
    if (t->has_more || (was_failing && !target_is_failing(t)))
        target_wake(t);
    else
        target_collect(t);
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
    map_init(&d->keys);
    hooks_init(d);
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
    hooks_write_notes(d);
    d->is_stopping = true;
    for (size_t at = 0; map_next(&d->targets, &at, NULL, (void **)&t);) {
        struct send *s;

        timer_stop(&t->timer);
        timer_stop(&t->pause);
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
    keys_free(d);
    map_deinit(&d->keys);
    free(d);
}
