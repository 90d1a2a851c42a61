/* SPDX-License-Identifier: Apache-2.0 */
/* What makes it happen: the live state of all deployments, and the calls that the API makes on it.
 *
 * A fleet holds pools (deployments, and models that run without one); a pool holds lanes, one for
 * each (version, hardware), with their queue and their instances. A live prediction is one object
 * with a list of watchers; a finished one lives in the store only. Everything runs on the loop. */
#pragma once

#include "base/id.h"
#include "base/map.h"
#include "base/seal.h"
#include "core/hardware.h"
#include "core/input.h"
#include "core/option.h"
#include "core/prediction.h"
#include "core/queue.h"
#include "core/rollout.h"
#include "core/scale.h"
#include "driver/driver.h"
#include "protocol/protocol.h"
#include "run/budget.h"
#include "run/change.h"
#include "run/file.h"
#include "run/meter.h"
#include "run/metrics.h"
#include "store/deployment.h"
#include "store/instance.h"
#include "store/prediction.h"

enum { STORE_RETRY_MS = 1000 }; /* what could not be written is tried again */

/* A version that is in use, shared by whoever runs it. */
struct version {
    char *id, *model_id, *owner_id, *owner, *model;
    bool is_public;
    bool is_image; /* its kind: else a folder */
    bool trains;   /* as a training runs it: its schema is of the training's input */
    char *path;    /* relative to the data folder */
    struct str schema_text;
    struct input_schema *schema;
    struct input_schema *output_schema;
    struct output_facts output;
    struct version_config config;
    struct arena arena;
    int refs;
    /* Service times of the last runs, for the choice of the way a prediction is started. */
    int32_t service_ms[100];
    int n_service, at_service;
};

enum instance_state {
    INSTANCE_BOOTING, /* launched, or found again; not ready */
    INSTANCE_READY,
    INSTANCE_DRAINING, /* takes nothing new */
    INSTANCE_STOPPING, /* driver_stop() was called */
    INSTANCE_STATE_COUNT
};
/* Ends the version id in the record of an instance that trains. */
#define TRAIN_SUFFIX "/train"
const char *instance_state_name(enum instance_state s);

struct instance {
    struct list node; /* lane->instances */
    char id[ID_SIZE];
    char capability[56];
    struct fleet *fleet;
    struct lane *lane;
    enum instance_state state;
    struct launch launch;
    struct peer peer;
    bool peer_is_open, is_recovered, was_ready, stop_is_ours;
    bool has_launch; /* the driver still owes us `ended` */
    int in_flight;
    int64_t created_at, ready_at, idle_since; /* wall ms */
    struct timer deadline;                    /* of setup; later of a stop */
    struct hold hold;
    struct buf setup_log;
    char *setup_error; /* what the model server said of its failed setup */
    const char *why_stop;
    struct list runs;   /* struct prediction.run_node */
    struct list copies; /* struct shadow_copy.run_node: they have places besides those in_flight */
    int n_copies;
    struct meter meter;
};

struct lane {
    struct list node; /* pool->lanes */
    struct pool *pool;
    struct version *version;
    const struct sku *sku;
    char *sku_name;
    int refs;               /* live predictions that were bound to it */
    struct list queue;      /* struct prediction.node, in the order they will run */
    struct queue_line line; /* their numbers; line.n is how many wait */
    struct list instances;
    int failures;         /* boots that failed in a row, for whatever reason */
    int setup_failures;   /* of these, the ones that were the model's own */
    int early_ends;       /* instances in a row that ended by themselves soon after they were ready,
                             without work */
    int64_t retry_at;     /* wall ms */
    int64_t served_at;    /* wall ms: when its last instance went; 0: it had none yet */
    bool no_capacity;     /* the last try to boot found no room; set by run/capacity */
    char waits_for[200];  /* what the machine lacks, when no_capacity */
    int64_t refused_at;   /* monotonic ms: when it was refused room last */
    uint64_t refused_seq; /* the fleet's room_seq when it was refused room */
    int64_t promised_at;  /* wall ms: when somebody gave up a place for it; 0: nobody did */
    char *last_failure;   /* the last boot's words */
};

struct release {
    struct list node; /* pool->releases, newest first */
    int64_t number;
    struct lane *lane;
    int64_t min, max;
    bool was_ready, is_failed;
    char *failure;
};

struct pool {
    struct fleet *fleet;
    char *id; /* deployment's or model's */
    bool is_model;
    char *owner_id, *owner, *name; /* of the deployment, or the model */
    struct list releases;          /* deployments only */
    struct list lanes;
    int64_t min, max;
    struct scaling *scaling;    /* deployments only */
    struct canary_live *canary; /* likewise */
    struct shadow *shadow;      /* likewise */
    int64_t last_used_at;
    struct deferred reconcile;
    struct timer timer;
    bool is_deleted;
    uint64_t told;                /* what was told of it last, as a number */
    char held[200];               /* why nothing of it may boot or begin; "": it may */
    struct pool_metrics *metrics; /* NULL: nothing happened yet */
};

struct prediction;
/* Tells that something about it has changed; `piece` and `log_piece` (p == NULL: none) are what was
 * added. The watcher may remove itself. After a terminal status no call comes any more and the
 * watcher is out of the list. */
struct watcher {
    struct list node;
    void (*changed)(struct watcher *w, struct prediction *p, struct str piece,
                    struct str log_piece);
};

struct prediction {
    struct list node;     /* lane->queue while it waits */
    int64_t queue_at;     /* its number in lane->line */
    struct list run_node; /* instance->runs while it runs */
    struct fleet *fleet;
    struct lane *lane;
    char id[ID_SIZE];
    struct prediction_row row; /* texts point into `arena` but for those below */
    struct arena arena;
    char *input;        /* as stored; NULL: is read when needed */
    char *secret_input; /* the unmasked one when it has secrets; memory only */
    char *normal_input; /* what the instance gets, while it runs */
    struct list watchers;
    struct instance *instance;
    char ran_on[ID_SIZE]; /* the instance of its last attempt, once it has ended; "": none */
    struct run run;
    bool has_run;    /* the protocol owes us `ended` */
    bool never_sent; /* its instance ended before anything of the run had reached it */
    bool is_queued;
    struct start_op *starting; /* the write of its attempt's number, while it is under way */
    const void *loading; /* the store's answer it waits for on its way to an instance; NULL: none */
    bool must_join;      /* runs in its instance since before a restart: to be joined */
    bool is_rebound;     /* it moved to another version before its input was at hand */
    bool is_ending;      /* the terminal write is under way */
    void *ending;        /* that, while it waits to be tried again; NULL: it does not */
    void *requeueing;    /* likewise the write of its return to the queue */
    bool is_early;       /* it lives already, while it is being stored */
    bool is_void;        /* it could not be stored: it ends, and nobody is told */
    int64_t waits_since; /* wall ms: since it was created, by the clock as it is now */
    int64_t dispatched_at;  /* wall ms: when an instance was chosen for it; 0: none was, here */
    int64_t recorded_start; /* started_at as it is in the store; shown once the run is accepted */
    bool attempt_open;      /* the present attempt has a number */
    bool accepted;
    bool timed_out;
    struct timer timer;    /* run timeout, or the grace after a cancel, or until it waits again */
    struct timer deadline; /* what the client set for all of it, the queue included */
    struct timer flush;    /* coalesced progress */
    bool flushing;
    bool is_dirty;     /* progress came while some was being stored */
    struct buf output; /* what was stored or recovered last, while no run is attached */
    struct buf logs;
    struct input_files
        *files; /* what its input refers to; NULL: not looked for yet, or nothing does */
    bool files_ready;
    void *preparing;           /* the store's answer that it waits for */
    struct live_output *live;  /* NULL: its output holds no list of files, or it has not begun */
    struct list uploads;       /* struct output_upload: files that its instance has sent */
    struct ledger_tally share; /* of its instance's time; not written yet */
    struct str inlined; /* while the end is told: the output with small files in it instead of their
                           addresses */
    int refs;
};

struct fleet_config {
    const struct options *options;
    const char *data;          /* absolute */
    const char *internal_base; /* "http://127.0.0.1:PORT", for instances */
    struct driver *images;     /* the driver of versions that are images; NULL: there is none */
    const unsigned char *key;  /* of SEAL_KEY_SIZE bytes: seals what is secret in inputs */
    struct files *files;       /* NULL: inputs and outputs stay as they are */
    struct protocol *openai, *plain; /* of versions that say so; NULL: all are spoken to alike */
};

struct fleet {
    struct loop *loop;
    struct store *store;
    struct hardware *hardware;
    const struct options *options;
    const char *data;
    const char *internal_base;
    const unsigned char *key;
    struct deliveries *deliveries; /* of webhooks; NULL: none are sent */
    struct files *files;
    struct driver *driver; /* for folders */
    struct driver *images; /* for images; NULL: none can be run */
    struct protocol *protocol, *openai, *plain;
    struct id_gen ids;
    struct map pools;        /* id -> struct pool */
    struct map by_name;      /* "owner/name" of deployments -> struct pool */
    struct map predictions;  /* id -> struct prediction, live ones */
    struct map streams;      /* secret -> struct prediction, live ones that can be streamed */
    struct map instances;    /* id -> struct instance */
    struct map capabilities; /* secret -> struct instance */
    struct map versions;     /* "model_id/version id" -> struct version */
    int n_keeping;           /* trainings between their weights' file and their version */
    uint64_t n_kept;         /* those that are through */
    bool is_weights_held;    /* for a backup: no weights go */
    int64_t lease_epoch;
    bool is_stopping;
    struct meters meters;
    struct list ends;                 /* of instances, that could not be recorded yet */
    struct budgets *budgets;          /* NULL: nothing has a limit */
    struct metrics *metrics;          /* NULL: nothing is counted for them */
    struct change_listener *listener; /* NULL: nobody is told */
    struct deferred capacity;         /* run/capacity.c */
    struct timer capacity_timer;
    int n_lacking;      /* lanes with no_capacity */
    uint64_t room_seq;  /* changes with what there is and who lacks it */
    int64_t wall_ahead; /* ms of the wall clock before the monotonic one, at the last look */
    struct timer stop_timer;
    int64_t stop_at; /* monotonic ms: what runs is not waited for any longer */
    void (*stopped)(void *arg);
    void *stopped_arg;
    /* Is shown each decision on a pool, with all that it was taken from; NULL: nobody looks. */
    void (*decided)(void *arg, const struct scale_view *v, const struct scale_plan *plan);
    void *decided_arg;
    /* For the metrics. */
    uint64_t n_created, n_ended, n_boots, n_boot_failures;
};

/* --- life of the fleet --- */

void fleet_init(struct fleet *f, struct loop *l, struct store *s, struct hardware *h,
                struct driver *d, struct protocol *pr, const struct fleet_config *c);
/* Reads deployments, open predictions and instances from the store, finds the instances again.
 * Before anything is listened on. */
enum status fleet_load(struct fleet *f, struct error *err) NODISCARD;
/* Lets short predictions finish (at most drain_timeout), then stops the instances, or lets go of
 * them with keep_instances; `stopped` when done. */
void fleet_stop(struct fleet *f, void (*stopped)(void *arg), void *arg);
/* Waits for nothing that runs any more (a second signal). */
void fleet_stop_now(struct fleet *f);
/* Forgets everything, also what still runs. The store is closed, or has nothing to do. */
void fleet_deinit(struct fleet *f);

/* --- versions and pools --- */

/* What runs the version: its kind decides. NULL: nothing here does. */
struct driver *fleet_driver(const struct fleet *f, const struct version *v);
/* What a server of its own answers is held to what its model.yaml says under output.schema. */
bool version_checks_output(const struct version *v);
/* How its model servers are spoken to. */
struct protocol *fleet_protocol(const struct fleet *f, const struct version *v);

/* A version in use, from its row; the same object for the same row. Give it back with
 * version_unref(). */
enum status version_use(struct fleet *f, const struct version_row *row, struct version **out,
                        struct error *err) NODISCARD;
struct version *version_ref(struct version *v);
void version_unref(struct fleet *f, struct version *v);
/* 99th percentile of the last service times in ms; -1: nothing measured yet. */
int64_t version_p99_ms(const struct version *v);
void version_measured(struct version *v, int64_t service_ms);

struct pool *pool_find(struct fleet *f, struct str owner,
                       struct str name); /* deployment, or NULL */
/* A deployment was created, or has a new current release (row of the store, with its version). */
enum status pool_apply(struct fleet *f, const struct deployment_row *row,
                       const struct version_row *version, struct error *err) NODISCARD;
void pool_remove(struct fleet *f, const char *id); /* deleted in the store; it has no work */
/* The pool of a model that runs without a deployment; made when missing. */
enum status pool_of_model(struct fleet *f, const struct version_row *version, struct lane **out,
                          struct error *err) NODISCARD;
/* Where a new prediction of a deployment goes. UNPROCESSABLE: disabled, or its release failed (with
 * the setup error); BUSY: the queue is full. */
enum status pool_choose(struct pool *p, struct lane **out_lane, struct release **out_release,
                        struct error *err) NODISCARD;
struct release *pool_current(const struct pool *p); /* NULL for a model's */
int pool_live(const struct pool *p);                /* instances that boot or are ready */
struct release *pool_release(const struct pool *p, int64_t number); /* NULL: it is gone */
/* Asks for a decision soon (level-triggered; many calls are one). */
void pool_wake(struct pool *p);
/* A failed release may try again. */
void pool_enable(struct pool *p);

/* --- predictions --- */

/* An input as it is kept: what that takes of a large one is made on another thread, beforehand. */
struct prediction_input {
    char *text;        /* as everybody is shown it: secrets are masked */
    char *secret;      /* as sent, where it has any; NULL */
    struct buf sealed; /* the same, encrypted */
};
/* Of a valid input, on any thread. */
void prediction_input_make(struct prediction_input *in, const struct input_schema *schema,
                           const unsigned char *key, const struct json *input);
void prediction_input_deinit(struct prediction_input *in);

struct prediction_spec {
    const char *account_id;
    struct str input;               /* as sent, a valid JSON object, already validated */
    struct prediction_input *taken; /* what was made of it, which is taken; NULL: it is made now */
    const char *source;             /* "api" or "web" */
    const char *webhook;
    unsigned webhook_events;
    bool has_webhook_filter;
    const char *base_url;
    int64_t deadline;       /* wall ms; 0: none */
    const char *key;        /* Idempotency-Key; NULL: none */
    unsigned char hash[32]; /* of the request, with a key */
    struct pool
        *pool; /* a deployment's, with lane and release from pool_choose(); else NULL release */
    struct lane *lane;
    struct release *release;
    const char *destination, *destination_id; /* of a training */
    bool is_waited_for; /* nobody hears of it before its end: it may run while it is being stored */
};

struct prediction_request {
    /* Comes once: `p` is in stable storage and live (valid during the call; add a watcher to follow
     * it), or err. */
    void (*created)(struct prediction_request *r, struct prediction *p, const struct error *err);
    struct prediction *p;
    /* With CONFLICT: an equal request with the same key made this one before; "": none. */
    char existing[ID_SIZE];
};

void prediction_create(struct fleet *f, struct prediction_request *r,
                       const struct prediction_spec *spec);
struct prediction *prediction_find(struct fleet *f, struct str id);          /* live ones only */
struct prediction *prediction_of_stream(struct fleet *f, struct str secret); /* likewise */
/* Queued: ends at once. Running: asked to end, killed after the grace. Harmless for one that is
 * ending. */
void prediction_cancel(struct prediction *p);
void prediction_watch(struct prediction *p, struct watcher *w);
void watcher_remove(struct watcher *w);
/* The present row, with output and logs as they are now (texts valid until the next turn of the
 * loop). */
void prediction_view(struct prediction *p, struct arena *a, struct prediction_row *out);
/* What its present run has told of its output, "a,b,c" (each JSON); empty: nothing yet. */
struct str prediction_pieces(const struct prediction *p);

/* Its place in its queue, from 1; 0 when it does not wait, or too many stand before it to be
 * counted. */
int prediction_queue_position(const struct prediction *p);
/* When it may start (wall ms), from how long the version's last runs took and the instances there
 * are; 0: nothing is known. */
int64_t prediction_queue_start(const struct prediction *p, int position, int64_t now);

/* The lane of a version's trainings, in its model's pool: instances in train mode, each for one
 * training. */
enum status pool_of_training(struct fleet *f, const struct version_row *row, struct lane **out,
                             struct error *err) NODISCARD;
/* One succeeded: its version is made. */
void training_finish(struct fleet *f, const char *id);
/* At start: those that an earlier server did not come to finish. */
enum status trainings_load(struct fleet *f, struct error *err) NODISCARD;

/* --- instances' way in (the internal listener) --- */

/* NOT_FOUND for a capability that is not (any more) known. `said` and `memory` as run_webhook() has
 * them. */
enum status instance_webhook(struct fleet *f, struct str capability, struct str prediction_id,
                             const struct json *said, struct buf *memory,
                             struct error *err) NODISCARD;

/* --- inside run/ --- */

/* Keeps it, its version and its pool. */
void lane_hold(struct lane *l);
void lane_release(struct lane *l);
void lane_push(struct lane *l, struct prediction *p, bool at_head);
void lane_take(struct prediction *p); /* out of its queue; harmless when it stands in none */
void lane_dispatch(struct lane *l);
/* The ready instance with the fewest predictions, if it has a free place. */
struct instance *lane_free_instance(const struct lane *l);
void lane_move_queue(struct lane *from, struct release *to_release, struct lane *to);
void lane_fail_queue(struct lane *l, const char *error);
struct lane *lane_find(struct pool *p, const struct version *v, const char *sku);
struct lane *lane_get(struct pool *p, struct version *v,
                      const char *sku); /* takes a reference when it makes one */
void lane_collect(struct pool *p);      /* frees lanes nothing needs any more */
int lane_count(const struct lane *l, enum instance_state s);
enum status instance_boot(struct lane *l, const char *why, struct error *err) NODISCARD;
void instance_recover(struct lane *l, const struct instance_row *row);
/* "http://…/_i/<capability>": where it reaches the server. */
void instance_internal_url(const struct instance *in, char out[256]);
void instance_drain(struct instance *in, const char *why);
void instance_kill(struct instance *in, const char *why, int64_t grace_ms);
void instance_run_ended(struct instance *in); /* a slot is free */
/* Leaves it and what runs in it to the next server: nothing is heard of it any more. */
void instance_let_go(struct instance *in);
void instance_free(struct instance *in); /* the driver has let go of it */
/* Ends that are not recorded yet are the next server's to find. */
void instance_ends_forget(struct fleet *f);
void release_mark(struct release *r, struct pool *p, const char *failure);
/* Whether another version takes its input; true when that is not at hand (it is asked again when it
 * is). */
bool prediction_input_fits(struct prediction *p, const struct version *v);
#define PREDICTION_MISFIT                                                                          \
    "The release that was to run the prediction failed, and the release before it does not take "  \
    "this input."
void prediction_begin(struct prediction *p, struct instance *in);
/* Copies what the run has produced so far: the protocol frees it when the run or its peer ends. */
void prediction_keep_progress(struct prediction *p);
/* Its instance is gone. `is_bystander`: we ended the instance for a reason that was not this
 * prediction's; then the attempt does not count. */
void prediction_lost(struct prediction *p, const struct exit_info *how, bool is_bystander);
void prediction_end(struct prediction *p, enum prediction_status s, const char *error);
void prediction_final(struct prediction *p,
                      const struct run_result *res); /* the server's last word on it */
void prediction_requeue(struct prediction *p, bool not_counted);
struct prediction *prediction_restore(struct fleet *f, struct lane *l,
                                      const struct prediction_row *row);
void prediction_join(struct prediction *p, struct instance *in);
void prediction_unref(struct prediction *p);
void prediction_forget(
    struct prediction *p); /* it goes on in the store only; no operation of its is open there */
void pool_free(struct pool *p);
void fleet_check_stopped(struct fleet *f);

/* prepare.c */
/* Whether the files of its input are at hand; begins to fetch them. pool_wake() follows. */
bool prediction_prepare(struct prediction *p);
void prediction_unprepare(struct prediction *p); /* it ended, or runs as another version */
void prediction_unseal(struct prediction *p, struct str sealed);
/* What an instance uploads belongs to which of its predictions: NULL when that cannot be told. `id`
 * is what it says itself (p == NULL: nothing). */
struct prediction *instance_uploader(struct fleet *f, struct str capability, struct str id);
