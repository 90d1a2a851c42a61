/* SPDX-License-Identifier: Apache-2.0 */
/* Webhook messages and what became of them. The last message of a prediction is written with its
 * terminal state, in one transaction, and stands here until it is delivered or given up. */
#pragma once

#include "core/prediction.h"
#include "store/store.h"

enum webhook_state { WEBHOOK_PENDING, WEBHOOK_DELIVERED, WEBHOOK_FAILED };

struct webhook_attempt_row {
    int64_t number; /* from 1 */
    int64_t at;     /* ms */
    int64_t took_ms;
    int64_t status;    /* what the receiver answered; 0: nothing */
    const char *error; /* NULL: delivered */
};

struct webhook_row {
    const char *id; /* of the message: the same for all its attempts */
    const char *prediction_id;
    int64_t n; /* among the prediction's messages, from 1, in the order they were written down */
    enum webhook_event event;
    enum webhook_state state;
    int64_t attempts;                  /* how many there were */
    int64_t created_at, next_at;       /* next_at: of the next attempt, when it is pending */
    int64_t until;                     /* a further attempt would not be made after this */
    struct webhook_attempt_row *tries; /* STORE_WEBHOOK_LIST only */
    size_t n_tries;
};

/* Receivers (see webhook_origin()) that something waits for. */
struct store_webhook_targets {
    struct store_op op;
    const char **rows;
    size_t n;
};
extern const struct store_op_type STORE_WEBHOOK_TARGETS;

/* Messages to a receiver whose time has come, the one that waits longest first. */
struct store_webhook_due {
    struct store_op op;
    const char *target;
    int64_t now;
    int limit;
    struct webhook_row *rows;
    size_t n;
    int64_t next_at; /* when the first of the others is due; 0: there are none */
};
extern const struct store_op_type STORE_WEBHOOK_DUE;

/* An attempt was made. One that was made due anew while it went on stays so: `until` tells, which
 * is that of the row when it began. NOT_FOUND when the prediction is gone meanwhile. */
struct store_webhook_attempt {
    struct store_op op;
    const char *id;
    int64_t until;
    enum webhook_state state;
    int64_t next_at;
    struct webhook_attempt_row attempt;
};
extern const struct store_op_type STORE_WEBHOOK_ATTEMPT;

/* A message of progress, and the one attempt to deliver it. */
struct webhook_note {
    const char *id, *prediction_id, *target;
    enum webhook_event event;
    int64_t created_at;
    struct webhook_attempt_row attempt;
};

/* Messages of progress are written down after they were sent, many at once. Those whose prediction
 * is gone are left out. */
struct store_webhook_notes {
    struct store_op op;
    const struct webhook_note *rows;
    size_t n;
};
extern const struct store_op_type STORE_WEBHOOK_NOTES;

/* All messages of a prediction with their attempts, in the order they were made. NOT_FOUND when it
 * is not the account's. */
struct store_webhook_list {
    struct store_op op;
    const char *prediction_id, *account_id;
    const char *url; /* out; NULL: it has no webhook */
    struct webhook_row *rows;
    size_t n;
};
extern const struct store_op_type STORE_WEBHOOK_LIST;

/* Makes a prediction's last message due now. NOT_FOUND when it is not the account's or has no
 * message n; UNPROCESSABLE for another message than the last one, which nothing may follow. */
struct store_webhook_resend {
    struct store_op op;
    const char *prediction_id, *account_id;
    int64_t n, now, until;
    const char *target; /* out */
};
extern const struct store_op_type STORE_WEBHOOK_RESEND;
