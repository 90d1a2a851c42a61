/* SPDX-License-Identifier: Apache-2.0 */
/* The way in: the public API's listeners and the administrator's socket. */
#pragma once

#include "base/network.h"
#include "core/option.h"
#include "http/server.h"

struct front {
    struct http_server *server;
    struct http_tls *tls;    /* NULL: plain */
    struct networks trusted; /* of the option trusted_proxies */
    int data_fd;
};

/* Listens where the options say, or on the sockets that were handed over. */
enum status front_open(struct front *f, struct loop *l, const struct options *o, const char *data,
                       const struct http_config *api, const struct http_config *admin,
                       struct error *err) NODISCARD;
/* Reads the certificate again; what cannot be read is logged, and the one before it stays. */
void front_reload(struct front *f);
/* See http_server_drain(). */
void front_drain(struct front *f, int64_t grace_ms, void (*done)(void *arg), void *arg);
void front_close(struct front *f); /* after a drain */
