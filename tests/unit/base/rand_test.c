/* SPDX-License-Identifier: Apache-2.0 */
#include "base/compiler.h"
#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void a_seed_gives_one_sequence(void **state)
{
    struct rand a, b, c;
    char x[37], y[37];

    (void)state;
    rand_init_seeded(&a, 1);
    rand_init_seeded(&b, 1);
    rand_init_seeded(&c, 2);
    for (int i = 0; i < 100; i++) {
        uint64_t v = rand_u64(&a);

        assert_true(v == rand_u64(&b));
        assert_true(v != rand_u64(&c));
    }
    rand_bytes(&a, x, sizeof(x));
    rand_bytes(&b, y, sizeof(y));
    assert_memory_equal(x, y, sizeof(x));
}

static void the_system_gives_other_bytes_each_time(void **state)
{
    struct rand r;
    char x[32], y[32];

    (void)state;
    rand_init_os(&r);
    rand_bytes(&r, x, sizeof(x));
    rand_bytes(&r, y, sizeof(y));
    assert_memory_not_equal(x, y, sizeof(x));
    rand_bytes(&r, x, 0);
}

static void results_stay_in_their_range(void **state)
{
    static const uint64_t limits[] = { 1, 2, 3, 10, 62, 1000, UINT64_MAX, (uint64_t)1 << 63 };
    struct rand r;

    (void)state;
    rand_init_seeded(&r, 42);
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
        for (int n = 0; n < 1000; n++)
            assert_true(rand_below(&r, limits[i]) < limits[i]);
    for (int n = 0; n < 10000; n++) {
        double v = rand_unit(&r);

        assert_true(v >= 0 && v < 1);
    }
}

/* With one seed the counts are always the same; a biased generator would be far off. */
static void results_are_spread_evenly(void **state)
{
    struct rand r;
    int count[10] = { 0 };
    double sum = 0;

    (void)state;
    rand_init_seeded(&r, 7);
    for (int n = 0; n < 100000; n++) {
        count[rand_below(&r, 10)]++;
        sum += rand_unit(&r);
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(count[i], 9500, 10500);
    assert_true(sum > 49500 && sum < 50500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_gives_one_sequence),
        cmocka_unit_test(the_system_gives_other_bytes_each_time),
        cmocka_unit_test(results_stay_in_their_range),
        cmocka_unit_test(results_are_spread_evenly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
