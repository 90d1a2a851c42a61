/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sweep.h"

#include "base/log.h"
#include "base/mem.h"
#include "core/ledger.h"
#include "store/ledger.h"
#include "store/retention.h"

#include <stdlib.h>

enum {
    BATCH = 200,               /* rows in one transaction: others wait for no longer */
    FOLD_BATCH = 8,            /* days of a pool in the ledger: about as many rows */
    KEY_MS = 24 * 3600 * 1000, /* how long a request can be repeated under its key */
    LEAST_MS = 100,
    MOST_MS = 600000,
    RETRY_MS = 10000,
};

struct sweep {
    struct loop *loop;
    struct store *store;
    const struct options *options;
    struct timer timer;
    struct store_sweep op;
    struct store_ledger_fold fold;
    int64_t folded_before; /* the ledger's hours before it are put together */
    int64_t pause_ms;      /* after the fold */
    bool is_stopping;
};

/* What ends from now on is not due before the retention has passed; a step of the clock is noticed
 * by and by. */
static int64_t pause(const struct sweep *w, int64_t next_ended_at)
{
    int64_t retention = w->options->retention, ms = retention ? retention : MOST_MS;

    if (next_ended_at)
        ms = next_ended_at + retention - loop_wall_ms(w->loop);
    return MIN(MAX(ms, (int64_t)LEAST_MS), (int64_t)MOST_MS);
}

static void on_folded(struct store_op *op)
{
    struct sweep *w = container_of(op, struct sweep, fold.op);
    bool is_ok = op->status == STATUS_OK, more = is_ok && w->fold.n == w->fold.limit;

    if (!is_ok)
        log_error("the ledger's old hours could not be put together; it is tried again",
                  LOG_ERR(&op->error));
    else if (!more)
        w->folded_before = w->fold.before;
    store_op_deinit(op);
    w->fold = (struct store_ledger_fold){ 0 };
    if (!w->is_stopping)
        timer_start(&w->timer, more ? 0 : w->pause_ms);
}

/* Once a day there is something to do. False: not now. */
static bool fold_ledger(struct sweep *w)
{
    int64_t before = ledger_first_hour(loop_wall_ms(w->loop), w->options->ledger_hours);

    if (before <= w->folded_before)
        return false;
    w->fold.before = before;
    w->fold.limit = FOLD_BATCH;
    store_start(w->store, &w->fold.op, &STORE_LEDGER_FOLD, on_folded);
    return true;
}

static void on_swept(struct store_op *op)
{
    struct sweep *w = container_of(op, struct sweep, op.op);
    int64_t ms = RETRY_MS;

    if (op->status != STATUS_OK) {
        log_error("what is too old could not be erased; it is tried again", LOG_ERR(&op->error));
    } else {
        if (w->op.n)
            log_info("predictions' data was erased", LOG_I("n", w->op.n));
        ms = w->op.n_seen == BATCH || w->op.n_keys == BATCH ? 0 : pause(w, w->op.next_ended_at);
    }
    store_op_deinit(op);
    w->op = (struct store_sweep){ 0 };
    w->pause_ms = ms;
    if (!w->is_stopping && !fold_ledger(w))
        timer_start(&w->timer, ms);
}

static void on_timer(struct timer *t)
{
    struct sweep *w = container_of(t, struct sweep, timer);
    int64_t now = loop_wall_ms(w->loop);

    w->op.ended_before = w->options->retention ? now - w->options->retention : 0;
    w->op.keys_before = now - KEY_MS;
    w->op.limit = BATCH;
    store_start(w->store, &w->op.op, &STORE_SWEEP, on_swept);
}

struct sweep *sweep_new(struct loop *l, struct store *s, const struct options *o)
{
    struct sweep *w = xnew(struct sweep);

    w->loop = l;
    w->store = s;
    w->options = o;
    timer_init(l, &w->timer, on_timer);
    timer_start(&w->timer, 0);
    return w;
}

void sweep_stop(struct sweep *w)
{
    if (!w)
        return;
    w->is_stopping = true;
    timer_stop(&w->timer);
}

void sweep_free(struct sweep *w)
{
    free(w);
}
