/* SPDX-License-Identifier: Apache-2.0 */
/* What a prediction needs before an instance is given to it: the files of its input, brought near
 * while it waits, so that no instance stands idle for a slow download and nobody behind it in the
 * queue waits either. A large input is looked through on another thread. */
#include "base/log.h"
#include "base/mem.h"
#include "run/input_file.h"
#include "run/prediction_impl.h"

#include <stdlib.h>

struct preparation {
    struct store_prediction_get op;
    struct work work;
    struct prediction *p; /* NULL: it needs the answer no more */
    struct lane *lane;    /* held while its schema is read */
    struct files *files;  /* likewise */
    struct str input;     /* of the operation, or a copy */
    char *copy;
    struct input_plan plan;
};

static void on_ready(void *arg, const struct error *err)
{
    struct prediction *p = arg;

    if (err) {
        prediction_end(p, PREDICTION_FAILED, err->text);
        return;
    }
    p->files_ready = true;
    pool_wake(p->lane->pool);
}

static void begin_files(struct prediction *p, struct input_plan *plan)
{
    bool has_lost_secrets = !p->secret_input && input_has_secrets(p->lane->version->schema);
    struct input_files_spec spec = {
        .account_id = p->row.account_id,
        .prediction_id = p->id,
        .base_url = p->row.base_url,
        .plan = plan,
        .keep_most = has_lost_secrets ? 0 : KEEP_INPUT, /* who runs it looks at it again */
    };

    p->files = input_files_new(p->fleet->files, &spec, on_ready, p);
}

static void preparation_free(struct preparation *x)
{
    input_plan_deinit(&x->plan);
    store_op_deinit(&x->op.op);
    free(x->copy);
    free(x);
}

static void plan_work(struct work *w)
{
    struct preparation *x = container_of(w, struct preparation, work);

    input_plan_make(&x->plan, x->lane->version->schema, x->input, true);
}

static void on_planned(struct work *w)
{
    struct preparation *x = container_of(w, struct preparation, work);
    struct prediction *p = x->p;

    if (p) {
        p->preparing = NULL;
        if (!p->fleet->is_stopping)
            begin_files(p, &x->plan);
    }
    lane_release(x->lane);
    files_release(x->files);
    preparation_free(x);
}

static void start_plan(struct preparation *x)
{
    x->lane = x->p->lane;
    x->files = x->p->fleet->files;
    lane_hold(x->lane);
    files_hold(x->files);
    work_start(x->p->fleet->loop, &x->work, plan_work, on_planned);
}

static void on_loaded(struct store_op *op)
{
    struct preparation *x = container_of(op, struct preparation, op.op);
    struct prediction *p = x->p;

    if (p && op->status == STATUS_OK && !p->fleet->is_stopping) {
        prediction_unseal(p, x->op.row.sealed_input);
        x->input = x->op.row.input;
        if (p->secret_input) {
            x->copy = xstrdup(p->secret_input);
            x->input = str_of(x->copy);
        }
        start_plan(x);
        return;
    }
    if (p) {
        p->preparing = NULL;
        if (!p->fleet->is_stopping) {
            log_error("an input could not be read", LOG_S("prediction", p->id),
                      LOG_ERR(&op->error));
            lane_take(p);
            timer_start(&p->timer, STORE_RETRY_MS);
        }
    }
    preparation_free(x);
}

bool prediction_prepare(struct prediction *p)
{
    const char *text = p->secret_input ? p->secret_input : p->input;
    struct preparation *x;

    if (p->files_ready || !p->fleet->files || !input_has_uris(p->lane->version->schema))
        return true;
    if (p->files || p->preparing)
        return false;
    if (text && strlen(text) <= KEEP_INPUT) {
        struct input_plan plan;

        input_plan_make(&plan, p->lane->version->schema, str_of(text), true);
        begin_files(p, &plan);
        return p->files_ready;
    }
    x = xnew(struct preparation);
    x->p = p;
    p->preparing = x;
    if (text) {
        x->copy = xstrdup(text);
        x->input = str_of(x->copy);
        start_plan(x);
        return false;
    }
    x->op.id = store_keep(&x->op.op, str_of(p->id));
    store_start(p->fleet->store, &x->op.op, &STORE_PREDICTION_GET, on_loaded);
    return false;
}

void prediction_unprepare(struct prediction *p)
{
    struct preparation *x = p->preparing;

    if (x)
        x->p = NULL;
    p->preparing = NULL;
    input_files_free(TAKE(p->files));
    p->files_ready = false;
}

bool prediction_has_text(const struct prediction *p)
{
    return p->files && input_files_have_text(p->files) && !p->is_rebound;
}

void prediction_fill(struct prediction *p, struct input_plan *plan)
{
    struct buf out = BUF_INIT(BUF_UNBOUNDED);
    char url[256];

    if (p->files) {
        instance_internal_url(p->instance, url);
        input_files_fill(p->files, plan, url, &out);
    } else {
        out = plan->text;
        plan->text = (struct buf){ 0 };
    }
    prediction_drop_text(&p->normal_input);
    p->normal_input = buf_take(&out);
}
