/* SPDX-License-Identifier: Apache-2.0 */
/* How others decide, as far as their documents and sources tell, with their own defaults and a
 * concurrency of one prediction to an instance. */
#pragma once

#include "core/scale/simulate.h"

enum { PEER_RING = 2048 };

/* A policy that looks every `tick_ms` and says how many instances there should be. */
struct peer {
    const char *name;
    int64_t tick_ms;
    int (*want)(struct peer *p, const struct simulation *s);
    int64_t idle_stop_ms; /* an idle instance stops by itself after so long; 0: when not wanted */

    /* given for each run */
    int max;
    double service_s; /* what its user would have measured */

    /* the run's state */
    int64_t next_tick, last_at;
    double load;            /* waiting and running, at the last event */
    double integral;        /* of it over time, load-seconds */
    double ring[PEER_RING]; /* the integral at each tick */
    size_t n_ticks;
    double arrived_ring[PEER_RING]; /* arrivals until each tick */
    double arrived;
    int64_t last_busy_at, panic_until, since_up, since_down, zero_since;
    int64_t last_up_at, last_down_at;
    int panic_most;
    int wants[PEER_RING]; /* by tick */
    int pending_direction;
};

extern const struct peer PEERS[];
extern const size_t N_PEERS;
extern const struct simulation_policy PEER_POLICY; /* arg: a struct peer */
