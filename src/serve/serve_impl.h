/* SPDX-License-Identifier: Apache-2.0 */
/* The server as its own files see it: serve.c builds it and takes it down, listen.c opens its ways
 * in. */
#pragma once

#include "api/api.h"
#include "http/client.h"
#include "run/backup.h"
#include "run/deliver.h"
#include "run/sweep.h"
#include "serve/data.h"
#include "serve/engine.h"
#include "serve/front.h"
#include "serve/record.h"

#include <limits.h>
#include <uv.h>

/* Everything the server is made of, in the order it is built. */
struct serve {
    struct options options;
    struct arena arena;
    char self[PATH_MAX], internal_base[192];
    char helper[PATH_MAX + 32], shim[PATH_MAX + 32];
    struct data_folder folder;
    struct hardware hardware;
    struct loop *loop;
    struct store *store;
    struct http_client *client;
    struct protocol *protocol, *openai, *plain;
    struct driver *driver;
    struct driver *images; /* NULL: there is no container engine */
    struct engine_listener engine;
    struct http_config internal_config;
    struct uids *uids; /* NULL: instances run as our own user */
    struct id_gen ids;
    struct files *files;
    struct fleet fleet;
    struct builds *builds;
    struct deliveries *deliveries;
    struct sweep *sweep;
    struct record *record;
    struct backups *backups;
    struct disk disk;
    struct metrics *metrics;
    struct budgets *budgets;
    struct api api;
    struct front front;
    struct http_server *internal; /* last to go: instances tell their ends there */
    struct http_server *telling;
    uv_signal_t signals[3];
    int n_signals;
    bool fleet_has_stopped, public_is_drained;
};

/* Each connection is a descriptor, and what most systems allow at first is a thousand. */
void serve_raise_file_limit(const struct options *o);
static inline bool serve_has_networks(const struct serve *s)
{
    return strcmp(s->options.instance_network, "isolated") == 0;
}

/* The internal listener. Its port is kept in the store: instances that outlive a restart go on
 * telling their ends to the same address. */
enum status serve_listen_internal(struct serve *s, struct error *err) NODISCARD;
/* The public API and the administrator's socket. */
enum status serve_listen_public(struct serve *s, struct error *err) NODISCARD;
/* metrics_listen, if it is set. */
enum status serve_listen_metrics(struct serve *s, struct error *err) NODISCARD;
