/* SPDX-License-Identifier: Apache-2.0 */
/* One peer of the Cog protocol on the virtual clock, with a model server that the test plays. */
#pragma once

#include "model_server.h"
#include "protocol/cog/cog_impl.h"
#include "watch.h"

#define COGLET "\"version\":{\"coglet\":\"0.23.1\"}"
#define READY  "{\"status\":\"READY\",\"setup\":{\"status\":\"succeeded\"}," COGLET "}"
#define BUSY   "{\"status\":\"BUSY\",\"setup\":{\"status\":\"succeeded\"}," COGLET "}"
#define LEGACY_READY                                                                               \
    "{\"status\":\"READY\",\"setup\":{\"status\":\"succeeded\",\"logs\":\"hi\\n\"}}"

enum { COG_PLACE_HEALTH = 256 << 10 }; /* what the peer reads of an answer about its health */

struct cog_place {
    struct loop *loop;
    struct http_client *client;
    struct protocol *protocol;
    struct model_server server;
    struct peer_watch at;
    struct watch w;
    struct cog_timing timing;
    size_t max_output; /* of the runs to come; 0: 1000 */
};

/* The server is READY as `health` says (NULL: it does not listen), and the peer has seen it. */
void cog_place_open(struct cog_place *pl, const char *health, const struct peer_spec *like);
void cog_place_close(struct cog_place *pl);
/* peer_close, then a new peer on the same server. */
void cog_place_reopen(struct cog_place *pl);
void cog_place_pass(struct cog_place *pl, int64_t ms);
void cog_place_run(struct cog_place *pl,
                   enum run_way way); /* {"n":1} as p1, and the turn after it */
void cog_place_join(struct cog_place *pl);
