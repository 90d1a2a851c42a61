/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP/1.1 server: our own connection layer over libuv and llhttp.
 *
 * A server has listeners, a listener has a router. A connection reads one request at a time
 * (pipelined ones wait in its buffer) and hands it to the route's handler; the handler answers at
 * once or later. What the message itself gets wrong (framing, limits, deadlines) is answered here
 * as application/problem+json and the connection closes. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/status.h"
#include "loop/loop.h"

struct http_server;
struct networks;
struct http_tls;
struct http_listener;
struct http_conn;
struct http_request;
struct http_route;

/* All limits come from the option table. Zero means the default given here. */
struct http_limits {
    size_t max_request_line;     /* 8 KiB */
    size_t max_header_bytes;     /* 32 KiB */
    size_t max_headers;          /* 100 */
    size_t max_body;             /* for routes without a limit of their own: 16 MiB */
    size_t max_connections;      /* 10,000 */
    size_t max_per_address;      /* 0: no limit; trusted proxies are never limited */
    bool limit_loopback;         /* loopback addresses have that limit too */
    size_t max_write_buffer;     /* of a streamed answer whose reader does not read: 4 MiB */
    int64_t head_timeout_ms;     /* 10 s: the whole head */
    int64_t body_floor_after_ms; /* 10 s: from then on the body must keep above the floor */
    size_t body_floor_per_s;     /* 1 KiB */
    int64_t idle_timeout_ms;     /* 75 s between requests */
    int64_t write_timeout_ms;    /* 60 s without progress of a reader */
};

typedef void (*http_handler)(struct http_request *r);

enum http_route_flags {
    HTTP_OPEN = 1,        /* needs no token */
    HTTP_BODY_JSON = 2,   /* read whole; its type must be JSON (or absent); r->json is set */
    HTTP_BODY_TEXT = 4,   /* read whole, any type */
    HTTP_BODY_STREAM = 8, /* the handler is called after the head and takes it by r->on_body */
    HTTP_BODY_NONE = 16, /* read and thrown away (clients put Content-Type on a GET); the default */
    HTTP_HIDDEN = 32,    /* not in the OpenAPI document */
    HTTP_PARAM_SLASHES = 64, /* a parameter may have encoded slashes (%2F) in it */
    HTTP_TAKES_ROOM = 128,   /* writes what stays: refused while the disk is nearly full */
    /* With HTTP_BODY_JSON: r->json is kept two levels deep where these have at most
     * HTTP_SHALLOW_VALUES values, else one (the lists in it then have `n` and no children); no key
     * is missed for being given twice. For bodies of machines, which may be of any shape. */
    HTTP_BODY_SHALLOW = 256,
};

/* One row of the one list of what the server answers. Path segments in braces are parameters:
 * "/v1/models/{owner}/{name}". */
struct http_route {
    const char *method;
    const char *path;
    http_handler handler;
    unsigned flags;
    size_t max_body;  /* 0: the listener's */
    const char *name; /* operation id: "deployments.create" */
    const char *summary;
} DESIGNATED;

/* Called before the handler for every route without HTTP_OPEN; answers and returns false to refuse.
 * It may also look at open routes (to know who asks, for limits): r->route->flags tells. */
typedef bool (*http_gate)(struct http_request *r);
/* Called when a request has been answered, or its client is gone: for the log and the metrics.
 * Status 499: the client went before it was answered. A message that was refused has no route, and
 * perhaps no method ("-") or path (""). */
typedef void (*http_observer)(struct http_request *r, int status, int64_t took_ms,
                              uint64_t bytes_out);

struct http_config {
    const struct http_route *routes;
    size_t n_routes;
    http_gate gate;         /* may be NULL */
    http_observer observer; /* may be NULL */
    struct http_limits limits;
    void *user; /* r->user */
    /* Peers whose X-Forwarded-For, -Host, -Proto and X-Request-Id are believed; NULL: none. Must
     * outlive the server. */
    const struct networks *trusted;
    struct http_tls *tls; /* NULL: plain; unix sockets always are. Must outlive the server */
    unsigned unix_mode;   /* of a socket's file; 0: 0600 */
    /* "/v1" for the public API: paths are served with it, without it, and with it twice; and
     * "/v1/https://host/v1/..." (the Go client glues its base to an absolute `next`). NULL: as they
     * stand. */
    const char *optional_prefix;
    /* "/openai/v1/models/": below it an encoded slash is one (OpenAI's clients send an id with a
     * slash in it as one segment). NULL: nowhere, such paths are refused. */
    const char *slashes_below;
    /* Asked before the routes: a row that is in no table but answers this request (its `path` as it
     * was sent, without the query), or NULL. The gate comes after it. NULL: nobody is asked. */
    const struct http_route *(*divert)(const struct http_request *r, struct str path);
    /* Asked once for each request whose head is whole, before its route is sought: it may set
     * fields of the answer, whatever that will be; or answers and returns false. NULL: nobody is
     * asked. */
    bool (*first)(struct http_request *r);
    /* Asked for each problem that is to be answered: whether it has answered it in a form of its
     * own. The route may not be known yet. NULL: all have the one of problem+json. */
    bool (*problem)(struct http_request *r, int status, struct str detail);
    /* Asked once for each connection: whether it is closed without a word. NULL: nobody is asked.
     */
    bool (*refuses)(void *user, int fd);
    void *refuses_user;
};

/* A tree takes many times the memory of its text: its size has a limit of its own. */
enum { HTTP_JSON_VALUES = 200000, HTTP_SHALLOW_VALUES = 65536 };

/* JSON bodies beyond this are read on another thread. */
enum { HTTP_LARGE_BODY = 64 << 10 };

/* A certificate chain and its key, from files in PEM form. Errors name the option (--tls-cert,
 * --tls-key), the file and what is wrong with it. */
enum status http_tls_new(const char *cert, const char *key, struct http_tls **out,
                         struct error *err) NODISCARD;
/* Reads the files again, for connections to come; after a failure all is as it was. */
enum status http_tls_reload(struct http_tls *t, struct error *err) NODISCARD;
void http_tls_free(struct http_tls *t);

struct http_server *http_server_new(struct loop *l) NODISCARD;
/* "HOST:PORT", "[::1]:PORT", "unix:PATH". Port 0 takes a free one. `config` is copied;
 * its tables must outlive the server. */
enum status http_server_listen(struct http_server *s, const char *address,
                               const struct http_config *config, struct http_listener **out,
                               struct error *err) NODISCARD;
int http_listener_port(const struct http_listener *li); /* 0 for a unix socket */
/* A socket that listens already and belongs to somebody else as well (socket activation): nothing
 * is done to it but accepting; what is not accepted before a drain waits for the next one who does.
 * The descriptor is taken, also by a failure. */
enum status http_server_listen_on(struct http_server *s, int fd, const struct http_config *config,
                                  struct http_listener **out, struct error *err) NODISCARD;
/* Drains: stops accepting, answers what is open, and what idle connections still ask within a
 * second, with "Connection: close". May be called again with another grace. `done` comes when the
 * last connection is closed, at the latest after `grace_ms`. */
void http_server_drain(struct http_server *s, int64_t grace_ms, void (*done)(void *arg), void *arg);
/* While draining: who has said all and still waits for its answer after so long is given up;
 * requests that are still arriving have the whole grace. */
void http_server_drain_waits(struct http_server *s, int64_t ms);
void http_server_free(struct http_server *s); /* after a drain, or when nothing ever listened */

/* A request. It belongs to its connection and is valid until the answer has been finished or
 * on_gone was called; everything in it lives as long (in `arena`). */
struct http_request {
    struct http_conn *conn;
    struct loop *loop;
    struct arena *arena;
    void *user; /* of the listener's config */
    const struct http_route *route;
    const char *id;     /* request id: what X-Request-Id answers */
    const char *method; /* "GET"; "HEAD" arrives as GET with is_head set */
    bool is_head;
    struct str target; /* as sent */
    struct str path;   /* decoded, without the query, in the spelling that was routed ("/v1/...") */
    struct str query;  /* raw */
    struct str body;   /* whole body of buffered routes */
    /* HTTP_BODY_JSON: never NULL; no empty body, and at most HTTP_JSON_VALUES values. */
    struct json *json;
    struct str peer;    /* "127.0.0.1"; "unix"; of a trusted proxy, whom it speaks for */
    int64_t started_ms; /* loop_now_ms at the first byte */
    int64_t started_wall_ms;
    void *account; /* for the gate to fill, in whatever type the api uses */
    void *context; /* for the handler */

    /* Set by a handler that answers later. The client is gone (or the drain's grace is over):
     * release everything; the request is invalid after this returns, nothing may be answered. */
    void (*on_gone)(struct http_request *r);
    /* The client closed its sending side while we have not answered yet (a FIN): may be NULL. */
    void (*on_half_closed)(struct http_request *r);
    /* HTTP_BODY_STREAM: a piece of the body, n == 0 at its end. Call http_body_pause/resume for
     * back-pressure. A handler that cannot take the body yet leaves this NULL or pauses, and later
     * sets it and calls http_body_resume(); nothing is read meanwhile, and no time is counted.
     * Returning after having answered makes the rest be discarded or the connection close. */
    void (*on_body)(struct http_request *r, struct str piece);
    /* A streamed answer: the peer has taken what was written (below half of max_write_buffer). May
     * be NULL. */
    void (*on_drained)(struct http_request *r);
};

struct str http_param(const struct http_request *r, const char *name); /* decoded path parameter */
struct str http_header(const struct http_request *r,
                       const char *name); /* p == NULL when absent; first of several */
/* Decoded query parameter in r->arena; p == NULL when absent. */
struct str http_query(const struct http_request *r, const char *name);
/* "http://host:port" of this request, as the client spoke to us (its Host header; behind a trusted
 * proxy, what that says), without a slash. */
struct str http_base_url(const struct http_request *r);

void http_body_pause(struct http_request *r);
void http_body_resume(struct http_request *r);
/* Sends 100 Continue when the client waits for it; buffered routes and the first on_body do it
 * themselves. */
void http_body_accept(struct http_request *r);

/* For work on another thread that needs a large body or its JSON, however soon the request ends:
 * both stay until the release. NULL: the body is small, and is gone with the request. Both on the
 * loop. */
struct http_kept;
struct http_kept *http_keep(struct http_request *r) NODISCARD;
/* Where a large body stands, for the taking: its spans live as long as that does. NULL: the body is
 * small, and has to be copied. */
struct buf *http_body_memory(struct http_request *r);
void http_release(struct http_kept *k); /* NULL is fine */

/* Answers. Exactly one of respond / stream_begin for each request. Extra header fields are set
 * before; the same name twice makes two fields. The request stays valid until control is back in
 * the loop. */
void http_set_header(struct http_request *r, const char *name, const char *value); /* copied */
bool http_has_set(const struct http_request *r, const char *name); /* whether one of that name is */
void http_respond(struct http_request *r, int status, const char *content_type, struct str body);
/* A body that did not fit its buffer is answered with 500, and logged. A large one is taken, and
 * not copied. */
void http_respond_json(struct http_request *r, int status, struct buf *body);
void http_respond_empty(struct http_request *r, int status);
/* A body that is compressed already; whoever does not take gzip gets it unpacked: `plain_size`
 * bytes. */
void http_respond_gzipped(struct http_request *r, int status, const char *content_type,
                          struct str gzip, size_t plain_size);
/* application/problem+json {"detail":..., "status":...}; NULL title leaves it out. */
void http_problem(struct http_request *r, int status, const char *title, const char *fmt, ...)
    PRINTF(4, 5);
/* The error's own HTTP status and text; 5xx are logged with their place and answered in general
 * words. */
void http_problem_error(struct http_request *r, const struct error *err);

/* A streamed answer (chunked; HTTP/1.0 gets until-close). write() returns false when the reader is
 * gone or fell behind max_write_buffer: on_gone will be called on a later turn. So it is after a
 * HEAD, unless the stream ends at once. */
void http_stream_begin(struct http_request *r, int status, const char *content_type);
/* The same with Content-Length: exactly so many bytes are written before the end, else the
 * connection is closed. After a HEAD nothing is written, and the stream ends at once. */
void http_stream_begin_sized(struct http_request *r, int status, const char *content_type,
                             int64_t length);
bool http_stream_write(struct http_request *r, struct str piece);
/* What was begun cannot be completed: the connection breaks, so that the reader does not take it
 * for whole. on_gone comes on a later turn. */
void http_stream_abort(struct http_request *r);
size_t http_stream_pending(const struct http_request *r); /* bytes written but not taken yet */
void http_stream_end(struct http_request *r);

/* The router alone, for tests and for documents made from the table. */
struct router;
struct router *router_new(const struct http_route *routes, size_t n) NODISCARD;
void router_free(struct router *rt);
struct router_match {
    const struct http_route *route; /* NULL: see status */
    struct {
        struct str name, value;
    } params[8]; /* values percent-encoded, as sent */
    size_t n_params;
    enum status status; /* OK, NOT_FOUND or METHOD */
    char allow[64];     /* METHOD: "GET, HEAD, POST" */
};
void router_find(const struct router *rt, const char *method, struct str path,
                 struct router_match *out);
