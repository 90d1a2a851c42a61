/* SPDX-License-Identifier: Apache-2.0 */
/* Every millisecond of an instance is in the ledger once, whoever ran it and whichever server saw
 * it. */
#include "place.h"

#include "store/instance.h"
#include "store/ledger.h"

#include <stdio.h>
#include <stdlib.h>

static struct ledger_sum of_pool(struct place *p, const struct pool *pool)
{
    struct store_ledger_read op = {
        .pool_id = pool->id, .from = 0, .to = (int64_t)1 << 60, .unit_ms = LEDGER_DAY_MS
    };
    struct ledger_sum sum = { 0 };

    meters_flush(&p->fleet);
    place_run(p, 1);
    if (store_run(p->store, &op.op, &STORE_LEDGER_READ) != STATUS_OK)
        fail_msg("%s", op.op.error.text);
    for (size_t i = 0; i < op.n; i++)
        ledger_sum_add(&sum, op.rows[i].piece.kind, op.rows[i].piece.price_nano,
                       op.rows[i].piece.ms);
    store_op_deinit(&op.op);
    return sum;
}

static void charged(struct job *j, int64_t *out_ms, int64_t *out_cost)
{
    struct store_prediction_get op = { 0 };

    job_stored(j, &op);
    *out_ms = op.row.active_ms;
    *out_cost = op.row.cost;
    store_op_deinit(&op.op);
}

static void a_life_is_told_apart(void **state UNUSED)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "one", 1, "cpu", 0, 1);
    struct job *j = place_ask(p, "one", "{\"ms\":1000}");
    struct ledger_sum sum;
    int64_t ms, cost;

    p->options.idle_timeout_given = true;
    place_run(p, 1000);
    assert_non_null(pool_first_instance(pool));
    assert_int_equal(pool_first_instance(pool)->meter.ledger.counted_ms,
                     1000 /* a whole second */
                         - (loop_now_ms(p->loop) - pool_first_instance(pool)->meter.ledger.at));
    place_run(p, 120000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_int_equal(pool_all_instances(pool), 0); /* idle_timeout */
    sum = of_pool(p, pool);
    assert_in_range(sum.ms[LEDGER_SETUP], 150, 400);
    assert_in_range(sum.ms[LEDGER_ACTIVE], 1000, 1050);
    assert_int_equal(sum.ms[LEDGER_IDLE], 60000);
    assert_int_equal(sum.ms[LEDGER_FAILED], 0);
    assert_int_equal(ledger_sum_ms(&sum), place_lifetimes(p, pool->id, NULL));
    charged(j, &ms, &cost);
    assert_int_equal(ms, sum.ms[LEDGER_ACTIVE]);
    assert_int_equal(cost, ms * 100000);
    place_free(p);
}

static void a_boot_that_fails_is_told_as_such(void **state UNUSED)
{
    static const struct fake_launch_script never[] = { { .address_after_ms = 50,
                                                         .exit_after_ms = 90 } };
    const struct place_spec spec = { .launches = never,
                                     .n_launches = 1,
                                     .protocol = { .ready_after_ms = 100000 } };
    struct place *p = place_new(&spec);
    struct pool *pool = place_deploy(p, "one", 1, "cpu", 1, 1);
    struct ledger_sum sum;

    place_run(p, 50);
    meters_flush(&p->fleet); /* nobody knows yet that it will come to nothing */
    place_run(p, 5000);
    sum = of_pool(p, pool);
    assert_int_equal(sum.ms[LEDGER_SETUP], 0);
    assert_in_range(sum.ms[LEDGER_FAILED], 180, 400);
    assert_int_equal(ledger_sum_ms(&sum), place_lifetimes(p, pool->id, NULL));
    place_free(p);
}

static void those_that_run_together_divide_the_time(void **state UNUSED)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "one", 4, "cpu", 1, 1);
    struct job *a, *b;
    struct ledger_sum sum;
    int64_t ms[2], cost[2];

    place_run(p, 1000);
    a = place_ask(p, "one", "{\"ms\":1000}");
    b = place_ask(p, "one", "{\"ms\":3000}");
    place_run(p, 10000);
    assert_job(a, PREDICTION_SUCCEEDED);
    assert_job(b, PREDICTION_SUCCEEDED);
    sum = of_pool(p, pool);
    charged(a, &ms[0], &cost[0]);
    charged(b, &ms[1], &cost[1]);
    assert_in_range(ms[0], 490, 530);
    assert_in_range(ms[1], 2480, 2540);
    assert_int_equal(ms[0] + ms[1], sum.ms[LEDGER_ACTIVE]);
    assert_true(cost[0] + cost[1] == sum.amount[LEDGER_ACTIVE]);
    place_free(p);
}

/* Killed without a word: the time until the next server, and in it, belongs to what runs. */
static void a_restart_leaves_no_gap(void **state UNUSED)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "one", 1, "cpu", 1, 1);
    struct job *j;
    struct instance *in;
    struct ledger_sum sum;
    int64_t ms, cost;

    place_run(p, 1000);
    j = place_ask(p, "one", "{\"ms\":40000}");
    place_run(p, 20000);
    place_drop(p);
    loop_run_until(p->loop, loop_now_ms(p->loop) + 7777);
    place_start(p);
    place_run(p, 60000);
    pool = place_pool(p, "one");
    sum = of_pool(p, pool);
    in = pool_first_instance(pool);
    assert_non_null(in);
    assert_int_equal(ledger_sum_ms(&sum), loop_wall_ms(p->loop) - 1 - in->created_at);
    charged(j, &ms, &cost);
    assert_in_range(ms, 40000, 48000);
    assert_int_equal(ms, sum.ms[LEDGER_ACTIVE]);
    assert_int_equal(cost, ms * 100000);
    place_free(p);
}

/* The price changed while no server ran: the old one until then. */
static void seconds_have_the_price_of_their_time(void **state UNUSED)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "one", 1, "cpu", 1, 1);
    struct ledger_sum sum;
    int64_t begun;

    place_run(p, 10000);
    begun = pool_first_instance(pool)->created_at;
    place_drop(p);
    for (size_t i = 0; i < p->hardware.n_skus; i++)
        p->hardware.skus[i].price_nano *= 3;
    loop_run_until(p->loop, loop_now_ms(p->loop) + 5000);
    place_start(p);
    place_run(p, 10000);
    sum = of_pool(p, place_pool(p, "one"));
    assert_int_equal(ledger_sum_ms(&sum), loop_wall_ms(p->loop) - 1 - begun);
    assert_true(ledger_sum_amount(&sum) == (__int128)100000 * 15000 + (__int128)300000 * 10000);
    place_free(p);
}

/* It ended while no server ran: its supervisor recorded when. */
static void one_that_ended_alone_is_closed_when_it_ended(void **state UNUSED)
{
    static const struct fake_launch_script ends[] = { { .address_after_ms = 50,
                                                        .exit_after_ms = 30000 } };
    const struct place_spec spec = { .launches = ends, .n_launches = 1 };
    struct place *p = place_new(&spec);
    struct pool *pool = place_deploy(p, "one", 1, "cpu", 1, 1);
    struct store_instance_ended op = { .limit = 9 };
    char id[64];

    place_run(p, 10000);
    (void)snprintf(id, sizeof(id), "%s", pool->id);
    op.pool_id = id;
    place_drop(p);
    loop_run_until(p->loop, loop_now_ms(p->loop) + 100000);
    place_start(p);
    place_run(p, 1000);
    assert_int_equal(store_run(p->store, &op.op, &STORE_INSTANCE_ENDED), STATUS_OK);
    assert_int_equal(op.n, 1);
    assert_int_equal(op.rows[0].ended_at - op.rows[0].created_at, 30000);
    assert_int_equal(op.rows[0].metered_ms, 30000);
    store_op_deinit(&op.op);
    place_free(p);
}

/* Nobody knows when: no more than the ledger had. */
static void one_that_was_lost_costs_what_was_seen(void **state UNUSED)
{
    static const struct fake_launch_script lost[] = { { .address_after_ms = 50,
                                                        .lost_on_recover = true } };
    const struct place_spec spec = { .launches = lost, .n_launches = 1 };
    struct place *p = place_new(&spec);
    struct pool *pool = place_deploy(p, "one", 1, "cpu", 1, 1);
    char id[64];

    place_run(p, 40000); /* written every 15 s */
    (void)snprintf(id, sizeof(id), "%s", pool->id);
    place_drop(p);
    loop_run_until(p->loop, loop_now_ms(p->loop) + 100000);
    place_start(p);
    place_run(p, 1000);
    assert_int_equal(place_lifetimes(p, id, NULL), 30000);
    place_free(p);
}

static void a_models_own_pool_belongs_to_its_owner(void **state UNUSED)
{
    struct place *p = place_new(NULL);
    struct job *j = place_ask_model(p, 1, "{\"ms\":500}");
    struct store_ledger_read op = { .to = (int64_t)1 << 60, .unit_ms = LEDGER_DAY_MS };
    struct pool *pool;
    size_t at = 0;
    int64_t ms = 0;

    place_run(p, 200000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_true(map_next(&p->fleet.pools, &at, NULL, (void **)&pool));
    op.account_id = pool->owner_id;
    assert_int_equal(store_run(p->store, &op.op, &STORE_LEDGER_READ), STATUS_OK);
    for (size_t i = 0; i < op.n; i++) {
        assert_true(op.rows[i].pool_is_model);
        assert_string_equal(op.rows[i].pool_name, "m");
        assert_int_equal(op.rows[i].release, 0);
        ms += op.rows[i].piece.ms;
    }
    assert_int_equal(ms, place_lifetimes(p, pool->id, NULL));
    assert_true(ms > 60000);
    store_op_deinit(&op.op);
    place_free(p);
}

#define TEST(t) cmocka_unit_test(t)

/* A boot belongs to the release that it was for, also when it fails after the next one came. */
static void a_boot_that_fails_under_the_next_release(void **state UNUSED)
{
    static const struct fake_launch_script never[] = { { .address_after_ms = -1 } };
    struct place *p = place_new(&(struct place_spec){ .launches = never, .n_launches = 1 });
    struct store_ledger_read read = { .to = (int64_t)1 << 60, .unit_ms = LEDGER_DAY_MS };
    struct pool *pool;

    p->options.setup_timeout = 60000;
    pool = place_deploy(p, "one", 1, "cpu", 1, 1);
    read.pool_id = pool->id;
    place_run(p, 40000); /* some of it is written as setup */
    place_patch(p, "one", 0, NULL, 1, 2);
    place_run(p, 22000);
    meters_flush(&p->fleet);
    place_run(p, 1);
    PLACE_RUN(p, STORE_LEDGER_READ, read);
    assert_int_equal(read.rows[0].release, 1);
    assert_int_equal(read.rows[0].piece.kind, LEDGER_FAILED);
    assert_int_equal(read.rows[0].piece.ms, 60000);
    for (size_t i = 1; i < read.n; i++)
        assert_int_equal(read.rows[i].release, 2);
    store_op_deinit(&read.op);
    place_free(p);
}

/* What is asked of one pool writes nothing of the others. */
static void one_pool_is_flushed_alone(void **state UNUSED)
{
    struct place *p = place_new(NULL);
    struct pool *one = place_deploy(p, "one", 1, "cpu", 1, 1);
    struct pool *two = place_deploy(p, "two", 1, "cpu", 1, 1);

    place_run(p, 10000);
    meters_flush_of(&p->fleet, one->id);
    assert_int_equal(pool_first_instance(one)->meter.own.n, 0);
    assert_int_equal(pool_first_instance(one)->meter.ledger.counted_ms, 10000);
    assert_int_not_equal(pool_first_instance(two)->meter.own.n, 0);
    meters_flush_of(&p->fleet, one->owner_id);
    assert_int_equal(pool_first_instance(two)->meter.own.n, 0);
    place_free(p);
}

/* --- a store that does not write all of it --- */

struct refusals {
    const struct store_op_type *types[2];
    int left; /* of them all */
};

static enum status refuse(void *arg, const struct store_op_type *type, struct error *err)
{
    struct refusals *r = arg;

    for (size_t i = 0; i < ARRAY_SIZE(r->types); i++)
        if (r->types[i] == type && r->left > 0) {
            r->left--;
            return FAIL(err, STATUS_DISK_FULL, "the disk is full");
        }
    return STATUS_OK;
}

/* After three seconds, in which a prediction began that takes `ms`. */
static struct job *crash_under(struct place *p, struct refusals *r, int ms)
{
    struct job *j;
    char input[40];

    place_deploy(p, "one", 1, "cpu", 1, 2);
    place_run(p, 1000);
    (void)snprintf(input, sizeof(input), "{\"ms\":%d}", ms);
    store_set_trouble(p->store, refuse, r);
    j = place_ask(p, "one", input);
    place_run(p, 2000);
    assert_true(fake_driver_crash(p->driver, pool_first_instance(place_pool(p, "one"))->id, 9));
    place_run(p, 100);
    return j;
}

static size_t n_ended(struct place *p, int64_t *out_ms)
{
    struct store_instance_ended op = { .pool_id = place_pool(p, "one")->id, .limit = 9 };
    size_t n;

    PLACE_RUN(p, STORE_INSTANCE_ENDED, op);
    n = op.n;
    *out_ms = n ? op.rows[n - 1].ended_at - op.rows[n - 1].created_at : 0;
    if (n)
        assert_int_equal(op.rows[n - 1].metered_ms, *out_ms);
    store_op_deinit(&op.op);
    return n;
}

/* An end that waits to be stored keeps nothing from the ledger. */
static void an_end_that_is_late(void **state UNUSED)
{
    struct refusals r = { .types = { &STORE_PREDICTION_END }, .left = 3 };
    struct place *p = place_new(NULL);
    struct job *j = crash_under(p, &r, 1900);
    int64_t lived, ms[2], cost[2];

    assert_int_equal(r.left, 2);
    assert_non_null(job_live(j));
    assert_int_equal(n_ended(p, &lived), 1);
    assert_in_range(lived, 3000, 3010);
    charged(j, &ms[0], &cost[0]);
    assert_in_range(ms[0], 1900, 2000);
    place_run(p, 5000);
    assert_job(j, PREDICTION_SUCCEEDED);
    charged(j, &ms[1], &cost[1]);
    assert_int_equal(ms[1], ms[0]);
    assert_int_equal(cost[1], cost[0]);
    place_free(p);
}

/* An instance has not ended before the ledger has all of its life; nor has it when the server dies
 * until then, and the next one closes it at what the ledger has. */
static void an_end_that_waits_for_the_ledger(void **state UNUSED)
{
    for (int dies = 0; dies < 2; dies++) {
        struct refusals r = { .types = { &STORE_PREDICTION_END, &STORE_LEDGER_ADD }, .left = 1000 };
        struct place *p = place_new(NULL);
        struct job *j = crash_under(p, &r, 9000);
        int64_t lived;

        place_run(p, 3000);
        assert_int_equal(n_ended(p, &lived), 0);
        if (dies)
            place_drop(p);
        r.left = 0;
        if (dies)
            place_start(p);
        place_run(p, 2000);
        assert_int_equal(n_ended(p, &lived), 1);
        assert_in_range(lived, dies ? 0 : 3000, 3010);
        place_run(p, 20000);
        assert_null(job_live(j));
        place_free(p);
    }
}

static void an_end_that_cannot_be_recorded(void **state UNUSED)
{
    struct refusals r = { .types = { &STORE_INSTANCE_UPDATE }, .left = 1000 };
    struct place *p = place_new(NULL);
    int64_t lived;

    (void)crash_under(p, &r, 9000);
    place_run(p, 5000);
    assert_int_equal(n_ended(p, &lived), 0);
    r.left = 0;
    place_run(p, 2000);
    assert_int_equal(n_ended(p, &lived), 1);
    assert_in_range(lived, 3000, 3010);
    place_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_boot_that_fails_under_the_next_release),
        cmocka_unit_test(one_pool_is_flushed_alone),
        TEST(an_end_that_is_late),
        TEST(an_end_that_waits_for_the_ledger),
        TEST(an_end_that_cannot_be_recorded),
        TEST(a_life_is_told_apart),
        TEST(a_boot_that_fails_is_told_as_such),
        TEST(those_that_run_together_divide_the_time),
        TEST(a_restart_leaves_no_gap),
        TEST(seconds_have_the_price_of_their_time),
        TEST(one_that_ended_alone_is_closed_when_it_ended),
        TEST(one_that_was_lost_costs_what_was_seen),
        TEST(a_models_own_pool_belongs_to_its_owner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
