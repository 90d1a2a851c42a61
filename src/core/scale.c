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

static void add(struct scale_plan *out, enum scale_verb verb, size_t lane, const char *instance,
                const char *why)
{
    if (out->n < SCALE_MAX_ACTIONS)
        out->actions[out->n++] = (struct scale_action){
            .verb = verb,
            .lane = lane,
            .instance = instance,
            .why = why,
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
    /* An older lane serves until the new one can. */
    return taken_over ? 0 : MIN(v->min, count_lane(l).live);
}

static int lane_wanted(const struct scale_view *v, size_t at, bool taken_over)
{
    const struct scale_lane *l = &v->lanes[at];
    struct count c = count_lane(l);
    int for_work = (l->waiting + c.busy + l->slots - 1) / l->slots;
    int wanted = MAX(for_work, lane_floor(v, at, taken_over));

    if (l->is_failed)
        wanted = MIN(wanted, c.live);
    return MIN(wanted, v->max);
}

static void drain_everything(const struct scale_view *v, struct scale_plan *out)
{
    for (size_t i = 0; i < v->n_lanes; i++)
        for (size_t k = 0; k < v->lanes[i].n; k++)
            if (v->lanes[i].instances[k].state != SCALE_DRAINING)
                add(out, SCALE_DRAIN, i, v->lanes[i].instances[k].id, "disabled");
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

/* Idle instances above what the lane wants go after the idle timeout; those of a replaced lane at
 * once. */
static void drain_idle(const struct scale_view *v, size_t at, int wanted, bool taken_over,
                       struct scale_plan *out)
{
    const struct scale_lane *l = &v->lanes[at];
    int over = count_lane(l).live - wanted;

    for (size_t i = 0; i < l->n; i++)
        over -= is_planned(out, l->instances[i].id);
    while (over > 0) {
        const struct scale_instance *in = least_missed(l, out, true);
        bool replaced = !l->is_current && taken_over;

        if (!in)
            return;
        if (in->state == SCALE_BOOTING && l->is_current)
            return; /* it is nearly there; it may go when it is idle */
        if (!replaced && v->now < in->idle_since + v->idle_timeout_ms) {
            look_again(out, in->idle_since + v->idle_timeout_ms);
            return;
        }
        add(out, SCALE_DRAIN, at, in->id, replaced ? "replaced by a newer release" : "idle");
        over--;
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
                add(out, SCALE_DRAIN, i, in->id, "above the maximum");
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
        add(out, SCALE_DRAIN, from, pick->id, "gives up its place");
    else if (l->waiting > 0 && !waited)
        look_again(out, l->oldest_waiting + v->fair_after_ms);
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

void scale_decide(const struct scale_view *v, struct scale_plan *out)
{
    bool taken_over = current_is_ready(v);
    int total = 0, n_busy_lanes = 0, allowed;

    *out = (struct scale_plan){ .look_again_at = INT64_MAX };
    if (v->max == 0) {
        drain_everything(v, out);
        return;
    }
    for (size_t i = 0; i < v->n_lanes; i++) {
        total += count_lane(&v->lanes[i]).all;
        n_busy_lanes += v->lanes[i].n > 0 || lane_wanted(v, i, taken_over) > 0;
    }
    allowed = v->max + (n_busy_lanes > 1 ? v->surge : 0);
    drain_surplus(v, allowed, out);
    for (size_t i = 0; i < v->n_lanes; i++)
        drain_idle(v, i, lane_wanted(v, i, taken_over), taken_over, out);
    for (size_t i = next_lane(v, v->n_lanes); i < v->n_lanes; i = next_lane(v, i)) {
        const struct scale_lane *l = &v->lanes[i];
        int missing = lane_wanted(v, i, taken_over) - count_lane(l).live;
        int boots = boots_now(v, l, missing, out);

        if (missing > 0 && l->no_capacity && !l->is_failed && count_lane(l).live == 0)
            make_place(v, i, out);
        for (; boots > 0; boots--, total++) {
            if (total >= allowed) {
                if (count_lane(l).live == 0)
                    make_place(v, i, out);
                break;
            }
            add(out, SCALE_BOOT, i, NULL,
                l->waiting > 0  ? "predictions wait"
                : l->must_prove ? "a new release"
                                : "below the minimum");
        }
    }
}

int64_t scale_backoff_ms(int failures)
{
    int64_t ms = 500;

    for (int i = 1; i < failures && ms < 60000; i++)
        ms *= 2;
    return MIN(ms, 60000);
}

int rollout_choose(const struct rollout_release *releases, size_t n)
{
    int fallback = -1;

    if (n == 0)
        return -1;
    for (size_t i = 1; i < n && fallback < 0; i++)
        if (!releases[i].is_failed && (releases[i].was_ready || releases[i].lane_live > 0))
            fallback = (int)i;
    if (releases[0].is_failed)
        return fallback;
    if (releases[0].was_ready || releases[0].lane_ready > 0)
        return 0;
    /* Not ready yet: an older release that has instances goes on taking them. */
    for (size_t i = 1; i < n; i++)
        if (!releases[i].is_failed && releases[i].lane_ready > 0)
            return (int)i;
    return 0;
}
