/* SPDX-License-Identifier: Apache-2.0 */
#include "policies.h"

#include <math.h>

/* --- what they measure --- */

/* The mean number of predictions that waited or ran in the last `seconds`. */
static double mean_load(const struct peer *p, double seconds)
{
    size_t ticks = (size_t)(seconds * 1000 / (double)p->tick_ms);
    size_t back = p->n_ticks < ticks ? p->n_ticks : ticks;

    if (back == 0)
        return p->load;
    return (p->integral - p->ring[(p->n_ticks - back) % PEER_RING]) /
           ((double)back * (double)p->tick_ms / 1000);
}

static double arrivals_in(const struct peer *p, double seconds)
{
    size_t ticks = (size_t)(seconds * 1000 / (double)p->tick_ms);
    size_t back = p->n_ticks < ticks ? p->n_ticks : ticks;

    return back ? p->arrived - p->arrived_ring[(p->n_ticks - back) % PEER_RING] : p->arrived;
}

static int highest_want(const struct peer *p, double seconds)
{
    size_t ticks = (size_t)(seconds * 1000 / (double)p->tick_ms);
    int most = 0;

    for (size_t i = 0; i < ticks && i < p->n_ticks; i++)
        most = MAX(most, p->wants[(p->n_ticks - 1 - i) % PEER_RING]);
    return most;
}

static int live(const struct simulation *s, bool ready_only)
{
    int n = 0;

    for (size_t i = 0; i < s->n; i++)
        n += s->instances[i].state == SCALE_READY ||
             (!ready_only && s->instances[i].state == SCALE_BOOTING);
    return n;
}

static bool has_work(const struct simulation *s)
{
    return s->waiting + s->in_flight > 0;
}

/* --- Knative's pod autoscaler: 2 s, stable window 60 s, panic window 6 s, target 70 % of the
 * concurrency, panic from twice the ready ones, grace of 30 s before zero --- */

static int want_knative(struct peer *p, const struct simulation *s)
{
    int ready = MAX(1, live(s, true));
    double target = 0.7;
    int stable = (int)ceil(mean_load(p, 60) / target - 1e-9);
    int panic = (int)ceil(mean_load(p, 6) / target - 1e-9);

    if (live(s, false) == 0)
        return has_work(s) ? 1 : 0;
    stable = MIN(MAX(stable, ready / 2), 1000 * ready);
    panic = MIN(MAX(panic, ready / 2), 1000 * ready);
    if (panic >= 2 * ready)
        p->panic_until = s->now + 60000;
    if (s->now < p->panic_until) {
        p->panic_most = MAX(MAX(p->panic_most, live(s, false)), MAX(stable, panic));
        return p->panic_most;
    }
    p->panic_most = 0;
    if (mean_load(p, 60) > 0 || has_work(s))
        p->zero_since = s->now;
    if (stable <= 1 && s->now < p->zero_since + 30000)
        return 1;
    return mean_load(p, 60) > 0 ? MAX(stable, 1) : stable / 2;
}

/* --- Ray Serve: mean over 30 s against one to a replica, the same direction for 30 s up and 600 s
 * down --- */

static int want_ray(struct peer *p, const struct simulation *s)
{
    int now = live(s, false), want = (int)ceil(mean_load(p, 30) - 1e-9);
    int direction = want > now ? 1 : want < now ? -1 : 0;

    if (now == 0)
        return has_work(s) ? 1 : 0;
    if (direction != p->pending_direction) {
        p->pending_direction = direction;
        p->since_up = s->now;
    }
    if (direction > 0 && s->now - p->since_up >= 30000)
        return want;
    if (direction < 0 && s->now - p->since_up >= 600000)
        return want > 0 || now == 1 ? want : 1;
    return now;
}

/* --- RunPod, queue delay: a worker for each that waits for more than 4 s and that none in boot
 * will take; idle workers stop after 5 s --- */

static int want_runpod(struct peer *p, const struct simulation *s)
{
    int overdue = 0, booting = live(s, false) - live(s, true);

    (void)p;
    for (size_t i = s->started; i < s->next && s->now - s->arrivals[i].at > 4000; i++)
        overdue++;
    return live(s, false) + MAX(overdue - booting, 0);
}

/* --- Baseten: mean over 60 s against 70 % of one to a replica; down after 900 s --- */

static int want_baseten(struct peer *p, const struct simulation *s)
{
    int want = (int)ceil(mean_load(p, 60) / 0.7 - 1e-9);

    if (live(s, false) == 0)
        return has_work(s) ? MAX(want, 1) : 0;
    p->wants[p->n_ticks % PEER_RING] = want;
    return MAX(MAX(want, has_work(s)), highest_want(p, 900));
}

/* --- Hugging Face, pending requests: more than 1.5 to a replica over 20 s is one more, at most
 * each minute; one less at most each two minutes, after 300 s; zero after an hour --- */

static int want_hf(struct peer *p, const struct simulation *s)
{
    int now = live(s, false), want = (int)ceil(mean_load(p, 20) / 1.5 - 1e-9);

    if (has_work(s))
        p->last_busy_at = s->now;
    p->wants[p->n_ticks % PEER_RING] = want;
    if (now == 0)
        return has_work(s) ? 1 : 0;
    if (want > now && s->now - p->last_up_at >= 60000) {
        p->last_up_at = s->now;
        return now + 1;
    }
    if (MAX(want, highest_want(p, 300)) < now && now > 1 && s->now - p->last_down_at >= 120000) {
        p->last_down_at = s->now;
        return now - 1;
    }
    if (now == 1 && s->now - p->last_busy_at >= 3600000)
        return 0;
    return now;
}

/* --- SkyServe: requests of 60 s against what a replica is said to do (70 % of what it can), up
 * after 300 s and down after 1200 s of the same wish --- */

static int want_sky(struct peer *p, const struct simulation *s)
{
    double qps = arrivals_in(p, 60) / 60;
    int now = live(s, false), want = (int)ceil(qps * p->service_s / 0.7 - 1e-9);

    if (now == 0)
        return has_work(s) ? MAX(want, 1) : 0;
    if (want <= now)
        p->since_up = s->now;
    if (want >= now)
        p->since_down = s->now;
    if (s->now - p->since_up >= 300000) {
        p->since_up = s->now;
        return want;
    }
    if (s->now - p->since_down >= 1200000) {
        p->since_down = s->now;
        return want;
    }
    return now;
}

const struct peer PEERS[] = {
    { .name = "Knative", .tick_ms = 2000, .want = want_knative },
    { .name = "Ray Serve", .tick_ms = 100, .want = want_ray },
    { .name = "RunPod", .tick_ms = 500, .want = want_runpod, .idle_stop_ms = 5000 },
    { .name = "Baseten", .tick_ms = 10000, .want = want_baseten },
    { .name = "HF pending", .tick_ms = 1000, .want = want_hf },
    { .name = "SkyServe", .tick_ms = 5000, .want = want_sky },
};
const size_t N_PEERS = ARRAY_SIZE(PEERS);

/* --- the simulator's side --- */

static void arrived(void *arg, int64_t now)
{
    struct peer *p = arg;

    (void)now;
    p->arrived++;
}

static void act(const struct simulation *s, struct scale_plan *out, enum scale_verb verb,
                const char *id)
{
    (void)s;
    if (out->n < SCALE_MAX_ACTIONS)
        out->actions[out->n++] = (struct scale_action){ .verb = verb, .instance = id };
}

/* Idle ones first (the longest so), then those that boot, then working ones, which drain. */
static void shrink(const struct simulation *s, int by, struct scale_plan *out)
{
    for (int pass = 0; pass < 3; pass++)
        for (size_t i = 0; i < s->n && by > 0; i++) {
            const struct scale_instance *in = &s->instances[i];
            int kind = in->state == SCALE_BOOTING ? 1 : in->in_flight > 0 ? 2 : 0;

            if (in->state == SCALE_DRAINING || kind != pass)
                continue;
            act(s, out, SCALE_DRAIN, in->id);
            by--;
        }
}

static void stop_idle(const struct peer *p, const struct simulation *s, struct scale_plan *out)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct scale_instance *in = &s->instances[i];

        if (in->state == SCALE_READY && in->in_flight == 0 &&
            s->now - in->idle_since >= p->idle_stop_ms)
            act(s, out, SCALE_DRAIN, in->id);
    }
}

static void decide(void *arg, const struct simulation *s, struct scale_plan *out)
{
    struct peer *p = arg;
    int now, want;

    p->integral += p->load * (double)(s->now - p->last_at) / 1000;
    p->last_at = s->now;
    p->load = s->waiting + s->in_flight;
    if (p->next_tick == 0)
        p->next_tick = s->now;
    out->look_again_at = p->next_tick;
    if (s->now < p->next_tick)
        return;
    p->next_tick = s->now + p->tick_ms;
    out->look_again_at = p->next_tick;
    want = p->want(p, s);
    now = live(s, false);
    want = MIN(MAX(want, 0), p->max);
    for (int i = now; i < want; i++)
        act(s, out, SCALE_BOOT, NULL);
    if (p->idle_stop_ms)
        stop_idle(p, s, out);
    else if (want < now)
        shrink(s, now - want, out);
    p->ring[p->n_ticks % PEER_RING] = p->integral;
    p->arrived_ring[p->n_ticks % PEER_RING] = p->arrived;
    p->n_ticks++;
}

const struct simulation_policy PEER_POLICY = { .decide = decide, .arrived = arrived };
