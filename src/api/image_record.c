/* SPDX-License-Identifier: Apache-2.0 */
/* An image becomes a version: the model is looked up (and made when it is missing), then the
 * version is recorded. */
#include "api/image_impl.h"

const struct sku *image_hardware(const struct hardware *h)
{
    const struct sku *best = NULL;

    for (size_t i = 0; i < h->n_skus; i++) {
        const struct sku *s = &h->skus[i];

        if (sku_runs(s, true) && (!best || s->price_nano < best->price_nano ||
                                  (s->price_nano == best->price_nano && s->memory < best->memory)))
            best = s;
    }
    return best;
}

struct making {
    struct store_model_create create;
    struct pushed *pushed;
};

struct looking {
    struct store_model_get get;
    struct pushed *pushed;
};

struct registering {
    struct store_version_create create;
    struct pushed *pushed;
};

static void on_registered(struct http_request *r, struct store_op *op)
{
    struct store_version_create *c = container_of(op, struct store_version_create, op);
    const struct pushed *x = container_of(c, struct registering, create)->pushed;

    if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        x->done(r, x, c->existed);
}

static void record(struct http_request *r, struct pushed *x, const char *model_id)
{
    struct buf config CLEANUP(buf_deinit) = BUF_INIT(1 << 20);
    struct registering *op = api_op_new(sizeof(*op));
    struct store_op *base = &op->create.op;
    struct str schema = x->facts.schema;
    char seq[ID_SIZE];

    op->pushed = x;
    id_make(&api_of(r)->fleet->ids, loop_wall_ms(r->loop), seq);
    version_config_write(&x->facts.config, &config);
    op->create.in = (struct version_row){
        .seq = store_keep(base, str_of(seq)),
        .id = store_keep(base, str_of(x->facts.version)),
        .model_id = store_keep(base, str_of(model_id)),
        .cog_version = store_keep(base, str_of(x->facts.cog_version)),
        .kind = VERSION_IMAGE,
        .schema = str_make(store_keep(base, schema), schema.n),
        .config = str_of(store_keep(base, buf_str(&config))),
        .path = arena_printf(&base->arena, "images/%s", x->facts.version),
        .created_at = loop_wall_ms(r->loop),
    };
    api_op_start(r, base, &STORE_VERSION_CREATE, on_registered);
}

static void on_model_made(struct http_request *r, struct store_op *op)
{
    struct store_model_create *c = container_of(op, struct store_model_create, op);

    if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        record(r, container_of(c, struct making, create)->pushed, c->in.id);
}

static void make_model(struct http_request *r, struct pushed *x)
{
    struct making *op = api_op_new(sizeof(*op));
    struct store_op *base = &op->create.op;
    const struct account *owner = &x->account->info;
    char id[ID_SIZE];

    op->pushed = x;
    id_make(&api_of(r)->fleet->ids, loop_wall_ms(r->loop), id);
    op->create.in = (struct model_row){
        .id = store_keep(base, str_of(id)),
        .owner_id = store_keep(base, str_of(owner->id)),
        .owner = store_keep(base, str_of(owner->username)),
        .name = store_keep(base, x->name),
        .is_public = x->is_public,
        .hardware = store_keep(base, str_of(x->hardware)),
        .created_at = loop_wall_ms(r->loop),
    };
    api_op_start(r, base, &STORE_MODEL_CREATE, on_model_made);
}

static void on_model(struct http_request *r, struct store_op *op)
{
    struct store_model_get *get = container_of(op, struct store_model_get, op);
    struct pushed *x = container_of(get, struct looking, get)->pushed;

    if (op->status == STATUS_NOT_FOUND)
        make_model(r, x);
    else if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        record(r, x, get->row.id);
}

void image_record(struct http_request *r, struct pushed *x)
{
    struct looking *op = api_op_new(sizeof(*op));

    op->pushed = x;
    op->get.owner = str_of(store_keep(&op->get.op, x->owner));
    op->get.name = str_of(store_keep(&op->get.op, x->name));
    api_op_start(r, &op->get.op, &STORE_MODEL_GET, on_model);
}
