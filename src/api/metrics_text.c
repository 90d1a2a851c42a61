/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics: each family is one row of a table, and goes over all pools that are told apart. The
 * first so many (metrics_pools) by age are; the others are put together, so that the number of
 * series has a limit. */
#include "api/api.h"
#include "api/metrics.h"
#include "run/canary.h"
#include "run/shadow.h"

#include <stdlib.h>

enum { MAX_BODY = 256 << 20 };

struct row {
    const char *labels; /* `owner="…",name="…",type="…"` */
    const struct pool_metrics *m;
    int queue;
    int instances[SERIES_STATES];
    int64_t min, max;
    bool is_deployment;               /* any of it: it may have canaries */
    const struct canary_live *canary; /* NULL: a model's, or of many put together */
    int canaries[CANARY_STATES];
    struct canary_count sides[CANARY_SIDES]; /* without how long they ran */
    int64_t same, differ, dropped;           /* copies for shadows */
};

/* --- collecting --- */

static void count_instances(const struct pool *p, int out[SERIES_STATES])
{
    struct lane *l;
    struct instance *in;

    list_each (&p->lanes, l, struct lane, node)
        list_each (&l->instances, in, struct instance, node)
            out[metrics_state(in)]++;
}

static void add_canary(struct row *row, const struct canary *c)
{
    row->canaries[c->state]++;
    for (int i = 0; i < CANARY_SIDES; i++) {
        row->sides[i].requests += c->sides[i].requests;
        row->sides[i].ended += c->sides[i].ended;
        row->sides[i].errors += c->sides[i].errors;
    }
}

static void add_shadow(struct row *row, const struct shadow_report *r)
{
    row->same += r->same;
    row->differ += r->differ;
    row->dropped += shadow_dropped(r);
}

static void add_pool(struct row *row, const struct pool *p)
{
    struct lane *l;

    row->is_deployment |= p->canary != NULL;
    if (p->canary && p->canary->is.state != CANARY_NONE && !p->canary->is.is_shadow)
        add_canary(row, &p->canary->is);
    if (p->shadow)
        add_shadow(row, &p->shadow->report);

    list_each (&p->lanes, l, struct lane, node)
        row->queue += l->line.n;
    count_instances(p, row->instances);
    row->min += p->min;
    row->max += p->max;
}

static void merge(struct pool_metrics *to, const struct pool_metrics *from)
{
    to->created += from->created;
    for (int i = 0; i < PREDICTION_STATUS_COUNT; i++)
        to->ended[i] += from->ended[i];
    to->boots += from->boots;
    to->failed_boots += from->failed_boots;
    to->cold_starts += from->cold_starts;
    for (int i = 0; i < LEDGER_KINDS; i++)
        to->kind_ms[i] += from->kind_ms[i];
    to->cost += from->cost;
    histogram_merge(&to->latency, &from->latency);
    histogram_merge(&to->wait, &from->wait);
    histogram_merge(&to->run, &from->run);
    histogram_merge(&to->boot, &from->boot);
}

static int by_age(const void *a, const void *b)
{
    const struct pool *const *x = a, *const *y = b;

    return strcmp((*x)->id, (*y)->id);
}

static struct pool **pools_of(struct http_request *r, size_t *out_n)
{
    struct fleet *f = api_of(r)->fleet;
    struct pool **pools = arena_array(r->arena, struct pool *, f->pools.n + 1), *p;
    size_t n = 0;

    for (size_t at = 0; map_next(&f->pools, &at, NULL, (void **)&p);)
        if (!r->account || strcmp(p->owner_id, account_of(r)->info.id) == 0)
            pools[n++] = p;
    qsort(pools, n, sizeof(struct pool *), by_age);
    *out_n = n;
    return pools;
}

/* `rest` takes those that are not told apart. */
static struct row *collect(struct http_request *r, struct pool_metrics *rest, size_t *out_n)
{
    size_t most = (size_t)api_of(r)->options->metrics_pools, n = 0;
    struct pool **pools = pools_of(r, &n);
    struct row *rows = arena_array(r->arena, struct row, n + 1);

    for (size_t i = 0; i < n; i++) {
        const struct pool *p = pools[i];
        struct row *row = &rows[MIN(i, most)];

        add_pool(row, p);
        if (i < most) {
            row->m = p->metrics;
            row->canary = p->canary && !p->canary->is.is_shadow ? p->canary : NULL;
            row->labels = arena_printf(r->arena, "owner=\"%s\",name=\"%s\",type=\"%s\"", p->owner,
                                       p->name, p->is_model ? "model" : "deployment");
            continue;
        }
        row->m = rest;
        row->labels = "owner=\"\",name=\"\",type=\"other\"";
        if (p->metrics)
            merge(rest, p->metrics);
    }
    *out_n = MIN(n, most + 1);
    return rows;
}

/* --- the families --- */

static void add_label(struct buf *out, const char *name, const struct row *row, const char *label,
                      const char *text, double v)
{
    buf_addf(out, "%s{%s,%s=\"%s\"} %.17g\n", name, row->labels, label, text, v);
}

static void w_created(struct buf *out, const char *name, const struct row *row)
{
    prometheus_sample(out, name, row->labels, row->m ? (double)row->m->created : 0);
}

static void w_ended(struct buf *out, const char *name, const struct row *row)
{
    for (int i = 0; i < PREDICTION_STATUS_COUNT; i++)
        if (prediction_is_terminal((enum prediction_status)i))
            add_label(out, name, row, "status", prediction_status_text((enum prediction_status)i),
                      row->m ? (double)row->m->ended[i] : 0);
}

static void w_latency(struct buf *out, const char *name, const struct row *row)
{
    if (row->m)
        prometheus_histogram(out, name, row->labels, &row->m->latency);
}

static void w_wait(struct buf *out, const char *name, const struct row *row)
{
    if (row->m)
        prometheus_histogram(out, name, row->labels, &row->m->wait);
}

static void w_run(struct buf *out, const char *name, const struct row *row)
{
    if (row->m)
        prometheus_histogram(out, name, row->labels, &row->m->run);
}

static void w_boot_seconds(struct buf *out, const char *name, const struct row *row)
{
    if (row->m)
        prometheus_histogram(out, name, row->labels, &row->m->boot);
}

static void w_queue(struct buf *out, const char *name, const struct row *row)
{
    prometheus_sample(out, name, row->labels, row->queue);
}

static void w_instances(struct buf *out, const char *name, const struct row *row)
{
    for (int k = 0; k < SERIES_STATES; k++)
        add_label(out, name, row, "state", series_state_name((enum series_state)k),
                  row->instances[k]);
}

static void w_min(struct buf *out, const char *name, const struct row *row)
{
    prometheus_sample(out, name, row->labels, (double)row->min);
}

static void w_max(struct buf *out, const char *name, const struct row *row)
{
    prometheus_sample(out, name, row->labels, (double)row->max);
}

static void w_boots(struct buf *out, const char *name, const struct row *row)
{
    prometheus_sample(out, name, row->labels, row->m ? (double)row->m->boots : 0);
}

static void w_failed_boots(struct buf *out, const char *name, const struct row *row)
{
    prometheus_sample(out, name, row->labels, row->m ? (double)row->m->failed_boots : 0);
}

static void w_cold(struct buf *out, const char *name, const struct row *row)
{
    prometheus_sample(out, name, row->labels, row->m ? (double)row->m->cold_starts : 0);
}

static void w_seconds(struct buf *out, const char *name, const struct row *row)
{
    for (int k = 0; k < LEDGER_KINDS; k++)
        add_label(out, name, row, "kind", ledger_kind_name((enum ledger_kind)k),
                  row->m ? (double)row->m->kind_ms[k] / 1000 : 0);
}

static void w_cost(struct buf *out, const char *name, const struct row *row)
{
    prometheus_sample(out, name, row->labels, row->m ? (double)row->m->cost / 1e12 : 0);
}

static void w_canary_state(struct buf *out, const char *name, const struct row *row)
{
    for (int i = CANARY_ON; row->is_deployment && i < CANARY_OVER; i++)
        add_label(out, name, row, "state", canary_state_name((enum canary_state)i),
                  row->canaries[i]);
}

static void w_canary_share(struct buf *out, const char *name, const struct row *row)
{
    bool is_on = row->canary && row->canary->is.state == CANARY_ON;

    if (row->canary)
        prometheus_sample(
            out, name, row->labels,
            is_on ? (double)canary_term(&row->canary->terms, CANARY_SHARE) / CANARY_WHOLE : 0);
}

static const char *const SIDES[CANARY_SIDES] = { [CANARY_OLD] = "old", [CANARY_NEW] = "new" };

static void w_canary_requests(struct buf *out, const char *name, const struct row *row)
{
    for (int i = 0; row->is_deployment && i < CANARY_SIDES; i++)
        add_label(out, name, row, "release", SIDES[i], (double)row->sides[i].requests);
}

static void w_canary_ended(struct buf *out, const char *name, const struct row *row)
{
    for (int i = 0; row->is_deployment && i < CANARY_SIDES; i++)
        add_label(out, name, row, "release", SIDES[i], (double)row->sides[i].ended);
}

static void w_canary_errors(struct buf *out, const char *name, const struct row *row)
{
    for (int i = 0; row->is_deployment && i < CANARY_SIDES; i++)
        add_label(out, name, row, "release", SIDES[i], (double)row->sides[i].errors);
}

static void w_canary_run(struct buf *out, const char *name, const struct row *row)
{
    for (int i = 0; row->canary && i < CANARY_SIDES; i++) {
        int64_t ms = canary_median_ms(&row->canary->is, (enum canary_side)i);

        if (ms >= 0)
            add_label(out, name, row, "release", SIDES[i], (double)ms / 1000);
    }
}

static void w_shadow(struct buf *out, const char *name, const struct row *row)
{
    if (!row->is_deployment)
        return;
    add_label(out, name, row, "result", "same", (double)row->same);
    add_label(out, name, row, "result", "differ", (double)row->differ);
    add_label(out, name, row, "result", "dropped", (double)row->dropped);
}

static const struct {
    const char *name, *type, *help;
    void (*write)(struct buf *out, const char *name, const struct row *row);
} FAMILIES[] = {
    { "berth_predictions_created_total", "counter", "Predictions that were accepted.", w_created },
    { "berth_predictions_total", "counter", "Predictions that have ended, by status.", w_ended },
    { "berth_prediction_latency_seconds", "histogram", "From a prediction's creation to its end.",
      w_latency },
    { "berth_prediction_wait_seconds", "histogram",
      "From a prediction's creation to the beginning of its first run.", w_wait },
    { "berth_prediction_run_seconds", "histogram", "predict_time of those that succeeded.", w_run },
    { "berth_queue_length", "gauge", "Predictions that wait.", w_queue },
    { "berth_instances", "gauge", "Instances, by their state.", w_instances },
    { "berth_instances_min", "gauge", "min_instances.", w_min },
    { "berth_instances_max", "gauge", "max_instances.", w_max },
    { "berth_instance_boots_total", "counter", "Instances that were started.", w_boots },
    { "berth_instance_boot_failures_total", "counter", "Boots that did not come to be ready.",
      w_failed_boots },
    { "berth_instance_boot_seconds", "histogram", "From the decision to boot until ready.",
      w_boot_seconds },
    { "berth_cold_starts_total", "counter", "Runs that waited for their instance to get ready.",
      w_cold },
    { "berth_instance_seconds_total", "counter", "Time of instances, by kind.", w_seconds },
    { "berth_cost_total", "counter", "What instances cost, in the money of the prices.", w_cost },
    { "berth_canary_state", "gauge", "1 for what the last canary has come to.", w_canary_state },
    { "berth_canary_share", "gauge",
      "Share of the new predictions that a canary has; 0 while none goes on.", w_canary_share },
    { "berth_canary_requests_total", "counter",
      "Predictions that were given to each release since the last canary could take some.",
      w_canary_requests },
    { "berth_canary_ended_total", "counter", "Those that have succeeded or failed.",
      w_canary_ended },
    { "berth_canary_errors_total", "counter", "Those that have failed.", w_canary_errors },
    { "berth_canary_run_median_seconds", "gauge", "How long half of those that succeeded ran.",
      w_canary_run },
    { "berth_shadow_copies_total", "counter",
      "Copies of predictions for the last shadow, by how its answers compare.", w_shadow },
};

void metrics_text(struct http_request *r)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(MAX_BODY);
    struct pool_metrics *rest = pool_metrics_new();
    struct row *rows;
    size_t n;

    metrics_settle(api_of(r)->fleet);
    rows = collect(r, rest, &n);
    prometheus_process(&out, r);
    for (size_t i = 0; i < ARRAY_SIZE(FAMILIES); i++) {
        prometheus_family(&out, FAMILIES[i].name, FAMILIES[i].type, FAMILIES[i].help);
        for (size_t k = 0; k < n; k++)
            FAMILIES[i].write(&out, FAMILIES[i].name, &rows[k]);
    }
    http_respond(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&out));
    pool_metrics_free(rest);
}

const struct http_route METRICS_ROUTES[] = {
    { .method = "GET",
      .path = "/metrics",
      .handler = metrics_text,
      .flags = HTTP_OPEN | HTTP_BODY_NONE,
      .name = "metrics",
      .summary = "Metrics in Prometheus' text format" },
};
const size_t METRICS_N_ROUTES = ARRAY_SIZE(METRICS_ROUTES);
