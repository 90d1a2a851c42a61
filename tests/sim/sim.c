/* SPDX-License-Identifier: Apache-2.0 */
#include "sim.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_OPEN = 150 };

static const char *const NAMES[DEPLOYMENTS] = { "one", "two", "three" };

bool sim_one_in(struct sim *s, uint64_t n)
{
    return rand_below(&s->rand, n) == 0;
}

int64_t sim_below(struct sim *s, int64_t n)
{
    return n > 0 ? (int64_t)rand_below(&s->rand, (uint64_t)n) : 0;
}

int64_t sim_gap(struct sim *s, int64_t mean)
{
    return 1 + (int64_t)(-log(1 - rand_unit(&s->rand)) * (double)mean);
}

static void render(struct buf *out, const struct prediction_row *row)
{
    buf_addf(out, "%s %s", row->id, prediction_status_text(row->status));
    buf_addc(out, '\0');
    out->n--;
}

/* --- beginning --- */

static void choose_nature(struct sim *s)
{
    bool is_day = s->span_ms >= DAY_MS;

    s->nature = (struct sim_nature){
        .is_calm = sim_one_in(s, 4),
        .sets_clock = sim_one_in(s, 4),
        .broken_version = sim_one_in(s, 3) ? 1 + (int)sim_below(s, 5) : 0,
        .slowest_boot_ms = sim_one_in(s, 3) ? 90000 : 5000,
        .fault_every_ms = is_day ? 15 * MINUTE_MS : 5000 + sim_below(s, 30000),
        .gap_ms = is_day ? MINUTE_MS : 2000 + sim_below(s, 10000),
        .longest_ms = sim_one_in(s, 3) ? 60000 : 8000,
        .has_budgets = s->seed % 2 == 0,
        .has_trainings = s->seed % 5 < 3,
    };
    if (sim_one_in(s, 2)) {
        s->nature.share = sim_one_in(s, 2) ? 500000 : 100000;
        s->nature.rollout = s->nature.share == 500000
                                ? "{\"canary\":{\"share\":0.5,\"seconds\":40,\"min_requests\":5}}"
                                : "{\"canary\":{\"seconds\":120,\"max_error_rate\":0.2}}";
        if (s->seed % 3 == 0) /* no draw: the other seeds stay what they were */
            s->nature.rollout = s->nature.share == 500000
                                    ? "{\"shadow\":{\"share\":0.5,\"seconds\":90}}"
                                    : "{\"shadow\":{\"share\":1,\"max_copies\":2}}";
    }
}

static void choose_options(struct sim *s)
{
    struct options *o = &s->p->options;

    o->cancel_grace = 5000;
    o->setup_timeout = s->nature.is_calm ? 120000 : 60000;
    o->run_timeout = s->nature.is_calm ? 600000 : 90000;
    o->webhook_retry_for = DAY_MS;
    if (sim_one_in(s, 5))
        o->max_attempts = 1;
    if (sim_one_in(s, 4)) {
        o->idle_timeout = sim_below(s, MINUTE_MS);
        o->idle_timeout_given = true;
    }
}

void sim_server_runs(struct sim *s)
{
    s->is_down = false;
    s->started_at = loop_now_ms(s->p->loop);
    s->p->fleet.decided = s->record ? sim_record : NULL;
    s->p->fleet.decided_arg = s->record;
}

static void sim_begin(struct sim *s)
{
    bool setup_fails = !s->nature.is_calm && sim_one_in(s, 3);
    bool gets_sick = !s->nature.is_calm && sim_one_in(s, 8);

    receiver_init(&s->client);
    s->client.choose = sim_choose_answer;
    s->p = place_new(&(struct place_spec){
        .protocol = { .ready_after_ms = 100,
                      .setup_fails = setup_fails ? 1 + (int)sim_below(s, 3) : 0,
                      .sick_after_ms = gets_sick ? 30000 + sim_below(s, 200000) : 0 },
        .seed = s->seed,
        .gpus = 2,
        .client = &s->client,
        .render = render,
    });
    store_set_trouble(s->p->store, sim_store_trouble, s);
    receiver_attach(&s->client, s->p->loop);
    sim_server_runs(s);
    fake_driver_choose(s->p->driver, sim_choose_launch, s);
    choose_options(s);
    sim_heal(s);
    for (int i = 0; i < DEPLOYMENTS; i++) {
        s->deployments[i] = (struct sim_deployment){ .name = NAMES[i], .next_at = 1 };
        place_deploy(s->p, NAMES[i], 1 + (int)sim_below(s, 5), i == 0 ? "cpu" : "gpu-t4",
                     (int)sim_below(s, 2), 1 + (int)sim_below(s, 4));
        sim_settings(s, i, NULL, s->nature.rollout);
    }
    s->next_fault_at = sim_gap(s, s->nature.fault_every_ms);
    loop_after_turn(s->p->loop, sim_after_turn, s);
}

/* --- one step --- */

/* By night a tenth comes of what comes by day; bursts by either. */
static void plan_next(struct sim *s, struct sim_deployment *d)
{
    int64_t now = loop_now_ms(s->p->loop), gap = s->nature.gap_ms;

    if (s->span_ms >= DAY_MS && now % DAY_MS > DAY_MS / 2)
        gap *= 10;
    if (now < d->busy_until)
        gap /= 20;
    else if (sim_one_in(s, 100))
        d->busy_until = now + 10000;
    d->next_at = now + sim_gap(s, MAX(gap, 1));
}

static int64_t next_at(const struct sim *s)
{
    int64_t at = MIN(s->next_fault_at, s->heals_at);

    for (int i = 0; i < DEPLOYMENTS; i++)
        at = MIN(at, s->deployments[i].next_at);
    return at;
}

static void happen(struct sim *s)
{
    int64_t now = loop_now_ms(s->p->loop);

    for (int i = 0; i < DEPLOYMENTS; i++) {
        if (s->deployments[i].next_at > now)
            continue;
        if (s->n_jobs - s->first_open < MOST_OPEN)
            sim_ask(s, sim_one_in(s, 10) ? -1 : i);
        if (sim_one_in(s, 15))
            sim_cancel_one(s);
        plan_next(s, &s->deployments[i]);
    }
    if (s->heals_at <= now)
        sim_heal(s);
    if (s->next_fault_at <= now) {
        sim_misfortune(s);
        s->next_fault_at = loop_now_ms(s->p->loop) + sim_gap(s, s->nature.fault_every_ms);
        if (sim_one_in(s, 30))
            sim_check_ledger(s);
    }
}

/* --- the end --- */

/* Nothing breaks any more: all that was accepted ends, and all that ran is gone. */
static void settle(struct sim *s)
{
    struct pool *pool;
    int minutes = 0, most = s->nature.sets_clock ? 90 : 360;

    s->is_settling = true;
    s->loses_until = MIN(s->loses_until, loop_now_ms(s->p->loop));
    s->store_fails_until = 0;
    sim_heal(s);
    if (!s->nature.sets_clock && s->seed % 4 == 0)
        sim_new_day(s);
    sim_no_budgets(s);
    for (int i = 0; i < DEPLOYMENTS; i++) {
        sim_settings(s, i, "{\"max_cost_per_hour\":null,\"schedule\":[]}", NULL);
        pool_enable(place_pool(s->p, NAMES[i]));
    }
    for (; minutes < most && s->p->fleet.predictions.n > 0; minutes++) {
        loop_run_until(s->p->loop, loop_now_ms(s->p->loop) + MINUTE_MS);
        sim_after_step(s);
    }
    if (s->p->fleet.predictions.n > 0)
        fail_msg("P1: %zu predictions do not end", s->p->fleet.predictions.n);
    for (int i = 0; i < DEPLOYMENTS; i++)
        if (place_pool(s->p, NAMES[i])->max > 0)
            place_patch(s->p, NAMES[i], 0, NULL, 0, 0);
    loop_run_until(s->p->loop, loop_now_ms(s->p->loop) + 5 * MINUTE_MS);
    for (size_t at = 0; map_next(&s->p->fleet.pools, &at, NULL, (void **)&pool);)
        if (pool_all_instances(pool) != 0)
            fail_msg("P5: %d instances are left in %s", pool_all_instances(pool), pool->name);
    loop_run_until(s->p->loop, loop_now_ms(s->p->loop) + DAY_MS / 4); /* the last messages */
    sim_after_step(s);
}

static void sim_end(struct sim *s)
{
    for (size_t i = 0; i < s->n_jobs; i++)
        free(s->jobs[i]);
    free(s->jobs);
    map_deinit(&s->by_id);
    map_deinit(&s->lives);
    sim_forget_budgets(s);
    map_deinit(&s->trained);
    loop_after_turn(s->p->loop, NULL, NULL);
    place_free(s->p);
    receiver_deinit(&s->client);
}

void sim_run(uint64_t seed, int64_t span_ms, FILE *record, struct sim_stats *out)
{
    struct sim s = { .seed = seed, .span_ms = span_ms, .record = record };

    map_init(&s.by_id);
    map_init(&s.lives);
    map_init(&s.held);
    map_init(&s.trained);
    rand_init_seeded(&s.rand, seed);
    choose_nature(&s);
    sim_begin(&s);
    while (loop_now_ms(s.p->loop) < span_ms) {
        loop_run_until(s.p->loop, MIN(MAX(next_at(&s), loop_now_ms(s.p->loop)), span_ms));
        sim_after_step(&s);
        happen(&s);
    }
    settle(&s);
    sim_check_end(&s);
    *out = s.stats;
    sim_end(&s);
}
