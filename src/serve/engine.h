/* SPDX-License-Identifier: Apache-2.0 */
/* The container engine's part of the server: its driver, the listener where its containers reach
 * us, and the ports where they have no business. */
#pragma once

#include "base/network.h"
#include "core/option.h"
#include "driver/driver.h"
#include "http/server.h"
#include "store/instance.h"

struct engine_listener {
    struct loop *loop;
    struct store *store;
    struct http_server *internal;     /* it gets one more listener; NULL: it ends */
    const struct http_config *config; /* of that */
    char address[160];          /* where it listened last, "172.18.0.1:4711"; "": nowhere yet */
    char subnets[256];          /* of its containers, as they were found last; "": not yet */
    struct networks containers; /* the same */
    struct networks gateway;    /* the address among them that is ours */
};

/* *out is NULL where docker_socket is empty. INVALID for one that is no path. Blocks for the store.
 * The listener's struct must outlive the driver. */
enum status engine_open(struct engine_listener *e, const struct options *o, struct driver **out,
                        struct error *err) NODISCARD;
void engine_close(struct engine_listener *e); /* after the driver's end */
/* Whether a connection comes from one of its containers. Known before the engine has answered, of
 * the server before this one. */
bool engine_owns(const struct engine_listener *e, int fd);
