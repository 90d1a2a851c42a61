/* SPDX-License-Identifier: Apache-2.0 */
/* One lot at a time: what has come is copied, its files are stored on another thread, their rows
 * are recorded, and it is told. What comes meanwhile is the next lot. */
#include "run/live_output.h"

#include "base/log.h"
#include "base/mem.h"
#include "run/output_file.h"
#include "run/prediction_impl.h"

#include <stdlib.h>

struct live_output {
    struct lot *lot; /* on its way; NULL: none */
    size_t taken;    /* of the run's pieces, in bytes: told, or in the lot */
    size_t at;       /* of these: told */
    struct buf told, rest;
    size_t n_found; /* files so far */
    struct output_told files;
    bool has_given_up;
    void (*idle)(void *arg);
    void *idle_arg;
};

struct lot {
    struct store_prediction_files op; /* its arena is the lot's */
    struct prediction *p;
    struct live_output *live;
    bool is_void;      /* its attempt is over: `live` is ours alone, and freed with us */
    struct lane *lane; /* held, for its schema */
    struct str output; /* as it is told, in brackets */
    size_t n_found;
};

/* --- the files that were told --- */

static bool tells_files(const struct prediction *p)
{
    const struct version *v = p->lane->version;
    const struct output_facts *facts = &v->output;

    return p->fleet->files && !v->trains && facts->is_array && facts->files_listed;
}

void live_output_open(struct prediction *p)
{
    if (p->live || !tells_files(p))
        return;
    p->live = xnew(struct live_output);
    buf_init(&p->live->told, BUF_UNBOUNDED);
    buf_init(&p->live->rest, BUF_UNBOUNDED);
}

void live_output_load(struct prediction *p)
{
    struct store_file_of_prediction op = { .prediction_id = p->id };

    live_output_open(p);
    if (!p->live)
        return;
    if (store_run(p->fleet->store, &op.op, &STORE_FILE_OF_PREDICTION) == STATUS_OK)
        for (size_t i = 0; i < op.n; i++)
            output_told_add(&p->live->files, p->row.base_url, &op.rows[i], false);
    else
        log_warning("the files of a prediction could not be listed", LOG_S("prediction", p->id),
                    LOG_ERR(&op.op.error));
    store_op_deinit(&op.op);
}

static void live_free(struct live_output *l)
{
    output_told_deinit(&l->files);
    buf_deinit(&l->told);
    buf_deinit(&l->rest);
    free(l);
}

void live_output_close(struct prediction *p)
{
    struct live_output *l = TAKE(p->live);

    if (!l)
        return;
    if (l->lot)
        l->lot->is_void = true;
    else
        live_free(l);
}

/* --- a lot --- */

static void lot_over(struct lot *lot, bool was_told)
{
    struct live_output *l = lot->live;
    struct prediction *p = lot->p;
    bool is_void = lot->is_void;

    lane_release(lot->lane);
    store_op_deinit(&lot->op.op);
    free(lot);
    if (is_void) {
        live_free(l);
    } else {
        void (*idle)(void *arg) = TAKE(l->idle);

        l->lot = NULL;
        l->has_given_up = l->has_given_up || !was_told;
        if (idle)
            idle(l->idle_arg);
        else if (was_told)
            live_output_more(p);
    }
    prediction_unref(p);
}

static void forget_blobs(struct lot *lot)
{
    for (size_t i = 0; i < lot->op.n_files; i++)
        blobs_remove(lot->p->fleet->files->blobs, &lot->op.files[i].id, 1, NULL, NULL);
}

static void tell(struct lot *lot)
{
    struct live_output *l = lot->live;
    struct prediction *p = lot->p;
    struct str inner = str_make(lot->output.p + 1, lot->output.n - 2);

    for (size_t i = 0; i < lot->op.n_files; i++)
        output_told_add(&l->files, p->row.base_url, &lot->op.files[i], true);
    if (l->told.n > 0)
        buf_addc(&l->told, ',');
    buf_add_str(&l->told, inner);
    l->at = l->taken;
    l->n_found += lot->n_found;
    if (!lot->is_void && p->has_run && !p->is_ending)
        prediction_progressed(p, inner, STR_NULL);
    lot_over(lot, true);
}

static void on_recorded(struct store_op *op)
{
    struct lot *lot = container_of(op, struct lot, op.op);

    if (op->status == STATUS_OK) {
        tell(lot);
        return;
    }
    if (op->status != STATUS_CONFLICT && op->status != STATUS_NOT_FOUND)
        log_error("files of an output could not be recorded; they wait for the prediction's end",
                  LOG_S("prediction", lot->p->id), LOG_ERR(&op->error));
    forget_blobs(lot);
    lot_over(lot, false);
}

static void on_stored(void *arg, const struct output_files_result *r, const struct error *err)
{
    struct lot *lot = arg;

    if (err) {
        log_error("files of an output could not be stored; they wait for the prediction's end",
                  LOG_S("prediction", lot->p->id), LOG_ERR(err));
        lot_over(lot, false);
        return;
    }
    lot->output = r->output;
    lot->n_found = r->n_found;
    lot->op.files = r->rows;
    lot->op.n_files = r->n;
    if (lot->is_void) { /* its attempt is void, and so is the record */
        forget_blobs(lot);
        lot_over(lot, false);
    } else if (r->n == 0) {
        tell(lot);
    } else {
        store_start(lot->p->fleet->store, &lot->op.op, &STORE_PREDICTION_FILES, on_recorded);
    }
}

static void lot_start(struct prediction *p, struct str pieces)
{
    struct live_output *l = p->live;
    struct lot *lot = xnew(struct lot);
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct list none = LIST_INIT(none);
    struct output_files_spec spec = {
        .account_id = p->row.account_id,
        .prediction_id = p->id,
        .base_url = p->row.base_url,
        .schema = p->lane->version->output_schema,
        .uploads = &none,
        .told = &l->files,
        .is_listed = true,
        .n_before = l->n_found,
    };

    buf_addc(&text, '[');
    buf_add_str(&text, pieces);
    buf_addc(&text, ']');
    lot->p = p;
    lot->live = l;
    lot->lane = p->lane;
    lot->op.id = p->id;
    lot->op.attempt = p->row.attempt;
    spec.output = str_make(store_keep(&lot->op.op, buf_str(&text)), text.n);
    l->lot = lot;
    p->refs++;
    lane_hold(lot->lane);
    output_files_start(p->fleet->files, &lot->op.op.arena, &spec, on_stored, lot);
}

void live_output_more(struct prediction *p)
{
    struct live_output *l = p->live;
    struct str pieces = buf_str(&p->run.pieces);
    size_t from;

    if (l->lot || l->has_given_up || !p->has_run || p->is_ending || p->fleet->files->is_stopping ||
        pieces.n <= l->taken)
        return;
    from = l->taken + (l->taken > 0); /* behind the comma */
    l->taken = pieces.n;
    lot_start(p, str_make(pieces.p + from, pieces.n - from));
}

/* --- the end --- */

void live_output_keep(struct prediction *p)
{
    struct live_output *l = p->live;
    struct str pieces = buf_str(&p->run.pieces);

    buf_clear(&l->rest);
    if (pieces.n > l->at) {
        size_t from = l->at + (l->at > 0);

        buf_add(&l->rest, pieces.p + from, pieces.n - from);
    }
    if (l->told.n + l->rest.n == 0)
        return; /* what an earlier server kept is all there is */
    buf_clear(&p->output);
    if (l->told.n > 0) {
        buf_addc(&p->output, '[');
        buf_add_str(&p->output, buf_str(&l->told));
        buf_addc(&p->output, ']');
    }
}

struct str live_output_told(const struct live_output *l)
{
    return buf_str(&l->told);
}

void live_output_whole(const struct prediction *p, struct buf *out)
{
    struct str told = buf_str(&p->output), rest = buf_str(&p->live->rest);

    if (rest.n == 0) {
        buf_add_str(out, told);
        return;
    }
    buf_addc(out, '[');
    if (told.n > 2) {
        buf_add(out, told.p + 1, told.n - 2);
        buf_addc(out, ',');
    }
    buf_add_str(out, rest);
    buf_addc(out, ']');
}

struct output_told *live_output_files(struct prediction *p)
{
    if (!p->live)
        return NULL;
    output_told_rewind(&p->live->files);
    return &p->live->files;
}

bool live_output_has_files(const struct prediction *p)
{
    return p->live && (p->live->files.n > 0 || p->live->lot);
}

bool live_output_wait(struct prediction *p, void (*idle)(void *arg), void *arg)
{
    if (!p->live || !p->live->lot)
        return false;
    p->live->idle = idle;
    p->live->idle_arg = arg;
    return true;
}
