/* SPDX-License-Identifier: Apache-2.0 */
/* A turn is measured from one poll to the next: the time that passed without the time that the poll
 * waited, which libuv counts. So what its callbacks do within the poll is in, too. */
#include "loop/loop.h"

#include "base/clock.h"
#include "loop/loop_impl.h"

const int64_t LOOP_LAG_BOUNDS_US[LOOP_LAG_BOUNDS] = {
    50,   100,   250,   500,   1000,   1500,   2000,   3000,
    5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000,
};

static void count(struct loop_lag *lag, uint64_t ns)
{
    size_t i = 0;

    while (i < LOOP_LAG_BOUNDS && ns > (uint64_t)LOOP_LAG_BOUNDS_US[i] * 1000)
        i++;
    lag->counts[i]++;
    lag->turns++;
    lag->sum_ns += ns;
    lag->worst_ns = MAX(lag->worst_ns, ns);
}

void loop_lag_begin(struct loop_handles *h)
{
    h->lag_at_ns = clock_monotonic_ns();
    h->lag_idle_ns = uv_metrics_idle_time(&h->uv);
}

void loop_lag_turn(struct loop_handles *h)
{
    int64_t at = h->lag_at_ns;
    uint64_t idle = h->lag_idle_ns;
    int64_t busy;

    loop_lag_begin(h);
    busy = h->lag_at_ns - at - (int64_t)(h->lag_idle_ns - idle);
    count(&h->lag, (uint64_t)MAX(busy, 0));
}

void loop_lag(const struct loop *l, struct loop_lag *out)
{
    *out = l->is_virtual ? (struct loop_lag){ 0 } : l->handles->lag;
}
