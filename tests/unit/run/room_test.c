/* SPDX-License-Identifier: Apache-2.0 */
/* Deployments that wait for room on the machine: what they say of it, and whom they keep waiting.
 */
#include "place.h"

#include "run/capacity.h"

struct listening {
    struct change_listener listener;
    int n_pool;
};

static void on_change(struct change_listener *l, const struct change *c)
{
    container_of(l, struct listening, listener)->n_pool += c->kind == CHANGE_POOL;
}

static struct place *place_with_short_idling(int gpus)
{
    struct place *p = place_new(&(struct place_spec){ .gpus = gpus });

    p->options.idle_timeout = 1000;
    p->options.idle_timeout_given = true;
    return p;
}

/* A release for which there is no hardware, and then back to the one before: what was bound to it
 * meanwhile runs there. */
static void a_queue_of_a_release_that_never_came(void **state)
{
    struct place *p = place_with_short_idling(0);
    struct pool *pool = place_deploy(p, "d", 2, "cpu", 0, 1);
    struct job *first = place_ask(p, "d", "{\"n\":1}"), *fits, *misfit;
    struct store_prediction_get stored;

    (void)state;
    place_run(p, 5000);
    assert_job(first, PREDICTION_SUCCEEDED);
    assert_int_equal(pool_all_instances(pool), 0);
    place_patch(p, "d", 1, "gpu-t4", -1, -1);
    fits = place_ask(p, "d", "{\"n\":2}");
    misfit = place_ask(p, "d", "{\"n\":\"two\"}");
    place_run(p, 30000);
    assert_job(fits, PREDICTION_STARTING); /* there may be a GPU some day: nobody took it back */
    place_patch(p, "d", 2, "cpu", -1, -1);
    place_run(p, 10000);
    assert_job(fits, PREDICTION_SUCCEEDED);
    job_stored(fits, &stored);
    assert_int_equal(stored.row.release, 3);
    assert_string_equal(stored.row.version, place_version(2));
    store_op_deinit(&stored.op);
    assert_job(misfit, PREDICTION_FAILED);
    assert_non_null(strstr(misfit->error.p, "does not take this input"));
    assert_int_equal(list_length(&pool->lanes), 1);
    assert_int_equal(p->fleet.n_lacking, 0);
    place_free(p);
}

/* One that waits for its own pool's place, and does not ask for room, keeps none from others. */
static void who_asks_no_more_keeps_nobody_waiting(void **state)
{
    struct place *p = place_with_short_idling(1);
    struct job *old, *other;

    (void)state;
    p->options.surge = 0;
    place_deploy(p, "d", 1, "gpu-t4", 0, 1);
    place_ask(p, "d", "{}");
    place_run(p, 5000); /* it was ready, and went */
    place_deploy(p, "holder", 1, "gpu-t4", 1, 1);
    place_run(p, 1000);
    old = place_ask(p, "d", "{}");
    place_run(p, 3000);
    assert_int_equal(p->fleet.n_lacking, 1);
    assert_true(capacity_is_lacking(job_live(old)->lane));
    place_patch(p, "d", 0, "cpu", -1, -1);
    place_run(p, 1000);
    place_ask(p, "d", "{\"ms\":600000}"); /* has all that d may have */
    place_run(p, 20000);
    place_patch(p, "holder", 0, NULL, 0, 0);
    place_run(p, 10000);
    place_deploy(p, "other", 1, "gpu-t4", 0, 1);
    other = place_ask(p, "other", "{}");
    place_run(p, 20000);
    assert_job(old, PREDICTION_STARTING);
    assert_job(other, PREDICTION_SUCCEEDED);
    place_free(p);
}

/* It asks every two seconds, and says so when it begins to wait, and when it has waited. */
static void waiting_is_told_once(void **state)
{
    struct listening l = { .listener = { .changed = on_change } };
    struct place *p = place_with_short_idling(1);
    struct pool *pool;
    struct job *j;

    (void)state;
    p->hardware.machine.n_gpus = 0;
    p->fleet.listener = &l.listener;
    pool = place_deploy(p, "d", 1, "gpu-t4", 1, 1);
    place_run(p, 1000);
    assert_int_not_equal(l.n_pool, 0);
    l.n_pool = 0;
    place_run(p, 120000);
    assert_int_equal(l.n_pool, 0);
    j = place_ask(p, "d", "{}"); /* one more waits: that is news */
    place_run(p, 10000);
    assert_in_range(l.n_pool, 1, 3);
    l.n_pool = 0;
    p->hardware.machine.n_gpus = 1;
    place_run(p, 10000);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 1);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_int_not_equal(l.n_pool, 0);
    p->fleet.listener = NULL;
    place_free(p);
}

/* The clock goes back, or forward, by hours: who waits for room asks on, what is idle is idle for
 * as long as it was, and nobody has waited for hours. */
static void a_clock_that_is_set(void **state)
{
    (void)state;
    for (int64_t by = -7200000; by <= 7200000; by += 14400000) {
        struct place *p = place_with_short_idling(1);
        struct pool *pool = place_deploy(p, "d", 1, "gpu-t4", 0, 1);
        struct job *j;

        p->options.idle_timeout = 30000;
        p->hardware.machine.n_gpus = 0;
        j = place_ask(p, "d", "{}");
        place_run(p, 1000);
        loop_set_wall(p->loop, by);
        p->hardware.machine.n_gpus = 1;
        place_run(p, 5000);
        assert_job(j, PREDICTION_SUCCEEDED);
        loop_set_wall(p->loop, by);
        pool_wake(pool);
        place_run(p, 10000);
        assert_int_equal(pool_instances(pool, INSTANCE_READY), 1);
        place_run(p, 70000); /* what is learned of silence begins when the server does */
        assert_int_equal(pool_all_instances(pool), 0);
        place_free(p);
    }
}

/* What happens as the first thing after that is no hours away either. */
static void a_clock_that_is_set_before_an_end(void **state)
{
    static const struct fake_launch_script launches[] = {
        { .address_after_ms = -1, .exit_after_ms = 500, .exit_code = 1 },
        { .address_after_ms = 50 },
    };

    (void)state;
    for (int64_t by = -7200000; by <= 7200000; by += 14400000) {
        struct place *p = place_new(&(struct place_spec){ .launches = launches, .n_launches = 2 });
        struct pool *pool;
        struct job *j;

        p->options.idle_timeout = 30000;
        p->options.idle_timeout_given = true;
        pool = place_deploy(p, "d", 1, "cpu", 0, 1);
        j = place_ask(p, "d", "{\"ms\":60000}");
        place_run(p, 100);
        loop_set_wall(p->loop, by); /* and its boot fails */
        place_run(p, 30000);
        assert_int_equal(pool_instances(pool, INSTANCE_READY), 1);
        loop_set_wall(p->loop, by); /* and it ends */
        place_run(p, 50000);
        assert_job(j, PREDICTION_SUCCEEDED);
        assert_int_equal(pool_instances(pool, INSTANCE_READY), 1);
        place_run(p, 40000);
        assert_int_equal(pool_all_instances(pool), 0);
        place_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_of_a_release_that_never_came),
        cmocka_unit_test(who_asks_no_more_keeps_nobody_waiting),
        cmocka_unit_test(waiting_is_told_once),
        cmocka_unit_test(a_clock_that_is_set),
        cmocka_unit_test(a_clock_that_is_set_before_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
