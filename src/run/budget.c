/* SPDX-License-Identifier: Apache-2.0 */
/* What is spent is added up in memory from the start on, for each pool and account; what was spent
 * before comes from the ledger, once: the difference is kept as the budget's offset. */
#include "run/budget_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

enum { LOOK_EVERY_MS = 2000 };

struct sum { /* since the start of the server */
    __int128 spent;
};

static struct sum *sum_of(struct budgets *b, const char *id)
{
    struct sum *s = map_get(&b->sums, str_of(id));

    if (!s) {
        s = xnew(struct sum);
        map_put(&b->sums, str_of(id), s);
    }
    return s;
}

void budget_spend(struct pool *p, int64_t price_nano, int64_t ms)
{
    struct budgets *b = p->fleet->budgets;
    __int128 amount = (__int128)price_nano * ms;

    if (!b || amount <= 0)
        return;
    sum_of(b, p->id)->spent += amount;
    sum_of(b, p->owner_id)->spent += amount;
}

/* --- looking --- */

static bool concerns(const struct budget *x, const struct pool *p)
{
    return strcmp(x->id, x->is_account ? p->owner_id : p->id) == 0;
}

static void wake_pools(struct budgets *b, const struct budget *x)
{
    struct pool *p;

    for (size_t at = 0; map_next(&b->fleet->pools, &at, NULL, (void **)&p);)
        if (concerns(x, p))
            pool_wake(p);
}

/* A new day or month begins with nothing; one that the clock was set back into, or out of again,
 * with what it had. */
static void enter_period(struct budget_state *x, int64_t period, __int128 sum)
{
    __int128 had = period == x->left_period ? x->left_spent : 0;

    x->left_period = x->b.period;
    x->left_spent = x->offset + sum;
    x->b.period = period;
    x->offset = had - sum;
}

static void look(struct budget_state *x)
{
    struct budgets *b = x->budgets;
    int64_t now = loop_wall_ms(b->fleet->loop), period = budget_period_start(&x->b.terms, now);
    __int128 sum = sum_of(b, x->b.id)->spent;
    enum budget_level level;

    if (period != x->b.period) {
        enter_period(x, period, sum);
        wake_pools(b, &x->b); /* where that is too much already, it is another day's */
    }
    x->b.spent = x->offset + sum;
    level = budget_level_of(&x->b.terms, x->b.spent);
    if (level != x->b.level) {
        log_info("a budget's state has changed", LOG_S("of", x->b.id),
                 LOG_S("state", budget_level_name(level)));
        x->b.level = level;
        wake_pools(b, &x->b);
    }
    budget_tell(x);
}

static void count_all(struct fleet *f)
{
    struct instance *in;

    for (size_t at = 0; map_next(&f->instances, &at, NULL, (void **)&in);)
        meter_count(in);
}

static void on_tick(struct timer *t)
{
    struct budgets *b = container_of(t, struct budgets, tick);
    struct budget_state *x;

    count_all(b->fleet);
    for (size_t at = 0; map_next(&b->by_id, &at, NULL, (void **)&x);)
        look(x);
    if (b->by_id.n > 0)
        timer_start(t, LOOK_EVERY_MS);
}

const struct budget *budget_find(struct fleet *f, const char *id)
{
    struct budget_state *x = f->budgets ? map_get(&f->budgets->by_id, str_of(id)) : NULL;

    if (!x)
        return NULL;
    count_all(f);
    look(x);
    return &x->b;
}

static bool is_spent(const struct budgets *b, const char *id, const char *whose, char out[200])
{
    const struct budget_state *x = map_get(&b->by_id, str_of(id));
    char amount[LEDGER_TEXT], end[TIME_TEXT_SIZE];

    if (!x || x->b.level != BUDGET_REACHED)
        return false;
    ledger_format((__int128)x->b.terms.amount_nano * 1000, amount);
    time_format(budget_period_end(&x->b.terms, x->b.period), end);
    snprintf(out, 200,
             "The %s's budget of %s a %s is spent; it begins anew at %s. Raise it to go on.", whose,
             amount, x->b.terms.is_monthly ? "month" : "day", end);
    return true;
}

bool budget_holds(const struct pool *p, char out[200])
{
    const struct budgets *b = p->fleet->budgets;

    if (!b || b->by_id.n == 0)
        return false;
    return is_spent(b, p->id, "deployment", out) || is_spent(b, p->owner_id, "account", out);
}

/* --- setting --- */

static void state_free(struct budget_state *x)
{
    list_remove(&x->node);
    free(x->b.id);
    free(x->b.account_id);
    free(x->b.webhook);
    free(x);
}

/* One whose message is under way goes when that is over. */
static void drop(struct budget_state *x)
{
    x->is_dropped = true;
    if (timer_armed(&x->retry)) { /* between two attempts */
        timer_stop(&x->retry);
        x->is_telling = false;
    }
    if (!x->is_telling) {
        budget_tell_deinit(x);
        state_free(x);
    }
}

void budget_told(struct budget_state *x)
{
    x->is_telling = false;
    if (x->is_dropped)
        state_free(x);
}

static struct budget_state *put(struct budgets *b, const struct budget_row *row)
{
    struct budget_state *x = xnew(struct budget_state), *before;

    x->budgets = b;
    list_push(&b->all, &x->node);
    x->b = (struct budget){
        .id = xstrdup(row->id),
        .account_id = xstrdup(row->account_id),
        .is_account = strcmp(row->id, row->account_id) == 0,
        .terms = row->terms,
        .webhook = xstrdup(row->webhook),
        .period = budget_period_start(&row->terms, loop_wall_ms(b->fleet->loop)),
    };
    x->told_level = row->told_level;
    x->told_period = row->told_period;
    budget_tell_init(x);
    before = map_put(&b->by_id, str_of(row->id), x);
    if (before)
        drop(before);
    return x;
}

__int128 budget_mark(struct fleet *f, const char *id)
{
    meters_flush_of(f, id);
    return sum_of(f->budgets, id)->spent;
}

void budget_set(struct fleet *f, const struct budget_row *row, __int128 mark, __int128 spent)
{
    struct budgets *b = f->budgets;
    struct budget_state *x = put(b, row);

    x->offset = spent - mark;
    look(x);
    wake_pools(b, &x->b); /* the one before may have held them */
    if (!timer_armed(&b->tick))
        timer_start(&b->tick, LOOK_EVERY_MS);
}

void budget_remove(struct fleet *f, const char *id)
{
    struct budget_state *x = map_remove(&f->budgets->by_id, str_of(id));

    if (!x)
        return;
    x->b.level = BUDGET_OK;
    wake_pools(f->budgets, &x->b);
    drop(x);
}

/* --- life --- */

static enum status load(struct budgets *b, const struct budget_row *row, struct error *err)
{
    struct budget_state *x = put(b, row);
    struct store_budget_spent op = { .id = row->id,
                                     .is_account = x->b.is_account,
                                     .from = x->b.period };
    enum status s = store_run(b->fleet->store, &op.op, &STORE_BUDGET_SPENT);

    if (s != STATUS_OK)
        *err = op.op.error;
    x->offset = op.spent;
    store_op_deinit(&op.op);
    if (s == STATUS_OK)
        look(x);
    return s;
}

enum status budgets_new(struct fleet *f, struct http_client *c, struct budgets **out,
                        struct error *err)
{
    struct store_budget_list op = { 0 };
    struct budgets *b = xnew(struct budgets);
    enum status s;

    b->fleet = f;
    b->client = c;
    map_init(&b->by_id);
    map_init(&b->sums);
    list_init(&b->all);
    timer_init(f->loop, &b->tick, on_tick);
    f->budgets = *out = b;
    s = store_run(f->store, &op.op, &STORE_BUDGET_LIST);
    if (s != STATUS_OK)
        *err = op.op.error;
    for (size_t i = 0; s == STATUS_OK && i < op.n; i++)
        s = load(b, &op.rows[i], err);
    store_op_deinit(&op.op);
    if (b->by_id.n > 0)
        timer_start(&b->tick, LOOK_EVERY_MS);
    return s;
}

void budgets_stop(struct budgets *b)
{
    struct budget_state *x;

    if (!b)
        return;
    b->is_stopping = true;
    timer_stop(&b->tick);
    list_each (&b->all, x, struct budget_state, node)
        timer_stop(&x->retry);
}

void budgets_free(struct budgets *b)
{
    struct budget_state *x;
    struct sum *s;

    if (!b)
        return;
    list_each (&b->all, x, struct budget_state, node) {
        budget_tell_deinit(x);
        state_free(x);
    }
    for (size_t at = 0; map_next(&b->sums, &at, NULL, (void **)&s);)
        free(s);
    map_deinit(&b->by_id);
    map_deinit(&b->sums);
    free(b);
}
