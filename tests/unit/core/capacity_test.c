/* SPDX-License-Identifier: Apache-2.0 */
/* A machine with GPUs of which there are too few: who gets them, and who gives them up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/capacity.h"

#include <string.h>

enum { S = 1000, MOST = 4, NOW = 1000 * S };

/* One pool of one lane, in short. */
struct row {
    int weight, min;
    int64_t waits; /* s that its first prediction has waited; 0: none does */
    int64_t gone;  /* s since its last instance went; 0: it had none */
    bool lacks, is_promised;
    /* Instances: i idle, w working, b booting, d draining, s working and staying; each with as many
     * GPUs as the SKU. They are as old as `ready` says. */
    const char *instances;
    int64_t ready; /* s */
    int gpus;      /* of the SKU; 0: one */
};

struct fixture {
    struct arena arena;
    struct hardware hardware;
    struct sku skus[MOST];
    struct capacity_instance instances[MOST][8];
    struct capacity_lane lanes[MOST];
    struct capacity_view view;
    struct capacity_plan plan;
};

static void build(struct fixture *f, int gpus, const struct row *rows)
{
    struct error err;

    memset(f, 0, sizeof(*f));
    f->hardware.machine = (struct inventory){ .cpus_milli = 64000, .memory = 1 << 30 };
    f->hardware.machine.n_gpus = gpus;
    f->hardware.cpu_overcommit = f->hardware.memory_overcommit = 1;
    f->view = (struct capacity_view){ .now = NOW, .hardware = &f->hardware, .lanes = f->lanes };
    for (size_t i = 0; i < MOST && rows[i].weight; i++) {
        const struct row *r = &rows[i];
        struct capacity_lane *l = &f->lanes[i];

        f->skus[i] = (struct sku){ .cpus_milli = 1000, .gpus = r->gpus ? r->gpus : 1 };
        *l = (struct capacity_lane){
            .pool = i,
            .min = r->min,
            .weight = r->weight,
            .sku = &f->skus[i],
            .lacks = r->lacks,
            .waits_since = r->waits ? NOW - r->waits * S : 0,
            .served_at = r->gone ? NOW - r->gone * S : 0,
            .promised_at = r->is_promised ? NOW - S : 0,
            .target_ms = 10 * S,
            .turn_ms = 20 * S,
            .instances = f->instances[i],
        };
        for (const char *c = r->instances ? r->instances : ""; *c; c++) {
            struct capacity_instance *in = &f->instances[i][l->n++];

            *in = (struct capacity_instance){
                .is_ready = *c != 'b',
                .is_leaving = *c == 'd',
                .stays = *c == 's',
                .in_flight = *c == 'w' || *c == 's' || *c == 'd',
                .idle_since = NOW - 5 * S,
                .ready_since = NOW - r->ready * S,
            };
            assert_int_equal(hardware_take(&f->hardware, l->sku, &in->hold, &err), STATUS_OK);
        }
        f->view.n++;
    }
    capacity_decide(&f->view, &f->arena, &f->plan);
}

/* "0+": lane 0 may boot; "0<1": lane 0 gets the place of one of lane 1's. */
static void describe(const struct fixture *f, struct buf *out)
{
    for (size_t i = 0; i < f->plan.n; i++) {
        const struct capacity_step *s = &f->plan.steps[i];

        buf_addf(out, i ? " %zu" : "%zu", s->lane);
        if (s->is_grant)
            buf_adds(out, "+");
        else
            buf_addf(out, "<%zu", s->from);
    }
    buf_addc(out, '\0');
}

static void who_gets_what(void **state)
{
    static const struct {
        const char *name, *expected;
        int gpus;
        struct row rows[MOST + 1];
        int64_t again; /* s from now; 0: never */
    } cases[] = {
        { "nobody lacks anything", "", 1, { { .weight = 1, .instances = "w" } }, 0 },
        { "there is room",
          "0+",
          2,
          { { .weight = 1, .waits = 1, .lacks = true }, { .weight = 1, .instances = "w" } },
          0 },
        { "an idle one gives up its place at once",
          "0<1",
          1,
          { { .weight = 1, .waits = 1, .lacks = true }, { .weight = 1, .instances = "i" } },
          0 },
        { "not below its minimum",
          "",
          1,
          { { .weight = 1, .waits = 900, .lacks = true },
            { .weight = 1, .min = 1, .instances = "i" } },
          0 },
        { "also for a minimum",
          "0<1",
          1,
          { { .weight = 1, .min = 1, .lacks = true }, { .weight = 1, .instances = "i" } },
          0 },
        { "one place for each that lacks one",
          "0<2 1<2",
          2,
          { { .weight = 1, .waits = 2, .lacks = true },
            { .weight = 1, .waits = 1, .lacks = true },
            { .weight = 1, .instances = "ii" } },
          0 },
        { "a place is on its way",
          "",
          1,
          { { .weight = 1, .waits = 99, .lacks = true }, { .weight = 1, .instances = "d" } },
          0 },
        { "a working one has its turn first",
          "",
          1,
          { { .weight = 1, .waits = 99, .lacks = true },
            { .weight = 1, .waits = 99, .instances = "w", .ready = 15 } },
          5 },
        { "then it gives up its place",
          "0<1",
          1,
          { { .weight = 1, .waits = 99, .lacks = true },
            { .weight = 1, .waits = 99, .instances = "w", .ready = 20 } },
          0 },
        { "not before the other waits beyond its target",
          "",
          1,
          { { .weight = 1, .waits = 8, .lacks = true },
            { .weight = 1, .waits = 99, .instances = "w", .ready = 50 } },
          2 },
        { "a target counts from its own turn on",
          "",
          1,
          { { .weight = 1, .waits = 99, .gone = 4, .lacks = true },
            { .weight = 1, .waits = 99, .instances = "w", .ready = 50 } },
          6 },
        { "a turn is as long as its weight",
          "",
          1,
          { { .weight = 1, .waits = 99, .lacks = true },
            { .weight = 3, .waits = 99, .instances = "w", .ready = 50 } },
          10 },
        { "what stays is not asked",
          "",
          1,
          { { .weight = 1, .waits = 99, .lacks = true },
            { .weight = 1, .instances = "s", .ready = 99 } },
          0 },
        { "who went without for longer comes first",
          "1+",
          1,
          { { .weight = 1, .waits = 50, .gone = 5, .lacks = true },
            { .weight = 1, .waits = 20, .lacks = true } },
          0 },
        { "the heavier one does",
          "0+",
          1,
          { { .weight = 3, .waits = 10, .lacks = true },
            { .weight = 1, .waits = 20, .lacks = true } },
          0 },
        { "who was promised a place does",
          "1+",
          1,
          { { .weight = 9, .waits = 50, .lacks = true },
            { .weight = 1, .waits = 1, .lacks = true, .is_promised = true } },
          0 },
        { "what the first one needs is kept for it",
          "",
          2,
          { { .weight = 1, .waits = 50, .lacks = true, .gpus = 2 },
            { .weight = 1, .waits = 1, .lacks = true },
            { .weight = 1, .instances = "s" } },
          0 },
        { "but not what it will never get",
          "1+",
          2,
          { { .weight = 1, .waits = 50, .lacks = true, .gpus = 2 },
            { .weight = 1, .waits = 1, .lacks = true },
            { .weight = 1, .min = 1, .instances = "w" } },
          0 },
        { "one with too little for its weight gets one of another's",
          "0<1",
          4,
          { { .weight = 1, .waits = 50, .lacks = true, .instances = "w", .ready = 99 },
            { .weight = 1, .waits = 50, .instances = "www", .ready = 99 } },
          0 },
        { "one with its part does not",
          "",
          4,
          { { .weight = 1, .waits = 50, .lacks = true, .instances = "ww", .ready = 99 },
            { .weight = 1, .waits = 50, .instances = "ww", .ready = 99 } },
          0 },
        { "two places for two GPUs",
          "0<1 0<2",
          2,
          { { .weight = 1, .waits = 50, .lacks = true, .gpus = 2 },
            { .weight = 1, .instances = "i" },
            { .weight = 1, .instances = "i" } },
          0 },
        { "none where one does not suffice",
          "",
          2,
          { { .weight = 1, .waits = 50, .lacks = true, .gpus = 2 },
            { .weight = 1, .instances = "i" },
            { .weight = 1, .instances = "s" } },
          0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buf said CLEANUP(buf_deinit) = BUF_INIT(1000);
        struct fixture f;
        int64_t again;

        build(&f, cases[i].gpus, cases[i].rows);
        describe(&f, &said);
        again = f.plan.look_again_at == INT64_MAX ? 0 : (f.plan.look_again_at - NOW) / S;
        if (strcmp(said.p, cases[i].expected) != 0 || again != cases[i].again)
            fail_msg("%s: \"%s\", not \"%s\"; again in %d s", cases[i].name, said.p,
                     cases[i].expected, (int)again);
        arena_deinit(&f.arena);
    }
}

static void who_may_take_room(void **state)
{
    static const struct row rows[MOST + 1] = {
        { .weight = 1, .waits = 50, .lacks = true },
        { .weight = 1, .waits = 1 },
        { .weight = 1, .instances = "w" },
    };
    struct error err;
    struct fixture f;

    (void)state;
    build(&f, 1, rows);
    assert_int_equal(capacity_admits(&f.view, &f.arena, 1, &err), CAPACITY_NO_ROOM);
    assert_string_equal(err.text, "needs 1 GPU; 1 of 1 are taken");
    arena_deinit(&f.arena);
    build(&f, 2, rows);
    assert_int_equal(capacity_admits(&f.view, &f.arena, 0, &err), CAPACITY_ADMITTED);
    assert_int_equal(capacity_admits(&f.view, &f.arena, 1, &err), 0);
    arena_deinit(&f.arena);
    build(&f, 3, rows);
    assert_int_equal(capacity_admits(&f.view, &f.arena, 1, &err), CAPACITY_ADMITTED);
    arena_deinit(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_gets_what),
        cmocka_unit_test(who_may_take_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
