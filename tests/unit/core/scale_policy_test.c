/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a deployment's scaling, each in a situation that only it decides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/scale.h"

#include <stdio.h>
#include <string.h>

enum { NOW = 100000000, MOST = 60 };

static struct scale_learned learned;
static struct scale_instance instances[MOST];
static char names[MOST][8];
static struct scale_lane lane;
static struct scale_view view;
static struct scale_plan plan;

/* A deployment whose predictions take `service` and whose boots take `boot` ms. */
static void begin(int64_t service, int64_t boot)
{
    learned = (struct scale_learned){ 0 };
    scale_learned_init(&learned, NOW - 3600000);
    scale_learn_need(&learned, NOW - 3600000, 0);
    for (int i = 0; i < 10 && service; i++)
        scale_learn_service(&learned, service);
    for (int i = 0; i < 10 && boot; i++)
        scale_learn_boot(&learned, boot);
    lane = (struct scale_lane){ .slots = 1, .is_current = true, .instances = instances };
    view = (struct scale_view){
        .now = NOW,
        .max = 20,
        .learned = &learned,
        .target_wait_ms = 30000,
        .keep_alive_ms = SCALE_KEEP_AUTO,
        .lanes = &lane,
        .n_lanes = 1,
    };
}

static void have(int n, enum scale_state state, int in_flight, int64_t since)
{
    for (int i = 0; i < n; i++, lane.n++) {
        (void)snprintf(names[lane.n], sizeof(names[0]), "i%zu", lane.n);
        instances[lane.n] = (struct scale_instance){
            .id = names[lane.n],
            .state = state,
            .in_flight = in_flight,
            .created_at = since,
            .idle_since = since,
            .ready_since = since,
        };
    }
}

static void wait_since(int n, int64_t oldest, int64_t newest)
{
    lane.waiting = n;
    lane.oldest_waiting = oldest;
    lane.newest_waiting = newest;
}

static void come(double each_s, int n)
{
    for (int i = n; i > 0; i--)
        scale_learn_arrival(&learned, NOW - (int64_t)(i * each_s * 1000));
}

static int decide(void)
{
    scale_decide(&view, &plan);
    return plan.to - plan.from;
}

static void expect_text(const char *text)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(1000);

    scale_explain(&view, &plan, &b);
    assert_string_equal(b.p, text);
}

static void something_waits_and_nothing_is_there(void **state)
{
    (void)state;
    begin(1000, 600000); /* even where a boot takes far longer than anybody should wait */
    wait_since(1, NOW, NOW);
    assert_int_equal(decide(), 1);
    begin(0, 0);
    wait_since(1, NOW, NOW);
    assert_int_equal(decide(), 1);
    expect_text("0 \xe2\x86\x92 1: 1 waiting and no instance; how long a boot takes is not known "
                "yet; target 30 s");
}

static void no_more_than_the_target_asks_for(void **state)
{
    (void)state;
    begin(500, 2000);
    wait_since(50, NOW, NOW); /* 25 s of work, and 2 s for a boot */
    assert_int_equal(decide(), 1);
    expect_text("0 \xe2\x86\x92 1: 50 waiting, 500 ms each and no instance; boots take 2 s; target "
                "30 s");
    view.target_wait_ms = 10000;
    assert_int_equal(decide(), 4); /* 25 s in the 8 s that are left after it */
}

static void the_sentence_has_its_inputs(void **state)
{
    (void)state;
    begin(12100, 41000);
    have(2, SCALE_READY, 1, NOW - 60000);
    wait_since(37, NOW, NOW);
    assert_true(decide() > 0);
    assert_int_equal(plan.actions[0].cause, SCALE_FOR_QUEUE);
    plan.to = 4;
    expect_text("2 \xe2\x86\x92 4: 37 waiting, 12.1 s each, would start within 230 s; boots take "
                "41 s; target 30 s");
}

static void a_boot_that_comes_too_late_is_not_begun(void **state)
{
    (void)state;
    begin(1000, 40000);
    have(1, SCALE_READY, 1, NOW - 60000);
    wait_since(38, NOW, NOW); /* over the target, and over before a boot would be done */
    assert_int_equal(decide(), 0);
    wait_since(58, NOW, NOW); /* hardly later: it would not work for as long as it is worth */
    assert_int_equal(decide(), 0);
    wait_since(100, NOW, NOW);
    assert_true(decide() > 0);
}

static void what_boots_counts_from_when_it_is_ready(void **state)
{
    (void)state;
    begin(1000, 20000);
    wait_since(20, NOW, NOW);
    have(2, SCALE_BOOTING, 0, NOW - 15000); /* 5 s more: 25 s for each until the target */
    assert_int_equal(decide(), 0);
    begin(1000, 20000);
    wait_since(45, NOW, NOW);
    have(1, SCALE_BOOTING, 0, NOW); /* 10 s of the 45 */
    assert_int_equal(decide(), 4);
    begin(1000, 20000);
    wait_since(20, NOW - 20000, NOW - 20000);
    have(2, SCALE_BOOTING, 0, NOW - 60000); /* overdue, and still on its way */
    assert_int_equal(decide(), 0);
}

static void slots_are_counted(void **state)
{
    (void)state;
    begin(4000, 2000);
    wait_since(60, NOW, NOW); /* 240 s of a slot */
    assert_int_equal(decide(), 9);
    lane.slots = 8;
    assert_int_equal(decide(), 2);
    lane.slots = 64;
    assert_int_equal(decide(), 1);
}

static void it_is_known_only_of_what_runs(void **state)
{
    (void)state;
    begin(0, 2000);
    have(1, SCALE_READY, 1, NOW - 60000);
    wait_since(20, NOW, NOW);
    lane.oldest_running = NOW - 100;
    assert_int_equal(decide(), 0); /* a second each, as far as is known */
    lane.oldest_running = NOW - 20000;
    assert_true(decide() > 5); /* nobody has come back for 20 s */
}

static void time_alone_tells_of_what_runs(void **state)
{
    (void)state;
    begin(0, 2000);
    have(1, SCALE_READY, 1, NOW - 60000);
    wait_since(3, NOW, NOW);
    lane.oldest_running = NOW - 100;
    assert_int_equal(decide(), 0);
    assert_in_range(plan.look_again_at, NOW + 1, NOW + 2000);
    lane.waiting = 0;
    assert_int_equal(decide(), 0);
    assert_true(plan.look_again_at > NOW + 2000);
}

static void one_that_is_stuck_holds_its_slot(void **state)
{
    (void)state;
    begin(500, 2000);
    have(1, SCALE_READY, 1, NOW - 600000);
    wait_since(2, NOW, NOW);
    lane.oldest_running = NOW - 400;
    assert_int_equal(decide(), 0); /* the two will start soon */
    assert_in_range(plan.look_again_at, NOW + 1, NOW + 10000);
    view.now = plan.look_again_at;
    assert_int_equal(decide(), 1); /* they will not */
    assert_int_equal(plan.actions[0].cause, SCALE_FOR_QUEUE);
}

static void the_rate_is_foreseen(void **state)
{
    (void)state;
    begin(2000, 20000);
    have(1, SCALE_READY, 1, NOW - 60000);
    come(0.25, 200); /* eight times what one instance can do */
    assert_true(decide() > 3);
    assert_int_equal(plan.actions[0].cause, SCALE_FOR_RATE);
    learned.stopped_at = NOW - 10000; /* one was just let go: the guess is not enough */
    assert_int_equal(decide(), 0);
    wait_since(60, NOW, NOW); /* the queue is */
    assert_true(decide() > 0);
}

static void silence_after_a_restart_is_not_silence(void **state)
{
    (void)state;
    begin(1000, 2000);
    have(1, SCALE_READY, 0, NOW - 600000);
    assert_int_equal(decide(), -1);
    learned.blind_until = NOW + 5000;
    assert_int_equal(decide(), 0);
    assert_int_equal(plan.look_again_at, NOW + 5000);
}

static void gaps(int64_t ms, int n)
{
    for (int i = 0; i < n; i++)
        scale_hist_add(&learned.gaps[0], ms);
}

static void kept_as_long_as_its_gaps_justify(void **state)
{
    (void)state;
    begin(1000, 20000);
    have(1, SCALE_READY, 0, NOW - 15000);
    learned.below_since[0] = NOW - 15000;
    assert_int_equal(decide(), 0); /* nothing known: the price of a boot */
    assert_int_equal(plan.look_again_at, NOW + 10000);
    gaps(600000, 20); /* needed again after ten minutes: not worth a second */
    assert_int_equal(decide(), -1);
    expect_text("1 \xe2\x86\x92 0: idle; it is not needed for 600 s as a rule, and worth keeping "
                "for 0 ms");
    begin(1000, 20000);
    have(1, SCALE_READY, 0, NOW - 15000);
    learned.below_since[0] = NOW - 15000;
    gaps(12000, 30); /* it should have come by now */
    gaps(600000, 10);
    assert_int_equal(decide(), -1);
    learned.below_since[0] = NOW - 11000;
    assert_int_equal(decide(), 0);
}

static void a_pause_is_expected_after_short_gaps(void **state)
{
    struct scale_keep keep;

    (void)state;
    begin(500, 8000);
    for (int i = 0; i < 10; i++)
        scale_hist_add(&learned.gaps[0], 2);
    scale_keep(&learned, 1, 8000, 30000, &keep);
    assert_true(keep.is_learned);
    assert_in_range(keep.for_ms, 4000, 20000); /* one after the other, and then somebody thinks */
    for (int i = 0; i < 40; i++)
        scale_hist_add(&learned.gaps[0], 3600000);
    scale_keep(&learned, 1, 8000, 30000, &keep);
    assert_in_range(keep.for_ms, 0, 1000); /* nobody thinks for so short a time here */
}

static void a_fixed_keep_alive_is_kept(void **state)
{
    (void)state;
    begin(1000, 20000);
    have(1, SCALE_READY, 0, NOW - 50000);
    gaps(600000, 20);
    view.keep_alive_ms = 60000;
    assert_int_equal(decide(), 0);
    assert_int_equal(plan.look_again_at, NOW + 10000);
    view.keep_alive_ms = 50000;
    assert_int_equal(decide(), -1);
    expect_text("1 \xe2\x86\x92 0: idle for 50 s");
}

static void back_before_the_next_one(void **state)
{
    (void)state;
    begin(1000, 120000); /* four times the target */
    gaps(1800000, 20);   /* each half hour */
    learned.below_since[0] = NOW - 60000;
    assert_int_equal(decide(), 0);
    assert_true(plan.look_again_at > NOW + 900000 && plan.look_again_at < NOW + 1740000);
    view.now = plan.look_again_at;
    assert_int_equal(decide(), 1);
    assert_int_equal(plan.actions[0].cause, SCALE_FOR_RETURN);
    assert_int_equal(plan.needed, 0); /* the gap goes on */
    have(1, SCALE_READY, 0, view.now);
    assert_int_equal(decide(), 0);
    view.now = NOW + 7200000; /* and goes when nobody came */
    assert_int_equal(decide(), -1);
}

static void an_instance_with_slots_drains(void **state)
{
    (void)state;
    begin(1000, 2000);
    lane.slots = 4;
    have(3, SCALE_READY, 1, NOW - 600000);
    learned.below_since[1] = learned.below_since[2] = NOW - 600000;
    assert_int_equal(decide(), -2);
    assert_int_equal(plan.actions[0].cause, SCALE_SINCE_IDLE);
}

static void the_bounds_hold(void **state)
{
    (void)state;
    begin(1000, 2000);
    view.max = 3;
    wait_since(1000, NOW, NOW);
    assert_int_equal(decide(), 3);
    begin(1000, 2000);
    view.min = 2;
    assert_int_equal(decide(), 2);
    expect_text("0 \xe2\x86\x92 2: the minimum is 2");
    have(2, SCALE_READY, 0, NOW - 6000000);
    assert_int_equal(decide(), 0);
    view.max = 1;
    view.min = 1;
    assert_int_equal(decide(), -1);
    expect_text("2 \xe2\x86\x92 1: the maximum is 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(something_waits_and_nothing_is_there),
        cmocka_unit_test(no_more_than_the_target_asks_for),
        cmocka_unit_test(the_sentence_has_its_inputs),
        cmocka_unit_test(a_boot_that_comes_too_late_is_not_begun),
        cmocka_unit_test(what_boots_counts_from_when_it_is_ready),
        cmocka_unit_test(slots_are_counted),
        cmocka_unit_test(it_is_known_only_of_what_runs),
        cmocka_unit_test(time_alone_tells_of_what_runs),
        cmocka_unit_test(one_that_is_stuck_holds_its_slot),
        cmocka_unit_test(the_rate_is_foreseen),
        cmocka_unit_test(silence_after_a_restart_is_not_silence),
        cmocka_unit_test(kept_as_long_as_its_gaps_justify),
        cmocka_unit_test(a_pause_is_expected_after_short_gaps),
        cmocka_unit_test(a_fixed_keep_alive_is_kept),
        cmocka_unit_test(back_before_the_next_one),
        cmocka_unit_test(an_instance_with_slots_drains),
        cmocka_unit_test(the_bounds_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
