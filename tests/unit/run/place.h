/* SPDX-License-Identifier: Apache-2.0 */
/* A whole server without its HTTP: fleet, store in memory, the fake driver and protocol, on a clock
 * that jumps. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "driver/fake/fake.h"
#include "protocol/fake/fake.h"
#include "run/deliver.h"
#include "run/fleet.h"
#include "store/account.h"
#include "store/deployment.h"
#include "store/model.h"

#include <string.h>

#define PLACE_RUN(p, type, o)                                                                      \
    do {                                                                                           \
        if (store_run((p)->store, &(o).op, &(type)) != STATUS_OK)                                  \
            fail_msg("%s: %s", #type, (o).op.error.text);                                          \
    } while (0)

struct place;

/* One prediction, and what was told of it. */
struct job {
    struct list node;
    struct place *place;
    struct prediction_request request;
    struct watcher watcher;
    char id[ID_SIZE];
    enum status refused; /* not OK: pool_choose() or the store said no */
    char why[600];
    int n_told, n_ended; /* calls of the watcher; those with a terminal status */
    enum prediction_status status;
    int64_t created_at, ended_at;
    struct buf pieces, log_pieces, output, logs, metrics, error;
};

struct place {
    struct loop *loop;
    struct store *store;
    struct options options;
    struct hardware hardware;
    struct arena arena;
    struct driver *driver;
    struct protocol *protocol;
    struct fleet fleet;
    struct id_gen ids;
    struct http_client *client; /* NULL: no webhooks */
    void (*render)(struct buf *out, const struct prediction_row *row);
    struct deliveries *deliveries;
    struct budgets *budgets;
    struct list jobs;
    bool has_stopped;
    struct map counts; /* pool id -> its instances at the last look */
    bool waits;        /* what is asked is waited for: it may run while it is being stored */
    int n_over;        /* moments at which a pool had more instances than it may */
};

struct place_spec {
    const struct fake_launch_script *launches; /* NULL: an address after 50 ms, and it lives */
    size_t n_launches;
    struct fake_protocol_script protocol; /* ready_after_ms 0: 100 */
    uint64_t seed;
    int gpus;                   /* of kind T4 */
    struct http_client *client; /* receivers of webhooks; NULL: none are sent */
    void (*render)(struct buf *out, const struct prediction_row *row);
};

/* Account alice; model alice/m with versions 1 to 5: any input; version 2 wants "n" (an integer),
 * version 3 gives a list, version 4 has two slots, version 5 yields. Hardware: cpu, gpu-t4. */
struct place *place_new(const struct place_spec *spec);
void place_free(struct place *p);
/* The server is gone without a word (or after it let go); the next one starts on what it left. */
void place_restart(struct place *p);
void place_drop(struct place *p); /* the first half of it */
void place_start(struct place *p);
void place_stop(struct place *p, bool keep_instances);

/* Runs the clock so far, looking at the maximum at each step. */
void place_run(struct place *p, int64_t ms);

/* Counts in n_over what it sees of the maximum. */
void place_look(struct place *p);

/* Of the row that fill the store: 'a' an account, 'm' a model, 'v' a version. */
const char *place_id(char kind, int n);
const char *place_version(int n); /* 64 hex */
/* Deployment alice/<name>, release 1. */
struct pool *place_deploy(struct place *p, const char *name, int version, const char *hardware,
                          int min, int max);
/* What differs: version 0, hardware NULL, min or max -1: as it is. */
void place_patch(struct place *p, const char *name, int version, const char *hardware, int min,
                 int max);
/* What it wants of its scaling and its rollout, as JSON; NULL: as it is. */
void place_settings(struct place *p, const char *name, const char *scaling, const char *rollout);
/* As the store has it. */
void assert_release(struct place *p, struct pool *pool, int64_t number, bool ready, bool failed);
struct pool *place_pool(struct place *p, const char *name);
struct job *place_ask(struct place *p, const char *deployment, const char *input);
struct job *place_ask_hook(struct place *p, const char *deployment, const char *input,
                           const char *url, unsigned events);
/* By version, on the model's own pool. */
struct job *place_ask_model(struct place *p, int version, const char *input);
/* In train mode; what it makes becomes a version of alice/m. */
struct job *place_ask_training(struct place *p, int version, const char *input, const char *url);
struct prediction *job_live(struct job *j); /* NULL: ended */
/* From the store. */
void job_stored(struct job *j, struct store_prediction_get *out);
/* The version that a finished one ran on, by its number. */
int job_ran_on(struct job *j);
void assert_job(struct job *j, enum prediction_status expected);
int pool_instances(struct pool *p, enum instance_state s);
int pool_all_instances(struct pool *p);
/* While nothing runs: what ended instances say of their lives, what the ledger holds, and what
 * predictions were charged, are the same. */
void place_check_ledger(struct place *p);
/* A pool's instances that have ended: how long they lived, of which every millisecond was written.
 * `out_all` (may be NULL): whether none is forgotten. */
int64_t place_lifetimes(struct place *p, const char *pool_id, bool *out_all);
struct instance *pool_first_instance(struct pool *p); /* NULL: none */
