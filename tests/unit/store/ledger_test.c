/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ledger.h"

#include "support.h"

enum { HOUR = LEDGER_HOUR_MS };

static void add(struct fixture *f, const char *pool, int hour, enum ledger_kind kind, int64_t ms)
{
    struct ledger_row row = {
        .pool_id = pool,
        .release = 1,
        .hardware = "cpu",
        .piece = { .hour = (int64_t)hour * HOUR, .price_nano = 7, .kind = kind, .ms = ms },
    };
    struct ledger_counted counted = { .instance_id = an_id('x', 1), .ms = ms, .price_nano = 8 };
    struct ledger_charge charge = { .prediction_id = an_id('p', 1),
                                    .ms = ms,
                                    .cost = (int64_t)7 * ms };
    OP(store_ledger_add, op,
       .batch = { .rows = &row,
                  .n = 1,
                  .counted = &counted,
                  .n_counted = 1,
                  .charges = &charge,
                  .n_charges = kind == LEDGER_ACTIVE });

    assert_run(f, op, STORE_LEDGER_ADD, STATUS_OK);
}

static void what_is_alike_is_one_row(void **state)
{
    struct fixture *f = *state;
    OP(store_ledger_read, read, .pool_id = an_id('d', 1), .to = (int64_t)100 * HOUR,
       .unit_ms = HOUR);
    OP(store_ledger_read, part, .pool_id = an_id('d', 1), .from = HOUR, .to = (int64_t)2 * HOUR,
       .unit_ms = HOUR);
    OP(store_ledger_read, days, .account_id = an_id('a', 1), .to = (int64_t)100 * HOUR,
       .unit_ms = LEDGER_DAY_MS);
    OP(store_ledger_read, other, .account_id = an_id('a', 2), .to = (int64_t)100 * HOUR,
       .unit_ms = LEDGER_DAY_MS);
    OP(store_instance_get, instance, .id = an_id('x', 1), .pool_id = an_id('d', 1));
    OP(store_prediction_get, prediction, .id = an_id('p', 1));

    seed_deployment(f);
    add_prediction(f, 1, 1, true, 1);
    add_priced_instance(f, 1, an_id('d', 1), an_id('a', 1));
    add_priced_instance(f, 2, an_id('d', 2), an_id('a', 1));
    add(f, an_id('d', 1), 1, LEDGER_IDLE, 10);
    add(f, an_id('d', 1), 1, LEDGER_IDLE, 5);
    add(f, an_id('d', 1), 1, LEDGER_ACTIVE, 100);
    add(f, an_id('d', 1), 2, LEDGER_ACTIVE, 1);
    add(f, an_id('d', 1), 25, LEDGER_SETUP, 3);
    add(f, an_id('d', 1), 25, LEDGER_SETUP, -3);
    add(f, an_id('d', 2), 1, LEDGER_IDLE, 4);
    assert_run(f, read, STORE_LEDGER_READ, STATUS_OK);
    assert_int_equal(read.n, 3);
    assert_int_equal(read.rows[0].piece.kind, LEDGER_ACTIVE);
    assert_int_equal(read.rows[0].piece.ms, 100);
    assert_int_equal(read.rows[1].piece.kind, LEDGER_IDLE);
    assert_int_equal(read.rows[1].piece.ms, 15);
    assert_int_equal(read.rows[1].piece.price_nano, 7);
    assert_int_equal(read.rows[1].release, 1);
    assert_string_equal(read.rows[1].hardware, "cpu");
    assert_string_equal(read.rows[1].pool_name, "dep");
    assert_int_equal(read.rows[2].piece.hour, 2 * HOUR);
    assert_run(f, part, STORE_LEDGER_READ, STATUS_OK);
    assert_int_equal(part.n, 2);
    assert_run(f, days, STORE_LEDGER_READ, STATUS_OK);
    assert_int_equal(days.n, 3);
    assert_int_equal(days.rows[0].piece.hour, 0);
    assert_int_equal(days.rows[0].piece.ms, 101);
    assert_int_equal(days.rows[0].release, 0);
    assert_string_equal(days.rows[2].pool_id, an_id('d', 2));
    assert_run(f, other, STORE_LEDGER_READ, STATUS_OK);
    assert_int_equal(other.n, 0);
    assert_run(f, instance, STORE_INSTANCE_GET, STATUS_OK);
    assert_int_equal(instance.row.metered_ms, 10 + 5 + 100 + 1 + 4);
    assert_int_equal(instance.row.price_nano, 8);
    assert_run(f, prediction, STORE_PREDICTION_GET, STATUS_OK);
    assert_int_equal(prediction.row.active_ms, 101);
    assert_int_equal(prediction.row.cost, 707);
}

/* An end and its charge are one: neither comes without the other, and none comes twice. */
static void an_end_is_charged_once(void **state)
{
    struct fixture *f = *state;
    struct ledger_row row = {
        .pool_id = an_id('d', 1),
        .release = 1,
        .hardware = "cpu",
        .piece = { .hour = HOUR, .price_nano = 7, .kind = LEDGER_ACTIVE, .ms = 50 },
    };
    struct ledger_counted counted = { .instance_id = an_id('x', 1), .ms = 50, .price_nano = 7 };
    OP(store_prediction_get, prediction, .id = an_id('p', 1));
    OP(store_ledger_read, read, .pool_id = an_id('d', 1), .to = (int64_t)2 * HOUR, .unit_ms = HOUR);

    seed_deployment(f);
    add_prediction(f, 1, 1, true, 1);
    add_priced_instance(f, 1, an_id('d', 1), an_id('a', 1));
    for (int i = 0; i < 2; i++) {
        OP(store_prediction_end, end, .id = an_id('p', 1), .attempt = -1,
           .status = PREDICTION_SUCCEEDED, .completed_at = 9,
           .ledger = { .rows = &row, .n = 1, .counted = &counted, .n_counted = 1 }, .active_ms = 50,
           .cost = INT64_C(9000000000000000000));

        assert_run(f, end, STORE_PREDICTION_END, i == 0 ? STATUS_OK : STATUS_CONFLICT);
    }
    assert_run(f, read, STORE_LEDGER_READ, STATUS_OK);
    assert_int_equal(read.n, 1);
    assert_int_equal(read.rows[0].piece.ms, 50);
    assert_run(f, prediction, STORE_PREDICTION_GET, STATUS_OK);
    assert_int_equal(prediction.row.active_ms, 50);
    assert_int_equal(prediction.row.cost, INT64_C(9000000000000000000));
    add(f, an_id('d', 1), 1, LEDGER_ACTIVE,
        INT32_MAX); /* the cost does not pass its largest value */
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, memory_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_alike_is_one_row),
        TEST(an_end_is_charged_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
