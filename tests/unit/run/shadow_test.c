/* SPDX-License-Identifier: Apache-2.0 */
/* A new release that answers copies, and what users notice of it: nothing. */
#include "place.h"

#include "run/canary.h"
#include "run/pool_impl.h"
#include "run/shadow.h"

static const char PLAIN[] = "{\"ms\":50,\"output\":\"a\"}";

/* Version 1 serves; version 4 (two places) or 3 (a list) comes as its shadow. */
static struct pool *begin(struct place *p, const char *rollout, int version, int min, int max)
{
    struct pool *pool = place_deploy(p, "d", 1, "cpu", min, max);

    (void)place_ask(p, "d", PLAIN);
    place_run(p, 2000);
    place_settings(p, "d", NULL, rollout);
    place_patch(p, "d", version, NULL, -1, -1);
    place_run(p, 1000);
    return pool;
}

static const struct canary *canary(struct place *p)
{
    return &place_pool(p, "d")->canary->is;
}

static const struct shadow_report *report(struct place *p)
{
    return &place_pool(p, "d")->shadow->report;
}

static struct job *ask(struct place *p, const char *input, int64_t ms)
{
    struct job *j = place_ask(p, "d", input);

    place_run(p, ms);
    return j;
}

static struct lane *shadow_lane(struct place *p)
{
    return pool_current(place_pool(p, "d"))->lane;
}

static struct instance *shadow_instance(struct place *p)
{
    struct lane *l = shadow_lane(p);

    assert_false(list_empty(&l->instances));
    return container_of(list_first(&l->instances), struct instance, node);
}

/* Copies run beside what was asked, and only the one that was asked answers. */
static void copies_and_answers(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = begin(p, "{\"shadow\":{\"share\":0.5}}", 4, 1, 2);
    struct job *jobs[10];

    (void)state;
    assert_int_equal(canary(p)->state, CANARY_ON);
    assert_int_equal(pool_serving(pool)->number, 1);
    for (int i = 0; i < 10; i++)
        jobs[i] = ask(p, PLAIN, 500);
    for (int i = 0; i < 10; i++) {
        assert_job(jobs[i], PREDICTION_SUCCEEDED);
        assert_int_equal(job_ran_on(jobs[i]), 1);
    }
    assert_int_equal(report(p)->copied, 5);
    assert_int_equal(report(p)->same, 5);
    assert_int_equal(canary(p)->sides[CANARY_NEW].ended, 5);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 2);
    assert_int_equal(shadow_instance(p)->n_copies, 0);
    place_run(p, 3600000); /* its time is over: its instance goes, and it has nothing to say */
    assert_int_equal(canary(p)->state, CANARY_OVER);
    assert_int_equal(pool_all_instances(pool), 1);
    assert_int_equal(job_ran_on(ask(p, PLAIN, 500)), 1);
    assert_int_equal(report(p)->copied, 5);
    place_patch(p, "d", 0, NULL, -1, 3); /* another maximum decides nothing */
    place_run(p, 2000);
    assert_int_equal(canary(p)->state, CANARY_OVER);
    assert_int_equal(job_ran_on(ask(p, PLAIN, 500)), 1);
    place_restart(p);
    place_run(p, 3000);
    assert_int_equal(canary(p)->state, CANARY_OVER);
    assert_int_equal(report(p)->same, 5);
    assert_int_equal(job_ran_on(ask(p, PLAIN, 1000)), 1);
    place_settings(p, "d", NULL, "{\"shadow\":{\"seconds\":36000}}"); /* more time */
    place_run(p, 2000);
    assert_int_equal(canary(p)->state, CANARY_ON);
    (void)ask(p, PLAIN, 500);
    (void)ask(p, PLAIN, 500);
    assert_int_equal(report(p)->same, 6);
    place_free(p);
}

/* However it does, nobody waits for it. */
static void nothing_of_it_is_felt(void **state)
{
    struct place *p = place_new(NULL);
    struct job *slow, *waits[6];

    (void)state;
    begin(p, "{\"shadow\":{\"share\":1,\"max_copies\":3}}", 4, 1, 1);
    slow = ask(p, "{\"ms\":5000,\"output\":\"a\"}", 10);
    for (int i = 0; i < 6; i++)
        waits[i] = place_ask(p, "d", PLAIN);
    place_run(p, 5600);
    assert_job(slow, PREDICTION_SUCCEEDED);
    for (int i = 0; i < 6; i++) {
        assert_job(waits[i], PREDICTION_SUCCEEDED);
        assert_int_equal(job_ran_on(waits[i]), 1);
        assert_true(waits[i]->ended_at - slow->ended_at <= 100 * (i + 1));
    }
    place_run(p, 10000);
    assert_int_equal(report(p)->copied + shadow_dropped(report(p)), 7);
    assert_int_equal(report(p)->copied, report(p)->same);
    place_free(p);
}

static const char LONG[] = "{\"ms\":4000,\"output\":\"a\"}";

/* What becomes of a copy whose instance goes: by itself, with its model, or with a server. */
static void instances_that_go(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = begin(p, "{\"shadow\":{\"share\":1}}", 2, 1, 1);
    struct job *j = ask(p, "{\"n\":1,\"ms\":4000}", 1000);

    (void)state;
    assert_int_equal(shadow_instance(p)->n_copies, 1);
    assert_true(fake_driver_crash(p->driver, shadow_instance(p)->id, 9));
    place_run(p, 6000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_int_equal(report(p)->failed, 1);
    assert_int_equal(report(p)->kinds[SHADOW_STATUS], 1);
    assert_non_null(strstr(shadow_example(report(p), 0)->first.after, "ended while it ran this"));
    place_run(p, 5000);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 2);

    j = ask(p, "{\"n\":1,\"ms\":4000}", 1500); /* the server goes, and the prediction on */
    assert_int_equal(report(p)->copied, 2);
    place_restart(p);
    place_run(p, 10000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_int_equal(report(p)->copied, 1);
    assert_int_equal(report(p)->dropped[SHADOW_DROP_LOST], 1);
    assert_int_equal(canary(p)->state, CANARY_ON);
    j = ask(p, "{\"n\":1,\"ms\":4000}", 500);
    prediction_cancel(job_live(j));
    place_run(p, 5000);
    assert_job(j, PREDICTION_CANCELED);
    assert_int_equal(report(p)->dropped[SHADOW_DROP_CANCELED], 1);
    assert_int_equal(shadow_instance(p)->n_copies, 0);
    (void)ask(p, "{\"n\":\"no\"}", 2000); /* what the new version does not take */
    assert_int_equal(report(p)->kinds[SHADOW_INPUT], 1);
    assert_string_equal(shadow_example(report(p), 0)->first.path, "input.n");
    place_free(p);
}

/* A copy that runs is in nobody's way when its release takes over, is given up or goes. */
static void ends_by_hand(void **state)
{
    static const struct {
        enum canary_state end;
        int version; /* that the next prediction runs on */
    } rows[] = { { CANARY_PROMOTED, 4 }, { CANARY_HALTED, 1 } };
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct place *p = place_new(NULL);
        struct pool *pool = begin(p, "{\"shadow\":{\"share\":1}}", 4, 1, 1);
        struct job *j = ask(p, "{\"ms\":600000,\"ignore_cancel\":true}", 1000), *next[2];

        assert_int_equal(shadow_instance(p)->n_copies, 1);
        assert_int_equal(canary_end_now(pool, rows[i].end, &err), STATUS_OK);
        assert_int_equal(report(p)->dropped[SHADOW_DROP_LOST], 1);
        next[0] = place_ask(p, "d", PLAIN);
        next[1] = place_ask(p, "d", PLAIN);
        if (rows[i].end == CANARY_HALTED)
            prediction_cancel(job_live(j));
        place_run(p, 60000);
        for (int k = 0; k < 2; k++) {
            assert_job(next[k], PREDICTION_SUCCEEDED);
            assert_int_equal(job_ran_on(next[k]), rows[i].version);
        }
        assert_int_equal(canary_end_now(pool, CANARY_PROMOTED, &err), STATUS_UNPROCESSABLE);
        assert_int_equal(pool->shadow->n_copies, 0);
        place_run(p, 700000);
        assert_int_equal(list_length(&pool->lanes), rows[i].end == CANARY_HALTED ? 2 : 1);
        place_free(p);
    }
}

/* A deployment that goes takes its shadow's copies along. */
static void a_deployment_that_goes(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = begin(p, "{\"shadow\":{\"share\":1}}", 4, 1, 1);

    (void)state;
    (void)ask(p, LONG, 1000);
    assert_int_equal(pool->shadow->n_copies, 1);
    pool_remove(&p->fleet, pool->id);
    place_run(p, 60000);
    assert_int_equal(fake_driver_running(p->driver), 0);
    place_free(p);
}

/* Without a surge it has a place only while the old release can spare one. */
static void it_gives_up_its_place(void **state)
{
    struct place *p = place_new(NULL);
    struct job *jobs[40];
    struct pool *pool;

    (void)state;
    p->options.surge = 0;
    pool = begin(p, "{\"shadow\":{\"share\":1}}", 4, 1, 2);
    place_settings(p, "d", "{\"target_wait\":1}", NULL);
    assert_int_equal(lane_count(shadow_lane(p), INSTANCE_READY), 1);
    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
        jobs[i] = place_ask(p, "d", "{\"ms\":2000}");
    place_run(p, 10000);
    assert_int_equal(lane_count(pool_serving(pool)->lane, INSTANCE_READY), 2);
    assert_int_equal(list_length(&shadow_lane(p)->instances), 0);
    place_run(p, 60000);
    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
        assert_job(jobs[i], PREDICTION_SUCCEEDED);
    assert_int_equal(p->n_over, 0);
    assert_true(report(p)->dropped[SHADOW_DROP_NOT_READY] + report(p)->dropped[SHADOW_DROP_LOST] >
                0);
    place_free(p);
}

/* One that does not boot is marked failed, as any other, and the old release serves. */
static void one_that_does_not_boot(void **state)
{
    static const struct fake_launch_script launches[] = {
        { .address_after_ms = 50 },
        { .exit_after_ms = 20, .address_after_ms = -1, .exit_code = 1 },
    };
    struct place *p =
        place_new(&(struct place_spec){ .launches = launches, .n_launches = 2, .seed = 1 });
    struct pool *pool = begin(p, "{\"shadow\":{\"share\":1}}", 4, 1, 1);

    (void)state;
    place_run(p, 60000);
    assert_int_equal(canary(p)->state, CANARY_HALTED);
    assert_release(p, pool, 2, false, true);
    assert_int_equal(job_ran_on(ask(p, PLAIN, 1000)), 1);
    assert_int_equal(report(p)->copied, 0);
    assert_int_equal(shadow_dropped(report(p)), 0);
    place_free(p);
}

/* A canary may follow, and then a shadow again. */
static void the_one_after_the_other(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = begin(p, "{\"shadow\":{\"share\":1}}", 4, 1, 2);
    struct job *j;

    (void)state;
    (void)ask(p, PLAIN, 1000);
    place_settings(p, "d", NULL, "{\"canary\":{\"share\":0.5}}");
    place_run(p, 1000);
    assert_false(canary(p)->is_shadow);
    assert_int_equal(report(p)->same, 1);
    assert_int_equal(job_ran_on(ask(p, PLAIN, 1000)), 1);
    j = ask(p, LONG, 1000); /* the canary's */
    place_settings(p, "d", NULL, "{\"shadow\":{\"share\":1}}");
    place_run(p, 30000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_int_equal(job_ran_on(j), 4);
    assert_true(canary(p)->is_shadow);
    assert_int_equal(report(p)->copied, 0);
    assert_int_equal(job_ran_on(ask(p, PLAIN, 1000)), 1);
    assert_int_equal(report(p)->same, 1);
    place_settings(p, "d", NULL, "{\"shadow\":null}");
    place_run(p, 1000);
    assert_int_equal(canary(p)->state, CANARY_PROMOTED);
    assert_int_equal(job_ran_on(ask(p, PLAIN, 1000)), 4);
    assert_release(p, pool, 2, true, false);
    place_free(p);
}

/* What is told of an answer is forgotten with the answer. */
static void values_grow_old(void **state)
{
    struct place *p = place_new(NULL);
    const struct shadow_example *e;
    int64_t retention = p->options.retention;

    (void)state;
    assert_true(retention > 0);
    begin(p, "{\"shadow\":{\"share\":1,\"seconds\":604800}}", 2, 1, 1);
    (void)ask(p, "{\"n\":\"no\"}", 1000);
    e = shadow_example(report(p), 0);
    assert_string_not_equal(e->first.after, "");
    place_run(p, retention - 2000);
    place_restart(p);
    place_run(p, 500);
    e = shadow_example(report(p), 0);
    assert_string_not_equal(e->first.after, "");
    place_run(p, 5000);
    e = shadow_example(report(p), 0);
    assert_string_equal(e->first.after, "");
    assert_true(e->is_erased);
    place_restart(p); /* in the store, too */
    place_run(p, 500);
    assert_true(shadow_example(report(p), 0)->is_erased);
    (void)ask(p, "{\"n\":\"no\",\"key\":\"hush\"}", 1000); /* with a secret in the input */
    assert_true(shadow_example(report(p), 0)->is_masked);
    assert_string_equal(shadow_example(report(p), 0)->first.after, "");
    place_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_and_answers),     cmocka_unit_test(nothing_of_it_is_felt),
        cmocka_unit_test(instances_that_go),      cmocka_unit_test(ends_by_hand),
        cmocka_unit_test(a_deployment_that_goes), cmocka_unit_test(it_gives_up_its_place),
        cmocka_unit_test(one_that_does_not_boot), cmocka_unit_test(the_one_after_the_other),
        cmocka_unit_test(values_grow_old),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
