/* SPDX-License-Identifier: Apache-2.0 */
/* A new release that has a share of the traffic, and what becomes of it. */
#include "place.h"

#include "run/canary.h"
#include "run/pool_impl.h"

enum { OK = 0, BAD = 1 };

static const char *const INPUTS[] = { "{\"n\":1,\"pieces\":[],\"ms\":50}",
                                      "{\"n\":1,\"fail\":\"no\"}" };

/* Version 1 serves with `min` to `max`; version 3 comes with a canary. */
static struct pool *begin(struct place *p, const char *rollout, int min, int max)
{
    struct pool *pool = place_deploy(p, "d", 1, "cpu", min, max);

    (void)place_ask(p, "d", INPUTS[OK]);
    place_run(p, 2000);
    place_settings(p, "d", NULL, rollout);
    place_patch(p, "d", 3, NULL, -1, -1);
    return pool;
}

static const struct canary *canary(struct place *p)
{
    return &place_pool(p, "d")->canary->is;
}

/* The version that each of them ran on, as digits. */
static const char *ask_many(struct place *p, int n, const char *const *inputs, size_t n_inputs)
{
    static char ran_on[64];
    struct job *jobs[64];

    assert_in_range(n, 1, 63);
    for (int i = 0; i < n; i++) {
        jobs[i] = place_ask(p, "d", inputs[(size_t)i % n_inputs]);
        place_run(p, 200);
    }
    place_run(p, 5000);
    for (int i = 0; i < n; i++)
        ran_on[i] = (char)('0' + job_ran_on(jobs[i]));
    ran_on[n] = '\0';
    return ran_on;
}

static void a_share_and_then_all(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = begin(p, "{\"canary\":{\"seconds\":60}}", 1, 2);

    (void)state;
    assert_string_equal(ask_many(p, 1, INPUTS, 1), "1"); /* it is not ready yet */
    place_run(p, 1000);
    assert_int_equal(canary(p)->state, CANARY_ON);
    assert_true(canary(p)->began_at > 0);
    assert_int_equal(pool_serving(pool)->number, 1);
    assert_string_equal(ask_many(p, 20, INPUTS, 1), "11111111131111111113");
    assert_int_equal(canary(p)->sides[CANARY_NEW].ended, 2);
    assert_int_equal(canary(p)->sides[CANARY_OLD].requests, 18);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 2);
    assert_release(p, pool, 2, true, false);
    place_run(p, 60000);
    assert_int_equal(canary(p)->state, CANARY_PROMOTED);
    assert_string_equal(ask_many(p, 3, INPUTS, 1), "333");
    place_run(p, 60000);
    assert_int_equal(pool_all_instances(pool), 1);
    assert_int_equal(list_length(&pool->lanes), 1);
    place_free(p);
}

/* Every second one is the new release's, and fails there. */
static void errors_halt_it(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = begin(p, "{\"canary\":{\"share\":0.5}}", 1, 2);
    struct job *last;

    (void)state;
    place_run(p, 2000);
    assert_string_equal(ask_many(p, 8, INPUTS, 2), "13131111");
    assert_int_equal(canary(p)->state, CANARY_HALTED);
    assert_non_null(strstr(canary(p)->why, "2 of 2 predictions failed on the new release"));
    assert_release(p, pool, 2, true, true);
    assert_non_null(strstr(pool_current(pool)->failure, "halted"));
    place_run(p, 10000); /* its instance goes at once, the other one stays */
    assert_int_equal(pool_all_instances(pool), 1);
    assert_int_equal(pool_serving(pool)->number, 1);
    place_restart(p);
    place_run(p, 3000);
    pool = place_pool(p, "d");
    assert_int_equal(canary(p)->state, CANARY_HALTED);
    assert_int_equal(pool_serving(pool)->number, 1);
    last = place_ask(p, "d", INPUTS[OK]);
    place_run(p, 3000);
    assert_int_equal(job_ran_on(last), 1);

    pool_enable(pool); /* it tries again, by a canary */
    place_run(p, 3000);
    assert_int_equal(canary(p)->state, CANARY_ON);
    assert_string_equal(ask_many(p, 4, INPUTS, 1), "1313");
    assert_release(p, pool, 2, true, false);
    place_free(p);
}

static void slowness_halts_it(void **state)
{
    static const char *const inputs[] = { "{\"n\":1,\"pieces\":[],\"ms\":20}",
                                          "{\"n\":1,\"pieces\":[],\"ms\":90}" };
    struct place *p = place_new(NULL);

    (void)state;
    begin(p, "{\"canary\":{\"share\":0.5,\"min_requests\":5}}", 1, 2);
    place_run(p, 2000);
    assert_string_equal(ask_many(p, 14, inputs, 2), "13131313131111");
    assert_int_equal(canary(p)->state, CANARY_HALTED);
    assert_non_null(strstr(canary(p)->why, "max_latency_ratio is 2"));
    place_free(p);
}

/* What was counted is not lost with the server, and the time goes on. */
static void a_restart_in_the_middle(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = begin(p, "{\"canary\":{\"share\":0.25,\"seconds\":100}}", 1, 2);
    int64_t began_at;

    (void)state;
    place_run(p, 2000);
    began_at = canary(p)->began_at;
    assert_string_equal(ask_many(p, 10, INPUTS, 1), "1113111311");
    place_restart(p);
    place_run(p, 3000);
    pool = place_pool(p, "d");
    assert_int_equal(canary(p)->state, CANARY_ON);
    assert_int_equal(canary(p)->began_at, began_at);
    assert_int_equal(canary(p)->sides[CANARY_NEW].ended, 2);
    assert_int_equal(pool_serving(pool)->number, 1);
    assert_int_equal(fake_driver_launched(p->driver), 2); /* both were found again */
    assert_string_equal(ask_many(p, 4, INPUTS, 1), "1311");
    place_run(p, 100000);
    assert_int_equal(canary(p)->state, CANARY_PROMOTED);
    assert_true(canary(p)->ended_at <= began_at + 101000);
    place_restart(p);
    place_run(p, 3000);
    assert_int_equal(canary(p)->state, CANARY_PROMOTED);
    assert_string_equal(ask_many(p, 2, INPUTS, 1), "33");
    place_free(p);
}

/* The mark is stored, and the server is gone before the rest is. */
static void a_server_that_dies_while_it_halts(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = begin(p, "{\"canary\":{}}", 1, 2);
    struct store_release_mark op = { .number = 2, .failure = "Its canary was halted." };

    (void)state;
    place_run(p, 2000);
    op.deployment_id = pool->id;
    op.now = loop_wall_ms(p->loop);
    op.lease_epoch = p->fleet.lease_epoch;
    PLACE_RUN(p, STORE_RELEASE_MARK, op);
    store_op_deinit(&op.op);
    place_restart(p);
    place_run(p, 3000);
    assert_int_equal(canary(p)->state, CANARY_HALTED);
    assert_string_equal(ask_many(p, 12, INPUTS, 1), "111111111111");
    place_free(p);
}

static void one_that_does_not_boot(void **state)
{
    static const struct fake_launch_script script[] = {
        { .address_after_ms = 10 },
        { .address_after_ms = -1, .exit_after_ms = 500, .exit_code = 1 },
        { .address_after_ms = -1, .exit_after_ms = 500, .exit_code = 1 },
        { .address_after_ms = -1, .exit_after_ms = 500, .exit_code = 1 },
        { .address_after_ms = 10 },
    };
    struct place *p =
        place_new(&(struct place_spec){ .launches = script, .n_launches = ARRAY_SIZE(script) });
    struct pool *pool = begin(p, "{\"canary\":{\"share\":0.9}}", 1, 1);

    (void)state;
    assert_string_equal(ask_many(p, 20, INPUTS, 1), "11111111111111111111");
    place_run(p, 10000);
    assert_int_equal(canary(p)->state, CANARY_HALTED);
    assert_non_null(strstr(canary(p)->why, "exit code 1"));
    assert_release(p, pool, 2, false, true);
    assert_int_equal(fake_driver_launched(p->driver), 4);
    place_free(p);
}

/* What waits for the new release alone goes back when there is no instance of it. */
static void one_whose_instance_is_lost(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = begin(p, "{\"canary\":{\"share\":0.9,\"max_error_rate\":1}}", 1, 1);
    struct job *jobs[6];
    struct instance *in;
    struct lane *l;

    (void)state;
    place_run(p, 2000);
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        jobs[i] = place_ask(p, "d", "{\"n\":1,\"pieces\":[],\"ms\":1000}");
    place_run(p, 100);
    l = pool_current(pool)->lane;
    assert_int_equal(l->line.n, 4);
    in = container_of(list_first(&l->instances), struct instance, node);
    instance_kill(in, "the test", 0);
    place_run(p, 20);
    assert_int_equal(l->line.n, 0);
    place_run(p, 20000);
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        assert_job(jobs[i], PREDICTION_SUCCEEDED);
    assert_int_equal(job_ran_on(jobs[5]), 1);
    assert_int_equal(canary(p)->state, CANARY_ON);
    assert_string_equal(ask_many(p, 2, INPUTS, 1), "33"); /* it is there again */
    place_free(p);
}

static void by_hand(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = begin(p, "{\"canary\":{}}", 1, 2);
    struct error err;

    (void)state;
    assert_int_equal(canary_end_now(pool, CANARY_PROMOTED, &err), STATUS_OK);
    place_run(p, 3000);
    assert_string_equal(ask_many(p, 2, INPUTS, 1), "33");
    assert_int_equal(canary_end_now(pool, CANARY_HALTED, &err), STATUS_UNPROCESSABLE);
    assert_non_null(strstr(err.text, "No canary goes on"));

    place_patch(p, "d", 1, NULL, -1, -1);
    place_run(p, 3000);
    assert_int_equal(canary_end_now(pool, CANARY_HALTED, &err), STATUS_OK);
    place_run(p, 3000);
    assert_string_equal(ask_many(p, 2, INPUTS, 1), "33");
    assert_string_equal(canary(p)->why, "It was halted by hand.");
    place_free(p);
}

/* One that another release follows is none to come back to; back to the old one is at once. */
static void others_that_follow(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = begin(p, "{\"canary\":{\"share\":0.5}}", 1, 2);
    struct error err;

    (void)state;
    place_run(p, 2000);
    assert_string_equal(ask_many(p, 4, INPUTS, 1), "1313");
    place_patch(p, "d", 0, NULL, -1, 3); /* the bounds only: the same goes on */
    assert_int_equal(canary(p)->release, 3);
    assert_int_equal(canary(p)->sides[CANARY_NEW].ended, 2);
    assert_string_equal(ask_many(p, 2, INPUTS, 1), "13");
    place_patch(p, "d", 4, NULL, -1, -1);
    place_run(p, 3000);
    assert_release(p, pool, 3, true, true);
    assert_int_equal(canary(p)->release, 4);
    assert_int_equal(canary(p)->base, 1);
    assert_string_equal(ask_many(p, 4, INPUTS, 1), "1414");
    assert_int_equal(canary_end_now(pool, CANARY_HALTED, &err), STATUS_OK);
    place_restart(p);
    pool = place_pool(p, "d");
    place_run(p, 3000);
    assert_string_equal(ask_many(p, 2, INPUTS, 1), "11"); /* and not 3 */

    place_patch(p, "d", 5, NULL, -1, -1);
    place_run(p, 3000);
    assert_int_equal(canary(p)->state, CANARY_ON);
    place_patch(p, "d", 1, NULL, -1, -1);
    assert_int_equal(canary(p)->state, CANARY_NONE);
    assert_string_equal(ask_many(p, 4, INPUTS, 1), "1111");
    place_run(p, 120000);
    assert_int_equal(list_length(&pool->lanes), 1);
    place_free(p);
}

/* Halted, and then changed in its bounds only: that does not let it in by the back door. */
static void bounds_of_one_that_was_halted(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = begin(p, "{\"canary\":{\"share\":0.5}}", 1, 2);
    struct error err;

    (void)state;
    place_run(p, 2000);
    assert_int_equal(canary_end_now(pool, CANARY_HALTED, &err), STATUS_OK);
    place_run(p, 100);
    place_patch(p, "d", 0, NULL, -1, 3);
    place_run(p, 3000);
    assert_int_equal(canary(p)->state, CANARY_ON);
    assert_int_equal(canary(p)->base, 1);
    assert_string_equal(ask_many(p, 4, INPUTS, 1), "1313");
    place_free(p);
}

static void taken_back(void **state)
{
    struct place *p = place_new(NULL);

    (void)state;
    begin(p, "{\"canary\":{}}", 1, 2);
    place_run(p, 2000);
    place_settings(p, "d", NULL, "{\"canary\":null}");
    place_run(p, 100);
    assert_int_equal(canary(p)->state, CANARY_PROMOTED);
    assert_string_equal(ask_many(p, 2, INPUTS, 1), "33");
    place_patch(p, "d", 1, NULL, -1, -1); /* as it was before there were any */
    place_run(p, 3000);
    assert_int_equal(canary(p)->state, CANARY_NONE);
    assert_string_equal(ask_many(p, 2, INPUTS, 1), "11");
    place_free(p);
}

/* With one place for both, it is the old release's. */
static void no_place_beside_it(void **state)
{
    struct place *p = place_new(NULL);

    (void)state;
    p->options.surge = 0;
    (void)begin(p, "{\"canary\":{\"share\":0.9}}", 0, 1);
    assert_string_equal(ask_many(p, 10, INPUTS, 1), "1111111111");
    place_run(p, 600000);
    assert_string_equal(ask_many(p, 3, INPUTS, 1), "111");
    assert_int_equal(canary(p)->began_at, 0);
    place_patch(p, "d", 0, NULL, -1, 2);
    place_run(p, 3000);
    assert_string_equal(ask_many(p, 3, INPUTS, 1), "133");
    place_free(p);
}

/* One GPU: the same, and nobody waits because of it. */
static void no_room_beside_it(void **state)
{
    struct place *p = place_new(&(struct place_spec){ .gpus = 1 });
    struct pool *pool = place_deploy(p, "d", 1, "gpu-t4", 0, 2);
    struct job *j;

    (void)state;
    j = place_ask(p, "d", INPUTS[OK]);
    place_run(p, 1000);
    assert_job(j, PREDICTION_SUCCEEDED);
    place_settings(p, "d", NULL, "{\"canary\":{\"share\":0.9}}");
    place_patch(p, "d", 3, NULL, -1, -1);
    assert_string_equal(ask_many(p, 10, INPUTS, 1), "1111111111");
    place_run(p, 60000); /* the old one is not needed: the place is free */
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 1);
    assert_true(canary(p)->began_at > 0);
    place_free(p);
}

/* What a shared machine's instances of both are charged to. */
static void each_release_pays_for_its_own(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = begin(p, "{\"canary\":{\"share\":0.5}}", 1, 2);
    struct lane *l;

    (void)state;
    place_run(p, 2000);
    (void)ask_many(p, 10, INPUTS, 1);
    l = pool_serving(pool)->lane;
    assert_true(fake_driver_crash(
        p->driver, container_of(list_first(&l->instances), struct instance, node)->id, 9));
    place_run(p, 5000);
    assert_int_equal(
        container_of(list_first(&l->instances), struct instance, node)->meter.booted_for, 1);
    place_settings(p, "d", "{\"keep_alive\":0}", NULL);
    place_patch(p, "d", 0, NULL, 0, 0);
    place_run(p, 20000);
    place_check_ledger(p);
    place_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_and_then_all),
        cmocka_unit_test(errors_halt_it),
        cmocka_unit_test(slowness_halts_it),
        cmocka_unit_test(a_restart_in_the_middle),
        cmocka_unit_test(a_server_that_dies_while_it_halts),
        cmocka_unit_test(one_that_does_not_boot),
        cmocka_unit_test(one_whose_instance_is_lost),
        cmocka_unit_test(by_hand),
        cmocka_unit_test(others_that_follow),
        cmocka_unit_test(bounds_of_one_that_was_halted),
        cmocka_unit_test(taken_back),
        cmocka_unit_test(no_place_beside_it),
        cmocka_unit_test(no_room_beside_it),
        cmocka_unit_test(each_release_pays_for_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
