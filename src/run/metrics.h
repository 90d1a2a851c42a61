/* SPDX-License-Identifier: Apache-2.0 */
/* What pools did and do, counted where it happens: in steps of time (core/series), for the API, and
 * since the start, for Prometheus. The steps are kept in the store every minute. A fleet without
 * metrics (in a simulation) counts nothing: every call may be made with none. */
#pragma once

#include "base/histogram.h"
#include "core/series.h"
#include "loop/loop.h"

struct fleet;
struct instance;
struct lane;
struct pool;
struct prediction;

/* Of one pool. */
struct pool_metrics {
    struct series series;
    /* Since the start of the server. */
    uint64_t created, ended[PREDICTION_STATUS_COUNT], boots, failed_boots, cold_starts;
    int64_t kind_ms[LEDGER_KINDS];
    __int128 cost;
    struct histogram latency, wait, run, boot;
    /* The queue, to be added up over time. */
    int n_queue;
    int64_t queue_since; /* monotonic ms */
};

struct metrics;

/* Made after the fleet was loaded; fills in what an earlier server kept. */
struct metrics *metrics_new(struct fleet *f) NODISCARD;
/* Keeps what there is, before the store is closed. */
void metrics_stop(struct metrics *m);
void metrics_free(struct metrics *m);

/* Brings what goes on with time up to now: queues, and what instances spend. */
void metrics_settle(struct fleet *f);

struct pool_metrics *pool_metrics_new(void) NODISCARD;
void pool_metrics_free(struct pool_metrics *m);

void metrics_created(struct pool *p);
void metrics_queue(struct pool *p, int change);
void metrics_started(struct prediction *p, const struct instance *in);
void metrics_ended(struct prediction *p);
void metrics_boot(struct pool *p);
void metrics_boot_ended(struct instance *in, bool is_ready);
enum series_state metrics_state(const struct instance *in);
/* It has been as it is for so long. */
void metrics_time(const struct instance *in, int64_t price_nano, int64_t ms);
