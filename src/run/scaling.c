/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic and what was learned are stored together, a minute after the first of it or when much has
 * come; a server that is killed loses the last minute of them, and nothing of anybody's work. */
#include "run/scaling.h"

#include "base/log.h"
#include "base/mem.h"
#include "core/decimal.h"
#include "store/scaling.h"

#include <stdlib.h>

enum { FLUSH_MS = 60000, FLUSH_BYTES = 1000 * SCALE_RECORD_SIZE, LEARNED_BYTES = 64 * 1024 };

static void on_stored(struct store_op *op)
{
    if (op->status != STATUS_OK)
        log_warning("a deployment's scaling could not be stored", LOG_ERR(&op->error));
    store_op_deinit(op);
    free(op);
}

static void flush(struct scaling *s)
{
    struct fleet *f = s->pool->fleet;
    struct buf learned CLEANUP(buf_deinit) = BUF_INIT(LEARNED_BYTES);
    struct store_traffic_save *op;

    timer_stop(&s->flush);
    if (s->pool->is_deleted)
        return;
    op = xnew(struct store_traffic_save);
    scale_learned_write(&s->learned, &learned);
    op->deployment_id = store_keep(&op->op, str_of(s->pool->id));
    op->learned = str_make(store_keep(&op->op, buf_str(&learned)), learned.n);
    op->traffic = str_make(store_keep(&op->op, buf_str(&s->traffic)), s->traffic.n);
    op->until = s->traffic_until;
    op->seq = ++s->seq;
    op->forget_before = loop_wall_ms(f->loop) - f->options->traffic_retention;
    buf_clear(&s->traffic);
    store_start(f->store, &op->op, &STORE_TRAFFIC_SAVE, on_stored);
}

static void on_flush(struct timer *t)
{
    flush(container_of(t, struct scaling, flush));
}

static void changed(struct scaling *s)
{
    if (s->traffic.n >= FLUSH_BYTES)
        flush(s);
    else if (!timer_armed(&s->flush))
        timer_start(&s->flush, FLUSH_MS);
}

void scaling_new(struct pool *p)
{
    struct scaling *s = xnew(struct scaling);

    s->pool = p;
    scale_settings_init(&s->settings);
    scale_learned_init(&s->learned, loop_wall_ms(p->fleet->loop));
    s->learned.blind_until = 0; /* it is new: there is nothing that is not known */
    buf_init(&s->traffic, (size_t)2 * FLUSH_BYTES);
    s->seq = loop_wall_ms(p->fleet->loop);
    timer_init(p->fleet->loop, &s->flush, on_flush);
    p->scaling = s;
}

void scaling_free(struct pool *p)
{
    struct scaling *s = p->scaling;

    if (!s)
        return;
    timer_stop(&s->flush);
    buf_deinit(&s->traffic);
    free(s);
    p->scaling = NULL;
}

enum status scaling_restore(struct pool *p, struct error *err)
{
    struct store_learned_get op = { .deployment_id = p->id };
    enum status s = store_run(p->fleet->store, &op.op, &STORE_LEARNED_GET);
    int64_t now = loop_wall_ms(p->fleet->loop);

    if (s != STATUS_OK)
        *err = op.op.error;
    else if (op.data.p && !scale_learned_read(&p->scaling->learned, op.data, now))
        log_warning("what a deployment's scaling had learned cannot be read; it begins again",
                    LOG_S("deployment", p->name));
    else if (!op.data.p) /* of an older server: there may have been traffic all the same */
        scale_learned_init(&p->scaling->learned, now);
    store_op_deinit(&op.op);
    return s;
}

void scaling_set(struct pool *p, const char *settings)
{
    scale_settings_load(&p->scaling->settings, str_of(settings));
}

void scaling_flush_all(struct fleet *f)
{
    struct pool *p;

    for (size_t at = 0; map_next(&f->pools, &at, NULL, (void **)&p);)
        if (p->scaling && timer_armed(&p->scaling->flush))
            flush(p->scaling);
}

/* --- what happens --- */

void scaling_arrived(struct prediction *p)
{
    struct scaling *s = p->lane->pool->scaling;

    if (!s)
        return;
    scale_learn_arrival(&s->learned, loop_wall_ms(p->fleet->loop));
    changed(s);
}

static int64_t target(const struct scaling *s)
{
    return scale_target_ms(&s->settings, s->pool->min);
}

void scaling_started(struct prediction *p)
{
    struct scaling *s = p->lane->pool->scaling;

    p->dispatched_at = loop_wall_ms(p->fleet->loop);
    if (s && p->row.attempt == 0)
        scale_learn_wait(&s->learned, p->dispatched_at - p->waits_since, target(s));
}

void scaling_ended(struct prediction *p, enum prediction_status status)
{
    struct scaling *s = p->lane->pool->scaling;
    int64_t now = loop_wall_ms(p->fleet->loop);
    int64_t began = p->dispatched_at ? p->dispatched_at : p->row.started_at;
    int64_t waited = p->dispatched_at ? began - p->waits_since : began - p->row.created_at;
    struct scale_record r;

    if (!s || !began || !p->instance)
        return;
    r = (struct scale_record){
        .at = p->row.created_at,
        .wait_ms = (int32_t)MIN(MAX(waited, 0), INT32_MAX),
        .service_ms = (int32_t)MIN(MAX(now - began, 0), INT32_MAX),
        .release = (uint32_t)p->row.release,
        .slots = (uint16_t)MIN(MAX(p->lane->version->config.concurrency, 1), UINT16_MAX),
        .status = (uint16_t)status,
    };
    scale_record_write(&r, &s->traffic);
    s->traffic_until = MAX(s->traffic_until, r.at);
    scale_learn_service(&s->learned, r.service_ms);
    changed(s);
}

void scaling_booted(struct instance *in)
{
    struct scaling *s = in->lane->pool->scaling;

    if (!s)
        return;
    scale_learn_boot(&s->learned, in->ready_at - in->created_at);
    changed(s);
}

/* --- deciding --- */

/* Says so to whoever waits: nothing would change before the setting does. */
static void hold_unpaid(struct pool *p, const struct sku *sku)
{
    char limit[48], price[48];

    decimal_format(p->scaling->settings.max_cost_nano, 9, limit);
    decimal_format(sku->price_nano * 3600, 9, price);
    snprintf(
        p->held, sizeof(p->held),
        "max_cost_per_hour %.20s pays for no instance: one of %.50s costs %.20s for an hour. Raise "
        "it to go on.",
        limit, sku->sku, price);
}

void scaling_view(struct pool *p, struct scale_view *v, int64_t *out_change)
{
    struct scaling *s = p->scaling;
    const struct options *o = p->fleet->options;
    struct release *r = pool_current(p);
    int64_t max = p->max;

    *out_change = INT64_MAX;
    if (!s)
        return;
    if (r && r->lane->sku)
        max = scale_affordable(&s->settings, max, r->lane->sku->price_nano);
    v->learned = &s->learned;
    v->target_wait_ms = target(s);
    v->keep_alive_ms = s->settings.keep_alive_ms;
    if (v->keep_alive_ms == SCALE_NOT_SET)
        v->keep_alive_ms = o->idle_timeout_given ? o->idle_timeout : SCALE_KEEP_AUTO;
    v->max_cost_binds = max < p->max;
    s->is_unpaid = v->max_cost_binds && max < 1;
    s->told_unpaid = s->told_unpaid && s->is_unpaid;
    if (s->is_unpaid)
        hold_unpaid(p, r->lane->sku);
    v->max = (int)max;
    v->min = scale_schedule_min(&s->settings.schedule, v->min, v->now, out_change);
    v->min = MIN(v->min, v->max);
}

void scaling_learn(struct pool *p, const struct scale_view *v, const struct scale_plan *plan)
{
    struct scaling *s = p->scaling;

    if (!s)
        return;
    scale_learn_need(&s->learned, v->now, plan->needed);
    for (size_t i = 0; i < plan->n; i++)
        if (plan->actions[i].verb == SCALE_DRAIN)
            s->learned.stopped_at = v->now;
}

static void write_inputs(const struct scale_view *v, const struct scale_plan *plan, struct buf *out)
{
    const struct scale_need *n = &plan->need;
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_int(&w, "waiting", n->waiting);
    json_member_int(&w, "running", n->busy);
    json_member_int(&w, "min_instances", v->min);
    json_member_int(&w, "max_instances", v->max);
    json_member_double(&w, "target_wait", (double)v->target_wait_ms / 1000);
    json_member_double(&w, "arrivals_per_second", (double)(int64_t)(n->rate * 1e6) / 1e6);
    if (n->service_ms >= 0)
        json_member_double(&w, "service_seconds", (double)n->service_ms / 1000);
    if (n->boot_ms >= 0)
        json_member_double(&w, "boot_seconds", (double)n->boot_ms / 1000);
    if (n->waiting > 0 && n->starts_within_ms != INT64_MAX)
        json_member_double(&w, "would_start_within", (double)n->starts_within_ms / 1000);
    json_end_object(&w);
}

/* Nothing changes, and that is worth saying once. */
static bool leaves_waiting(const struct scaling *s, const struct scale_view *v)
{
    return s->is_unpaid && !s->told_unpaid && scale_waiting(v) > 0;
}

static void store_decision(struct pool *p, const struct decision_row *row)
{
    struct fleet *f = p->fleet;
    struct store_decision_add *op = xnew(struct store_decision_add);
    char id[ID_SIZE];

    tell_decision(p);
    id_make(&f->ids, row->at, id);
    log_info("scaling decided", LOG_S("deployment", p->name), LOG_S("what", row->sentence));
    op->deployment_id = store_keep(&op->op, str_of(p->id));
    op->keep = f->options->max_decisions;
    op->in = *row;
    op->in.id = store_keep(&op->op, str_of(id));
    op->in.sentence = store_keep(&op->op, str_of(row->sentence));
    op->in.inputs = store_keep(&op->op, str_of(row->inputs));
    store_start(f->store, &op->op, &STORE_DECISION_ADD, on_stored);
}

void scaling_store(struct pool *p, const struct scale_view *v, const struct scale_plan *plan)
{
    struct buf sentence CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct buf inputs CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct decision_row row;

    if (!p->scaling || p->is_deleted || (plan->n == 0 && !leaves_waiting(p->scaling, v)))
        return;
    p->scaling->told_unpaid = p->scaling->is_unpaid;
    scale_explain(v, plan, &sentence);
    write_inputs(v, plan, &inputs);
    row = (struct decision_row){
        .at = v->now,
        .before = plan->from,
        .after = plan->to,
        .cause = scale_cause_name(plan->n > 0 ? plan->actions[0].cause : SCALE_SINCE_DISABLED),
        .sentence = sentence.p,
        .inputs = inputs.p,
    };
    store_decision(p, &row);
}

void scaling_stopped(struct pool *p, int before, int after, const char *cause, const char *why)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    int64_t now = loop_wall_ms(p->fleet->loop);
    struct decision_row row = {
        .at = now,
        .before = before,
        .after = after,
        .cause = cause,
        .inputs = "{}",
    };

    if (!p->scaling || p->is_deleted)
        return;
    row.sentence = arena_printf(&a, "%d \xe2\x86\x92 %d: %s", before, after, why);
    p->scaling->learned.stopped_at = now;
    store_decision(p, &row);
}

int64_t scaling_weight(const struct pool *p)
{
    return p->scaling ? MAX(p->scaling->settings.weight, 1) : 1;
}

int64_t scaling_target_ms(const struct pool *p)
{
    return p->scaling ? target(p->scaling) : SCALE_TARGET_COLD_MS;
}

int64_t scaling_max_queue(const struct pool *p)
{
    int64_t own = p->scaling ? p->scaling->settings.max_queue : SCALE_NOT_SET;

    return own >= 0 ? own : p->fleet->options->max_queue;
}
