/* SPDX-License-Identifier: Apache-2.0 */
/* How an instance is asked to end, and what follows when it has. */
#include "base/log.h"
#include "base/mem.h"
#include "run/capacity.h"
#include "run/clock.h"
#include "run/instance_impl.h"
#include "run/scaling.h"
#include "run/shadow.h"

#include <assert.h>
#include <stdlib.h>

enum { EARLY_END_MS = 60000, STOP_GRACE_MS = 5000, KEPT_LOG = 16 * 1024 };

/* The record of an end. It is tried until it is written, and that it is when the ledger has the
 * whole life. */
struct end_record {
    struct list node; /* struct fleet.ends, while it waits to be tried again */
    struct fleet *fleet;
    struct timer retry;
    bool is_late;
    struct store_instance_update op;
};

static void on_recorded(struct store_op *op);

static void end_record_free(struct end_record *r)
{
    timer_stop(&r->retry);
    list_remove(&r->node);
    store_op_deinit(&r->op.op);
    free(r);
}

static void end_record_send(struct end_record *r)
{
    meters_retry(r->fleet);
    store_start(r->fleet->store, &r->op.op, &STORE_INSTANCE_UPDATE, on_recorded);
}

static void on_record_retry(struct timer *t)
{
    struct end_record *r = container_of(t, struct end_record, retry);

    list_remove(&r->node);
    r->op.op.status = STATUS_OK;
    end_record_send(r);
}

static void on_recorded(struct store_op *op)
{
    struct end_record *r = container_of(op, struct end_record, op.op);

    if (op->status == STATUS_OK || op->status == STATUS_NOT_FOUND) {
        end_record_free(r);
        return;
    }
    if (!r->is_late)
        log_error("an instance's end could not be recorded; it is tried again",
                  LOG_S("instance", r->op.in.id), LOG_ERR(&op->error));
    r->is_late = true;
    list_push(&r->fleet->ends, &r->node);
    timer_start(&r->retry, STORE_RETRY_MS);
}

void instance_ends_forget(struct fleet *f)
{
    struct end_record *r;

    list_each (&f->ends, r, struct end_record, node)
        end_record_free(r);
}

static void record_ended(struct instance *in, int64_t ended_at, const char *reason)
{
    /* The end of the log is what tells why. */
    struct str log = buf_str(&in->setup_log);
    size_t kept = MIN(log.n, (size_t)KEPT_LOG);
    struct end_record *r = xnew(struct end_record);
    struct store_op *op = &r->op.op;

    log = str_make(log.p + log.n - kept, kept);
    list_init(&r->node);
    r->fleet = in->fleet;
    timer_init(in->fleet->loop, &r->retry, on_record_retry);
    r->op.in = (struct instance_row){
        .id = store_keep(op, str_of(in->id)),
        .ended_at = ended_at,
        .end_reason = store_keep(op, str_of(reason)),
        .setup_log = str_make(store_keep(op, log), log.n),
        .metered_ms = in->meter.ledger.counted_ms,
    };
    end_record_send(r);
}

void instance_drain(struct instance *in, const char *why)
{
    if (!in || in->state == INSTANCE_STOPPING)
        return;
    meter_count(in);
    in->why_stop = why;
    if (list_empty(&in->runs)) {
        instance_kill(in, why, STOP_GRACE_MS);
        return;
    }
    in->state = INSTANCE_DRAINING;
    tell_instance(in, "draining");
    pool_wake(in->lane->pool);
}

void instance_kill(struct instance *in, const char *why, int64_t grace_ms)
{
    if (!in->has_launch || (in->state == INSTANCE_STOPPING && grace_ms > 0))
        return;
    log_info("instance stops", LOG_S("instance", in->id), LOG_S("pool", in->lane->pool->name),
             LOG_S("why", why));
    timer_stop(&in->deadline);
    meter_count(in);
    in->state = INSTANCE_STOPPING;
    tell_instance(in, "stopping");
    in->why_stop = why;
    in->stop_is_ours = true;
    driver_stop(&in->launch, grace_ms);
}

void instance_run_ended(struct instance *in)
{
    assert(in->in_flight > 0);
    in->in_flight--;
    in->lane->early_ends = 0;
    in->idle_since = loop_wall_ms(in->fleet->loop);
    if (in->lane->version->trains && in->state == INSTANCE_READY) { /* one training each */
        in->state = INSTANCE_DRAINING;
        tell_instance(in, "draining");
        in->why_stop = "its training is over";
    }
    if (in->state == INSTANCE_DRAINING && list_empty(&in->runs))
        instance_kill(in, in->why_stop, STOP_GRACE_MS);
    pool_wake(in->lane->pool);
}

/* What the boot's failure was, in words for the user: the model's own log first. */
static char *boot_failure(struct instance *in, const struct exit_info *how, const struct error *err)
{
    const char *what = in->setup_error ? in->setup_error : err ? err->text : how->text;
    struct str log = buf_str(&in->setup_log);
    size_t tail = MIN(log.n, (size_t)2000);

    if (tail == 0)
        return xasprintf("%s", what);
    return xasprintf("%s\n\nThe end of its setup log:\n%.*s", what, (int)tail,
                     log.p + log.n - tail);
}

static void mark_failed(struct lane *l)
{
    struct pool *p = l->pool;
    struct release *r;

    if (p->is_model) {
        /* No release to mark: what waits for this version gets the error, and later ones try
         * afresh. */
        lane_fail_queue(l, l->last_failure);
        l->failures = l->setup_failures = 0;
        return;
    }
    list_each (&p->releases, r, struct release, node) {
        if (r->lane != l || r->was_ready || r->is_failed)
            continue;
        r->is_failed = true;
        free(r->failure);
        r->failure = xstrdup(l->last_failure);
        log_warning("release failed", LOG_S("deployment", p->name), LOG_I("release", r->number));
        release_mark(r, p, r->failure);
    }
}

/* A boot that never got ready. The driver's own trouble and the machine's do not count against the
 * model. */
static void boot_failed(struct instance *in, const struct exit_info *how, const struct error *err)
{
    struct lane *l = in->lane;
    bool counts = !(err && (err->status == STATUS_BUSY || err->status == STATUS_UNREACHABLE));
    char *text = boot_failure(in, how, err);

    in->fleet->n_boot_failures++;
    metrics_boot_ended(in, false);
    log_warning("instance did not get ready", LOG_S("instance", in->id),
                LOG_S("pool", l->pool->name), LOG_S("text", text));
    free(l->last_failure);
    l->last_failure = text;
    l->failures++;
    l->retry_at = loop_wall_ms(in->fleet->loop) + scale_backoff_ms(l->failures);
    l->setup_failures += counts;
    if (counts && l->setup_failures >= SCALE_BOOTS_UNTIL_FAILED)
        mark_failed(l);
}

/* It was ready, and ended by itself before it had anything to do: should that go on, the next boots
 * wait longer and longer, as they do when setup fails. */
static void ended_early(struct instance *in)
{
    struct lane *l = in->lane;
    int64_t now = loop_wall_ms(in->fleet->loop);

    if (in->ready_at == 0 || now - in->ready_at > EARLY_END_MS)
        return;
    l->failures = ++l->early_ends;
    l->retry_at = now + scale_backoff_ms(l->failures);
}

void instance_let_go(struct instance *in)
{
    struct prediction *x;

    list_each (&in->runs, x, struct prediction, run_node) {
        if (x->has_run)
            run_release(&x->run);
        x->has_run = false;
        timer_stop(&x->timer);
        timer_stop(&x->flush);
    }
    if (in->peer_is_open)
        peer_close(&in->peer);
    in->peer_is_open = false;
    shadow_instance_gone(in, NULL);
    timer_stop(&in->deadline);
    if (in->has_launch)
        driver_release(&in->launch);
    in->has_launch = false;
}

void instance_free(struct instance *in)
{
    struct fleet *f = in->fleet;

    assert(!in->has_launch && list_empty(&in->runs) && list_empty(&in->copies));
    timer_stop(&in->deadline);
    map_remove(&f->instances, str_of(in->id));
    map_remove(&f->capabilities, str_of(in->capability));
    list_remove(&in->node);
    in->lane->served_at = loop_wall_ms(f->loop);
    hardware_give(f->hardware, &in->hold);
    pool_wake(in->lane->pool);
    capacity_freed(f);
    buf_deinit(&in->setup_log);
    meter_free(in);
    free(in->setup_error);
    free(in);
    fleet_check_stopped(f);
}

void instance_ended(struct launch *l, const struct exit_info *how, const struct error *err)
{
    struct instance *in = container_of(l, struct instance, launch);
    struct prediction *x;
    const char *reason = in->stop_is_ours ? in->why_stop : err ? err->text : how->text;
    bool was_boot = !in->was_ready && !how->lost;
    bool is_failed_boot = was_boot && (!in->stop_is_ours || in->setup_error);
    int64_t ended_at = meter_end(in, how, is_failed_boot);

    clock_look(in->fleet);
    in->has_launch = false;
    in->state = INSTANCE_STOPPING;
    log_info("instance ended", LOG_S("instance", in->id), LOG_S("pool", in->lane->pool->name),
             LOG_S("how", err ? err->text : how->text), LOG_S("why", reason ? reason : ""));
    list_each (&in->runs, x, struct prediction, run_node) {
        prediction_keep_progress(x);
        x->never_sent = x->has_run && in->peer_is_open && run_is_unsent(&x->run);
    }
    if (in->peer_is_open)
        peer_close(&in->peer);
    in->peer_is_open = false;
    shadow_instance_gone(in, in->stop_is_ours ? NULL : how->text);
    if (is_failed_boot)
        boot_failed(in, how, err);
    else if (list_empty(&in->runs) && (!in->stop_is_ours || strcmp(reason, SICK) == 0))
        ended_early(in);
    /* The last one first: each goes to the head of the queue, and their order stays. */
    while (!list_empty(&in->runs)) {
        struct exit_info told = *how;

        x = container_of(in->runs.prev, struct prediction, run_node);
        told.lost = told.lost || (in->stop_is_ours && !how->out_of_memory);
        prediction_lost(x, &told, in->stop_is_ours && x->has_run);
    }
    record_ended(in, ended_at, reason);
    tell_instance(in, "ended");
    instance_free(in);
}
