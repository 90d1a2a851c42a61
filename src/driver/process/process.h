/* SPDX-License-Identifier: Apache-2.0 */
/* The process driver: each instance is a process group under a small supervisor of ours (src/init),
 * which outlives the server, so that a server that restarts finds its instances and what they
 * printed. */
#pragma once

#include "driver/driver.h"
#include "driver/uids.h"

struct process_driver_config {
    const char *data; /* absolute data folder; instances live in <data>/instances/<id> */
    const char *self; /* path of this program, started with "init" as its first argument */
    const char *shim; /* absolute folder with sitecustomize.py, put on PYTHONPATH; NULL: none */
    struct id_gen *ids;
    struct uids *uids; /* of which each instance gets one, where this machine lets us; NULL: none */
    bool own_networks; /* each instance gets one (INVALID where this machine does not let us) */
    const char *home;  /* the server's user's, hidden from instances; NULL: none */
    /* "PATH" and "PATH=rw" with colons between: what instances see beside their own; NULL: nothing
     */
    const char *folders;
};

enum status process_driver_new(struct loop *l, const struct process_driver_config *c,
                               struct driver **out, struct error *err) NODISCARD;
