/* SPDX-License-Identifier: Apache-2.0 */
/* What a deployment wants of its scaling, and what that has decided. */
#include "api/scaling.h"

#include "core/decimal.h"
#include "run/scaling.h"
#include "store/scaling.h"

enum { MAX_DECISIONS_BODY = 4 << 20 };

static void on_fault(void *arg, const char *key, const struct error *err)
{
    char field[64];

    (void)snprintf(field, sizeof(field), "scaling%s%s", key ? "/" : "", key ? key : "");
    problems_add(arg, field, "%s", err->text);
}

const char *body_scaling(struct http_request *r, struct problems *p, const struct sku *sku)
{
    struct json *v = json_get(r->json, "scaling");
    struct scale_settings s;
    char price[48];

    scale_settings_init(&s);
    if (!v)
        return NULL;
    if (scale_settings_change(&s, v, on_fault, p) != STATUS_OK)
        return NULL;
    if (sku && scale_affordable(&s, 1, sku->price_nano) < 1) {
        decimal_format(sku->price_nano * 3600, 9, price);
        problems_add(p, "scaling/max_cost_per_hour",
                     "This pays for no instance: one of %s costs %s for an hour.", sku->sku, price);
    }
    return arena_copy(r->arena, v->span);
}

const char *settings_stored(struct store_op *op, const char *scaling, const char *rollout)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct json_writer w;

    json_writer_init(&w, &out);
    json_begin_object(&w);
    if (scaling)
        json_member_raw(&w, "scaling", str_of(scaling));
    if (rollout)
        json_member_raw(&w, "rollout", str_of(rollout));
    json_end_object(&w);
    return store_keep(op, buf_str(&out));
}

static void show_seconds(struct json_writer *w, const char *key, int64_t ms)
{
    json_member_double(w, key, (double)ms / 1000);
}

void show_scaling(struct json_writer *w, const struct options *o, const char *stored,
                  int64_t min_instances)
{
    struct scale_settings s;
    char cost[48];
    int64_t keep;

    scale_settings_load(&s, str_of(stored));
    keep = s.keep_alive_ms;
    if (keep == SCALE_NOT_SET)
        keep = o->idle_timeout_given ? o->idle_timeout : SCALE_KEEP_AUTO;
    json_begin_object(w);
    show_seconds(w, "target_wait", scale_target_ms(&s, min_instances));
    if (keep == SCALE_KEEP_AUTO)
        json_member_string(w, "keep_alive", "auto");
    else
        show_seconds(w, "keep_alive", keep);
    json_member_int(w, "max_queue", s.max_queue >= 0 ? s.max_queue : o->max_queue);
    decimal_format(s.max_cost_nano, 9, cost);
    json_member_raw(w, "max_cost_per_hour", s.max_cost_nano >= 0 ? str_of(cost) : STR("null"));
    json_member_int(w, "weight", MAX(s.weight, 1));
    json_key(w, "schedule");
    scale_schedule_write(&s.schedule, w);
    json_end_object(w);
}

static void show_decision(struct http_request *r, struct json_writer *w, void *row)
{
    const struct decision_row *d = row;

    (void)r;
    json_begin_object(w);
    json_member_string(w, "id", d->id);
    show_time(w, "at", d->at);
    json_member_int(w, "instances_before", d->before);
    json_member_int(w, "instances_after", d->after);
    json_member_string(w, "cause", d->cause);
    json_member_string(w, "sentence", d->sentence);
    json_member_raw(w, "inputs", str_of(d->inputs));
    json_end_object(w);
}

static void on_decisions(struct http_request *r, struct store_op *op)
{
    struct store_decision_list *list = container_of(op, struct store_decision_list, op);

    api_answer_page(r, op, API_PAGE(list, id, show_decision), MAX_DECISIONS_BODY);
}

void deployment_decisions(struct http_request *r)
{
    struct pool *p = own_pool(r);
    struct store_decision_list *op;

    if (!p)
        return;
    op = api_op_new(sizeof(*op));
    if (!page_read(r, &op->op, PAGE_LARGE, &op->page))
        return;
    op->deployment_id = store_keep(&op->op, str_of(p->id));
    api_op_start(r, &op->op, &STORE_DECISION_LIST, on_decisions);
}
