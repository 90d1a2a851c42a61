/* SPDX-License-Identifier: Apache-2.0 */
/* The health of a server that says no more of it than a status: 2xx on its health path. Before it
 * was ready, any other answer or none means that it is still loading; for how long is the setup
 * timeout's to say. */
#include "base/clock.h"
#include "base/mem.h"
#include "protocol/plain/plain_impl.h"

enum { MAX_FAILURES = 3, REPROBE_MS = 100 };

static void start_probe(struct plain_peer *pp);

static bool is_final(const struct plain_peer *pp)
{
    return pp->health == PEER_FAILED || pp->health == PEER_SICK;
}

static void on_tell(struct deferred *d)
{
    struct plain_peer *pp = container_of(d, struct plain_peer, tell);

    pp->peer->events->health(pp->peer, pp->health, pp->text, STR_NULL);
}

static void set_health(struct plain_peer *pp, enum peer_health h, char *text)
{
    struct plain_run *pr;

    pp->health = h;
    free(pp->text);
    pp->text = text;
    deferred_call(&pp->tell);
    if (!is_final(pp))
        return;
    timer_stop(&pp->probe_timer);
    list_each (&pp->runs, pr, struct plain_run, node)
        plain_run_peer_gone(pr);
}

/* The first of the models that it serves. */
static void on_models(struct plain_peer *pp)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *root = NULL;
    struct str id = STR_NULL;

    if (json_parse(&a, buf_str(&pp->probe.body), &PLAIN_JSON, &root, NULL) == STATUS_OK)
        id = json_to_str(plain_find(root, "data.0.id"));
    if (id.n) {
        pp->model = str_dup(id);
        set_health(pp, PEER_READY, NULL);
        return;
    }
    set_health(pp, PEER_FAILED,
               xstrdup("The model server names no model at GET /v1/models. Say in model.yaml under "
                       "`model` by which name it knows its model."));
}

static void on_healthy(struct plain_peer *pp)
{
    struct plain_run *pr;

    pp->n_failures = 0;
    list_each (&pp->runs, pr, struct plain_run, node)
        plain_run_peer_well(pr);
    if (pp->health == PEER_READY)
        return;
    pp->asks_model = pp->protocol->kind->asks_model && !pp->model;
    if (pp->asks_model)
        pp->probe_again = true;
    else
        set_health(pp, PEER_READY, NULL);
}

/* A server that does one thing at a time may be too busy to say how it is. */
static void on_unhealthy(struct plain_peer *pp, enum status st, int status)
{
    if (pp->health != PEER_READY)
        return;
    pp->n_failures++;
    if (st == STATUS_OK && pp->n_failures >= MAX_FAILURES)
        set_health(pp, PEER_SICK,
                   xasprintf("the model server answers its health check with %d", status));
    else if ((st == STATUS_UNREACHABLE || st == STATUS_BROKEN) && pp->n_failures >= 2)
        set_health(pp, PEER_SICK, xstrdup("the model server does not answer any more"));
    else if (st != STATUS_OK && pp->n_failures >= MAX_FAILURES && pp->peer->in_flight == 0)
        set_health(pp, PEER_SICK, xstrdup("the model server does not answer its health check"));
}

static int64_t next_interval(const struct plain_peer *pp)
{
    const struct plain_timing *t = &pp->protocol->timing;
    int64_t now = loop_now_ms(pp->protocol->base.loop);

    if (pp->health == PEER_READY)
        return pp->n_failures > 0 ? MIN((int64_t)REPROBE_MS, t->probe_ready_ms) : t->probe_ready_ms;
    /* READY is seen at most a hundredth of the boot late. */
    return MIN(MAX((now - pp->began_ms) / 100, t->probe_first_ms), t->probe_max_ms);
}

/* It would be as large the next time. */
static void on_too_large(struct plain_peer *pp)
{
    char limit[TIME_TEXT_SIZE];

    size_format((int64_t)pp->protocol->limits.max_health, limit);
    set_health(pp, pp->health == PEER_STARTING ? PEER_FAILED : PEER_SICK,
               xasprintf("the model server's answer to its health check is larger than %s "
                         "(max_health). Let it answer less, or name another path under `health` "
                         "in model.yaml",
                         limit));
}

static void take_probe(struct plain_peer *pp, const struct error *err)
{
    bool is_good = !err && pp->probe.status >= 200 && pp->probe.status < 300;

    if (err && err->status == STATUS_TOO_LARGE)
        on_too_large(pp);
    else if (pp->asks_model && is_good)
        on_models(pp);
    else if (pp->asks_model && !err && pp->probe.status == 404)
        on_models(pp); /* has none to tell */
    else if (!pp->asks_model && is_good)
        on_healthy(pp);
    else
        on_unhealthy(pp, err ? err->status : STATUS_OK, pp->probe.status);
}

static void on_probe_done(struct http_call *c, const struct error *err)
{
    struct plain_peer *pp = container_of(c, struct plain_peer, probe);

    pp->probe_open = false;
    if (pp->peer && !is_final(pp)) {
        bool asked_model = pp->asks_model;

        take_probe(pp, err);
        if (asked_model)
            pp->asks_model = false;
    }
    if (pp->peer && !is_final(pp)) {
        if (pp->probe_again)
            start_probe(pp);
        else
            timer_start(&pp->probe_timer, next_interval(pp));
    }
    plain_peer_unref(pp);
}

static const struct http_call_events probe_events = { .done = on_probe_done };

static void start_probe(struct plain_peer *pp)
{
    timer_stop(&pp->probe_timer);
    pp->probe_open = true;
    pp->n_probes++;
    pp->probe_again = false;
    pp->refs++;
    http_call_start(
        pp->protocol->client, &pp->probe,
        &(struct http_call_spec){ .method = "GET",
                                  .url = pp->asks_model ? pp->models_url : pp->health_url,
                                  .unix_socket = pp->unix_socket,
                                  .timeout_ms = pp->protocol->timing.probe_timeout_ms,
                                  .max_body = pp->protocol->limits.max_health },
        &probe_events);
}

static void on_probe_timer(struct timer *t)
{
    struct plain_peer *pp = container_of(t, struct plain_peer, probe_timer);

    if (!pp->probe_open)
        start_probe(pp);
}

void plain_probe_now(struct plain_peer *pp)
{
    if (!pp->peer || is_final(pp))
        return;
    if (pp->probe_open)
        pp->probe_again = true;
    else
        timer_start(&pp->probe_timer, 0);
}

void plain_probe_init(struct plain_peer *pp)
{
    struct loop *l = pp->protocol->base.loop;

    pp->health = PEER_STARTING;
    pp->began_ms = loop_now_ms(l);
    timer_init(l, &pp->probe_timer, on_probe_timer);
    deferred_init(l, &pp->tell, on_tell);
    start_probe(pp);
}

void plain_probe_deinit(struct plain_peer *pp)
{
    timer_stop(&pp->probe_timer);
    deferred_cancel(&pp->tell);
    if (pp->probe_open)
        http_call_cancel(&pp->probe);
}
