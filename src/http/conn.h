/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the server: what its files know of servers, listeners, connections and exchanges.
 *
 * An exchange is one request with its answer. A connection has one at most; it is made when the
 * head is whole (or when the message is refused) and freed when the answer has left for the kernel.
 * Nothing is freed while a handler is on the stack: what a handler does is only noted, and
 * conn_run() acts on it. */
#pragma once

#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "http/gzip.h"
#include "http/server.h"
#include "http/tls.h"

#include <llhttp.h>
#include <uv.h>

enum {
    READ_SIZE = 64 << 10,   /* one read; also how much pipelined input waits behind a request */
    DISCARD_MAX = 64 << 10, /* of a body nobody wants, before the connection is closed instead */
    LINGER_MAX = 16 << 20,  /* read and thrown away after the last answer, so that it can be read */
    LINGER_MS = 2000,
    LAST_IDLE_MS = 1000,     /* for what a client had sent, or was about to, when a drain began */
    EXTENSION_MAX = 1 << 10, /* of one chunk */
    NEVER_MS = -1,
};

union http_handle {
    uv_handle_t any;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct http_server {
    struct loop *loop;
    uv_loop_t *uv;
    struct id_gen ids;
    struct list listeners;
    struct list conns;
    struct list idle;     /* connections between requests, the longest idle first */
    struct map addresses; /* of a peer, packed, to its number of connections */
    size_t n_conns;
    size_t n_handles;       /* libuv handles that are open or closing */
    char *read_buf;         /* one for all: what is read is used or copied before the next read */
    struct z_stream_s *zip; /* for small answers; NULL until it is needed */
    char *plain_buf;        /* the same for what was encrypted; NULL until it is needed */
    char date[32];
    int64_t date_s;
    bool is_draining;
    struct timer grace, waits_grace;
    struct deferred drained;
    void (*done)(void *arg);
    void *done_arg;
};

struct http_listener {
    struct list node;
    struct http_server *server;
    struct http_config config;
    struct router *router;
    union http_handle handle;
    bool is_unix, is_closing;
    char *unix_path; /* of a socket that we made */
    int port;
};

enum conn_state {
    CONN_IDLE,    /* between requests, nothing received */
    CONN_HEAD,    /* a head has begun */
    CONN_BODY,    /* an exchange, its body still arriving */
    CONN_WAIT,    /* an exchange, all of its body read (or given up) */
    CONN_LINGER,  /* the last answer is out; waiting for the client to close */
    CONN_CLOSING, /* uv_close() was called */
};

struct http_conn {
    union http_handle handle;
    struct http_server *server;
    struct http_listener *listener;
    struct list node, idle_node;
    struct timer timer;   /* at the nearer of the next two */
    int64_t read_due_ms;  /* NEVER_MS: none */
    int64_t write_due_ms; /* NEVER_MS: none */
    struct deferred turn;
    enum conn_state state;
    bool is_running;   /* conn_run() is on the stack */
    bool has_settled;  /* and has come to the end of a request */
    bool is_reading;   /* uv_read_start() is in force */
    bool is_eof;       /* the client has closed its sending side */
    bool is_last_call; /* a deadline has passed; one more look at what has arrived */
    bool is_broken;    /* a write failed or its reader fell behind: to be closed */
    struct buf in;     /* received and not used yet */
    size_t scanned;    /* of `in`: how far head_scan() has looked, */
    size_t line;       /* where the line it is in begins, */
    size_t n_lines;    /* lines seen whole, */
    size_t head_at;    /* and where the first header field begins */
    struct buf out;    /* waits behind the write under way */
    size_t out_at;     /* TLS: of `out`, how much is encrypted and gone */
    struct tls *tls;   /* NULL: plain */
    struct conn_write *writing;
    bool has_written;    /* a write has ended since the stream was told */
    uint64_t queued;     /* bytes that ever had to wait, */
    uint64_t write_mark; /* and those of them that were gone when write_due_ms was set */
    size_t lingered;
    int64_t head_ms, head_wall_ms; /* when the head began to arrive */
    struct exchange *x;
    char *address; /* key into server->addresses, NULL: not counted */
    size_t address_n;
    char peer[INET6_ADDRSTRLEN];
    bool is_trusted; /* the peer is a proxy of ours */
};

enum answer { ANSWER_NONE, ANSWER_STREAM, ANSWER_DONE };

struct field {
    struct str name, value;
};

/* Why a message is not taken: the answer it gets instead. Status 0: nothing is wrong with it. */
struct refusal {
    int status;
    const char *detail;
};

struct exchange {
    struct http_request r;
    struct arena arena;
    struct router_match match;
    struct field *fields; /* of the request */
    size_t n_fields;
    struct str host;
    char id[ID_SIZE];

    /* The request's body. */
    llhttp_t parser;
    bool has_length, is_chunked, expects_continue, is_http10;
    bool body_done; /* its last byte was parsed */
    bool end_given; /* and the handler was told */
    bool is_paused;
    uint64_t length; /* announced */
    uint64_t received;
    uint64_t body_max;
    size_t extension;       /* bytes of the present chunk's extension */
    size_t trailer;         /* bytes of trailer fields */
    struct refusal refusal; /* set inside a parser callback */
    int64_t floor_due_us;
    struct buf body;        /* buffered routes */
    struct buf held;        /* pieces parsed while the handler had paused */
    struct http_kept *kept; /* a large body that is read, or was; NULL: `body` has it */

    /* The answer. */
    enum answer answer;
    bool handed;    /* the handler was called and has to be told when the client goes */
    bool half_told; /* on_half_closed was due */
    bool keep_alive;
    bool in_chunks;
    struct gzip *zip;   /* the answer is given, and being compressed */
    bool is_sized;      /* a streamed answer with Content-Length, */
    uint64_t size_left; /* and so much of it still to come */
    bool wants_drained;
    int status;
    uint64_t bytes_out;
    struct buf extra; /* header fields set by the handler */
};

static inline struct exchange *exchange_of(const struct http_request *r)
{
    return r->conn->x;
}

/* server.c */
void server_on_connection(uv_stream_t *listener, int status);
void server_handle_gone(struct http_server *s);
void server_forget(struct http_conn *c); /* its handle is closed */

/* peer.c: who connects. */
/* Finds out, and counts the connection under its address; false when that has too many. */
bool peer_meet(struct http_conn *c);
void peer_forget(struct http_conn *c);
/* Takes what a trusted proxy says of the request: whom it is for, and its id. */
void peer_take_fields(struct exchange *x);

/* listen.c */
void listener_close(struct http_listener *li);
void listener_free(struct http_listener *li);

/* conn.c: the life of a connection. */
void conn_start(struct http_conn *c);
/* Does whatever can be done now: parses, calls handlers, finishes exchanges. Only from the loop. */
void conn_run(struct http_conn *c);
/* Makes conn_run() come soon; the way for everything that a handler may call. */
void conn_kick(struct http_conn *c);
/* Answers a message that cannot be taken and closes the connection after it. */
void conn_refuse(struct http_conn *c, int status, const char *detail);
/* The client is gone, or has to go. */
void conn_abort(struct http_conn *c);
void conn_arm(struct http_conn *c); /* after a change of a deadline */
void conn_read(struct http_conn *c, bool on);
void conn_drop(struct http_conn *c);      /* one that was never started */
void conn_last_call(struct http_conn *c); /* a drain: waits for a last request, not for long */
/* What the client says (decrypted), and that it will say no more. Nothing below them knows of
 * sockets. */
void conn_input(struct http_conn *c, const char *p, size_t n);
void conn_end_of_input(struct http_conn *c);
void conn_is_open(struct http_conn *c); /* hands are shaken: now it may begin to speak */

/* exchange.c: from a whole head to the handler. */
struct exchange *exchange_new(struct http_conn *c) NODISCARD;
void exchange_free(struct exchange *x);
void exchange_begin(struct http_conn *c); /* c->in starts with a whole head */
/* Parses bytes of the body; returns how many belonged to it. */
size_t exchange_feed(struct http_conn *c, const char *p, size_t n);
/* Hands on what was held back while the handler had paused, then the end; false when there was
 * nothing. */
bool exchange_deliver(struct http_conn *c);
void exchange_call(struct exchange *x); /* its handler */
/* Gives the body its first allowance of time again. */
void exchange_restart_floor(struct http_conn *c);
/* The handler takes the body itself and does not want more of it now. */
bool exchange_holds(const struct exchange *x);

/* reading.c: sets r->json. False: the request was answered instead, or will be handed over when its
 * large body has been read. */
bool reading_start(struct exchange *x);
void reading_end(struct exchange *x); /* the request ends */

/* parse.c: heads by our own rules and llhttp's, bodies by llhttp. */
enum head_state { HEAD_MORE, HEAD_DONE, HEAD_BAD };
enum head_state head_scan(struct http_conn *c, struct refusal *out_refusal);
/* Reads the head of `scanned` bytes that head_scan() found. */
bool head_read(struct http_conn *c, struct exchange *x, struct refusal *out_refusal);
bool body_parse(struct exchange *x, const char *p, size_t n, size_t *out_used);
void body_piece(struct exchange *x, struct str piece); /* in exchange.c; called by the parser */

/* target.c: request targets and the paths in them. */
struct target {
    struct str path;      /* as sent, without the query; "*" stands alone */
    struct str query;     /* p == NULL: none */
    struct str authority; /* absolute form only */
};
enum status target_split(struct str target, struct target *out, struct error *err) NODISCARD;
/* Whether every name and value of a query (p == NULL: none) is well encoded, without NUL, and
 * UTF-8. */
enum status query_check(struct str query, struct error *err) NODISCARD;
/* Decodes a path whose every segment is fit to be compared: no empty one, no ".." (encoded or not),
 * no slash (but where they are allowed), NUL or control character in disguise, valid UTF-8. */
enum status path_decode(struct str path, bool may_have_slashes, struct arena *a, struct str *out,
                        struct error *err) NODISCARD;
/* The path with its encoded slashes as slashes, where it is below the prefix (NULL: none is). */
struct str path_with_slashes(struct str path, const char *below, struct arena *a);
bool host_valid(struct str host);
/* Routes with the prefix's tolerances; *out_path is the spelling that was matched. */
void path_route(const struct router *rt, const char *prefix, const char *method, struct str path,
                struct arena *a, struct router_match *out, struct str *out_path);

/* router.c */
const char *
method_find(struct str method); /* the registered name, NULL when HTTP has no such method */
void router_allow_all(const struct router *rt, char out[64]);

/* write.c: bytes out. */
/* Sends now or queues; false when the connection broke. */
bool conn_write(struct http_conn *c, const struct str *parts, size_t n_parts, size_t max_pending);
/* The same for a head and a body; a large body may be taken, which is empty then. */
bool conn_write_whole(struct http_conn *c, struct str head, struct buf *body);
/* Goes on with a large write; each turn has a slice. */
void conn_next_slice(struct http_conn *c);
void conn_drop_write(struct http_conn *c); /* libuv has none of it any more */
size_t conn_pending(const struct http_conn *c);
/* TLS: encrypts and sends what waits, as far as it goes without waiting. */
void conn_flush(struct http_conn *c);

/* respond.c */
void respond_continue(struct http_conn *c);
/* Goes on compressing; sends the answer at the end. */
void respond_zipped(struct http_conn *c);
