/* SPDX-License-Identifier: Apache-2.0 */
#include "api/canary.h"

#include "api/shadow.h"
#include "run/canary.h"
#include "run/shadow.h"
#include "store/canary.h"

static void on_fault(void *arg, const char *path, const struct error *err)
{
    char field[64];

    (void)snprintf(field, sizeof(field), "rollout%s%s", path ? "/" : "", path ? path : "");
    problems_add(arg, field, "%s", err->text);
}

const char *body_rollout(struct http_request *r, struct problems *p)
{
    struct json *v = json_get(r->json, "rollout");
    struct canary_terms t;

    canary_terms_init(&t);
    if (!v || canary_terms_change(&t, v, on_fault, p) != STATUS_OK)
        return NULL;
    return arena_copy(r->arena, v->span);
}

static void show_count(struct json_writer *w, const char *key, const struct canary *c,
                       enum canary_side side)
{
    const struct canary_count *n = &c->sides[side];
    int64_t median = canary_median_ms(c, side);

    json_key(w, key);
    json_begin_object(w);
    if (!c->is_shadow)
        json_member_int(w, "requests", n->requests);
    json_member_int(w, "ended", n->ended);
    json_member_int(w, "errors", n->errors);
    if (median < 0)
        json_member_null(w, "median_seconds");
    else
        json_member_double(w, "median_seconds", (double)median / 1000);
    json_end_object(w);
}

void show_canary(struct json_writer *w, const struct canary_live *live)
{
    const struct canary *c = &live->is;
    bool is_on = c->state == CANARY_ON;

    json_member_string(w, "state",
                       is_on && !c->began_at ? "setting up" : canary_state_name(c->state));
    json_member_int(w, "release", c->release);
    json_member_int(w, "beside", c->base);
    show_time(w, "began_at", c->began_at);
    show_time(w, "until", is_on && c->began_at ? canary_until(c, &live->terms) : 0);
    show_time(w, "ended_at", c->ended_at);
    json_member_string(w, "why", c->why[0] ? c->why : NULL);
    if (c->is_shadow)
        show_shadow_counts(w, &live->pool->shadow->report);
    show_count(w, "new", c, CANARY_NEW);
    show_count(w, "old", c, CANARY_OLD);
}

void show_rollout(struct json_writer *w, const struct pool *p, const char *stored)
{
    struct canary_terms t;

    canary_terms_load(&t, str_of(stored));
    if (t.is_set) {
        json_key(w, "rollout");
        canary_terms_write(&t, true, w);
    }
    if (p && p->canary && p->canary->is.state != CANARY_NONE) {
        json_key(w, p->canary->is.is_shadow ? "shadow" : "canary");
        json_begin_object(w);
        show_canary(w, p->canary);
        json_end_object(w);
    }
}

const char *canary_state_of(const struct pool *p, int64_t release)
{
    const struct canary *c = p && p->canary ? &p->canary->is : NULL;

    if (!c || !canary_is_open(c) || c->release != release)
        return NULL;
    return c->is_shadow ? "shadow" : "canary";
}

static void on_ended(struct http_request *r, struct store_op *op)
{
    if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        deployment_show(r);
}

/* What is told is stored by then: all that the end has written comes before this in the same order.
 */
static void end_now(struct http_request *r, enum canary_state state)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct pool *p = own_pool(r);
    struct store_canary_put *op;
    struct error err;

    if (!p)
        return;
    if (canary_end_now(p, state, &err) != STATUS_OK) {
        http_problem(r, 422, "Nothing to end", "%s", err.text);
        return;
    }
    op = api_op_new(sizeof(*op));
    canary_write(&p->canary->is, &text);
    op->deployment_id = store_keep(&op->op, str_of(p->id));
    op->data = store_keep(&op->op, buf_str(&text));
    api_op_start(r, &op->op, &STORE_CANARY_PUT, on_ended);
}

void deployment_promote(struct http_request *r)
{
    end_now(r, CANARY_PROMOTED);
}

void deployment_halt(struct http_request *r)
{
    end_now(r, CANARY_HALTED);
}
