/* SPDX-License-Identifier: Apache-2.0 */
/* What is erased when, and requests that are repeated. */
#include "support.h"

#include "store/collection.h"
#include "store/retention.h"

static void end(struct fixture *f, int n, int64_t at)
{
    OP(store_prediction_end, op, .id = an_id('p', n), .attempt = -1, .status = PREDICTION_SUCCEEDED,
       .output = STR("1"), .logs = STR("l"), .metrics = STR("{}"), .completed_at = at);

    assert_run(f, op, STORE_PREDICTION_END, STATUS_OK);
}

static bool is_erased(struct fixture *f, int n)
{
    OP(store_prediction_get, op, .id = an_id('p', n));

    assert_run(f, op, STORE_PREDICTION_GET, STATUS_OK);
    assert_int_equal(op.row.input.p == NULL, op.row.data_removed);
    if (op.row.data_removed) {
        assert_null(op.row.output.p);
        assert_null(op.row.logs.p);
        assert_non_null(op.row.metrics.p);
        assert_true(op.row.completed_at > 0);
    }
    return op.row.data_removed;
}

static size_t swept(struct fixture *f, int64_t before, int limit, int64_t *out_next)
{
    OP(store_sweep, op, .ended_before = before, .limit = limit);

    assert_run(f, op, STORE_SWEEP, STATUS_OK);
    *out_next = op.next_ended_at;
    return op.n;
}

static void the_oldest_go_first(void **state)
{
    struct fixture *f = *state;
    OP(store_prediction_create, web);
    int64_t next;

    seed_deployment(f);
    for (int n = 1; n <= 4; n++)
        add_prediction(f, n, 1, true, 1);
    web.in = a_prediction(5, 1, true, 1);
    web.in.source = "web";
    assert_run(f, web, STORE_PREDICTION_CREATE, STATUS_OK);
    end(f, 1, 300);
    end(f, 2, 100);
    end(f, 3, 200);
    end(f, 5, 50); /* made on the web: kept; 4 has not ended */
    assert_int_equal(swept(f, 0, 10, &next), 0);
    assert_int_equal(swept(f, 200, 1, &next), 1);
    assert_int_equal(next, 200);
    assert_true(is_erased(f, 2));
    assert_false(is_erased(f, 3));
    assert_int_equal(swept(f, 200, 10, &next), 1);
    assert_int_equal(next, 300);
    assert_true(is_erased(f, 3));
    assert_int_equal(swept(f, 999, 10, &next), 1);
    assert_int_equal(next, 0);
    assert_int_equal(swept(f, 999, 10, &next), 0);
    assert_false(is_erased(f, 4));
    assert_false(is_erased(f, 5));
}

static void trainings_and_examples_are_kept(void **state)
{
    struct fixture *f = *state;
    OP(store_example_put, example, .owner = STR("alice"), .name = STR("pub"),
       .viewer_id = an_id('a', 1), .prediction_id = an_id('p', 1));
    OP(store_prediction_create, training);
    int64_t next;

    seed_deployment(f);
    add_prediction(f, 1, 1, false, 1);
    training.in = a_prediction(2, 1, false, 1);
    training.in.destination = "alice/pub";
    training.in.destination_id = an_id('m', 1);
    assert_run(f, training, STORE_PREDICTION_CREATE, STATUS_OK);
    add_prediction(f, 3, 1, false, 1);
    for (int n = 1; n <= 3; n++)
        end(f, n, n * 10);
    assert_run(f, example, STORE_EXAMPLE_PUT, STATUS_OK);
    assert_int_equal(swept(f, 20, 10, &next), 0);
    assert_int_equal(next, 30); /* they do not stand in the way of what comes after them */
    assert_int_equal(swept(f, 99, 10, &next), 1);
    assert_false(is_erased(f, 1));
    assert_false(is_erased(f, 2));
    assert_true(is_erased(f, 3));
}

static void erase(struct fixture *f, int n, int account, enum status expected)
{
    OP(store_prediction_erase, op, .id = an_id('p', n), .account_id = an_id('a', account));

    assert_run(f, op, STORE_PREDICTION_ERASE, expected);
}

static void one_is_erased_at_once(void **state)
{
    struct fixture *f = *state;

    seed_deployment(f);
    add_prediction(f, 1, 1, true, 1);
    erase(f, 1, 1, STATUS_UNPROCESSABLE);
    end(f, 1, 10);
    erase(f, 1, 2, STATUS_NOT_FOUND);
    erase(f, 9, 1, STATUS_NOT_FOUND);
    assert_false(is_erased(f, 1));
    erase(f, 1, 1, STATUS_OK);
    assert_true(is_erased(f, 1));
    erase(f, 1, 1, STATUS_OK);
}

static void create(struct fixture *f, int n, int account, const char *key, int hash,
                   enum status expected, int existing)
{
    OP(store_prediction_create, op, .key = key, .key_after = n * 1000 - 5000);

    op.in = a_prediction(n, account, false, 1);
    memset(op.hash, hash, sizeof(op.hash));
    assert_run(f, op, STORE_PREDICTION_CREATE, expected);
    if (existing)
        assert_string_equal(op.existing, an_id('p', existing));
    else
        assert_null(op.existing);
}

static void a_key_makes_one_prediction(void **state)
{
    struct fixture *f = *state;
    OP(store_prediction_get, none, .id = an_id('p', 2));
    OP(store_sweep, purge, .keys_before = 8500, .limit = 10);

    seed_deployment(f);
    create(f, 1, 1, "k", 1, STATUS_OK, 0);
    create(f, 2, 1, "k", 1, STATUS_CONFLICT, 1);
    assert_run(f, none, STORE_PREDICTION_GET, STATUS_NOT_FOUND);
    create(f, 2, 1, "k", 2, STATUS_UNPROCESSABLE, 0);
    create(f, 2, 2, "k", 1, STATUS_OK, 0); /* another account's */
    create(f, 3, 1, "other", 1, STATUS_OK, 0);
    create(f, 8, 1, "k", 2, STATUS_OK, 0); /* too old to count */
    create(f, 9, 1, "k", 2, STATUS_CONFLICT, 8);
    assert_run(f, purge, STORE_SWEEP, STATUS_OK);
    assert_int_equal(purge.n_keys, 3);
    assert_int_equal(purge.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_oldest_go_first, memory_setup, store_teardown),
        cmocka_unit_test_setup_teardown(trainings_and_examples_are_kept, memory_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(one_is_erased_at_once, memory_setup, store_teardown),
        cmocka_unit_test_setup_teardown(a_key_makes_one_prediction, memory_setup, store_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
