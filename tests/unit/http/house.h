/* SPDX-License-Identifier: Apache-2.0 */
/* The routes that the server's tests are run against. */
#pragma once

#include "base/network.h"
#include "serving.h"

struct house {
    struct serving s;
    atomic_int smuggled, observed, observed_status, observed_404;
    atomic_size_t uploaded;
    sem_t gone, half, waiting, ended, drained;
};

static struct house house;

/* 127.0.0.0/8: the tests speak as a proxy of ours would. */
static struct network loopback = { .address = { [10] = 0xff, 0xff, 127 }, .bits = 104 };
static const struct networks trusted = { .items = &loopback, .n = 1 };

static void on_ping(struct http_request *r)
{
    http_respond(r, 200, "text/plain", STR("pong"));
}

static void on_smuggled(struct http_request *r)
{
    atomic_fetch_add(&house.smuggled, 1);
    http_respond(r, 200, "text/plain", STR("smuggled"));
}

static void on_echo(struct http_request *r)
{
    http_respond(r, 200, "application/json", r->json ? r->json->span : r->body);
}

static void on_thing(struct http_request *r)
{
    http_set_header(r, "X-Name", "v\r\nX-Injected: 1");
    http_respond(r, 200, "text/plain", http_param(r, "id"));
}

static void on_asked(struct http_request *r)
{
    struct buf CLEANUP(buf_deinit) b = BUF_INIT(BUF_UNBOUNDED);

    buf_addf(&b, "%s|%.*s|%.*s|%.*s", r->method, STR_ARG(r->path), STR_ARG(http_query(r, "q")),
             STR_ARG(http_base_url(r)));
    http_respond(r, 200, "text/plain", buf_str(&b));
}

static void on_gone(struct http_request *r)
{
    (void)r;
    sem_post(&house.gone);
}

static void on_half(struct http_request *r)
{
    sem_post(&house.half);
    http_respond(r, 200, "text/plain", STR("starting"));
}

static void on_wait(struct http_request *r)
{
    r->on_gone = on_gone;
    r->on_half_closed = on_half;
    sem_post(&house.waiting);
}

/* Answers on a later turn. */
struct late {
    struct timer timer;
    struct http_request *r;
};

static void late_due(struct timer *t)
{
    struct late *l = container_of(t, struct late, timer);

    http_respond(l->r, 200, "text/plain",
                 str_of(arena_printf(l->r->arena, "late %.*s", STR_ARG(l->r->query))));
}

static void late_gone(struct http_request *r)
{
    struct late *l = r->context;

    timer_stop(&l->timer);
    sem_post(&house.gone);
}

static void on_late(struct http_request *r)
{
    struct late *l = arena_new(r->arena, struct late);

    l->r = r;
    r->context = l;
    r->on_gone = late_gone;
    timer_init(r->loop, &l->timer, late_due);
    timer_start(&l->timer, 1);
}

static void on_upload_piece(struct http_request *r, struct str piece)
{
    size_t total = atomic_fetch_add(&house.uploaded, piece.n) + piece.n;

    if (piece.n == 0)
        http_respond(r, 201, "text/plain", str_of(arena_printf(r->arena, "%zu", total)));
}

static void on_upload(struct http_request *r)
{
    atomic_store(&house.uploaded, 0);
    r->on_body = on_upload_piece;
    r->on_gone = on_gone;
    sem_post(&house.waiting);
}

static void paused_due(struct timer *t)
{
    http_body_resume(container_of(t, struct late, timer)->r);
}

static void on_slow_piece(struct http_request *r, struct str piece)
{
    struct late *l = r->context;

    on_upload_piece(r, piece);
    if (piece.n == 0)
        return;
    http_body_pause(r);
    timer_start(&l->timer, 1);
}

/* Takes one piece at a time. */
static void on_slow_upload(struct http_request *r)
{
    on_late(r);
    atomic_store(&house.uploaded, 0);
    ((struct late *)r->context)->timer.cb = paused_due;
    r->on_body = on_slow_piece;
    http_body_pause(r);
}

static void on_refusing_upload(struct http_request *r)
{
    http_problem(r, 403, NULL, "not here");
}

static void on_stream(struct http_request *r)
{
    r->on_gone = on_gone;
    http_stream_begin(r, 200, "text/event-stream");
    http_stream_write(r, STR("data: 1\n\n"));
    sem_post(&house.waiting);
}

static void on_short_stream(struct http_request *r)
{
    http_stream_begin(r, 200, "text/plain");
    http_stream_write(r, STR("one "));
    http_stream_write(r, STR(""));
    http_stream_write(r, STR("two"));
    http_stream_end(r);
}

static void flood(struct http_request *r)
{
    static char piece[32 << 10];

    while (http_stream_write(r, str_make(piece, sizeof(piece))))
        ;
}

/* Never looks whether anybody reads. */
static void on_flood(struct http_request *r)
{
    r->on_gone = on_gone;
    http_stream_begin(r, 200, "application/octet-stream");
    flood(r);
}

enum { MEASURED = 8 << 20 };

static void measured_on(struct http_request *r)
{
    static char piece[32 << 10];
    size_t *sent = r->context;

    while (*sent < MEASURED && http_stream_pending(r) < sizeof(piece)) {
        if (!http_stream_write(r, str_make(piece, sizeof(piece))))
            return;
        *sent += sizeof(piece);
    }
    if (*sent < MEASURED) {
        sem_post(&house.waiting);
        return;
    }
    http_stream_end(r);
    sem_post(&house.ended);
}

static void measured_drained(struct http_request *r)
{
    sem_post(&house.drained);
    measured_on(r);
}

/* Writes as the reader takes. */
static void on_measured(struct http_request *r)
{
    r->context = arena_new(r->arena, size_t);
    r->on_gone = on_gone;
    r->on_drained = measured_drained;
    http_stream_begin(r, 200, "application/octet-stream");
    measured_on(r);
}

static void on_large(struct http_request *r)
{
    static char body[MEASURED];

    http_respond(r, 200, "application/octet-stream", str_make(body, sizeof(body)));
}

static void on_broken(struct http_request *r)
{
    struct error err;

    error_set(&err, STATUS_BROKEN, "house.h:1", "a secret");
    http_problem_error(r, &err);
}

static void on_overfull(struct http_request *r)
{
    struct buf CLEANUP(buf_deinit) b = BUF_INIT(20);

    buf_adds(&b, "{\"a\":");
    buf_adds(&b, "\"more than there is room for\"");
    buf_adds(&b, "}");
    http_respond_json(r, 200, &b);
}

static void on_conflict(struct http_request *r)
{
    struct error err;

    error_set(&err, STATUS_CONFLICT, "house.h:2", "the name is taken");
    http_problem_error(r, &err);
}

static const struct http_route house_routes[] = {
    { .method = "GET", .path = "/v1/ping", .handler = on_ping, .flags = HTTP_OPEN },
    { .method = "GET", .path = "/smuggled", .handler = on_smuggled, .flags = HTTP_OPEN },
    { .method = "POST", .path = "/smuggled", .handler = on_smuggled, .flags = HTTP_OPEN },
    { .method = "POST",
      .path = "/v1/echo",
      .handler = on_echo,
      .flags = HTTP_OPEN | HTTP_BODY_JSON },
    { .method = "POST", .path = "/v1/guarded", .handler = on_echo, .flags = HTTP_BODY_JSON },
    { .method = "POST",
      .path = "/v1/text",
      .handler = on_echo,
      .flags = HTTP_OPEN | HTTP_BODY_TEXT,
      .max_body = 1000 },
    { .method = "QUERY",
      .path = "/v1/text",
      .handler = on_echo,
      .flags = HTTP_OPEN | HTTP_BODY_TEXT },
    { .method = "GET",
      .path = "/v1/asked",
      .handler = on_asked,
      .flags = HTTP_OPEN | HTTP_BODY_NONE },
    { .method = "GET", .path = "/v1/things/{id}", .handler = on_thing, .flags = HTTP_OPEN },
    { .method = "PATCH", .path = "/v1/things/{id}", .handler = on_thing, .flags = HTTP_OPEN },
    { .method = "GET", .path = "/v1/wait", .handler = on_wait, .flags = HTTP_OPEN },
    { .method = "GET", .path = "/v1/late", .handler = on_late, .flags = HTTP_OPEN },
    { .method = "PUT",
      .path = "/v1/upload",
      .handler = on_upload,
      .flags = HTTP_OPEN | HTTP_BODY_STREAM,
      .max_body = 4 << 20 },
    { .method = "PUT",
      .path = "/v1/slow",
      .handler = on_slow_upload,
      .flags = HTTP_OPEN | HTTP_BODY_STREAM },
    { .method = "PUT",
      .path = "/v1/refusing",
      .handler = on_refusing_upload,
      .flags = HTTP_OPEN | HTTP_BODY_STREAM },
    { .method = "GET", .path = "/v1/stream", .handler = on_stream, .flags = HTTP_OPEN },
    { .method = "GET", .path = "/v1/short", .handler = on_short_stream, .flags = HTTP_OPEN },
    { .method = "GET", .path = "/v1/flood", .handler = on_flood, .flags = HTTP_OPEN },
    { .method = "GET", .path = "/v1/measured", .handler = on_measured, .flags = HTTP_OPEN },
    { .method = "GET", .path = "/v1/broken", .handler = on_broken, .flags = HTTP_OPEN },
    { .method = "GET", .path = "/v1/conflict", .handler = on_conflict, .flags = HTTP_OPEN },
    { .method = "GET", .path = "/v1/overfull", .handler = on_overfull, .flags = HTTP_OPEN },
    { .method = "GET", .path = "/v1/large", .handler = on_large, .flags = HTTP_OPEN },
};

static bool house_gate(struct http_request *r)
{
    if ((r->route->flags & HTTP_OPEN) || http_header(r, "Authorization").p)
        return true;
    http_problem(r, 401, "Unauthenticated", "You did not pass an authentication token");
    return false;
}

static void house_observer(struct http_request *r, int status, int64_t took_ms, uint64_t bytes_out)
{
    (void)bytes_out;
    (void)took_ms;
    atomic_fetch_add(&house.observed, 1);
    atomic_store(&house.observed_status, status);
    if (status == 404 && !r->route)
        atomic_fetch_add(&house.observed_404, 1);
}

static inline void house_open(const struct http_limits *limits)
{
    memset(&house, 0, sizeof(house));
    sem_init(&house.gone, 0, 0);
    sem_init(&house.half, 0, 0);
    sem_init(&house.waiting, 0, 0);
    sem_init(&house.ended, 0, 0);
    sem_init(&house.drained, 0, 0);
    house.s.config = (struct http_config){
        .routes = house_routes,
        .n_routes = ARRAY_SIZE(house_routes),
        .gate = house_gate,
        .observer = house_observer,
        .optional_prefix = "/v1",
        .trusted = &trusted,
    };
    if (limits)
        house.s.config.limits = *limits;
    serving_start(&house.s);
}

static inline void house_close(void)
{
    serving_stop(&house.s);
}

static inline int house_setup(void **state)
{
    (void)state;
    house_open(NULL);
    return 0;
}

static inline int house_teardown(void **state)
{
    (void)state;
    house_close();
    return 0;
}

/* Sends one request and reads its answer on a connection of its own. */
static inline void ask(const char *request, struct reply *out)
{
    int fd = dial(&house.s);

    say(fd, request);
    hear_reply(fd, out);
    close(fd);
}
