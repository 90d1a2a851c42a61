/* SPDX-License-Identifier: Apache-2.0 */
/* state.json: what the supervisor knows of its instance, for a server that comes later. */
#pragma once

#include "base/json.h"

#define STATE_FILE "state.json"

enum { STATE_VERSION = 1, STATE_CGROUPS = 3 };

struct init_state {
    int64_t pid, start; /* of the supervisor; start as /proc/PID/stat has it, so that a pid that was
                           given again is told apart */
    int64_t model_pid, model_start; /* 0: never started */
    int64_t port;                   /* 0: not known yet */
    bool has_own_network;           /* that port is reached through a socket (netns.h) */
    bool has_own_coglet;            /* its /tmp/coglet is the folder `coglet` */
    bool is_ended;
    int code, signal; /* code is -1 when a signal ended it */
    bool out_of_memory;
    bool out_of_disk;
    int64_t ended_at;                 /* wall ms; 0: not yet, or by a supervisor that did not say */
    char error[256];                  /* why it could not be started; "" */
    bool is_machine_fault;            /* that was no fault of the model */
    char cgroups[STATE_CGROUPS][512]; /* folders of its own control groups; "" */
};

/* The members alone, into an object that the caller has begun. */
void init_state_members(const struct init_state *s, struct json_writer *w);
enum status init_state_from_json(const struct json *o, struct init_state *out,
                                 struct error *err) NODISCARD;

/* In the folder that dirfd stands for; a reader sees the old text or the new one. NOT_FOUND: none
 * was written. */
enum status init_state_save(int dirfd, const struct init_state *s, struct error *err) NODISCARD;
enum status init_state_load(int dirfd, struct init_state *out, struct error *err) NODISCARD;
