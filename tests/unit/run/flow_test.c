/* SPDX-License-Identifier: Apache-2.0 */
/* One prediction's way, and every way it can go wrong, on the fake driver and protocol. */
#include "place.h"

#include "base/mem.h"

static void one_that_succeeds(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 3, "cpu", 0, 2);
    struct store_prediction_get stored;
    struct job *j;

    (void)state;
    place_run(p, 100);
    assert_int_equal(pool_all_instances(pool), 0);
    j = place_ask(p, "d",
                  "{\"ms\":1000,\"pieces\":[1,2],\"logs\":\"hi\\n\",\"metrics\":{\"tokens\":7}}");
    place_run(p, 140);
    assert_int_equal(pool_instances(pool, INSTANCE_BOOTING), 1);
    assert_int_equal(j->n_told, 0);
    place_run(p, 500);
    assert_int_equal(job_live(j)->row.status, PREDICTION_PROCESSING);
    assert_string_equal(j->pieces.p, "1");
    place_run(p, 1000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_string_equal(j->output.p, "[1,2]");
    assert_string_equal(j->logs.p, "hi\n");
    assert_string_equal(j->pieces.p, "12");
    assert_string_equal(j->metrics.p, "{\"tokens\":7}");
    job_stored(j, &stored);
    assert_true(str_is(stored.row.output, "[1,2]"));
    assert_true(str_is(stored.row.logs, "hi\n"));
    assert_int_equal(stored.row.attempt, 1);
    assert_true(stored.row.started_at >= stored.row.created_at + 150);
    assert_true(stored.row.completed_at == stored.row.started_at + 1000);
    store_op_deinit(&stored.op);
    assert_int_equal(fake_protocol_runs(p->protocol, j->id), 1);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 1); /* it stays a while */
    place_run(p, 61000);
    assert_int_equal(pool_all_instances(pool), 0);
    place_free(p);
}

static void one_that_the_model_fails(void **state)
{
    struct place *p = place_new(NULL);
    struct job *j, *next;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    j = place_ask(p, "d", "{\"fail\":\"no such word\",\"logs\":\"looking\\n\"}");
    next = place_ask(p, "d", "{\"output\":\"fine\"}");
    place_run(p, 1000);
    assert_job(j, PREDICTION_FAILED);
    assert_string_equal(j->error.p, "no such word");
    assert_string_equal(j->logs.p, "looking\n");
    assert_job(next, PREDICTION_SUCCEEDED);
    assert_string_equal(next->output.p, "\"fine\"");
    place_free(p);
}

/* Slots times instances run at once, in the order of the queue; then the instances go. */
static void many_at_once(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 4, "cpu", 3, 3);
    struct job *jobs[20];

    (void)state;
    for (int i = 0; i < 20; i++)
        jobs[i] = place_ask(p, "d", "{\"ms\":1000}");
    place_run(p, 600);
    assert_int_equal(pool_all_instances(pool), 3);
    for (int i = 0; i < 20; i++)
        assert_int_equal(job_live(jobs[i])->row.status,
                         i < 6 ? PREDICTION_PROCESSING : PREDICTION_STARTING);
    place_run(p, 5000);
    for (int i = 0; i < 20; i++) {
        assert_job(jobs[i], PREDICTION_SUCCEEDED);
        assert_true(i == 0 || jobs[i]->ended_at >= jobs[i - 1]->ended_at);
    }
    place_patch(p, "d", 0, NULL, 0, 3);
    place_run(p, 70000);
    assert_int_equal(pool_all_instances(pool), 0);
    place_free(p);
}

static void the_minimum_is_kept_up(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 2, 3);

    (void)state;
    place_run(p, 1000);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 2);
    place_run(p, 200000);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 2);
    assert_true(fake_driver_crash(p->driver, pool_first_instance(pool)->id, 9));
    place_run(p, 1000);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 2);
    assert_int_equal(fake_driver_launched(p->driver), 3);
    place_free(p);
}

/* An instance that is ready and dies at once, again and again, is not booted again and again. */
static void a_crash_loop_stops_spending(void **state)
{
    static const struct fake_launch_script dies[] = {
        { .address_after_ms = 10, .exit_after_ms = 200, .exit_code = 1 }
    };
    struct place *p = place_new(&(struct place_spec){ .launches = dies, .n_launches = 1 });

    (void)state;
    place_deploy(p, "d", 1, "cpu", 1, 1);
    place_run(p, 600000);
    assert_in_range(fake_driver_launched(p->driver), 10, 20);
    place_free(p);
}

static void cancels(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 0, 1);
    struct job *running = place_ask(p, "d", "{\"ms\":60000,\"logs\":\"one\\n\"}");
    struct job *queued = place_ask(p, "d", "{}"), *after = place_ask(p, "d", "{\"ms\":10}"),
               *at_once;

    (void)state;
    place_run(p, 1000);
    prediction_cancel(job_live(queued));
    place_run(p, 0);
    assert_job(queued, PREDICTION_CANCELED);
    assert_int_equal(fake_protocol_runs(p->protocol, queued->id), 0);
    prediction_cancel(job_live(running));
    prediction_cancel(job_live(running));
    place_run(p, 100);
    assert_job(running, PREDICTION_CANCELED);
    assert_string_equal(running->logs.p, "one\n");
    assert_job(after, PREDICTION_SUCCEEDED);
    assert_int_equal(fake_driver_launched(p->driver), 1);
    at_once = place_ask(p, "d", "{\"ms\":1000}");
    loop_run_until(p->loop, loop_now_ms(p->loop));
    if (job_live(at_once))
        prediction_cancel(job_live(at_once));
    place_run(p, 100);
    assert_job(at_once, PREDICTION_CANCELED);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 1);
    place_free(p);
}

/* On its way: the instance is chosen, the attempt is not yet written. */
static void cancel_at_every_moment(void **state)
{
    struct place *p = place_new(NULL);

    (void)state;
    place_deploy(p, "d", 1, "cpu", 1, 1);
    place_run(p, 1000);
    for (int turns = 0; turns < 12; turns++) {
        struct job *j = place_ask(p, "d", "{\"ms\":500}");

        for (int i = 0; i < turns; i++)
            if (p->loop) /* one turn of the loop each */
                loop_run_until(p->loop, loop_now_ms(p->loop));
        if (job_live(j))
            prediction_cancel(job_live(j));
        place_run(p, turns == 0 ? 1000 : 50);
        assert_job(j, turns == 0 ? PREDICTION_SUCCEEDED : PREDICTION_CANCELED);
    }
    place_free(p);
}

static void one_that_ignores_cancel(void **state)
{
    struct place *p = place_new(NULL);
    struct job *j, *next;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    j = place_ask(p, "d", "{\"ms\":3600000,\"ignore_cancel\":true,\"logs\":\"deaf\\n\"}");
    next = place_ask(p, "d", "{\"ms\":10}");
    place_run(p, 1000);
    prediction_cancel(job_live(j));
    place_run(p, 20000);
    assert_non_null(job_live(j));
    prediction_cancel(job_live(j)); /* asking again does not make the grace longer */
    place_run(p, 11000);
    assert_job(j, PREDICTION_CANCELED);
    assert_string_equal(j->logs.p, "deaf\n");
    assert_job(next, PREDICTION_SUCCEEDED);
    assert_int_equal(fake_driver_launched(p->driver), 2);
    place_free(p);
}

static void one_that_runs_too_long(void **state)
{
    struct place *p = place_new(NULL);
    struct job *j, *deaf;

    (void)state;
    p->options.run_timeout = 10000;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    j = place_ask(p, "d", "{\"ms\":3600000}");
    deaf = place_ask(p, "d", "{\"ms\":3600000,\"ignore_cancel\":true}");
    place_run(p, 11000);
    assert_job(j, PREDICTION_FAILED);
    assert_string_equal(j->error.p,
                        "The prediction ran longer than 10s (run_timeout) and was ended.");
    place_run(p, 45000);
    assert_job(deaf, PREDICTION_FAILED);
    assert_string_equal(deaf->error.p,
                        "The prediction ran longer than 10s (run_timeout) and was ended.");
    place_free(p);
}

static int64_t attempts(struct job *j)
{
    struct store_prediction_get stored;
    int64_t n;

    job_stored(j, &stored);
    n = stored.row.attempt;
    store_op_deinit(&stored.op);
    return n;
}

static void verdicts(void **state)
{
    struct place *p = place_new(NULL);
    struct job *refused, *lost, *always_lost, *crashed, *after;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    refused = place_ask(p, "d", "{\"verdict\":\"never_ran\",\"times\":5}");
    place_run(p, 2000);
    assert_job(refused, PREDICTION_SUCCEEDED);
    assert_int_equal(attempts(refused), 1); /* the refusals do not count */

    lost = place_ask(p, "d", "{\"verdict\":\"lost\",\"times\":2,\"ms\":10}");
    always_lost = place_ask(p, "d", "{\"verdict\":\"lost\",\"ms\":10,\"logs\":\"here\\n\"}");
    place_run(p, 20000);
    assert_job(lost, PREDICTION_SUCCEEDED);
    assert_int_equal(attempts(lost), 3);
    assert_job(always_lost, PREDICTION_FAILED);
    assert_int_equal(fake_protocol_runs(p->protocol, always_lost->id), 3);
    assert_non_null(strstr(always_lost->error.p, "lost, 3 times"));
    assert_string_equal(always_lost->logs.p, "here\n");

    crashed = place_ask(p, "d", "{\"verdict\":\"crashed\",\"ms\":10,\"logs\":\"ouch\\n\"}");
    after = place_ask(p, "d", "{}");
    place_run(p, 10000);
    assert_job(crashed, PREDICTION_FAILED);
    assert_int_equal(fake_protocol_runs(p->protocol, crashed->id), 1);
    assert_string_equal(crashed->logs.p, "ouch\n");
    assert_job(after, PREDICTION_SUCCEEDED);
    place_free(p);
}

/* A server that takes nothing is not asked in a circle that never lets time pass. */
static void one_that_is_refused_for_ever(void **state)
{
    struct place *p = place_new(NULL);
    struct job *j;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    j = place_ask(p, "d", "{\"verdict\":\"never_ran\"}");
    place_run(p, 5000);
    assert_non_null(job_live(j));
    prediction_cancel(job_live(j));
    place_run(p, 200);
    assert_job(j, PREDICTION_CANCELED);
    place_free(p);
}

static void an_instance_that_crashes(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 3, "cpu", 0, 1);
    struct job *j = place_ask(p, "d", "{\"ms\":10000,\"pieces\":[\"a\"],\"logs\":\"said\\n\"}");
    struct job *next = place_ask(p, "d", "{\"pieces\":[]}");

    (void)state;
    place_run(p, 8000);
    assert_true(fake_driver_crash(p->driver, pool_first_instance(pool)->id, 11));
    place_run(p, 1000);
    assert_job(j, PREDICTION_FAILED);
    assert_non_null(strstr(j->error.p, "signal 11"));
    assert_string_equal(j->logs.p, "said\n");
    assert_string_equal(j->output.p, "[\"a\"]");
    assert_job(next, PREDICTION_SUCCEEDED);
    assert_int_equal(fake_protocol_runs(p->protocol, j->id), 1);
    place_free(p);
}

/* What had not reached an instance that crashed did not run there: the crash is none of its own. */
static void an_instance_that_crashes_before_it_is_asked(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 0, 1);
    struct job *j = place_ask(p, "d", "{\"unheard\":true}");

    (void)state;
    place_run(p, 8000);
    assert_non_null(job_live(j));
    assert_true(fake_driver_crash(p->driver, pool_first_instance(pool)->id, 9));
    place_run(p, 10000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_int_equal(attempts(j), 1);
    assert_int_equal(fake_protocol_runs(p->protocol, j->id), 1);
    place_free(p);
}

/* Of two that ran in it, the older one is again the first. */
static void a_drained_instance_that_crashes(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 4, "cpu", 0, 1);
    struct job *a = place_ask(p, "d", "{\"ms\":10000}"), *b = place_ask(p, "d", "{\"ms\":10000}");
    struct instance *in;

    (void)state;
    place_run(p, 1000);
    in = pool_first_instance(pool);
    instance_drain(in, "a test");
    assert_int_equal(in->state, INSTANCE_DRAINING);
    assert_true(fake_driver_crash(p->driver, in->id, 9));
    place_run(p, 1000);
    assert_job(a, PREDICTION_FAILED);
    assert_job(b, PREDICTION_FAILED);
    place_free(p);
}

static void the_order_after_a_loss(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 4, "cpu", 0, 1);
    struct job *a = place_ask(p, "d", "{\"ms\":1000}"), *b = place_ask(p, "d", "{\"ms\":1000}");
    struct job *c = place_ask(p, "d", "{\"ms\":1000}");
    struct lane *l;

    (void)state;
    place_run(p, 500);
    instance_kill(pool_first_instance(pool), "a test", 0);
    place_run(p, 0);
    l = container_of(list_first(&pool->lanes), struct lane, node);
    assert_int_equal(l->line.n, 3);
    assert_ptr_equal(list_first(&l->queue), &job_live(a)->node);
    assert_ptr_equal(job_live(a)->node.next, &job_live(b)->node);
    assert_ptr_equal(job_live(b)->node.next, &job_live(c)->node);
    place_run(p, 5000);
    assert_job(a, PREDICTION_SUCCEEDED);
    assert_job(b, PREDICTION_SUCCEEDED);
    assert_job(c, PREDICTION_SUCCEEDED);
    assert_int_equal(attempts(a), 1); /* the instance was ended for no fault of theirs */
    assert_int_equal(fake_protocol_runs(p->protocol, a->id), 2);
    place_free(p);
}

static void a_sick_instance(void **state)
{
    struct place *p = place_new(&(struct place_spec){ .protocol = { .sick_after_ms = 5000 } });
    struct job *j, *next;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    j = place_ask(p, "d", "{\"ms\":6000}");
    next = place_ask(p, "d", "{\"ms\":10}");
    place_run(p, 8000);
    assert_job(j, PREDICTION_SUCCEEDED); /* what runs may end */
    assert_job(next, PREDICTION_SUCCEEDED);
    assert_int_equal(fake_driver_launched(p->driver), 2);
    place_free(p);
}

static void disabled(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 1, 1);
    struct job *running = place_ask(p, "d", "{\"ms\":10000}"), *queued = place_ask(p, "d", "{}"),
               *late, *refused;

    (void)state;
    place_run(p, 1000);
    late = place_ask(p, "d", "{}"); /* its commit is under way */
    place_patch(p, "d", 0, NULL, 0, 0);
    place_run(p, 6000);
    assert_job(running, PREDICTION_CANCELED);
    assert_job(queued, PREDICTION_CANCELED);
    assert_job(late, PREDICTION_CANCELED);
    assert_int_equal(pool_all_instances(pool), 0);
    refused = place_ask(p, "d", "{}");
    assert_int_equal(refused->refused, STATUS_UNPROCESSABLE);
    assert_non_null(strstr(refused->why, "disabled"));
    place_patch(p, "d", 0, NULL, 0, 1);
    late = place_ask(p, "d", "{}");
    place_run(p, 1000);
    assert_job(late, PREDICTION_SUCCEEDED);
    place_free(p);
}

static void removed(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 1, 1);
    struct job *j;
    char id[ID_SIZE];

    (void)state;
    place_run(p, 1000);
    j = place_ask(p, "d", "{\"ms\":1000}");
    place_run(p, 100);
    memcpy(id, pool->id, sizeof(id));
    pool_remove(&p->fleet, id);
    assert_null(place_pool(p, "d"));
    place_run(p, 10000);
    assert_job(j, PREDICTION_CANCELED);
    assert_null(map_get(&p->fleet.pools, str_of(id)));
    assert_int_equal(fake_driver_running(p->driver), 0);
    place_free(p);
}

static void a_full_queue(void **state)
{
    struct place *p = place_new(NULL);
    struct job *last = NULL;

    (void)state;
    p->options.max_queue = 3;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    for (int i = 0; i < 4; i++) {
        last = place_ask(p, "d", "{}");
        place_run(p, 0);
    }
    assert_int_equal(last->refused, STATUS_BUSY);
    place_run(p, 1000);
    place_free(p);
}

static void deadlines(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 0, 1);
    struct job *running = place_ask(p, "d", "{\"ms\":60000}"), *queued = place_ask(p, "d", "{}");

    (void)state;
    place_run(p, 0);
    job_live(running)->row.deadline = job_live(queued)->row.deadline = 1;
    timer_start(&job_live(running)->deadline, 5000);
    timer_start(&job_live(queued)->deadline, 4000);
    place_run(p, 4500);
    assert_job(queued, PREDICTION_ABORTED);
    assert_int_equal(job_live(running)->row.status, PREDICTION_PROCESSING);
    place_run(p, 1000);
    assert_job(running, PREDICTION_CANCELED);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 1);
    place_free(p);
}

/* Two models' versions share one place. */
static void model_pools(void **state)
{
    struct place *p = place_new(NULL);
    struct job *a[6], *b[6];

    (void)state;
    for (int i = 0; i < 6; i++) {
        a[i] = place_ask_model(p, 1, "{\"ms\":8000}");
        b[i] = place_ask_model(p, 3, "{\"ms\":8000,\"pieces\":[]}");
    }
    place_run(p, 40000);
    assert_job(a[0], PREDICTION_SUCCEEDED);
    assert_job(b[0], PREDICTION_SUCCEEDED); /* it had a turn while the other still waits */
    assert_non_null(job_live(a[5]));
    place_run(p, 120000);
    for (int i = 0; i < 6; i++) {
        assert_job(a[i], PREDICTION_SUCCEEDED);
        assert_job(b[i], PREDICTION_SUCCEEDED);
    }
    place_run(p, 70000);
    assert_int_equal(fake_driver_running(p->driver), 0);
    place_free(p);
}

static void two_fight_for_one_gpu(void **state)
{
    struct place *p = place_new(&(struct place_spec){ .gpus = 1 });
    struct pool *one = place_deploy(p, "one", 1, "gpu-t4", 0, 1),
                *two = place_deploy(p, "two", 1, "gpu-t4", 0, 1);
    struct job *a = place_ask(p, "one", "{\"ms\":5000}"), *b;
    struct lane *l = container_of(list_first(&two->lanes), struct lane, node);

    (void)state;
    place_run(p, 500);
    assert_int_equal(pool_all_instances(one), 1);
    b = place_ask(p, "two", "{\"ms\":5000}");
    place_run(p, 500);
    assert_int_equal(pool_all_instances(two), 0);
    assert_true(l->no_capacity);
    assert_non_null(strstr(l->waits_for, "GPU"));
    place_run(p, 6000);
    assert_job(a, PREDICTION_SUCCEEDED);
    assert_non_null(job_live(b));
    place_run(p, 60000); /* the first one's idle time */
    place_run(p, 6000);
    assert_job(b, PREDICTION_SUCCEEDED);
    assert_false(l->no_capacity);
    place_free(p);
}

/* The true values reach the model, not the store. */
static void secrets(void **state)
{
    struct place *p = place_new(NULL);
    struct store_prediction_get stored;
    struct job *j;

    (void)state;
    place_deploy(p, "d", 1, "cpu", 0, 1);
    j = place_ask(p, "d", "{\"key\":\"tell nobody\"}");
    place_run(p, 0);
    job_stored(j, &stored);
    assert_true(str_is(stored.row.input, "{\"key\":\"**********\"}"));
    store_op_deinit(&stored.op);
    place_run(p, 1000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_string_equal(j->output.p, "{\"key\":\"tell nobody\"}");
    place_free(p);
}

/* A watcher that removes another one while both are told. */
struct nosy {
    struct watcher watcher;
    struct nosy *other;
    int n;
};

static void on_nosy(struct watcher *w, struct prediction *p, struct str piece, struct str log_piece)
{
    struct nosy *n = container_of(w, struct nosy, watcher);

    (void)p;
    (void)piece;
    (void)log_piece;
    n->n++;
    watcher_remove(&n->other->watcher);
}

static void watchers_that_leave(void **state)
{
    struct place *p = place_new(NULL);
    struct nosy a = { .watcher = { .changed = on_nosy } }, b = a;
    struct job *j;

    (void)state;
    a.other = &b;
    b.other = &a;
    place_deploy(p, "d", 1, "cpu", 1, 1);
    place_run(p, 500);
    j = place_ask(p, "d", "{\"ms\":100}");
    place_run(p, 0);
    prediction_watch(job_live(j), &a.watcher);
    prediction_watch(job_live(j), &b.watcher);
    place_run(p, 1000);
    assert_true(a.n > 0);
    assert_int_equal(b.n, 0);
    assert_job(j, PREDICTION_SUCCEEDED);
    place_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_succeeds),
        cmocka_unit_test(one_that_the_model_fails),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(the_minimum_is_kept_up),
        cmocka_unit_test(a_crash_loop_stops_spending),
        cmocka_unit_test(cancels),
        cmocka_unit_test(cancel_at_every_moment),
        cmocka_unit_test(one_that_ignores_cancel),
        cmocka_unit_test(one_that_runs_too_long),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(one_that_is_refused_for_ever),
        cmocka_unit_test(an_instance_that_crashes),
        cmocka_unit_test(an_instance_that_crashes_before_it_is_asked),
        cmocka_unit_test(a_drained_instance_that_crashes),
        cmocka_unit_test(the_order_after_a_loss),
        cmocka_unit_test(a_sick_instance),
        cmocka_unit_test(disabled),
        cmocka_unit_test(removed),
        cmocka_unit_test(a_full_queue),
        cmocka_unit_test(deadlines),
        cmocka_unit_test(model_pools),
        cmocka_unit_test(two_fight_for_one_gpu),
        cmocka_unit_test(secrets),
        cmocka_unit_test(watchers_that_leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
