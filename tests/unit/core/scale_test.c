/* SPDX-License-Identifier: Apache-2.0 */
/* The decisions about one pool, one situation a row: what there is, and the actions that must
 * follow, in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/scale.h"

#include <stdio.h>
#include <string.h>

enum { NOW = 1000000, IDLE = 60000, FAIR = 10000 };

#define B(name)                                                                                    \
    {                                                                                              \
        .id = name, .state = SCALE_BOOTING, .idle_since = NOW - 1000                               \
    }
#define R(name, n)                                                                                 \
    {                                                                                              \
        .id = name, .state = SCALE_READY, .in_flight = n, .idle_since = NOW - 1000                 \
    }
#define IDLE_R(name, ms)                                                                           \
    {                                                                                              \
        .id = name, .state = SCALE_READY, .idle_since = NOW - (ms)                                 \
    }
#define D(name, n)                                                                                 \
    {                                                                                              \
        .id = name, .state = SCALE_DRAINING, .in_flight = n, .idle_since = NOW - 1000              \
    }

enum { MAX_LANES = 3, MAX_INSTANCES = 6 };

struct row {
    const char *name;
    int min, max, surge;
    struct {
        struct scale_lane lane; /* slots 0: 1 */
        struct scale_instance instances[MAX_INSTANCES];
    } lanes[MAX_LANES];
    int n_lanes;           /* 0: 1 */
    const char *plan;      /* "boot 0, drain 1 a" */
    int64_t look_again_in; /* 0: never */
};

static const struct row ROWS[] = {
    { "nothing to do", .max = 2, .plan = "" },
    { "a cold pool wakes for a job", .max = 2,
      .lanes = { { { .waiting = 1, .is_current = true } } }, .plan = "boot 0" },
    { "one instance for each slot's worth of work", .max = 5,
      .lanes = { { { .waiting = 5, .slots = 2, .is_current = true } } },
      .plan = "boot 0, boot 0, boot 0" },
    { "never past the maximum", .max = 2,
      .lanes = { { { .waiting = 9, .is_current = true }, { R("a", 1) } } }, .plan = "boot 0" },
    { "the surge is for rollouts only", .max = 1, .surge = 1,
      .lanes = { { { .waiting = 9, .is_current = true }, { R("a", 1) } } }, .plan = "" },
    { "booting ones count", .max = 2,
      .lanes = { { { .waiting = 1, .is_current = true }, { B("a") } } }, .plan = "" },
    { "work in flight needs its place too", .max = 3,
      .lanes = { { { .waiting = 1, .is_current = true }, { R("a", 1) } } }, .plan = "boot 0" },
    { "a free slot takes what waits", .max = 3,
      .lanes = { { { .waiting = 1, .slots = 2, .is_current = true }, { R("a", 1) } } },
      .plan = "" },
    { "the minimum is kept up", .min = 2, .max = 3,
      .lanes = { { { .is_current = true }, { R("a", 0) } } }, .plan = "boot 0" },
    { "idle, but not for long", .max = 2, .lanes = { { { .is_current = true }, { R("a", 0) } } },
      .plan = "", .look_again_in = IDLE - 1000 },
    { "idle too long", .max = 2, .lanes = { { { .is_current = true }, { IDLE_R("a", IDLE) } } },
      .plan = "drain 0 a" },
    { "the longest idle one first, the minimum stays", .min = 1, .max = 3,
      .lanes = { { { .is_current = true }, { IDLE_R("a", IDLE + 1), IDLE_R("b", IDLE + 2) } } },
      .plan = "drain 0 b" },
    { "disabled: all go, whatever they do", .max = 0,
      .lanes = { { { .waiting = 1, .is_current = true }, { R("a", 1), B("b"), D("c", 1) } } },
      .plan = "drain 0 a, drain 0 b" },
    { "draining ones hold their place", .max = 1,
      .lanes = { { { .waiting = 1, .is_current = true }, { D("a", 1) } } }, .plan = "" },
    { "a lowered maximum is met, working or not", .max = 1,
      .lanes = { { { .waiting = 5, .is_current = true }, { R("a", 2), R("b", 1), R("c", 1) } } },
      .plan = "drain 0 b, drain 0 c" },
    { "and no further", .max = 1,
      .lanes = { { { .waiting = 1, .is_current = true },
                   { IDLE_R("a", IDLE), IDLE_R("b", IDLE + 1) } } },
      .plan = "drain 0 b" },

    { "a new release proves itself beside the old one", .max = 1, .surge = 1, .n_lanes = 2,
      .lanes = { { { .is_current = false }, { R("a", 1) } },
                 { { .is_current = true, .must_prove = true } } },
      .plan = "boot 1" },
    { "the old lane keeps its minimum until the new one is ready", .min = 1, .max = 1, .surge = 1,
      .n_lanes = 2,
      .lanes = { { { .is_current = false }, { IDLE_R("a", 2 * IDLE) } },
                 { { .is_current = true, .must_prove = true }, { B("b") } } },
      .plan = "" },
    { "then it goes at once", .min = 1, .max = 1, .surge = 1, .n_lanes = 2,
      .lanes = { { { .is_current = false }, { R("a", 0) } },
                 { { .is_current = true }, { R("b", 0) } } },
      .plan = "drain 0 a" },
    { "but what it runs and what waits for it is served first", .min = 1, .max = 2, .surge = 1,
      .n_lanes = 2,
      .lanes = { { { .is_current = false, .waiting = 1, .oldest_waiting = NOW }, { R("a", 1) } },
                 { { .is_current = true }, { R("b", 0) } } },
      .plan = "boot 0" },
    { "the surge is the most", .max = 1, .surge = 1, .n_lanes = 2,
      .lanes = { { { .is_current = false, .waiting = 3, .oldest_waiting = NOW }, { R("a", 1) } },
                 { { .is_current = true, .waiting = 3, .oldest_waiting = NOW }, { R("b", 1) } } },
      .plan = "" },
    { "no room for a surge: an idle old one gives up its place", .min = 1, .max = 1, .n_lanes = 2,
      .lanes = { { { .is_current = false }, { R("a", 0) } },
                 { { .is_current = true, .must_prove = true } } },
      .plan = "drain 0 a" },
    { "and so does a working one", .min = 1, .max = 1, .n_lanes = 2,
      .lanes = { { { .is_current = false, .waiting = 2, .oldest_waiting = NOW }, { R("a", 1) } },
                 { { .is_current = true, .must_prove = true } } },
      .plan = "drain 0 a" },
    { "which is waited for", .min = 1, .max = 1, .n_lanes = 2,
      .lanes = { { { .is_current = false }, { D("a", 1) } },
                 { { .is_current = true, .must_prove = true } } },
      .plan = "" },
    { "no room on the machine: likewise, and the boot is tried again", .max = 2, .n_lanes = 2,
      .lanes = { { { .is_current = false }, { R("a", 0) } },
                 { { .is_current = true, .must_prove = true, .no_capacity = true } } },
      .plan = "drain 0 a, boot 1" },
    { "a proving boot is not given up", .max = 1, .n_lanes = 2,
      .lanes = { { { .is_current = false, .waiting = 1, .oldest_waiting = NOW - 2 * FAIR } },
                 { { .is_current = true, .must_prove = true }, { B("b") } } },
      .plan = "" },
    { "a free place is for what has to prove itself", .min = 1, .max = 1, .n_lanes = 2,
      .lanes = { { { .is_current = false, .waiting = 2, .oldest_waiting = NOW - 1 } },
                 { { .is_current = true, .must_prove = true } } },
      .plan = "boot 1" },
    { "the new release failed: the old one keeps the minimum up", .min = 1, .max = 1, .surge = 1,
      .n_lanes = 2,
      .lanes = { { { .is_current = false, .serves = true } },
                 { { .is_current = true, .is_failed = true } } },
      .plan = "boot 0" },

    { "back-off after a failed boot", .max = 2,
      .lanes = { { { .waiting = 1, .is_current = true, .failures = 1, .retry_at = NOW + 300 } } },
      .plan = "", .look_again_in = 300 },
    { "then one at a time", .max = 3,
      .lanes = { { { .waiting = 3, .is_current = true, .failures = 1, .retry_at = NOW } } },
      .plan = "boot 0" },
    { "and no second one beside it", .max = 3,
      .lanes = { { { .waiting = 3, .is_current = true, .failures = 1, .retry_at = NOW },
                   { B("a") } } },
      .plan = "" },
    { "a failed lane boots nothing", .min = 1, .max = 3,
      .lanes = { { { .waiting = 3, .is_current = true, .is_failed = true } } }, .plan = "" },

    { "models: an idle version gives up its place at once", .max = 1, .n_lanes = 2,
      .lanes = { { { .is_current = true }, { R("a", 0) } },
                 { { .is_current = true, .waiting = 1, .oldest_waiting = NOW } } },
      .plan = "drain 0 a", .look_again_in = IDLE - 1000 },
    { "models: a working one is left alone for a while", .max = 1, .n_lanes = 2,
      .lanes = { { { .is_current = true, .waiting = 1, .oldest_waiting = NOW }, { R("a", 1) } },
                 { { .is_current = true, .waiting = 1, .oldest_waiting = NOW - 4000 } } },
      .plan = "", .look_again_in = FAIR - 4000 },
    { "models: whoever waited long gets a turn", .max = 1, .n_lanes = 2,
      .lanes = { { { .is_current = true, .waiting = 1, .oldest_waiting = NOW }, { R("a", 1) } },
                 { { .is_current = true, .waiting = 1, .oldest_waiting = NOW - FAIR } } },
      .plan = "drain 0 a" },
    { "models: but not before the other had its own", .max = 1, .n_lanes = 2,
      .lanes = { { { .is_current = true, .waiting = 1, .oldest_waiting = NOW - FAIR },
                   { { .id = "a",
                       .state = SCALE_READY,
                       .in_flight = 1,
                       .ready_since = NOW - 3000 } } },
                 { { .is_current = true, .waiting = 1, .oldest_waiting = NOW - FAIR } } },
      .plan = "", .look_again_in = FAIR - 3000 },
    { "models: a free place is for whoever went without the longest", .max = 1, .n_lanes = 3,
      .lanes = { { { .is_current = true,
                     .waiting = 1,
                     .oldest_waiting = NOW - 2 * FAIR,
                     .served_at = NOW - 1 } },
                 { { .is_current = true, .waiting = 1, .oldest_waiting = NOW - 3 } },
                 { { .is_current = true, .waiting = 1, .oldest_waiting = NOW - 4 } } },
      .plan = "boot 2" },
    { "models: nor is a boot that is waited for given up", .max = 1, .n_lanes = 2,
      .lanes = { { { .is_current = true, .waiting = 1, .oldest_waiting = NOW - FAIR }, { B("a") } },
                 { { .is_current = true, .waiting = 1, .oldest_waiting = NOW - 2 * FAIR } } },
      .plan = "" },
};

static void print_plan(const struct scale_plan *plan, char *out, size_t size)
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < plan->n; i++) {
        const struct scale_action *a = &plan->actions[i];

        assert_non_null(a->why);
        if (a->verb == SCALE_BOOT)
            n += (size_t)snprintf(out + n, size - n, "%sboot %zu", n ? ", " : "", a->lane);
        else
            n += (size_t)snprintf(out + n, size - n, "%sdrain %zu %s", n ? ", " : "", a->lane,
                                  a->instance);
    }
}

static void decide(const struct row *r)
{
    struct scale_lane lanes[MAX_LANES];
    struct scale_view v = {
        .now = NOW,
        .min = r->min,
        .max = r->max,
        .surge = r->surge,
        .idle_timeout_ms = IDLE,
        .fair_after_ms = FAIR,
        .lanes = lanes,
        .n_lanes = (size_t)MAX(r->n_lanes, 1),
    };
    struct scale_plan plan;
    char text[400];

    for (size_t i = 0; i < v.n_lanes; i++) {
        lanes[i] = r->lanes[i].lane;
        lanes[i].slots = MAX(lanes[i].slots, 1);
        lanes[i].instances = r->lanes[i].instances;
        while (lanes[i].n < MAX_INSTANCES && r->lanes[i].instances[lanes[i].n].id)
            lanes[i].n++;
    }
    scale_decide(&v, &plan);
    print_plan(&plan, text, sizeof(text));
    if (strcmp(text, r->plan) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", r->name, text, r->plan);
    if (r->look_again_in && plan.look_again_at != NOW + r->look_again_in)
        fail_msg("%s: looks again in %lld ms, not %lld", r->name,
                 (long long)(plan.look_again_at - NOW), (long long)r->look_again_in);
}

static void decisions(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ROWS); i++)
        decide(&ROWS[i]);
}

static void more_instances_than_actions(void **state)
{
    static char names[100][8];
    static struct scale_instance all[100];
    struct scale_lane lane = { .is_current = true, .slots = 1, .instances = all, .n = 100 };
    struct scale_view v = { .now = NOW, .lanes = &lane, .n_lanes = 1 };
    struct scale_plan plan;

    (void)state;
    for (int i = 0; i < 100; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "i%d", i);
        all[i] = (struct scale_instance){ .id = names[i], .state = SCALE_READY };
    }
    scale_decide(&v, &plan);
    assert_int_equal(plan.n, SCALE_MAX_ACTIONS);
}

static void back_off(void **state)
{
    static const int64_t ms[] = { 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ms); i++)
        assert_int_equal(scale_backoff_ms((int)i + 1), ms[i]);
    assert_int_equal(scale_backoff_ms(1000000), 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions),
        cmocka_unit_test(more_instances_than_actions),
        cmocka_unit_test(back_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
