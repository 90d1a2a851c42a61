/* SPDX-License-Identifier: Apache-2.0 */
/* Long asynchronous work as one function: a switch whose cases stand in the order things happen. A
 * table says which state may follow which; flow_goto() checks that and traces the way, so that the
 * log of a failed flow reads by itself. */
#pragma once

#include "base/buf.h"

struct flow_state {
    const char *name;
    uint32_t may_follow; /* bits of states that may come next: FLOW_TO(X) | FLOW_TO(Y) */
};

#define FLOW_TO(state) (1U << (state))

/* Leaves a flow's run function until a callback enters it again. */
#define AWAIT return

struct flow {
    const char *name;
    const struct flow_state *states;
    int at;
    char trace[256]; /* "start -> launching -> done" */
};

void flow_init(struct flow *f, const char *name, const struct flow_state *states, int first);
void flow_goto(struct flow *f, int next); /* asserts that the table allows it */
