/* SPDX-License-Identifier: Apache-2.0 */
/* The live policy, fed by the simulator: scale_decide() on a pool of one lane. */
#include "core/scale/schedule.h"
#include "core/scale/simulate.h"

static void arrived(void *arg, int64_t now)
{
    struct scale_simulated *p = arg;

    scale_learn_arrival(&p->learned, now);
}

static void started(void *arg, int64_t now, int64_t waited_ms)
{
    struct scale_simulated *p = arg;

    (void)now;
    scale_learn_wait(&p->learned, waited_ms, p->view.target_wait_ms);
}

static void served(void *arg, int64_t now, int64_t service_ms)
{
    struct scale_simulated *p = arg;

    (void)now;
    scale_learn_service(&p->learned, service_ms);
}

static void booted(void *arg, int64_t now, int64_t boot_ms)
{
    struct scale_simulated *p = arg;

    (void)now;
    scale_learn_boot(&p->learned, boot_ms);
}

static void decide(void *arg, const struct simulation *s, struct scale_plan *out)
{
    struct scale_simulated *p = arg;
    int64_t change = INT64_MAX;

    p->lane = (struct scale_lane){
        .waiting = s->waiting,
        .slots = s->slots,
        .is_current = true,
        .instances = s->instances,
        .n = s->n,
    };
    if (s->waiting > 0) {
        p->lane.oldest_waiting = s->arrivals[s->started].at;
        p->lane.newest_waiting = s->arrivals[s->next - 1].at;
    }
    if (s->waiting > 0)
        p->lane.oldest_running = simulation_oldest_running(s);
    p->view.now = s->now;
    p->view.min = p->min;
    if (p->schedule)
        p->view.min = scale_schedule_min(p->schedule, p->min, s->now, &change);
    p->view.min = MIN(p->view.min, p->view.max);
    p->view.learned = &p->learned;
    p->view.lanes = &p->lane;
    p->view.n_lanes = 1;
    scale_decide(&p->view, out);
    out->look_again_at = MIN(out->look_again_at, change);
    scale_learn_need(&p->learned, s->now, out->needed);
    for (size_t i = 0; i < out->n; i++)
        if (out->actions[i].verb == SCALE_DRAIN)
            p->learned.stopped_at = s->now;
}

static void decided(void *arg, const struct simulation *s, const struct scale_plan *plan)
{
    struct scale_simulated *p = arg;

    (void)s;
    if (p->told)
        p->told(p->told_arg, &p->view, plan);
}

const struct simulation_policy SCALE_SIMULATED = {
    .decide = decide,
    .arrived = arrived,
    .started = started,
    .served = served,
    .booted = booted,
    .decided = decided,
};
