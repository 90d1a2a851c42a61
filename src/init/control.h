/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's side of its control socket: one server at a time, events made from the ring and
 * the state, so that a slow server costs no memory. */
#pragma once

#include "base/buf.h"
#include "init/ring.h"
#include "init/state.h"

enum control_op { CONTROL_NONE, CONTROL_STOP, CONTROL_KILL, CONTROL_FORGET };

struct control {
    int fd; /* -1: no server is connected */
    struct buf in, out;
    bool is_attached;
    bool state_due; /* the state has changed since it was sent */
    bool told_exit;
    uint64_t at; /* ring offset of the next line */
};

void control_init(struct control *c);
void control_open(struct control *c, int fd); /* takes the fd; an earlier server is cut off */
void control_close(struct control *c);
/* What poll() shall wait for. */
short control_wants(const struct control *c);
/* Reads; false when the connection has ended or does not speak our language. */
bool control_read(struct control *c);
/* The next request that was read; attach is dealt with inside. False at the end of what was read;
 * CONTROL_NONE for a request of a newer server that this supervisor does not know. */
bool control_next(struct control *c, enum control_op *out_op, int64_t *out_grace_ms);
/* Sends what is due; false when the connection has ended. */
bool control_write(struct control *c, const struct ring *r, const struct init_state *s);
