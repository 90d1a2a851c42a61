/* SPDX-License-Identifier: Apache-2.0 */
/* What waits: predictions that are waited for, which run while they are being stored, and places in
 * a queue. */
#include "place.h"

/* It runs while it is being stored, and that fails: the client hears why, nobody of an end. */
static void one_that_cannot_be_stored(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) { /* queued; long; short */
        struct place *p = place_new(NULL);
        struct pool *pool = place_deploy(p, "d", 1, "cpu", way > 0, 1);
        struct store_deployment_delete gone = { .owner = STR("alice"), .name = STR("d") };
        struct job *j;

        place_run(p, 1000);
        if (way == 2)
            version_measured(pool_current(pool)->lane->version, 5);
        assert_int_equal(store_run(p->store, &gone.op, &STORE_DEPLOYMENT_DELETE), STATUS_OK);
        store_op_deinit(&gone.op);
        p->waits = true;
        j = place_ask(p, "d", "{\"ms\":1000}");
        assert_int_equal(p->fleet.predictions.n, 1);
        place_run(p, 5000);
        assert_int_equal(j->refused, STATUS_NOT_FOUND);
        assert_int_equal(j->n_told, 0);
        assert_int_equal(p->fleet.predictions.n, 0);
        assert_int_equal(p->fleet.n_created, 0);
        assert_int_equal(p->fleet.n_ended, 0);
        if (way > 0)
            assert_int_equal(pool_first_instance(pool)->in_flight, 0);
        place_free(p);
    }
}

static void positions_in_the_queue(void **state)
{
    struct place *p = place_new(NULL);
    struct job *jobs[5];
    struct prediction *first;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    for (int i = 0; i < 5; i++)
        jobs[i] = place_ask(p, "d", "{\"ms\":1000}");
    place_run(p, 1);
    for (int i = 0; i < 5; i++)
        assert_int_equal(prediction_queue_position(job_live(jobs[i])), i + 1);
    first = job_live(jobs[0]);
    lane_take(first);
    assert_int_equal(prediction_queue_position(first), 0);
    assert_int_equal(prediction_queue_position(job_live(jobs[4])), 4);
    lane_push(first->lane, first, true); /* back to the head */
    assert_int_equal(prediction_queue_position(first), 1);
    assert_int_equal(prediction_queue_position(job_live(jobs[4])), 5);
    prediction_cancel(job_live(jobs[2])); /* leaves a gap */
    assert_int_equal(prediction_queue_position(job_live(jobs[1])), 2);
    assert_int_equal(prediction_queue_position(job_live(jobs[3])), 3);
    assert_int_equal(prediction_queue_position(job_live(jobs[4])), 4);
    place_run(p, 10000);
    assert_job(jobs[4], PREDICTION_SUCCEEDED);
    place_free(p);
}

static void lose_wakes(void *arg)
{
    struct pool *pool = arg;

    deferred_cancel(&pool->reconcile);
}

/* The end of what it waits for is told to nobody: it begins all the same, a minute later. */
static void a_wake_up_that_is_lost(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 1, 1);
    struct job *first, *second;

    (void)state;
    place_run(p, 1000);
    first = place_ask(p, "d", "{\"ms\":1000}");
    second = place_ask(p, "d", "{\"ms\":1000}");
    place_run(p, 500);
    loop_after_turn(p->loop, lose_wakes, pool);
    place_run(p, 1000);
    loop_after_turn(p->loop, NULL, NULL);
    assert_job(first, PREDICTION_SUCCEEDED);
    assert_job(second, PREDICTION_STARTING);
    place_run(p, 65000);
    assert_job(second, PREDICTION_SUCCEEDED);
    place_free(p);
}

/* Likewise the first of all, when nothing has set a timer yet. */
static void the_first_wake_up_is_lost(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 0, 1);

    (void)state;
    place_run(p, 1000);
    timer_stop(&pool->timer);
    pool_wake(pool);
    lose_wakes(pool);
    assert_true(timer_armed(&pool->timer));
    place_run(p, 65000);
    assert_false(timer_armed(&pool->timer)); /* it was looked at, and wants nothing */
    place_free(p);
}

static enum status refuse_requeue(void *arg, const struct store_op_type *type, struct error *err)
{
    int *left = arg;

    if (type != &STORE_PREDICTION_REQUEUE || *left == 0)
        return STATUS_OK;
    --*left;
    return FAIL(err, STATUS_DISK_FULL, "the disk is full");
}

/* The store has it as running until its return to the queue is written: it is tried until it is. */
static void a_return_that_cannot_be_stored(void **state)
{
    struct place *p = place_new(NULL);
    struct job *j;
    int left = 3;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 1, 1);
    place_run(p, 1000);
    store_set_trouble(p->store, refuse_requeue, &left);
    j = place_ask(p, "d", "{\"verdict\":\"never_ran\",\"times\":1}");
    place_run(p, 10000);
    assert_int_equal(left, 0);
    assert_job(j, PREDICTION_SUCCEEDED);
    left = 1; /* and the server ends before it could be */
    j = place_ask(p, "d", "{\"verdict\":\"never_ran\",\"times\":1}");
    place_run(p, 100);
    assert_int_equal(left, 0);
    place_restart(p);
    place_run(p, 10000);
    assert_job(j, PREDICTION_SUCCEEDED);
    place_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_cannot_be_stored),
        cmocka_unit_test(positions_in_the_queue),
        cmocka_unit_test(a_wake_up_that_is_lost),
        cmocka_unit_test(the_first_wake_up_is_lost),
        cmocka_unit_test(a_return_that_cannot_be_stored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
