/* SPDX-License-Identifier: Apache-2.0 */
#include "run/meter.h"

#include "base/log.h"
#include "base/mem.h"
#include "run/fleet.h"

#include <stdlib.h>

enum { FLUSH_EVERY_MS = 15000 };

#define MOST_COST ((__int128)9000000000000000000)

struct meter_op {
    struct list node;
    struct store_ledger_add op;
    struct fleet *fleet;
};

/* --- writing --- */

static void send_op(struct meter_op *o);

static void on_written(struct store_op *op)
{
    struct meter_op *o = container_of(op, struct meter_op, op.op);

    if (op->status != STATUS_OK) {
        log_error("the ledger could not be written; it is tried again", LOG_ERR(&op->error));
        op->status = STATUS_OK;
        list_push(&o->fleet->meters.failed, &o->node);
        return;
    }
    store_op_deinit(op);
    free(o);
}

static void send_op(struct meter_op *o)
{
    store_start(o->fleet->store, &o->op.op, &STORE_LEDGER_ADD, on_written);
}

static struct meter_op *op_new(struct fleet *f)
{
    struct meter_op *o = xnew(struct meter_op);

    list_init(&o->node);
    o->fleet = f;
    return o;
}

static void make_room(struct arena *a, struct ledger_batch *b, size_t rows, size_t charges)
{
    b->rows = arena_array(a, struct ledger_row, rows + 1);
    b->counted = arena_array(a, struct ledger_counted, 1);
    b->charges = arena_array(a, struct ledger_charge, charges + 1);
}

/* Which release an instance works for: the newest of its lane. */
static int64_t release_of(const struct lane *l)
{
    struct release *r;

    list_each (&l->pool->releases, r, struct release, node)
        if (r->lane == l)
            return r->number;
    return 0;
}

/* The texts of the row are kept in the operation. */
static void add_rows(struct store_op *op, struct ledger_batch *b, const struct instance *in,
                     int64_t release, const struct ledger_tally *t)
{
    const char *pool = store_keep(op, str_of(in->lane->pool->id));
    const char *hardware = store_keep(op, str_of(in->lane->sku_name));

    for (size_t i = 0; i < t->n; i++)
        b->rows[b->n++] = (struct ledger_row){
            .pool_id = pool,
            .release = release,
            .hardware = hardware,
            .piece = t->pieces[i],
        };
    if (b->n_counted == 0)
        b->counted[b->n_counted++] = (struct ledger_counted){
            .instance_id = store_keep(op, str_of(in->id)),
            .price_nano = in->meter.ledger.price_nano,
        };
    b->counted[0].ms += ledger_tally_ms(t);
}

/* Moves a prediction's share into a batch, and adds it to what the prediction says of itself. */
static struct ledger_charge take_share(struct prediction *p, struct store_op *op,
                                       struct ledger_batch *b)
{
    struct ledger_charge c = {
        .ms = ledger_tally_ms(&p->share),
        .cost = (int64_t)MIN(ledger_tally_amount(&p->share), MOST_COST),
    };

    add_rows(op, b, p->instance, p->row.release, &p->share);
    p->share.n = 0;
    p->row.active_ms += c.ms;
    p->row.cost = (int64_t)MIN((__int128)p->row.cost + c.cost, MOST_COST);
    return c;
}

static void charge(struct prediction *p, struct store_op *op, struct ledger_batch *b)
{
    struct ledger_charge c;

    if (p->share.n == 0)
        return;
    c = take_share(p, op, b);
    c.prediction_id = store_keep(op, str_of(p->id));
    b->charges[b->n_charges++] = c;
}

/* What it was counted as is remembered while it may turn out to be a failed boot. */
static void remember_setup(struct instance *in)
{
    for (size_t i = 0; !in->was_ready && i < in->meter.own.n; i++)
        if (in->meter.own.pieces[i].kind == LEDGER_SETUP)
            ledger_tally_add(&in->meter.setup, &in->meter.own.pieces[i]);
}

static void flush_instance(struct instance *in)
{
    struct meter_op *o;
    struct prediction *p;
    size_t rows = in->meter.own.n, charges = 0;

    list_each (&in->runs, p, struct prediction, run_node) {
        rows += p->share.n;
        charges++;
    }
    if (rows == 0)
        return;
    o = op_new(in->fleet);
    make_room(&o->op.op.arena, &o->op.batch, rows, charges);
    remember_setup(in);
    add_rows(&o->op.op, &o->op.batch, in,
             in->was_ready ? release_of(in->lane) : in->meter.booted_for, &in->meter.own);
    in->meter.own.n = 0;
    list_each (&in->runs, p, struct prediction, run_node)
        charge(p, &o->op.op, &o->op.batch);
    send_op(o);
}

static bool belongs_to(const struct instance *in, const char *id)
{
    const struct pool *p = in->lane->pool;

    return !id || strcmp(p->id, id) == 0 || strcmp(p->owner_id, id) == 0;
}

void meters_retry(struct fleet *f)
{
    struct list again = LIST_INIT(again);
    struct meter_op *o;

    while (!list_empty(&f->meters.failed)) {
        struct list *node = list_first(&f->meters.failed);

        list_remove(node);
        list_push(&again, node);
    }
    list_each (&again, o, struct meter_op, node) {
        list_remove(&o->node);
        send_op(o);
    }
}

void meters_flush_of(struct fleet *f, const char *id)
{
    struct instance *in;

    meters_retry(f);
    for (size_t at = 0; map_next(&f->instances, &at, NULL, (void **)&in);) {
        if (!belongs_to(in, id))
            continue;
        meter_count(in);
        flush_instance(in);
    }
}

void meters_flush(struct fleet *f)
{
    meters_flush_of(f, NULL);
}

static void on_tick(struct timer *t)
{
    struct fleet *f = container_of(t, struct fleet, meters.tick);

    meters_flush(f);
    if (f->instances.n > 0 || !list_empty(&f->meters.failed))
        timer_start(t, FLUSH_EVERY_MS);
}

static void keep_ticking(struct fleet *f)
{
    if (!timer_armed(&f->meters.tick))
        timer_start(&f->meters.tick, FLUSH_EVERY_MS);
}

void meters_init(struct fleet *f)
{
    timer_init(f->loop, &f->meters.tick, on_tick);
    list_init(&f->meters.failed);
}

void meters_deinit(struct fleet *f)
{
    struct meter_op *o;

    timer_stop(&f->meters.tick);
    list_each (&f->meters.failed, o, struct meter_op, node) {
        list_remove(&o->node);
        store_op_deinit(&o->op.op);
        free(o);
    }
}

/* --- counting --- */

static enum ledger_kind kind_of(const struct instance *in)
{
    if (!in->was_ready && in->setup_error)
        return LEDGER_FAILED;
    if (in->state == INSTANCE_STOPPING || in->state == INSTANCE_DRAINING)
        return LEDGER_DRAIN;
    return in->was_ready ? LEDGER_IDLE : LEDGER_SETUP;
}

enum ledger_kind meter_kind(const struct instance *in)
{
    return list_empty(&in->runs) ? kind_of(in) : LEDGER_ACTIVE;
}

static void count_until(struct instance *in, int64_t now, int64_t wall)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct ledger_tally *few[16], **shares = few;
    struct prediction *p;
    size_t n = 0;

    if (in->in_flight > (int)ARRAY_SIZE(few))
        shares = arena_array(&a, struct ledger_tally *, (size_t)in->in_flight);
    list_each (&in->runs, p, struct prediction, run_node)
        shares[n++] = &p->share;
    budget_spend(in->lane->pool, in->meter.ledger.price_nano, now - in->meter.ledger.at);
    if (in->meter.state == METER_RUNS)
        metrics_time(in, in->meter.ledger.price_nano, now - in->meter.ledger.at);
    ledger_meter_count(&in->meter.ledger, now, wall, kind_of(in), &in->meter.own, shares, n);
}

void meter_count(struct instance *in)
{
    struct loop *l = in->fleet->loop;

    if (in->meter.state == METER_RUNS)
        count_until(in, loop_now_ms(l), loop_wall_ms(l));
}

static int64_t price_now(const struct instance *in)
{
    return in->lane->sku ? in->lane->sku->price_nano : in->meter.ledger.price_nano;
}

void meter_begin(struct instance *in)
{
    in->meter.ledger = (struct ledger_meter){
        .at = loop_now_ms(in->fleet->loop),
        .price_nano = price_now(in),
    };
    in->meter.booted_for = release_of(in->lane);
    in->meter.state = METER_RUNS;
    keep_ticking(in->fleet);
}

void meter_recover(struct instance *in, const struct instance_row *row)
{
    in->meter.ledger = (struct ledger_meter){
        .price_nano = row->price_nano,
        .counted_ms = row->metered_ms,
    };
    in->meter.booted_for = row->release;
    if (row->price_nano < 0)
        in->meter.ledger.price_nano = in->lane->sku ? in->lane->sku->price_nano : 0;
    keep_ticking(in->fleet);
}

/* Up to where the ledger has its time (wall ms). */
static int64_t position(const struct instance *in)
{
    return in->created_at + in->meter.ledger.counted_ms;
}

/* The time since the last server wrote: at the price of then, and up to `until` only. */
static void count_gap(struct instance *in, int64_t until)
{
    int64_t now = loop_now_ms(in->fleet->loop), gap = MAX(until - position(in), 0);

    in->meter.ledger.at = now - gap;
    count_until(in, now, position(in) + gap);
    in->meter.ledger.price_nano = price_now(in);
    in->meter.state = METER_RUNS;
}

void meter_found(struct instance *in)
{
    if (in->meter.state == METER_LOST)
        count_gap(in, loop_wall_ms(in->fleet->loop));
}

static void make_failed(struct instance *in)
{
    struct meter *m = &in->meter;
    struct ledger_tally counted = { 0 };

    for (size_t i = 0; i < m->own.n; i++) {
        m->own.pieces[i].kind = LEDGER_FAILED;
        ledger_tally_add(&counted, &m->own.pieces[i]);
    }
    m->own.n = 0;
    ledger_tally_move(&m->own, &counted);
    ledger_tally_deinit(&counted);
    for (size_t i = 0; i < m->setup.n; i++) {
        struct ledger_piece p = m->setup.pieces[i];

        p.ms = -p.ms;
        ledger_tally_add(&m->own, &p);
        p.ms = -p.ms;
        p.kind = LEDGER_FAILED;
        ledger_tally_add(&m->own, &p);
    }
    m->setup.n = 0;
}

int64_t meter_end(struct instance *in, const struct exit_info *how, bool is_failed_boot)
{
    int64_t ended_at = loop_wall_ms(in->fleet->loop);

    if (in->meter.state == METER_LOST) {
        /* Nobody looked: what nobody recorded is not charged. */
        ended_at = how->ended_at ? MIN(how->ended_at, ended_at) : position(in);
        ended_at = MAX(ended_at, position(in));
        count_gap(in, ended_at);
    } else {
        meter_count(in);
    }
    in->meter.state = METER_OVER;
    if (is_failed_boot)
        make_failed(in);
    flush_instance(in);
    return ended_at;
}

void meter_free(struct instance *in)
{
    ledger_tally_deinit(&in->meter.own);
    ledger_tally_deinit(&in->meter.setup);
}

int64_t meter_abandon(struct fleet *f, const struct instance_row *row)
{
    int64_t from = row->created_at + row->metered_ms, now = loop_wall_ms(f->loop);
    struct ledger_tally t = { 0 };
    struct store_ledger_add op = { 0 };

    /* Without a handle nobody knows whether it was ever started. */
    if (!row->handle.n || now <= from)
        return from;
    ledger_tally_span(&t, from, now, row->ready_at ? LEDGER_DRAIN : LEDGER_SETUP,
                      MAX(row->price_nano, 0));
    make_room(&op.op.arena, &op.batch, t.n, 0);
    for (size_t i = 0; i < t.n; i++)
        op.batch.rows[op.batch.n++] = (struct ledger_row){
            .pool_id = row->pool_id,
            .release = row->pool_is_model ? 0 : row->release,
            .hardware = row->hardware,
            .piece = t.pieces[i],
        };
    op.batch.counted[op.batch.n_counted++] = (struct ledger_counted){
        .instance_id = row->id,
        .ms = ledger_tally_ms(&t),
        .price_nano = MAX(row->price_nano, 0),
    };
    if (store_run(f->store, &op.op, &STORE_LEDGER_ADD) != STATUS_OK)
        log_error("the end of an instance could not be written to the ledger",
                  LOG_S("instance", row->id), LOG_ERR(&op.op.error));
    store_op_deinit(&op.op);
    ledger_tally_deinit(&t);
    return now;
}

/* --- predictions --- */

void meter_bill(struct prediction *p, struct store_prediction_end *op)
{
    struct ledger_charge c;

    if (!p->instance)
        return;
    meter_found(p->instance);
    meter_count(p->instance);
    if (p->share.n == 0)
        return;
    make_room(&op->op.arena, &op->ledger, p->share.n, 0);
    c = take_share(p, &op->op, &op->ledger);
    op->active_ms = c.ms;
    op->cost = c.cost;
}

void meter_unbill(struct fleet *f, struct store_prediction_end *op)
{
    struct ledger_batch *b = &op->ledger;
    struct meter_op *o;

    if (b->n == 0)
        return;
    o = op_new(f);
    make_room(&o->op.op.arena, &o->op.batch, b->n, 1);
    for (size_t i = 0; i < b->n; i++) {
        struct ledger_row row = b->rows[i];

        row.pool_id = store_keep(&o->op.op, str_of(row.pool_id));
        row.hardware = store_keep(&o->op.op, str_of(row.hardware));
        o->op.batch.rows[o->op.batch.n++] = row;
    }
    o->op.batch.counted[0] = b->counted[0];
    o->op.batch.counted[0].instance_id = store_keep(&o->op.op, str_of(b->counted[0].instance_id));
    o->op.batch.n_counted = 1;
    o->op.batch.charges[0] = (struct ledger_charge){
        .prediction_id = store_keep(&o->op.op, str_of(op->id)),
        .ms = op->active_ms,
        .cost = op->cost,
    };
    o->op.batch.n_charges = 1;
    *b = (struct ledger_batch){ 0 };
    op->active_ms = op->cost = 0;
    send_op(o);
}

void meter_leave(struct prediction *p)
{
    struct meter_op *o;

    meter_count(p->instance);
    if (p->share.n == 0)
        return;
    o = op_new(p->fleet);
    make_room(&o->op.op.arena, &o->op.batch, p->share.n, 1);
    charge(p, &o->op.op, &o->op.batch);
    send_op(o);
}
