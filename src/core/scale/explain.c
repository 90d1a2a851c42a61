/* SPDX-License-Identifier: Apache-2.0 */
/* One sentence for each decision: what changes, what was seen, what is wanted. */
#include "core/scale.h"

#include "base/buf.h"

/* "41 s", "0.5 s", "250 ms". */
static void add_seconds(struct buf *out, int64_t ms)
{
    if (ms < 1000)
        buf_addf(out, "%lld ms", (long long)ms);
    else if (ms < 20000 && ms % 1000 >= 50)
        buf_addf(out, "%.1f s", (double)ms / 1000);
    else
        buf_addf(out, "%lld s", (long long)(ms + 500) / 1000);
}

static void add_boot(struct buf *out, const struct scale_need *n)
{
    if (n->boot_ms < 0) {
        buf_adds(out, "; how long a boot takes is not known yet");
        return;
    }
    buf_adds(out, "; boots take ");
    add_seconds(out, n->boot_ms);
}

static void add_target(struct buf *out, const struct scale_need *n)
{
    buf_adds(out, "; target ");
    add_seconds(out, n->target_ms);
}

static void add_each(struct buf *out, const struct scale_need *n)
{
    if (n->service_ms < 0)
        return;
    buf_adds(out, ", ");
    add_seconds(out, n->service_ms);
    buf_adds(out, " each");
}

static void explain_queue(struct buf *out, const struct scale_need *n)
{
    buf_addf(out, "%d waiting", n->waiting);
    add_each(out, n);
    if (n->starts_within_ms != INT64_MAX) {
        buf_adds(out, ", would start within ");
        add_seconds(out, n->starts_within_ms);
    } else {
        buf_adds(out, " and no instance");
    }
    add_boot(out, n);
    add_target(out, n);
}

static void explain_rate(struct buf *out, const struct scale_need *n)
{
    buf_addf(out, "%.2g arrive a second", n->rate);
    add_each(out, n);
    buf_adds(out, ", and would wait ");
    add_seconds(out, n->grows_to_ms);
    buf_adds(out, " by the time a boot is done");
    add_boot(out, n);
    add_target(out, n);
}

static void explain_return(struct buf *out, const struct scale_need *n)
{
    buf_adds(out, "the next prediction is due: ");
    add_seconds(out, n->keep.typical_gap_ms);
    buf_adds(out, " pass between them as a rule");
    add_boot(out, n);
    add_target(out, n);
}

static void explain_idle(struct buf *out, const struct scale_view *v, const struct scale_plan *plan)
{
    const struct scale_keep *k = &plan->need.keep;

    if (!v->learned || v->keep_alive_ms != SCALE_KEEP_AUTO) {
        buf_adds(out, "idle for ");
        add_seconds(out, v->learned ? v->keep_alive_ms : v->idle_timeout_ms);
        return;
    }
    buf_adds(out, plan->need.waiting + plan->need.busy > 0 ? "the others are enough" : "idle");
    if (k->is_learned) {
        buf_adds(out, "; it is not needed for ");
        add_seconds(out, k->typical_gap_ms);
        buf_adds(out, " as a rule, and worth keeping for ");
    } else {
        buf_adds(out,
                 "; too little is known of its gaps, so it was kept for the price of a boot, ");
    }
    add_seconds(out, k->for_ms);
}

static void explain(struct buf *out, enum scale_cause cause, const struct scale_view *v,
                    const struct scale_plan *plan)
{
    switch (cause) {
    case SCALE_FOR_QUEUE:
    case SCALE_FOR_FIRST:
        if (v->learned && plan->need.waiting > 0)
            explain_queue(out, &plan->need);
        else
            buf_adds(out, "predictions wait");
        return;
    case SCALE_FOR_RATE:
        explain_rate(out, &plan->need);
        return;
    case SCALE_FOR_RETURN:
        explain_return(out, &plan->need);
        return;
    case SCALE_FOR_MINIMUM:
        buf_addf(out, "the minimum is %d", v->min);
        return;
    case SCALE_FOR_PROOF:
        buf_adds(out, "a new release has to show that it gets ready");
        return;
    case SCALE_SINCE_IDLE:
        explain_idle(out, v, plan);
        return;
    case SCALE_SINCE_REPLACED:
        buf_adds(out, "replaced by a newer release, which is ready");
        return;
    case SCALE_SINCE_MAXIMUM:
        buf_addf(out, v->max_cost_binds ? "max_cost_per_hour pays for %d" : "the maximum is %d",
                 v->max);
        return;
    case SCALE_SINCE_PLACE:
        buf_adds(out, "one gives up its place to what waits elsewhere in it");
        return;
    case SCALE_SINCE_DISABLED:
        buf_adds(out, v->max_cost_binds ? "max_cost_per_hour pays for no instance"
                                        : "disabled: the maximum is 0");
        return;
    case SCALE_SINCE_FAILED:
        buf_adds(out, "its release has failed");
        return;
    case SCALE_CAUSES:
        return;
    }
}

int scale_waiting(const struct scale_view *v)
{
    int n = 0;

    for (size_t i = 0; i < v->n_lanes; i++)
        n += v->lanes[i].waiting;
    return n;
}

void scale_explain(const struct scale_view *v, const struct scale_plan *plan, struct buf *out)
{
    bool said[SCALE_CAUSES] = { false };
    bool first = true;

    buf_addf(out, "%d \xe2\x86\x92 %d: ", plan->from, plan->to);
    for (size_t i = 0; i < plan->n; i++) {
        enum scale_cause c = plan->actions[i].cause;

        if (said[c])
            continue;
        said[c] = true;
        if (!first)
            buf_adds(out, "; ");
        first = false;
        explain(out, c, v, plan);
    }
    if (plan->n > 0)
        return;
    buf_addf(out, "%d waiting, and ", scale_waiting(v));
    explain(out, SCALE_SINCE_DISABLED, v, plan);
}
