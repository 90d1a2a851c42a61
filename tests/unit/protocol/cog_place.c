/* SPDX-License-Identifier: Apache-2.0 */
#include "cog_place.h"

static void open_peer(struct cog_place *pl, const struct peer_spec *like)
{
    struct peer_spec spec = {
        .url = "http://model", .internal_url = "http://us/_i/cap", .slots = 1, .streams = true
    };

    if (like)
        spec = *like;
    peer_open(pl->protocol, &pl->at.peer, &spec, &peer_watch_events);
}

void cog_place_open(struct cog_place *pl, const char *health, const struct peer_spec *like)
{
    *pl = (struct cog_place){ .timing = cog_timing_default };
    pl->loop = loop_new_virtual(0, 1);
    server_init(&pl->server, pl->loop);
    pl->server.health = health;
    pl->client = http_client_new(pl->loop);
    pl->timing.event_extra = 4096;
    pl->timing.limits.max_health = COG_PLACE_HEALTH;
    pl->protocol = cog_protocol_new_timed(pl->loop, pl->client, &pl->timing);
    pl->at.loop = pl->loop;
    buf_init(&pl->at.trail, BUF_UNBOUNDED);
    buf_adds(&pl->at.trail, "");
    open_peer(pl, like);
    cog_place_pass(pl, 1);
}

void cog_place_close(struct cog_place *pl)
{
    if (pl->at.peer.impl)
        peer_close(&pl->at.peer);
    http_client_free(pl->client);
    protocol_free(pl->protocol);
    work_finish(pl->loop);
    server_deinit(&pl->server);
    watch_deinit(&pl->w);
    buf_deinit(&pl->at.trail);
    loop_free(pl->loop);
}

void cog_place_reopen(struct cog_place *pl)
{
    peer_close(&pl->at.peer);
    open_peer(pl, NULL);
}

void cog_place_pass(struct cog_place *pl, int64_t ms)
{
    loop_run_until(pl->loop, loop_now_ms(pl->loop) + ms);
}

static void run_with(struct cog_place *pl, enum run_way way, bool join)
{
    struct run_spec spec = { .id = "p1",
                             .input = STR("{\"n\":1}"),
                             .way = way,
                             .join = join,
                             .max_output = pl->max_output ? pl->max_output : 1000,
                             .max_logs = 1 << 20,
                             .output_is_array = true };

    watch_start(&pl->w, &pl->at.peer, &spec);
    cog_place_pass(pl, 0);
}

void cog_place_run(struct cog_place *pl, enum run_way way)
{
    run_with(pl, way, false);
}

void cog_place_join(struct cog_place *pl)
{
    run_with(pl, RUN_LONG, true);
}
