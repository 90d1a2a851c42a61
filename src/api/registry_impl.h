/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the registry's front: registry.c (who may what, and the routes), registry_pass.c (bytes in
 * both directions), registry_manifest.c (a manifest becomes a version). */
#pragma once

#include "api/registry.h"
#include "base/list.h"
#include "http/client.h"

enum { REGISTRY_STALL_MS = 120000 };

struct registry {
    struct loop *loop;
    struct http_client *client; /* our own */
    char *url;                  /* "http://127.0.0.1:5000" */
    const char *host;           /* in it: "127.0.0.1:5000" */
    int64_t max_layer;
    struct list open; /* struct passing, struct accepting: both begin with struct registry_open */
};

/* What is open belongs to its request and to its call: it goes with the later of them. */
struct registry_open {
    struct list node;
    void (*free)(struct registry_open *o);
};

/* "/v2/acme/shout" for the repository that is asked for. False: it is not the caller's, or there is
 * no registry, and that was answered. */
bool registry_repository(struct http_request *r, char out[160]);
/* Passes the request on, to "<path>?<query>", and the answer back. The body comes by pieces. */
void registry_pass(struct http_request *r, const char *method, const char *path, struct str query);
/* Sets the fields of an answer that clients of registries read; addresses become ours. */
void registry_copy_fields(struct http_request *r, const struct http_call *call);
