/* SPDX-License-Identifier: Apache-2.0 */
/* The run of a copy, on an instance of the new release. It is always the short one: it ends with
 * our connection, and no other server looks for it. */
#include "base/clock.h"
#include "run/shadow_impl.h"

enum { SILENT_END_MS = 3000 /* how long the driver has to tell what became of a run's instance */ };

static const struct run_events copy_events;

static void on_accepted(struct run *r)
{
    (void)r;
}

static void on_progress(struct run *r, struct str piece, struct str log_piece)
{
    (void)r;
    (void)piece;
    (void)log_piece;
}

static void run_is_done(struct shadow_copy *c, const struct run_result *res)
{
    char text[160], limit[TIME_TEXT_SIZE];

    if (c->timed_out && res->status == PREDICTION_CANCELED) {
        duration_format(c->shadow->pool->fleet->options->run_timeout, limit);
        (void)snprintf(text, sizeof(text), "It ran longer than %s (run_timeout).", limit);
        shadow_copy_answered(c, true, STR_NULL, text, res->predict_time);
    } else {
        shadow_copy_answered(c, res->status != PREDICTION_SUCCEEDED, res->output, res->error,
                             res->predict_time);
    }
}

static void on_run_ended(struct run *r, const struct run_result *res)
{
    struct shadow_copy *c = container_of(r, struct shadow_copy, run);
    struct instance *in = c->instance;

    c->has_run = false;
    if (res->verdict ==
        RUN_LOST) { /* the driver says why within moments, or the timer asks it to */
        timer_start(&c->timer, SILENT_END_MS);
        return;
    }
    driver_clean(&in->launch, c->id);
    if (res->verdict == RUN_DONE) {
        run_is_done(c, res);
    } else if (res->verdict == RUN_CRASHED) {
        shadow_copy_answered(c, true, STR_NULL,
                             res->error ? res->error : "The model process ended by itself.", -1);
    } else {
        shadow_copy_leave(c);
        if (c->is_dropped)
            shadow_copy_over(c);
        else
            shadow_copy_drop(c, SHADOW_DROP_BUSY);
    }
    if (res->peer_is_sick)
        instance_drain(in, "sick");
}

static const struct run_events copy_events = {
    .accepted = on_accepted,
    .progress = on_progress,
    .ended = on_run_ended,
};

void shadow_copy_on_timer(struct timer *t)
{
    struct shadow_copy *c = container_of(t, struct shadow_copy, timer);

    if (!c->instance) {
        shadow_copy_drop(c, c->new.is_known ? SHADOW_DROP_CANCELED : SHADOW_DROP_BUSY);
    } else if (!c->has_run) {
        instance_kill(c->instance, "contact with it was lost", 0);
    } else if (c->is_canceled) {
        instance_kill(c->instance, "a copy that was canceled did not end", 0);
    } else {
        c->timed_out = c->is_canceled = true;
        timer_start(t, c->shadow->pool->fleet->options->cancel_grace);
        run_cancel(&c->run);
    }
}

void shadow_instance_gone(struct instance *in, const char *how)
{
    char text[300];

    while (!list_empty(&in->copies)) {
        struct shadow_copy *c = container_of(list_first(&in->copies), struct shadow_copy, run_node);

        c->has_run = false;
        shadow_copy_leave(c);
        (void)snprintf(text, sizeof(text), "The model process ended while it ran this: %.200s.",
                       how ? how : "");
        if (c->is_dropped)
            shadow_copy_over(c);
        else if (how)
            shadow_copy_answered(c, true, STR_NULL, text, -1);
        else
            shadow_copy_drop(c, SHADOW_DROP_LOST);
    }
}

bool shadow_webhook(struct instance *in, struct str id, const struct json *said, struct buf *memory,
                    enum status *out, struct error *err)
{
    struct shadow_copy *c;

    list_each (&in->copies, c, struct shadow_copy, run_node) {
        if (!str_is(id, c->id) || !c->has_run)
            continue;
        *out = run_webhook(&c->run, said, memory, err);
        return true;
    }
    return false;
}

/* --- its beginning --- */

/* Both are as long as the other: all of them are made in the same way. */
static void readdress(struct shadow_copy *c, const struct instance *in)
{
    size_t n = strlen(c->capability);

    if (n == 0 || strlen(in->capability) != n)
        return;
    for (char *at = c->input; (at = strstr(at, c->capability)) != NULL; at += n)
        memcpy(at, in->capability, n);
    memcpy(c->capability, in->capability, n);
}

static void begin(struct shadow_copy *c, struct instance *in)
{
    const struct options *o = in->fleet->options;
    struct run_spec spec = {
        .id = c->id,
        .way = RUN_SHORT,
        .max_output = (size_t)o->max_output,
        .max_logs = (size_t)o->max_logs,
        .output_is_array = c->lane->version->output.is_array,
    };

    readdress(c, in);
    spec.input = str_of(c->input);
    c->instance = in;
    c->has_run = true;
    list_push(&in->copies, &c->run_node);
    in->n_copies++;
    run_start(&in->peer, &c->run, &spec, &copy_events);
}

void shadow_dispatch(struct pool *p)
{
    struct shadow_copy *c;

    if (p->fleet->is_stopping || !p->shadow)
        return;
    list_each (&p->shadow->copies, c, struct shadow_copy, node) {
        struct instance *in;

        if (c->instance || c->new.is_known)
            continue;
        in = lane_free_instance(c->lane);
        if (in)
            begin(c, in);
    }
}
