/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/flow.h"

#include <assert.h>

static const char arrow[] = " -> ";
static const char gap[] = "...";

/* Drops the oldest state that is still named and puts "..." in its place; false when only one is
 * left. */
static bool drop_oldest(char *trace)
{
    bool has_gap = strncmp(trace, gap, strlen(gap)) == 0;
    char *rest = strstr(trace + (has_gap ? strlen(gap) + strlen(arrow) : 0), arrow);

    if (!rest)
        return false;
    memmove(trace + strlen(gap), rest, strlen(rest) + 1);
    memcpy(trace, gap, strlen(gap));
    return true;
}

/* When the text is full the oldest states give way, for the last ones are those that explain. */
static void add_trace(struct flow *f, const char *name)
{
    size_t used;

    while (f->trace[0] && strlen(f->trace) + strlen(arrow) + strlen(name) >= sizeof(f->trace))
        if (!drop_oldest(f->trace))
            f->trace[0] = '\0';
    used = strlen(f->trace);
    /* One name that is longer than the trace is cut. */
    snprintf(f->trace + used, sizeof(f->trace) - used, "%s%s", used ? arrow : "", name);
}

void flow_init(struct flow *f, const char *name, const struct flow_state *states, int first)
{
    assert(first >= 0 && first < 32);
    *f = (struct flow){ .name = name, .states = states, .at = first };
    add_trace(f, states[first].name);
}

void flow_goto(struct flow *f, int next)
{
    assert(next >= 0 && next < 32);
    assert((f->states[f->at].may_follow & FLOW_TO(next)) != 0 &&
           "the flow's table allows this step");
    f->at = next;
    add_trace(f, f->states[next].name);
}
