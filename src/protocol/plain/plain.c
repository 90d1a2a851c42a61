/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/plain/plain.h"

#include "base/mem.h"
#include "protocol/plain/plain_impl.h"

const struct plain_timing plain_timing_default = {
    .probe_first_ms = 10,
    .probe_max_ms = 250,
    .probe_ready_ms = 5000,
    .probe_timeout_ms = 12000,
    .accept_ms = 100,
    .lost_ms = 3000,
    .linger_ms = 2000,
};

/* "choices.0.message.content" is the deepest. */
const struct json_limits PLAIN_JSON = { .keep_depth = 4, .max_values = 1 << 16 };

static struct plain_protocol *plain_of(struct protocol *pr)
{
    return container_of(pr, struct plain_protocol, base);
}

static void peer_free(struct plain_peer *pp)
{
    list_remove(&pp->node);
    timer_stop(&pp->probe_timer);
    deferred_cancel(&pp->tell);
    http_call_deinit(&pp->probe);
    free(pp->unix_socket);
    free(pp->health_url);
    free(pp->models_url);
    free(pp->url);
    free(pp->model);
    free(pp->output);
    free(pp->text);
    free(pp);
}

void plain_peer_unref(struct plain_peer *pp)
{
    if (--pp->refs == 0)
        peer_free(pp);
}

static void plain_open(struct peer *p, const struct peer_spec *spec)
{
    struct plain_protocol *protocol = plain_of(p->protocol);
    const struct version_http *http = spec->http;
    struct plain_peer *pp = xnew(struct plain_peer);

    pp->protocol = protocol;
    pp->peer = p;
    pp->refs = 1;
    pp->unix_socket = xstrdup(spec->unix_socket);
    pp->health_url = xasprintf("%s%s", spec->url, http->health);
    pp->models_url = xasprintf("%s/v1/models", spec->url);
    pp->url = xasprintf("%s%s", spec->url, http->path);
    pp->model = xstrdup(http->model);
    pp->output = xstrdup(http->output);
    list_init(&pp->runs);
    list_push(&protocol->peers, &pp->node);
    p->impl = pp;
    plain_probe_init(pp);
}

static void plain_close(struct peer *p)
{
    struct plain_peer *pp = p->impl;
    struct plain_run *pr;

    list_each (&pp->runs, pr, struct plain_run, node) {
        struct run *r = pr->run;

        if (!r)
            continue;
        plain_run_drop(pr);
        run_forget(r);
    }
    plain_probe_deinit(pp);
    pp->peer = NULL;
    plain_peer_unref(pp);
}

/* Such servers have no word for it: the driver's signal ends them. */
static void plain_shutdown(struct peer *p)
{
    (void)p;
}

/* The client went first, so that no call is open any more: what still waited for one is freed here.
 */
static void plain_free(struct protocol *base)
{
    struct plain_protocol *protocol = plain_of(base);
    struct plain_peer *pp;

    work_finish(base->loop);
    list_each (&protocol->peers, pp, struct plain_peer, node) {
        struct list *n;

        while ((n = list_first(&pp->runs)))
            plain_run_free(container_of(n, struct plain_run, node));
        peer_free(pp);
    }
    free(protocol);
}

static const struct protocol_ops plain_ops = {
    .name = "plain",
    .free = plain_free,
    .open = plain_open,
    .close = plain_close,
    .shutdown = plain_shutdown,
    .start = plain_run_start,
    .cancel = plain_run_cancel,
    .release = plain_run_release,
    .is_unsent = plain_run_is_unsent,
    .ends_with_us = true,
};

struct protocol *plain_new(struct loop *l, struct http_client *client,
                           const struct plain_kind *kind, const struct plain_limits *limits)
{
    struct plain_protocol *protocol = xnew(struct plain_protocol);

    protocol->base.ops = &plain_ops;
    protocol->base.loop = l;
    protocol->kind = kind;
    protocol->client = client;
    protocol->timing = plain_timing_default;
    protocol->limits = *limits;
    list_init(&protocol->peers);
    return &protocol->base;
}

struct protocol *plain_protocol_new(struct loop *l, struct http_client *client,
                                    const struct plain_limits *limits)
{
    return plain_new(l, client, &plain_kind, limits);
}
