/* SPDX-License-Identifier: Apache-2.0 */
#include "run/metrics.h"

#include "base/log.h"
#include "base/mem.h"
#include "run/fleet.h"
#include "store/metric.h"

#include <stdlib.h>

enum { KEEP_EVERY_MS = 60000, VERSION = 2, DAY_MS = 86400000 };

struct metrics {
    struct fleet *fleet;
    struct timer timer;
};

/* What is kept of a step. */
struct kept {
    int32_t version, size;
    struct series_step step;
};

static const double SECONDS[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,  1,    2.5, 5,
                                  10,    30,   60,    120,  300, 600,  1800, 3600, 7200 };

struct pool_metrics *pool_metrics_new(void)
{
    struct pool_metrics *m = xnew(struct pool_metrics);

    histogram_init(&m->latency, SECONDS, ARRAY_SIZE(SECONDS));
    histogram_init(&m->wait, SECONDS, ARRAY_SIZE(SECONDS));
    histogram_init(&m->run, SECONDS, ARRAY_SIZE(SECONDS));
    histogram_init(&m->boot, SECONDS, ARRAY_SIZE(SECONDS));
    return m;
}

void pool_metrics_free(struct pool_metrics *m)
{
    if (!m)
        return;
    series_deinit(&m->series);
    free(m);
}

/* --- counting --- */

/* The steps of now, one of each ring; false when nothing is counted. */
static bool steps_now(struct pool *p, struct series_step *out[SERIES_RINGS])
{
    int64_t now = loop_wall_ms(p->fleet->loop);

    if (!p->fleet->metrics)
        return false;
    if (!p->metrics)
        p->metrics = pool_metrics_new();
    for (int r = 0; r < SERIES_RINGS; r++)
        out[r] = series_now(&p->metrics->series, (enum series_ring)r, now);
    return true;
}

void metrics_created(struct pool *p)
{
    struct series_step *s[SERIES_RINGS];

    if (!steps_now(p, s))
        return;
    p->metrics->created++;
    for (int r = 0; r < SERIES_RINGS; r++)
        s[r]->created++;
}

void metrics_queue(struct pool *p, int change)
{
    struct series_step *s[SERIES_RINGS];
    int64_t now = loop_now_ms(p->fleet->loop);
    struct pool_metrics *m;

    if (!steps_now(p, s))
        return;
    m = p->metrics;
    for (int r = 0; r < SERIES_RINGS; r++) {
        s[r]->queue_ms += m->n_queue * (now - m->queue_since);
        s[r]->queue_most = MAX(s[r]->queue_most, (uint32_t)MAX(m->n_queue + change, m->n_queue));
    }
    m->n_queue += change;
    m->queue_since = now;
}

void metrics_started(struct prediction *p, const struct instance *in)
{
    struct pool *pool = p->lane->pool;
    int64_t wait = MAX(loop_wall_ms(p->fleet->loop) - p->row.created_at, 0);
    bool is_cold = in->ready_at > p->row.created_at;
    struct series_step *s[SERIES_RINGS];

    if (!steps_now(pool, s))
        return;
    histogram_observe(&pool->metrics->wait, (double)wait / 1000);
    pool->metrics->cold_starts += is_cold;
    for (int r = 0; r < SERIES_RINGS; r++) {
        spread_add(&s[r]->wait, wait);
        s[r]->cold_starts += is_cold;
    }
}

void metrics_ended(struct prediction *p)
{
    const struct prediction_row *row = &p->row;
    struct pool *pool = p->lane->pool;
    int64_t latency = MAX(row->completed_at - row->created_at, 0);
    bool ran = row->status == PREDICTION_SUCCEEDED && row->predict_time >= 0;
    struct series_step *s[SERIES_RINGS];

    if (!steps_now(pool, s))
        return;
    pool->metrics->ended[row->status]++;
    histogram_observe(&pool->metrics->latency, (double)latency / 1000);
    if (ran)
        histogram_observe(&pool->metrics->run, row->predict_time);
    for (int r = 0; r < SERIES_RINGS; r++) {
        s[r]->ended[row->status]++;
        spread_add(&s[r]->latency, latency);
        if (ran)
            spread_add(&s[r]->run, (int64_t)(row->predict_time * 1000));
    }
}

void metrics_boot(struct pool *p)
{
    struct series_step *s[SERIES_RINGS];

    if (!steps_now(p, s))
        return;
    p->metrics->boots++;
    for (int r = 0; r < SERIES_RINGS; r++)
        s[r]->boots++;
}

void metrics_boot_ended(struct instance *in, bool is_ready)
{
    struct pool *p = in->lane->pool;
    struct series_step *s[SERIES_RINGS];

    if (!steps_now(p, s))
        return;
    if (is_ready) {
        histogram_observe(&p->metrics->boot, (double)(in->ready_at - in->created_at) / 1000);
        return;
    }
    p->metrics->failed_boots++;
    for (int r = 0; r < SERIES_RINGS; r++)
        s[r]->failed_boots++;
}

enum series_state metrics_state(const struct instance *in)
{
    if (in->state == INSTANCE_BOOTING)
        return SERIES_SETUP;
    if (in->state != INSTANCE_READY)
        return SERIES_DRAINING;
    return in->in_flight > 0 ? SERIES_ACTIVE : SERIES_IDLE;
}

void metrics_time(const struct instance *in, int64_t price_nano, int64_t ms)
{
    struct pool *p = in->lane->pool;
    struct series_step *s[SERIES_RINGS];

    if (ms <= 0 || !steps_now(p, s))
        return;
    p->metrics->kind_ms[meter_kind(in)] += ms;
    p->metrics->cost += (__int128)ms * price_nano;
    for (int r = 0; r < SERIES_RINGS; r++) {
        s[r]->state_ms[metrics_state(in)] += ms;
        s[r]->cost += (int64_t)MIN((__int128)ms * price_nano, (__int128)INT64_MAX - s[r]->cost);
    }
}

void metrics_settle(struct fleet *f)
{
    struct pool *p;

    meters_flush(f);
    for (size_t at = 0; map_next(&f->pools, &at, NULL, (void **)&p);)
        if (p->metrics)
            metrics_queue(p, 0);
}

/* --- keeping --- */

static void on_kept(struct store_op *op)
{
    if (op->status != STATUS_OK)
        log_warning("metrics could not be kept", LOG_ERR(&op->error));
    store_op_deinit(op);
    free(op);
}

static void keep_step(struct store_metric_put *op, const struct pool *p, enum series_ring ring,
                      const struct series_step *step)
{
    struct kept k = { .version = VERSION, .size = sizeof(k), .step = *step };
    struct str bytes = str_make((const char *)&k, sizeof(k));

    op->rows[op->n++] = (struct metric_row){
        .pool_id = store_keep(&op->op, str_of(p->id)),
        .ring = ring,
        .place = (step->start / series_step_ms(ring)) % (int64_t)series_length(ring),
        .start = step->start,
        .data = str_make(store_keep(&op->op, bytes), bytes.n),
    };
}

/* The step of now, and the one before, which may have ended since the last time. */
static void keep_pool(struct fleet *f, const struct pool *p)
{
    struct store_metric_put *op = xnew(struct store_metric_put);
    int64_t now = loop_wall_ms(f->loop);

    op->rows = arena_array(&op->op.arena, struct metric_row, 2 * SERIES_RINGS);
    for (int r = 0; r < SERIES_RINGS; r++) {
        for (size_t ago = 0; ago < 2; ago++) {
            const struct series_step *s =
                series_back(&p->metrics->series, (enum series_ring)r, now, ago);

            if (s)
                keep_step(op, p, (enum series_ring)r, s);
        }
    }
    if (op->n > 0) {
        store_start(f->store, &op->op, &STORE_METRIC_PUT, on_kept);
        return;
    }
    store_op_deinit(&op->op);
    free(op);
}

static void keep(struct fleet *f)
{
    struct pool *p;

    metrics_settle(f);
    for (size_t at = 0; map_next(&f->pools, &at, NULL, (void **)&p);)
        if (p->metrics && !p->is_deleted)
            keep_pool(f, p);
}

/* At the end of each minute, so that its step holds what was spent in it. */
static void arm(struct metrics *m)
{
    int64_t wall = loop_wall_ms(m->fleet->loop), left = KEEP_EVERY_MS - wall % KEEP_EVERY_MS;

    timer_start(&m->timer, left > 1 ? left - 1 : left + KEEP_EVERY_MS - 1);
}

static void on_timer(struct timer *t)
{
    struct metrics *m = container_of(t, struct metrics, timer);

    keep(m->fleet);
    arm(m);
}

static void load_pool(struct fleet *f, struct pool *p)
{
    struct store_metric_load op = { .pool_id = p->id };
    int64_t now = loop_wall_ms(f->loop);

    if (store_run(f->store, &op.op, &STORE_METRIC_LOAD) != STATUS_OK)
        log_warning("kept metrics could not be read", LOG_S("pool", p->name),
                    LOG_ERR(&op.op.error));
    for (size_t i = 0; i < op.n; i++) {
        struct kept k;

        if (op.rows[i].data.n != sizeof(k) || op.rows[i].ring < 0 ||
            op.rows[i].ring >= SERIES_RINGS)
            continue;
        memcpy(&k, op.rows[i].data.p, sizeof(k));
        if (k.version != VERSION || k.size != (int32_t)sizeof(k))
            continue;
        if (!p->metrics)
            p->metrics = pool_metrics_new();
        series_restore(&p->metrics->series, (enum series_ring)op.rows[i].ring, now, &k.step);
    }
    store_op_deinit(&op.op);
}

static void purge(struct fleet *f)
{
    struct store_metric_purge op = { .before = loop_wall_ms(f->loop) - DAY_MS };

    if (store_run(f->store, &op.op, &STORE_METRIC_PURGE) != STATUS_OK)
        log_warning("old metrics could not be removed", LOG_ERR(&op.op.error));
    store_op_deinit(&op.op);
}

/* What waited before there were metrics. */
static void count_queue(struct pool *p)
{
    struct lane *l;

    list_each (&p->lanes, l, struct lane, node)
        if (l->line.n > 0)
            metrics_queue(p, l->line.n);
}

struct metrics *metrics_new(struct fleet *f)
{
    struct metrics *m = xnew(struct metrics);
    struct pool *p;

    m->fleet = f;
    timer_init(f->loop, &m->timer, on_timer);
    f->metrics = m;
    purge(f);
    for (size_t at = 0; map_next(&f->pools, &at, NULL, (void **)&p);) {
        load_pool(f, p);
        count_queue(p);
    }
    arm(m);
    return m;
}

void metrics_stop(struct metrics *m)
{
    if (!m)
        return;
    timer_stop(&m->timer);
    keep(m->fleet);
    m->fleet->metrics = NULL;
}

void metrics_free(struct metrics *m)
{
    free(m);
}
