/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong around the server: instances, boots, machines, receivers, the server itself. */
#include "sim.h"

#include "run/canary.h"
#include "run/scaling.h"
#include "store/instance.h"

#include <stdio.h>
#include <stdlib.h>

enum { ALL_CPUS = 1000000, ALL_GPUS = 2 };

struct fake_launch_script sim_choose_launch(void *arg, const struct launch_spec *spec)
{
    struct sim *s = arg;
    struct fake_launch_script l = { .address_after_ms = 10 + sim_below(s, 300) };
    const char *number = strrchr(spec->version_path, '/');
    const struct instance *in = map_get(&s->p->fleet.instances, str_of(spec->id));

    s->stats.launches++;
    if (in)
        sim_check_launch(s, in);
    if (sim_one_in(s, 10))
        l.address_after_ms = sim_below(s, s->nature.slowest_boot_ms);
    if (sim_one_in(s, 3))
        l.stop_takes_ms = sim_below(s, 8000);
    if (s->is_settling || s->nature.is_calm)
        return l;
    if (in && number && number[1] == '0' + s->nature.broken_version) {
        /* A model's own pool tries afresh for each prediction. */
        s->n_broken_launches += !in->lane->pool->is_model;
        l.exit_after_ms = 1 + sim_below(s, 3000);
        l.address_after_ms = -1;
        l.exit_code = 1;
        return l;
    }
    if (sim_one_in(s, 25))
        l.fail = sim_one_in(s, 2) ? STATUS_INVALID : STATUS_BUSY;
    if (sim_one_in(s, 30))
        l.address_after_ms = -1; /* the event that tells it is lost */
    if (sim_one_in(s, 15))
        l.exit_after_ms = 1 + sim_below(s, 60000);
    l.lost_on_recover = sim_one_in(s, 10);
    return l;
}

static struct instance *any_instance(struct sim *s)
{
    struct map *all = &s->p->fleet.instances;
    int64_t rank = all->n ? sim_below(s, (int64_t)all->n) : 0;
    struct instance *in = NULL;

    for (size_t at = 0; map_next(all, &at, NULL, (void **)&in) && rank > 0;)
        rank--;
    return all->n ? in : NULL;
}

/* The machine under the instances goes, and the server with it. */
static void machine_goes(struct sim *s)
{
    struct instance *in;

    for (size_t at = 0; map_next(&s->p->fleet.instances, &at, NULL, (void **)&in);)
        fake_driver_crash(s->p->driver, in->id, 9);
}

/* After place_drop(), or place_stop(). */
static void server_returns(struct sim *s, int64_t after_ms)
{
    s->is_down = true;
    loop_run_until(s->p->loop, loop_now_ms(s->p->loop) + after_ms);
    place_start(s->p);
    sim_server_runs(s);
    s->stats.restarts++;
    s->n_chances++;
}

/* Without a word. */
static void server_dies(struct sim *s, int64_t for_ms)
{
    place_drop(s->p);
    server_returns(s, for_ms);
}

/* As it is told to; its instances stay, or go with it. */
static void server_is_stopped(struct sim *s, bool keep_instances)
{
    place_stop(s->p, keep_instances);
    server_returns(s, sim_below(s, 5000));
}

void sim_settings(struct sim *s, int deployment, const char *scaling, const char *rollout)
{
    place_settings(s->p, s->deployments[deployment].name, scaling, rollout);
}

static void other_settings(struct sim *s)
{
    static const char *const some[] = {
        "{\"target_wait\":5}",
        "{\"target_wait\":60,\"keep_alive\":10}",
        "{\"keep_alive\":0}",
        "{\"keep_alive\":\"auto\",\"target_wait\":null}",
        "{\"max_cost_per_hour\":0.5}",
        "{\"max_cost_per_hour\":null}",
        "{\"schedule\":[{\"from\":\"08:00\",\"to\":\"18:30\",\"min_instances\":1}]}",
        "{\"schedule\":[]}",
    };

    sim_settings(s, (int)sim_below(s, DEPLOYMENTS), some[sim_below(s, ARRAY_SIZE(some))], NULL);
}

/* Somebody takes it back, or wants it again, or ends one by hand. */
static void other_rollout(struct sim *s)
{
    int deployment = (int)sim_below(s, DEPLOYMENTS);
    struct pool *pool = place_pool(s->p, s->deployments[deployment].name);
    struct error err;

    if (!s->nature.rollout)
        return;
    if (sim_one_in(s, 2))
        sim_settings(s, deployment, NULL, sim_one_in(s, 3) ? "null" : s->nature.rollout);
    else if (canary_end_now(pool, sim_one_in(s, 2) ? CANARY_PROMOTED : CANARY_HALTED, &err) ==
             STATUS_OK)
        s->n_chances++;
}

static void patch(struct sim *s)
{
    struct sim_deployment *d = &s->deployments[sim_below(s, DEPLOYMENTS)];
    struct pool *pool = place_pool(s->p, d->name);
    int version = sim_one_in(s, 2) ? 1 + (int)sim_below(s, 5) : 0, min = (int)sim_below(s, 2);
    int max = !s->nature.is_calm && sim_one_in(s, 10) ? 0 : 1 + (int)sim_below(s, 4);

    if (max == 0) {
        min = 0;
        d->disabled_at = loop_now_ms(s->p->loop);
    }
    if ((!version || strcmp(pool_current(pool)->lane->version->id, place_version(version)) == 0) &&
        pool->min == min && pool->max == max)
        return;
    s->n_chances++;
    place_patch(s->p, d->name, version, NULL, min, max);
}

/* What one may do to a server in good health: nothing may come of it. */
static void use(struct sim *s)
{
    switch (sim_below(s, 9)) {
    case 0:
        server_is_stopped(s, true);
        break;
    case 1:
    case 2:
        patch(s);
        break;
    case 8:
        other_rollout(s);
        break;
    case 3:
        other_settings(s);
        break;
    case 4:
        pool_enable(place_pool(s->p, s->deployments[sim_below(s, DEPLOYMENTS)].name));
        s->n_chances++;
        break;
    default:
        sim_cancel_one(s);
    }
}

static void lose_capacity(struct sim *s)
{
    struct hardware *h = &s->p->hardware;

    h->machine.n_gpus = (int)sim_below(s, ALL_GPUS);
    h->machine.cpus_milli = 1000 * sim_below(s, 4);
    s->heals_at = loop_now_ms(s->p->loop) + sim_below(s, 5 * MINUTE_MS);
}

void sim_heal(struct sim *s)
{
    s->p->hardware.machine.n_gpus = ALL_GPUS;
    s->p->hardware.machine.cpus_milli = ALL_CPUS;
    s->heals_at = INT64_MAX;
}

/* The disk is full, or broken, for a while. */
enum status sim_store_trouble(void *arg, const struct store_op_type *type, struct error *err)
{
    struct sim *s = arg;

    if (!type->is_write || loop_now_ms(s->p->loop) >= s->store_fails_until)
        return STATUS_OK;
    s->had_trouble = true;
    s->has_lost_records = s->has_lost_records || type == &STORE_INSTANCE_CREATE;
    return s->store_fails_until % 2 ? FAIL(err, STATUS_DISK_FULL, "the disk is full")
                                    : FAIL(err, STATUS_BROKEN, "the disk does not write");
}

static void store_fails(struct sim *s, int64_t for_ms)
{
    s->store_fails_until = loop_now_ms(s->p->loop) + 1 + for_ms;
}

static void something_breaks(struct sim *s)
{
    struct instance *in = any_instance(s);

    switch (sim_below(s, 10)) {
    case 0:
    case 1:
        if (in)
            fake_driver_crash(s->p->driver, in->id, 9);
        break;
    case 2:
        if (in)
            instance_kill(in, "the simulation", 0);
        break;
    case 3:
        lose_capacity(s);
        break;
    case 4:
        s->loses_until = loop_now_ms(s->p->loop) + sim_below(s, 10000);
        break;
    case 5:
        server_is_stopped(s, false);
        break;
    case 6:
        machine_goes(s);
        server_dies(s, sim_below(s, MINUTE_MS));
        break;
    case 7:
        store_fails(s, sim_below(s, 20000));
        break;
    case 8: /* its last words are not written */
        store_fails(s, 500);
        loop_run_until(s->p->loop, loop_now_ms(s->p->loop) + sim_below(s, 500));
        server_dies(s, sim_below(s, 5000));
        break;
    default:
        server_dies(s, sim_one_in(s, 2) ? 0 : sim_below(s, 20000));
    }
}

/* Anywhere within two hours of where it began. */
static void set_clock(struct sim *s)
{
    int64_t to = sim_below(s, 240 * MINUTE_MS) - 120 * MINUTE_MS;

    loop_set_wall(s->p->loop, to - s->clock_ms);
    s->clock_ms = to;
}

void sim_misfortune(struct sim *s)
{
    s->stats.faults++;
    if (s->nature.has_budgets && sim_one_in(s, 4)) {
        sim_budget(s);
        return;
    }
    if (s->nature.sets_clock && sim_one_in(s, 5)) {
        set_clock(s);
        return;
    }
    if (s->nature.is_calm || sim_one_in(s, 2))
        use(s);
    else
        something_breaks(s);
}

/* --- receivers --- */

/* It may have come and gone within a step. */
static struct sim_job *find_job(struct sim *s, struct str id)
{
    struct sim_job *j = map_get(&s->by_id, id);

    for (size_t i = s->n_jobs; !j && i > s->first_open; i--)
        if (str_is(id, s->jobs[i - 1]->job->id))
            j = s->jobs[i - 1];
    return j;
}

/* "ID STATUS", as the simulation renders a prediction. */
static void note(struct sim *s, const struct delivery *d, bool arrives)
{
    struct sim_job *j = find_job(s, str_make(d->body, ID_SIZE - 1));

    if (strstr(d->body, "\"type\":\"budget."))
        return;
    if (!j)
        fail_msg("a message tells of a prediction that nobody knows: %.80s", d->body);
    if (!j->hook_id[0])
        (void)snprintf(j->hook_id, sizeof(j->hook_id), "%s", d->id);
    if (strcmp(j->hook_id, d->id) != 0)
        fail_msg("P6: the end of %s is told as %s and as %s", j->job->id, j->hook_id, d->id);
    j->n_hooked += arrives;
}

struct manner sim_choose_answer(struct http_client *c, const struct delivery *d)
{
    struct sim *s = container_of(c, struct sim, client);
    struct manner m = { .status = 200, .ms = sim_below(s, 300) };

    if (!s->is_settling && !sim_one_in(s, 3)) {
        m.hangs = sim_one_in(s, 6);
        m.status = sim_one_in(s, 3) ? 500 : sim_one_in(s, 3) ? 0 : 200;
    }
    note(s, d, !m.hangs && m.status == 200);
    return m;
}
