/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of models. How a new one is pushed is in push.c. */
#include "api/api.h"
#include "run/weights.h"

#include <stdlib.h>

enum { MAX_PAGE_BODY = 64 << 20 };

static void show_listed(struct http_request *r, struct json_writer *w, void *row)
{
    (void)r;
    show_version(w, row);
}

static void on_listed(struct http_request *r, struct store_op *op)
{
    struct store_version_list *list = container_of(op, struct store_version_list, op);

    api_answer_page(r, op, API_PAGE(list, seq, show_listed), MAX_PAGE_BODY);
}

void version_list(struct http_request *r)
{
    struct store_version_list *op = api_op_new(sizeof(*op));

    if (!page_read(r, &op->op, PAGE_LARGE, &op->page))
        return;
    api_op_target(r, &op->op, &op->owner, &op->name, &op->viewer_id);
    api_op_start(r, &op->op, &STORE_VERSION_LIST, on_listed);
}

static void show_shown(struct http_request *r, struct store_op *op, struct json_writer *w)
{
    struct store_version_get *get = container_of(op, struct store_version_get, op);

    (void)r;
    show_version(w, &get->row);
}

static void on_shown(struct http_request *r, struct store_op *op)
{
    api_answer_op(r, op, 200, MAX_PAGE_BODY, show_shown);
}

void api_version_get(struct http_request *r, struct str owner, struct str name, struct str id,
                     void (*done)(struct http_request *r, struct store_op *op))
{
    struct store_version_get *op = api_op_new(sizeof(*op));

    op->owner = str_of(store_keep(&op->op, owner));
    op->name = str_of(store_keep(&op->op, name));
    op->id = str_of(store_keep(&op->op, id));
    op->viewer_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    api_op_start(r, &op->op, &STORE_VERSION_GET, done);
}

/* Replicate's command line asks for a deployment's schema under the deployment's own name: that is
 * followed to the version that the deployment runs. */
void version_show(struct http_request *r)
{
    struct str owner = http_param(r, "owner"), name = http_param(r, "name"),
               id = http_param(r, "id");
    struct pool *p = pool_find(api_of(r)->fleet, owner, name);
    struct lane *l;

    if (p && strcmp(p->owner_id, account_of(r)->info.id) == 0) {
        list_each (&p->lanes, l, struct lane, node) {
            if (str_is(id, l->version->id)) {
                api_version_get(r, str_of(l->version->owner), str_of(l->version->model), id,
                                on_shown);
                return;
            }
        }
    }
    api_version_get(r, owner, name, id, on_shown);
}

static bool version_is_running(void *arg, const char *path)
{
    struct api *a = arg;
    struct instance *in;
    size_t at = 0;

    while (map_next(&a->fleet->instances, &at, NULL, (void **)&in))
        if (strcmp(in->lane->version->path, path) == 0)
            return true;
    return false;
}

/* Instances that idle with a model of its own hold its files: they go first. */
static void delete_effect(struct api *a, struct store_op *op)
{
    struct store_version_delete *gone = container_of(op, struct store_version_delete, op);
    struct version_config config;
    struct error err;
    struct instance *in;
    size_t at = 0;

    if (version_config_parse(&op->arena, gone->config, &config, &err) == STATUS_OK) {
        weights_release(a->fleet, config.weights);
        if (config.image)
            image_forget(a, gone, config.image);
    }
    if (!gone->content_unused || a->fleet->is_stopping) /* the next start sweeps what is left */
        return;
    while (map_next(&a->fleet->instances, &at, NULL, (void **)&in))
        if (strcmp(in->lane->version->path, gone->path) == 0)
            instance_drain(in, "its version was deleted");
    builds_forget_version(a->builds, gone->path, version_is_running, a);
}

static void on_deleted(struct http_request *r, struct store_op *op)
{
    if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        http_respond_empty(r, 202);
}

void version_delete(struct http_request *r)
{
    struct store_version_delete *op = api_op_new(sizeof(*op));

    api_op_target(r, &op->op, &op->owner, &op->name, &op->viewer_id);
    op->id = str_of(store_keep(&op->op, http_param(r, "id")));
    api_op_start_effect(r, &op->op, &STORE_VERSION_DELETE, delete_effect, on_deleted);
}
