/* SPDX-License-Identifier: Apache-2.0 */
/* A prediction's output as server-sent events, at an address that is a secret of its own and needs
 * no token.
 *
 * A stream is a cursor over the pieces of the output and keeps no copy of them: while the
 * prediction runs they are its run's, afterwards those of one copy that all late readers of a
 * prediction share. A slow reader's cursor stays behind, which costs nobody else anything; the
 * server's limit on readers that do not read ends it in time.
 *
 * The id of an event is "<seconds>:<number>". Numbers count pieces, and then the end; seconds are
 * the creation's, one more for each further attempt, whose output begins anew. So ids mean the same
 * after a restart of the server, and a reader that comes back with one gets what follows it. */
#include "api/api.h"
#include "base/mem.h"
#include "http/sse.h"

#include <stdlib.h>

enum {
    BEAT_MS = 15000,
    PENDING_MOST = 256 << 10, /* more is not written until the reader has taken some */
    BATCH = 16 << 10,         /* pieces that are there already share a write up to so many bytes */
};

/* An output that is complete; `elements` is what stands between the brackets. */
struct replay {
    char id[ID_SIZE];
    int refs;
    char *output, *error;
    struct str elements;
    enum prediction_status status;
};

struct stream {
    struct list node; /* api->streams */
    struct api *api;
    struct http_request *request;
    struct api_account *account; /* whose prediction it is; NULL: it is gone */
    struct prediction *p;        /* while it runs or waits */
    struct watcher watcher;
    struct replay *replay; /* afterwards */
    struct timer beat;
    int64_t created_at, attempt;
    uint64_t next;  /* number of the next event to send */
    uint64_t index; /* of the piece that stands at `offset` */
    size_t offset;
    bool is_over; /* its reader is gone or it is complete: nothing more is written */
};

/* --- pieces --- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static struct str trim(struct str s)
{
    while (s.n && is_blank(s.p[0]))
        s = str_make(s.p + 1, s.n - 1);
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

static size_t string_end(struct str s, size_t at)
{
    for (at++; at < s.n && s.p[at] != '"'; at++)
        at += s.p[at] == '\\';
    return at;
}

/* Takes the element at *at, with the comma before it: the one after it may still be to come. The
 * text is valid. */
static struct str take_element(struct str s, size_t *at)
{
    size_t start = *at + (*at > 0 && s.p[*at] == ','), end = start;
    int depth = 0;

    for (; end < s.n; end++) {
        char c = s.p[end];

        if (c == '"')
            end = string_end(s, end);
        else if (c == '[' || c == '{')
            depth++;
        else if (c == ']' || c == '}')
            depth--;
        else if (c == ',' && depth == 0)
            break;
    }
    *at = MIN(end, s.n);
    return trim(str_make(s.p + start, *at - start));
}

static struct str elements_of(struct str output)
{
    output = trim(output);
    if (output.n >= 2 && output.p[0] == '[')
        return trim(str_make(output.p + 1, output.n - 2));
    return str_is(output, "null") ? STR("") : output;
}

/* --- events --- */

static void add_event(struct buf *out, struct stream *s, const char *name, struct str data)
{
    int64_t seconds = s->created_at / 1000 + MAX(s->attempt, 1) - 1;
    char id[64];

    snprintf(id, sizeof(id), "%lld:%llu", (long long)seconds, (unsigned long long)s->next);
    sse_write(out, str_of(name), str_of(id), data);
    s->next++;
}

/* A string goes as its text, anything else as JSON. */
static void add_piece(struct buf *out, struct stream *s, struct str piece)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *v;
    struct error err;

    if (piece.n && piece.p[0] == '"' && json_parse(&a, piece, NULL, &v, &err) == STATUS_OK)
        piece = v->text;
    add_event(out, s, "output", piece);
}

static bool send(struct stream *s, struct buf *out)
{
    if (out->n && !http_stream_write(s->request, buf_str(out)))
        s->is_over = true;
    buf_clear(out);
    return !s->is_over;
}

/* Sends what there is from the cursor on. False: the reader has enough for now, or is gone. */
static bool send_pieces(struct stream *s, struct str elements)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    while (s->offset < elements.n && !s->is_over) {
        struct str piece;

        if (out.n >= BATCH && !send(s, &out))
            return false;
        if (http_stream_pending(s->request) + out.n > PENDING_MOST) {
            send(s, &out);
            return false;
        }
        piece = take_element(elements, &s->offset);
        if (s->index++ >= s->next)
            add_piece(&out, s, piece);
    }
    return send(s, &out);
}

static void send_end(struct stream *s)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct buf detail CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    const struct replay *x = s->replay;
    bool failed = x->status == PREDICTION_FAILED || x->status == PREDICTION_ABORTED;
    uint64_t error_at = s->index, done_at = s->index + (failed ? 1 : 0);
    struct json_writer w;

    if (s->next != done_at + 1) { /* the end itself is not what it had last */
        if (failed && s->next != done_at) {
            json_writer_init(&w, &detail);
            json_begin_object(&w);
            json_member_string(&w, "detail", x->error ? x->error : "The prediction failed.");
            json_end_object(&w);
            s->next = error_at;
            add_event(&out, s, "error", buf_str(&detail));
        }
        s->next = done_at;
        add_event(&out, s, "done",
                  failed                             ? STR("{\"reason\":\"error\"}")
                  : x->status == PREDICTION_CANCELED ? STR("{\"reason\":\"canceled\"}")
                                                     : STR("{}"));
    }
    send(s, &out);
}

/* --- what is kept of an ended prediction, for the readers that are behind --- */

static struct replay *replay_get(struct api *a, const struct prediction_row *row)
{
    struct replay *x = map_get(&a->replays, str_of(row->id));

    if (x) {
        x->refs++;
        return x;
    }
    x = xnew(struct replay);
    x->refs = 1;
    snprintf(x->id, sizeof(x->id), "%s", row->id);
    x->output = row->output.p ? str_dup(row->output) : NULL;
    x->error = xstrdup(row->error);
    x->elements = elements_of(str_make(x->output, x->output ? row->output.n : 0));
    x->status = row->status;
    map_put(&a->replays, str_of(x->id), x);
    return x;
}

static void replay_drop(struct api *a, struct replay *x)
{
    if (!x || --x->refs > 0)
        return;
    map_remove(&a->replays, str_of(x->id));
    free(x->output);
    free(x->error);
    free(x);
}

/* --- the life of one --- */

static void stream_free(struct stream *s)
{
    if (s->account)
        s->account->n_streams--;
    list_remove(&s->node);
    watcher_remove(&s->watcher);
    timer_stop(&s->beat);
    replay_drop(s->api, s->replay);
    free(s);
}

static void finish(struct stream *s)
{
    struct http_request *r = s->request;

    r->on_gone = r->on_drained = NULL;
    stream_free(s);
    http_stream_end(r);
}

/* Everything that can be sent now. The stream may be gone afterwards. */
static void pump(struct stream *s)
{
    struct prediction *p = s->p;

    if (s->is_over)
        return;
    if (!s->replay) {
        if (p->has_run &&
            p->row.attempt != s->attempt) { /* what another attempt had said is void */
            s->attempt = p->row.attempt;
            s->next = s->index = s->offset = 0;
        }
        /* Files that were not stored yet have no address. */
        if (p->live || !p->lane->version->output.has_files)
            send_pieces(s, prediction_pieces(p));
        return;
    }
    if (!send_pieces(s, s->replay->elements))
        return;
    send_end(s);
    if (!s->is_over) /* else on_gone follows */
        finish(s);
}

static void on_drained(struct http_request *r)
{
    pump(r->context);
}

static void on_gone(struct http_request *r)
{
    stream_free(r->context);
}

static void on_beat(struct timer *t)
{
    struct stream *s = container_of(t, struct stream, beat);
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(64);

    if (s->is_over)
        return;
    sse_comment(&out, "still here");
    if (http_stream_pending(s->request) > 0 || send(s, &out))
        timer_start(t, BEAT_MS);
}

/* The final output is the run's pieces again in nearly all cases; else the place is looked for
 * anew. */
static void move_to_replay(struct stream *s, const struct prediction *p)
{
    struct str e;

    s->replay = replay_get(s->api, &p->row);
    s->p = NULL;
    e = s->replay->elements;
    if (s->attempt != p->row.attempt) {
        s->attempt = p->row.attempt;
        s->next = s->index = s->offset = 0;
    } else if (s->offset > e.n || s->offset >= p->output.n ||
               memcmp(e.p, p->output.p + 1, s->offset) != 0) {
        s->index = s->offset = 0;
    }
}

static void on_changed(struct watcher *w, struct prediction *p, struct str piece,
                       struct str log_piece)
{
    struct stream *s = container_of(w, struct stream, watcher);

    (void)log_piece;
    if (prediction_is_terminal(p->row.status))
        move_to_replay(s, p);
    else if (!piece.p)
        return;
    pump(s);
}

/* "<seconds>:<number>": what follows it is sent. Of another attempt, or nonsense: everything is. */
static uint64_t resume_at(struct http_request *r, const struct stream *s)
{
    struct str rest = http_header(r, "last-event-id"), head;
    int64_t seconds = s->created_at / 1000 + MAX(s->attempt, 1) - 1;
    uint64_t a, b;

    if (!rest.p || !str_split(&rest, ':', &head) || !rest.p)
        return 0;
    if (!str_to_u64(head, &a) || !str_to_u64(rest, &b) || b == UINT64_MAX || (int64_t)a != seconds)
        return 0;
    return b + 1;
}

bool streams_have_room(struct http_request *r, const struct api_account *x)
{
    if (!x || x->n_streams < api_of(r)->options->max_streams)
        return true;
    http_set_header(r, "Retry-After", "1");
    http_problem(r, 429, NULL, "The account has %lld open streams, its limit (max_streams).",
                 (long long)x->n_streams);
    return false;
}

/* NULL: it has ended already, or was refused. */
static struct stream *stream_begin(struct http_request *r, const struct prediction_row *row)
{
    struct buf hello CLEANUP(buf_deinit) = BUF_INIT(64);
    struct api *a = api_of(r);
    struct api_account *account = map_get(&a->accounts, str_of(row->account_id));
    struct stream *s;

    if (!streams_have_room(r, account))
        return NULL;
    http_set_header(r, "Cache-Control", "no-store");
    http_set_header(r, "X-Accel-Buffering", "no");
    http_stream_begin(r, 200, "text/event-stream");
    if (r->is_head || a->is_ending) { /* its reader comes back to the next server */
        http_stream_end(r);
        return NULL;
    }
    s = xnew(struct stream);
    s->api = a;
    s->account = account;
    if (account)
        account->n_streams++;
    s->request = r;
    s->created_at = row->created_at;
    s->attempt = row->attempt;
    s->next = resume_at(r, s);
    s->watcher.changed = on_changed;
    list_init(&s->watcher.node);
    list_push(&s->api->streams, &s->node);
    timer_init(r->loop, &s->beat, on_beat);
    timer_start(&s->beat, BEAT_MS);
    r->context = s;
    r->on_gone = on_gone;
    r->on_drained = on_drained;
    sse_comment(&hello, "hi");
    send(s, &hello);
    return s;
}

static void on_loaded(struct http_request *r, struct store_op *op)
{
    struct store_prediction_of_stream *get =
        container_of(op, struct store_prediction_of_stream, op);
    struct stream *s;

    if (op->status != STATUS_OK || !prediction_is_terminal(get->row.status)) {
        if (op->status == STATUS_OK || op->status == STATUS_NOT_FOUND)
            api_not_found(r);
        else
            api_refuse(r, &op->error);
        return;
    }
    if (get->row.data_removed) {
        http_problem(r, 410, NULL, "The prediction's output has been removed.");
        return;
    }
    s = stream_begin(r, &get->row);
    if (!s)
        return;
    s->replay = replay_get(s->api, &get->row);
    pump(s);
}

void stream_show(struct http_request *r)
{
    struct str secret = http_param(r, "secret");
    struct prediction *p = prediction_of_stream(api_of(r)->fleet, secret);
    struct store_prediction_of_stream *op;
    struct stream *s;

    if (!p) {
        op = api_op_new(sizeof(*op));
        op->secret = store_keep(&op->op, secret);
        api_op_start(r, &op->op, &STORE_PREDICTION_OF_STREAM, on_loaded);
        return;
    }
    s = stream_begin(r, &p->row);
    if (!s)
        return;
    s->p = p;
    prediction_watch(p, &s->watcher);
    pump(s);
}

void api_end_streams(struct api *a)
{
    struct stream *s;

    list_each (&a->streams, s, struct stream, node)
        if (!s->is_over)
            finish(s);
}
