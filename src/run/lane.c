/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of a lane, and the matching of what waits with free slots. */
#include "base/log.h"
#include "base/mem.h"
#include "run/fleet.h"
#include "run/scaling.h"

#include <assert.h>
#include <stdlib.h>

void lane_push(struct lane *l, struct prediction *p, bool at_head)
{
    assert(!p->is_queued && !p->instance);
    p->is_queued = true;
    p->queue_at = queue_join(&l->line, at_head);
    if (p->waits_since == 0)
        p->waits_since = MIN(p->row.created_at, loop_wall_ms(p->fleet->loop));
    metrics_queue(l->pool, 1);
    if (at_head)
        list_push_front(&l->queue, &p->node);
    else
        list_push(&l->queue, &p->node);
    pool_wake(l->pool);
}

void lane_take(struct prediction *p)
{
    struct lane *l = p->lane;

    if (!p->is_queued)
        return;
    list_remove(&p->node);
    p->is_queued = false;
    queue_leave(&l->line, p->queue_at);
    metrics_queue(l->pool, -1);
}

struct instance *lane_free_instance(const struct lane *l)
{
    int slots = (int)MAX(l->version->config.concurrency, 1);
    struct instance *best = NULL, *in;

    list_each (&l->instances, in, struct instance, node)
        if (in->state == INSTANCE_READY &&
            queue_prefers(in->in_flight + in->n_copies, slots,
                          best ? best->in_flight + best->n_copies : -1))
            best = in;
    return best;
}

void lane_dispatch(struct lane *l)
{
    struct instance *in = lane_free_instance(l);
    struct prediction *p;
    int waiting = 0;

    if (l->pool->fleet->is_stopping)
        return;
    list_each (&l->queue, p, struct prediction, node) {
        enum queue_turn turn = queue_turn(prediction_prepare(p), in != NULL, &waiting);

        if (turn == QUEUE_ENOUGH)
            break;
        if (turn == QUEUE_WAITS)
            continue;
        lane_take(p);
        scaling_started(p);
        prediction_begin(p, in);
        in = lane_free_instance(l);
    }
}

/* What waits runs elsewhere; an input that the other version does not take ends with the reason. */
bool prediction_input_fits(struct prediction *p, const struct version *v)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    const char *text = p->secret_input ? p->secret_input : p->input;
    struct json *input;
    struct error err;

    if (!text)
        return true;
    if (json_parse(&a, str_of(text), NULL, &input, &err) != STATUS_OK)
        return false;
    return input_validate(v->schema, &a, input) == NULL;
}

static void on_rebound(struct store_op *op)
{
    if (op->status != STATUS_OK && op->status != STATUS_CONFLICT)
        log_error("a move to another release could not be stored", LOG_ERR(&op->error));
    store_op_deinit(op);
    free(op);
}

static void rebind(struct prediction *p, struct release *r, struct lane *to)
{
    struct store_prediction_rebind *op = xnew(struct store_prediction_rebind);

    lane_take(p);
    p->is_rebound = p->is_rebound || p->lane->version != to->version;
    if (p->lane->version != to->version)
        prediction_unprepare(p);
    p->lane->refs--;
    p->lane = to;
    to->refs++;
    p->row.release = r->number;
    p->row.version = arena_copy(&p->arena, str_of(to->version->id));
    op->id = store_keep(&op->op, str_of(p->id));
    op->release = r->number;
    op->version = store_keep(&op->op, str_of(to->version->id));
    store_start(p->fleet->store, &op->op, &STORE_PREDICTION_REBIND, on_rebound);
    lane_push(to, p, false);
}

void lane_move_queue(struct lane *from, struct release *to_release, struct lane *to)
{
    struct prediction *p;

    if (from == to)
        return;
    list_each (&from->queue, p, struct prediction, node) {
        if (prediction_input_fits(p, to->version))
            rebind(p, to_release, to);
        else
            prediction_end(p, PREDICTION_FAILED, PREDICTION_MISFIT);
    }
}

void lane_fail_queue(struct lane *l, const char *error)
{
    char text[4096];
    struct prediction *p;

    snprintf(text, sizeof(text), "The model could not be set up. %s", error ? error : "");
    list_each (&l->queue, p, struct prediction, node)
        prediction_end(p, PREDICTION_FAILED, text);
}

void lane_hold(struct lane *l)
{
    l->refs++;
}

void lane_release(struct lane *l)
{
    l->refs--;
    pool_wake(l->pool);
}
