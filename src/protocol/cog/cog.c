/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/cog/cog.h"

#include "base/mem.h"
#include "protocol/cog/cog_impl.h"

const struct cog_timing cog_timing_default = {
    .probe_first_ms = 10,
    .probe_max_ms = 250,
    .probe_ready_ms = 5000,
    .probe_timeout_ms = 12000,
    .unhealthy_ms = 15000,
    .lost_slot_ms = 5000,
    .conflict_ms = 2000,
    .stall_ms = 45000,
    .rejoin_ms = 250,
    .recheck_ms = 30000,
    .lost_result_ms = 10000,
    .webhook_wait_ms = 15000,
    .unsure_wait_ms = 3000,
    .retry_wait_ms = 120000,
    .sick_wait_ms = 5000,
    .linger_ms = 2000,
    .cancel_again_ms = 500,
    .cancel_repeat_ms = 1000,
    .event_extra = 64 << 20,
    .limits = { .max_health = 64 << 20, .max_error = 64 << 10, .max_metrics = 64 << 10 },
};

const struct json_limits COG_JSON = { .keep_depth = 1, .max_values = 4096 };
const struct json_limits COG_HEALTH_JSON = { .keep_depth = 2, .max_values = 4096 };

static struct cog_protocol *cog_of(struct protocol *pr)
{
    return container_of(pr, struct cog_protocol, base);
}

int64_t cog_now(const struct cog_peer *cp)
{
    return loop_now_ms(cp->cog->base.loop);
}

bool cog_peer_streams(const struct cog_peer *cp)
{
    return cp->dialect == COG_COGLET && cp->streams && !cp->train;
}

char *cog_peer_path(const struct cog_peer *cp, const char *id, const char *suffix)
{
    return xasprintf("%s/%s/%s%s", cp->url, cp->train ? "trainings" : "predictions", id, suffix);
}

static void cog_open(struct peer *p, const struct peer_spec *spec)
{
    struct cog_protocol *cog = cog_of(p->protocol);
    struct cog_peer *cp = xnew(struct cog_peer);

    cp->cog = cog;
    cp->peer = p;
    cp->url = xstrdup(spec->url);
    cp->unix_socket = xstrdup(spec->unix_socket);
    cp->internal_url = xstrdup(spec->internal_url);
    cp->slots = spec->slots > 0 ? spec->slots : 1;
    cp->streams = spec->streams;
    cp->train = spec->train;
    list_init(&cp->runs);
    list_push(&cog->peers, &cp->node);
    p->impl = cp;
    cog_probe_init(cp);
}

static void peer_free(struct cog_peer *cp)
{
    list_remove(&cp->node);
    timer_stop(&cp->probe_timer);
    deferred_cancel(&cp->tell);
    cog_reading_drop(&cp->reading);
    http_call_deinit(&cp->probe);
    http_call_deinit(&cp->farewell);
    buf_deinit(&cp->setup_log);
    free(cp->url);
    free(cp->unix_socket);
    free(cp->internal_url);
    free(cp->probe_url);
    free(cp->farewell_url);
    free(cp->text);
    free(cp);
}

void cog_peer_unref(struct cog_peer *cp)
{
    if (!cp->peer && !cp->probe_open && !cp->farewell_open && list_empty(&cp->runs))
        peer_free(cp);
}

static void cog_close(struct peer *p)
{
    struct cog_peer *cp = p->impl;
    struct cog_run *cr;

    list_each (&cp->runs, cr, struct cog_run, node) {
        struct run *r = cr->run;

        if (!r)
            continue;
        cog_run_drop(cr, true);
        run_forget(r);
    }
    cog_probe_deinit(cp);
    cp->peer = NULL;
    cog_peer_unref(cp);
}

static void on_farewell_done(struct http_call *c, const struct error *err)
{
    struct cog_peer *cp = container_of(c, struct cog_peer, farewell);

    (void)err;
    cp->farewell_open = false;
    cog_peer_unref(cp);
}

static const struct http_call_events farewell_events = { .done = on_farewell_done };

static void cog_shutdown(struct peer *p)
{
    static const char *const headers[] = { "Content-Type: application/json", NULL };
    struct cog_peer *cp = p->impl;

    if (cp->farewell_open)
        return;
    free(cp->farewell_url);
    cp->farewell_url = xasprintf("%s/shutdown", cp->url);
    cp->farewell_open = true;
    http_call_start(cp->cog->client, &cp->farewell,
                    &(struct http_call_spec){ .method = "POST",
                                              .url = cp->farewell_url,
                                              .unix_socket = cp->unix_socket,
                                              .headers = headers,
                                              .body = STR(""),
                                              .timeout_ms = 5000,
                                              .max_body = 64 * 1024 },
                    &farewell_events);
}

/* The client went first, so that no call is open any more: what still waited for one is freed here.
 */
static void cog_free(struct protocol *pr)
{
    struct cog_protocol *cog = cog_of(pr);
    struct cog_peer *cp;
    struct cog_run *cr;

    list_each (&cog->peers, cp, struct cog_peer, node) {
        struct list *n;

        while ((n = list_first(&cp->runs))) {
            cr = container_of(n, struct cog_run, node);
            cog_run_free(cr);
        }
        peer_free(cp);
    }
    free(cog);
}

static const struct protocol_ops cog_ops = {
    .name = "cog",
    .free = cog_free,
    .open = cog_open,
    .close = cog_close,
    .shutdown = cog_shutdown,
    .start = cog_run_start,
    .cancel = cog_run_cancel,
    .release = cog_run_release,
    .printed = cog_probe_printed,
    .is_unsent = cog_run_is_unsent,
    .webhook = cog_run_webhook,
    .read_final = cog_read_final,
    .log_line = cog_log_line,
};

struct protocol *cog_protocol_new_timed(struct loop *l, struct http_client *client,
                                        const struct cog_timing *timing)
{
    struct cog_protocol *cog = xnew(struct cog_protocol);

    cog->base.ops = &cog_ops;
    cog->base.loop = l;
    cog->client = client;
    cog->timing = *timing;
    list_init(&cog->peers);
    return &cog->base;
}

struct protocol *cog_protocol_new(struct loop *l, struct http_client *client,
                                  const struct cog_limits *limits)
{
    struct cog_timing timing = cog_timing_default;

    timing.limits = *limits;
    return cog_protocol_new_timed(l, client, &timing);
}
