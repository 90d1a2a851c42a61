/* SPDX-License-Identifier: Apache-2.0 */
/* A model server that exists on the virtual clock only: it stands in for the HTTP client
 * (http_call_start() and the others are defined here), keeps a list of what it was asked and
 * answers as the test says. */
#pragma once

#include "base/buf.h"
#include "http/client.h"
#include "loop/loop.h"

struct exchange; /* one request that was not answered completely yet */

struct answer {
    int status; /* 0: nobody listens; -1: the connection breaks after the request; -2: no answer
                   ever */
    const char *body;
};

enum { MAX_ANSWERS = 64 };

struct model_server {
    struct loop *loop;
    const char *health; /* body of the health answer; NULL: nobody listens; "": it hangs */
    struct answer creates[MAX_ANSWERS], joins[MAX_ANSWERS], cancels[MAX_ANSWERS];
    int n_creates, n_joins, n_cancels;
    struct exchange *stream; /* the stream that is open, if any */
    struct buf requests; /* "create-short p1\n", "create-async ...", "join", "cancel", "shutdown" */
    struct buf last_body; /* of the last create */
    int n_probes;
    struct list open;
};

void server_init(struct model_server *s, struct loop *l);
void server_deinit(struct model_server *s);
void server_send(struct model_server *s, const char *text); /* on the open stream */
void server_event(struct model_server *s, const char *name, const char *data);
void server_end(struct model_server *s);   /* the stream ends well */
void server_break(struct model_server *s); /* the stream is cut */
