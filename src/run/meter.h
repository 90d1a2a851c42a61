/* SPDX-License-Identifier: Apache-2.0 */
/* Every millisecond of every instance goes to the ledger once.
 *
 * An instance's time is counted whenever what it is spent on changes: its state, or the predictions
 * that run in it. What was counted is written with the end of each prediction, with the end of the
 * instance, and every few seconds; the store adds up how much of the instance's life it holds. A
 * server that finds an instance again counts from there, so that nothing is missing or counted
 * twice however the last server ended. */
#pragma once

#include "core/ledger.h"
#include "loop/loop.h"
#include "store/prediction.h"

struct exit_info;
struct fleet;
struct instance;
struct instance_row;
struct prediction;

/* Of one instance. */
struct meter {
    struct ledger_meter ledger;
    struct ledger_tally own;   /* not written yet: all but what predictions have */
    struct ledger_tally setup; /* written as setup by this server, while it boots */
    int64_t booted_for; /* the release that this belongs to, whichever is the newest by now */
    /* LOST: not yet found again after a restart. */
    enum { METER_LOST, METER_RUNS, METER_OVER } state;
};

/* Of all of them. */
struct meters {
    struct timer tick;
    struct list failed; /* struct meter_op: could not be written, to be tried again */
};

void meters_init(struct fleet *f);
void meters_deinit(struct fleet *f);
/* Writes what was counted; an operation that is started afterwards finds it in the store. */
void meters_flush(struct fleet *f);
/* What could not be written is tried again, now: the record of an instance's end waits for it. */
void meters_retry(struct fleet *f);
/* Of one pool, or of an account's, by its id. */
void meters_flush_of(struct fleet *f, const char *id);

/* What its time is spent on now. */
enum ledger_kind meter_kind(const struct instance *in);

void meter_begin(struct instance *in);
void meter_recover(struct instance *in, const struct instance_row *row);
void meter_found(struct instance *in); /* it lives: the time without a server is counted */
void meter_count(struct instance *in); /* before its state or its runs change */
/* The last word; before its runs are told. When it ended: at what time the driver says, else now.
 */
int64_t meter_end(struct instance *in, const struct exit_info *how, bool is_failed_boot);
void meter_free(struct instance *in);
/* One that is not taken over. When it ended, as far as that is known. */
int64_t meter_abandon(struct fleet *f, const struct instance_row *row);

/* It ends: what it had of its instance until now, into the operation that ends it. */
void meter_bill(struct prediction *p, struct store_prediction_end *op);
/* That operation came to nothing, or is late: its part of the ledger goes its own way. */
void meter_unbill(struct fleet *f, struct store_prediction_end *op);
/* It leaves its instance without an end. */
void meter_leave(struct prediction *p);
