/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics: of one deployment as JSON, and of everything in Prometheus' text format. */
#pragma once

#include "base/histogram.h"
#include "http/server.h"

/* What the HTTP side counts of itself. */
enum { METRICS_MAX_ROUTES = 256, METRICS_CODES = 6 };

struct http_metrics {
    uint64_t requests[METRICS_MAX_ROUTES][METRICS_CODES]; /* by row of the route table, and hundreds
                                                             of the status */
    struct histogram seconds;
};

void http_metrics_init(struct http_metrics *m);
void http_metrics_observe(struct http_metrics *m, const struct http_request *r, int status,
                          int64_t took_ms);

void deployment_metrics(struct http_request *r);
/* With a token: the account's own deployments and models; on the listener of metrics_listen all. */
void metrics_text(struct http_request *r);

/* The routes of that listener. */
extern const struct http_route METRICS_ROUTES[];
extern const size_t METRICS_N_ROUTES;

/* --- writing the text format --- */

/* A family's head; its samples follow at once. */
void prometheus_family(struct buf *out, const char *name, const char *type, const char *help);
/* `labels` as they stand between braces, "" for none. */
void prometheus_sample(struct buf *out, const char *name, const char *labels, double value);
void prometheus_histogram(struct buf *out, const char *name, const char *labels,
                          const struct histogram *h);
/* What the process itself is and takes; more of the kind has its place there. */
void prometheus_process(struct buf *out, const struct http_request *r);
