/* SPDX-License-Identifier: Apache-2.0 */
/* Boots that fail, and one release after another. */
#include "place.h"

#include "base/mem.h"

static struct release *current(struct place *p, const char *name)
{
    return pool_current(place_pool(p, name));
}

static void a_release_that_fails(void **state)
{
    struct place *p = place_new(&(struct place_spec){ .protocol = { .setup_fails = 3 } });
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 0, 2);
    struct job *j = place_ask(p, "d", "{}"), *refused;

    (void)state;
    place_run(p, 10000);
    assert_job(j, PREDICTION_FAILED);
    assert_non_null(strstr(j->error.p, "the script says that setup fails"));
    assert_int_equal(fake_driver_launched(p->driver), 3);
    assert_true(current(p, "d")->is_failed);
    assert_release(p, pool, 1, false, true);
    refused = place_ask(p, "d", "{}");
    assert_int_equal(refused->refused, STATUS_UNPROCESSABLE);
    assert_non_null(strstr(refused->why, "the script says that setup fails"));
    place_run(p, 300000);
    assert_int_equal(fake_driver_launched(p->driver), 3); /* it costs nothing more */

    pool_enable(pool);
    j = place_ask(p, "d", "{}");
    place_run(p, 1000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_release(p, pool, 1, true, false);
    place_free(p);
}

static void a_patch_tries_again(void **state)
{
    struct place *p = place_new(&(struct place_spec){ .protocol = { .setup_fails = 3 } });
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 1, 2);
    struct job *j;

    (void)state;
    place_run(p, 10000);
    assert_true(current(p, "d")->is_failed);
    place_patch(p, "d", 0, NULL, 0, 2);
    place_run(p, 1000);
    assert_release(p, pool, 2, true, false); /* a proving boot, though nothing waits */
    j = place_ask(p, "d", "{}");
    place_run(p, 1000);
    assert_job(j, PREDICTION_SUCCEEDED);
    place_free(p);
}

static void setup_that_never_ends(void **state)
{
    struct place *p =
        place_new(&(struct place_spec){ .protocol = { .ready_after_ms = 100000000 } });
    struct job *j;

    (void)state;
    p->options.setup_timeout = 10000;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    j = place_ask(p, "d", "{}");
    place_run(p, 60000);
    assert_job(j, PREDICTION_FAILED);
    assert_non_null(strstr(j->error.p, "within 10s (setup_timeout)"));
    place_free(p);
}

/* What the model printed is what its author needs. */
static void setup_that_says_why(void **state)
{
    static const char *const lines[] = { "loading", "no such file: weights.bin", NULL };
    static const struct fake_launch_script exits[] = {
        { .address_after_ms = -1, .exit_after_ms = 100, .exit_code = 1, .lines = lines },
    };
    struct place *p = place_new(&(struct place_spec){ .launches = exits, .n_launches = 1 });
    struct job *j;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    j = place_ask(p, "d", "{}");
    place_run(p, 10000);
    assert_job(j, PREDICTION_FAILED);
    assert_non_null(strstr(j->error.p, "exit code 1"));
    assert_non_null(strstr(j->error.p, "loading\nno such file: weights.bin"));
    place_free(p);
}

/* The driver's own trouble is not the model's: the queue is kept. */
static void a_driver_in_trouble(void **state)
{
    static const struct fake_launch_script script[] = {
        { .fail = STATUS_BUSY },        { .fail = STATUS_UNREACHABLE }, { .fail = STATUS_BUSY },
        { .fail = STATUS_UNREACHABLE }, { .address_after_ms = 10 },
    };
    struct place *p =
        place_new(&(struct place_spec){ .launches = script, .n_launches = ARRAY_SIZE(script) });
    struct job *j;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    j = place_ask(p, "d", "{}");
    place_run(p, 20000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_false(current(p, "d")->is_failed);
    place_free(p);
}

/* One real failure after the driver's own is one, not three. */
static void mixed_trouble(void **state)
{
    static const struct fake_launch_script script[] = {
        { .fail = STATUS_BUSY },
        { .fail = STATUS_BUSY },
        { .fail = STATUS_INVALID },
        { .address_after_ms = 10 },
    };
    struct place *p =
        place_new(&(struct place_spec){ .launches = script, .n_launches = ARRAY_SIZE(script) });
    struct job *j;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    j = place_ask(p, "d", "{}");
    place_run(p, 20000);
    assert_job(j, PREDICTION_SUCCEEDED);
    place_free(p);
}

static void one_that_was_ready_keeps_its_queue(void **state)
{
    static const struct fake_launch_script script[] = {
        { .address_after_ms = 10 }, { .fail = STATUS_INVALID }, { .fail = STATUS_INVALID },
        { .fail = STATUS_INVALID }, { .fail = STATUS_INVALID }, { .fail = STATUS_INVALID },
        { .address_after_ms = 10 },
    };
    struct place *p =
        place_new(&(struct place_spec){ .launches = script, .n_launches = ARRAY_SIZE(script) });
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 1, 1);
    struct job *j;

    (void)state;
    place_run(p, 1000);
    assert_true(fake_driver_crash(p->driver, pool_first_instance(pool)->id, 9));
    place_run(p, 100);
    j = place_ask(p, "d", "{}");
    assert_int_equal(j->refused, STATUS_OK);
    place_run(p, 10000);
    assert_non_null(job_live(j));
    assert_false(current(p, "d")->is_failed);
    assert_int_equal(place_ask(p, "d", "{}")->refused, STATUS_OK);
    place_run(p, 60000);
    assert_job(j, PREDICTION_SUCCEEDED);
    place_free(p);
}

/* Traffic moves when the new release is ready, the old one ends what it has, and nothing fails. */
static void a_rollout(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 1, 1);
    struct job *running, *queued, *meanwhile, *later;

    (void)state;
    place_run(p, 1000);
    running = place_ask(p, "d", "{\"ms\":3000}");
    queued = place_ask(p, "d", "{\"ms\":1000}");
    place_run(p, 100);
    place_patch(p, "d", 2, NULL, -1, -1);
    meanwhile = place_ask(p, "d", "{\"n\":1}");
    place_run(p, 500);
    assert_true(current(p, "d")->was_ready);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 2);
    later = place_ask(p, "d", "{\"n\":1}");
    place_run(p, 300);
    assert_job(later, PREDICTION_SUCCEEDED); /* it passes those that wait for the old one */
    assert_int_equal(job_ran_on(later), 2);
    place_run(p, 8000);
    assert_job(running, PREDICTION_SUCCEEDED);
    assert_job(queued, PREDICTION_SUCCEEDED);
    assert_job(meanwhile, PREDICTION_SUCCEEDED);
    assert_int_equal(job_ran_on(queued), 1);
    assert_int_equal(job_ran_on(meanwhile), 1);
    assert_int_equal(pool_all_instances(pool), 1);
    assert_int_equal(list_length(&pool->releases), 1);
    assert_int_equal(list_length(&pool->lanes), 1);
    place_free(p);
}

static void same_version_and_hardware(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 1, 1);
    struct job *j;

    (void)state;
    place_run(p, 1000);
    j = place_ask(p, "d", "{\"ms\":1000}");
    place_run(p, 100);
    place_patch(p, "d", 0, NULL, 2, 3);
    assert_true(current(p, "d")->was_ready);
    place_run(p, 2000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_int_equal(fake_driver_launched(p->driver), 2);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 2);
    assert_release(p, pool, 2, true, false);
    place_free(p);
}

/* The maximum goes down while all are busy: the surplus ends what it does and goes. */
static void a_lower_maximum(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 4, 4);
    struct job *jobs[12];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        jobs[i] = place_ask(p, "d", "{\"ms\":2000}");
    place_run(p, 1000);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 4);
    place_patch(p, "d", 0, NULL, 0, 1);
    place_run(p, 3000);
    assert_int_equal(pool_all_instances(pool), 1);
    place_run(p, 20000);
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
        assert_job(jobs[i], PREDICTION_SUCCEEDED);
        assert_int_equal(fake_protocol_runs(p->protocol, jobs[i]->id), 1);
    }
    place_free(p);
}

/* One GPU: the old instance gives up its place, ends its run first, and the new release takes over.
 */
static void no_room_for_a_surge(void **state)
{
    struct place *p = place_new(&(struct place_spec){ .gpus = 1 });
    struct pool *pool = place_deploy(p, "d", 1, "gpu-t4", 1, 1);
    struct job *running, *queued, *later;

    (void)state;
    place_run(p, 1000);
    running = place_ask(p, "d", "{\"ms\":5000}");
    queued = place_ask(p, "d", "{\"ms\":1000}");
    place_run(p, 100);
    place_patch(p, "d", 3, NULL, -1, -1);
    place_run(p, 1000);
    assert_int_equal(pool_instances(pool, INSTANCE_DRAINING), 1);
    later = place_ask(p, "d", "{\"pieces\":[]}");
    place_run(p, 6000);
    assert_job(running, PREDICTION_SUCCEEDED);
    assert_job(later, PREDICTION_SUCCEEDED);
    assert_int_equal(job_ran_on(later), 3);
    place_run(p, 30000); /* the old release has its queue's place back for a moment */
    assert_job(queued, PREDICTION_SUCCEEDED);
    assert_int_equal(job_ran_on(queued), 1);
    place_run(p, 30000);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 1);
    assert_int_equal(list_length(&pool->lanes), 1);
    place_free(p);
}

/* ... and if that fails, the old one boots again and takes back what waits. */
static void a_new_release_that_fails_without_room(void **state)
{
    static const struct fake_launch_script script[] = {
        { .address_after_ms = 10 }, { .fail = STATUS_INVALID }, { .fail = STATUS_INVALID },
        { .fail = STATUS_INVALID }, { .address_after_ms = 10 },
    };
    struct place *p = place_new(
        &(struct place_spec){ .gpus = 1, .launches = script, .n_launches = ARRAY_SIZE(script) });
    struct pool *pool = place_deploy(p, "d", 1, "gpu-t4", 1, 1);
    struct job *j;

    (void)state;
    place_run(p, 1000);
    place_patch(p, "d", 3, NULL, -1, -1);
    place_run(p, 100);
    j = place_ask(p, "d", "{}"); /* it is bound to the new one: the old has no instance */
    place_run(p, 20000);
    assert_true(current(p, "d")->is_failed);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_int_equal(job_ran_on(j), 1);
    place_run(p, 100000);
    assert_int_equal(pool_instances(pool, INSTANCE_READY),
                     1); /* the minimum is kept up by the old one */
    place_free(p);
}

/* A GPU that another deployment holds, or that nobody has: the old instance gains nothing by going.
 */
static void no_room_that_the_old_one_could_make(void **state)
{
    struct place *p = place_new(&(struct place_spec){ .gpus = 0 });
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 1, 1);
    struct job *j;

    (void)state;
    place_run(p, 1000);
    place_patch(p, "d", 0, "gpu-t4", -1, -1);
    place_run(p, 30000);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 1);
    j = place_ask(p, "d", "{}");
    place_run(p, 1000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_int_equal(fake_driver_launched(p->driver), 1);
    place_free(p);
}

/* Inputs are looked at again: version 2 wants "n". */
static void an_older_release_takes_back_the_queue(void **state)
{
    static const struct fake_launch_script script[] = {
        { .address_after_ms = 10, .exit_after_ms = 1000 },
        { .fail = STATUS_INVALID },
        { .fail = STATUS_INVALID },
        { .fail = STATUS_INVALID },
        { .address_after_ms = 10 },
    };
    struct place *p =
        place_new(&(struct place_spec){ .launches = script, .n_launches = ARRAY_SIZE(script) });
    struct pool *pool = place_deploy(p, "d", 2, "cpu", 0, 1);
    struct job *first, *fits, *misfit, *later;

    (void)state;
    first = place_ask(p, "d", "{\"n\":1}");
    place_run(p, 2000);
    assert_job(first, PREDICTION_SUCCEEDED);
    assert_int_equal(pool_all_instances(pool), 0);
    place_patch(p, "d", 1, NULL, -1, -1);
    fits = place_ask(p, "d", "{\"n\":2}");
    misfit = place_ask(p, "d", "{\"n\":\"two\"}");
    place_run(p, 10000);
    assert_job(fits, PREDICTION_SUCCEEDED);
    assert_int_equal(job_ran_on(fits), 2);
    assert_job(misfit, PREDICTION_FAILED);
    assert_non_null(strstr(misfit->error.p, "does not take this input"));
    later = place_ask(p, "d", "{\"n\":3}");
    assert_int_equal(later->refused, STATUS_OK);
    place_run(p, 1000);
    assert_int_equal(job_ran_on(later), 2);
    assert_job(later, PREDICTION_SUCCEEDED);
    place_free(p);
}

/* An old release that was never ready may fail too, after a newer one was made: its queue gets the
 * error. */
static void a_replaced_release_that_fails(void **state)
{
    static const struct fake_launch_script script[] = {
        { .address_after_ms = -1, .exit_after_ms = 3000, .exit_code = 1 },
        { .address_after_ms = 10 },
        { .address_after_ms = -1, .exit_after_ms = 300, .exit_code = 1 },
        { .address_after_ms = -1, .exit_after_ms = 300, .exit_code = 1 },
        { .address_after_ms = 10 },
    };
    struct place *p =
        place_new(&(struct place_spec){ .launches = script, .n_launches = ARRAY_SIZE(script) });
    struct job *old, *later;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    old = place_ask(p, "d", "{}");
    place_run(p, 1000);
    place_patch(p, "d", 3, NULL, -1, -1);
    place_run(p, 1000);
    later = place_ask(p, "d", "{\"pieces\":[]}");
    place_run(p, 30000);
    assert_job(later, PREDICTION_SUCCEEDED);
    assert_job(old, PREDICTION_FAILED);
    assert_non_null(strstr(old->error.p, "exit code 1"));
    place_free(p);
}

/* Back and forth between two versions, quickly, with work all the while. */
static void to_and_fro(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 1, 2);
    struct job *jobs[60];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
        jobs[i] = place_ask(p, "d", "{\"ms\":150}");
        place_run(p, 50);
        if (i % 5 == 4)
            place_patch(p, "d", i % 2 ? 1 : 4, NULL, -1, -1);
    }
    place_run(p, 100000);
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        assert_job(jobs[i], PREDICTION_SUCCEEDED);
    assert_int_equal(pool_all_instances(pool), 1);
    assert_int_equal(list_length(&pool->releases), 1);
    assert_int_equal(list_length(&pool->lanes), 1);
    place_free(p);
}

/* The queue of a model's version that cannot be set up gets the error; the next prediction tries
 * afresh. */
static void a_model_that_fails(void **state)
{
    struct place *p = place_new(&(struct place_spec){ .protocol = { .setup_fails = 3 } });
    struct job *j = place_ask_model(p, 1, "{}"), *next;

    (void)state;
    place_run(p, 10000);
    assert_job(j, PREDICTION_FAILED);
    assert_non_null(strstr(j->error.p, "the script says that setup fails"));
    next = place_ask_model(p, 1, "{}");
    place_run(p, 10000);
    assert_job(next, PREDICTION_SUCCEEDED);
    place_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_release_that_fails),
        cmocka_unit_test(a_patch_tries_again),
        cmocka_unit_test(setup_that_never_ends),
        cmocka_unit_test(setup_that_says_why),
        cmocka_unit_test(a_driver_in_trouble),
        cmocka_unit_test(mixed_trouble),
        cmocka_unit_test(one_that_was_ready_keeps_its_queue),
        cmocka_unit_test(a_rollout),
        cmocka_unit_test(same_version_and_hardware),
        cmocka_unit_test(a_lower_maximum),
        cmocka_unit_test(no_room_for_a_surge),
        cmocka_unit_test(a_new_release_that_fails_without_room),
        cmocka_unit_test(no_room_that_the_old_one_could_make),
        cmocka_unit_test(an_older_release_takes_back_the_queue),
        cmocka_unit_test(a_replaced_release_that_fails),
        cmocka_unit_test(to_and_fro),
        cmocka_unit_test(a_model_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
