/* SPDX-License-Identifier: Apache-2.0 */
/* Between deliver.c (receivers, and what is due for them), deliver_progress.c (what live
 * predictions tell), deliver_key.c (what messages are signed with) and send.c (one attempt). */
#pragma once

#include "run/deliver.h"
#include "store/account.h"

/* A receiver has failed after so many attempts in a row. Until one arrives again, ends go to it one
 * by one with a pause in between, and progress far more rarely: a dead receiver costs nearly
 * nothing, and one that recovers is noticed at once. */
enum { PATIENCE = 5, END_PAUSE_MS = 50, PROGRESS_PAUSE_MS = 1000 };

struct deliveries {
    struct loop *loop;
    struct store *store;
    struct http_client *client;
    const struct options *options;
    struct id_gen *ids;
    void (*render)(struct buf *out, const struct prediction_row *row);
    struct map targets;  /* origin -> struct target */
    struct map hooks;    /* prediction id -> struct hook */
    struct map keys;     /* account id -> struct key_pair */
    uint64_t key_epoch;  /* one more each time the keys were forgotten */
    struct list noted;   /* struct hook that has notes */
    struct timer writer; /* when the notes are to be written down */
    bool is_stopping;
};

/* A receiver that something waits for, or that a live prediction tells its progress. */
struct target {
    struct deliveries *deliveries;
    char *origin;
    struct list sends;   /* attempts under way */
    struct list ended;   /* over since the read that is under way began, which may say "due" */
    struct list waiting; /* struct hook: progress that waits for a place */
    int n_ends, n_progress, n_hooks;
    int n_failed;                /* attempts in a row */
    int64_t end_at, progress_at; /* monotonic: none begins before, while it fails */
    bool is_loading, wake_again;
    bool has_more;      /* what was read last left something for when a place is free */
    struct timer timer; /* when ends are to be looked for */
    struct timer pause; /* when progress may be tried again */
};

/* A live prediction that tells its progress. */
struct hook {
    struct list waiting;
    struct list noted; /* deliveries->noted */
    struct prediction *p;
    struct target *target;
    struct watcher watcher;
    unsigned dirty;           /* events that are still to be told */
    enum webhook_event event; /* what is being told */
    bool is_sending, has_begun, has_ended;
    int n_told;
    int64_t told_at; /* monotonic: when output or logs were told last; 0: never */
    struct timer timer;
    struct list notes; /* struct note: told, and not written down yet */
    size_t n_notes;
};

/* One attempt to deliver one message. */
struct send {
    struct list node; /* target->sends */
    struct target *target;
    struct hook *hook; /* NULL: the end of a prediction */
    char id[ID_SIZE];  /* of the message */
    char prediction_id[ID_SIZE];
    enum webhook_event event;
    int64_t number; /* of the attempt */
    int64_t created_at, until, started_at;
    int64_t again_at; /* wall ms: when an end is to be tried again; 0: it is not */
    bool was_called, has_arrived;
    struct http_call call;
    struct buf body, signature;
    struct body_job *job; /* which writes or signs the body on another thread; NULL: none */
    int64_t at_s;         /* when it was signed, in the receiver's time */
    size_t n_answer;
    char *account_id, *url;
    const char *fault; /* why there was no call */
    struct store_webhook_attempt *record;
    struct timer retry; /* the record once more, or the fault */
};

/* --- deliver.c --- */

static inline bool target_is_failing(const struct target *t)
{
    return t->n_failed >= PATIENCE;
}
struct target *target_get(struct deliveries *d, const char *origin);
void target_wake(struct target *t);    /* something may be due: the outbox is read */
void target_collect(struct target *t); /* one that nothing waits for is forgotten */
int target_places(const struct target *t);

/* --- deliver_progress.c --- */

void hooks_start_waiting(struct target *t);
/* A message was told (`error` NULL) or not; the hook goes on. */
void hook_note(struct hook *h, const struct send *s, int64_t took_ms, int status,
               const char *error);
void hook_sent(struct hook *h);
void hook_free(struct hook *h);
void hooks_init(struct deliveries *d);
void hooks_write_notes(struct deliveries *d);

/* --- deliver_key.c --- */

struct key_pair {
    const char *key, *old; /* old: NULL where there is none */
    int64_t old_until;
    struct arena arena; /* of one that is kept */
};
const struct key_pair *keys_find(struct deliveries *d, const char *account_id); /* NULL: to read */
/* Only where nothing was forgotten since `epoch`, when the reading began. */
void keys_keep(struct deliveries *d, const struct store_account_secret *read, uint64_t epoch);
void keys_free(struct deliveries *d);

/* --- deliver_body.c --- */

/* Writes the body; `read` (taken; may be NULL) has the input, and all other texts but of a
 * prediction that lives. `then` comes at once, or on a later turn where there is much. */
void body_write(struct send *s, const struct prediction_row *row, bool is_live,
                struct store_prediction_get *read,
                void (*then)(struct send *s, const struct prediction_row *row));
/* Makes the signature, as of then; an empty one where there is no key. `then` likewise. */
void body_sign(struct send *s, const struct key_pair *keys, const char *id, int64_t at_s,
               void (*then)(struct send *s));
void body_drop(struct send *s); /* it goes */

/* --- send.c --- */

void send_end(struct target *t, const struct webhook_row *row);
void send_progress(struct hook *h);
void send_free(struct send *s);
/* The attempt is over and written down, or there was nothing to send; frees it. */
void send_over(struct send *s);
