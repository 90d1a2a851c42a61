/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/scale/learn.h"

#include <stdlib.h>
#include <string.h>

enum { T = 50000000 };

static void buckets(void **state)
{
    (void)state;
    for (int i = 0; i < SCALE_HIST_BUCKETS - 1; i++)
        assert_true(scale_hist_edge(i) <= scale_hist_edge(i + 1));
    for (int64_t ms = 4; ms < 200000000; ms += ms / 7 + 1) {
        int b = scale_hist_bucket(ms);

        assert_true(scale_hist_edge(b) <= ms && ms < scale_hist_edge(b + 1));
    }
    assert_int_equal(scale_hist_bucket(0), 0);
    assert_int_equal(scale_hist_bucket(INT64_MAX / 8), SCALE_HIST_BUCKETS - 1);
}

static void quantiles_forget(void **state)
{
    struct scale_hist h = { 0 };

    (void)state;
    assert_int_equal(scale_hist_quantile(&h, 0.5), -1);
    for (int i = 0; i < 100; i++)
        scale_hist_add(&h, 1000);
    assert_in_range(scale_hist_quantile(&h, 0.5), 900, 1100);
    for (int i = 0; i < 1000; i++)
        scale_hist_add(&h, 5000);
    assert_in_range(scale_hist_quantile(&h, 0.02), 4000, 6000);
    assert_in_range((int64_t)h.mean_ms, 4900, 5001);
    assert_true(h.total <= (SCALE_HIST_MOST + 1) * SCALE_HIST_WEIGHT);
}

static void gaps_of_each_level(void **state)
{
    struct scale_learned l = { 0 };

    (void)state;
    scale_learned_init(&l, T);
    scale_learn_need(&l, T, 0);
    scale_learn_need(&l, T + 1000, 1); /* since when it was not needed is not known */
    assert_int_equal(l.gaps[0].n, 0);
    scale_learn_need(&l, T + 2000, 3);
    scale_learn_need(&l, T + 3000, 1);
    scale_learn_need(&l, T + 13000, 2);
    assert_int_equal(l.gaps[0].n, 0);
    assert_int_equal(l.gaps[1].n, 1);
    assert_int_equal((int)l.gaps[1].mean_ms, 10000);
    assert_int_equal(l.gaps[2].n, 0);
    scale_learn_need(&l, T + 20000, 100);
    assert_int_equal(l.gaps[SCALE_LEVELS - 1].n, 0);
    scale_learn_need(&l, T + 21000, 0);
    scale_learn_need(&l, T + 24000, 100);
    assert_int_equal((int)l.gaps[SCALE_LEVELS - 1].mean_ms, 3000);
}

static void rates_follow(void **state)
{
    struct scale_learned l = { 0 };

    (void)state;
    for (int i = 0; i < 3000; i++)
        scale_learn_arrival(&l, T + i * 200);
    for (double s = 1; s < 500; s *= 3) {
        double rate = scale_rate(&l, T + 3000 * 200, s);

        assert_true(rate > 4 && rate < 6);
    }
    assert_true(scale_rate(&l, T + 3000 * 200 + 60000, 10) < 0.2);
    assert_true(scale_rate(&l, T + 3000 * 200 + 60000, 240) > 3);
}

static void lateness_is_for_each_boot(void **state)
{
    struct scale_learned l = { 0 };

    (void)state;
    for (int i = 0; i < 200; i++) {
        scale_learn_boot(&l, 1000);
        scale_learn_wait(&l, 20000, 30000);
        for (int k = 0; k < 4; k++)
            scale_learn_wait(&l, 31000, 30000);
    }
    assert_true(l.late_ms > 3500 && l.late_ms < 4500);
}

static void it_is_stored_and_read(void **state)
{
    struct scale_learned l = { 0 }, back = { 0 };
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);

    (void)state;
    scale_learned_init(&l, T);
    for (int i = 0; i < 500; i++) {
        scale_learn_arrival(&l, T + i * 500);
        scale_learn_service(&l, 200 + i);
        scale_learn_need(&l, T + i * 500, i % 5);
        scale_learn_boot(&l, 4000);
    }
    scale_learned_write(&l, &b);
    assert_true(b.n < 1000);
    assert_true(scale_learned_read(&back, buf_str(&b), T + 90000000));
    assert_memory_equal(&back.service.counts, &l.service.counts, sizeof(l.service.counts));
    assert_int_equal(back.service.total, l.service.total);
    assert_int_equal(scale_boot_ms(&back), scale_boot_ms(&l));
    assert_memory_equal(&back.gaps[2].counts, &l.gaps[2].counts, sizeof(l.gaps[2].counts));
    /* A day without a server is not a day without traffic. */
    assert_true(scale_rate(&back, T + 90000000, 60) > 1.5);
    assert_true(back.blind_until > T + 90000000);
    for (size_t n = 0; n < b.n; n++) /* whatever is cut off is noticed */
        assert_false(scale_learned_read(&back, str_make(b.p, n), T));
    for (size_t i = 0; i < b.n; i++) { /* and nothing else does harm */
        b.p[i] = (char)(b.p[i] ^ 0xff);
        (void)scale_learned_read(&back, buf_str(&b), T);
        b.p[i] = (char)(b.p[i] ^ 0xff);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets),
        cmocka_unit_test(quantiles_forget),
        cmocka_unit_test(gaps_of_each_level),
        cmocka_unit_test(rates_follow),
        cmocka_unit_test(lateness_is_for_each_boot),
        cmocka_unit_test(it_is_stored_and_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
