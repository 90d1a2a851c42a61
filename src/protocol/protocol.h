/* SPDX-License-Identifier: Apache-2.0 */
/* How to talk to a model server. A protocol knows one kind of server; it keeps no queue and takes
 * no decision about predictions beyond the one it was given. Only status, output, error, logs and
 * metrics are believed from it. */
#pragma once

#include "base/json.h"
#include "base/status.h"
#include "core/input.h"
#include "core/prediction.h"
#include "core/version.h"
#include "loop/loop.h"

struct protocol; /* one for each kind of server, for the whole program */
struct peer;     /* one model server that we talk to */
struct run;      /* one prediction on a peer */

/* --- the model server as a whole --- */

enum peer_health {
    PEER_STARTING, /* not reachable yet, or in setup */
    PEER_READY,    /* setup is over: takes predictions, or is busy with earlier ones */
    PEER_FAILED,   /* setup failed; `text` says why */
    PEER_SICK,     /* will not recover by itself (its worker is gone, a slot is lost): replace it */
};

struct peer_spec {
    const char *url;          /* "http://127.0.0.1:41234"; copied */
    const char *unix_socket;  /* NULL: TCP; copied */
    const char *internal_url; /* where the server posts webhooks:
                                 "<internal_url>/webhook/<prediction id>" */
    int slots;
    bool streams; /* the schema carries x-cog-streaming */
    bool train;
    const struct version_http *http; /* of servers that are not Cog's; copied */
};

struct peer_events {
    /* Comes on each change of health. `setup_log` (what the server says of its setup; p == NULL:
     * nothing) is only given with READY and FAILED. */
    void (*health)(struct peer *p, enum peer_health h, const char *text, struct str setup_log);
};

struct peer {
    const struct peer_events *events;
    struct protocol *protocol;
    struct loop *loop;
    int in_flight; /* runs that were started and have not ended */
    void *impl;
};

/* Starts probing: every 10 ms at first, backing off to 250 ms until READY; then every 5 s. */
void peer_open(struct protocol *pr, struct peer *p, const struct peer_spec *spec,
               const struct peer_events *ev);
/* The server printed a line of its own (`is_runtime`): while it starts, that may be that it is
 * ready, and it is asked at once (a flood of lines costs a look every few milliseconds). */
void peer_printed(struct peer *p);
/* Stops probing and cancels runs still open without their `ended`; runs that are to go on are
 * released before. The peer is free when this returns. */
void peer_close(struct peer *p);
/* Asks the server to stop taking work and end (POST /shutdown); nothing comes back. */
void peer_shutdown(struct peer *p);

/* --- one prediction --- */

enum run_way {
    RUN_SHORT, /* ends when our connection does */
    RUN_LONG,  /* goes on in the instance without us; can be joined again */
};

struct run_spec {
    const char *id;   /* prediction id, plain */
    struct str input; /* normalised input (JSON object); must live until `ended` */
    enum run_way way;
    bool join; /* it is running there already, started long by an earlier server */
    size_t max_output, max_logs; /* bytes */
    bool output_is_array; /* from the schema: pieces make an array even when there is one or none */
};

enum run_verdict {
    /* Terminal: status, output, error, logs and metrics are set. */
    RUN_DONE,
    /* The server did not take it (no slot for 2 s, not ready, died idle): queue it again, not
     * counted. */
    RUN_NEVER_RAN,
    /* The server or the connection to it went; nobody knows how far it came: another attempt, or
     * failure where attempts are used up. */
    RUN_LOST,
    /* Of a join, or where the connection that created it broke: the server is well and does not
     * know it, and no end was heard of. It ended while nobody listened, or it never came there:
     * another attempt, or failure where attempts are used up. */
    RUN_FORGOTTEN,
    /* The model process died by itself while running this: failed, never tried again. Output and
     * logs are what there was. */
    RUN_CRASHED,
};

struct run_result {
    enum run_verdict verdict;
    enum prediction_status status; /* RUN_DONE: SUCCEEDED, FAILED or CANCELED */
    struct str output;  /* JSON text, p == NULL: none; the part that came when it did not succeed */
    struct buf *memory; /* where `output` stands, for the taking; NULL: it has to be copied */
    struct str logs;
    const char *error;  /* NULL: none; repeated prefixes of the server are taken off. With the other
                           verdicts it says why, for the case that no attempt is left */
    struct str metrics; /* JSON object as the server gave it, p == NULL: none */
    double predict_time; /* seconds; < 0: unknown */
    bool peer_is_sick;   /* replace the instance */
};

struct run_events {
    /* The server has accepted it (an attempt has begun). Not for a join: that attempt began long
     * ago. */
    void (*accepted)(struct run *r);
    /* More output or logs: r->pieces and r->logs hold all of it so far, the arguments what is new.
     * Pieces arrive as they are produced; callers coalesce. `output_piece` p == NULL: logs only;
     * `log_piece` likewise. */
    void (*progress)(struct run *r, struct str output_piece, struct str log_piece);
    /* Exactly once, and the last; never from inside start or cancel. Texts are valid until it
     * returns. The run may be freed or started again inside. In all three events the caller may
     * cancel, release or close the peer. */
    void (*ended)(struct run *r, const struct run_result *result);
};

struct run {
    const struct run_events *events;
    struct peer *peer;
    struct list node;  /* the protocol's */
    struct buf logs;   /* so far; first and last half of max_logs */
    struct buf pieces; /* output pieces so far: "a,b,c" (each JSON), to be put in brackets */
    size_t n_pieces;
    void *impl;
    bool is_joined; /* it ran before: run_spec.join */
};

void run_start(struct peer *p, struct run *r, const struct run_spec *spec,
               const struct run_events *ev);
/* Whether long runs end with our connection all the same: nothing can be joined. */
bool protocol_ends_with_us(const struct protocol *pr);
/* Asks for the end; `ended` follows with CANCELED or whatever came first. The caller keeps the
 * grace period. */
void run_cancel(struct run *r);
/* Drops a long run without ending it (the server stops, the next one joins): no event comes, the
 * run is free. */
void run_release(struct run *r);
/* Nothing of it can have reached the model server: it still looks for a connection. */
bool run_is_unsent(const struct run *r);
/* All pieces as one output: an array, or the only piece where the output is none; nothing where no
 * piece came. */
void run_pieces_whole(const struct run *r, bool output_is_array, struct buf *out);
/* The reason of a failure, as far as there is room for it; in the arena. */
const char *run_error_text(struct arena *a, struct str text, size_t max_error) NODISCARD;
/* The text of a run that is ended for more output than max_output; allocated. */
char *run_too_large(size_t max_output) NODISCARD;
/* What a webhook told: the body that an instance posted to <internal_url>/webhook/<id>, terminal or
 * not, of which one level is read; where the lists in it are kept as well, they are told before the
 * end. `memory` is where the body stands, for the taking (NULL: what is kept is copied). Merges
 * monotonically, so that order and repeats do not matter; INVALID for nonsense. Progress and
 * `ended` may come before it returns. */
enum status run_webhook(struct run *r, const struct json *said, struct buf *memory,
                        struct error *err);

/* A terminal webhook body for a prediction that no run is attached to (it ended while no server was
 * there). INVALID when it is not terminal or not understood; texts live in the arena. */
enum status protocol_read_final(struct protocol *pr, struct arena *a, const struct json *said,
                                bool output_is_array, struct run_result *out,
                                struct error *err) NODISCARD;
/* What a line that the model server printed means: the model's own words of setup (returned; p ==
 * NULL when it is none of them), without the server's wrapping. `is_runtime` is set for lines of
 * the server itself. */
struct str protocol_log_line(struct protocol *pr, struct arena *a, struct str line,
                             bool *is_runtime);
void protocol_free(struct protocol *pr);
