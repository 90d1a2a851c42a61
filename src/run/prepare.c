/* SPDX-License-Identifier: Apache-2.0 */
/* What a prediction needs before an instance is given to it: the files of its input, brought near
 * while it waits, so that no instance stands idle for a slow download and nobody behind it in the
 * queue waits either. */
#include "base/log.h"
#include "base/mem.h"
#include "run/fleet.h"
#include "run/input_file.h"

#include <stdlib.h>

enum { STORE_RETRY_MS = 1000 };

struct preparation {
    struct store_prediction_get op;
    struct prediction *p; /* NULL: it needs the answer no more */
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

static void prepare(struct prediction *p, struct str input)
{
    struct version *v = p->lane->version;
    struct input_files_spec spec = {
        .account_id = p->row.account_id,
        .prediction_id = p->id,
        .base_url = p->row.base_url,
        .schema = v->schema,
    };
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct buf normal CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct json *json;
    struct error err;

    if (json_parse(&a, input, NULL, &json, &err) != STATUS_OK) {
        p->files_ready = true; /* who reads it to run it says so */
        return;
    }
    input_normalize(v->schema, json, &normal);
    spec.input = buf_str(&normal);
    p->files = input_files_new(p->fleet->files, &spec, on_ready, p);
}

static void on_loaded(struct store_op *op)
{
    struct preparation *x = container_of(op, struct preparation, op.op);
    struct prediction *p = x->p;

    if (p && op->status != STATUS_OK) {
        log_error("an input could not be read", LOG_S("prediction", p->id), LOG_ERR(&op->error));
        p->preparing = NULL;
        lane_take(p);
        timer_start(&p->timer, STORE_RETRY_MS);
    } else if (p) {
        p->preparing = NULL;
        prediction_unseal(p, x->op.row.sealed_input);
        prepare(p, p->secret_input ? str_of(p->secret_input) : x->op.row.input);
    }
    store_op_deinit(op);
    free(x);
}

bool prediction_prepare(struct prediction *p)
{
    struct preparation *x;

    if (p->files_ready || !p->fleet->files || !input_has_uris(p->lane->version->schema))
        return true;
    if (p->files || p->preparing)
        return false;
    if (p->secret_input || p->input) {
        prepare(p, str_of(p->secret_input ? p->secret_input : p->input));
        return p->files_ready;
    }
    x = xnew(struct preparation);
    x->p = p;
    x->op.id = store_keep(&x->op.op, str_of(p->id));
    p->preparing = x;
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

void prediction_place_files(struct prediction *p, struct buf *normal)
{
    struct buf out = BUF_INIT(BUF_UNBOUNDED);
    char url[256];

    if (!p->files || !p->instance)
        return;
    snprintf(url, sizeof(url), "%s/_i/%s", p->fleet->internal_base, p->instance->capability);
    input_files_rewrite(p->files, p->lane->version->schema, buf_str(normal), url, &out);
    buf_deinit(normal);
    *normal = out;
}
