/* SPDX-License-Identifier: Apache-2.0 */
/* Examples of a model: predictions that its owner picked. */
#include "api/api.h"
#include "store/collection.h"

enum { MAX_PAGE_BODY = 256 << 20 };

static void show_listed(struct http_request *r, struct json_writer *w, void *row)
{
    (void)r;
    show_prediction(w, row, false);
}

static void on_listed(struct http_request *r, struct store_op *op)
{
    struct store_example_list *list = container_of(op, struct store_example_list, op);

    api_answer_page(r, op, API_PAGE(list, id, show_listed), MAX_PAGE_BODY);
}

void model_examples(struct http_request *r)
{
    struct store_example_list *op = api_op_new(sizeof(*op));

    if (!page_read(r, &op->op, PAGE_SMALL, &op->page))
        return;
    api_op_target(r, &op->op, &op->owner, &op->name, &op->viewer_id);
    api_op_start(r, &op->op, &STORE_EXAMPLE_LIST, on_listed);
}

static void on_changed(struct http_request *r, struct store_op *op)
{
    if (op->status == STATUS_UNPROCESSABLE)
        http_problem(r, 422, NULL, "%s", op->error.text);
    else if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        http_respond_empty(r, 204);
}

static void change(struct http_request *r, bool removes)
{
    struct store_example_put *op = api_op_new(sizeof(*op));

    api_op_target(r, &op->op, &op->owner, &op->name, &op->viewer_id);
    op->prediction_id = store_keep(&op->op, http_param(r, "id"));
    op->remove = removes;
    api_op_start(r, &op->op, &STORE_EXAMPLE_PUT, on_changed);
}

void example_add(struct http_request *r)
{
    change(r, false);
}

void example_remove(struct http_request *r)
{
    change(r, true);
}
