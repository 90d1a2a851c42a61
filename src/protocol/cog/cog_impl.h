/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the Cog protocol.
 *
 * Peers and runs have a half of their own here (struct cog_peer, struct cog_run) that lives on
 * after the caller's half is gone, for as long as an HTTP call of it is open: calls end on a later
 * turn than the cancel. */
#pragma once

#include "http/client.h"
#include "http/sse.h"
#include "loop/flow.h"
#include "protocol/cog/cog.h"
#include "protocol/protocol_impl.h"

struct cog_run;

/* The server above it lives on, and is not told how: where the kernel ended the largest process of
 * a control group, nobody can say more. */
#define COG_CRASH_TEXT                                                                             \
    "The model's process ended by itself while it ran this prediction. It may have used more "     \
    "memory than its hardware has."

enum cog_dialect { COG_UNKNOWN, COG_COGLET, COG_LEGACY };

/* Everything that waits or is bounded, so that tests need neither long nor much. */
struct cog_timing {
    int64_t probe_first_ms, probe_max_ms; /* least and most between two looks until READY */
    int64_t probe_ready_ms;               /* afterwards */
    int64_t probe_timeout_ms; /* coglet itself gives a blocked worker 10 s before it answers */
    int64_t unhealthy_ms;     /* idle and unhealthy for so long: sick */
    int64_t lost_slot_ms;     /* busy with nothing of ours for so long: sick */
    int64_t conflict_ms;      /* a 409 is tried again for so long */
    int64_t stall_ms;         /* a silent stream is dead: coglet sends a comment every 15 s */
    int64_t rejoin_ms;        /* pause before a broken stream is joined again */
    int64_t recheck_ms;       /* joins have failed often: the next try */
    int64_t lost_result_ms;   /* the only slot is free for so long while a run waits: no result will
                                 come */
    int64_t webhook_wait_ms;  /* the server forgot the id: how long its webhook may take */
    int64_t unsure_wait_ms;   /* it may never have had it: how long until it is asked once more */
    int64_t retry_wait_ms;    /* likewise after our restart: coglet's longest pause between tries */
    int64_t sick_wait_ms;     /* the server is going: how long its last webhook may take */
    int64_t
        linger_ms; /* a stream may take so long to close after its end, to keep the connection */
    int64_t cancel_again_ms;  /* a failed cancel is sent again */
    int64_t cancel_repeat_ms; /* one that was heard and has had no effect is sent again */
    size_t event_extra; /* how much larger than the output one event may be: the end has the logs */
    struct cog_limits limits;
};

extern const struct cog_timing cog_timing_default;

struct cog_protocol {
    struct protocol base;
    struct http_client *client;
    struct cog_timing timing;
    struct list peers;
};

/* What a model server tells is read as deep as it is of use: `{"output":[0,0,0...` is short, and
 * has millions of values. */
extern const struct json_limits COG_JSON, COG_HEALTH_JSON;

struct cog_peer {
    struct list node;
    struct cog_protocol *cog;
    struct peer *peer; /* NULL: closed */
    char *url, *unix_socket, *internal_url;
    int slots;
    bool streams, train;
    enum cog_dialect dialect;
    struct list runs;
    int n_accepted; /* runs that hold a slot as far as we know */

    enum peer_health health;
    struct http_call probe, farewell;
    bool probe_open, farewell_open, probe_again;
    char *probe_url, *farewell_url;
    struct timer probe_timer;
    int64_t began_ms;           /* when its start was first watched */
    int64_t probed_ms;          /* when the last look began */
    bool has_printed;           /* since then */
    int n_failures;             /* probes in a row that nobody answered */
    int n_unhealthy;            /* answers in a row */
    int64_t unhealthy_since_ms; /* -1: it is not */
    int64_t full_since_ms;      /* -1; since when it has no slot although we hold none */
    struct deferred tell;       /* health events come on a stack of their own */
    char *text;
    struct cog_reading *reading; /* of a large answer, on another thread: the probe is open */
    struct buf setup_log;
    bool has_setup_log;
};

/* --- cog.c --- */

struct protocol *cog_protocol_new_timed(struct loop *l, struct http_client *client,
                                        const struct cog_timing *timing) NODISCARD;
bool cog_peer_streams(const struct cog_peer *cp);
void cog_peer_unref(struct cog_peer *cp); /* frees it when nothing hangs on it any more */
/* "<url>/predictions/<id><suffix>", or trainings. */
char *cog_peer_path(const struct cog_peer *cp, const char *id, const char *suffix) NODISCARD;
int64_t cog_now(const struct cog_peer *cp);

/* --- probe.c --- */

void cog_probe_init(struct cog_peer *cp);
void cog_probe_deinit(struct cog_peer *cp); /* stops; an open call ends later */
void cog_probe_now(struct cog_peer *cp);
void cog_probe_printed(struct peer *p);
void cog_peer_sick(struct cog_peer *cp, const char *text, bool worker_is_gone);
/* Nobody of ours holds a slot and yet it has none. */
void cog_peer_full(struct cog_peer *cp);

/* --- logs.c: a text of which the first and the last half are kept --- */

struct cog_logs {
    struct buf *out;
    size_t half;
    size_t total;  /* bytes ever added */
    size_t n_cut;  /* bytes that are gone */
    size_t head;   /* bytes before the line that says so; 0: nothing was cut */
    size_t notice; /* length of that line */
};

void cog_logs_init(struct cog_logs *lg, struct buf *out, size_t max);
void cog_logs_add(struct cog_logs *lg, struct str text);
void cog_logs_settle(
    struct cog_logs *lg); /* while it grows the text may be an eighth over its maximum */

/* --- errors.c --- */

enum cog_fault {
    FAULT_NONE,  /* the model's own failure */
    FAULT_CRASH, /* the worker died in the middle */
    FAULT_IDLE,  /* the worker had died before: it never ran */
    FAULT_SLOT,  /* failed, and took its slot with it */
};

struct str cog_error_clean(struct str text); /* without the server's repeated prefixes */
enum cog_fault cog_error_fault(struct str cleaned);
struct str cog_setup_error(struct str text);
struct str cog_trim_space(struct str s);
/* A refusal's body as a sentence: problem lists, "detail", "error" or plain text. */
const char *cog_refusal(struct arena *a, int status, struct str body);
/* What the model printed, out of coglet's setup log: the lines of other targets dropped, prefixes
 * taken off. */
void cog_setup_log(struct str log, struct buf *out);
struct str cog_log_line(struct protocol *pr, struct arena *a, struct str line, bool *is_runtime);

/* --- final.c --- */

/* Reads a terminal object, read within COG_JSON. INVALID when it is none. Texts point into `root`
 * or the arena. */
enum status cog_final_read(const struct cog_limits *limits, struct arena *a,
                           const struct json *root, bool output_is_array, struct run_result *out,
                           struct error *err) NODISCARD;
enum status cog_read_final(struct protocol *pr, struct arena *a, const struct json *said,
                           bool output_is_array, struct run_result *out,
                           struct error *err) NODISCARD;

/* --- run.c, create.c, events.c: one prediction --- */

enum cog_run_at {
    AT_WAITING,   /* the dialect is not known yet */
    AT_CREATING,  /* the creating PUT is open, not answered */
    AT_BACKOFF,   /* 409: the slot is not free yet */
    AT_STREAMING, /* accepted, events come on `put` */
    AT_PAUSING,   /* accepted, the stream broke, a join follows */
    AT_JOINING,   /* accepted, the joining PUT is open, not answered */
    AT_AWAITING,  /* accepted, the webhook is all that can come */
    AT_OVER,      /* the caller's run has ended; calls are still closing */
};

enum cog_put { PUT_STREAM, PUT_ASYNC, PUT_JOIN };
enum cog_late { LATE_FAILED, LATE_FORGOTTEN, LATE_LOST, LATE_CRASHED, LATE_CANCELED, LATE_JOIN };

struct cog_run {
    struct list node;
    struct cog_peer *peer;
    struct run *run; /* NULL: over */
    struct flow flow;
    int refs;
    char *id, *url, *cancel_url;
    enum run_way way;
    bool join; /* it ran before this run was made */
    bool output_is_array;
    size_t max_output;
    struct buf body;
    size_t open_body; /* length of the body up to its input */

    struct http_call put, cancel;
    enum cog_put kind;
    bool put_open, cancel_open;
    struct buf answer;  /* of a PUT that is not a stream */
    struct timer timer; /* back-off, pause, deadline or linger, by state */
    struct timer cancel_timer;
    struct deferred
        soon; /* the first retry of a 409, and the end of a run cancelled before it was sent */

    bool accepted, canceled, cancel_sent;
    bool hooked;     /* created with a webhook: its end is told, whatever becomes of connections */
    bool broke;      /* the creating PUT broke after it was sent */
    bool unsure;     /* and nothing was heard of it since */
    bool asked;      /* the server did not know it, and may still have been about to */
    bool streamless; /* it answered 406: the webhook way */
    int n_conflicts, n_joins, n_cancels;
    int64_t conflict_since_ms;
    int64_t joined_ms;      /* when the last join was sent */
    int64_t ready_since_ms; /* -1; since when the server says that its only slot is free */
    enum cog_late late;     /* AT_AWAITING: what to say when the timer fires */

    struct sse_reader reader;
    struct cog_reading *reading; /* of a large event, on another thread: the stream waits for it */
    bool put_waits;              /* the PUT has ended meanwhile */
    bool reader_dead;            /* an event was larger than its limit */
    struct buf tail;             /* the last bytes of the stream once the reader is dead */
    bool truncated;              /* the stream cannot be joined again */
    struct cog_logs logs;
    size_t stream_logs;    /* bytes of log events in this stream; repeats when below logs.total */
    uint64_t next_index;   /* of output; events below are repeats */
    uint64_t stream_index; /* outputs in this stream, for events without an index */
};

void cog_run_start(struct run *r, const struct run_spec *spec);
void cog_run_cancel(struct run *r);
void cog_run_release(struct run *r);
bool cog_run_is_unsent(const struct run *r);
enum status cog_run_webhook(struct run *r, const struct json *said, struct buf *memory,
                            struct error *err);
void cog_run_drop(struct cog_run *cr, bool tell_server); /* the caller's half is gone */
void cog_run_unref(struct cog_run *cr);
void cog_run_free(struct cog_run *cr);
/* What the peer's health means for a run. */
void cog_run_peer_known(struct cog_run *cr);
void cog_run_peer_ready(struct cog_run *cr);
void cog_run_peer_sick(struct cog_run *cr, bool worker_is_gone);

/* Ends the run; `res` has its verdict, the rest is filled in. The caller's half may be gone
 * afterwards. */
void cog_run_finish(struct cog_run *cr, struct run_result *res);
void cog_run_fail(struct cog_run *cr, enum run_verdict v, const char *text);
void cog_run_await(struct cog_run *cr, int64_t ms, enum cog_late late); /* 0: no deadline */
bool cog_run_has_deadline(const struct cog_run *cr); /* awaiting, with an end in sight */
void cog_run_accept(struct cog_run *cr);
void cog_run_send_cancel(struct cog_run *cr);
void cog_run_create(struct cog_run *cr);
void cog_run_join(struct cog_run *cr);

/* events.c */
enum cog_event { EVENT_OUTPUT, EVENT_LOG, EVENT_COMPLETED, EVENT_ERROR, EVENT_OTHER };
void cog_events_begin(struct cog_run *cr); /* a stream begins */
void cog_events_feed(struct cog_run *cr, struct str piece);
/* What was read of an event; of a large one `memory` is what it stands in, else NULL. */
void cog_event_take(struct cog_run *cr, enum cog_event kind, struct arena *a,
                    const struct json *root, struct buf *memory);
/* An event that could not be read: the run fails with the reason. */
void cog_event_refuse(struct cog_run *cr, const struct error *err);
/* An answer that goes on and on. */
void cog_answer_too_large(struct cog_run *cr);
/* The stream is over and `completed` was too large to be read: true when its tail told the status.
 */
bool cog_events_finish_by_tail(struct cog_run *cr);
/* The whole state so far, as a webhook or a sync answer has it; in `memory`, if not NULL. */
enum status cog_events_merge(struct cog_run *cr, const struct json *root, struct buf *memory,
                             struct error *err);

/* reading.c: what is too large to be read on the loop */
enum { COG_LARGE = 64 << 10 };

struct cog_reading {
    struct work work;
    const struct json_limits *limits;
    struct buf bytes; /* taken from who had them */
    struct str text;  /* of these: what is read */
    struct arena arena;
    struct json *root;
    enum status status;
    struct error error;
    struct buf extra; /* what `also` made */
    int kind;
    void (*also)(struct cog_reading *x); /* on the other thread, when it was read; may be NULL */
    void (*done)(struct cog_reading *x); /* on the loop, unless nobody wants it any more */
    void *owner;                         /* NULL: nobody does */
};

/* Of all of `bytes`, which it takes. To be begun. */
struct cog_reading *cog_reading_new(struct buf *bytes, const struct json_limits *limits,
                                    void *owner, void (*done)(struct cog_reading *x)) NODISCARD;
/* It frees itself. */
void cog_reading_begin(struct loop *l, struct cog_reading *x);
void cog_reading_drop(struct cog_reading **x); /* nobody wants it any more; may be NULL */
/* A large event is read on another thread; the stream stands still until it was taken. */
void cog_reading_start(struct cog_run *cr, enum cog_event kind, const struct sse_event *e);

/* create.c */
void cog_put_over(struct cog_run *cr, const struct error *err); /* the PUT has ended */
