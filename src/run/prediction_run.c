/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt at a prediction: its input is read, its number is written, it runs, it reports. */
#include "run/prediction_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/clock.h"
#include "run/live_output.h"
#include "run/shadow.h"

#include <assert.h>
#include <stdlib.h>

static const struct run_events run_events;

void prediction_detach(struct prediction *p)
{
    struct instance *in = p->instance;

    if (in) {
        clock_look(p->fleet);
        meter_leave(p);
    }
    list_remove(&p->run_node);
    p->instance = NULL;
    p->row.instance_id = NULL;
    p->accepted = p->attempt_open = p->must_join = false;
    p->loading = NULL;
    timer_stop(&p->timer);
    timer_stop(&p->flush);
    prediction_drop_text(&p->normal_input);
    if (p->row.input.n > KEEP_INPUT && !p->secret_input) {
        prediction_drop_text(&p->input);
        p->row.input = STR_NULL;
    }
    if (in)
        instance_run_ended(in);
}

void prediction_keep_progress(struct prediction *p)
{
    struct str pieces = prediction_pieces(p);

    if (pieces.n > 0)
        prediction_whole(p, pieces, &p->output);
    if (p->has_run && p->run.logs.n >= p->logs.n) {
        buf_clear(&p->logs);
        buf_add_str(&p->logs, buf_str(&p->run.logs));
    }
    if (p->live && p->has_run)
        live_output_keep(p);
}

static bool is_short(const struct prediction *p)
{
    const struct version *v = p->lane->version;
    int64_t p99 = protocol_ends_with_us(fleet_protocol(p->fleet, v)) ? 0 : version_p99_ms(v);

    return p99 >= 0 && p99 < SHORT_RUN_MS && p->fleet->options->max_attempts > 1;
}

static struct run_spec run_spec_of(const struct prediction *p)
{
    return (struct run_spec){
        .id = p->id,
        .input = str_of(p->normal_input ? p->normal_input : "{}"),
        .way = p->row.started_long ? RUN_LONG : RUN_SHORT,
        .max_output = (size_t)p->fleet->options->max_output,
        .max_logs = (size_t)p->fleet->options->max_logs,
        .output_is_array = p->lane->version->output.is_array,
    };
}

void prediction_ask_to_end(struct prediction *p)
{
    timer_start(&p->timer, p->fleet->options->cancel_grace);
    run_cancel(&p->run);
}

/* A first attempt that is joined began when the prediction did; of a later one nobody knows. */
static int64_t run_time_left(const struct prediction *p, bool join)
{
    int64_t limit = p->fleet->options->run_timeout;

    if (!join || p->row.attempt != 1 || !p->row.started_at)
        return limit;
    return MIN(MAX(p->row.started_at + limit - loop_wall_ms(p->fleet->loop), 0), limit);
}

static void run_begin(struct prediction *p, bool join)
{
    struct run_spec spec = run_spec_of(p);

    spec.join = join;
    p->has_run = true;
    p->never_sent = false;
    p->must_join = p->timed_out = false;
    timer_start(&p->timer, run_time_left(p, join));
    live_output_open(p);
    run_start(&p->instance->peer, &p->run, &spec, &run_events);
    if (p->row.cancel_requested)
        prediction_ask_to_end(p);
    else if (!join)
        shadow_began(p);
}

static void start_failed(struct prediction *p, const struct error *err)
{
    log_error("an attempt could not be recorded; the prediction waits", LOG_S("prediction", p->id),
              LOG_ERR(err));
    p->row.attempt--;
    prediction_detach(p);
    timer_start(&p->timer, STORE_RETRY_MS);
}

static void on_start_stored(struct store_op *op)
{
    struct start_op *s = container_of(op, struct start_op, op.op);
    struct prediction *p = s->p;
    struct error err = op->error;
    bool failed = op->status != STATUS_OK;
    bool is_mine = p->loading == s; /* not so where it lost its instance meanwhile, or ended */

    if (is_mine)
        p->loading = NULL;
    if (p->starting == s)
        p->starting = NULL;
    store_op_deinit(op);
    free(s);
    if (is_mine) {
        if (p->is_void)
            prediction_end(p, PREDICTION_CANCELED, NULL);
        else if (failed)
            start_failed(p, &err);
        else if (p->row.cancel_requested)
            prediction_end(p, PREDICTION_CANCELED, NULL);
        else if (p->fleet->is_stopping)
            prediction_requeue(p, true);
        else
            run_begin(p, false);
    } else if (failed) {
        log_error("an attempt could not be recorded", LOG_S("prediction", p->id), LOG_ERR(&err));
    }
    prediction_unref(p);
}

/* The input is at hand: writes the attempt's number, and runs it (the long way only after that is
 * durable). */
static void attempt_start(struct prediction *p)
{
    struct start_op *s = xnew(struct start_op);

    p->row.attempt++;
    p->attempt_open = true;
    p->row.started_long = !is_short(p);
    p->row.instance_id = p->instance->id;
    s->p = p;
    s->op.id = p->id;
    s->op.attempt = p->row.attempt;
    s->op.instance_id = store_keep(&s->op.op, str_of(p->instance->id));
    s->op.started_long = p->row.started_long;
    if (p->row.attempt == 1 && !p->recorded_start)
        metrics_started(p, p->instance);
    if (!p->is_early) /* nobody hears of it before it is durable */
        tell_prediction(p, "processing");
    if (!p->recorded_start)
        p->recorded_start = p->row.started_at ? p->row.started_at : loop_wall_ms(p->fleet->loop);
    s->op.started_at = p->recorded_start;
    p->refs++;
    p->loading = p->row.started_long ? s : NULL;
    p->starting = s;
    /* What somebody may hear of an attempt shall not be said by the next one under its number. */
    if (p->is_early && !p->row.started_long)
        store_start_later(p->fleet->store, &s->op.op, &STORE_PREDICTION_START, on_start_stored);
    else
        store_start(p->fleet->store, &s->op.op, &STORE_PREDICTION_START, on_start_stored);
    if (!p->row.started_long)
        run_begin(p, false);
}

void prediction_join_start(struct prediction *p, struct store_prediction_end *end)
{
    struct start_op *s = p->starting;

    /* Files that are being recorded belong to that attempt. */
    if (!s || p->row.started_long || live_output_has_files(p) ||
        !store_take_back(p->fleet->store, &s->op.op))
        return;
    end->started_attempt = s->op.attempt;
    end->started_at = s->op.started_at;
    end->started_instance = store_keep(&end->op, str_of(s->op.instance_id));
    end->started_long = s->op.started_long;
    p->starting = NULL;
    store_op_deinit(&s->op.op);
    free(s);
    prediction_unref(p);
}

static void run_normalized(struct prediction *p, struct input_plan *plan)
{
    if (plan && plan->status != STATUS_OK) { /* it was valid when it was accepted */
        log_error("a stored input cannot be read", LOG_S("prediction", p->id),
                  LOG_ERR(&plan->error));
        prediction_end(p, PREDICTION_FAILED, "The stored input cannot be read any more.");
        return;
    }
    prediction_fill(p, plan);
    attempt_start(p);
}

static void normalize_and_run(struct prediction *p)
{
    struct input_plan plan;

    if (prediction_has_text(p)) {
        run_normalized(p, NULL);
        return;
    }
    input_plan_make(&plan, p->lane->version->schema,
                    str_of(p->secret_input ? p->secret_input : p->input), p->files != NULL);
    run_normalized(p, &plan);
    input_plan_deinit(&plan);
}

/* The stored input has its secrets masked: without the sealed one it must not be run. */
static bool has_masks(const struct input_schema *schema, struct str input)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct buf masked CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct json *v;

    return input_has_secrets(schema) && json_parse(&a, input, NULL, &v, NULL) == STATUS_OK &&
           input_mask(schema, v, &masked);
}

static bool fits(const struct input_schema *schema, struct str input)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *v;

    return json_parse(&a, input, NULL, &v, NULL) == STATUS_OK && !input_validate(schema, &a, v);
}

/* An input that was read again: what is known of it, for a large one made on another thread. */
struct load_op {
    struct store_prediction_get op;
    struct prediction *p;
    struct work work;
    struct lane *lane;   /* held, as are */
    struct files *files; /* these; NULL: none */
    struct str input;    /* the unmasked one, if it was */
    char *secret;        /* a copy of it */
    bool is_masked, is_rebound, has_files;
    bool is_lost, is_misfit;
    char *text; /* what everybody is shown */
    struct input_plan plan;
};

static void look_at_input(struct load_op *l)
{
    const struct input_schema *schema = l->lane->version->schema;

    l->text = str_dup(l->op.row.input);
    l->is_lost = l->is_masked && has_masks(schema, l->input);
    l->is_misfit = !l->is_lost && l->is_rebound && !fits(schema, l->input);
    if (!l->is_lost && !l->is_misfit)
        input_plan_make(&l->plan, schema, l->input, l->has_files);
}

static void input_arrived(struct prediction *p, struct load_op *l)
{
    p->input = TAKE(l->text);
    p->row.input = str_of(p->input);
    if (l->is_lost)
        prediction_end(p, PREDICTION_FAILED,
                       "The prediction's secret inputs can no longer be read: the server's key has "
                       "changed. Create the prediction again.");
    else if (l->is_misfit)
        prediction_end(p, PREDICTION_FAILED, PREDICTION_MISFIT);
    else
        run_normalized(p, &l->plan);
}

void prediction_unseal(struct prediction *p, struct str sealed)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    if (!sealed.p || p->secret_input)
        return;
    if (seal_open(p->fleet->key, sealed, &text))
        p->secret_input = buf_take(&text);
    else
        log_error("a secret input cannot be read: the data folder's key is not the one it was "
                  "sealed with",
                  LOG_S("prediction", p->id));
}

static void load_over(struct load_op *l)
{
    prediction_unref(l->p);
    input_plan_deinit(&l->plan);
    store_op_deinit(&l->op.op);
    free(l->secret);
    free(l->text);
    free(l);
}

/* Whether it still has to be run; an attempt that has to end before it began is ended. */
static bool may_begin(struct prediction *p)
{
    if (p->row.cancel_requested)
        prediction_end(p, PREDICTION_CANCELED, NULL);
    else if (p->fleet->is_stopping)
        prediction_requeue(p, true);
    else
        return true;
    return false;
}

static void look_work(struct work *w)
{
    look_at_input(container_of(w, struct load_op, work));
}

static void on_looked(struct work *w)
{
    struct load_op *l = container_of(w, struct load_op, work);
    struct prediction *p = l->p;

    lane_release(l->lane);
    if (l->files)
        files_release(l->files);
    if (p->loading == l) { /* as above */
        p->loading = NULL;
        if (may_begin(p))
            input_arrived(p, l);
    }
    load_over(l);
}

static void look(struct load_op *l)
{
    struct prediction *p = l->p;

    prediction_unseal(p, l->op.row.sealed_input);
    l->input = l->op.row.input;
    l->lane = p->lane;
    l->is_masked = !p->secret_input;
    l->is_rebound = p->is_rebound;
    l->has_files = p->files != NULL;
    if (p->secret_input) {
        l->secret = xstrdup(p->secret_input);
        l->input = str_of(l->secret);
    }
    if (l->input.n <= KEEP_INPUT) {
        p->loading = NULL;
        look_at_input(l);
        input_arrived(p, l);
        load_over(l);
        return;
    }
    l->files = p->fleet->files;
    lane_hold(l->lane);
    if (l->files)
        files_hold(l->files);
    work_start(p->fleet->loop, &l->work, look_work, on_looked);
}

static void on_loaded(struct store_op *op)
{
    struct load_op *l = container_of(op, struct load_op, op.op);
    struct prediction *p = l->p;

    if (p->loading == l) { /* as above */
        if (op->status == STATUS_OK && !p->row.cancel_requested && !p->fleet->is_stopping) {
            look(l);
            return;
        }
        p->loading = NULL;
        if (op->status != STATUS_OK) {
            log_error("an input could not be read", LOG_S("prediction", p->id),
                      LOG_ERR(&op->error));
            prediction_detach(p);
            timer_start(&p->timer, STORE_RETRY_MS);
        } else {
            (void)may_begin(p);
        }
    }
    load_over(l);
}

void prediction_begin(struct prediction *p, struct instance *in)
{
    struct load_op *l;

    assert(!p->is_queued && !p->instance && !p->has_run);
    p->instance = in;
    meter_count(in);
    in->in_flight++;
    list_push(&in->runs, &p->run_node);
    if (p->input || prediction_has_text(p)) {
        normalize_and_run(p);
        return;
    }
    l = xnew(struct load_op);
    l->p = p;
    l->op.id = p->id;
    p->refs++;
    p->loading = l;
    store_start(p->fleet->store, &l->op.op, &STORE_PREDICTION_GET, on_loaded);
}

void prediction_join(struct prediction *p, struct instance *in)
{
    assert(p->instance == in && !p->has_run);
    run_begin(p, true);
}

static void on_accepted(struct run *r)
{
    struct prediction *p = container_of(r, struct prediction, run);

    p->accepted = true;
    if (p->row.status == PREDICTION_STARTING) {
        p->row.status = PREDICTION_PROCESSING;
        p->row.started_at = p->recorded_start ? p->recorded_start : loop_wall_ms(p->fleet->loop);
        prediction_tell(p, STR_NULL, STR_NULL);
    }
}

void prediction_progressed(struct prediction *p, struct str piece, struct str log_piece)
{
    if (p->flushing)
        p->is_dirty = true;
    else if (!timer_armed(&p->flush))
        timer_start(&p->flush, FLUSH_MS);
    if (!p->is_early)
        tell_progress(p);
    prediction_tell(p, piece, log_piece);
}

static void on_progress(struct run *r, struct str piece, struct str log_piece)
{
    struct prediction *p = container_of(r, struct prediction, run);

    if (p->live && piece.p) { /* told when its files are stored */
        live_output_more(p);
        piece = STR_NULL;
        if (!log_piece.p)
            return;
    }
    prediction_progressed(p, piece, log_piece);
}

struct progress_op {
    struct store_prediction_progress op;
    struct prediction *p;
};

static void on_progress_stored(struct store_op *op)
{
    struct progress_op *g = container_of(op, struct progress_op, op.op);

    if (op->status != STATUS_OK && op->status != STATUS_CONFLICT)
        log_warning("progress could not be stored", LOG_S("prediction", g->p->id),
                    LOG_ERR(&op->error));
    g->p->flushing = false;
    if (g->p->is_dirty && g->p->has_run && !g->p->is_ending)
        timer_start(&g->p->flush, FLUSH_MS);
    g->p->is_dirty = false;
    prediction_unref(g->p);
    store_op_deinit(op);
    free(g);
}

void prediction_store_progress(struct prediction *p, bool with_text)
{
    struct progress_op *g = xnew(struct progress_op);
    struct prediction_row row = { 0 };

    g->p = p;
    g->op.id = p->id;
    g->op.attempt = with_text ? p->row.attempt : -1;
    g->op.cancel_requested = p->row.cancel_requested;
    if (with_text) {
        bool is_copy;

        prediction_view(p, &g->op.op.arena, &row);
        is_copy = row.output.p != p->output.p;
        g->op.output =
            is_copy ? row.output : str_make(store_keep(&g->op.op, row.output), row.output.n);
        g->op.logs = str_make(store_keep(&g->op.op, row.logs), row.logs.n);
    }
    p->refs++;
    p->flushing = true;
    store_start(p->fleet->store, &g->op.op, &STORE_PREDICTION_PROGRESS, on_progress_stored);
}

void prediction_on_flush(struct timer *t)
{
    struct prediction *p = container_of(t, struct prediction, flush);

    if (p->has_run && !p->is_ending)
        prediction_store_progress(p, true);
}

static void on_run_ended(struct run *r, const struct run_result *res)
{
    struct prediction *p = container_of(r, struct prediction, run);
    struct instance *in = p->instance;
    const char *error = res->error;

    prediction_keep_progress(p);
    p->has_run = false;
    /* Their memory is the protocol's until we return. */
    p->run.logs = p->run.pieces = (struct buf){ 0 };
    p->run.n_pieces = 0;
    switch (res->verdict) {
    case RUN_DONE:
        prediction_final(p, res);
        break;
    case RUN_NEVER_RAN:
        prediction_requeue(p, true);
        if (p->is_queued && !res->peer_is_sick) { /* the same instance would be asked at once */
            lane_take(p);
            timer_start(&p->timer, REFUSED_RETRY_MS);
        }
        break;
    case RUN_FORGOTTEN:
        if (p->row.cancel_requested)
            prediction_end(p, PREDICTION_CANCELED, NULL);
        else if (p->row.attempt < p->fleet->options->max_attempts)
            prediction_requeue(p, false);
        else
            prediction_end(p, PREDICTION_FAILED, error);
        break;
    case RUN_CRASHED:
        if (!error)
            error = "The model process ended by itself while it ran the prediction.";
        prediction_end(
            p, p->row.cancel_requested && !p->timed_out ? PREDICTION_CANCELED : PREDICTION_FAILED,
            error);
        break;
    case RUN_LOST:
        /* The driver knows whether the process ended by itself, and says so within moments. If it
         * does not, the timer ends the instance. */
        timer_start(&p->timer, SILENT_END_MS);
        return;
    }
    if (res->peer_is_sick && in)
        instance_drain(in, "sick");
}

static const struct run_events run_events = {
    .accepted = on_accepted,
    .progress = on_progress,
    .ended = on_run_ended,
};
