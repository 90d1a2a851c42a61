/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client: libcurl's multi socket interface on our loop. Connections are kept and used
 * again. */
#pragma once

#include "base/buf.h"
#include "base/status.h"
#include "loop/loop.h"

struct http_client;
struct http_call;

struct http_client *http_client_new(struct loop *l) NODISCARD;
/* Bytes of interim answers, header fields and trailers of a call that begins later; 256 KiB unless
 * something less is said. */
void http_client_limit_head(struct http_client *c, size_t max);
/* Calls still open are given up without their callback. Not from inside a `headers` or `data`
 * event. */
void http_client_free(struct http_client *c);

enum http_call_flags {
    HTTP_CALL_QUICKACK = 1, /* TCP_QUICKACK until the first byte of the body arrived (the answer's
                               first event would wait 40 ms for Nagle and a delayed ACK) */
    HTTP_CALL_NEW_CONNECTION = 2,
    HTTP_CALL_PUBLIC_ONLY =
        4, /* refuse private, loopback, link-local and multicast addresses where connected to */
    HTTP_CALL_BULK = 8, /* much goes through: larger pieces */
};

/* What events->body gives where there is nothing yet. */
#define HTTP_CALL_LATER SIZE_MAX

struct http_call_spec {
    const char *method;      /* "GET" */
    const char *url;         /* http or https only; no redirects are followed, no proxy is used */
    const char *unix_socket; /* NULL: TCP */
    const char *const *headers; /* "Name: value", ends with NULL; may be NULL */
    struct str body;            /* must live until done; p == NULL: no body */
    int64_t body_size; /* with events->body: how much comes by it; -1: not known, sent in chunks */
    int64_t connect_timeout_ms; /* 0: 5 s */
    int64_t timeout_ms;         /* whole exchange; 0: none */
    int64_t stall_timeout_ms;   /* no byte received for so long; 0: none */
    size_t max_body;            /* collected answers; 0: 64 MiB */
    unsigned flags;
};

struct http_call_events {
    /* Status line and header fields have arrived. May be NULL. */
    void (*headers)(struct http_call *c, int status);
    /* A piece of the body; false pauses the transfer (the piece is kept and comes again after
     * http_call_resume). NULL: the body is collected in c->body. */
    bool (*data)(struct http_call *c, struct str piece);
    /* The next piece of the request's body, written to `out`: how many bytes, at most `room`; 0: it
     * is over; HTTP_CALL_LATER: http_call_resume() asks again. NULL: the body is spec's. An answer
     * that comes before its end, and is an error, ends the sending. */
    size_t (*body)(struct http_call *c, char *out, size_t room);
    /* Comes exactly once, never from inside start. err == NULL: the exchange is complete whatever
     * its status; else UNREACHABLE (nothing was sent), BROKEN (it ended in the middle), TIMED_OUT,
     * TOO_LARGE, FORBIDDEN (address), CANCELED, INVALID (the URL). The call may be started again or
     * freed inside. Who starts it again after a failure waits first: a refused connection fails at
     * once. */
    void (*done)(struct http_call *c, const struct error *err);
};

/* Zeroed before its first start; http_call_deinit() at its end. */
struct http_call {
    const struct http_call_events *events;
    int status;        /* 0 before headers */
    struct buf body;   /* collected answer */
    struct buf head;   /* raw header lines of the final answer, the status line first */
    bool request_sent; /* from when the request may have reached the peer */
    bool connection_reused;
    void *impl;
};

/* The spec and its texts are copied, but for the body. A request that is not GET, HEAD, OPTIONS or
 * QUERY is never sent a second time, whatever becomes of its connection. */
void http_call_start(struct http_client *c, struct http_call *call,
                     const struct http_call_spec *spec, const struct http_call_events *events);
void http_call_cancel(
    struct http_call *call); /* done follows with CANCELED on the next turn; harmless later */
void http_call_resume(struct http_call *call); /* the kept piece comes on the next turn */
void http_call_deinit(struct http_call *call); /* frees body and head; it is not in flight */
/* Value of an answer's header field, p == NULL when absent. */
struct str http_call_header(const struct http_call *call, const char *name);
