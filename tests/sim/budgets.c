/* SPDX-License-Identifier: Apache-2.0 */
/* Budgets of deployments and of the account, as they are set, spent and begun anew; and what was
 * promised of them: nothing starts past one, what waits is told why and goes on afterwards, and
 * what is counted is what the ledger has. */
#include "sim.h"

#include "run/budget_impl.h"
#include "run/capacity.h"
#include "run/scaling.h"

#include "base/mem.h"

#include <stdlib.h>

#define BUDGET_HOOK "https://receiver.example/budget"

/* A look of the budgets, and a wake-up that was lost. */
enum { LOOK_MS = 2000, LOST_MS = MINUTE_MS + 1000 };
static const int64_t NANO = 1000000000;

/* --- what people do --- */

struct putting {
    struct store_budget_put put;
    struct sim *sim;
    __int128 mark;
};

static void on_put(struct store_op *op)
{
    struct putting *x = container_of(op, struct putting, put.spent.op);
    struct fleet *f = &x->sim->p->fleet;

    if (op->status == STATUS_OK && x->put.remove)
        budget_remove(f, x->put.in.id);
    else if (op->status == STATUS_OK)
        budget_set(f, &x->put.in, x->mark, x->put.spent.spent);
    store_op_deinit(op);
    free(x);
}

/* As the API sets one; without terms there is none from now on. */
static void put(struct sim *s, const char *id, const struct budget_terms *t, bool has_hook)
{
    struct putting *x = xnew(struct putting);
    struct store_op *op = &x->put.spent.op;

    x->sim = s;
    x->put.remove = !t;
    x->put.in = (struct budget_row){
        .id = store_keep(op, str_of(id)),
        .account_id = place_id('a', 1),
        .terms = t ? *t : (struct budget_terms){ 0 },
        .webhook = has_hook ? BUDGET_HOOK : NULL,
    };
    x->put.spent.id = x->put.in.id;
    x->put.spent.is_account = strcmp(id, place_id('a', 1)) == 0;
    x->put.spent.from = budget_period_start(&x->put.in.terms, loop_wall_ms(s->p->loop));
    x->mark = budget_mark(&s->p->fleet, id);
    store_start(s->p->store, op, &STORE_BUDGET_PUT, on_put);
}

static const char *owner_of_one(struct sim *s)
{
    return sim_one_in(s, 3) ? place_id('a', 1)
                            : place_pool(s->p, s->deployments[sim_below(s, DEPLOYMENTS)].name)->id;
}

void sim_budget(struct sim *s)
{
    struct budget_terms t = {
        .amount_nano = sim_below(s, s->span_ms >= DAY_MS ? 12 * NANO : NANO / 5),
        .is_monthly = sim_one_in(s, 4),
        .warn_percent = 1 + sim_below(s, 100),
    };
    const char *id = owner_of_one(s);

    if (sim_one_in(s, 8))
        t.amount_nano = 0;
    put(s, id, sim_one_in(s, 3) ? NULL : &t, sim_one_in(s, 2));
}

void sim_no_budgets(struct sim *s)
{
    put(s, place_id('a', 1), NULL, false);
    for (int i = 0; i < DEPLOYMENTS; i++)
        put(s, place_pool(s->p, s->deployments[i].name)->id, NULL, false);
}

/* --- what was promised --- */

/* Why a pool may spend nothing, and since when; or that it may. */
struct sim_held {
    int64_t since;
    int64_t wrong_since; /* the pool says something else; 0: it does not */
    char why[200];
};

static struct sim_held *held_of(struct sim *s, const struct pool *p, const char *why)
{
    struct sim_held *h = map_get(&s->held, str_of(p->id));

    if (!h) {
        h = xnew(struct sim_held);
        map_put(&s->held, str_of(p->id), h);
    }
    if (strcmp(h->why, why) != 0)
        h->since = loop_now_ms(s->p->loop);
    (void)snprintf(h->why, sizeof(h->why), "%s", why);
    return h;
}

/* How late one may be who was to be woken. */
static int64_t lateness(const struct sim *s)
{
    return loop_now_ms(s->p->loop) < s->loses_until + LOST_MS ? LOST_MS : 0;
}

static void check_instances(struct sim *s, const struct pool *p, int64_t since)
{
    struct instance *in;
    struct prediction *run;
    struct lane *l;

    list_each (&p->lanes, l, struct lane, node)
        list_each (&l->instances, in, struct instance, node) {
            if (in->state == INSTANCE_BOOTING || in->state == INSTANCE_READY)
                fail_msg("budget: instance %s is %s, and %s may spend nothing", in->id,
                         instance_state_name(in->state), p->name);
            list_each (&in->runs, run, struct prediction, run_node)
                if (!s->nature.sets_clock && run->dispatched_at > since)
                    fail_msg("budget: %s began, and %s may spend nothing", run->id, p->name);
        }
}

static int waiting(const struct pool *p)
{
    struct lane *l;
    int n = 0;

    list_each (&p->lanes, l, struct lane, node)
        n += l->line.n;
    return n;
}

static void check_words(struct sim *s, const struct pool *p, struct sim_held *h)
{
    bool is_unpaid = p->scaling && p->scaling->is_unpaid, is_right = strcmp(p->held, h->why) == 0;
    int64_t now = loop_now_ms(s->p->loop);

    if (is_right || (!h->why[0] && is_unpaid) || (!p->held[0] && waiting(p) == 0))
        h->wrong_since = 0;
    else if (h->wrong_since <= s->started_at)
        h->wrong_since = now;
    else if (now > h->wrong_since + lateness(s))
        fail_msg("budget: %s is told \"%s\", and may spend nothing because \"%s\"", p->name,
                 p->held, h->why);
}

static void check_pool(struct sim *s, const struct pool *p)
{
    char why[200] = "";
    bool holds = budget_holds(p, why);
    struct sim_held *h = held_of(s, p, holds ? why : "");
    int64_t since = MAX(h->since, s->started_at) + lateness(s), now = loop_now_ms(s->p->loop);

    s->stats.held += holds;
    check_words(s, p, h);
    if (holds && now > since)
        check_instances(s, p, loop_wall_ms(s->p->loop) - (now - since));
}

/* A state is told, or about to be. */
static void check_told(struct sim *s, const struct budget_state *x)
{
    bool knows = x->told_period == x->b.period && x->told_level >= x->b.level;

    if (x->b.level != budget_level_of(&x->b.terms, x->b.spent))
        fail_msg("budget: %s is %s", x->b.id, budget_level_name(x->b.level));
    if (x->b.webhook && x->b.level != BUDGET_OK && !knows && !x->is_telling)
        s->n_untold++;
}

void sim_check_budgets(struct sim *s)
{
    struct budgets *b = s->p->fleet.budgets;
    struct budget_state *x;
    struct pool *p;
    int before = s->n_untold;

    if (s->p->fleet.is_stopping)
        return;
    for (size_t at = 0; map_next(&s->p->fleet.pools, &at, NULL, (void **)&p);)
        check_pool(s, p);
    for (size_t at = 0; map_next(&b->by_id, &at, NULL, (void **)&x);)
        check_told(s, x);
    if (s->n_untold == before)
        s->n_untold = 0, s->untold_since = loop_now_ms(s->p->loop);
    if (loop_now_ms(s->p->loop) > MAX(s->untold_since, s->started_at) + 2 * LOOK_MS)
        fail_msg("budget: somebody's state is not told to its receiver");
}

/* A pool boots one: there is something to pay it with. */
void sim_check_launch(struct sim *s, const struct instance *in)
{
    const struct pool *p = in->lane->pool;
    char why[200] = "";
    bool holds = budget_holds(p, why);
    int64_t since = held_of(s, p, holds ? why : "")->since, paid;
    int working = pool_instances(in->lane->pool, INSTANCE_BOOTING) +
                  pool_instances(in->lane->pool, INSTANCE_READY);

    if (holds && loop_now_ms(s->p->loop) > since + lateness(s))
        fail_msg("budget: %s boots an instance, and waits because \"%s\"", p->name, why);
    if (!p->scaling || !in->lane->sku)
        return;
    paid = scale_affordable(&p->scaling->settings, p->max, in->lane->sku->price_nano);
    if (list_length(&p->lanes) > 1)
        paid += s->p->options.surge;
    if (working > paid)
        fail_msg("max_cost_per_hour: %s has %d instances, and pays for %lld", p->name, working,
                 (long long)paid);
}

/* What is counted in memory is what the ledger has, but for what a look is late at midnight. */
void sim_check_spent(struct sim *s)
{
    struct fleet *f = &s->p->fleet;
    struct budget_state *x;

    /* What a run had is on its way with its end, which is tried again each second. */
    if (s->nature.sets_clock || !list_empty(&f->meters.failed) ||
        loop_now_ms(s->p->loop) < s->store_fails_until + 2 * LOOK_MS)
        return;
    meters_flush(f); /* what was found only just now, after a restart */
    loop_run_until(s->p->loop, loop_now_ms(s->p->loop));
    for (size_t at = 0; map_next(&f->budgets->by_id, &at, NULL, (void **)&x);) {
        struct store_budget_spent op = { .id = x->b.id,
                                         .is_account = x->b.is_account,
                                         .from = x->b.period };
        __int128 spent = budget_find(f, x->b.id)->spent, apart;
        int64_t late = (int64_t)(f->instances.n + 20) * LOOK_MS * NANO / 5000;

        PLACE_RUN(s->p, STORE_BUDGET_SPENT, op);
        apart = spent > op.spent ? spent - op.spent : op.spent - spent;
        if (x->b.period < loop_wall_ms(s->p->loop) - loop_now_ms(s->p->loop) + s->started_at)
            late = 0;
        if (apart > late)
            fail_msg("budget: %s spent %lld, and the ledger has %lld", x->b.id, (long long)spent,
                     (long long)op.spent);
        store_op_deinit(&op.op);
    }
}

/* --- the end --- */

/* A new day has begun and nothing breaks: what waited and may spend again is on its way. */
static void check_going_on(struct sim *s)
{
    struct pool *p;
    struct lane *l;
    char why[200];

    for (size_t at = 0; map_next(&s->p->fleet.pools, &at, NULL, (void **)&p);)
        list_each (&p->lanes, l, struct lane, node)
            if (l->line.n > 0 && !budget_holds(p, why) && pool_all_instances(p) == 0 &&
                !(p->scaling && p->scaling->is_unpaid) && !capacity_is_lacking(l))
                fail_msg("budget: %d wait in %s, whose budget has begun anew", l->line.n, p->name);
}

void sim_new_day(struct sim *s)
{
    struct loop *l = s->p->loop;
    int64_t wall = loop_wall_ms(l), next = ledger_floor(wall, DAY_MS) + DAY_MS;

    for (int64_t to = loop_now_ms(l) + next - wall + 2 * MINUTE_MS; loop_now_ms(l) < to;) {
        loop_run_until(l, MIN(loop_now_ms(l) + 5 * MINUTE_MS, to));
        sim_after_step(s);
    }
    check_going_on(s);
    sim_check_ledger(s);
}

void sim_forget_budgets(struct sim *s)
{
    struct sim_held *h;

    for (size_t at = 0; map_next(&s->held, &at, NULL, (void **)&h);)
        free(h);
    map_deinit(&s->held);
}
