/* SPDX-License-Identifier: Apache-2.0 */
/* Between deliver.c (what is due) and send.c (one attempt). */
#pragma once

#include "run/deliver.h"

struct deliveries {
    struct loop *loop;
    struct store *store;
    struct http_client *client;
    const struct options *options;
    struct id_gen *ids;
    void (*render)(struct buf *out, const struct prediction_row *row);
    struct map targets; /* origin -> struct target */
    struct map hooks;   /* prediction id -> struct hook */
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
    bool is_loading, wake_again;
    struct timer timer; /* when the next message is due */
};

/* A live prediction that tells its progress. */
struct hook {
    struct list waiting;
    struct prediction *p;
    struct target *target;
    struct watcher watcher;
    unsigned dirty;           /* events that are still to be told */
    enum webhook_event event; /* what is being told */
    bool is_sending, has_begun, has_ended;
    int n_told;
    int64_t told_at; /* monotonic: when output or logs were told last; 0: never */
    struct timer timer;
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
    struct http_call call;
    struct buf body, signature;
    size_t n_answer;
    char *account_id, *url;
    struct store_webhook_attempt *record;
    struct timer retry;
};

void send_end(struct target *t, const struct webhook_row *row);
void send_progress(struct hook *h);
void send_free(struct send *s);
/* The attempt is over and written down, or there was nothing to send; frees it. */
void send_over(struct send *s);
