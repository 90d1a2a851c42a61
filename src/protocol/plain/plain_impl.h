/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the protocols that answer on the connection that asked (plain, openai): what they
 * share, and the few functions in which they differ.
 *
 * Peers and runs have a half of their own here that lives on after the caller's half is gone, for
 * as long as an HTTP call of it is open, or another thread works for it. */
#pragma once

#include "http/sse.h"
#include "loop/flow.h"
#include "protocol/plain/plain.h"
#include "protocol/protocol_impl.h"

struct plain_run;
struct plain_peer;

/* Everything that waits, so that tests need not wait long. */
struct plain_timing {
    int64_t probe_first_ms, probe_max_ms; /* least and most between two looks until READY */
    int64_t probe_ready_ms;               /* afterwards */
    int64_t probe_timeout_ms;
    int64_t accept_ms; /* a refusal comes within; whoever is silent for longer is at work */
    int64_t lost_ms; /* the connection broke: so long may the server take to say that it is well */
    int64_t linger_ms; /* an answer may take so long to close, to keep the connection */
};

/* What is made of an answer. */
struct plain_answer {
    bool failed;        /* the server says so itself; `error` is its text */
    char *error;        /* allocated; NULL */
    struct buf output;  /* JSON; empty: none */
    struct buf metrics; /* JSON object; empty: none */
};

/* What sets one of these protocols apart. All but `event` may be called on any thread. */
struct plain_kind {
    const char *name;
    bool asks_model; /* where no model is named, the server is asked for its first */
    /* The body of the request. INVALID: the input cannot be told to such a server, and why. */
    enum status (*request)(const struct plain_peer *pp, struct str input, struct buf *out,
                           struct error *err);
    /* The whole of a good answer that is no stream. INVALID: it is not understood, and why. */
    enum status (*answer)(const struct plain_peer *pp, struct str type, struct str body,
                          struct plain_answer *out, struct error *err);
    /* One event of a stream; false: it was the last, whatever follows. */
    bool (*event)(struct plain_run *pr, const struct sse_event *e);
    bool must_say_end; /* a stream that closes without a last event was cut */
};

struct plain_protocol {
    struct protocol base;
    const struct plain_kind *kind;
    struct http_client *client;
    struct plain_timing timing;
    struct plain_limits limits;
    struct list peers;
};

struct plain_peer {
    struct list node;
    struct plain_protocol *protocol;
    struct peer *peer; /* NULL: closed */
    int refs;          /* the caller's, an open probe's, and one for each run */
    char *unix_socket, *health_url, *models_url, *url;
    char *model;  /* openai: NULL while it is not known */
    char *output; /* plain: where in an answer the output stands; NULL: it is the whole */
    struct list runs;

    enum peer_health health;
    struct http_call probe;
    bool probe_open, probe_again, asks_model;
    struct timer probe_timer;
    struct deferred tell; /* health events come on a stack of their own */
    int64_t began_ms;
    uint64_t n_probes; /* that were begun */
    int n_failures;    /* probes in a row without a good answer, once it was ready */
    char *text;
};

enum plain_run_at {
    PLAIN_MAKING,  /* the request, on another thread */
    PLAIN_ASKING,  /* it is sent; nothing was answered */
    PLAIN_READING, /* a good answer comes */
    PLAIN_REFUSED, /* another one comes */
    PLAIN_TAKING,  /* the answer is made into an output, on another thread */
    PLAIN_WAITING, /* the connection broke: whether the server is there still is being asked */
    PLAIN_OVER,    /* the caller's run has ended; calls are still closing */
};

struct plain_run {
    struct list node;
    struct plain_peer *peer;
    struct run *run; /* NULL: over */
    struct flow flow;
    int refs;
    bool output_is_array, canceled, accepted, is_stream, has_ended;
    bool was_elsewhere; /* an event had nothing where the output is to be */
    size_t max_output;
    int64_t began_ms;
    uint64_t asked_probe;   /* WAITING: the probe that tells, or a later one */
    struct buf input, body; /* of the request; `input` only where it is made on another thread */
    struct http_call call;
    bool call_open;
    struct buf answer;
    char type[128]; /* of the answer, in lower case, without parameters */
    struct sse_reader reader;
    struct plain_answer got;
    struct work work;
    bool works; /* another thread has `input`, `body`, `answer` and `got` */
    enum status work_status;
    struct error work_error;
    struct timer timer; /* of WAITING, and how long what is over may linger */
    struct timer accept_timer;
    struct deferred soon;     /* ends that must not come from inside start or cancel */
    enum run_verdict verdict; /* what `soon` will tell, unless it was canceled */
    struct error error;
};

/* What a model server tells is read as deep as it is of use: `[0,0,0...` is short, and has millions
 * of values. */
extern const struct json_limits PLAIN_JSON;

/* --- plain.c --- */
extern const struct plain_timing plain_timing_default;
struct protocol *plain_new(struct loop *l, struct http_client *client,
                           const struct plain_kind *kind,
                           const struct plain_limits *limits) NODISCARD;
extern const struct plain_kind plain_kind;
void plain_peer_unref(struct plain_peer *pp);

/* --- probe.c --- */
void plain_probe_init(struct plain_peer *pp);
void plain_probe_deinit(struct plain_peer *pp); /* stops; an open call ends later */
void plain_probe_now(struct plain_peer *pp);

/* --- run.c --- */
void plain_run_start(struct run *r, const struct run_spec *spec);
void plain_run_cancel(struct run *r);
void plain_run_release(struct run *r);
bool plain_run_is_unsent(const struct run *r);
void plain_run_drop(struct plain_run *pr); /* the caller's half is gone */
void plain_run_free(struct plain_run *pr);
/* From `event`: a piece of output (JSON). The run may be over when it returns. */
void plain_run_piece(struct plain_run *pr, struct str json);
/* From `event`: the server says that it failed. The run is over when it returns. */
void plain_run_failed(struct plain_run *pr, struct str text);
/* What the peer's health means for a run. */
void plain_run_peer_well(struct plain_run *pr);
void plain_run_peer_gone(struct plain_run *pr);

/* --- answer.c --- */
void plain_answer_deinit(struct plain_answer *x);
/* What a server's refusal says, as a sentence. */
const char *plain_refusal(struct arena *a, int status, struct str body);
/* The text of an error in one of its usual forms; p == NULL: there is none. */
struct str plain_error_text(const struct json *root);
/* "data.0.url": members by name, elements by number; NULL where nothing stands there. */
const struct json *plain_find(const struct json *v, const char *dotted);
