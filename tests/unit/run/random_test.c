/* SPDX-License-Identifier: Apache-2.0 */
/* Some hundred predictions over virtual minutes, while instances crash, boots fail, releases
 * change, people cancel and the server is killed. Whatever happens: each ends once, nothing is left
 * over, and no pool passes its maximum. */
#include "place.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum { SEEDS = 20, STEPS = 1500, JOBS = 300 };

struct chaos {
    struct place *p;
    struct rand rand;
    uint64_t seed;
    struct job *jobs[JOBS];
    int n;
    bool is_calm;
};

static const char *const NAMES[] = { "one", "two", "three" };

static bool one_in(struct chaos *c, uint64_t n)
{
    return rand_below(&c->rand, n) == 0;
}

static int below(struct chaos *c, uint64_t n)
{
    return (int)rand_below(&c->rand, n);
}

static void ask(struct chaos *c)
{
    static const char *const wrongs[] = { "",
                                          "",
                                          "",
                                          "",
                                          ",\"fail\":\"no\"",
                                          ",\"verdict\":\"lost\",\"times\":1",
                                          ",\"verdict\":\"never_ran\",\"times\":2",
                                          ",\"verdict\":\"crashed\"",
                                          ",\"verdict\":\"lost\"",
                                          ",\"ignore_cancel\":true" };
    char input[200];
    int ms = one_in(c, 10) ? 20000 : below(c, 3000);

    if (c->n == JOBS)
        return;
    (void)snprintf(input, sizeof(input), "{\"n\":1,\"ms\":%d,\"pieces\":[1,2],\"logs\":\"x\\n\"%s}",
                   ms, wrongs[below(c, ARRAY_SIZE(wrongs))]);
    c->p->waits = one_in(c, 2);
    if (one_in(c, 5))
        c->jobs[c->n++] = place_ask_model(c->p, 1 + below(c, 4), input);
    else
        c->jobs[c->n++] = place_ask(c->p, NAMES[below(c, ARRAY_SIZE(NAMES))], input);
}

static struct instance *any_instance(struct chaos *c)
{
    size_t n = c->p->fleet.instances.n, rank = n ? (size_t)below(c, n) : 0;
    struct instance *in, *found = NULL;

    /* By the order of their ids: that of the map is another one in each process. */
    for (size_t k = 0; n > 0 && k <= rank; k++) {
        struct instance *next = NULL;

        for (size_t at = 0; map_next(&c->p->fleet.instances, &at, NULL, (void **)&in);)
            if ((!found || strcmp(in->id, found->id) > 0) &&
                (!next || strcmp(in->id, next->id) < 0))
                next = in;
        found = next;
    }
    return found;
}

static void patch(struct chaos *c)
{
    const char *name = NAMES[below(c, ARRAY_SIZE(NAMES))];
    struct pool *pool = place_pool(c->p, name);
    int version = 1 + below(c, 4), min = below(c, 2), max = one_in(c, 8) ? 0 : 1 + below(c, 3);

    if (max == 0)
        min = 0;
    if (strcmp(pool_current(pool)->lane->version->id, place_version(version)) == 0 &&
        pool->min == min && pool->max == max)
        return;
    place_patch(c->p, name, version, NULL, min, max);
}

static void something_happens(struct chaos *c)
{
    struct instance *in;
    struct job *j;

    switch (below(c, 12)) {
    case 0:
        in = any_instance(c);
        if (in && one_in(c, 3))
            fake_driver_crash(c->p->driver, in->id, 9);
        break;
    case 1:
        in = any_instance(c);
        if (in && one_in(c, 4))
            instance_kill(in, "a test", 0);
        break;
    case 2:
    case 3:
        j = c->n ? c->jobs[below(c, (uint64_t)c->n)] : NULL;
        if (j && j->id[0] && job_live(j))
            prediction_cancel(job_live(j));
        break;
    case 4:
        if (one_in(c, 6))
            patch(c);
        break;
    case 5:
        if (one_in(c, 12))
            place_restart(c->p);
        break;
    case 6:
        pool_enable(place_pool(c->p, NAMES[below(c, ARRAY_SIZE(NAMES))]));
        break;
    default:
        ask(c);
    }
}

static void settle(struct chaos *c)
{
    struct pool *pool;
    int open = 1;

    for (int minutes = 0; minutes < 120 && open > 0; minutes++) {
        place_run(c->p, 60000);
        open = (int)c->p->fleet.predictions.n;
    }
    for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++)
        if (place_pool(c->p, NAMES[i])->max > 0)
            place_patch(c->p, NAMES[i], 0, NULL, 0, 0);
    place_run(c->p, 200000);
    for (size_t at = 0; map_next(&c->p->fleet.pools, &at, NULL, (void **)&pool);)
        if (pool_all_instances(pool) != 0)
            fail_msg("seed %llu: %d instances are left in %s", (unsigned long long)c->seed,
                     pool_all_instances(pool), pool->name);
}

static void check(struct chaos *c, struct job *j)
{
    struct store_prediction_get stored;

    if (j->refused != STATUS_OK)
        return;
    job_stored(j, &stored);
    if (!prediction_is_terminal(stored.row.status) || j->n_ended > 1 ||
        (j->n_ended == 1 && j->status != stored.row.status) || stored.row.attempt > 3)
        fail_msg("seed %llu: %s is %s, told %d times, at attempt %lld", (unsigned long long)c->seed,
                 j->id, prediction_status_text(stored.row.status), j->n_ended,
                 (long long)stored.row.attempt);
    store_op_deinit(&stored.op);
}

/* To see that something did happen. */
static void print_sums(struct chaos *c)
{
    int sums[PREDICTION_STATUS_COUNT] = { 0 }, refused = 0;

    for (int i = 0; i < c->n; i++) {
        struct store_prediction_get stored;

        if (c->jobs[i]->refused != STATUS_OK) {
            refused++;
            continue;
        }
        job_stored(c->jobs[i], &stored);
        sums[stored.row.status]++;
        store_op_deinit(&stored.op);
    }
    (void)fprintf(stderr, "%d succeeded, %d failed, %d canceled, %d refused, %zu launches\n",
                  sums[PREDICTION_SUCCEEDED], sums[PREDICTION_FAILED], sums[PREDICTION_CANCELED],
                  refused, fake_driver_launched(c->p->driver));
}

static struct place *chaos_place(struct chaos *c)
{
    struct fake_launch_script launches[60];

    for (size_t i = 0; i < ARRAY_SIZE(launches); i++) {
        launches[i] = (struct fake_launch_script){ .address_after_ms = 10 + below(c, 300) };
        if (one_in(c, 8))
            launches[i].fail = one_in(c, 2) ? STATUS_INVALID : STATUS_BUSY;
        if (one_in(c, 10))
            launches[i].exit_after_ms = 1 + below(c, 20000);
        if (one_in(c, 3))
            launches[i].stop_takes_ms = below(c, 8000);
        launches[i].lost_on_recover = one_in(c, 10);
    }
    launches[59] = (struct fake_launch_script){ .address_after_ms = 50 };
    return place_new(
        &(struct place_spec){ .launches = launches,
                              .n_launches = ARRAY_SIZE(launches),
                              .protocol = { .ready_after_ms = 100, .setup_fails = below(c, 4) },
                              .seed = c->seed,
                              .gpus = 2 });
}

static void run_seed(uint64_t seed)
{
    struct chaos c = { .seed = seed };

    rand_init_seeded(&c.rand, seed);
    c.p = chaos_place(&c);
    c.p->options.cancel_grace = 5000;
    for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++)
        place_deploy(c.p, NAMES[i], 1 + below(&c, 4), i == 0 ? "cpu" : "gpu-t4", 0,
                     1 + below(&c, 3));
    for (int i = 0; i < STEPS; i++) {
        place_run(c.p, below(&c, 300));
        something_happens(&c);
    }
    settle(&c);
    for (int i = 0; i < c.n; i++)
        check(&c, c.jobs[i]);
    place_check_ledger(c.p);
    if (c.p->n_over > 0)
        fail_msg("seed %llu: a pool passed its maximum", (unsigned long long)seed);
    if (getenv("BERTH_TEST_LOG"))
        print_sums(&c);
    place_free(c.p);
}

static void chaos(void **state)
{
    const char *only = getenv("BERTH_TEST_SEED");

    (void)state;
    if (only) {
        run_seed(strtoull(only, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        (void)fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
        run_seed(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chaos),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
