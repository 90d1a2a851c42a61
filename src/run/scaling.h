/* SPDX-License-Identifier: Apache-2.0 */
/* A deployment's scaling as it lives: what it learns from what happens, what it decided, and the
 * traffic that is kept for the simulator. A model's own pool has none. */
#pragma once

#include "core/scale/settings.h"
#include "core/scale/traffic.h"
#include "run/fleet.h"

struct scaling {
    struct pool *pool;
    struct scale_settings settings;
    struct scale_learned learned;
    struct buf traffic;    /* struct scale_record, packed, that are not stored yet */
    int64_t traffic_until; /* creation of the latest of them */
    int64_t seq;
    struct timer flush;
    bool is_unpaid;   /* max_cost_per_hour pays for no instance */
    bool told_unpaid; /* there is a decision that says so */
};

/* For a deployment that comes to live. */
void scaling_new(struct pool *p);
void scaling_free(struct pool *p);
/* At start-up: what an earlier server has learned. */
enum status scaling_restore(struct pool *p, struct error *err) NODISCARD;
/* The settings, from the deployment's row. */
void scaling_set(struct pool *p, const char *settings);
/* Stores what is not stored yet; before the server ends. */
void scaling_flush_all(struct fleet *f);

/* What happens. All but the pool's own are ignored where it has no scaling. */
void scaling_arrived(struct prediction *p);
void scaling_started(struct prediction *p);
void scaling_ended(struct prediction *p, enum prediction_status s);
void scaling_booted(struct instance *in);

/* Fills what is the deployment's in a view; *out_change: when a schedule changes the minimum. */
void scaling_view(struct pool *p, struct scale_view *v, int64_t *out_change);
/* A decision was taken; and, when something of it was carried out, it is stored. */
void scaling_learn(struct pool *p, const struct scale_view *v, const struct scale_plan *plan);
void scaling_store(struct pool *p, const struct scale_view *v, const struct scale_plan *plan);

/* Instances that boot or are ready, of which `after` stay where there were `before`, are stopped by
 * what is no matter of scaling (`cause`): the decision and why, to be stored. */
void scaling_stopped(struct pool *p, int before, int after, const char *cause, const char *why);

/* What it wants of a machine that has too little; a model's own pool has the defaults. */
int64_t scaling_weight(const struct pool *p);
int64_t scaling_target_ms(const struct pool *p);

/* Predictions that may wait. */
int64_t scaling_max_queue(const struct pool *p);
