/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks: tells receivers how predictions go, without anybody ever waiting for them.
 *
 * The message of a prediction's end is a row of the store, written in the transaction that ends it;
 * it stays there until it is delivered or given up. Messages of progress are sent once, from
 * memory. One prediction's messages go out one after the other, its end last. Each receiver
 * (scheme, host, port) has its own few places; one that hangs fills only these. */
#pragma once

#include "http/client.h"
#include "run/fleet.h"
#include "store/training.h"
#include "store/webhook.h"

struct deliveries;

struct deliveries_config {
    const struct options *options;
    /* A prediction as the API shows it. */
    void (*render)(struct buf *out, const struct prediction_row *row);
};

struct deliveries *deliveries_new(struct fleet *f, struct http_client *c,
                                  const struct deliveries_config *config) NODISCARD;
/* Begins with what the last server left undelivered. */
enum status deliveries_load(struct deliveries *d, struct error *err) NODISCARD;
/* No further delivery begins, and no prediction is followed any more. What is not delivered is in
 * the store. */
void deliveries_stop(struct deliveries *d);
/* After the store and the HTTP client are gone. NULL is fine. */
void deliveries_free(struct deliveries *d);

/* A prediction is live (made, or found again): its progress is told from now on, where it has a
 * webhook for that. */
void deliveries_follow(struct deliveries *d, struct prediction *p);
/* Fills in the message that is to be written with a prediction's end; nothing where it has no
 * webhook for that. */
void deliveries_fill(struct deliveries *d, const struct prediction_row *row,
                     struct store_prediction_end *op);
/* The same where a training succeeded, whose end is told only when its version is there. */
void deliveries_fill_training(struct deliveries *d, const struct prediction_row *row,
                              struct store_training_end *op);
/* The key of an account has changed. */
void deliveries_forget_keys(struct deliveries *d);
/* Something may be due for this receiver. */
void deliveries_wake(struct deliveries *d, const char *target);
