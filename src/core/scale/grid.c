/* SPDX-License-Identifier: Apache-2.0 */
#include "core/scale/grid.h"

#include "base/mem.h"
#include "core/scale/settings.h"

#include <stdio.h>
#include <stdlib.h>

#define WORTH_A_CHANGE 1.02 /* what costs so much more for the same stays as it is */

enum { N_MINS = 2, N_TARGETS = 4, N_KEEPS = 3, SEEDED_BOOTS = 4 };

/* Puts `value` in the place of the nearest, so that what is there now is among what is tried. */
static void take_in(int64_t *values, int n, int64_t value)
{
    int nearest = 0;

    for (int i = 1; i < n; i++)
        if (llabs(values[i] - value) < llabs(values[nearest] - value))
            nearest = i;
    values[nearest] = value;
}

static void fill(struct scale_grid *g)
{
    const struct scale_choice *now = &g->present;
    int64_t mins[N_MINS] = { 0, 1 };
    int64_t targets[N_TARGETS] = { 2000, 10000, 30000, 120000 };
    int64_t keeps[N_KEEPS] = { SCALE_KEEP_AUTO, 60000, 600000 };
    int n_mins = N_MINS, n_targets = N_TARGETS, n_keeps = N_KEEPS;

    take_in(mins, N_MINS, now->min);
    take_in(targets, N_TARGETS, now->target_ms);
    if (now->keep_ms != SCALE_KEEP_AUTO)
        take_in(keeps + 1, N_KEEPS - 1, now->keep_ms);
    if (g->min >= 0) {
        mins[0] = g->min;
        n_mins = 1;
    }
    if (g->target_ms >= 0) {
        targets[0] = g->target_ms;
        n_targets = 1;
    }
    if (g->keep_ms != SCALE_NOT_SET) {
        keeps[0] = g->keep_ms;
        n_keeps = 1;
    }
    g->n_choices = 0;
    for (int i = 0; i < n_mins; i++)
        for (int k = 0; k < n_targets; k++)
            for (int m = 0; m < n_keeps; m++) {
                struct scale_choice *c = &g->choices[g->n_choices++];

                *c = (struct scale_choice){
                    .min = (int)mins[i],
                    .max = MAX(g->max >= 0 ? g->max : now->max, (int)mins[i]),
                    .target_ms = targets[k],
                    .keep_ms = keeps[m],
                };
                c->is_present = g->has_present && c->min == now->min && c->max == now->max &&
                                c->target_ms == now->target_ms && c->keep_ms == now->keep_ms;
            }
}

static void run_choice(const struct scale_grid *g, struct scale_choice *c)
{
    struct scale_simulated *own = xnew(struct scale_simulated);
    struct simulation_policy policy = SCALE_SIMULATED;
    const struct simulation_spec spec = {
        .arrivals = g->arrivals,
        .n = g->n,
        .from = g->from,
        .until = g->until,
        .boot_ms = g->boot_ms,
        .target_ms = c->target_ms,
        .slots = g->slots,
    };

    own->view.max = c->max;
    own->view.target_wait_ms = c->target_ms;
    own->view.keep_alive_ms = c->keep_ms;
    own->min = c->min;
    own->schedule = g->schedule;
    scale_learned_init(&own->learned, g->from);
    own->learned.blind_until = 0;
    for (int i = 0; i < SEEDED_BOOTS; i++) /* known by now */
        scale_learn_boot(&own->learned, g->boot_ms);
    policy.arg = own;
    simulate(&spec, &policy, &c->r);
    c->cost = c->r.instance_seconds * g->price;
    free(own);
}

/* The target that was asked for, or is held now. */
static int64_t wish(const struct scale_grid *g)
{
    return g->target_ms >= 0 ? g->target_ms : g->present.target_ms;
}

static bool keeps_wish(const struct scale_grid *g, const struct scale_choice *c)
{
    return c->r.p95 <= wish(g);
}

/* Cheaper among those that hold the target; where none does, faster. */
static bool is_better(const struct scale_grid *g, const struct scale_choice *a,
                      const struct scale_choice *b)
{
    bool x = keeps_wish(g, a), y = keeps_wish(g, b);

    if (x != y)
        return x;
    if (x && a->cost != b->cost)
        return a->cost < b->cost;
    return a->r.p95 != b->r.p95 ? a->r.p95 < b->r.p95 : a->cost < b->cost;
}

static const struct scale_choice *find_present(const struct scale_grid *g)
{
    for (int i = 0; i < g->n_choices; i++)
        if (g->choices[i].is_present)
            return &g->choices[i];
    return NULL;
}

/* What is there stays where nothing is better by much: the mark and the sentence go by one rule. */
static void prefer_present(struct scale_grid *g)
{
    const struct scale_choice *best = &g->choices[g->best], *now = find_present(g);

    if (now && ((keeps_wish(g, now) && now->cost <= best->cost * WORTH_A_CHANGE) ||
                !is_better(g, best, now)))
        g->best = (int)(now - g->choices);
}

void scale_grid_run(struct scale_grid *g)
{
    fill(g);
    g->best = 0;
    for (int i = 0; i < g->n_choices; i++)
        run_choice(g, &g->choices[i]);
    for (int i = 1; i < g->n_choices; i++)
        if (is_better(g, &g->choices[i], &g->choices[g->best]))
            g->best = i;
    prefer_present(g);
}

/* --- words --- */

static void add_seconds(struct buf *out, int64_t ms)
{
    buf_addf(out, "%.*f s", ms % 1000 && ms < 100000 ? 1 : 0, (double)ms / 1000);
}

static void add_choice(struct buf *out, const struct scale_choice *c)
{
    buf_addf(out, "min_instances %d, target_wait ", c->min);
    add_seconds(out, c->target_ms);
    buf_adds(out, ", keep_alive ");
    if (c->keep_ms == SCALE_KEEP_AUTO)
        buf_adds(out, "auto");
    else
        add_seconds(out, c->keep_ms);
}

/* As people write amounts: no exponents. */
static void add_cost(struct buf *out, double cost)
{
    if (cost > 0 && cost < 0.000001)
        buf_adds(out, "less than 0.000001");
    else
        buf_addf(out, cost >= 1000 ? "%.0f" : cost == 0 || cost >= 0.0001 ? "%.4g" : "%.7f", cost);
}

static void add_outcome(struct buf *out, const struct scale_choice *c)
{
    add_cost(out, c->cost);
    if (c->r.instance_seconds < 360)
        buf_addf(out, " for %.1f s of instances, 95 of 100 start within ", c->r.instance_seconds);
    else
        buf_addf(out, " for %.2f instance-hours, 95 of 100 start within ",
                 c->r.instance_seconds / 3600);
    add_seconds(out, c->r.p95);
}

/* How much less or more one costs than what there is now; nearly all is not all. */
static void add_saving(struct buf *out, double cost, double now)
{
    double saved = now > 0 ? 100 * (now - cost) / now : 0;

    if (saved >= 99.5)
        buf_adds(out, "over 99 % cheaper than");
    else if (saved >= 0.5)
        buf_addf(out, "%.0f %% cheaper than", saved);
    else if (saved > -0.5)
        buf_adds(out, now > 0 || cost == 0 ? "about as expensive as" : "more expensive than");
    else
        buf_addf(out, "%.0f %% more expensive than", -saved);
}

void scale_grid_advise(const struct scale_grid *g, struct buf *out)
{
    const struct scale_choice *best = &g->choices[g->best], *now = find_present(g);

    if (g->n == 0) {
        buf_adds(out, "There was no traffic: nothing can be told from it.");
        return;
    }
    if (!keeps_wish(g, best)) {
        buf_adds(out, "None of these keeps 95 of 100 within ");
        add_seconds(out, wish(g));
        buf_adds(out, g->boot_ms > wish(g) ? ": a boot alone takes " : "; a boot takes ");
        add_seconds(out, g->boot_ms);
        buf_adds(out, ". The fastest is ");
        add_choice(out, best);
        buf_adds(out, ": ");
        add_outcome(out, best);
        buf_adds(out, ".");
        return;
    }
    if (now == best) {
        buf_adds(out, "Keep what you have (");
        add_choice(out, now);
        buf_adds(out, "): ");
        add_outcome(out, now);
        buf_adds(out, ", and nothing here that holds the target is cheaper by more than 2 %.");
        return;
    }
    buf_adds(out, "Take ");
    add_choice(out, best);
    buf_adds(out, ": ");
    add_outcome(out, best);
    if (now) {
        buf_adds(out, ". That is ");
        add_saving(out, best->cost, now->cost);
        buf_adds(out, " what you have: ");
        add_outcome(out, now);
    }
    buf_adds(out, ".");
}

/* --- JSON --- */

static void member(struct json_writer *w, const char *key, double v, int digits)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "%.*f", digits, v);
    json_member_raw(w, key, str_of(text));
}

static void write_choice(const struct scale_choice *c, bool is_best, struct json_writer *w)
{
    json_begin_object(w);
    json_member_int(w, "min_instances", c->min);
    json_member_int(w, "max_instances", c->max);
    json_member_double(w, "target_wait", (double)c->target_ms / 1000);
    if (c->keep_ms == SCALE_KEEP_AUTO)
        json_member_string(w, "keep_alive", "auto");
    else
        json_member_double(w, "keep_alive", (double)c->keep_ms / 1000);
    json_member_bool(w, "present", c->is_present);
    json_member_bool(w, "recommended", is_best);
    member(w, "instance_hours", c->r.instance_seconds / 3600, 6);
    json_member_int(w, "boots", c->r.boots);
    member(w, "p50", (double)c->r.p50 / 1000, 3);
    member(w, "p95", (double)c->r.p95 / 1000, 3);
    member(w, "p99", (double)c->r.p99 / 1000, 3);
    member(w, "over_target", c->r.over_target, 6);
    member(w, "cost", c->cost, 9);
    json_end_object(w);
}

void scale_grid_write(const struct scale_grid *g, struct json_writer *w)
{
    struct buf words CLEANUP(buf_deinit) = BUF_INIT(4096);

    scale_grid_advise(g, &words);
    json_begin_object(w);
    json_member_int(w, "predictions", (int64_t)g->n);
    json_member_double(w, "boot_seconds", (double)g->boot_ms / 1000);
    json_key(w, "settings");
    json_begin_array(w);
    for (int i = 0; i < g->n_choices; i++)
        write_choice(&g->choices[i], i == g->best, w);
    json_end_array(w);
    json_member_str(w, "recommendation", buf_str(&words));
    json_end_object(w);
}
