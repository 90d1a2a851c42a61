/* SPDX-License-Identifier: Apache-2.0 */
/* Which predictions are the new release's is no matter of chance: its share adds up, and whenever
 * that comes to a whole one it has the next, so that a tenth of twenty is two. */
#include "core/canary.h"

#include "base/compiler.h"
#include "core/decimal.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const STATE_NAMES[CANARY_STATES] = {
    [CANARY_NONE] = "none",     [CANARY_ON] = "on",     [CANARY_PROMOTED] = "promoted",
    [CANARY_HALTED] = "halted", [CANARY_OVER] = "over",
};

const char *canary_state_name(enum canary_state s)
{
    return STATE_NAMES[s];
}

void canary_begin(struct canary *c, int64_t release, int64_t base, bool is_shadow)
{
    *c = (struct canary){
        .state = CANARY_ON,
        .is_shadow = is_shadow,
        .release = release,
        .base = base,
    };
}

bool canary_is_open(const struct canary *c)
{
    return c->state == CANARY_ON || c->state == CANARY_OVER;
}

bool canary_is_due(const struct canary *c, const struct canary_terms *t)
{
    return c->state == CANARY_ON && !c->is_shadow &&
           c->due + canary_term(t, CANARY_SHARE) >= CANARY_WHOLE;
}

void canary_sent(struct canary *c, const struct canary_terms *t, enum canary_side to, bool can_take)
{
    if (c->state != CANARY_ON || c->is_shadow || !can_take)
        return;
    c->sides[to].requests++;
    c->due += canary_term(t, CANARY_SHARE) - (to == CANARY_NEW ? CANARY_WHOLE : 0);
    /* What it did not take is not made up for: the next one is its, and then its share. */
    c->due = MIN(c->due, CANARY_WHOLE - 1);
}

bool canary_copies(struct canary *c, const struct canary_terms *t)
{
    bool is_due;

    if (c->state != CANARY_ON || !c->is_shadow || !c->began_at)
        return false;
    c->due += canary_term(t, SHADOW_SHARE);
    is_due = c->due >= CANARY_WHOLE;
    c->due -= is_due ? CANARY_WHOLE : 0;
    return is_due;
}

void canary_ended(struct canary *c, enum canary_side on, bool failed, int64_t ran_ms)
{
    struct canary_count *n = &c->sides[on];

    if (c->state != CANARY_ON || !c->began_at)
        return;
    n->ended++;
    n->errors += failed;
    if (!failed)
        scale_hist_add(&n->ran, ran_ms);
}

int64_t canary_until(const struct canary *c, const struct canary_terms *t)
{
    enum canary_term seconds = c->is_shadow ? SHADOW_SECONDS : CANARY_SECONDS;

    return c->began_at ? c->began_at + 1000 * canary_term(t, seconds) : INT64_MAX;
}

int64_t canary_median_ms(const struct canary *c, enum canary_side side)
{
    return scale_hist_quantile(&c->sides[side].ran, 0.5);
}

/* The old release fails as often, by as many as are asked for: then it is not the new one. */
static bool is_excused(const struct canary *c, int64_t least)
{
    const struct canary_count *old = &c->sides[CANARY_OLD], *new = &c->sides[CANARY_NEW];

    return old->ended >= least && old->errors * new->ended >= new->errors * old->ended;
}

/* Before there are as many as are asked for, only when all that are missing could not help. */
static bool errs_too_often(const struct canary *c, const struct canary_terms *t, bool is_over)
{
    const struct canary_count *new = &c->sides[CANARY_NEW];
    int64_t least = canary_term(t, CANARY_MIN_REQUESTS);
    int64_t of = is_over ? new->ended : MAX(new->ended, least);

    return new->errors *CANARY_WHOLE > canary_term(t, CANARY_MAX_ERRORS) * of &&
           !is_excused(c, least);
}

static bool is_too_slow(const struct canary *c, const struct canary_terms *t)
{
    int64_t least = canary_term(t, CANARY_MIN_REQUESTS);
    int64_t old = canary_median_ms(c, CANARY_OLD), new = canary_median_ms(c, CANARY_NEW);

    /* Of runs of a few milliseconds the measure itself and the machine are most of it. */
    return c->sides[CANARY_NEW].ran.n >= MIN(least, SCALE_HIST_MOST) &&
           c->sides[CANARY_OLD].ran.n >= MIN(least, SCALE_HIST_MOST) &&
           new * 1000 > MAX(old, CANARY_GRAIN_MS) * canary_term(t, CANARY_MAX_LATENCY);
}

static void say_errors(const struct canary *c, const struct canary_terms *t,
                       char why[CANARY_WHY_SIZE])
{
    const struct canary_count *old = &c->sides[CANARY_OLD], *new = &c->sides[CANARY_NEW];
    char limit[48];

    decimal_format(canary_term(t, CANARY_MAX_ERRORS), 6, limit);
    (void)snprintf(why, CANARY_WHY_SIZE,
                   "%" PRId64 " of %" PRId64 " predictions failed on the new release, and %" PRId64
                   " of %" PRId64 " on the old one; max_error_rate is %s.",
                   new->errors, new->ended, old->errors, old->ended, limit);
}

static void say_slow(const struct canary *c, const struct canary_terms *t,
                     char why[CANARY_WHY_SIZE])
{
    char old[48], new[48], limit[48];

    decimal_format(canary_median_ms(c, CANARY_OLD), 3, old);
    decimal_format(canary_median_ms(c, CANARY_NEW), 3, new);
    decimal_format(canary_term(t, CANARY_MAX_LATENCY), 3, limit);
    (void)snprintf(why, CANARY_WHY_SIZE,
                   "Half of %" PRId64 " predictions ran for more than %s s on the new release, and "
                   "half of %" PRId64
                   " for more than %s s on the old one; max_latency_ratio is %s.",
                   c->sides[CANARY_NEW].ended, new, c->sides[CANARY_OLD].ended, old, limit);
}

/* What a shadow tells is for somebody to read. */
static enum canary_state judge_shadow(const struct canary_terms *t, bool is_over,
                                      char why[CANARY_WHY_SIZE])
{
    if (is_over)
        (void)snprintf(why, CANARY_WHY_SIZE,
                       "Its %" PRId64 " seconds are over. It waits to be promoted or halted.",
                       canary_term(t, SHADOW_SECONDS));
    return is_over ? CANARY_OVER : CANARY_ON;
}

enum canary_state canary_judge(const struct canary *c, const struct canary_terms *t, int64_t now,
                               bool is_ready, char why[CANARY_WHY_SIZE])
{
    bool is_over = now >= canary_until(c, t);

    why[0] = '\0';
    if (c->is_shadow)
        return judge_shadow(t, is_over, why);
    if (errs_too_often(c, t, is_over)) {
        say_errors(c, t, why);
        return CANARY_HALTED;
    }
    if (is_too_slow(c, t)) {
        say_slow(c, t, why);
        return CANARY_HALTED;
    }
    if (!is_over || !is_ready)
        return CANARY_ON;
    (void)snprintf(
        why, CANARY_WHY_SIZE,
        "Its %" PRId64 " seconds are over: %" PRId64 " of %" PRId64
        " predictions failed on it, and %" PRId64 " of %" PRId64 " on the release before.",
        canary_term(t, CANARY_SECONDS), c->sides[CANARY_NEW].errors, c->sides[CANARY_NEW].ended,
        c->sides[CANARY_OLD].errors, c->sides[CANARY_OLD].ended);
    return CANARY_PROMOTED;
}

/* --- over a restart --- */

static const char *const SIDE_KEYS[CANARY_SIDES] = { "old", "new" };

static void write_hist(const struct scale_hist *h, struct json_writer *w)
{
    json_begin_array(w);
    json_int(w, h->n);
    json_int(w, (int64_t)(h->mean_ms * 1000));
    for (int i = 0; i < SCALE_HIST_BUCKETS; i++)
        if (h->counts[i] > 0) {
            json_int(w, i);
            json_int(w, h->counts[i]);
        }
    json_end_array(w);
}

static bool read_hist(const struct json *v, struct scale_hist *h)
{
    int64_t bucket = -1, at = 0;

    json_each (v, member) {
        int64_t n;

        if (!json_to_i64(member, &n) || n < 0)
            return false;
        if (at == 0) {
            h->n = (uint32_t)MIN(n, SCALE_HIST_MOST);
        } else if (at == 1) {
            h->mean_ms = (double)n / 1000;
        } else if (at % 2 == 0) {
            bucket = n;
        } else if (bucket < SCALE_HIST_BUCKETS && n <= UINT16_MAX) {
            h->counts[bucket] = (uint16_t)n;
            h->total += (uint32_t)n;
        } else {
            return false;
        }
        at++;
    }
    return at >= 2 && at % 2 == 0;
}

void canary_write(const struct canary *c, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_string(&w, "state", canary_state_name(c->state));
    json_member_bool(&w, "is_shadow", c->is_shadow);
    json_member_int(&w, "release", c->release);
    json_member_int(&w, "base", c->base);
    json_member_int(&w, "began_at", c->began_at);
    json_member_int(&w, "ended_at", c->ended_at);
    json_member_int(&w, "due", c->due);
    json_member_string(&w, "why", c->why);
    for (size_t i = 0; i < CANARY_SIDES; i++) {
        json_key(&w, SIDE_KEYS[i]);
        json_begin_object(&w);
        json_member_int(&w, "requests", c->sides[i].requests);
        json_member_int(&w, "ended", c->sides[i].ended);
        json_member_int(&w, "errors", c->sides[i].errors);
        json_key(&w, "ran");
        write_hist(&c->sides[i].ran, &w);
        json_end_object(&w);
    }
    json_end_object(&w);
}

static bool read_side(const struct json *v, struct canary_count *out)
{
    return json_to_i64(json_get(v, "requests"), &out->requests) &&
           json_to_i64(json_get(v, "ended"), &out->ended) &&
           json_to_i64(json_get(v, "errors"), &out->errors) &&
           read_hist(json_get(v, "ran"), &out->ran);
}

bool canary_read(struct canary *c, struct str stored)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct canary read = { .state = CANARY_NONE };
    struct json *v;
    struct error err;
    bool ok = json_parse(&a, stored, NULL, &v, &err) == STATUS_OK;

    *c = read;
    if (!ok)
        return false;
    for (int i = 0; i < CANARY_STATES; i++)
        if (str_is(json_to_str(json_get(v, "state")), STATE_NAMES[i]))
            read.state = (enum canary_state)i;
    (void)json_to_bool(json_get(v, "is_shadow"), &read.is_shadow); /* not there before shadows */
    ok = json_to_i64(json_get(v, "release"), &read.release) &&
         json_to_i64(json_get(v, "base"), &read.base) &&
         json_to_i64(json_get(v, "began_at"), &read.began_at) &&
         json_to_i64(json_get(v, "ended_at"), &read.ended_at) &&
         json_to_i64(json_get(v, "due"), &read.due);
    for (size_t i = 0; ok && i < CANARY_SIDES; i++)
        ok = read_side(json_get(v, SIDE_KEYS[i]), &read.sides[i]);
    (void)snprintf(read.why, sizeof(read.why), "%.*s", STR_ARG(json_to_str(json_get(v, "why"))));
    if (ok)
        *c = read;
    return ok;
}
