/* SPDX-License-Identifier: Apache-2.0 */
/* The decision is taken afresh each time from what is (level-triggered): for each lane the number
 * of instances it should have, then boots where there are fewer, drains where there are more.
 * Draining instances still hold their place, so that the maximum is never passed. */
#include "core/scale.h"

struct count {
    int live; /* booting and ready */
    int ready;
    int all;  /* draining ones too */
    int busy; /* predictions in flight on live instances */
};

static struct count count_lane(const struct scale_lane *l)
{
    struct count c = { 0 };

    for (size_t i = 0; i < l->n; i++) {
        const struct scale_instance *in = &l->instances[i];

        c.all++;
        if (in->state == SCALE_DRAINING)
            continue;
        c.live++;
        c.busy += in->in_flight;
        if (in->state == SCALE_READY)
            c.ready++;
    }
    return c;
}

static const struct {
    const char *name, *why;
} CAUSES[SCALE_CAUSES] = {
    [SCALE_FOR_QUEUE] = { "queue", "predictions wait" },
    [SCALE_FOR_RATE] = { "rate", "predictions come faster" },
    [SCALE_FOR_FIRST] = { "first", "predictions wait" },
    [SCALE_FOR_MINIMUM] = { "minimum", "below the minimum" },
    [SCALE_FOR_RETURN] = { "return", "the next prediction is due" },
    [SCALE_FOR_PROOF] = { "proof", "a new release" },
    [SCALE_SINCE_IDLE] = { "idle", "idle" },
    [SCALE_SINCE_REPLACED] = { "replaced", "replaced by a newer release" },
    [SCALE_SINCE_MAXIMUM] = { "maximum", "above the maximum" },
    [SCALE_SINCE_PLACE] = { "place", "gives up its place" },
    [SCALE_SINCE_DISABLED] = { "disabled", "disabled" },
    [SCALE_SINCE_FAILED] = { "failed", "its release has failed" },
};

const char *scale_cause_name(enum scale_cause c)
{
    return CAUSES[c].name;
}

static void add(struct scale_plan *out, enum scale_cause cause, size_t lane, const char *instance)
{
    if (out->n == SCALE_MAX_ACTIONS)
        return;
    out->to += instance ? -1 : 1;
    out->actions[out->n++] = (struct scale_action){
        .verb = instance ? SCALE_DRAIN : SCALE_BOOT,
        .lane = lane,
        .instance = instance,
        .cause = cause,
        .why = CAUSES[cause].why,
    };
}

static bool is_planned(const struct scale_plan *out, const char *instance)
{
    for (size_t i = 0; i < out->n; i++)
        if (out->actions[i].instance == instance)
            return true;
    return false;
}

static void look_again(struct scale_plan *out, int64_t at)
{
    if (at < out->look_again_at)
        out->look_again_at = at;
}

/* The current lane has taken over once it is ready; until then the others keep the minimum up. */
static bool current_is_ready(const struct scale_view *v)
{
    for (size_t i = 0; i < v->n_lanes; i++)
        if (v->lanes[i].is_current && count_lane(&v->lanes[i]).ready > 0)
            return true;
    return false;
}

/* The fewest instances a lane keeps when nothing waits and nothing runs. */
static int lane_floor(const struct scale_view *v, size_t at, bool taken_over)
{
    const struct scale_lane *l = &v->lanes[at];

    if (l->is_current)
        return MAX(v->min, l->must_prove ? 1 : 0);
    if (l->serves)
        return v->min;
    if (l->is_failed || l->tries)
        return l->is_failed ? 0 : 1;
    /* An older lane serves until the new one can. */
    return taken_over ? 0 : MIN(v->min, count_lane(l).live);
}

/* In a deployment new predictions go to one lane: the current one, or the one that stands in. */
static bool takes_new(const struct scale_view *v, size_t at)
{
    return v->learned &&
           (v->lanes[at].serves || (v->lanes[at].is_current && !v->lanes[at].is_failed));
}

/* What a lane's work asks for. */
static int lane_work(const struct scale_view *v, size_t at, const struct scale_plan *out)
{
    const struct scale_lane *l = &v->lanes[at];
    struct scale_need need;

    if (!v->learned)
        return (l->waiting + count_lane(l).busy + l->slots - 1) / l->slots;
    if (takes_new(v, at))
        return out->need.n;
    scale_need(v, l, false, &need);
    return need.n;
}

static int lane_wanted(const struct scale_view *v, size_t at, bool taken_over,
                       const struct scale_plan *out)
{
    const struct scale_lane *l = &v->lanes[at];
    struct count c = count_lane(l);
    int wanted = MAX(lane_work(v, at, out), lane_floor(v, at, taken_over));

    if (l->is_failed)
        wanted = MIN(wanted, c.live);
    return MIN(wanted, v->max);
}

static void drain_everything(const struct scale_view *v, struct scale_plan *out)
{
    for (size_t i = 0; i < v->n_lanes; i++)
        for (size_t k = 0; k < v->lanes[i].n; k++)
            if (v->lanes[i].instances[k].state != SCALE_DRAINING)
                add(out, SCALE_SINCE_DISABLED, i, v->lanes[i].instances[k].id);
}

/* The instance of a lane that is missed least: idle and longest so, else the least busy.
 * `only_idle` gives NULL when all work. Booting ones are given up first where nothing waits for
 * them. */
static const struct scale_instance *least_missed(const struct scale_lane *l,
                                                 const struct scale_plan *out, bool only_idle)
{
    const struct scale_instance *best = NULL;

    for (size_t i = 0; i < l->n; i++) {
        const struct scale_instance *in = &l->instances[i];

        if (in->state == SCALE_DRAINING || is_planned(out, in->id))
            continue;
        if (only_idle && in->in_flight > 0)
            continue;
        if (!best || in->in_flight < best->in_flight ||
            (in->in_flight == best->in_flight && in->idle_since < best->idle_since))
            best = in;
    }
    return best;
}

/* When the last of `live` instances, which nothing needs, has been kept long enough. */
static int64_t kept_until(const struct scale_view *v, int live, const struct scale_instance *in)
{
    const struct scale_learned *a = v->learned;
    struct scale_keep keep;
    int64_t since;

    if (v->keep_alive_ms != SCALE_KEEP_AUTO)
        return MAX(in->idle_since + v->keep_alive_ms, a->blind_until);
    since = a->below_since[MIN(live, SCALE_LEVELS) - 1];
    since = since < 0 ? -since : since > 0 ? since : v->now;
    scale_keep(a, live, scale_boot_ms(a), v->target_wait_ms, &keep);
    if (live == 1 && keep.again_at && v->now >= since + keep.again_at)
        return MAX(since + keep.until, a->blind_until);
    return MAX(since + keep.for_ms, a->blind_until);
}

/* Idle instances above what the lane wants go when they have been kept long enough; those of a
 * replaced lane at once. With several slots to an instance one that works is stopped too: the
 * others take what comes, and it ends when it has done what it does. */
static void drain_idle(const struct scale_view *v, size_t at, int wanted, bool taken_over,
                       struct scale_plan *out)
{
    const struct scale_lane *l = &v->lanes[at];
    bool replaced = !l->is_current && !l->tries && (taken_over || l->is_failed);
    bool learned = takes_new(v, at) && !replaced;
    int live = count_lane(l).live;

    for (size_t i = 0; i < l->n; i++)
        live -= is_planned(out, l->instances[i].id);
    for (; live > wanted; live--) {
        const struct scale_instance *in =
            least_missed(l, out, !learned || l->slots == 1 || l->waiting > 0);
        int64_t until;

        if (!in)
            return;
        if (in->state == SCALE_BOOTING && l->is_current)
            return; /* it is nearly there; it may go when it is idle */
        until = learned ? kept_until(v, live, in) : in->idle_since + v->idle_timeout_ms;
        if (!replaced && v->now < until) {
            look_again(out, until);
            return;
        }
        add(out,
            !replaced      ? SCALE_SINCE_IDLE
            : l->is_failed ? SCALE_SINCE_FAILED
                           : SCALE_SINCE_REPLACED,
            at, in->id);
    }
}

/* More than may be (the maximum was lowered, a release took over): the surplus goes, working ones
 * as soon as they have done what they do. Older lanes give first. */
static void drain_surplus(const struct scale_view *v, int allowed, struct scale_plan *out)
{
    int over = -allowed;

    for (size_t i = 0; i < v->n_lanes; i++)
        over += count_lane(&v->lanes[i]).live;
    for (int current = 0; current <= 1; current++) {
        for (size_t i = 0; i < v->n_lanes; i++) {
            const struct scale_lane *l = &v->lanes[i];
            int own = count_lane(l).live - v->max;

            if (l->is_current != (current == 1))
                continue;
            for (; over > 0 || own > 0; over--, own--) {
                const struct scale_instance *in = least_missed(l, out, false);

                if (!in)
                    break;
                add(out, SCALE_SINCE_MAXIMUM, i, in->id);
            }
        }
    }
}

/* Whether an instance may be taken from a lane that has work of its own: not before it had its
 * turn, or two lanes would take the place from each other for ever and neither get anything done.
 */
static bool had_its_turn(const struct scale_view *v, const struct scale_lane *l,
                         const struct scale_instance *in, struct scale_plan *out)
{
    if (l->waiting == 0 && in->in_flight == 0)
        return true;
    if (in->state != SCALE_READY)
        return false;
    if (v->now < in->ready_since + v->fair_after_ms) {
        look_again(out, in->ready_since + v->fair_after_ms);
        return false;
    }
    return true;
}

/* A lane that has work (or must prove itself) but no place takes one from a lane that can spare it.
 */
static void make_place(const struct scale_view *v, size_t for_lane, struct scale_plan *out)
{
    const struct scale_lane *l = &v->lanes[for_lane];
    const struct scale_instance *pick = NULL;
    size_t from = 0;
    bool waited = l->waiting > 0 && v->now >= l->oldest_waiting + v->fair_after_ms;
    bool forced = waited || (l->is_current && l->must_prove);

    if (l->yields) /* it takes what is free */
        return;
    for (size_t i = 0; i < out->n; i++)
        if (out->actions[i].verb == SCALE_DRAIN)
            return; /* a place will be free */
    for (size_t i = 0; i < v->n_lanes; i++) {
        const struct scale_lane *other = &v->lanes[i];
        const struct scale_instance *in;

        for (size_t k = 0; k < other->n; k++)
            if (other->instances[k].state == SCALE_DRAINING)
                return;                         /* a place is on its way */
        if (i == for_lane || other->must_prove) /* taken back at once, and so on for ever */
            continue;
        if (l->tries && count_lane(other).live < 2) /* the last one serves */
            continue;
        in = least_missed(other, out, other->waiting > 0 || !forced);
        if (!in || (in->in_flight == 0 && other->waiting > 0 && !forced))
            in = forced ? least_missed(other, out, false) : NULL;
        if (in && !l->must_prove && !had_its_turn(v, other, in, out))
            in = NULL;
        if (in && (!pick || in->in_flight < pick->in_flight)) {
            pick = in;
            from = i;
        }
    }
    if (pick)
        add(out, SCALE_SINCE_PLACE, from, pick->id);
    else if (l->waiting > 0 && !waited)
        look_again(out, l->oldest_waiting + v->fair_after_ms);
}

/* More instances for those who wait come before one for a shadow. */
static void take_shadow_place(const struct scale_view *v, struct scale_plan *out)
{
    const struct scale_instance *in;

    for (size_t i = 0; i < v->n_lanes; i++) {
        if (count_lane(&v->lanes[i]).all > count_lane(&v->lanes[i]).live)
            return; /* a place is on its way */
        if (!v->lanes[i].yields)
            continue;
        in = least_missed(&v->lanes[i], out, false);
        if (in)
            add(out, SCALE_SINCE_PLACE, i, in->id);
        return;
    }
}

static int boots_now(const struct scale_view *v, const struct scale_lane *l, int missing,
                     struct scale_plan *out)
{
    if (missing <= 0 || l->is_failed)
        return 0;
    if (v->now < l->retry_at) {
        look_again(out, l->retry_at);
        return 0;
    }
    if (l->failures > 0) /* one try at a time while boots fail */
        return count_lane(l).live > count_lane(l).ready ? 0 : 1;
    return missing;
}

/* Whether a lane takes a free place before another one: what has to prove itself, then whoever went
 * without for the longest time. */
static bool comes_before(const struct scale_view *v, size_t a, size_t b)
{
    const struct scale_lane *x = &v->lanes[a], *y = &v->lanes[b];
    int64_t x_served = count_lane(x).live > 0 ? v->now : x->served_at;
    int64_t y_served = count_lane(y).live > 0 ? v->now : y->served_at;

    if (x->yields != y->yields)
        return y->yields;
    if (x->must_prove != y->must_prove)
        return x->must_prove;
    if (x_served != y_served)
        return x_served < y_served;
    if (x->oldest_waiting != y->oldest_waiting)
        return x->oldest_waiting < y->oldest_waiting;
    return a < b;
}

/* The lane whose turn comes after `last` (n_lanes: the first one); n_lanes when that was the last.
 */
static size_t next_lane(const struct scale_view *v, size_t last)
{
    size_t best = v->n_lanes;

    for (size_t i = 0; i < v->n_lanes; i++) {
        if (last < v->n_lanes && !comes_before(v, last, i))
            continue;
        if (best == v->n_lanes || comes_before(v, i, best))
            best = i;
    }
    return best;
}

/* With nothing there and nothing to do: the first instance may be worth having back before it is
 * asked for. */
static void expect_return(const struct scale_view *v, struct scale_plan *out)
{
    const struct scale_learned *a = v->learned;
    int64_t since = a->below_since[0]; /* an unknown one tells of no return */
    struct scale_keep keep;

    if (out->need.n > 0 || out->need.live > 0 || since <= 0 || v->keep_alive_ms != SCALE_KEEP_AUTO)
        return;
    scale_keep(a, 1, scale_boot_ms(a), v->target_wait_ms, &keep);
    if (!keep.again_at || v->now >= since + keep.until)
        return;
    if (v->now < since + keep.again_at) {
        look_again(out, since + keep.again_at);
        return;
    }
    out->need.n = 1;
    out->need.keep = keep;
    out->need.cause = SCALE_FOR_RETURN;
}

/* The need of the lane that takes new predictions. */
static void find_need(const struct scale_view *v, struct scale_plan *out)
{
    for (size_t i = 0; v->learned && i < v->n_lanes; i++)
        if (count_lane(&v->lanes[i]).live < v->max)
            look_again(out, scale_doubts_at(v, &v->lanes[i]));
    for (size_t i = 0; i < v->n_lanes; i++) {
        if (!takes_new(v, i))
            continue;
        scale_need(v, &v->lanes[i], true, &out->need);
        out->needed = MIN(out->need.n, v->max);
        expect_return(v, out);
        return;
    }
}

static enum scale_cause cause_of(const struct scale_view *v, size_t at, int live, bool taken_over,
                                 const struct scale_plan *out)
{
    const struct scale_lane *l = &v->lanes[at];

    if (l->waiting == 0 && (l->must_prove || (l->tries && live == 0)))
        return SCALE_FOR_PROOF;
    if (live < lane_floor(v, at, taken_over) && (l->waiting == 0 || v->learned))
        return SCALE_FOR_MINIMUM;
    if (takes_new(v, at))
        return out->need.cause;
    return live == 0 ? SCALE_FOR_FIRST : SCALE_FOR_QUEUE;
}

static bool current_has_place(const struct scale_view *v)
{
    for (size_t i = 0; i < v->n_lanes; i++)
        if (v->lanes[i].is_current && count_lane(&v->lanes[i]).all > 0)
            return true;
    return false;
}

static void boot_lane(const struct scale_view *v, size_t at, bool taken_over, int *total,
                      int allowed, struct scale_plan *out)
{
    const struct scale_lane *l = &v->lanes[at];
    int live = count_lane(l).live, missing = lane_wanted(v, at, taken_over, out) - live;
    int boots = boots_now(v, l, missing, out);

    if (l->tries && !current_has_place(v))
        allowed--;
    if (missing > 0 && l->no_capacity && !l->is_failed && live == 0)
        make_place(v, at, out);
    for (; boots > 0; boots--, live++, ++*total) {
        if (*total >= allowed) {
            if (count_lane(l).live == 0)
                make_place(v, at, out);
            else if (l->is_current)
                take_shadow_place(v, out);
            break;
        }
        add(out, cause_of(v, at, live, taken_over, out), at, NULL);
    }
}

void scale_decide(const struct scale_view *v, struct scale_plan *out)
{
    bool taken_over = current_is_ready(v);
    int total = 0, n_busy_lanes = 0, allowed;

    *out = (struct scale_plan){ .look_again_at = INT64_MAX };
    for (size_t i = 0; i < v->n_lanes; i++)
        out->from += count_lane(&v->lanes[i]).live;
    out->to = out->from;
    if (v->max == 0) {
        drain_everything(v, out);
        return;
    }
    find_need(v, out);
    for (size_t i = 0; i < v->n_lanes; i++) {
        total += count_lane(&v->lanes[i]).all;
        n_busy_lanes += v->lanes[i].n > 0 || lane_wanted(v, i, taken_over, out) > 0;
        n_busy_lanes += v->lanes[i].tries; /* and the one that it tries to follow */
    }
    allowed = v->max + (n_busy_lanes > 1 ? v->surge : 0);
    drain_surplus(v, allowed, out);
    for (size_t i = 0; i < v->n_lanes; i++)
        drain_idle(v, i, lane_wanted(v, i, taken_over, out), taken_over, out);
    for (size_t i = next_lane(v, v->n_lanes); i < v->n_lanes; i = next_lane(v, i))
        boot_lane(v, i, taken_over, &total, allowed, out);
}

int64_t scale_backoff_ms(int failures)
{
    int64_t ms = 500;

    for (int i = 1; i < failures && ms < 60000; i++)
        ms *= 2;
    return MIN(ms, 60000);
}
