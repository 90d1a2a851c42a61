/* SPDX-License-Identifier: Apache-2.0 */
/* The whole of core and run on a clock that jumps, with traffic and misfortune from one seed. What
 * was promised is looked at after every turn of the loop and after every step. */
#pragma once

#include "place.h"
#include "receiver.h"

#include <stdio.h>

enum { DEPLOYMENTS = 3, MINUTE_MS = 60000, DAY_MS = 24 * 60 * MINUTE_MS };

/* What a seed chooses once. */
struct sim_nature {
    bool sets_clock;    /* now and then, by hours */
    bool is_calm;       /* nothing breaks: then nothing may fail */
    int broken_version; /* its setup always fails; 0: none */
    int64_t slowest_boot_ms;
    int64_t fault_every_ms, gap_ms; /* on average: misfortunes, and predictions of a deployment */
    int64_t longest_ms;             /* service */
    const char *rollout;            /* of all deployments; NULL: none */
    int64_t share;                  /* and its share, in millionths */
    bool has_budgets, has_trainings;
};

/* A prediction as the simulation knows it. */
struct sim_job {
    struct job *job;
    int deployment; /* -1: the model's own */
    bool may_fail;  /* its input says so */
    bool has_hook, is_over;
    bool is_training, has_version; /* and the version that it made */
    bool was_waiting;              /* when it was canceled */
    int64_t canceled_at;           /* 0: was not */
    char hook_id[64];              /* of the message of its end */
    int n_hooked;                  /* times that it arrived */
    enum prediction_status ended_as;
};

struct sim_deployment {
    const char *name;
    int64_t next_at;    /* monotonic ms: its next prediction */
    int64_t busy_until; /* predictions come much faster until then */
    int64_t disabled_at;
    int64_t stuck_since; /* something waits for a release that has no instance; 0: nothing does */
};

struct sim_stats {
    int predictions, succeeded, failed, canceled, refused;
    int trainings;
    int64_t launches, restarts, faults, decisions, turns;
    int64_t held;    /* turns at which a budget held a pool */
    uint64_t digest; /* of how each prediction ended, and when */
};

struct sim {
    uint64_t seed;
    int64_t span_ms;
    struct rand rand;
    struct sim_nature nature;
    struct place *p;
    struct http_client client;
    struct sim_deployment deployments[DEPLOYMENTS];
    struct sim_job **jobs; /* all of them */
    size_t n_jobs, cap_jobs, first_open;
    struct map by_id; /* struct sim_job */
    struct map lives; /* of instances that ended: their ms in the ledger, by id */
    int64_t noted_launches;
    struct map held;    /* of pools by id: since when a budget holds them, or does not */
    struct map trained; /* of instances by id: what they trained */
    int n_untold;       /* budgets whose receivers do not know their state, in a row of turns */
    int64_t untold_since;
    bool is_down;       /* there is no server */
    bool is_settling;   /* no misfortune comes any more */
    bool has_ended;     /* and all is over */
    int64_t started_at; /* monotonic: of this server */
    int64_t next_fault_at, heals_at;
    int64_t clock_ms;          /* how far the wall clock was set in all */
    int64_t loses_until;       /* wake-ups are lost until then */
    int64_t store_fails_until; /* its writes fail until then */
    bool has_lost_records; /* some of these failed: the ledger has lives of which no record tells */
    bool had_trouble;      /* some write failed */
    int n_broken_launches, n_chances; /* of the broken version, and what may lead to some */
    FILE *record;                     /* of decisions; NULL: none */
    struct sim_stats stats;
};

/* From the beginning to the end; fails the test that runs. `record` (may be NULL) gets the
 * decisions. */
void sim_run(uint64_t seed, int64_t span_ms, FILE *record, struct sim_stats *out);
/* There is a server, for the first time or again. */
void sim_server_runs(struct sim *s);

/* replay.c: whether the policy decides as it did, from what was recorded. How many decisions there
 * were, and how many of them changed something. */
void sim_record(void *arg, const struct scale_view *v, const struct scale_plan *plan);
bool sim_replay(FILE *f, int64_t *out_n, int64_t *out_acts);

bool sim_one_in(struct sim *s, uint64_t n);
int64_t sim_below(struct sim *s, int64_t n);
/* As long as `mean` on average, many short ones and few long ones. */
int64_t sim_gap(struct sim *s, int64_t mean);

/* traffic.c */
void sim_ask(struct sim *s, int deployment);
void sim_cancel_one(struct sim *s);

/* budgets.c: somebody sets one, or takes it away; all go; and what was promised of them, after each
 * turn, at each boot, and of what they have counted. */
void sim_budget(struct sim *s);
void sim_no_budgets(struct sim *s);
void sim_check_budgets(struct sim *s);
void sim_forget_budgets(struct sim *s); /* what was noted of them */
void sim_check_launch(struct sim *s, const struct instance *in);
void sim_check_spent(struct sim *s);
/* Until a little after midnight, when budgets of a day begin anew. */
void sim_new_day(struct sim *s);

/* trainings.c */
void sim_check_trains(struct sim *s, const struct instance *in);
void sim_check_trained(struct sim *s, struct sim_job *j, const struct prediction_row *row,
                       bool must_be);
void sim_check_trainings(struct sim *s);

/* faults.c */
struct fake_launch_script sim_choose_launch(void *arg, const struct launch_spec *spec);
struct manner sim_choose_answer(struct http_client *c, const struct delivery *d);
void sim_misfortune(struct sim *s);
enum status sim_store_trouble(void *arg, const struct store_op_type *type, struct error *err);
void sim_heal(struct sim *s);
/* What the deployment wants of its scaling and its rollout, as JSON; NULL: as it is. */
void sim_settings(struct sim *s, int deployment, const char *scaling, const char *rollout);

/* promises.c */
void sim_after_turn(void *arg);
void sim_after_step(struct sim *s);
void sim_check_ledger(struct sim *s);
void sim_check_end(struct sim *s);
