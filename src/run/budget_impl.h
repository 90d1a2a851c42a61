/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "http/client.h"
#include "run/budget.h"
#include "run/fleet.h"

struct budgets {
    struct fleet *fleet;
    struct http_client *client;
    struct map by_id; /* struct budget_state */
    struct map sums;  /* id of a pool or account -> what it spent since the start */
    struct list all;  /* struct budget_state, with those that are going */
    struct timer tick;
    bool is_stopping;
};

struct budget_state {
    struct list node;
    struct budget b;
    struct budgets *budgets;
    __int128 offset;     /* spent = offset + sum */
    int64_t left_period; /* the one before, should the clock be set back into it; 0: none */
    __int128 left_spent; /* what was spent in that */
    enum budget_level told_level; /* what the receiver knows, of told_period */
    int64_t told_period;
    /* The message that is under way. */
    bool is_telling, is_dropped, is_called;
    enum budget_level telling_level;
    int64_t telling_period;
    int attempts;
    char message_id[ID_SIZE];
    struct timer retry;
    struct http_call call;
    struct buf body, signature;
};

void budget_tell_init(struct budget_state *x);
void budget_tell_deinit(struct budget_state *x);
/* Begins to tell its receiver, where that does not know its state; harmless otherwise. */
void budget_tell(struct budget_state *x);
/* Comes back from there: the message is over, and `x` may be gone after it. */
void budget_told(struct budget_state *x);
