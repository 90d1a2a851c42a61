/* SPDX-License-Identifier: Apache-2.0 */
/* Receivers of webhooks on a clock that jumps: an HTTP client of the same name that calls nobody.
 * Whoever links it gets no other one. */
#pragma once

#include "http/client.h"

/* How a call is answered: `status` after `ms`; 0: it is refused; never: it hangs until its timeout.
 */
struct manner {
    int status;
    int64_t ms;
    bool hangs;
};

struct delivery;

struct http_client {
    struct loop *loop;
    struct list calls;    /* struct delivery: what was received */
    struct list open;     /* struct exchange */
    struct manner manner; /* of every call */
    struct manner (*choose)(struct http_client *c, const struct delivery *d); /* or of this one */
    int n, n_open, most_open;
};

struct delivery {
    struct list node;
    int64_t at;
    char *url, *id, *body, *signature;
};

void receiver_init(struct http_client *c);
void receiver_attach(struct http_client *c, struct loop *l);
void receiver_deinit(struct http_client *c);
/* The n-th of all, from 0. */
struct delivery *receiver_got(struct http_client *c, int n);
