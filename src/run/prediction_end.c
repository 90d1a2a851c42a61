/* SPDX-License-Identifier: Apache-2.0 */
/* How a prediction ends, goes back to the queue, or is asked to end. */
#include "run/prediction_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/canary.h"
#include "run/deliver.h"
#include "run/live_output.h"
#include "run/output_file.h"
#include "run/scaling.h"
#include "run/shadow.h"

#include <assert.h>
#include <stdlib.h>

struct end_op {
    struct store_prediction_end op;
    struct prediction *p;
    struct timer retry;
    struct buf memory; /* of the output, where it was the run's for the taking */
    struct str inlined;
    bool had_files;
    bool needs_room; /* the output's files could not be written: the disk is full */
};

static void on_end_stored(struct store_op *op);
static void requeue_forget(struct prediction *p);
static void store_output(struct end_op *e);

static void end_op_free(struct end_op *e)
{
    store_op_deinit(&e->op.op);
    buf_deinit(&e->memory);
    free(e);
}

static void on_end_retry(struct timer *t)
{
    struct end_op *e = container_of(t, struct end_op, retry);

    e->op.op.status = STATUS_OK;
    e->p->ending = NULL;
    if (e->needs_room) {
        store_output(e);
        return;
    }
    store_start(e->p->fleet->store, &e->op.op, &STORE_PREDICTION_END, on_end_stored);
}

/* What it had of its instance goes to the ledger by itself: the record of the instance's end waits
 * for that. */
static void try_again(struct end_op *e)
{
    meter_unbill(e->p->fleet, &e->op);
    e->p->ending = e;
    timer_start(&e->retry, STORE_RETRY_MS);
}

/* The next server finds it as it is in the store. */
void prediction_end_forget(struct prediction *p)
{
    struct end_op *e = p->ending;

    requeue_forget(p);
    if (!e)
        return;
    p->ending = NULL;
    timer_stop(&e->retry);
    end_op_free(e);
}

/* It is in stable storage: now everybody may know. */
static void on_end_stored(struct store_op *op)
{
    struct end_op *e = container_of(op, struct end_op, op.op);
    struct prediction *p = e->p;
    struct list *node;

    if (op->status != STATUS_OK && op->status != STATUS_CONFLICT &&
        op->status != STATUS_NOT_FOUND) {
        log_error("an end could not be stored; it is tried again", LOG_S("prediction", p->id),
                  LOG_ERR(&op->error));
        try_again(e);
        return;
    }
    for (size_t i = 0; op->status != STATUS_OK && i < e->op.n_files; i++) /* nobody knows of them */
        blobs_remove(p->fleet->files->blobs, &e->op.files[i].id, 1, NULL, NULL);
    if (op->status != STATUS_OK)
        meter_unbill(p->fleet, &e->op);
    if (e->had_files)
        files_wake(p->fleet->files); /* the copies of its inputs have served */
    p->inlined = e->inlined;
    p->row.status = e->op.status;
    p->row.output = e->op.output;
    p->row.logs = e->op.logs;
    p->row.metrics = e->op.metrics;
    p->row.error = e->op.error;
    p->row.predict_time = e->op.predict_time;
    p->row.completed_at = e->op.completed_at;
    requeue_forget(p);
    p->fleet->n_ended += !p->is_void;
    if (!p->is_void) {
        metrics_ended(p);
        tell_prediction(p, prediction_status_text(p->row.status));
    }
    shadow_answered(p);
    prediction_unlist(p);
    if (p->row.destination && p->row.status == PREDICTION_SUCCEEDED)
        training_finish(p->fleet, p->id);
    log_info("prediction ended", LOG_S("prediction", p->id),
             LOG_S("status", prediction_status_text(p->row.status)),
             LOG_I("ms", p->row.completed_at - p->row.created_at));
    while ((node = list_first(&p->watchers)) != NULL) {
        struct watcher *w = container_of(node, struct watcher, node);

        watcher_remove(w);
        w->changed(w, p, STR_NULL, STR_NULL);
    }
    if (e->op.webhook_target)
        deliveries_wake(p->fleet->deliveries, e->op.webhook_target);
    p->row.output = p->row.logs = p->row.metrics = p->inlined = STR_NULL;
    p->row.error = NULL;
    end_op_free(e);
    prediction_unref(p);
}

static struct str keep(struct end_op *e, struct str s)
{
    return str_make(store_keep(&e->op.op, s), s.n);
}

/* A large output is not copied where that can be. */
static void keep_output(struct end_op *e, const struct run_result *res)
{
    if (!res->output.p || !res->memory) {
        e->op.output = keep(e, res->output);
        return;
    }
    e->op.output = res->output;
    e->memory = *res->memory;
    *res->memory = (struct buf){ 0 };
}

static void store_end(struct end_op *e)
{
    struct fleet *f = e->p->fleet;

    if (f->deliveries)
        deliveries_fill(f->deliveries, &e->p->row, &e->op);
    store_start(f->store, &e->op.op, &STORE_PREDICTION_END, on_end_stored);
}

/* It is shown as it came, so that one sees what is wrong. */
static void refuse_output(struct end_op *e, const char *why)
{
    if (!why)
        return;
    e->op.status = PREDICTION_FAILED;
    e->op.error = why;
}

static void on_output_stored(void *arg, const struct output_files_result *r,
                             const struct error *err)
{
    struct end_op *e = arg;

    e->needs_room = err && err->status == STATUS_DISK_FULL;
    if (e->needs_room) { /* it is not lost for that: the prediction ends when there is room */
        log_error("an output could not be stored; it is tried again", LOG_S("prediction", e->p->id),
                  LOG_ERR(err));
        try_again(e);
        return;
    }
    refuse_output(e, r->misfit);
    e->op.output = r->output;
    e->inlined = r->inlined;
    e->op.files = r->rows;
    e->op.n_files = r->n;
    if (err) {
        log_error("an output could not be stored", LOG_S("prediction", e->p->id), LOG_ERR(err));
        e->op.status = PREDICTION_FAILED;
        e->op.error =
            arena_printf(&e->op.op.arena, "The output could not be stored: %s", err->text);
        e->op.output = STR_NULL;
        e->op.n_files = 0;
    }
    store_end(e);
}

/* A model of an older Cog whose file could not be uploaded says that it succeeded, with nothing. */
static void check_output(struct end_op *e, const struct version *v)
{
    struct json null = { .type = JSON_NULL };
    bool is_null = e->op.output.n == 0 || str_is(e->op.output, "null");

    if (e->op.status != PREDICTION_SUCCEEDED || !v->output.has_files || !is_null ||
        input_accepts(v->output_schema, &null))
        return;
    e->op.status = PREDICTION_FAILED;
    e->op.error = "The model gave no output file: its output is null, although its Output schema "
                  "promises a file. Perhaps the file could not be uploaded.";
}

/* Files in the output are stored before anybody is told of it. */
static void store_output(struct end_op *e)
{
    struct prediction *p = e->p;
    struct fleet *f = p->fleet;
    bool is_plain = str_starts(str_of(p->row.base_url), "http:");
    struct output_files_spec spec = {
        .account_id = p->row.account_id,
        .prediction_id = p->id,
        .base_url = p->row.base_url,
        .schema = p->lane->version->output_schema,
        .output = e->op.output,
        .uploads = &p->uploads,
        .inline_limit = is_plain ? f->options->output_data_uri_limit : 0,
        .told = live_output_files(p),
        .is_listed = p->live != NULL,
    };

    check_output(e, p->lane->version);
    spec.must_fit = e->op.status == PREDICTION_SUCCEEDED && version_checks_output(p->lane->version);
    if (f->files && (e->op.output.n > KEEP_INPUT || output_files_needed(e->op.output, &p->uploads)))
        output_files_start(f->files, &e->op.op.arena, &spec, on_output_stored, e);
    else {
        if (spec.must_fit)
            refuse_output(e, output_misfit(spec.schema, &e->op.op.arena, e->op.output));
        store_end(e);
    }
}

/* What was on its way to be told has its address now. */
static void on_live_idle(void *arg)
{
    struct end_op *e = arg;

    if (!e->p->fleet->files->is_stopping) {
        store_output(e);
        return;
    }
    end_op_free(e); /* too late: the next server finds it as it is in the store */
}

static void end_with(struct prediction *p, const struct run_result *res)
{
    struct end_op *e = xnew(struct end_op);
    struct instance *in = p->instance;
    int64_t now = loop_wall_ms(p->fleet->loop);

    assert(!p->is_ending);
    p->is_ending = true;
    lane_take(p);
    e->p = p;
    timer_init(p->fleet->loop, &e->retry, on_end_retry);
    e->op.id = p->id;
    e->op.attempt = -1;
    e->op.status = res->status;
    keep_output(e, res);
    e->op.logs = keep(e, res->logs);
    e->op.metrics = keep(e, res->metrics);
    e->op.error = store_keep(&e->op.op, str_of(res->error));
    e->op.completed_at = now;
    e->op.model_id = p->row.model_id;
    prediction_join_start(p, &e->op);
    e->op.no_input_files = !p->files && !p->is_rebound && !input_has_uris(p->lane->version->schema);
    if (shadow_needs_inputs(p, res->status))
        e->op.inputs_until = now + p->fleet->options->run_timeout;
    e->op.predict_time = res->predict_time;
    if (e->op.predict_time < 0)
        e->op.predict_time = p->row.started_at ? (double)(now - p->row.started_at) / 1000 : 0;
    timer_stop(&p->deadline);
    e->had_files = p->files != NULL;
    prediction_unprepare(p);
    meter_bill(p, &e->op);
    if (p->row.instance_id)
        (void)snprintf(p->ran_on, sizeof(p->ran_on), "%s", p->row.instance_id);
    prediction_detach(p);
    p->row.instance_id = p->ran_on[0] ? p->ran_on : NULL; /* is shown, as the store has it */
    if (!live_output_wait(p, on_live_idle, e))
        store_output(e);
    /* Last, so that nobody waits for it. */
    if (in && in->has_launch && p->row.attempt > 0)
        driver_clean(&in->launch, p->id);
}

void prediction_final(struct prediction *p, const struct run_result *given)
{
    struct run_result res = *given;
    struct buf whole CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    char text[160], limit[TIME_TEXT_SIZE];

    if (p->is_ending)
        return;
    if (res.status == PREDICTION_SUCCEEDED && p->row.started_at)
        version_measured(p->lane->version, loop_wall_ms(p->fleet->loop) - p->row.started_at);
    scaling_ended(p, res.status);
    if (!res.logs.p)
        res.logs = buf_str(&p->logs);
    if (!res.output.p)
        res.memory = NULL;
    if (!res.output.p && p->live)
        live_output_whole(p, &whole);
    if (!res.output.p && (whole.n > 0 || p->output.n > 0))
        res.output = buf_str(whole.n > 0 ? &whole : &p->output);
    if (p->timed_out && res.status == PREDICTION_CANCELED) {
        duration_format(p->fleet->options->run_timeout, limit);
        snprintf(text, sizeof(text),
                 "The prediction ran longer than %s (run_timeout) and was ended.", limit);
        res.status = PREDICTION_FAILED;
        res.error = text;
    }
    canary_finished(p, res.status);
    end_with(p, &res);
}

/* An end that no instance told: canceled while it waited, or given up. What was produced so far is
 * kept. */
void prediction_end(struct prediction *p, enum prediction_status status, const char *error)
{
    struct run_result res = {
        .status = status,
        .error = error,
        .logs = buf_str(&p->logs),
        .predict_time = -1,
    };

    if (!p->is_ending)
        prediction_final(p, &res);
}

/* The instance is gone, and with it the run. */
void prediction_lost(struct prediction *p, const struct exit_info *how, bool is_bystander)
{
    char text[512];

    p->has_run = false;
    if (p->is_ending)
        return;
    if (p->row.cancel_requested || p->timed_out) {
        prediction_end(p, PREDICTION_CANCELED, NULL);
        return;
    }
    if (!p->attempt_open || p->loading || p->never_sent) {
        prediction_requeue(p, true); /* it was still on its way there */
        return;
    }
    if (how->lost && p->fleet->options->max_attempts > 1 && is_bystander) {
        prediction_requeue(p, true);
        return;
    }
    if (how->lost && p->row.attempt < p->fleet->options->max_attempts) {
        prediction_requeue(p, false);
        return;
    }
    if (how->lost)
        snprintf(text, sizeof(text),
                 "The instance that ran the prediction was lost, %lld times in all (max_attempts).",
                 (long long)p->row.attempt);
    else if (how->out_of_memory)
        snprintf(
            text, sizeof(text),
            "The model used more memory than its hardware (%s) has and was ended. Choose hardware "
            "with more memory.",
            p->lane->sku_name);
    else
        snprintf(text, sizeof(text), "The model process ended while it ran the prediction: %s.",
                 how->text);
    prediction_end(p, PREDICTION_FAILED, text);
}

struct requeue_op {
    struct store_prediction_requeue op;
    struct prediction *p;
    struct timer retry;
};

static void on_requeued(struct store_op *op);

static void requeue_free(struct requeue_op *q)
{
    timer_stop(&q->retry);
    prediction_unref(q->p);
    store_op_deinit(&q->op.op);
    free(q);
}

static void on_requeue_retry(struct timer *t)
{
    struct requeue_op *q = container_of(t, struct requeue_op, retry);

    q->p->requeueing = NULL;
    q->op.op.status = STATUS_OK;
    store_start(q->p->fleet->store, &q->op.op, &STORE_PREDICTION_REQUEUE, on_requeued);
}

/* Its return to the queue waits to be written, and need not be any more. */
static void requeue_forget(struct prediction *p)
{
    struct requeue_op *q = p->requeueing;

    p->requeueing = NULL;
    if (q)
        requeue_free(q);
}

static void on_requeued(struct store_op *op)
{
    struct requeue_op *q = container_of(op, struct requeue_op, op.op);

    if (q->p->fleet->files && (!q->op.not_counted || q->op.had_files))
        files_wake(q->p->fleet->files); /* what the lost attempt uploaded goes */
    if (op->status == STATUS_OK || op->status == STATUS_CONFLICT || q->p->requeueing ||
        prediction_is_terminal(q->p->row.status)) {
        requeue_free(q);
        return;
    }
    /* Until then the store would refuse the next attempt's number. */
    log_error("a return to the queue could not be stored; it is tried again",
              LOG_S("prediction", q->p->id), LOG_ERR(&op->error));
    q->p->requeueing = q;
    timer_start(&q->retry, STORE_RETRY_MS);
}

/* The next attempt's number is written after this, by the same writer, in order. */
void prediction_requeue(struct prediction *p, bool not_counted)
{
    struct requeue_op *q;
    int64_t attempt = p->row.attempt;
    bool was_open = p->attempt_open, had_files = false;

    log_info("prediction goes back to the queue", LOG_S("prediction", p->id),
             LOG_I("attempt", attempt),
             LOG_S("why", not_counted ? "it never ran" : "instance lost"));
    if (not_counted && was_open)
        p->row.attempt--;
    output_uploads_free(&p->uploads);
    prediction_detach(p);
    if (p->row.cancel_requested) {
        prediction_end(p, PREDICTION_CANCELED, NULL);
        return;
    }
    had_files = live_output_has_files(p);
    if (p->live)
        buf_clear(&p->output); /* what it told goes */
    live_output_close(p);
    lane_push(p->lane, p, true);
    if (!was_open)
        return;
    requeue_forget(p);
    q = xnew(struct requeue_op);
    timer_init(p->fleet->loop, &q->retry, on_requeue_retry);
    q->p = p;
    p->refs++;
    q->op.id = p->id;
    q->op.attempt = attempt;
    q->op.not_counted = not_counted;
    q->op.had_files = had_files;
    store_start(p->fleet->store, &q->op.op, &STORE_PREDICTION_REQUEUE, on_requeued);
}

/* --- cancel and time --- */

void prediction_cancel(struct prediction *p)
{
    bool first = !p->row.cancel_requested;

    if (p->is_ending)
        return;
    p->row.cancel_requested = true;
    if (!p->instance) {
        prediction_end(p, PREDICTION_CANCELED, NULL);
        return;
    }
    if (first && !p->is_void)
        prediction_store_progress(p, false);
    if (first && p->has_run)
        prediction_ask_to_end(p);
    /* Else it is on its way to an instance, or its instance is being found again: seen there. */
}

void prediction_on_deadline(struct timer *t)
{
    struct prediction *p = container_of(t, struct prediction, deadline);

    if (p->is_ending)
        return;
    if (queue_expires_as(p->row.status, p->instance) == PREDICTION_ABORTED)
        prediction_end(p, PREDICTION_ABORTED,
                       "The deadline (Cancel-After) passed before the prediction began.");
    else
        prediction_cancel(p);
}

void prediction_on_timer(struct timer *t)
{
    struct prediction *p = container_of(t, struct prediction, timer);

    if (p->is_ending)
        return;
    if (!p->instance) { /* the store had no room; once more */
        lane_push(p->lane, p, true);
        return;
    }
    if (!p->has_run) {
        instance_kill(p->instance, "contact with it was lost", 0);
        return;
    }
    if (p->row.cancel_requested || p->timed_out) {
        instance_kill(p->instance, "a canceled prediction did not end", 0);
        return;
    }
    p->timed_out = true;
    timer_start(&p->timer, p->fleet->options->cancel_grace);
    run_cancel(&p->run);
}
