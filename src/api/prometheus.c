/* SPDX-License-Identifier: Apache-2.0 */
/* Writing Prometheus' text format (version 0.0.4), and what the process says of itself. */
#include "api/api.h"
#include "api/metrics.h"
#include "base/file.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static const double SECONDS[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                  0.5,   1,      2.5,   5,    10,    30,   60 };

/* --- the format --- */

void prometheus_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void prometheus_sample(struct buf *out, const char *name, const char *labels, double value)
{
    buf_adds(out, name);
    if (*labels)
        buf_addf(out, "{%s}", labels);
    buf_addf(out, " %.17g\n", value);
}

void prometheus_histogram(struct buf *out, const char *name, const char *labels,
                          const struct histogram *h)
{
    const char *comma = *labels ? "," : "", *open = *labels ? "{" : "", *close = *labels ? "}" : "";
    uint64_t n = 0;

    for (size_t i = 0; i < h->n; i++) {
        n += h->counts[i];
        buf_addf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, labels, comma, h->bounds[i],
                 (unsigned long long)n);
    }
    n += h->counts[h->n];
    buf_addf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, labels, comma, (unsigned long long)n);
    buf_addf(out, "%s_sum%s%s%s %.17g\n", name, open, labels, close, h->sum);
    buf_addf(out, "%s_count%s%s%s %llu\n", name, open, labels, close, (unsigned long long)n);
}

/* --- requests --- */

void http_metrics_init(struct http_metrics *m)
{
    *m = (struct http_metrics){ 0 };
    histogram_init(&m->seconds, SECONDS, ARRAY_SIZE(SECONDS));
}

void http_metrics_observe(struct http_metrics *m, const struct http_request *r, int status,
                          int64_t took_ms)
{
    size_t code = status >= 100 && status < 600 ? (size_t)status / 100 : 0, at = API_N_ROUTES;

    for (size_t i = 0; r->route && i < API_N_ROUTES; i++)
        if (r->route == &API_ROUTES[i])
            at = i;
    m->requests[MIN(at, (size_t)METRICS_MAX_ROUTES - 1)][code]++;
    histogram_observe(&m->seconds, (double)took_ms / 1000);
}

static void write_http(struct buf *out, const struct http_metrics *m)
{
    char labels[160];

    prometheus_family(out, "berth_http_requests_total", "counter",
                      "Requests that were answered, by operation and hundreds of the status.");
    for (size_t i = 0; i <= API_N_ROUTES && i < METRICS_MAX_ROUTES; i++) {
        for (size_t c = 0; c < METRICS_CODES; c++) {
            if (m->requests[i][c] == 0)
                continue;
            snprintf(labels, sizeof(labels), "operation=\"%s\",code=\"%zuxx\"",
                     i < API_N_ROUTES ? API_ROUTES[i].name : "other", c);
            prometheus_sample(out, "berth_http_requests_total", labels, (double)m->requests[i][c]);
        }
    }
    prometheus_family(out, "berth_http_request_duration_seconds", "histogram",
                      "From a request's head to the end of its answer.");
    prometheus_histogram(out, "berth_http_request_duration_seconds", "", &m->seconds);
}

/* --- the process --- */

static double open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    double n = 0;

    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n > 3 ? n - 3 : 0; /* ., .., and the one that reads */
}

/* The n-th field behind the command of /proc/self/stat, from 0. */
static double stat_field(const struct buf *stat, int n)
{
    const char *p = stat->n ? strrchr(stat->p, ')') : NULL;

    for (p = p ? p + 2 : NULL; p && n > 0; n--) {
        p = strchr(p, ' ');
        p = p ? p + 1 : NULL;
    }
    return p ? strtod(p, NULL) : 0;
}

static void one(struct buf *out, const char *name, const char *type, const char *help, double v)
{
    prometheus_family(out, name, type, help);
    prometheus_sample(out, name, "", v);
}

static void write_store(struct buf *out, const struct store *s)
{
    struct store_stats stats = store_stats(s);

    one(out, "berth_store_commits_total", "counter", "Transactions that were committed.",
        (double)stats.commits);
    one(out, "berth_store_writes_total", "counter", "Write operations; many share a commit.",
        (double)stats.writes);
    one(out, "berth_store_reads_total", "counter", "Read operations.", (double)stats.reads);
    one(out, "berth_store_queue_length", "gauge", "Operations that wait for the store.",
        (double)stats.queue_length);
}

static void write_machine(struct buf *out, const struct hardware *h)
{
    one(out, "berth_machine_cpus", "gauge", "Processors of the machine.",
        (double)h->machine.cpus_milli / 1000);
    one(out, "berth_machine_cpus_promised", "gauge", "Processors that instances were promised.",
        (double)h->cpus_used / 1000);
    one(out, "berth_machine_memory_bytes", "gauge", "Memory of the machine.",
        (double)h->machine.memory);
    one(out, "berth_machine_memory_promised_bytes", "gauge", "Memory that instances were promised.",
        (double)h->memory_used);
    one(out, "berth_machine_gpus", "gauge", "GPUs of the machine.", h->machine.n_gpus);
    one(out, "berth_machine_gpus_taken", "gauge", "GPUs that instances hold.",
        __builtin_popcountll(h->gpus_used));
}

/* While callbacks of a turn run nobody else is served. */
static void write_loop(struct buf *out, const struct loop *l)
{
    const char *name = "berth_loop_turn_seconds";
    struct loop_lag lag;
    uint64_t n = 0;

    loop_lag(l, &lag);
    prometheus_family(out, name, "histogram", "How long the callbacks of a turn held the loop.");
    for (size_t i = 0; i < LOOP_LAG_BOUNDS; i++) {
        n += lag.counts[i];
        buf_addf(out, "%s_bucket{le=\"%g\"} %llu\n", name, (double)LOOP_LAG_BOUNDS_US[i] / 1e6,
                 (unsigned long long)n);
    }
    buf_addf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9f\n%s_count %llu\n", name,
             (unsigned long long)lag.turns, name, (double)lag.sum_ns / 1e9, name,
             (unsigned long long)lag.turns);
    one(out, "berth_loop_turn_worst_seconds", "gauge", "The longest turn since the server started.",
        (double)lag.worst_ns / 1e9);
}

void prometheus_process(struct buf *out, const struct http_request *r)
{
    const struct api *a = api_of(r);
    struct buf stat CLEANUP(buf_deinit) = BUF_INIT(1 << 16);
    double ticks = (double)sysconf(_SC_CLK_TCK);

    if (file_read("/proc/self/stat", &stat, NULL) != STATUS_OK)
        buf_clear(&stat);
    prometheus_family(out, "berth_build_info", "gauge", "The version that runs; always 1.");
    prometheus_sample(out, "berth_build_info", "version=\"" BERTH_VERSION "\"", 1);
    one(out, "process_cpu_seconds_total", "counter",
        "Processor time of the server, without instances.",
        (stat_field(&stat, 11) + stat_field(&stat, 12)) / ticks);
    one(out, "process_resident_memory_bytes", "gauge", "Memory of the server, without instances.",
        stat_field(&stat, 21) * (double)sysconf(_SC_PAGESIZE));
    one(out, "process_open_fds", "gauge", "Descriptors that the server has open.", open_files());
    one(out, "process_start_time_seconds", "gauge", "When the server started, since 1970.",
        (double)a->started_at / 1000);
    write_loop(out, a->loop);
    write_http(out, &a->http);
    write_store(out, a->store);
    write_machine(out, a->hardware);
}
