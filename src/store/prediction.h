/* SPDX-License-Identifier: Apache-2.0 */
/* Predictions in the store. A finished prediction lives here only. */
#pragma once

#include "core/prediction.h"
#include "store/file.h"
#include "store/ledger.h"
#include "store/store.h"

struct webhook_note;

#define STREAM_OF_FILES "file-"

struct prediction_row {
    const char *id;            /* 26 characters */
    const char *account_id;    /* who created it */
    const char *deployment_id; /* NULL: not by a deployment */
    const char *deployment;    /* the deployment's name; NULL */
    int64_t release;           /* 0: not by a deployment */
    const char *model_id, *model_owner, *model_name;
    const char *version; /* 64 hex */
    enum prediction_status status;
    const char *source; /* "api" or "web" */
    struct str input;   /* JSON text as sent (secrets masked); p == NULL after removal */
    struct str
        sealed_input; /* the unmasked input, encrypted, while it is needed; p == NULL: no secrets */
    struct str output; /* JSON text; p == NULL: none */
    struct str logs;
    const char *error;   /* NULL: none */
    struct str metrics;  /* JSON object of what the model reported; p == NULL: none */
    double predict_time; /* seconds; < 0: unknown */
    int64_t created_at, started_at, completed_at; /* 0: not yet */
    int64_t deadline;                             /* 0: none */
    int64_t attempt;         /* number of the present or last attempt; 0: never dispatched */
    const char *instance_id; /* of the present attempt; NULL */
    bool started_long;       /* the present attempt goes on in its instance without us */
    const char *webhook;     /* NULL */
    unsigned webhook_events;
    bool has_webhook_filter; /* the filter was given and is to be echoed */
    const char *base_url;    /* scheme and host that its URLs begin with */
    /* Capability of urls.stream; NULL: cannot stream. Begins with STREAM_OF_FILES where the pieces
     * are addresses of files. */
    const char *stream_secret;
    bool data_removed;
    bool cancel_requested;
    int64_t active_ms; /* its part of the time in which instances ran it */
    int64_t cost;      /* of that, in 10^-12 of the unit of money */
    /* Of a training; all NULL for a prediction. */
    const char *destination,
        *destination_id;          /* the model that gets the version; its id only to create */
    const char *trained_version;  /* "owner/name:id", once it is there */
    const char *training_failure; /* why it could not be made */
    /* Not stored: of a live one that waits; 0 otherwise. */
    int64_t queue_position, estimated_start_at;
    const char *queue_reason; /* why nothing begins; NULL: something may */
};

/* Marks the deployment as used. NOT_FOUND when the deployment or the version is gone meanwhile. */
struct store_prediction_create {
    struct store_op op;
    struct prediction_row in;
    /* A request with a key may be repeated: CONFLICT, and `existing`, when the same one (by its
     * hash) has made a prediction after `key_after`; UNPROCESSABLE when it was another one. NULL:
     * no key. */
    const char *key;
    unsigned char hash[32];
    int64_t key_after;
    const char *existing; /* out */
};
extern const struct store_op_type STORE_PREDICTION_CREATE;

struct store_prediction_get {
    struct store_op op;
    const char *id;
    const char *account_id; /* NOT_FOUND when it is not this account's; NULL: any */
    struct prediction_row row;
};
extern const struct store_op_type STORE_PREDICTION_GET;

/* By the secret of its stream. NOT_FOUND. */
struct store_prediction_of_stream {
    struct store_op op;
    const char *secret;
    struct prediction_row row;
};
extern const struct store_op_type STORE_PREDICTION_OF_STREAM;

struct store_prediction_list {
    struct store_op op;
    struct page_query page;
    const char *account_id;
    int64_t created_after, created_before; /* ms; after is inclusive, before exclusive; 0: none */
    bool only_web;
    const char *deployment_id; /* NULL: whatever made them */
    size_t max_bytes; /* a page ends early (has_next set) past so many bytes of input, output and
                         logs */
    struct prediction_row *rows;
    size_t n;
    struct page_info info;
};
extern const struct store_op_type STORE_PREDICTION_LIST;

/* All that are not terminal, oldest first, without input, output and logs: the queue at start-up.
 */
struct store_prediction_open {
    struct store_op op;
    struct prediction_row *rows;
    size_t n;
};
extern const struct store_op_type STORE_PREDICTION_OPEN;

/* An attempt begins: attempt = in.attempt, which must be the stored one + 1, on a prediction that
 * is not terminal: else CONFLICT. Sets status processing and started_at (kept when set already). */
struct store_prediction_start {
    struct store_op op;
    const char *id;
    int64_t attempt;
    const char *instance_id;
    bool started_long;
    int64_t started_at;
};
extern const struct store_op_type STORE_PREDICTION_START;

/* Output and logs so far, of this attempt; CONFLICT when it is not the present one (attempt < 0:
 * whatever attempt) or the prediction ended. */
struct store_prediction_progress {
    struct store_op op;
    const char *id;
    int64_t attempt;
    struct str output, logs; /* p == NULL: as it is */
    bool cancel_requested;   /* set it */
};
extern const struct store_op_type STORE_PREDICTION_PROGRESS;

/* Files of its output, while it runs; CONFLICT as above. */
struct store_prediction_files {
    struct store_op op;
    const char *id;
    int64_t attempt;
    const struct file_row *files;
    size_t n_files;
};
extern const struct store_op_type STORE_PREDICTION_FILES;

/* The terminal write. CONFLICT when it is terminal already, or of an older attempt (attempt < 0:
 * whatever attempt). Raises the model's run_count. */
struct store_prediction_end {
    struct store_op op;
    const char *id;
    int64_t attempt;
    enum prediction_status status;
    struct str output, logs, metrics; /* p == NULL: none */
    const char *error;
    double predict_time;
    int64_t completed_at;
    /* The message to its webhook, which waits from now on; NULL: none. */
    const char *webhook_id, *webhook_target;
    int64_t webhook_until;
    const struct webhook_note *notes; /* what its progress told, as far as it is not written yet */
    size_t n_notes;
    const struct file_row *files; /* what its output refers to: recorded with it, or not at all */
    size_t n_files;
    /* Of an attempt whose own record was taken back, for this one holds it too; 0: none. */
    int64_t started_attempt, started_at;
    const char *started_instance;
    bool started_long;
    bool no_input_files;        /* it is known that there are no copies of its inputs */
    int64_t inputs_until;       /* when they expire; 0: now */
    const char *model_id;       /* whose run_count is raised; NULL: is looked up */
    struct ledger_batch ledger; /* its last time on an instance; no charges: */
    int64_t active_ms, cost;    /* are what is added to its own */
};
extern const struct store_op_type STORE_PREDICTION_END;

/* Back to the queue: the attempt is over without a result (its instance was lost, or it never ran:
 * then `not_counted` takes the number back). Its output, logs and files are forgotten. CONFLICT as
 * above.
 */
struct store_prediction_requeue {
    struct store_op op;
    const char *id;
    int64_t attempt;
    bool not_counted;
    bool had_files; /* it was not counted, and its files are forgotten all the same */
};
extern const struct store_op_type STORE_PREDICTION_REQUEUE;

/* Moves waiting predictions to another release or version of the same deployment (roll-back of a
 * failed release). CONFLICT when it runs or has ended, UNPROCESSABLE when its model has no such
 * version (NULL: the same). */
struct store_prediction_rebind {
    struct store_op op;
    const char *id;
    int64_t release;
    const char *version;
};
extern const struct store_op_type STORE_PREDICTION_REBIND;
