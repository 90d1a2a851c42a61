/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets over the ends of their periods. */
#include "place.h"

#include "run/budget.h"

enum { DAY = 86400000 };

static struct place *place_with_budget(struct pool **out_pool, int64_t amount_nano)
{
    struct place *p = place_new(&(struct place_spec){ 0 });
    struct budget_row row = { .terms = { .amount_nano = amount_nano, .warn_percent = 100 } };
    struct error err;

    if (budgets_new(&p->fleet, NULL, &p->budgets, &err) != STATUS_OK)
        fail_msg("budgets_new: %s", err.text);
    *out_pool = place_deploy(p, "d", 1, "cpu", 1, 1);
    row.id = (*out_pool)->id;
    row.account_id = (*out_pool)->owner_id;
    budget_set(&p->fleet, &row, budget_mark(&p->fleet, row.id), 0);
    return p;
}

static const struct budget *seen(struct place *p, const struct pool *pool)
{
    place_run(p, 3000);
    return budget_find(&p->fleet, pool->id);
}

/* What was spent today is not forgotten because the clock was at tomorrow for a while. */
static void a_clock_that_is_set_over_midnight_and_back(void **state)
{
    struct pool *pool;
    struct place *p = place_with_budget(&pool, 2000000); /* 20 s of an instance */
    __int128 spent;

    (void)state;
    place_run(p, 60000);
    assert_int_equal(seen(p, pool)->level, BUDGET_REACHED);
    assert_int_equal(pool_all_instances(pool), 0);
    spent = seen(p, pool)->spent;
    loop_set_wall(p->loop, DAY);
    assert_true(seen(p, pool)->spent < spent);
    assert_int_equal(seen(p, pool)->level, BUDGET_OK);
    loop_set_wall(p->loop, -DAY);
    assert_int_equal(seen(p, pool)->level, BUDGET_REACHED);
    assert_true(seen(p, pool)->spent == spent);
    assert_int_equal(pool_all_instances(pool), 0);
    place_free(p);
}

static void a_new_day_begins_with_nothing(void **state)
{
    struct pool *pool;
    struct place *p = place_with_budget(&pool, 2000000);
    const struct budget *b;

    (void)state;
    place_run(p, 60000);
    b = seen(p, pool);
    assert_int_equal(b->level, BUDGET_REACHED);
    place_run(p, budget_period_end(&b->terms, b->period) - loop_wall_ms(p->loop) + 5000);
    assert_int_equal(seen(p, pool)->level, BUDGET_OK);
    assert_int_equal(pool_instances(pool, INSTANCE_READY), 1);
    place_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_that_is_set_over_midnight_and_back),
        cmocka_unit_test(a_new_day_begins_with_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
