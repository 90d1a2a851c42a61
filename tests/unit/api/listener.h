/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of streams on a clock that jumps: the part of the HTTP server that a handler sees, with
 * nobody at the other end. Whoever links it gets no other one. */
#pragma once

#include "api/api.h"

struct listener {
    struct http_request request;
    struct arena arena;
    struct api *api;
    const char *secret, *last; /* what is asked for; last: Last-Event-ID, or NULL */
    int status;                /* 0: no answer yet */
    bool is_ended, is_gone;
    bool is_lazy; /* takes nothing of what is written */
    struct buf got;
    size_t pending, most_pending;
    struct deferred gone;
};

/* Asks at once. */
void listener_open(struct listener *rd, struct api *a, const char *secret, const char *last);
void listener_take(struct listener *rd); /* a lazy one takes what there is */
void listener_leave(struct listener *rd);
void listener_deinit(struct listener *rd);
