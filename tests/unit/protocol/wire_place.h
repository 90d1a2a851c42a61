/* SPDX-License-Identifier: Apache-2.0 */
/* A model server in a process of its own, spoken to over TCP, and a small server of ours that takes
 * its webhooks. */
#pragma once

#include "loop/child.h"
#include "protocol/cog/cog_impl.h"
#include "watch.h"

#include <uv.h>

struct wire_run {
    struct watch w;
    bool is_open; /* webhooks go to it */
    char id[32];
};

enum { MAX_RUNS = 8 };

struct wire_place {
    struct loop *loop;
    struct http_client *client;
    struct protocol *protocol;
    struct cog_timing timing;
    struct peer_watch at;
    struct peer_spec spec;
    bool is_open;
    struct child child;
    bool child_is_up, child_is_gone;
    struct buf port_text, url, internal_url, stderr_text;
    struct timer guard;
    uv_tcp_t hooks;
    struct wire_run runs[MAX_RUNS];
    struct buf stray; /* the last terminal webhook that no run was there for */
    int n_hooks, n_stray, n_ids;
    struct list open_hooks;
};

/* Starts a child that prints where it listens ("... 127.0.0.1:PORT"), and waits for that line. NULL
 * in `args` and `env` end them. */
void wire_init(struct wire_place *pl);
void wire_spawn(struct wire_place *pl, const char *const *args, const char *const *env,
                const char *cwd);
void wire_mock(struct wire_place *pl, const char *script_json);
void wire_open(struct wire_place *pl); /* the peer; waits until it is not starting */
void wire_close(struct wire_place *pl);
void wire_deinit(struct wire_place *pl);
/* Starts run number `i` with a new id, unless the spec has one. */
struct watch *wire_run(struct wire_place *pl, int i, const struct run_spec *spec);
/* Runs the loop until the condition holds. */
#define WIRE_WAIT(pl, condition)                                                                   \
    do {                                                                                           \
        while (!(condition))                                                                       \
            wire_turn((pl), #condition);                                                           \
    } while (0)
void wire_turn(struct wire_place *pl, const char *what);
