/* SPDX-License-Identifier: Apache-2.0 */
#include "api/overview.h"

#include "api/cost.h"
#include "run/capacity.h"

#include <stdlib.h>

enum {
    PAGE_MOST = 500,
    MAX_BODY = 8 << 20,
    STEPS = 30, /* of the last hour */
    STEP_MINUTES = 2,
    DAY_MS = 86400000,
};

/* --- what a pool does now --- */

struct counts {
    int states[SERIES_STATES], queue;
};

static struct counts count(const struct pool *p)
{
    struct counts c = { 0 };
    const struct instance *in;
    const struct lane *l;

    list_each (&p->lanes, l, const struct lane, node) {
        c.queue += l->line.n;
        list_each (&l->instances, in, const struct instance, node)
            c.states[metrics_state(in)]++;
    }
    return c;
}

const char *pool_waits_for(const struct pool *p)
{
    const struct lane *l;

    list_each (&p->lanes, l, const struct lane, node)
        if (capacity_is_lacking(l))
            return l->waits_for;
    return NULL;
}

const char *pool_state(const struct pool *p)
{
    const struct release *current = pool_current(p);
    struct counts c = count(p);

    if (p->is_deleted)
        return "deleted";
    if (p->max == 0 && !p->is_model)
        return "disabled";
    if (c.states[SERIES_ACTIVE] > 0)
        return "active";
    if (c.states[SERIES_IDLE] > 0)
        return "idle";
    if (current && current->is_failed)
        return "failed";
    if (c.states[SERIES_SETUP] == 0 && pool_waits_for(p))
        return "waiting";
    return c.states[SERIES_SETUP] > 0 || c.queue > 0 ? "setting up" : "offline";
}

void show_pool_instances(struct json_writer *w, const struct pool *p)
{
    struct counts c = count(p);

    json_key(w, "instances");
    json_begin_object(w);
    for (int k = 0; k < SERIES_STATES; k++)
        json_member_int(w, series_state_name((enum series_state)k), c.states[k]);
    json_end_object(w);
    json_member_int(w, "queue", c.queue);
}

/* --- what it did lately --- */

struct lately {
    int64_t requests[STEPS], total, failed;
    struct spread waits[STEPS], wait; /* of all */
};

static void look_back(const struct pool *p, int64_t now, struct lately *out)
{
    *out = (struct lately){ 0 };
    for (size_t ago = 0; p->metrics && ago < (size_t)STEPS * STEP_MINUTES; ago++) {
        const struct series_step *s = series_back(&p->metrics->series, SERIES_MINUTES, now, ago);
        size_t at = STEPS - 1 - ago / STEP_MINUTES;

        if (!s)
            continue;
        out->requests[at] += s->created;
        out->total += s->created;
        out->failed += s->ended[PREDICTION_FAILED];
        spread_merge(&out->waits[at], &s->wait);
        spread_merge(&out->wait, &s->wait);
    }
}

static void write_p95(struct json_writer *w, const struct spread *s)
{
    if (spread_count(s) == 0)
        json_null(w);
    else
        json_double(w, spread_quantile(s, 0.95) / 1000);
}

static void show_hour(struct json_writer *w, const struct pool *p, int64_t now)
{
    struct lately l;

    look_back(p, now, &l);
    json_key(w, "hour");
    json_begin_object(w);
    json_member_int(w, "step_seconds", (int64_t)STEP_MINUTES * 60);
    json_key(w, "requests");
    json_begin_array(w);
    for (int i = 0; i < STEPS; i++)
        json_int(w, l.requests[i]);
    json_end_array(w);
    json_key(w, "wait_p95");
    json_begin_array(w);
    for (int i = 0; i < STEPS; i++)
        write_p95(w, &l.waits[i]);
    json_end_array(w);
    json_member_int(w, "total", l.total);
    json_member_int(w, "failed", l.failed);
    json_key(w, "p95");
    write_p95(w, &l.wait);
    json_end_object(w);
}

/* Since midnight (UTC), by the quarter of an hour: a day has as many as are kept. */
static int64_t cost_today(const struct pool *p, int64_t now)
{
    int64_t unit = series_step_ms(SERIES_QUARTERS), sum = 0;
    size_t n = (size_t)((now - ledger_floor(now, DAY_MS)) / unit) + 1;

    for (size_t ago = 0; p->metrics && ago < n; ago++) {
        const struct series_step *s = series_back(&p->metrics->series, SERIES_QUARTERS, now, ago);

        sum += s ? s->cost : 0;
    }
    return sum;
}

/* --- the list --- */

static void show_row(struct http_request *r, struct json_writer *w, const struct pool *p)
{
    const struct release *current = pool_current(p);
    const struct version *v = current->lane->version;
    int64_t now = loop_wall_ms(r->loop);

    json_begin_object(w);
    json_member_string(w, "owner", p->owner);
    json_member_string(w, "name", p->name);
    json_member_string(w, "model", arena_printf(r->arena, "%s/%s", v->owner, v->model));
    json_member_string(w, "version", v->id);
    json_member_string(w, "hardware", current->lane->sku_name);
    json_member_int(w, "min_instances", p->min);
    json_member_int(w, "max_instances", p->max);
    json_member_int(w, "release", current->number);
    json_member_string(w, "state", pool_state(p));
    json_member_string(w, "failure", current->is_failed ? current->failure : NULL);
    json_member_string(w, "held", p->held[0] ? p->held : NULL);
    json_member_string(w, "waits_for", pool_waits_for(p));
    show_pool_instances(w, p);
    show_time(w, "last_used_at", p->last_used_at);
    show_hour(w, p, now);
    show_amount(w, "cost_today", cost_today(p, now));
    json_end_object(w);
}

static int newest_first(const void *a, const void *b)
{
    const struct pool *const *x = a, *const *y = b;

    return strcmp((*y)->id, (*x)->id);
}

/* The account's deployments, or the one that ?name= says. */
static size_t collect(struct http_request *r, struct pool **out)
{
    const char *me = account_of(r)->info.id;
    struct str wanted = http_query(r, "name");
    struct pool *p;
    size_t n = 0;

    for (size_t at = 0; map_next(&api_of(r)->fleet->pools, &at, NULL, (void **)&p);) {
        if (p->is_model || p->is_deleted || !pool_current(p) || strcmp(p->owner_id, me) != 0)
            continue;
        if (!wanted.p || str_is(wanted, arena_printf(r->arena, "%s/%s", p->owner, p->name)))
            out[n++] = p;
    }
    qsort(out, n, sizeof(struct pool *), newest_first);
    return n;
}

/* Cuts the page that the cursor asks for out of all. */
static struct pool **cut(struct pool **all, size_t n, const struct page_query *page, size_t *out_n,
                         struct page_info *out_info)
{
    size_t from = 0, to = n;

    while (page->after && from < n && strcmp(all[from]->id, page->after) >= 0)
        from++;
    while (page->before && to > from && strcmp(all[to - 1]->id, page->before) <= 0)
        to--;
    if (page->before && to - from > PAGE_MOST)
        from = to - PAGE_MOST;
    to = MIN(to, from + PAGE_MOST);
    *out_info =
        (struct page_info){ .has_next = to > from && to<n, .has_previous = to> from && from > 0 };
    *out_n = to - from;
    return all + from;
}

void deployment_overview(struct http_request *r)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(MAX_BODY);
    struct fleet *f = api_of(r)->fleet;
    struct pool **all = arena_array(r->arena, struct pool *, f->pools.n + 1), **rows;
    struct store_op texts = { 0 }; /* keeps the cursor's */
    struct page_query page;
    struct page_info info;
    struct json_writer w;
    size_t n;

    if (!page_cursor(http_query(r, "cursor"), &texts, PAGE_MOST, &page)) {
        http_problem(r, 400, NULL, PAGE_BAD_CURSOR);
        return;
    }
    metrics_settle(f);
    n = collect(r, all);
    rows = cut(all, n, &page, &n, &info);
    json_writer_init(&w, &body);
    page_begin(r, &w, &info, n ? rows[0]->id : NULL, n ? rows[n - 1]->id : NULL);
    for (size_t i = 0; i < n; i++)
        show_row(r, &w, rows[i]);
    page_end(&w);
    store_op_deinit(&texts);
    api_answer(r, 200, &body);
}
