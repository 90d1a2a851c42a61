/* SPDX-License-Identifier: Apache-2.0 */
/* Deployments: a stable address in front of a model's version, with hardware and bounds. */
#include "api/canary.h"
#include "api/scaling.h"
#include "base/log.h"

#include <stdlib.h>

enum { MAX_PAGE_BODY = 64 << 20 };

/* As it is stored, and what holds it at this moment. */
static void show_live(struct http_request *r, struct json_writer *w, struct deployment_row *d)
{
    const struct pool *p = pool_find(api_of(r)->fleet, str_of(d->owner), str_of(d->name));

    if (p && p->held[0])
        d->held = p->held;
    show_deployment(w, api_of(r)->options, d, p);
}

static void answer_deployment(struct http_request *r, struct deployment_row *d)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct json_writer w;

    json_writer_init(&w, &body);
    show_live(r, &w, d);
    api_answer(r, 200, &body);
}

/* The caller's deployment that the path names, while it is live. Nobody else's: all that is told of
 * a pool must come by this way. */
static struct pool *find_own_pool(const struct http_request *r)
{
    struct pool *p = pool_find(api_of(r)->fleet, http_param(r, "owner"), http_param(r, "name"));

    return p && strcmp(p->owner_id, account_of(r)->info.id) == 0 ? p : NULL;
}

/* --- reading a body --- */

struct wanted {
    const char *name, *model, *version, *hardware, *scaling, *rollout;
    int64_t min, max; /* -1: not given */
};

static bool is_version_id(const char *z)
{
    size_t n = strlen(z);

    for (size_t i = 0; i < n; i++)
        if (!((z[i] >= '0' && z[i] <= '9') || (z[i] >= 'a' && z[i] <= 'f')))
            return false;
    return n == 64;
}

/* `now_on`: the hardware it has, of which NULL is none yet. */
static void read_configuration(struct http_request *r, struct problems *p, bool required,
                               const struct sku *now_on, struct wanted *out)
{
    const struct options *o = api_of(r)->options;
    const struct sku *sku;

    out->version = body_text(r, p, "version", required, MAX_REF);
    if (out->version && !is_version_id(out->version))
        problems_add(
            p, "version",
            "\"%.80s\" is not a version id: it must be the 64 hexadecimal digits of a version.",
            out->version);
    sku = body_sku(r, p, required);
    out->hardware = sku ? sku->sku : NULL;
    out->min = body_int(r, p, "min_instances", required, 0, o->min_instances_limit);
    out->max = body_int(r, p, "max_instances", required, 0, o->max_instances_limit);
    if (out->min >= 0 && out->max >= 0 && out->max < out->min)
        problems_add(p, "max_instances",
                     "%lld is less than min_instances (%lld): it must be at least as large.",
                     (long long)out->max, (long long)out->min);
    out->scaling = body_scaling(r, p, sku ? sku : now_on);
    out->rollout = body_rollout(r, p);
}

/* Replicate's command line may send "owner/name" as the name. */
static const char *strip_owner(struct http_request *r, const char *name)
{
    const char *me = account_of(r)->info.username;
    size_t n = strlen(me);

    if (name && strncmp(name, me, n) == 0 && name[n] == '/')
        return name + n + 1;
    return name;
}

/* --- create --- */

static void bring_to_life(struct api *a, const struct deployment_row *row,
                          const struct version_row *version)
{
    struct error err;

    if (pool_apply(a->fleet, row, version, &err) != STATUS_OK)
        log_error("a stored deployment cannot be run", LOG_S("deployment", row->name),
                  LOG_ERR(&err));
}

static void create_effect(struct api *a, struct store_op *op)
{
    struct store_deployment_create *c = container_of(op, struct store_deployment_create, op);

    bring_to_life(a, &c->row, &c->used);
}

static void refuse_member(struct http_request *r, const char *key, const char *text)
{
    struct problems p;

    problems_init(&p, r);
    problems_add(&p, key, "%s", text);
    problems_send(&p);
}

static void on_created(struct http_request *r, struct store_op *op)
{
    struct store_deployment_create *c = container_of(op, struct store_deployment_create, op);

    if (op->status == STATUS_CONFLICT)
        api_exists_already(r, "A deployment");
    else if (op->status == STATUS_UNPROCESSABLE)
        refuse_member(r,
                      c->bad_model      ? "model"
                      : c->bad_hardware ? "hardware"
                                        : "version",
                      op->error.text);
    else if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        answer_deployment(r, &c->row);
}

static bool read_create(struct http_request *r, struct wanted *want, struct str *owner,
                        struct str *name)
{
    static const char *const keys[] = { "name",     "model",         "version",
                                        "hardware", "min_instances", "max_instances",
                                        "scaling",  "rollout",       NULL };
    struct str version;
    struct problems p;
    struct error err;

    problems_init(&p, r);
    body_only(r, &p, keys);
    want->name = strip_owner(r, body_text(r, &p, "name", true, MAX_LABEL));
    if (want->name && !object_name_ok(str_of(want->name), "deployment", &err))
        problems_add(&p, "name", "%s", err.text);
    want->model = body_text(r, &p, "model", true, MAX_LABEL);
    if (want->model && (!model_ref_split(str_of(want->model), owner, name, &version) || version.p))
        problems_add(&p, "model", "\"%.140s\" must have the form owner/name.", want->model);
    read_configuration(r, &p, true, NULL, want);
    return !problems_send(&p);
}

void deployment_create(struct http_request *r)
{
    struct api *a = api_of(r);
    const struct account *me = &account_of(r)->info;
    struct store_deployment_create *op;
    struct str owner = STR_NULL, name = STR_NULL;
    struct wanted want = { 0 };
    char id[ID_SIZE];

    if (!body_is_object(r) || !read_create(r, &want, &owner, &name))
        return;
    op = api_op_new(sizeof(*op));
    id_make(&a->fleet->ids, loop_wall_ms(a->loop), id);
    op->in = (struct deployment_row){
        .id = store_keep(&op->op, str_of(id)),
        .owner_id = store_keep(&op->op, str_of(me->id)),
        .name = store_keep(&op->op, str_of(want.name)),
        .created_at = loop_wall_ms(a->loop),
        .settings = settings_stored(&op->op, want.scaling, want.rollout),
        .release = {
            .model_owner = store_keep(&op->op, owner),
            .model_name = store_keep(&op->op, name),
            .version = store_keep(&op->op, str_of(want.version)),
            .hardware = store_keep(&op->op, str_of(want.hardware)),
            .min_instances = want.min,
            .max_instances = want.max,
            .created_at = loop_wall_ms(a->loop),
            .created_by = { .id = store_keep(&op->op, str_of(me->id)) },
        },
    };
    op->offers = a->hardware;
    api_op_start_effect(r, &op->op, &STORE_DEPLOYMENT_CREATE, create_effect, on_created);
}

/* --- read --- */

static void on_shown(struct http_request *r, struct store_op *op)
{
    struct store_deployment_get *get = container_of(op, struct store_deployment_get, op);

    if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        answer_deployment(r, &get->row);
}

void deployment_show(struct http_request *r)
{
    struct store_deployment_get *op = api_op_new(sizeof(*op));

    api_op_target(r, &op->op, &op->owner, &op->name, &op->viewer_id);
    api_op_start(r, &op->op, &STORE_DEPLOYMENT_GET, on_shown);
}

static void show_listed(struct http_request *r, struct json_writer *w, void *row)
{
    show_live(r, w, row);
}

static void on_listed(struct http_request *r, struct store_op *op)
{
    struct store_deployment_list *list = container_of(op, struct store_deployment_list, op);

    api_answer_page(r, op, API_PAGE(list, id, show_listed), MAX_PAGE_BODY);
}

void deployment_list(struct http_request *r)
{
    struct store_deployment_list *op = api_op_new(sizeof(*op));

    if (!page_read(r, &op->op, PAGE_SMALL, &op->page))
        return;
    op->owner_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    api_op_start(r, &op->op, &STORE_DEPLOYMENT_LIST, on_listed);
}

/* --- update --- */

static void update_effect(struct api *a, struct store_op *op)
{
    struct store_deployment_update *u = container_of(op, struct store_deployment_update, op);
    struct pool *p = pool_find(a->fleet, str_of(u->row.owner), str_of(u->row.name));

    if (u->changed || (u->settings_changed && p))
        bring_to_life(a, &u->row, &u->used);
    else if (p) /* asking again lets a failed release try again */
        pool_enable(p);
}

static void on_updated(struct http_request *r, struct store_op *op)
{
    struct store_deployment_update *u = container_of(op, struct store_deployment_update, op);
    struct problems p;

    if (op->status == STATUS_UNPROCESSABLE && u->bad_bounds) {
        problems_init(&p, r);
        problems_add(&p, u->max_instances >= 0 ? "max_instances" : "min_instances", "%s",
                     op->error.text);
        problems_send(&p);
        return;
    }
    if (op->status == STATUS_UNPROCESSABLE) {
        refuse_member(r, u->bad_hardware ? "hardware" : "version", op->error.text);
        return;
    }
    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    answer_deployment(r, &u->row);
}

void deployment_change(struct http_request *r, struct store_deployment_update *op)
{
    api_op_target(r, &op->op, &op->owner, &op->name, &op->viewer_id);
    op->now = loop_wall_ms(r->loop);
    op->author_id = op->viewer_id;
    op->offers = api_of(r)->hardware;
    api_op_start_effect(r, &op->op, &STORE_DEPLOYMENT_UPDATE, update_effect, on_updated);
}

static bool read_update(struct http_request *r, struct wanted *want)
{
    static const char *const keys[] = { "version", "hardware", "min_instances", "max_instances",
                                        "model",   "scaling",  "rollout",       NULL };
    struct pool *pool = find_own_pool(r);
    struct problems p;
    char model[160];

    problems_init(&p, r);
    body_only(r, &p, keys);
    read_configuration(r, &p, false,
                       pool && pool_current(pool) ? pool_current(pool)->lane->sku : NULL, want);
    want->model = body_text(r, &p, "model", false, MAX_LABEL);
    if (want->model && pool &&
        pool_current(pool)) { /* the Go client may send it: fine while it is the same */
        const struct version *v = pool_current(pool)->lane->version;

        snprintf(model, sizeof(model), "%s/%s", v->owner, v->model);
        if (strcmp(model, want->model) != 0)
            problems_add(&p, "model",
                         "A deployment's model cannot be changed (it is %s). Create another "
                         "deployment for %.100s.",
                         model, want->model);
    }
    return !problems_send(&p);
}

void deployment_update(struct http_request *r)
{
    struct store_deployment_update *op;
    struct wanted want = { 0 };

    if (!body_is_object(r) || !read_update(r, &want))
        return;
    op = api_op_new(sizeof(*op));
    op->version = store_keep(&op->op, str_of(want.version));
    op->hardware = store_keep(&op->op, str_of(want.hardware));
    op->min_instances = want.min;
    op->max_instances = want.max;
    op->scaling = store_keep(&op->op, str_of(want.scaling));
    op->rollout = store_keep(&op->op, str_of(want.rollout));
    deployment_change(r, op);
}

/* --- delete, enable --- */

static void delete_effect(struct api *a, struct store_op *op)
{
    const char *id = container_of(op, struct store_deployment_delete, op)->id;

    budget_remove(a->fleet, id);
    pool_remove(a->fleet, id);
}

static void on_deleted(struct http_request *r, struct store_op *op)
{
    struct problems p;

    if (op->status == STATUS_UNPROCESSABLE) {
        problems_init(&p, r);
        problems_add(&p, NULL, "%s", op->error.text);
        problems_send(&p);
        return;
    }
    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    http_respond_empty(r, 204);
}

void deployment_delete(struct http_request *r)
{
    struct api *a = api_of(r);
    struct store_deployment_delete *op = api_op_new(sizeof(*op));

    api_op_target(r, &op->op, &op->owner, &op->name, &op->viewer_id);
    op->now = loop_wall_ms(a->loop);
    op->quiet_ms = a->options->delete_after;
    api_op_start_effect(r, &op->op, &STORE_DEPLOYMENT_DELETE, delete_effect, on_deleted);
}

struct pool *own_pool(struct http_request *r)
{
    struct pool *p = find_own_pool(r);

    if (!p)
        api_not_found(r);
    return p;
}

void deployment_enable(struct http_request *r)
{
    struct pool *p = own_pool(r);

    if (!p)
        return;
    if (p->max == 0) {
        http_problem(
            r, 422, "Deployment disabled",
            "The deployment may run no instances. Set max_instances to 1 or more to enable it.");
        return;
    }
    pool_enable(p);
    deployment_show(r);
}
