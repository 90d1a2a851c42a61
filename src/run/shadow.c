/* SPDX-License-Identifier: Apache-2.0 */
/* A copy begins when its prediction does, after it. It is over when both have answered and were
 * compared, or when it is dropped; one that runs then is canceled, and goes when its run has ended.
 *
 * Its run is always the short one: it ends with our connection, and no other server looks for it.
 */
#include "run/shadow.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/canary.h"
#include "run/scaling.h"
#include "run/shadow_impl.h"
#include "store/file.h"

#include <assert.h>
#include <stdlib.h>

enum { SILENT_END_MS = 3000 /* how long the driver has to tell what became of a run's instance */ };

static void on_age(struct timer *t);

void shadow_new(struct pool *p)
{
    struct shadow *s = xnew(struct shadow);

    s->pool = p;
    list_init(&s->copies);
    timer_init(p->fleet->loop, &s->age, on_age);
    p->shadow = s;
}

/* --- examples lose their values --- */

static void age(struct shadow *s)
{
    int64_t retention = s->pool->fleet->options->retention, now = loop_wall_ms(s->age.loop);
    int64_t oldest;

    timer_stop(&s->age);
    if (!retention)
        return;
    if (shadow_erase(&s->report, now - retention, NULL))
        canary_save(s->pool);
    oldest = shadow_oldest(&s->report);
    if (oldest)
        timer_start(&s->age, MAX(oldest + retention - now, 1));
}

static void on_age(struct timer *t)
{
    age(container_of(t, struct shadow, age));
}

static struct shadow_copy *find_copy(const struct pool *p, const char *prediction_id)
{
    struct shadow_copy *c;

    if (p->shadow)
        list_each (&p->shadow->copies, c, struct shadow_copy, node)
            if (strcmp(c->of, prediction_id) == 0)
                return c;
    return NULL;
}

void shadow_forget(struct fleet *f, const char *prediction_id)
{
    struct pool *p;

    for (size_t at = 0; map_next(&f->pools, &at, NULL, (void **)&p);) {
        struct shadow_copy *c = find_copy(p, prediction_id);

        if (c)
            c->is_erased = true;
        if (p->shadow && shadow_erase(&p->shadow->report, 0, prediction_id))
            canary_save(p);
    }
}

/* --- the end of a copy --- */

static void copy_free(struct shadow_copy *c)
{
    assert(!c->has_run && !c->instance);
    timer_stop(&c->timer);
    list_remove(&c->node);
    c->shadow->n_copies--;
    free(c->base_url);
    free(c->input);
    free((char *)(uintptr_t)c->old.output.p);
    free((char *)(uintptr_t)c->new.output.p);
    free(c->old.error);
    free(c->new.error);
    free(c);
}

void shadow_copy_over(struct shadow_copy *c)
{
    struct lane *l = c->lane;

    copy_free(c);
    lane_release(l);
}

/* Off its instance, whose place is free then. */
void shadow_copy_leave(struct shadow_copy *c)
{
    struct instance *in = c->instance;

    if (!in)
        return;
    c->instance = NULL;
    list_remove(&c->run_node);
    in->n_copies--;
    pool_wake(in->lane->pool);
}

static void on_inputs_expired(struct store_op *op)
{
    struct fleet *f = op->user;

    if (op->status != STATUS_OK)
        log_error("the copies of inputs could not be given up", LOG_ERR(&op->error));
    files_wake(f->files);
    files_release(f->files);
    store_op_deinit(op);
    free(op);
}

/* The files of its input: where their prediction has ended before, they served the copy only. */
static void give_up_inputs(struct shadow_copy *c)
{
    struct fleet *f = c->shadow->pool->fleet;
    struct store_file_expire_inputs *op;

    if (!c->capability[0] || !c->old.is_known || f->files->is_stopping)
        return;
    op = xnew(struct store_file_expire_inputs);
    op->op.user = f;
    op->prediction_id = store_keep(&op->op, str_of(c->of));
    files_hold(f->files);
    store_start(f->store, &op->op, &STORE_FILE_EXPIRE_INPUTS, on_inputs_expired);
    c->capability[0] = '\0';
}

static void count_drop(struct shadow *s, enum shadow_drop why)
{
    s->report.dropped[why]++;
    canary_save_soon(s->pool);
    tell_pool(s->pool);
}

void shadow_copy_drop(struct shadow_copy *c, enum shadow_drop why)
{
    if (c->is_dropped || c->is_judged)
        return;
    c->is_dropped = true;
    c->shadow->report.copied--;
    count_drop(c->shadow, why);
    if (!c->new.is_known)
        give_up_inputs(c);
    if (!c->instance) {
        shadow_copy_over(c);
        return;
    }
    timer_start(&c->timer, c->shadow->pool->fleet->options->cancel_grace);
    if (c->has_run && !c->is_canceled)
        run_cancel(&c->run);
    c->is_canceled = true;
}

void shadow_judged(struct shadow_copy *c, const struct shadow_verdict *v)
{
    struct canary *is = &c->shadow->pool->canary->is;
    struct shadow_report *r = &c->shadow->report;
    struct shadow_example how = {
        .at = loop_wall_ms(c->timer.loop),
        .is_masked = c->is_masked,
        .is_erased = c->is_erased,
        .old_seconds = c->old.seconds,
        .new_seconds = c->new.seconds,
    };

    (void)snprintf(how.prediction, sizeof(how.prediction), "%s", c->of);
    shadow_count(r, v, c->new.failed, &how);
    if (is->is_shadow && c->old.seconds >= 0)
        canary_ended(is, CANARY_OLD, c->old.failed, (int64_t)(c->old.seconds * 1000));
    if (is->is_shadow && c->new.seconds >= 0)
        canary_ended(is, CANARY_NEW, c->new.failed, (int64_t)(c->new.seconds * 1000));
    canary_save_soon(c->shadow->pool);
    tell_pool(c->shadow->pool);
    age(c->shadow);
    shadow_copy_over(c);
}

static void judge_if_ready(struct shadow_copy *c)
{
    if (!c->old.is_known || !c->new.is_known || c->is_dropped)
        return;
    timer_stop(&c->timer);
    c->is_judged = true;
    shadow_judge(c);
}

static void fill(struct copy_answer *a, bool failed, struct str output, const char *error,
                 double seconds)
{
    *a = (struct copy_answer){ .is_known = true, .failed = failed, .seconds = seconds };
    if (output.p && !failed)
        a->output = str_make(str_dup(output), output.n);
    a->error = failed ? xstrdup(error) : NULL;
}

/* The new release has answered, or failed to. */
void shadow_copy_answered(struct shadow_copy *c, bool failed, struct str output, const char *error,
                          double seconds)
{
    shadow_copy_leave(c);
    if (c->is_dropped) {
        shadow_copy_over(c);
        return;
    }
    give_up_inputs(c);
    fill(&c->new, failed, output, error, seconds);
    judge_if_ready(c);
}

/* --- its beginning --- */

/* What the prediction was asked, as its instance got it, but without what only the old version's
 * schema added. NULL: the new version does not take that, and it is said why. */
static char *input_for(const struct prediction *p, const struct version *v,
                       struct shadow_verdict *out_refused)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct buf out = BUF_INIT(BUF_UNBOUNDED);
    struct json *input, *asked = NULL, **at;
    struct input_problem *bad;
    struct error err;

    if (str_eq(p->lane->version->schema_text, v->schema_text))
        return xstrdup(p->normal_input);
    if (json_parse(&a, str_of(p->normal_input), NULL, &input, &err) != STATUS_OK)
        return xstrdup(p->normal_input);
    if (p->input && json_parse(&a, str_of(p->input), NULL, &asked, &err) != STATUS_OK)
        asked = NULL;
    for (at = &input->child; asked && *at;) {
        if (json_get_str(asked, (*at)->key)) {
            at = &(*at)->next;
        } else {
            *at = (*at)->next;
            input->n--;
        }
    }
    bad = input_validate(v->schema, &a, input);
    if (bad) {
        shadow_refused(out_refused, bad->field, bad->description);
        return NULL;
    }
    input_normalize(v->schema, input, &out);
    return buf_take(&out);
}

static void make(struct shadow *s, const struct prediction *p, struct lane *l)
{
    struct fleet *f = s->pool->fleet;
    struct shadow_copy *c = xnew(struct shadow_copy);
    struct shadow_verdict refused;

    c->shadow = s;
    c->lane = l;
    lane_hold(l);
    id_make(&f->ids, loop_wall_ms(f->loop), c->id);
    (void)snprintf(c->of, sizeof(c->of), "%s", p->id);
    c->base_url = xstrdup(p->row.base_url);
    c->is_masked = p->secret_input != NULL;
    if (p->files)
        (void)snprintf(c->capability, sizeof(c->capability), "%s", p->instance->capability);
    list_init(&c->run_node);
    list_push(&s->copies, &c->node);
    s->n_copies++;
    s->report.copied++;
    timer_init(f->loop, &c->timer, shadow_copy_on_timer);
    c->old.seconds = c->new.seconds = -1;
    c->input = input_for(p, l->version, &refused);
    if (!c->input) {
        c->capability[0] = '\0';
        shadow_judged(c, &refused);
        return;
    }
    timer_start(&c->timer, f->options->run_timeout);
    shadow_dispatch(s->pool);
}

static bool is_copied(const struct prediction *p)
{
    const struct pool *pool = p->lane->pool;
    const struct release *base = pool->canary ? canary_base(pool) : NULL;

    return base && base->lane == p->lane && shadow_has(pool, pool_current(pool)->lane) &&
           p->row.attempt == 1 && p->normal_input && !find_copy(pool, p->id);
}

void shadow_began(struct prediction *p)
{
    struct pool *pool = p->lane->pool;
    struct canary_live *c = pool->canary;
    struct shadow *s = pool->shadow;
    struct lane *l;

    if (!is_copied(p) || !canary_copies(&c->is, &c->terms))
        return;
    l = pool_current(pool)->lane;
    if (s->n_copies >= canary_term(&c->terms, SHADOW_COPIES))
        count_drop(s, SHADOW_DROP_BUSY);
    else if (lane_count(l, INSTANCE_READY) == 0)
        count_drop(s, SHADOW_DROP_NOT_READY);
    else if (strlen(p->normal_input) > (size_t)pool->fleet->options->shadow_max_input)
        count_drop(s, SHADOW_DROP_TOO_LARGE);
    else
        make(s, p, l);
    canary_save_soon(pool);
}

void shadow_answered(struct prediction *p)
{
    struct shadow_copy *c = find_copy(p->lane->pool, p->id);
    enum prediction_status s = p->row.status;

    if (!c || c->old.is_known)
        return;
    if (s != PREDICTION_SUCCEEDED && s != PREDICTION_FAILED) {
        shadow_copy_drop(c, SHADOW_DROP_CANCELED);
        return;
    }
    fill(&c->old, s == PREDICTION_FAILED, p->row.output, p->row.error, p->row.predict_time);
    judge_if_ready(c);
}

bool shadow_needs_inputs(const struct prediction *p, enum prediction_status s)
{
    const struct shadow_copy *c = find_copy(p->lane->pool, p->id);

    return c && c->capability[0] && !c->new.is_known && !c->is_dropped &&
           (s == PREDICTION_SUCCEEDED || s == PREDICTION_FAILED);
}

/* --- all of it --- */

bool shadow_has(const struct pool *p, const struct lane *l)
{
    return p->canary && p->canary->is.is_shadow && canary_has(p, l);
}

void shadow_starts(struct pool *p, int64_t release, int64_t base)
{
    struct lane *l = pool_current(p)->lane;
    int live = pool_live(p);
    int booted = lane_count(l, INSTANCE_BOOTING) + lane_count(l, INSTANCE_READY);
    struct instance *in;

    shadow_stops(p);
    shadow_begin(&p->shadow->report, release, base);
    if (booted > 0)
        scaling_stopped(p, live, live - booted, "shadow",
                        "instances of a release that is a shadow now boot anew, so that what they "
                        "upload is shown to nobody");
    /* What its instances upload would be nobody's: they boot so that files come in the answer. */
    list_each (&l->instances, in, struct instance, node)
        if (in->state == INSTANCE_BOOTING || in->state == INSTANCE_READY)
            instance_drain(in, "its release is a shadow now");
}

void shadow_stops(struct pool *p)
{
    struct shadow_copy *c;

    list_each (&p->shadow->copies, c, struct shadow_copy, node)
        shadow_copy_drop(c, SHADOW_DROP_LOST);
}

void shadow_resume(struct pool *p, const char *stored)
{
    struct shadow_report *r = &p->shadow->report;
    int64_t lost;

    if (!stored)
        return;
    if (!shadow_read(r, str_of(stored)))
        log_warning("what is stored of a deployment's shadow cannot be read",
                    LOG_S("deployment", p->name));
    lost = MAX(r->copied - r->same - r->differ, 0);
    r->copied -= lost;
    r->dropped[SHADOW_DROP_LOST] += lost;
    age(p->shadow);
}

void shadow_free(struct pool *p)
{
    struct shadow_copy *c;

    if (!p->shadow)
        return;
    timer_stop(&p->shadow->age);
    list_each (&p->shadow->copies, c, struct shadow_copy, node)
        copy_free(c);
    free(p->shadow);
    p->shadow = NULL;
}
