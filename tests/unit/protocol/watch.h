/* SPDX-License-Identifier: Apache-2.0 */
/* A run, and a peer, whose events are written down as text. */
#pragma once

#include "base/buf.h"
#include "protocol/protocol.h"

struct watch {
    struct run run;
    struct loop *loop;
    struct buf trail;
    bool with_time;
    bool has_ended;
    bool stops_loop; /* at each event */
    int n_events;
    int release_at, cancel_at, close_at; /* in which event (1, 2, ...) to do that; 0: never */
    struct run_result last;              /* texts are gone, but for */
    struct buf memory;                   /* that of the output, where it was for the taking */
};

struct peer_watch {
    struct peer peer;
    struct loop *loop;
    struct buf trail;
    enum peer_health health;
    bool with_time, stops_loop;
    bool closes; /* at the first event */
};

extern const struct run_events watch_events;
extern const struct peer_events peer_watch_events;

void watch_start(struct watch *w, struct peer *p, const struct run_spec *spec);
void watch_deinit(struct watch *w);
/* What a webhook of this body tells the run. */
enum status watch_told(struct run *r, struct str body, struct error *err);
enum status watch_read_final(struct protocol *pr, struct arena *a, struct str body,
                             bool output_is_array, struct run_result *out, struct error *err);
