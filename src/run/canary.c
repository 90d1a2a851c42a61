/* SPDX-License-Identifier: Apache-2.0 */
/* The current release of the store is the new one from the beginning; while its canary goes on the
 * one before it leads: it has the minimum, and all predictions but a share. A halt is a mark on the
 * new release, as that of boots that fail, and what is done about those follows from it. */
#include "run/canary.h"

#include "base/log.h"
#include "base/mem.h"
#include "run/pool_impl.h"
#include "run/scaling.h"
#include "run/shadow.h"
#include "store/canary.h"

#include <stdlib.h>

enum { FLUSH_MS = 1000, MAX_STORED = 256 * 1024 };

/* Begins what a release says that failed for this. */
static const char HALTED[] = "Its canary was halted. ";

/* --- the store --- */

static void on_stored(struct store_op *op)
{
    if (op->status != STATUS_OK)
        log_warning("a deployment's canary could not be stored", LOG_ERR(&op->error));
    store_op_deinit(op);
    free(op);
}

static void save(struct canary_live *c)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(MAX_STORED);
    struct buf shadow CLEANUP(buf_deinit) = BUF_INIT(MAX_STORED);
    struct store_canary_put *op;

    timer_stop(&c->flush);
    if (c->pool->is_deleted)
        return;
    op = xnew(struct store_canary_put);
    canary_write(&c->is, &text);
    op->deployment_id = store_keep(&op->op, str_of(c->pool->id));
    op->data = store_keep(&op->op, buf_str(&text));
    if (c->pool->shadow->report.release) {
        shadow_write(&c->pool->shadow->report, &shadow);
        op->shadow = store_keep(&op->op, buf_str(&shadow));
    }
    store_start(c->pool->fleet->store, &op->op, &STORE_CANARY_PUT, on_stored);
}

static void on_flush(struct timer *t)
{
    save(container_of(t, struct canary_live, flush));
}

static void save_soon(struct canary_live *c)
{
    if (!timer_armed(&c->flush))
        timer_start(&c->flush, FLUSH_MS);
}

void canary_save(struct pool *p)
{
    save(p->canary);
}

void canary_save_soon(struct pool *p)
{
    save_soon(p->canary);
}

void canary_flush_all(struct fleet *f)
{
    struct pool *p;

    for (size_t at = 0; map_next(&f->pools, &at, NULL, (void **)&p);)
        if (p->canary && timer_armed(&p->canary->flush))
            save(p->canary);
}

enum status canary_load(struct fleet *f, const char *deployment_id, struct canary *out,
                        char **out_shadow, struct error *err)
{
    struct store_canary_get op = { .deployment_id = deployment_id };
    enum status s = store_run(f->store, &op.op, &STORE_CANARY_GET);

    *out = (struct canary){ .state = CANARY_NONE };
    if (s != STATUS_OK)
        *err = op.op.error;
    else if (op.data && !canary_read(out, str_of(op.data)))
        log_warning("what is stored of a deployment's canary cannot be read",
                    LOG_S("deployment", deployment_id));
    *out_shadow = s == STATUS_OK ? xstrdup(op.shadow) : NULL;
    store_op_deinit(&op.op);
    return s;
}

/* --- beginning and end --- */

void canary_new(struct pool *p)
{
    struct canary_live *c = xnew(struct canary_live);

    c->pool = p;
    canary_terms_init(&c->terms);
    timer_init(p->fleet->loop, &c->flush, on_flush);
    p->canary = c;
    shadow_new(p);
}

void canary_free(struct pool *p)
{
    if (!p->canary)
        return;
    shadow_free(p);
    timer_stop(&p->canary->flush);
    free(p->canary);
    p->canary = NULL;
}

void canary_set(struct pool *p, const char *settings)
{
    canary_terms_load(&p->canary->terms, str_of(settings));
}

static void end(struct canary_live *c, enum canary_state state, const char *why)
{
    struct pool *p = c->pool;

    c->is.state = state;
    c->is.ended_at = loop_wall_ms(p->fleet->loop);
    (void)snprintf(c->is.why, sizeof(c->is.why), "%s", why);
    log_info("canary ended", LOG_S("deployment", p->name), LOG_I("release", c->is.release),
             LOG_S("how", canary_state_name(state)), LOG_S("why", c->is.why));
    shadow_stops(p);
    save(c);
    tell_pool(p);
    pool_wake(p);
}

static void fail_release(struct pool *p, struct release *r, const char *why)
{
    r->is_failed = true;
    free(r->failure);
    r->failure = xasprintf("%s%s", HALTED, why);
    log_warning("release failed", LOG_S("deployment", p->name), LOG_I("release", r->number));
    release_mark(r, p, r->failure);
}

/* The mark is stored before the canary: a server that finds only the mark knows what it means. */
static void halt(struct canary_live *c, const char *why)
{
    fail_release(c->pool, pool_current(c->pool), why);
    end(c, CANARY_HALTED, why);
}

static void promote(struct canary_live *c, const char *why)
{
    struct release *r = pool_current(c->pool);

    end(c, CANARY_PROMOTED, why);
    tell_release(c->pool, r->number, r->was_ready ? "ready" : "new");
}

static void begin(struct canary_live *c, int64_t base)
{
    struct release *r = pool_current(c->pool);

    canary_begin(&c->is, r->number, base, c->terms.is_shadow);
    if (c->is.is_shadow)
        shadow_starts(c->pool, r->number, base);
    log_info(c->is.is_shadow ? "shadow begins" : "canary begins",
             LOG_S("deployment", c->pool->name), LOG_I("release", r->number),
             LOG_I("beside", base));
    save(c);
}

/* One that another release follows before its canary is over is no release to come back to. What
 * waits for it waits on with the one that served. */
static void give_up(struct canary_live *c, const struct release *next)
{
    struct release *r = pool_release(c->pool, c->is.release);
    char why[100];

    (void)snprintf(why, sizeof(why), "Release %lld came before it was over.",
                   (long long)next->number);
    if (r && r->lane != next->lane)
        fail_release(c->pool, r, why);
    c->is.state = CANARY_NONE;
    shadow_stops(c->pool);
}

void canary_released(struct pool *p, struct release *served, bool is_new)
{
    struct canary_live *c = p->canary;
    struct release *r = pool_current(p), *before = pool_release(p, c->is.release);
    bool was = c->is.state != CANARY_NONE;

    if (canary_is_open(&c->is) && before && before->lane == r->lane) {
        c->is.release = r->number;
        save(c);
        return;
    }
    if (canary_is_open(&c->is))
        give_up(c, r);
    c->is.state = CANARY_NONE;
    if (c->terms.is_set && is_new && served && served->was_ready && served->lane != r->lane)
        begin(c, served->number);
    else if (was)
        save(c);
}

void canary_resume(struct pool *p, const struct canary *stored, const char *shadow, bool is_same)
{
    struct canary_live *c = p->canary;
    struct release *r = pool_current(p);

    shadow_resume(p, shadow);
    if (stored->release != r->number && !(canary_is_open(stored) && is_same))
        return;
    c->is = *stored;
    c->is.release = r->number;
    save(c); /* what was begun anew here may be on its way to the store */
}

void canary_again(struct pool *p)
{
    struct canary_live *c = p->canary;

    if (!c || c->is.state != CANARY_HALTED)
        return;
    if (c->terms.is_set)
        begin(c, c->is.base);
    else
        promote(c, "It was enabled again, and no canary is set any more.");
}

enum status canary_end_now(struct pool *p, enum canary_state state, struct error *err)
{
    struct canary_live *c = p->canary;

    if (!canary_is_open(&c->is))
        return FAIL(err, STATUS_UNPROCESSABLE,
                    "No canary goes on in the deployment %s/%s, and no shadow: there is nothing to "
                    "end.",
                    p->owner, p->name);
    if (state == CANARY_HALTED)
        halt(c, "It was halted by hand.");
    else
        promote(c, "It was promoted by hand.");
    return STATUS_OK;
}

/* --- who has what --- */

struct release *canary_base(const struct pool *p)
{
    const struct canary_live *c = p->canary;
    struct release *current = pool_current(p), *base;

    if (!c || !current || c->is.release != current->number)
        return NULL;
    if (!canary_is_open(&c->is) && !(c->is.state == CANARY_HALTED && current->is_failed))
        return NULL;
    base = pool_release(p, c->is.base);
    return base && !base->is_failed && base->lane != current->lane ? base : NULL;
}

bool canary_has(const struct pool *p, const struct lane *l)
{
    const struct release *current = pool_current(p);

    return p->canary && p->canary->is.state == CANARY_ON && current && current->lane == l &&
           !current->is_failed && canary_base(p);
}

static bool can_take(const struct pool *p)
{
    const struct release *current = pool_current(p);

    return current && canary_has(p, current->lane) &&
           lane_count(current->lane, INSTANCE_READY) > 0 &&
           !queue_is_full(current->lane->line.n, scaling_max_queue(p));
}

struct release *canary_choose(struct pool *p, struct release *serving)
{
    const struct canary_live *c = p->canary;

    if (!c || !canary_is_due(&c->is, &c->terms) || !can_take(p))
        return serving;
    return pool_current(p);
}

struct release *canary_instead(const struct pool *p, const struct release *chosen)
{
    return chosen && canary_has(p, chosen->lane) ? canary_base(p) : NULL;
}

void canary_keep_known(struct pool *p, struct lane **lane, struct release **release)
{
    struct release *base = canary_instead(p, *release);

    if (!base || str_eq(base->lane->version->schema_text, (*lane)->version->schema_text))
        return;
    *release = base;
    *lane = base->lane;
}

static struct canary_live *live(const struct pool *p)
{
    return p->canary && p->canary->is.state == CANARY_ON ? p->canary : NULL;
}

void canary_arrived(const struct prediction *p)
{
    struct canary_live *c = live(p->lane->pool);

    if (!c || c->is.is_shadow || p->row.release == 0)
        return;
    canary_sent(&c->is, &c->terms, p->row.release == c->is.release ? CANARY_NEW : CANARY_OLD,
                p->row.release == c->is.release || can_take(p->lane->pool));
    save_soon(c);
}

void canary_finished(const struct prediction *p, enum prediction_status s)
{
    struct canary_live *c = live(p->lane->pool);
    int64_t now = loop_wall_ms(p->fleet->loop);
    int64_t began = p->dispatched_at ? p->dispatched_at : p->row.started_at;
    struct release *base = c ? canary_base(p->lane->pool) : NULL;
    bool is_new = c && canary_has(p->lane->pool, p->lane);

    if (!base || c->is.is_shadow || !p->instance || !began || (!is_new && p->lane != base->lane) ||
        (s != PREDICTION_SUCCEEDED && s != PREDICTION_FAILED))
        return;
    canary_ended(&c->is, is_new ? CANARY_NEW : CANARY_OLD, s == PREDICTION_FAILED,
                 MAX(now - began, 0));
    save_soon(c);
    pool_wake(p->lane->pool);
}

/* --- on its way --- */

/* What waits for a new release that has no instance, or takes copies only, goes back to where there
 * will be one. */
static void give_back(struct pool *p, struct release *base, bool is_ready)
{
    struct lane *l = pool_current(p)->lane;

    if ((!is_ready || p->canary->is.is_shadow) && !list_empty(&l->queue))
        lane_move_queue(l, base, base->lane);
}

static void judge(struct canary_live *c, bool is_ready, int64_t *out_change)
{
    int64_t now = loop_wall_ms(c->pool->fleet->loop), until;
    char why[CANARY_WHY_SIZE];

    switch (canary_judge(&c->is, &c->terms, now, is_ready, why)) {
    case CANARY_PROMOTED:
        promote(c, why);
        return;
    case CANARY_HALTED:
        halt(c, why);
        return;
    case CANARY_OVER:
        end(c, CANARY_OVER, why);
        return;
    default:
        until = canary_until(&c->is, &c->terms);
        if (until > now)
            *out_change = MIN(*out_change, until);
    }
}

/* Its boots have marked it, or a server before this one that halted it. */
static const char *why_failed(const struct release *r)
{
    const char *text = r->failure ? r->failure : "";

    return str_starts(str_of(text), HALTED) ? text + strlen(HALTED) : text;
}

/* A shadow that was over has been given more time. */
static bool goes_on(struct canary_live *c)
{
    if (canary_until(&c->is, &c->terms) <= loop_wall_ms(c->pool->fleet->loop))
        return false;
    c->is.state = CANARY_ON;
    c->is.ended_at = 0;
    c->is.why[0] = '\0';
    save(c);
    return true;
}

void canary_look(struct pool *p, int64_t *out_change)
{
    struct canary_live *c = p->canary;
    struct release *current = pool_current(p), *base = c ? canary_base(p) : NULL;
    bool is_ready;

    if (c && c->is.state == CANARY_HALTED && current && !current->is_failed &&
        c->is.release == current->number)
        canary_again(p);
    if (!c || !canary_is_open(&c->is))
        return;
    if (current->is_failed) {
        end(c, CANARY_HALTED, why_failed(current));
        return;
    }
    if (!c->terms.is_set || !base) {
        promote(c, base && c->is.is_shadow ? "No shadow is set any more."
                   : base                  ? "No canary is set any more."
                                           : "There is no release beside it any more.");
        return;
    }
    if (c->terms.is_shadow != c->is.is_shadow) { /* the one follows the other */
        shadow_stops(p);
        begin(c, c->is.base);
    }
    if (c->is.state == CANARY_OVER && !goes_on(c))
        return;
    is_ready = lane_count(current->lane, INSTANCE_READY) > 0;
    if (is_ready && !c->is.began_at) {
        c->is.began_at = loop_wall_ms(p->fleet->loop);
        save(c);
    }
    give_back(p, base, is_ready);
    judge(c, is_ready, out_change);
    shadow_dispatch(p);
}
