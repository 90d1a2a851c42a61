/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rand.h"
#include "core/ledger.h"

#include <string.h>

enum { HOUR = LEDGER_HOUR_MS };

static void amounts_are_written_exactly(void **state UNUSED)
{
    static const struct {
        int64_t ms, price;
        const char *text;
    } cases[] = {
        { 0, 5, "0" },
        { 1, 1, "0.000000000001" },
        { 1000, 25000, "0.000025" },
        { 1500, 1000000000, "1.5" },
        { 3600000, 100000, "0.36" },
        { -1500, 1000000000, "-1.5" },
        { 10000, 1000000000, "10" },
        { INT64_MAX, INT64_MAX, "85070591730234615847396907.784232501249" },
    };
    char text[LEDGER_TEXT];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ledger_format((__int128)cases[i].ms * cases[i].price, text);
        assert_string_equal(text, cases[i].text);
    }
    ledger_format(ledger_price_of(225000, 20, HOUR), text);
    assert_string_equal(text, "16.2");
}

static void time_is_cut_where_hours_end(void **state UNUSED)
{
    struct ledger_tally t = { 0 };

    ledger_tally_span(&t, 10 * HOUR + 1000, 12 * HOUR + 5, LEDGER_IDLE, 7);
    ledger_tally_span(&t, 12 * HOUR + 5, 12 * HOUR + 6, LEDGER_IDLE, 7);
    assert_int_equal(t.n, 3);
    assert_int_equal(t.pieces[0].hour, 10 * HOUR);
    assert_int_equal(t.pieces[0].ms, HOUR - 1000);
    assert_int_equal(t.pieces[1].ms, HOUR);
    assert_int_equal(t.pieces[2].hour, 12 * HOUR);
    assert_int_equal(t.pieces[2].ms, 6);
    ledger_tally_span(&t, 12 * HOUR, 12 * HOUR + 1, LEDGER_IDLE, 8);
    ledger_tally_span(&t, 12 * HOUR, 12 * HOUR + 1, LEDGER_DRAIN, 7);
    assert_int_equal(t.n, 5);
    assert_true(ledger_tally_amount(&t) == (__int128)7 * (2 * HOUR - 1000 + 6 + 1) + 8);
    assert_int_equal(ledger_floor(-1, HOUR), -HOUR);
    assert_int_equal(ledger_floor(25 * HOUR, LEDGER_DAY_MS), LEDGER_DAY_MS);
    ledger_tally_deinit(&t);
}

/* Odd milliseconds go round, so that nobody has more than one over the others. */
static void active_time_is_divided_to_the_millisecond(void **state UNUSED)
{
    struct ledger_meter m = { .price_nano = 3 };
    struct ledger_tally own = { 0 }, a[3] = { { 0 }, { 0 }, { 0 } };
    struct ledger_tally *shares[] = { &a[0], &a[1], &a[2] };

    for (int i = 1; i <= 100; i++)
        ledger_meter_count(&m, i * 10, 5 * HOUR + i * 10, LEDGER_IDLE, &own, shares, 3);
    assert_int_equal(ledger_tally_ms(&a[0]) + ledger_tally_ms(&a[1]) + ledger_tally_ms(&a[2]),
                     1000);
    for (int i = 0; i < 3; i++) {
        assert_in_range(ledger_tally_ms(&a[i]), 333, 334);
        assert_int_equal(a[i].pieces[0].kind, LEDGER_ACTIVE);
        ledger_tally_deinit(&a[i]);
    }
    assert_int_equal(own.n, 0);
    assert_int_equal(m.counted_ms, 1000);
    ledger_meter_count(&m, 900, 5 * HOUR, LEDGER_IDLE, &own, NULL, 0); /* the clock went back */
    assert_int_equal(m.counted_ms, 1000);
    assert_int_equal(own.n, 0);
}

enum { MOST = 5 };

/* A life: runs come and go, states change, hours and days end. Everything adds up. */
static void check_history(uint64_t seed)
{
    static const enum ledger_kind kinds[] = { LEDGER_SETUP, LEDGER_IDLE, LEDGER_DRAIN,
                                              LEDGER_FAILED };
    struct rand r;
    struct ledger_meter m = { .price_nano = 1 };
    struct ledger_tally own = { 0 }, ended = { 0 }, runs[MOST] = { { 0 } }, all = { 0 };
    struct ledger_tally *shares[MOST];
    struct ledger_sum by_kind = { 0 };
    __int128 paid = 0, expected = 0, by_hour = 0;
    int64_t now = 0;
    size_t n = 0;

    rand_init_seeded(&r, seed);
    for (int i = 0; i < MOST; i++)
        shares[i] = &runs[i];
    for (int step = 0; step < 400; step++) {
        int64_t ms = (int64_t)rand_below(&r, rand_below(&r, 20) ? 5000 : 40 * HOUR);

        now += ms;
        expected += (__int128)ms * m.price_nano;
        ledger_meter_count(&m, now, (int64_t)1000 * HOUR + now, kinds[rand_below(&r, 4)], &own,
                           shares, n);
        if (rand_below(&r, 2) && n < MOST) {
            n++;
        } else if (n > 0) { /* the last one ends, and pays */
            n--;
            paid += ledger_tally_amount(&runs[n]);
            ledger_tally_move(&ended, &runs[n]);
        }
        if (rand_below(&r, 30) == 0)
            m.price_nano = (int64_t)rand_below(&r, 1000000000000);
    }
    for (size_t i = 0; i < MOST; i++) {
        paid += ledger_tally_amount(&runs[i]);
        ledger_tally_move(&ended, &runs[i]);
    }
    assert_true(paid == ledger_tally_amount(&ended));
    assert_true(paid + ledger_tally_amount(&own) == expected);
    ledger_tally_move(&all, &ended);
    ledger_tally_move(&all, &own);
    assert_int_equal(ledger_tally_ms(&all), now);
    assert_int_equal(m.counted_ms, now);
    for (size_t i = 0; i < all.n; i++) {
        const struct ledger_piece *p = &all.pieces[i];

        assert_int_equal(p->hour % HOUR, 0);
        assert_in_range(p->ms, 1, HOUR);
        ledger_sum_add(&by_kind, p->kind, p->price_nano, p->ms);
        by_hour += (__int128)p->ms * p->price_nano;
    }
    assert_true(by_hour == expected);
    assert_true(ledger_sum_amount(&by_kind) == expected);
    assert_int_equal(ledger_sum_ms(&by_kind), now);
    assert_true(by_kind.amount[LEDGER_ACTIVE] == paid);
    ledger_tally_deinit(&own);
    ledger_tally_deinit(&ended);
    ledger_tally_deinit(&all);
    for (int i = 0; i < MOST; i++)
        ledger_tally_deinit(&runs[i]);
}

static void whatever_happens_it_adds_up(void **state UNUSED)
{
    for (uint64_t seed = 1; seed <= 200; seed++)
        check_history(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amounts_are_written_exactly),
        cmocka_unit_test(time_is_cut_where_hours_end),
        cmocka_unit_test(active_time_is_divided_to_the_millisecond),
        cmocka_unit_test(whatever_happens_it_adds_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
