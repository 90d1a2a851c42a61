/* SPDX-License-Identifier: Apache-2.0 */
/* What runs for a deployment, what ran for it last, and what that said while it got ready. */
#include "store/instance.h"

#include "api/api.h"
#include "run/capacity.h"

enum { MAX_BODY = 64 << 20, MAX_LOG_SHOWN = 64 << 10, ENDED = 20 };

/* The end of a log, whole characters: that is where it fails. */
static struct str log_end(struct str log)
{
    if (log.n <= MAX_LOG_SHOWN)
        return log;
    log = str_make(log.p + (log.n - MAX_LOG_SHOWN), MAX_LOG_SHOWN);
    while (log.n && ((unsigned char)log.p[0] & 0xc0) == 0x80)
        log = str_make(log.p + 1, log.n - 1);
    return log;
}

static void show_instance(struct json_writer *w, const struct instance *in)
{
    const char *state = instance_state_name(in->state);

    if (in->state == INSTANCE_READY)
        state = in->in_flight > 0 ? "active" : "idle";
    json_begin_object(w);
    json_member_string(w, "id", in->id);
    json_member_string(w, "state", state);
    json_member_string(w, "version", in->lane->version->id);
    json_member_string(w, "hardware", in->lane->sku_name);
    json_member_int(w, "predictions", in->in_flight);
    show_time(w, "created_at", in->created_at);
    show_time(w, "ready_at", in->ready_at);
    json_member_str(w, "setup_log", log_end(buf_str(&in->setup_log)));
    json_end_object(w);
}

static void show_ended(struct json_writer *w, const struct instance_row *row)
{
    json_begin_object(w);
    json_member_string(w, "id", row->id);
    json_member_string(w, "state", "ended");
    json_member_string(w, "version", row->version_id);
    json_member_string(w, "hardware", row->hardware);
    show_time(w, "created_at", row->created_at);
    show_time(w, "ready_at", row->ready_at);
    show_time(w, "ended_at", row->ended_at);
    json_member_string(w, "end_reason", row->end_reason);
    json_end_object(w);
}

static void on_ended(struct http_request *r, struct store_op *op)
{
    struct store_instance_ended *ended = container_of(op, struct store_instance_ended, op);
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(MAX_BODY);
    struct pool *p = own_pool(r);
    const char *waits = NULL;
    struct json_writer w;
    struct lane *l;
    int waiting = 0;

    if (!p)
        return;
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_key(&w, "results");
    json_begin_array(&w);
    list_each (&p->lanes, l, struct lane, node) {
        struct instance *in;

        waiting += l->line.n;
        if (capacity_is_lacking(l))
            waits = l->waits_for;
        list_each (&l->instances, in, struct instance, node)
            show_instance(&w, in);
    }
    json_end_array(&w);
    json_key(&w, "ended");
    json_begin_array(&w);
    for (size_t i = 0; i < ended->n; i++)
        show_ended(&w, &ended->rows[i]);
    json_end_array(&w);
    if (p->held[0])
        waits = p->held;
    json_member_int(&w, "waiting_predictions", waiting);
    json_member_string(&w, "waits_for", waits);
    json_end_object(&w);
    api_answer(r, 200, &body);
}

void deployment_instances(struct http_request *r)
{
    struct pool *p = own_pool(r);
    struct store_instance_ended *op;

    if (!p)
        return;
    op = api_op_new(sizeof(*op));
    op->pool_id = store_keep(&op->op, str_of(p->id));
    op->limit = ENDED;
    api_op_start(r, &op->op, &STORE_INSTANCE_ENDED, on_ended);
}

static void on_log(struct http_request *r, struct store_op *op)
{
    struct store_instance_get *get = container_of(op, struct store_instance_get, op);

    if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        http_respond(r, 200, "text/plain; charset=utf-8",
                     get->row.setup_log.p ? get->row.setup_log : STR(""));
}

void deployment_instance_log(struct http_request *r)
{
    struct pool *p = own_pool(r);
    struct store_instance_get *op;
    struct instance *in;

    if (!p)
        return;
    in = map_get(&api_of(r)->fleet->instances, http_param(r, "id"));
    if (in && in->lane->pool == p) {
        http_respond(r, 200, "text/plain; charset=utf-8", buf_str(&in->setup_log));
        return;
    }
    op = api_op_new(sizeof(*op));
    op->id = store_keep(&op->op, http_param(r, "id"));
    op->pool_id = store_keep(&op->op, str_of(p->id));
    api_op_start(r, &op->op, &STORE_INSTANCE_GET, on_log);
}
