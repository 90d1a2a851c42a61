/* SPDX-License-Identifier: Apache-2.0 */
/* The promises of docs/architecture.md, looked at from outside: after each turn of the loop what
 * can be seen in memory, after each step what was told, now and then what the store holds. */
#include "sim.h"

#include "run/canary.h"
#include "run/shadow.h"
#include "store/ledger.h"

/* Beyond the grace after a cancel: finding an instance again, and ending it. */
enum { CANCEL_SLACK_MS = 15000, STORE_AGAIN_MS = 1000 };
/* For what waits for a release that has no instance: a wake-up that is lost costs a minute. */
enum { STUCK_MS = 2 * MINUTE_MS };

/* --- after each turn --- */

/* P8: what was counted of it and what is being counted is its life so far. */
static void check_meter(struct sim *s, const struct instance *in)
{
    const struct ledger_meter *m = &in->meter.ledger;
    int64_t now = loop_now_ms(s->p->loop), wall = loop_wall_ms(s->p->loop);

    if (in->meter.state == METER_RUNS && !s->nature.sets_clock &&
        in->created_at + m->counted_ms + now - m->at != wall)
        fail_msg("P8: instance %s lives since %lld ms, %lld of them are counted", in->id,
                 (long long)(wall - in->created_at), (long long)(m->counted_ms + now - m->at));
}

static void check_instance(struct sim *s, const struct instance *in)
{
    int slots = (int)MAX(in->lane->version->config.concurrency, 1);

    check_meter(s, in);
    sim_check_trains(s, in);
    if (in->in_flight != (int)list_length(&in->runs) || in->in_flight > slots)
        fail_msg("instance %s of %d slots runs %d of %d", in->id, slots, in->in_flight,
                 (int)list_length(&in->runs));
}

/* P7: a pool's instances; and a version that never comes up is not tried for ever. */
static void check_spending(struct sim *s)
{
    int64_t may = 3 * (int64_t)(s->n_chances + DEPLOYMENTS + 1);

    place_look(s->p);
    if (s->p->n_over > 0)
        fail_msg("P7: a pool has more instances than it may");
    if (s->n_broken_launches > may)
        fail_msg("P7: a version that never came up was booted %d times, after %d chances",
                 s->n_broken_launches, s->n_chances);
}

/* What a place is given is what its instances hold. */
static void check_capacity(const struct sim *s)
{
    int64_t cpus = 0, memory = 0;
    uint64_t gpus = 0;
    struct instance *in;

    for (size_t at = 0; map_next(&s->p->fleet.instances, &at, NULL, (void **)&in);) {
        cpus += in->hold.cpus_milli;
        memory += in->hold.memory;
        if (gpus & in->hold.gpus)
            fail_msg("two instances have one GPU");
        gpus |= in->hold.gpus;
    }
    if (cpus != s->p->hardware.cpus_used || memory != s->p->hardware.memory_used ||
        gpus != s->p->hardware.gpus_used)
        fail_msg("what is handed out is not what instances hold");
}

/* A wake-up that is lost may cost time, and nothing else. */
static void lose_wakes(struct sim *s)
{
    struct pool *p;

    for (size_t at = 0; map_next(&s->p->fleet.pools, &at, NULL, (void **)&p);)
        if (sim_one_in(s, 3))
            deferred_cancel(&p->reconcile);
}

/* A canary has its share and no more; and nobody waits for it to boot. */
static void check_canary(struct sim *s, struct sim_deployment *d)
{
    const struct pool *pool = place_pool(s->p, d->name);
    const struct canary *c = &pool->canary->is;
    const struct lane *l = pool_current(pool)->lane;
    int64_t now = loop_now_ms(s->p->loop), new = c->sides[CANARY_NEW].requests;
    bool waits = l->line.n > 0 && lane_count(l, INSTANCE_READY) == 0 && canary_base(pool);

    if (new *CANARY_WHOLE > s->nature.share *(new + c->sides[CANARY_OLD].requests) + CANARY_WHOLE)
        fail_msg("a canary was given %lld of %lld predictions", (long long)new,
                 (long long)(new + c->sides[CANARY_OLD].requests));
    /* Where the server runs from the first moment on, 0 is no earlier than its start. */
    if (!waits || !d->stuck_since || d->stuck_since < s->started_at)
        d->stuck_since = waits ? now : 0;
    if (waits && now > d->stuck_since + STUCK_MS)
        fail_msg("P4: %d wait for a release that has no instance", l->line.n);
}

/* Copies are few, and run where nothing else does, in places that are free. */
static void check_shadow(struct sim *s, struct sim_deployment *d)
{
    const struct pool *pool = place_pool(s->p, d->name);
    const struct shadow_report *r = &pool->shadow->report;
    struct instance *in;
    struct lane *l;

    if (pool->shadow->n_copies > 4 || r->copied < r->same + r->differ)
        fail_msg("%d copies are under way: %lld begun, %lld compared", pool->shadow->n_copies,
                 (long long)r->copied, (long long)(r->same + r->differ));
    list_each (&pool->lanes, l, struct lane, node)
        list_each (&l->instances, in, struct instance, node) {
            bool is_shadow = in->state != INSTANCE_READY || shadow_has(pool, l);

            if (in->n_copies > MAX(l->version->config.concurrency, 1) ||
                in->n_copies != (int)list_length(&in->copies))
                fail_msg("an instance runs %d copies", in->n_copies);
            if (in->n_copies > 0 && pool->canary->is.is_shadow &&
                pool->canary->is.state == CANARY_ON && !is_shadow)
                fail_msg("P4: a copy runs where predictions do");
        }
}

void sim_after_turn(void *arg)
{
    struct sim *s = arg;
    struct instance *in;
    size_t alive = 0;

    s->stats.turns++;
    if (s->is_down)
        return;
    for (size_t at = 0; map_next(&s->p->fleet.instances, &at, NULL, (void **)&in);) {
        check_instance(s, in);
        alive += in->has_launch;
    }
    /* P5; one that ends may leave them to the next. */
    if (!s->p->fleet.is_stopping && fake_driver_running(s->p->driver) > alive)
        fail_msg("P5: %zu instances run, and the server knows of %zu",
                 fake_driver_running(s->p->driver), alive);
    check_spending(s);
    check_capacity(s);
    sim_check_budgets(s);
    for (int i = 0; i < DEPLOYMENTS; i++) {
        check_canary(s, &s->deployments[i]);
        check_shadow(s, &s->deployments[i]);
    }
    if (loop_now_ms(s->p->loop) < s->loses_until)
        lose_wakes(s);
}

/* --- after each step --- */

static void note_pool(struct sim *s, const char *pool_id)
{
    struct store_instance_ended op = { .pool_id = pool_id, .limit = 1000 };

    PLACE_RUN(s->p, STORE_INSTANCE_ENDED, op);
    for (size_t i = 0; i < op.n; i++)
        map_put(&s->lives, str_of(op.rows[i].id), (void *)(intptr_t)op.rows[i].metered_ms);
    store_op_deinit(&op.op);
}

/* The store keeps the last hundred of each pool. */
static void note_lives(struct sim *s)
{
    s->noted_launches = s->stats.launches;
    note_pool(s, place_id('m', 1));
    for (int i = 0; i < DEPLOYMENTS; i++)
        note_pool(s, place_pool(s->p, s->deployments[i].name)->id);
}

/* P4, and that whatever fails has a reason: one that the simulation knows. */
static void check_reason(struct sim *s, struct sim_job *j, const struct prediction_row *row)
{
    const struct sim_deployment *d = j->deployment < 0 ? NULL : &s->deployments[j->deployment];
    bool was_disabled = d && d->disabled_at >= j->job->created_at;
    /* Where nothing may run twice, what ran beside a canceled one that would not end is lost with
     * its instance. */
    bool may_be_lost =
        s->p->options.max_attempts == 1 && row->error &&
        str_starts(str_of(row->error), "The instance that ran the prediction was lost");

    /* How long it runs is known after a restart by the wall clock only. */
    may_be_lost = may_be_lost || (s->nature.sets_clock && row->error &&
                                  str_starts(str_of(row->error), "The prediction ran longer than"));
    if (row->status == PREDICTION_CANCELED && !j->canceled_at && !was_disabled)
        fail_msg("P4: nobody canceled %s", j->job->id);
    if (row->status == PREDICTION_ABORTED)
        fail_msg("%s has no deadline, and passed it", j->job->id);
    if (row->status == PREDICTION_FAILED && s->nature.is_calm && !j->may_fail && !may_be_lost)
        fail_msg("P4: %s failed, and nothing broke: %s", j->job->id, row->error);
    if (row->status == PREDICTION_SUCCEEDED && !j->is_training && !str_is(row->output, "[1,2]"))
        fail_msg("%s succeeded with %.*s", j->job->id, STR_ARG(row->output));
    if (row->status == PREDICTION_SUCCEEDED && j->is_training)
        sim_check_trained(s, j, row, s->has_ended);
}

static void check_attempts(struct sim *s, const struct sim_job *j, const struct prediction_row *row)
{
    int64_t most = s->p->options.max_attempts;

    if (row->attempt > most)
        fail_msg("P2: %s is at attempt %lld of %lld", j->job->id, (long long)row->attempt,
                 (long long)most);
    if (most == 1 && fake_protocol_runs(s->p->protocol, j->job->id) > 1)
        fail_msg("P2: %s ran %d times, and may run once", j->job->id,
                 fake_protocol_runs(s->p->protocol, j->job->id));
}

/* P1: what was told is in the store, and what is in the store stays. */
static void check_end(struct sim *s, struct sim_job *j)
{
    struct store_prediction_get get;

    job_stored(j->job, &get);
    if (!prediction_is_terminal(get.row.status))
        fail_msg("P1: %s is over, and the store has it as %s", j->job->id,
                 prediction_status_text(get.row.status));
    if (j->job->n_ended > 1 || (j->job->n_ended == 1 && j->job->status != get.row.status))
        fail_msg("P1: %s was told to have ended %d times, as %s; it is %s", j->job->id,
                 j->job->n_ended, prediction_status_text(j->job->status),
                 prediction_status_text(get.row.status));
    if (j->is_over && j->ended_as != get.row.status)
        fail_msg("P1: %s was %s and is %s", j->job->id, prediction_status_text(j->ended_as),
                 prediction_status_text(get.row.status));
    check_attempts(s, j, &get.row);
    check_reason(s, j, &get.row);
    j->is_over = true;
    j->ended_as = get.row.status;
    store_op_deinit(&get.op);
}

/* P3 */
static void check_cancel(struct sim *s, const struct sim_job *j)
{
    int64_t now = loop_now_ms(s->p->loop), since = MAX(j->canceled_at, s->started_at);

    if (!j->canceled_at || (s->had_trouble && j->canceled_at < s->started_at))
        return; /* who could not write that it was canceled has not told the next server */
    if (s->store_fails_until > since) /* it is tried again each second */
        since = s->store_fails_until + STORE_AGAIN_MS;
    if (j->was_waiting && now > since)
        fail_msg("P3: %s was canceled in its queue %lld ms ago", j->job->id,
                 (long long)(now - j->canceled_at));
    if (now > since + s->p->options.cancel_grace + CANCEL_SLACK_MS)
        fail_msg("P3: %s was canceled %lld ms ago, and runs", j->job->id,
                 (long long)(now - j->canceled_at));
}

/* P4: what is refused is refused for a reason. */
static void check_refusal(struct sim *s, struct sim_job *j)
{
    const struct job *job = j->job;
    bool was_disabled = j->deployment >= 0 && s->deployments[j->deployment].disabled_at > 0;

    bool is_trouble = job->refused == STATUS_DISK_FULL || job->refused == STATUS_BROKEN;

    j->is_over = true;
    s->stats.refused++;
    if (is_trouble && s->had_trouble)
        return;
    if (job->refused != STATUS_UNPROCESSABLE || (s->nature.is_calm && !was_disabled))
        fail_msg("P4: a prediction is refused: %s", job->why);
}

static void check_open(struct sim *s, struct sim_job *j)
{
    if (j->is_over)
        return;
    if (j->job->refused != STATUS_OK)
        check_refusal(s, j);
    else if (j->job->id[0] && !job_live(j->job))
        check_end(s, j);
    else if (j->job->id[0])
        check_cancel(s, j);
    if (j->job->id[0] && !map_get(&s->by_id, str_of(j->job->id)))
        map_put(&s->by_id, str_of(j->job->id), j);
}

void sim_after_step(struct sim *s)
{
    for (size_t i = s->first_open; i < s->n_jobs; i++)
        check_open(s, s->jobs[i]);
    while (s->first_open < s->n_jobs && s->jobs[s->first_open]->is_over)
        s->first_open++;
    if (s->stats.launches > s->noted_launches + 40)
        note_lives(s);
    if (s->first_open > 0 && sim_one_in(s, 20)) {
        struct sim_job *j = s->jobs[sim_below(s, (int64_t)s->first_open)];

        if (j->job->refused == STATUS_OK)
            check_end(s, j);
    }
}

/* --- now and then, and at the end --- */

static int64_t lives(struct sim *s)
{
    struct store_instance_open open = { 0 };
    int64_t ms = 0;
    void *one;

    note_lives(s);
    for (size_t at = 0; map_next(&s->lives, &at, NULL, &one);)
        ms += (intptr_t)one;
    PLACE_RUN(s->p, STORE_INSTANCE_OPEN, open);
    for (size_t i = 0; i < open.n; i++)
        ms += open.rows[i].metered_ms;
    store_op_deinit(&open.op);
    return ms;
}

/* No release has less than nothing. */
static void check_releases(struct sim *s, const char *pool_id)
{
    struct store_ledger_read read = { .pool_id = pool_id,
                                      .to = (int64_t)1 << 60,
                                      .unit_ms = LEDGER_DAY_MS };

    PLACE_RUN(s->p, STORE_LEDGER_READ, read);
    for (size_t i = 0; i < read.n; i++)
        if (read.rows[i].piece.ms < 0)
            fail_msg("P8: release %lld has %lld ms of %s", (long long)read.rows[i].release,
                     (long long)read.rows[i].piece.ms, ledger_kind_name(read.rows[i].piece.kind));
    store_op_deinit(&read.op);
}

void sim_check_ledger(struct sim *s)
{
    struct store_ledger_read read = { .account_id = place_id('a', 1),
                                      .to = (int64_t)1 << 60,
                                      .unit_ms = LEDGER_DAY_MS };
    int64_t lived, rows = 0;

    if (s->has_lost_records || loop_now_ms(s->p->loop) < s->store_fails_until)
        return;
    meters_flush(&s->p->fleet);
    loop_run_until(s->p->loop, loop_now_ms(s->p->loop));
    sim_check_spent(s);
    lived = lives(s);
    PLACE_RUN(s->p, STORE_LEDGER_READ, read);
    for (size_t i = 0; i < read.n; i++)
        rows += read.rows[i].piece.ms;
    store_op_deinit(&read.op);
    for (int i = 0; i < DEPLOYMENTS; i++)
        check_releases(s, place_pool(s->p, s->deployments[i].name)->id);
    if (rows != lived)
        fail_msg("P8: the instances lived %lld ms, and the ledger has %lld", (long long)lived,
                 (long long)rows);
}

static void mix(uint64_t *digest, uint64_t v)
{
    *digest = (*digest ^ v) * 0x100000001b3U;
}

void sim_check_end(struct sim *s)
{
    s->has_ended = true;
    sim_check_trainings(s);
    sim_check_ledger(s);
    if (!s->has_lost_records && !s->nature.sets_clock)
        place_check_ledger(s->p);
    for (size_t i = 0; i < s->n_jobs; i++) {
        struct sim_job *j = s->jobs[i];

        mix(&s->stats.digest, (uint64_t)j->job->refused);
        if (j->job->refused != STATUS_OK)
            continue;
        check_end(s, j);
        if (j->has_hook && j->n_hooked == 0)
            fail_msg("P6: nobody was told of the end of %s", j->job->id);
        mix(&s->stats.digest, (uint64_t)j->ended_as);
        mix(&s->stats.digest, (uint64_t)j->job->ended_at);
        s->stats.succeeded += j->ended_as == PREDICTION_SUCCEEDED;
        s->stats.failed += j->ended_as == PREDICTION_FAILED;
        s->stats.canceled += j->ended_as == PREDICTION_CANCELED;
    }
}
