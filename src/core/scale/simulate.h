/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic replayed through a policy: who would have waited for how long, and what would have run.
 * Events only, no ticks; the policy is asked after each event and when it wants to be. */
#pragma once

#include "core/scale.h"

/* One prediction of the past. `at` rises from one to the next. */
struct scale_arrival {
    int64_t at;         /* ms */
    int32_t service_ms; /* in its slot */
};

/* The policy's view of the moment. */
struct simulation {
    int64_t now;
    const struct scale_arrival *arrivals;
    size_t n_arrivals;
    size_t next;    /* the first that has not come yet */
    size_t started; /* the first that has come and waits, if started < next */
    int waiting, in_flight;
    struct scale_instance *instances; /* those that boot, are ready, or drain */
    size_t n;
    int slots;
    void *state; /* the engine's own */
};

/* When the one that runs for the longest began; 0: none runs. */
int64_t simulation_oldest_running(const struct simulation *s);

struct simulation_policy {
    void *arg;
    /* Fills boots and drains into `out` (lane 0) and the time at which it wants to look again. */
    void (*decide)(void *arg, const struct simulation *s, struct scale_plan *out);
    /* What happened; may be NULL. */
    void (*arrived)(void *arg, int64_t now);
    void (*started)(void *arg, int64_t now, int64_t waited_ms);
    void (*served)(void *arg, int64_t now, int64_t service_ms);
    void (*booted)(void *arg, int64_t now, int64_t boot_ms);
    /* After a decision that changes something was carried out. */
    void (*decided)(void *arg, const struct simulation *s, const struct scale_plan *plan);
};

struct simulation_spec {
    const struct scale_arrival *arrivals;
    size_t n;
    int64_t from,
        until; /* ms; instances are counted from the one to the other, or to the last end */
    int64_t boot_ms;
    int64_t target_ms; /* what over_target is counted against */
    int slots;
    int max_queue; /* 0: none */
};

struct simulation_result {
    double instance_seconds; /* from the launch to the stop */
    int64_t boots;
    size_t n, refused;
    int64_t p50, p95, p99, most; /* waits, ms */
    double mean;
    double over_target; /* share */
    int peak;           /* instances */
};

/* False when there is no memory for it. */
void simulate(const struct simulation_spec *spec, const struct simulation_policy *policy,
              struct simulation_result *out);

/* Berth's own policy, for the simulator. */
struct scale_simulated {
    struct scale_view view; /* min, max, target and keep-alive are given; the rest is filled */
    struct scale_learned learned;
    struct scale_lane lane;
    const struct scale_schedule *schedule; /* NULL: none */
    int min;                               /* without the schedule */
    void (*told)(void *arg, const struct scale_view *v,
                 const struct scale_plan *plan); /* or NULL */
    void *told_arg;
};
extern const struct simulation_policy SCALE_SIMULATED; /* `arg` is to be set */
