/* SPDX-License-Identifier: Apache-2.0 */
/* A deployment's scaling in a whole server: what it decides is stored with its reason, what it has
 * learned outlives the server, and the simulator decides the same. */
#include "place.h"

#include "base/mem.h"
#include "core/scale/simulate.h"
#include "run/scaling.h"
#include "store/scaling.h"

#include <stdlib.h>

enum { JOBS = 150, MOST = 400 };

struct decided {
    int64_t at;
    int from, to;
    char sentence[400];
};

struct decisions {
    struct decided rows[MOST];
    size_t n;
};

static struct store_decision_list read_decisions(struct place *p, struct pool *pool)
{
    struct store_decision_list op = { .deployment_id = pool->id, .page = { .limit = MOST } };

    assert_int_equal(store_run(p->store, &op.op, &STORE_DECISION_LIST), STATUS_OK);
    return op;
}

/* The stored ones, oldest first. */
static void take_decisions(struct place *p, struct pool *pool, struct decisions *out)
{
    struct store_decision_list op = read_decisions(p, pool);

    assert_true(op.n <= MOST && !op.info.has_next);
    out->n = op.n;
    for (size_t i = 0; i < op.n; i++) {
        const struct decision_row *d = &op.rows[op.n - 1 - i];

        out->rows[i] = (struct decided){ .at = d->at, .from = (int)d->before, .to = (int)d->after };
        (void)snprintf(out->rows[i].sentence, sizeof(out->rows[i].sentence), "%s", d->sentence);
    }
    store_op_deinit(&op.op);
}

static struct str read_traffic(struct place *p, struct pool *pool, struct store_traffic_read *op)
{
    *op = (struct store_traffic_read){ .deployment_id = pool->id, .max_bytes = 1 << 20 };
    assert_int_equal(store_run(p->store, &op->op, &STORE_TRAFFIC_READ), STATUS_OK);
    return op->data;
}

static void told(void *arg, const struct scale_view *v, const struct scale_plan *plan)
{
    struct decisions *d = arg;
    struct decided *row = &d->rows[d->n++];
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(1000);

    assert_true(d->n <= MOST);
    *row = (struct decided){ .at = v->now, .from = plan->from, .to = plan->to };
    scale_explain(v, plan, &text);
    (void)snprintf(row->sentence, sizeof(row->sentence), "%s", text.p);
}

static void a_recorded_run_is_replayed(void **state)
{
    static struct decisions live, again;
    static struct scale_simulated own;
    struct place *p = place_new(NULL);
    struct pool *pool;
    struct simulation_policy policy = SCALE_SIMULATED;
    struct simulation_result r;
    struct simulation_spec spec = { .boot_ms = 150, .slots = 1 };
    struct store_traffic_read stored;
    struct scale_arrival *rows;
    int64_t born;
    char input[32];
    unsigned seed = 11;

    (void)state;
    place_run(p, 1000);
    born = loop_wall_ms(p->loop);
    pool = place_deploy(p, "d", 1, "cpu", 0, 6);
    pool->scaling->settings.target_wait_ms = spec.target_ms = 3000;
    for (int i = 0; i < JOBS; i++) { /* bursts, and silence between them */
        seed = seed * 1103515245u + 12345u;
        place_run(p, i % 30 == 29 ? 40000 + seed % 1000 : 20 + seed % 211);
        (void)snprintf(input, sizeof(input), "{\"ms\":%u}", 300 + seed % 977);
        place_ask(p, "d", input);
    }
    place_run(p, 200000);
    take_decisions(p, pool, &live);
    assert_true(live.n > 10);
    rows = scale_traffic(read_traffic(p, pool, &stored), 0, &spec.n);
    assert_int_equal(spec.n, JOBS);
    spec.arrivals = rows;
    spec.from = born;
    spec.until = loop_wall_ms(p->loop);
    own = (struct scale_simulated){
        .view = { .max = 6, .target_wait_ms = 3000, .keep_alive_ms = SCALE_KEEP_AUTO },
        .told = told,
        .told_arg = &again
    };
    scale_learned_init(&own.learned, born);
    own.learned.blind_until = 0;
    policy.arg = &own;
    simulate(&spec, &policy, &r);
    for (size_t i = 0; i < MIN(live.n, again.n); i++)
        if (live.rows[i].at != again.rows[i].at ||
            strcmp(live.rows[i].sentence, again.rows[i].sentence) != 0)
            fail_msg("decision %zu: at %lld \"%s\", not at %lld \"%s\"", i,
                     (long long)(live.rows[i].at - born), live.rows[i].sentence,
                     (long long)(again.rows[i].at - born), again.rows[i].sentence);
    assert_int_equal(live.n, again.n);
    free(rows);
    store_op_deinit(&stored.op);
    place_free(p);
}

static void it_remembers(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 0, 2);
    struct store_traffic_read stored;

    (void)state;
    for (int i = 0; i < 10; i++) {
        place_ask(p, "d", "{\"ms\":700}");
        place_run(p, 2000);
    }
    place_run(p, 70000); /* what is learned is stored within a minute */
    place_restart(p);
    pool = place_pool(p, "d");
    assert_int_equal(pool->scaling->learned.service.n, 10);
    assert_in_range(pool->scaling->learned.service.mean_ms, 700, 710);
    assert_true(pool->scaling->learned.boot.n > 0);
    assert_true(pool->scaling->learned.blind_until > loop_wall_ms(p->loop));
    assert_int_equal(read_traffic(p, pool, &stored).n, 10 * SCALE_RECORD_SIZE);
    store_op_deinit(&stored.op);
    place_ask(p, "d", "{\"ms\":700}");
    place_run(p, 2000);
    place_stop(p, false); /* an orderly end leaves nothing behind */
    place_start(p);
    pool = place_pool(p, "d");
    assert_int_equal(pool->scaling->learned.service.n, 11);
    place_free(p);
}

static void settings_hold(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 0, 5);
    struct job *jobs[4];

    (void)state;
    pool->scaling->settings.max_queue = 3;
    for (int i = 0; i < 4; i++) {
        jobs[i] = place_ask(p, "d", "{\"ms\":100}");
        place_run(p, 1);
    }
    assert_int_equal(jobs[3]->refused, STATUS_BUSY);
    assert_non_null(strstr(jobs[3]->why, "full (3 waiting)"));
    place_run(p, 3000);
    assert_job(jobs[2], PREDICTION_SUCCEEDED);
    pool->scaling->settings.keep_alive_ms = 600000;
    place_run(p, 599000 - 3000);
    assert_int_equal(pool_all_instances(pool), 1);
    place_run(p, 10000);
    assert_int_equal(pool_all_instances(pool), 0);
    place_patch(p, "d", 0, NULL, 5, 5);
    pool->scaling->settings.max_cost_nano =
        2 * 3600 * hardware_find(&p->hardware, STR("cpu"))->price_nano;
    place_run(p, 3000);
    assert_int_equal(pool_all_instances(pool), 2);
    place_free(p);
}

static void hours_of_the_week(void **state)
{
    struct place *p = place_new(NULL); /* it begins on Tuesday, 14 November 2023, at 22:13:20 */
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 0, 5);

    (void)state;
    pool->scaling->settings.schedule = (struct scale_schedule){
        .n = 1,
        .rows = { { .days = 1u << 1, .from = 22 * 60 + 15, .until = 22 * 60 + 20, .min = 3 } },
    };
    pool_wake(pool);
    place_run(p, 95000);
    assert_int_equal(pool_all_instances(pool), 0);
    place_run(p, 10000);
    assert_int_equal(pool_all_instances(pool), 3);
    place_run(p, 290000);
    assert_int_equal(pool_all_instances(pool), 3);
    place_run(p, 60000);
    assert_int_equal(pool_all_instances(pool), 0);
    place_free(p);
}

static void only_so_many_are_kept(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 0, 1);
    struct store_decision_list op;

    (void)state;
    p->options.max_decisions = 5;
    for (int i = 0; i < 6; i++) {
        place_ask(p, "d", "{\"ms\":10}");
        place_run(p, 120000);
    }
    op = read_decisions(p, pool);
    assert_int_equal(op.n, 5);
    assert_int_equal(op.rows[0].before, 1);
    assert_int_equal(op.rows[0].after, 0);
    assert_non_null(strstr(op.rows[1].sentence, "1 waiting"));
    store_op_deinit(&op.op);
    place_free(p);
}

/* Who waits for what nobody pays for is told so, and the decisions say it once. */
static void a_cost_that_pays_for_nothing(void **state)
{
    struct place *p = place_new(NULL);
    struct pool *pool = place_deploy(p, "d", 1, "cpu", 0, 2);
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct decisions d;
    struct prediction_row row;
    struct job *j;

    (void)state;
    place_settings(p, "d", "{\"max_cost_per_hour\":0.35}", NULL);
    j = place_ask(p, "d", "{\"ms\":1000}");
    place_run(p, 60000);
    assert_int_equal(pool_all_instances(pool), 0);
    prediction_view(job_live(j), &a, &row);
    assert_string_equal(row.queue_reason,
                        "max_cost_per_hour 0.35 pays for no instance: one of cpu costs 0.36 for an "
                        "hour. Raise it to go on.");
    (void)place_ask(p, "d", "{\"ms\":1000}");
    place_run(p, 60000);
    take_decisions(p, pool, &d);
    assert_int_equal(d.n, 1);
    assert_string_equal(d.rows[0].sentence, "0 \xe2\x86\x92 0: 1 waiting, and "
                                            "max_cost_per_hour pays for no instance");
    place_settings(p, "d", "{\"max_cost_per_hour\":0.36}", NULL);
    place_run(p, 10000);
    assert_job(j, PREDICTION_SUCCEEDED);
    assert_string_equal(pool->held, "");
    place_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cost_that_pays_for_nothing),
        cmocka_unit_test(a_recorded_run_is_replayed),
        cmocka_unit_test(it_remembers),
        cmocka_unit_test(settings_hold),
        cmocka_unit_test(hours_of_the_week),
        cmocka_unit_test(only_so_many_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
