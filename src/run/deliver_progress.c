/* SPDX-License-Identifier: Apache-2.0 */
/* What live predictions tell while they run: output and logs at most every half a second, each
 * message once. What became of it is noted in memory and written down for all predictions together,
 * every second, or with the prediction's end; a crash loses these notes, never a message's end. */
#include "run/deliver_impl.h"

#include "base/log.h"
#include "base/mem.h"
#include "core/webhook.h"

#include <stdlib.h>

enum {
    THROTTLE_MS = 500,
    WRITE_MS = 1000,
    NOTES_MOST = 100, /* messages of one prediction's progress that are written down */
};

/* --- notes --- */

struct note {
    struct list node;
    char id[ID_SIZE];
    enum webhook_event event;
    int64_t created_at;
    struct webhook_attempt_row attempt; /* without its error */
    char *error;
};

static void note_free(struct note *n)
{
    list_remove(&n->node);
    free(n->error);
    free(n);
}

/* They belong to the operation afterwards. */
static size_t move_notes(struct hook *h, struct store_op *op, struct webhook_note *out)
{
    size_t n = 0;
    struct note *note;

    list_each (&h->notes, note, struct note, node) {
        out[n] = (struct webhook_note){
            .id = store_keep(op, str_of(note->id)),
            .prediction_id = store_keep(op, str_of(h->p->id)),
            .target = store_keep(op, str_of(h->target->origin)),
            .event = note->event,
            .created_at = note->created_at,
            .attempt = note->attempt,
        };
        out[n++].attempt.error = store_keep(op, str_of(note->error));
        note_free(note);
    }
    h->n_notes = 0;
    list_remove(&h->noted);
    return n;
}

static void on_written(struct store_op *op)
{
    struct store_webhook_notes *notes = container_of(op, struct store_webhook_notes, op);

    if (op->status != STATUS_OK)
        log_warning("what became of webhooks of progress could not be written down",
                    LOG_I("messages", (int64_t)notes->n), LOG_ERR(&op->error));
    store_op_deinit(op);
    free(notes);
}

void hooks_write_notes(struct deliveries *d)
{
    struct store_webhook_notes *op;
    struct webhook_note *rows;
    size_t n = 0;
    struct hook *h;

    timer_stop(&d->writer);
    list_each (&d->noted, h, struct hook, noted)
        n += h->n_notes;
    if (n == 0)
        return;
    op = xnew(struct store_webhook_notes);
    rows = arena_array(&op->op.arena, struct webhook_note, n);
    list_each (&d->noted, h, struct hook, noted)
        op->n += move_notes(h, &op->op, rows + op->n);
    op->rows = rows;
    store_start(d->store, &op->op, &STORE_WEBHOOK_NOTES, on_written);
}

static void on_writer(struct timer *t)
{
    hooks_write_notes(container_of(t, struct deliveries, writer));
}

void hook_note(struct hook *h, const struct send *s, int64_t took_ms, int status, const char *error)
{
    struct deliveries *d = h->target->deliveries;
    struct note *n;

    if (h->n_told++ >= NOTES_MOST)
        return;
    n = xnew(struct note);
    snprintf(n->id, sizeof(n->id), "%s", s->id);
    n->event = s->event;
    n->created_at = s->created_at;
    n->attempt = (struct webhook_attempt_row){
        .number = 1,
        .at = s->started_at,
        .took_ms = took_ms,
        .status = status,
    };
    n->error = xstrdup(error);
    list_push(&h->notes, &n->node);
    h->n_notes++;
    if (list_empty(&h->noted))
        list_push(&d->noted, &h->noted);
    if (h->has_ended) /* its end is sent next: that is written down after this */
        hooks_write_notes(d);
    else if (!timer_armed(&d->writer))
        timer_start(&d->writer, WRITE_MS);
}

void hooks_init(struct deliveries *d)
{
    list_init(&d->noted);
    timer_init(d->loop, &d->writer, on_writer);
}

/* --- one prediction --- */

void hook_free(struct hook *h)
{
    struct target *t = h->target;
    struct note *n;

    map_remove(&t->deliveries->hooks, str_of(h->p->id));
    list_each (&h->notes, n, struct note, node)
        note_free(n);
    list_remove(&h->noted);
    list_remove(&h->waiting);
    watcher_remove(&h->watcher);
    timer_stop(&h->timer);
    prediction_unref(h->p);
    free(h);
    t->n_hooks--;
}

static void start(struct hook *h)
{
    struct target *t = h->target;
    int64_t now = loop_now_ms(t->deliveries->loop);

    list_remove(&h->waiting);
    h->is_sending = true;
    h->event = h->dirty & WEBHOOK_START    ? WEBHOOK_START
               : h->dirty & WEBHOOK_OUTPUT ? WEBHOOK_OUTPUT
                                           : WEBHOOK_LOGS;
    if (h->event != WEBHOOK_START)
        h->told_at = now;
    h->dirty = h->event == WEBHOOK_START ? h->dirty & ~(unsigned)WEBHOOK_START : 0;
    t->n_progress++;
    t->progress_at = now + PROGRESS_PAUSE_MS;
    send_progress(h);
}

void hooks_start_waiting(struct target *t)
{
    int64_t now = loop_now_ms(t->deliveries->loop);
    struct list *node;

    while (t->n_progress < target_places(t) && (node = list_first(&t->waiting)) != NULL) {
        if (target_is_failing(t) && now < t->progress_at) {
            if (!timer_armed(&t->pause))
                timer_start_at(&t->pause, t->progress_at);
            return;
        }
        start(container_of(node, struct hook, waiting));
    }
}

static void consider(struct hook *h)
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
    hooks_start_waiting(t);
}

static void on_timer(struct timer *timer)
{
    consider(container_of(timer, struct hook, timer));
}

void hook_sent(struct hook *h)
{
    struct target *t = h->target;

    h->is_sending = false;
    if (!h->has_ended) {
        consider(h);
        return;
    }
    hook_free(h);
    target_wake(t);
}

static void on_changed(struct watcher *w, struct prediction *p, struct str piece,
                       struct str log_piece)
{
    struct hook *h = container_of(w, struct hook, watcher);
    struct target *t = h->target;
    unsigned events = p->row.webhook_events;

    if (prediction_is_terminal(p->row.status)) {
        h->has_ended = true;
        list_remove(&h->waiting);
        if (h->n_notes > 0) /* since its end was on its way to the store */
            hooks_write_notes(t->deliveries);
        if (h->is_sending) /* its end waits for that */
            return;
        hook_free(h);
        target_collect(t);
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
    consider(h);
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
    list_init(&h->noted);
    list_init(&h->notes);
    timer_init(d->loop, &h->timer, on_timer);
    map_put(&d->hooks, str_of(p->id), h);
    prediction_watch(p, &h->watcher);
}

/* The message of an end: NULL id where there is none. */
static const char *make_message(struct deliveries *d, const struct prediction_row *row,
                                struct store_op *op, const char **out_target)
{
    char origin[WEBHOOK_ORIGIN_SIZE], id[ID_SIZE];

    if (!row->webhook || !(row->webhook_events & WEBHOOK_COMPLETED) ||
        !webhook_origin(str_of(row->webhook), origin))
        return NULL;
    id_make(d->ids, loop_wall_ms(d->loop), id);
    *out_target = store_keep(op, str_of(origin));
    return store_keep(op, str_of(id));
}

void deliveries_fill(struct deliveries *d, const struct prediction_row *row,
                     struct store_prediction_end *op)
{
    struct hook *h = map_get(&d->hooks, str_of(row->id));
    struct webhook_note *notes;

    if (h && h->n_notes > 0) {
        notes = arena_array(&op->op.arena, struct webhook_note, h->n_notes);
        op->n_notes = move_notes(h, &op->op, notes);
        op->notes = notes;
    }
    if (row->destination && op->status == PREDICTION_SUCCEEDED)
        return; /* ends when its version is there */
    op->webhook_id = make_message(d, row, &op->op, &op->webhook_target);
    op->webhook_until = op->completed_at + d->options->webhook_retry_for;
}

void deliveries_fill_training(struct deliveries *d, const struct prediction_row *row,
                              struct store_training_end *op)
{
    op->webhook_id = make_message(d, row, &op->op, &op->webhook_target);
    op->webhook_at = loop_wall_ms(d->loop);
    op->webhook_until = op->webhook_at + d->options->webhook_retry_for;
}
