/* SPDX-License-Identifier: Apache-2.0 */
/* Trainings: made here; one is read and canceled as the prediction that it is. */
#include "store/training.h"

#include "api/api.h"

enum { MAX_ANSWER = 256 << 20, MAX_LIST = 8 << 20 };

/* What a training needs: the version to train, then the model that gets the new version. */
struct wanting {
    struct store_model_get destination;
    struct version_row base;
};

static bool read_destination(struct http_request *r, struct str *owner, struct str *name)
{
    struct str version;
    struct json *v = json_get(r->json, "destination");
    struct problems p;

    if (!v) {
        api_invalid_input(r, api_input_problem(r, "required", "", "destination is required"));
        return false;
    }
    problems_init(&p, r);
    if (!model_ref_split(json_to_str(v), owner, name, &version) || version.p)
        problems_add(&p, "destination", "%.*s must have the form \"owner/name\".",
                     (int)MIN(v->span.n, (size_t)MAX_REF), v->span.p);
    return !problems_send(&p);
}

static void on_destination(struct http_request *r, struct store_op *op)
{
    struct wanting *x = container_of(op, struct wanting, destination.op);
    struct prediction_spec spec = { 0 };
    struct error err;

    if (op->status == STATUS_NOT_FOUND ||
        (op->status == STATUS_OK &&
         strcmp(x->destination.row.owner_id, account_of(r)->info.id) != 0)) {
        http_problem(r, 404, NULL, "The specified training destination does not exist");
        return;
    }
    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    spec.destination =
        arena_printf(r->arena, "%s/%s", x->destination.row.owner, x->destination.row.name);
    spec.destination_id = x->destination.row.id;
    if (!prediction_body_ok(r, false, &spec))
        return;
    if (pool_of_training(api_of(r)->fleet, &x->base, &spec.lane, &err) != STATUS_OK) {
        http_problem_error(r, &err);
        return;
    }
    if (!spec.lane->version->config.train_ref) {
        http_problem(r, 422, "Not trainable",
                     "The version has no training: its cog.yaml says nothing under `train`.");
        return;
    }
    spec.pool = spec.lane->pool;
    prediction_make_with(r, &spec);
}

static void on_version(struct http_request *r, struct store_op *op)
{
    struct store_version_get *get = container_of(op, struct store_version_get, op);
    struct str owner, name;
    struct wanting *x;

    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    if (!read_destination(r, &owner, &name))
        return;
    x = api_op_new(sizeof(*x));
    x->base = store_version_keep(&x->destination.op, &get->row);
    x->destination.owner = str_of(store_keep(&x->destination.op, owner));
    x->destination.name = str_of(store_keep(&x->destination.op, name));
    x->destination.viewer_id = store_keep(&x->destination.op, str_of(account_of(r)->info.id));
    api_op_start(r, &x->destination.op, &STORE_MODEL_GET, on_destination);
}

void training_make(struct http_request *r)
{
    struct prediction_spec spec = { .destination = "" };
    struct store_version_get *op;

    if (!prediction_body_ok(r, false, &spec))
        return;
    op = api_op_new(sizeof(*op));
    op->owner = str_of(store_keep(&op->op, http_param(r, "owner")));
    op->name = str_of(store_keep(&op->op, http_param(r, "name")));
    op->id = str_of(store_keep(&op->op, http_param(r, "id")));
    op->viewer_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    api_op_start(r, &op->op, &STORE_VERSION_GET, on_version);
}

static void show_listed(struct http_request *r, struct json_writer *w, void *row)
{
    (void)r;
    show_prediction(w, row, false);
}

static void on_listed(struct http_request *r, struct store_op *op)
{
    struct store_training_list *list = container_of(op, struct store_training_list, op);

    api_answer_page(r, op, API_PAGE(list, id, show_listed), MAX_ANSWER);
}

void training_list(struct http_request *r)
{
    struct store_training_list *op = api_op_new(sizeof(*op));

    if (!page_read(r, &op->op, PAGE_LARGE, &op->page))
        return;
    op->max_bytes = MAX_LIST;
    op->account_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    api_op_start(r, &op->op, &STORE_TRAINING_LIST, on_listed);
}

/* The output of one that has its version: what the model gave, and the version before it. */
static struct str with_version(struct arena *a, const struct prediction_row *p)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(MAX_ANSWER);
    struct json *output = NULL;
    struct json_writer w;
    struct error err;

    if (json_parse(a, p->output, NULL, &output, &err) != STATUS_OK)
        return p->output;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_string(&w, "version", p->trained_version);
    if (json_is(output, JSON_STRING))
        json_member_raw(&w, "weights", output->span);
    json_each (json_is(output, JSON_OBJECT) ? output : NULL, v) {
        if (str_is(v->key, "version"))
            continue;
        json_key_str(&w, v->key);
        json_raw(&w, v->span);
    }
    json_end_object(&w);
    return str_make(arena_copy(a, buf_str(&text)), text.n);
}

void training_view(struct arena *a, const struct prediction_row *p, struct prediction_row *out)
{
    *out = *p;
    if (p->status != PREDICTION_SUCCEEDED)
        return;
    if (p->training_failure) {
        out->status = PREDICTION_FAILED;
        out->error = p->training_failure;
    } else if (!p->trained_version) { /* its version is being made */
        out->status = PREDICTION_PROCESSING;
        out->completed_at = 0;
        out->output = STR_NULL;
    } else if (p->output.p) {
        out->output = with_version(a, p);
    }
}
