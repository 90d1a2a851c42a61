/* SPDX-License-Identifier: Apache-2.0 */
/* A deployment's last two hours by the minute, and its last day by the quarter of an hour. */
#include "api/metrics.h"

#include "api/api.h"
#include "api/cost.h"
#include "base/arena.h"

enum { MAX_BODY = 4 << 20 };

static void show_spread(struct json_writer *w, const char *key, const struct spread *s)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = { { "p50", 0.5 }, { "p95", 0.95 }, { "p99", 0.99 } };
    int64_t n = spread_count(s);

    json_key(w, key);
    if (n == 0) {
        json_null(w);
        return;
    }
    json_begin_object(w);
    for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++)
        json_member_double(w, quantiles[i].name, spread_quantile(s, quantiles[i].q) / 1000);
    json_member_double(w, "mean", (double)s->sum_ms / (double)n / 1000);
    json_end_object(w);
}

/* How many instances there were in each state, on average. */
static void show_instances(struct json_writer *w, const struct series_step *s, double ms)
{
    json_key(w, "instances");
    json_begin_object(w);
    for (int k = 0; k < SERIES_STATES; k++)
        json_member_double(w, series_state_name((enum series_state)k), (double)s->state_ms[k] / ms);
    json_end_object(w);
}

static void show_ended(struct json_writer *w, const struct series_step *s, double ms)
{
    int64_t all = 0, failed = s->ended[PREDICTION_FAILED];

    json_member_int(w, "created", s->created);
    for (int k = 0; k < PREDICTION_STATUS_COUNT; k++) {
        if (!prediction_is_terminal((enum prediction_status)k))
            continue;
        json_member_int(w, prediction_status_text((enum prediction_status)k), s->ended[k]);
        all += s->ended[k];
    }
    json_member_double(w, "throughput", (double)all * 1000 / ms);
    json_member_double(w, "error_rate", all ? (double)failed / (double)all : 0);
}

/* `ms` is how much of the step has passed. */
static void show_step(struct json_writer *w, int64_t start, const struct series_step *s, double ms)
{
    static const struct series_step nothing;

    if (!s)
        s = &nothing;
    json_begin_object(w);
    show_time(w, "start", start);
    show_ended(w, s, ms);
    show_spread(w, "latency", &s->latency);
    show_spread(w, "wait", &s->wait);
    show_spread(w, "run", &s->run);
    json_key(w, "queue");
    json_begin_object(w);
    json_member_double(w, "mean", (double)s->queue_ms / ms);
    json_member_int(w, "max", s->queue_most);
    json_end_object(w);
    show_instances(w, s, ms);
    json_member_int(w, "boots", s->boots);
    json_member_int(w, "failed_boots", s->failed_boots);
    json_member_int(w, "cold_starts", s->cold_starts);
    show_amount(w, "cost", s->cost);
    json_end_object(w);
}

static void show_ring(struct json_writer *w, const char *key, const struct series *s,
                      enum series_ring ring, int64_t now)
{
    int64_t unit = series_step_ms(ring), start = ledger_floor(now, unit);

    json_key(w, key);
    json_begin_object(w);
    json_member_int(w, "step_seconds", unit / 1000);
    json_key(w, "steps");
    json_begin_array(w);
    for (size_t ago = series_length(ring); ago-- > 0;) {
        int64_t passed = ago == 0 ? MAX(now - start, 1) : unit;

        show_step(w, start - (int64_t)ago * unit, series_back(s, ring, now, ago), (double)passed);
    }
    json_end_array(w);
    json_end_object(w);
}

void deployment_metrics(struct http_request *r)
{
    static const struct series nothing;
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(MAX_BODY);
    struct pool *p = own_pool(r);
    int64_t now = loop_wall_ms(r->loop);
    const struct series *s;
    struct json_writer w;

    if (!p)
        return;
    metrics_settle(p->fleet);
    s = p->metrics ? &p->metrics->series : &nothing;
    json_writer_init(&w, &body);
    json_begin_object(&w);
    show_time(&w, "now", now);
    show_ring(&w, "hours", s, SERIES_MINUTES, now);
    show_ring(&w, "day", s, SERIES_QUARTERS, now);
    json_end_object(&w);
    api_answer(r, 200, &body);
}
