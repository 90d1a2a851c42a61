/* SPDX-License-Identifier: Apache-2.0 */
/* From a whole head to the handler: who answers, whether it may, and what becomes of the body.
 *
 * The order is the one that costs least: path and method, the gate (so that nobody without a token
 * makes us take a body), the announced length, the media type, then the body, then its JSON, then
 * the handler. */
#include "http/conn.h"

#include "base/log.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>

enum { US_PER_S = 1000000 };

struct exchange *exchange_new(struct http_conn *c)
{
    struct exchange *x = xnew(struct exchange);
    struct http_request *r = &x->r;

    arena_init(&x->arena);
    buf_init(&x->extra, 64 << 10);
    buf_init(&x->held, BUF_UNBOUNDED);
    id_make(&c->server->ids, loop_wall_ms(c->server->loop), x->id);
    r->conn = c;
    r->loop = c->server->loop;
    r->arena = &x->arena;
    r->user = c->listener->config.user;
    r->id = x->id;
    r->method = "-";
    r->target = r->path = STR("");
    r->peer = str_of(c->peer);
    r->started_ms = c->head_ms;
    r->started_wall_ms = c->head_wall_ms;
    return x;
}

void exchange_free(struct exchange *x)
{
    if (!x)
        return;
    gzip_free(x->zip);
    reading_end(x);
    buf_deinit(&x->extra);
    buf_deinit(&x->body);
    buf_deinit(&x->held);
    arena_deinit(&x->arena);
    free(x);
}

static void refuse_method(struct http_request *r, const char *allow)
{
    http_set_header(r, "Allow", allow);
    http_problem(r, 405, NULL, "Method \"%s\" not allowed.", r->is_head ? "HEAD" : r->method);
}

static bool refuse_target(struct http_request *r, const struct error *err)
{
    if (err->status == STATUS_NOT_FOUND)
        http_problem(r, 404, NULL, "The requested resource could not be found.");
    else
        http_problem(r, 400, NULL, "%s", err->text);
    return false;
}

/* Finds the route. False when the request was answered instead. */
static bool route(struct http_conn *c, struct exchange *x)
{
    const struct http_config *config = &c->listener->config;
    struct http_request *r = &x->r;
    char allow[sizeof(x->match.allow)];
    struct target target;
    bool may_have_slashes;
    struct str path;
    struct error err;

    if (strcmp(r->method, "CONNECT") == 0 || str_is(r->target, "*")) {
        router_allow_all(c->listener->router, allow);
        if (strcmp(r->method, "CONNECT") == 0)
            x->keep_alive = false; /* what follows may be anything */
        refuse_method(r, allow);
        return false;
    }
    if (target_split(r->target, &target, &err) != STATUS_OK)
        return refuse_target(r, &err);
    if (target.authority.p)
        x->host = target.authority;
    r->query = target.query;
    if (config->divert && (r->route = config->divert(r, target.path)) != NULL) {
        r->path = target.path;
        return true;
    }
    target.path = path_with_slashes(target.path, config->slashes_below, &x->arena);
    path_route(c->listener->router, config->optional_prefix, r->method, target.path, &x->arena,
               &x->match, &path);
    may_have_slashes = x->match.route && (x->match.route->flags & HTTP_PARAM_SLASHES);
    if (path_decode(path, may_have_slashes, &x->arena, &r->path, &err) != STATUS_OK)
        return refuse_target(r, &err);
    if (x->match.status == STATUS_METHOD) {
        refuse_method(r, x->match.allow);
        return false;
    }
    if (!x->match.route)
        return refuse_target(r, &(struct error){ .status = STATUS_NOT_FOUND });
    if (query_check(r->query, &err) != STATUS_OK)
        return refuse_target(r, &err);
    r->route = x->match.route;
    return true;
}

/* "application/json", "text/json", "application/problem+json", with any parameters. */
static bool is_json_type(struct str type)
{
    struct str rest = type, bare;

    str_split(&rest, ';', &bare);
    bare = str_trim(bare);
    return str_ieq(bare, STR("application/json")) || str_ieq(bare, STR("text/json")) ||
           (bare.n > 5 && str_ieq(str_make(bare.p + bare.n - 5, 5), STR("+json")));
}

/* Whether the head lets the body come. False when the request was answered instead. */
static bool accept_body(struct http_conn *c, struct exchange *x)
{
    const struct http_route *rt = x->r.route;
    struct str type = http_header(&x->r, "Content-Type");
    struct str coding = http_header(&x->r, "Content-Encoding");
    bool is_wanted = rt->flags & (HTTP_BODY_JSON | HTTP_BODY_TEXT | HTTP_BODY_STREAM);

    x->body_max = rt->max_body ? rt->max_body : c->listener->config.limits.max_body;
    if (!is_wanted)
        x->body_max = DISCARD_MAX;
    buf_init(&x->body, x->body_max);
    if (x->length > x->body_max) {
        conn_refuse(c, 413, "The body is too large.");
        return false;
    }
    if (is_wanted && coding.n > 0 && !str_ieq(coding, STR("identity"))) {
        http_problem(&x->r, 415, NULL,
                     "Content-Encoding \"%.*s\" is not taken: send the body as it is, without "
                     "Content-Encoding.",
                     STR_ARG(coding));
        return false;
    }
    if ((rt->flags & HTTP_BODY_JSON) && type.n > 0 && !is_json_type(type)) {
        http_problem(&x->r, 415, NULL, "Unsupported media type \"%.*s\" in request.",
                     STR_ARG(type));
        return false;
    }
    return true;
}

void exchange_call(struct exchange *x)
{
    x->handed = true;
    x->r.route->handler(&x->r);
}

static void hand_over(struct exchange *x)
{
    x->r.body = buf_str(&x->body);
    if ((x->r.route->flags & HTTP_BODY_JSON) && !reading_start(x))
        return;
    exchange_call(x);
}

static int64_t now_us(const struct http_conn *c)
{
    return loop_now_ms(c->server->loop) * 1000;
}

void exchange_begin(struct http_conn *c)
{
    const struct http_config *config = &c->listener->config;
    struct exchange *x = c->x = exchange_new(c);
    struct refusal refusal;

    c->state = CONN_BODY;
    if (!head_read(c, x, &refusal)) {
        conn_refuse(c, refusal.status, refusal.detail);
        return;
    }
    if (strcmp(x->r.method, "HEAD") == 0) {
        x->r.is_head = true;
        x->r.method = "GET";
    }
    peer_take_fields(x);
    log_about(x->r.id);
    c->read_due_ms = NEVER_MS;
    exchange_restart_floor(c);
    if (x->body_done)
        c->state = CONN_WAIT;
    if (config->first && !config->first(&x->r))
        return;
    if (!route(c, x) || (config->gate && !config->gate(&x->r)) || !accept_body(c, x))
        return;
    if (x->r.route->flags & HTTP_BODY_STREAM) {
        x->handed = true;
        x->r.route->handler(&x->r);
        if (x->answer == ANSWER_NONE && !exchange_holds(x))
            respond_continue(c);
    } else if (x->body_done) {
        hand_over(x);
    } else {
        respond_continue(c);
    }
}

void exchange_restart_floor(struct http_conn *c)
{
    struct exchange *x = c->x;
    int64_t due = now_us(c) + c->listener->config.limits.body_floor_after_ms * 1000;

    if (x->body_done)
        return;
    x->floor_due_us = MAX(x->floor_due_us, due);
    c->read_due_ms = x->floor_due_us / 1000;
    c->is_last_call = false;
}

/* A body must go on faster than a floor: each byte buys time, but never more than the floor's first
 * allowance from now, so that neither a drip nor a burst with a stall behind it holds a connection.
 */
static void buy_time(struct http_conn *c, struct exchange *x, size_t n)
{
    const struct http_limits *limits = &c->listener->config.limits;
    int64_t most = now_us(c) + limits->body_floor_after_ms * 1000;
    int64_t bought =
        (int64_t)MIN((uint64_t)n * US_PER_S / limits->body_floor_per_s, (uint64_t)INT32_MAX);

    x->floor_due_us = MIN(x->floor_due_us + bought, MAX(most, x->floor_due_us));
}

void body_piece(struct exchange *x, struct str piece)
{
    struct http_conn *c = x->r.conn;

    x->received += piece.n;
    buy_time(c, x, piece.n);
    if (x->answer != ANSWER_NONE || !x->r.route) {
        if (x->received > DISCARD_MAX)
            x->keep_alive = false; /* enough of what nobody wants */
        return;
    }
    if (x->received > x->body_max) {
        x->refusal = (struct refusal){ 413, "The body is too large." };
        return;
    }
    if (!(x->r.route->flags & HTTP_BODY_STREAM)) {
        if (x->r.route->flags & (HTTP_BODY_JSON | HTTP_BODY_TEXT))
            buf_add_str(&x->body, piece);
        return;
    }
    if (exchange_holds(x) || x->held.n > 0)
        buf_add_str(&x->held, piece);
    else
        x->r.on_body(&x->r, piece);
}

bool exchange_holds(const struct exchange *x)
{
    return x->handed && x->answer == ANSWER_NONE && (x->is_paused || !x->r.on_body);
}

bool exchange_deliver(struct http_conn *c)
{
    struct exchange *x = c->x;
    struct buf CLEANUP(buf_deinit) held = BUF_INIT(BUF_UNBOUNDED);

    if (!x->handed || x->answer != ANSWER_NONE || !(x->r.route->flags & HTTP_BODY_STREAM) ||
        exchange_holds(x))
        return false;
    if (x->held.n > 0) {
        held = x->held;
        buf_init(&x->held, BUF_UNBOUNDED);
        x->r.on_body(&x->r, buf_str(&held));
        return true;
    }
    if (!x->body_done || x->end_given)
        return false;
    x->end_given = true;
    x->r.on_body(&x->r, STR(""));
    return true;
}

size_t exchange_feed(struct http_conn *c, const char *p, size_t n)
{
    struct exchange *x = c->x;
    size_t used;

    if (!body_parse(x, p, n, &used)) {
        conn_refuse(c, x->refusal.status, x->refusal.detail);
        return n;
    }
    if (!x->body_done) {
        c->read_due_ms = x->floor_due_us / 1000;
        if (x->floor_due_us > now_us(c))
            c->is_last_call = false;
        return used;
    }
    c->state = CONN_WAIT;
    c->read_due_ms = NEVER_MS;
    if (x->r.route && !(x->r.route->flags & HTTP_BODY_STREAM) && x->answer == ANSWER_NONE)
        hand_over(x);
    return used;
}
