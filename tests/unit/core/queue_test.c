/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/rand.h"
#include "core/queue.h"

#include <string.h>

static void numbers_rise_along_the_line(void **state)
{
    struct queue_line q = { 0 };
    int64_t a = queue_join(&q, false), b = queue_join(&q, false), c = queue_join(&q, true);

    (void)state;
    assert_int_equal(q.n, 3);
    assert_true(c < a && a < b);
    assert_int_equal(queue_position(&q, c), 1);
    assert_int_equal(queue_position(&q, a), 2);
    assert_int_equal(queue_position(&q, b), 3);
    queue_leave(&q, c);
    assert_int_equal(queue_position(&q, a), 1);
    queue_leave(&q, b);
    assert_int_equal(queue_position(&q, a), 1);
    assert_int_equal(queue_position(&q, queue_join(&q, false)), 2);
}

static void a_gap_hides_positions_until_nobody_waits(void **state)
{
    struct queue_line q = { 0 };
    int64_t at[4];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(at); i++)
        at[i] = queue_join(&q, false);
    queue_leave(&q, at[1]);
    assert_int_equal(queue_position(&q, at[0]), 0);
    assert_int_equal(queue_position(&q, at[3]), 0);
    queue_leave(&q, at[0]);
    assert_int_equal(queue_position(&q, at[2]), 0);
    queue_leave(&q, at[3]);
    assert_int_equal(queue_position(&q, at[2]), 0);
    queue_leave(&q, at[2]);
    assert_int_equal(q.n, 0);
    at[0] = queue_join(&q, true);
    assert_int_equal(queue_position(&q, at[0]), 1);
    assert_int_equal(queue_position(&q, queue_join(&q, true)), 1);
    assert_int_equal(queue_position(&q, at[0]), 2);
}

/* Beside a list that is counted. */
static void positions_are_right_or_not_known(void **state)
{
    enum { MOST = 20 };
    struct queue_line q = { 0 };
    struct rand r;
    int64_t line[MOST + 1];
    int n = 0, known = 0;

    (void)state;
    rand_init_seeded(&r, 6);
    for (int step = 0; step < 5000; step++) {
        bool at_head = rand_below(&r, 8) == 0;
        int from = at_head ? 0 : n, left;

        if (n < MOST && rand_below(&r, 2) == 0) {
            memmove(&line[from + 1], &line[from], (size_t)(n++ - from) * sizeof(*line));
            line[from] = queue_join(&q, at_head);
        } else if (n > 0) {
            left = rand_below(&r, 40) == 0 ? (int)rand_below(&r, (uint64_t)n) : 0;
            queue_leave(&q, line[left]);
            memmove(&line[left], &line[left + 1], (size_t)(--n - left) * sizeof(*line));
        }
        assert_int_equal(q.n, n);
        for (int i = 0; i < n; i++) {
            int position = queue_position(&q, line[i]);

            assert_true(position == i + 1 || position == 0);
            assert_true(i == 0 || line[i] > line[i - 1]);
            known += position > 0;
        }
    }
    assert_true(known > 1000);
}

static void no_more_than_the_maximum_wait(void **state)
{
    (void)state;
    assert_false(queue_is_full(0, 1));
    assert_true(queue_is_full(1, 1));
    assert_false(queue_is_full(99999, 100000));
    assert_true(queue_is_full(100001, 100000));
}

static void the_emptiest_instance_is_best(void **state)
{
    static const struct {
        int taken, slots, best;
        bool expected;
    } rows[] = {
        { 0, 1, -1, true },  /* the first with a free place */
        { 1, 1, -1, false }, /* it has none */
        { 2, 1, -1, false }, /* and copies run beside what it may take */
        { 1, 4, 2, true },   { 2, 4, 1, false }, { 1, 4, 1, false }, /* the one before it */
        { 0, 4, 0, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (queue_prefers(rows[i].taken, rows[i].slots, rows[i].best) != rows[i].expected)
            fail_msg("%d of %d taken, best %d", rows[i].taken, rows[i].slots, rows[i].best);
}

static void who_is_not_prepared_is_passed_over(void **state)
{
    int waiting = 0;

    (void)state;
    assert_int_equal(queue_turn(false, true, &waiting), QUEUE_WAITS);
    assert_int_equal(queue_turn(true, true, &waiting), QUEUE_RUNS);
    assert_int_equal(waiting, 1);
    assert_int_equal(queue_turn(true, false, &waiting), QUEUE_WAITS);
    for (int i = 3; i < QUEUE_LOOK_AHEAD; i++)
        assert_int_equal(queue_turn(i % 2, false, &waiting), QUEUE_WAITS);
    assert_int_equal(queue_turn(true, false, &waiting), QUEUE_ENOUGH);
}

static void a_start_is_estimated(void **state)
{
    static const int32_t took[] = { 1000, 2000, 4500 };
    static const struct {
        int position;
        int64_t slots, free, pace, expected;
    } rows[] = {
        { 0, 2, 2, 100, 0 },    { 1, 0, 0, 100, 0 },    { 1, 2, 2, -1, 0 },
        { 2, 2, 2, 100, 1000 }, { 3, 2, 2, 100, 1100 }, { 4, 2, 2, 100, 1100 },
        { 5, 2, 2, 100, 1200 }, { 1, 3, 0, 100, 1100 }, { 7, 3, 0, 0, 1000 },
    };

    (void)state;
    assert_int_equal(queue_pace(took, 3), 2500);
    assert_int_equal(queue_pace(took, 1), 1000);
    assert_int_equal(queue_pace(NULL, 0), -1);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(
            queue_start(rows[i].position, rows[i].slots, rows[i].free, rows[i].pace, 1000),
            rows[i].expected);
}

static void a_deadline_passes(void **state)
{
    (void)state;
    assert_int_equal(queue_time_left(1500, 1000), 500);
    assert_int_equal(queue_time_left(1000, 1500), 0);
    assert_int_equal(queue_expires_as(PREDICTION_STARTING, false), PREDICTION_ABORTED);
    assert_int_equal(queue_expires_as(PREDICTION_STARTING, true), PREDICTION_CANCELED);
    assert_int_equal(queue_expires_as(PREDICTION_PROCESSING, true), PREDICTION_CANCELED);
    /* It goes back to its queue: its instance was lost. */
    assert_int_equal(queue_expires_as(PREDICTION_PROCESSING, false), PREDICTION_CANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_rise_along_the_line),
        cmocka_unit_test(a_gap_hides_positions_until_nobody_waits),
        cmocka_unit_test(positions_are_right_or_not_known),
        cmocka_unit_test(no_more_than_the_maximum_wait),
        cmocka_unit_test(the_emptiest_instance_is_best),
        cmocka_unit_test(who_is_not_prepared_is_passed_over),
        cmocka_unit_test(a_start_is_estimated),
        cmocka_unit_test(a_deadline_passes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
