/* SPDX-License-Identifier: Apache-2.0 */
/* The server goes, with or without a word, and the next one finds what was there. */
#include "place.h"

#include "base/mem.h"

static int64_t attempts(struct job *j)
{
    struct store_prediction_get stored;
    int64_t n;

    job_stored(j, &stored);
    n = stored.row.attempt;
    store_op_deinit(&stored.op);
    return n;
}

static void assert_text(struct job *j, const char *output, const char *logs)
{
    struct store_prediction_get stored;

    job_stored(j, &stored);
    assert_true(str_is(stored.row.output, output));
    assert_true(str_is(stored.row.logs, logs));
    store_op_deinit(&stored.op);
}

/* Two long runs go on in their instances and are joined; what waits keeps its order; nothing runs
 * twice. */
static void killed_half_way(void **state)
{
    struct place *p = place_new(NULL);
    struct job *jobs[50];
    struct pool *pool = place_deploy(p, "d", 3, "cpu", 0, 2);
    int64_t runs = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        jobs[i] = place_ask(p, "d",
                            i < 2 ? "{\"ms\":20000,\"pieces\":[1,2,3],\"logs\":\"long\\n\"}"
                                  : "{\"ms\":10,\"pieces\":[]}");
    place_run(p, 8000);
    assert_int_equal(job_live(jobs[1])->row.status, PREDICTION_PROCESSING);
    place_restart(p);
    pool = place_pool(p, "d");
    assert_int_equal(job_live(jobs[1])->row.status, PREDICTION_PROCESSING);
    place_run(p, 1000);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 2);
    place_run(p, 20000);
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
        assert_job(jobs[i], PREDICTION_SUCCEEDED);
        assert_int_equal(attempts(jobs[i]), 1);
        runs += fake_protocol_runs(p->protocol, jobs[i]->id);
    }
    assert_int_equal(runs, ARRAY_SIZE(jobs));
    assert_text(jobs[0], "[1,2,3]", "long\n");
    assert_text(jobs[1], "[1,2,3]", "long\n");
    assert_int_equal(fake_driver_launched(p->driver), 2);
    place_free(p);
}

static void killed_again_and_again(void **state)
{
    struct place *p = place_new(NULL);
    struct job *jobs[30];

    (void)state;
    place_deploy(p, "d", 4, "cpu", 0, 2);
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        jobs[i] = place_ask(p, "d", "{\"ms\":3000}");
    for (int i = 0; i < 40; i++) {
        place_run(p, 700);
        place_restart(p);
    }
    place_run(p, 30000);
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
        assert_job(jobs[i], PREDICTION_SUCCEEDED);
        assert_int_equal(fake_protocol_runs(p->protocol, jobs[i]->id), 1);
    }
    place_free(p);
}

/* A short run ends with our connection: it runs again. */
static void short_runs_again(void **state)
{
    struct place *p = place_new(NULL);
    struct job *j;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    for (int i = 0; i < 3; i++)
        place_ask(p, "d", "{\"ms\":50}");
    place_run(p, 1000);
    j = place_ask(p, "d", "{\"ms\":500}");
    place_run(p, 100);
    assert_false(job_live(j)->row.started_long);
    place_restart(p);
    place_run(p, 3000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_int_equal(attempts(j), 2);
    assert_int_equal(fake_protocol_runs(p->protocol, j->id), 2);
    place_free(p);
}

/* Its attempt was stored, and the server killed before the instance heard of it. */
static void never_came_there(void **state)
{
    struct place *p = place_new(NULL);
    struct job *j, *last;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 1, 1);
    place_run(p, 1000);
    j = place_ask(p, "d", "{\"ms\":500,\"unheard\":true}");
    place_run(p, 0);
    place_restart(p);
    place_run(p, 5000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_int_equal(attempts(j), 2);
    assert_int_equal(fake_protocol_runs(p->protocol, j->id), 1);
    p->options.max_attempts = 1;
    last = place_ask(p, "d", "{\"ms\":500,\"unheard\":true}");
    place_run(p, 0);
    place_restart(p);
    place_run(p, 5000);
    assert_job(last, PREDICTION_FAILED);
    assert_int_equal(fake_protocol_runs(p->protocol, last->id), 0);
    place_free(p);
}

/* run_timeout counts from the start of the run, whichever server it began with. */
static void the_limit_counts_from_the_start(void **state)
{
    struct place *p = place_new(NULL);
    struct job *j;

    (void)state;
    p->options.run_timeout = 10000;
    place_deploy(p, "d", 1, "cpu", 1, 1);
    place_run(p, 1000);
    j = place_ask(p, "d", "{\"ms\":60000}");
    for (int i = 0; i < 3; i++) {
        place_run(p, 3000);
        place_restart(p);
    }
    place_run(p, 500);
    assert_non_null(job_live(j));
    place_run(p, 1000);
    assert_job(j, PREDICTION_FAILED);
    assert_in_range(loop_now_ms(p->loop) - j->created_at, 10000, 10600);
    place_free(p);
}

/* The machine restarted too: nothing of the instances is left. */
static void the_instances_are_gone(void **state)
{
    static const struct fake_launch_script gone[] = {
        { .address_after_ms = 10, .lost_on_recover = true }, { .address_after_ms = 10 }
    };
    struct place *p = place_new(&(struct place_spec){ .launches = gone, .n_launches = 2 });
    struct job *a, *b, *once;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    a = place_ask(p, "d", "{\"ms\":5000}");
    b = place_ask(p, "d", "{\"ms\":5000}");
    place_run(p, 1000);
    place_restart(p);
    place_run(p, 20000);
    assert_job(a, PREDICTION_SUCCEEDED);
    assert_job(b, PREDICTION_SUCCEEDED);
    assert_int_equal(attempts(a), 2);
    assert_int_equal(attempts(b), 1);
    p->options.max_attempts = 1;
    once = place_ask(p, "d", "{\"ms\":5000}");
    place_run(p, 1000);
    instance_kill(pool_first_instance(place_pool(p, "d")), "a test", 0);
    place_run(p, 1000);
    assert_job(once, PREDICTION_FAILED);
    place_free(p);
}

static void cancels_over_a_restart(void **state)
{
    struct place *p = place_new(NULL);
    struct job *before, *between, *queued;

    (void)state;
    place_deploy(p, "d", 4, "cpu", 0, 1);
    before = place_ask(p, "d", "{\"ms\":60000,\"ignore_cancel\":true}");
    between = place_ask(p, "d", "{\"ms\":60000}");
    queued = place_ask(p, "d", "{\"ms\":10}");
    place_run(p, 2000);
    prediction_cancel(job_live(before));
    place_run(p, 10);
    place_restart(p);
    assert_true(job_live(before)->row.cancel_requested);
    prediction_cancel(job_live(between)); /* its instance is being found again */
    prediction_cancel(job_live(queued));
    place_run(p, 1000);
    assert_job(between, PREDICTION_CANCELED);
    assert_job(queued, PREDICTION_CANCELED);
    place_run(p, 31000);
    assert_job(before, PREDICTION_CANCELED);
    place_free(p);
}

/* With --keep-instances short runs are waited for, long ones and the instances stay. */
static void stopped_with_instances_kept(void **state)
{
    struct place *p = place_new(NULL);
    struct job *j, *drained;
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 2, 2);

    (void)state;
    j = place_ask(p, "d", "{\"ms\":30000}");
    drained = place_ask(p, "d", "{\"ms\":30000}");
    place_run(p, 1000);
    instance_drain(job_live(drained)->instance, "a test");
    place_stop(p, true);
    (void)pool;
    assert_int_equal(fake_driver_running(p->driver), 2);
    p->options.keep_instances = false;
    place_start(p);
    place_run(p, 40000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_job(drained, PREDICTION_SUCCEEDED);
    assert_int_equal(fake_protocol_runs(p->protocol, j->id), 1);
    assert_int_equal(fake_protocol_runs(p->protocol, drained->id), 1);
    place_free(p);
}

/* Without it all are ended after drain_timeout; what ran waits for the next server. */
static void stopped(void **state)
{
    struct place *p = place_new(NULL);
    struct job *short_one, *long_one, *queued;

    (void)state;
    place_deploy(p, "d", 4, "cpu", 0, 1);
    short_one = place_ask(p, "d", "{\"ms\":5000}");
    long_one = place_ask(p, "d", "{\"ms\":60000}");
    queued = place_ask(p, "d", "{\"ms\":10}");
    place_run(p, 1000);
    place_stop(p, false);
    assert_job(short_one, PREDICTION_SUCCEEDED);
    assert_job(long_one, PREDICTION_PROCESSING);
    assert_job(queued, PREDICTION_STARTING);
    assert_int_equal(fake_driver_running(p->driver), 0);
    place_start(p);
    place_run(p, 70000);
    assert_job(long_one, PREDICTION_SUCCEEDED);
    assert_job(queued, PREDICTION_SUCCEEDED);
    place_free(p);
}

/* In the middle of a rollout: the old instance goes on serving, though none of its predictions is
 * open. */
static void in_the_middle_of_a_rollout(void **state)
{
    static const struct fake_launch_script script[] = { { .address_after_ms = 10 },
                                                        { .address_after_ms = -1 } };
    struct place *p = place_new(&(struct place_spec){ .launches = script, .n_launches = 2 });
    struct job *j;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 1, 1);
    place_run(p, 1000);
    place_patch(p, "d", 3, NULL, -1, -1);
    place_run(p, 1000);
    place_restart(p);
    place_run(p, 1000);
    j = place_ask(p, "d", "{}");
    place_run(p, 1000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_int_equal(fake_driver_launched(p->driver), 2);
    place_free(p);
}

static void a_failed_release_stays_failed(void **state)
{
    struct place *p = place_new(&(struct place_spec){ .protocol = { .setup_fails = 3 } });
    struct job *j;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 1, 1);
    place_run(p, 10000);
    place_restart(p);
    place_run(p, 60000);
    assert_int_equal(fake_driver_launched(p->driver), 3);
    j = place_ask(p, "d", "{}");
    assert_int_equal(j->refused, STATUS_UNPROCESSABLE);
    assert_non_null(strstr(j->why, "setup fails"));
    place_free(p);
}

/* A model's own instance is kept, whether or not anything waits. */
static void a_models_pool(void **state)
{
    struct place *p = place_new(NULL);
    struct job *idle = place_ask_model(p, 1, "{\"ms\":10}"), *running;

    (void)state;
    place_run(p, 1000);
    assert_job(idle, PREDICTION_SUCCEEDED);
    place_restart(p);
    place_run(p, 1000);
    running = place_ask_model(p, 1, "{\"ms\":5000}");
    place_run(p, 1000);
    place_restart(p);
    place_run(p, 10000);
    assert_job(running, PREDICTION_SUCCEEDED);
    assert_int_equal(fake_driver_launched(p->driver), 1);
    place_run(p, 70000);
    assert_int_equal(fake_driver_running(p->driver), 0);
    place_free(p);
}

static void secrets(void **state)
{
    struct place *p = place_new(NULL);
    struct job *j;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    j = place_ask(p, "d", "{\"key\":\"tell nobody\"}");
    place_run(p, 10);
    place_restart(p);
    place_run(p, 1000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_text(j, "{\"key\":\"tell nobody\"}", "");
    place_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_half_way),
        cmocka_unit_test(killed_again_and_again),
        cmocka_unit_test(never_came_there),
        cmocka_unit_test(the_limit_counts_from_the_start),
        cmocka_unit_test(short_runs_again),
        cmocka_unit_test(the_instances_are_gone),
        cmocka_unit_test(cancels_over_a_restart),
        cmocka_unit_test(stopped_with_instances_kept),
        cmocka_unit_test(stopped),
        cmocka_unit_test(in_the_middle_of_a_rollout),
        cmocka_unit_test(a_failed_release_stays_failed),
        cmocka_unit_test(a_models_pool),
        cmocka_unit_test(secrets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
