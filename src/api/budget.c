/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets of a deployment and of an account, and what a deployment would cost. */
#include "api/budget.h"

#include "api/api.h"
#include "api/cost.h"
#include "core/decimal.h"
#include "core/webhook.h"
#include "run/budget.h"

enum { NANO = 9, PERCENT = 2, MAX_BODY = 64 * 1024 };

#define MOST_AMOUNT ((int64_t)1000000000 * 1000000000) /* in billionths */
#define WEEK_MS     (7 * (int64_t)LEDGER_DAY_MS)
#define SECOND_MS   1000

/* What is meant: the deployment of the path, or, without one, the account. */
struct subject {
    const char *id;
    bool is_account;
};

static bool find_subject(struct http_request *r, bool is_account, struct subject *out)
{
    struct pool *p = is_account ? NULL : own_pool(r);

    *out = (struct subject){ .id = is_account ? account_of(r)->info.id
                                   : p        ? p->id
                                              : NULL,
                             .is_account = is_account };
    return out->id != NULL;
}

static void answer_budget(struct http_request *r, const struct subject *s)
{
    const struct budget *b = budget_find(api_of(r)->fleet, s->id);
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(MAX_BODY);
    struct json_writer w;

    if (!b) {
        http_problem(r, 404, NULL, "No budget is set. PUT one to this path.");
        return;
    }
    json_writer_init(&w, &body);
    json_begin_object(&w);
    show_amount(&w, "amount", (__int128)b->terms.amount_nano * 1000);
    json_member_string(&w, "period", b->terms.is_monthly ? "month" : "day");
    json_member_double(&w, "warn_at", (double)b->terms.warn_percent / 100);
    json_member_string(&w, "webhook", b->webhook);
    json_member_string(&w, "state", budget_level_name(b->level));
    show_amount(&w, "spent", b->spent);
    show_time(&w, "period_start", b->period);
    show_time(&w, "period_end", budget_period_end(&b->terms, b->period));
    json_end_object(&w);
    api_answer(r, 200, &body);
}

static void show(struct http_request *r, bool is_account)
{
    struct subject s;

    if (find_subject(r, is_account, &s))
        answer_budget(r, &s);
}

void deployment_budget_show(struct http_request *r)
{
    show(r, false);
}

void account_budget_show(struct http_request *r)
{
    show(r, true);
}

/* --- setting --- */

struct putting {
    struct store_budget_put put;
    __int128 mark;
};

static bool read_number(struct http_request *r, struct problems *p, const char *key, int scale,
                        int64_t low, int64_t high, int64_t *out)
{
    const struct json *v = json_get(r->json, key);
    char from[48], to[48];
    struct decimal d;

    if (json_is(v, JSON_NUMBER) && decimal_parse(v->span, &d) && decimal_scale(&d, scale, out) &&
        *out >= low && *out <= high)
        return true;
    decimal_format(low, scale, from);
    decimal_format(high, scale, to);
    if (v)
        problems_add(p, key, "%.*s must be a number from %s to %s with at most %d decimals.",
                     (int)MIN(v->span.n, (size_t)60), v->span.p, from, to, scale);
    else
        problems_add(p, key,
                     "This is missing; it must be a number from %s to %s with at most %d decimals.",
                     from, to, scale);
    return false;
}

static void read_period(struct http_request *r, struct problems *p, struct budget_terms *out)
{
    const char *period = body_text(r, p, "period", false, MAX_LABEL);

    out->is_monthly = !period || strcmp(period, "month") == 0;
    if (period && !out->is_monthly && strcmp(period, "day") != 0)
        problems_add(p, "period", "\"%.40s\" must be day or month.", period);
}

static const char *read_webhook(struct http_request *r, struct problems *p)
{
    const char *url = body_url(r, p, "webhook");
    char origin[WEBHOOK_ORIGIN_SIZE];

    if (!url)
        return NULL;
    if (!webhook_origin(str_of(url), origin))
        problems_add(p, "webhook", "\"%.100s\" is not a URL with a host.", url);
    else if (str_starts(str_of(origin), "http://") && !api_of(r)->options->webhook_private_targets)
        problems_add(p, "webhook",
                     "This must be an https:// address (the option webhook_private_targets allows "
                     "http://).");
    return url;
}

static bool read_body(struct http_request *r, struct budget_row *out)
{
    static const char *const keys[] = { "amount", "period", "warn_at", "webhook", NULL };
    struct problems p;

    problems_init(&p, r);
    body_only(r, &p, keys);
    read_number(r, &p, "amount", NANO, 0, MOST_AMOUNT, &out->terms.amount_nano);
    read_period(r, &p, &out->terms);
    out->terms.warn_percent = 80;
    if (json_get(r->json, "warn_at"))
        read_number(r, &p, "warn_at", PERCENT, 1, 100, &out->terms.warn_percent);
    out->webhook = read_webhook(r, &p);
    return !problems_send(&p);
}

static void put_effect(struct api *a, struct store_op *op)
{
    struct putting *x = container_of(op, struct putting, put.spent.op);

    if (x->put.remove)
        budget_remove(a->fleet, x->put.in.id);
    else
        budget_set(a->fleet, &x->put.in, x->mark, x->put.spent.spent);
}

static void on_put(struct http_request *r, struct store_op *op)
{
    const struct putting *x = container_of(op, struct putting, put.spent.op);
    const struct subject s = { .id = x->put.in.id, .is_account = x->put.spent.is_account };

    if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else if (x->put.remove)
        http_respond_empty(r, 204);
    else
        answer_budget(r, &s);
}

static void start(struct http_request *r, const struct subject *s, const struct budget_row *row)
{
    struct putting *x = api_op_new(sizeof(*x));
    struct store_op *op = &x->put.spent.op;
    struct fleet *f = api_of(r)->fleet;

    x->put.remove = !row;
    if (row)
        x->put.in = *row;
    x->put.in.id = x->put.spent.id = store_keep(op, str_of(s->id));
    x->put.in.account_id = store_keep(op, str_of(account_of(r)->info.id));
    x->put.in.webhook = store_keep(op, str_of(x->put.in.webhook));
    x->put.spent.is_account = s->is_account;
    x->put.spent.from = budget_period_start(&x->put.in.terms, loop_wall_ms(r->loop));
    x->mark = budget_mark(f, s->id);
    api_op_start_effect(r, op, &STORE_BUDGET_PUT, put_effect, on_put);
}

static void put(struct http_request *r, bool is_account)
{
    struct budget_row row = { 0 };
    struct subject s;

    if (find_subject(r, is_account, &s) && body_is_object(r) && read_body(r, &row))
        start(r, &s, &row);
}

static void remove_one(struct http_request *r, bool is_account)
{
    struct subject s;

    if (find_subject(r, is_account, &s))
        start(r, &s, NULL);
}

void deployment_budget_put(struct http_request *r)
{
    put(r, false);
}

void account_budget_put(struct http_request *r)
{
    put(r, true);
}

void deployment_budget_remove(struct http_request *r)
{
    remove_one(r, false);
}

void account_budget_remove(struct http_request *r)
{
    remove_one(r, true);
}

/* --- before a deployment is made --- */

struct estimate {
    struct store_ledger_read read;
    const struct sku *sku;
    int64_t min, max;
};

/* The instances of last week, at this price; never fewer than the minimum. */
static void show_last_week(struct json_writer *w, const struct estimate *e)
{
    struct ledger_sum sum = { 0 };
    int64_t ms;

    json_key(w, "last_week");
    for (size_t i = 0; i < e->read.n; i++)
        ledger_sum_add(&sum, e->read.rows[i].piece.kind, e->sku->price_nano,
                       e->read.rows[i].piece.ms);
    ms = ledger_sum_ms(&sum);
    if (ms == 0) {
        json_null(w);
        return;
    }
    ms = MAX(ms, e->min * WEEK_MS);
    json_begin_object(w);
    show_amount(w, "seconds", (__int128)ms * 1000000000);
    show_amount(w, "cost", ledger_price_of(e->sku->price_nano, 1, ms));
    json_end_object(w);
}

static void answer_estimate(struct http_request *r, const struct estimate *e)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(MAX_BODY);
    struct json_writer w;

    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "hardware", e->sku->sku);
    show_amount(&w, "price", ledger_price_of(e->sku->price_nano, 1, SECOND_MS));
    json_key(&w, "per_hour");
    json_begin_object(&w);
    show_amount(&w, "minimum", ledger_price_of(e->sku->price_nano, e->min, LEDGER_HOUR_MS));
    show_amount(&w, "maximum", ledger_price_of(e->sku->price_nano, e->max, LEDGER_HOUR_MS));
    json_end_object(&w);
    show_last_week(&w, e);
    json_end_object(&w);
    api_answer(r, 200, &body);
}

static void on_read(struct http_request *r, struct store_op *op)
{
    if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        answer_estimate(r, container_of(op, struct estimate, read.op));
}

/* A deployment of the caller's as "owner/name" or "name", whose traffic is taken. */
static struct pool *read_deployment(struct http_request *r, struct problems *p)
{
    const char *given = body_text(r, p, "deployment", false, MAX_REF);
    const struct account *me = &account_of(r)->info;
    struct str name = str_of(given), owner;
    struct pool *found = NULL;

    if (!given)
        return NULL;
    if (!strchr(given, '/') || (str_split(&name, '/', &owner) && str_is(owner, me->username)))
        found = pool_find(api_of(r)->fleet, str_of(me->username), name);
    if (!found)
        problems_add(p, "deployment", "You have no deployment %.100s.", given);
    return found;
}

void deployment_estimate(struct http_request *r)
{
    static const char *const keys[] = { "hardware", "min_instances", "max_instances", "deployment",
                                        NULL };
    const struct options *o = api_of(r)->options;
    struct estimate e = { .sku = NULL }, *op;
    struct problems p;
    struct pool *pool;
    int64_t now = loop_wall_ms(r->loop);

    if (!body_is_object(r))
        return;
    problems_init(&p, r);
    body_only(r, &p, keys);
    e.sku = body_sku(r, &p, true);
    e.min = body_int(r, &p, "min_instances", true, 0, o->min_instances_limit);
    e.max = body_int(r, &p, "max_instances", true, 0, o->max_instances_limit);
    if (e.min >= 0 && e.max >= 0 && e.max < e.min)
        problems_add(&p, "max_instances", "%lld is less than min_instances (%lld).",
                     (long long)e.max, (long long)e.min);
    pool = read_deployment(r, &p);
    if (problems_send(&p))
        return;
    if (!pool) {
        answer_estimate(r, &e);
        return;
    }
    op = api_op_new(sizeof(*op));
    op->sku = e.sku;
    op->min = e.min;
    op->max = e.max;
    op->read.pool_id = store_keep(&op->read.op, str_of(pool->id));
    op->read.from = ledger_floor(now - WEEK_MS, LEDGER_HOUR_MS);
    op->read.to = now;
    op->read.unit_ms = LEDGER_DAY_MS;
    api_op_start(r, &op->read.op, &STORE_LEDGER_READ, on_read);
}
