/* SPDX-License-Identifier: Apache-2.0 */
/* A prediction told in OpenAI's form, as it comes or as a whole. */
#include "api/openai.h"
#include "base/mem.h"

#include <stdlib.h>

enum { MAX_ANSWER = 256 << 20, QUIET_MS = 15000 };

struct telling {
    struct http_request *request; /* NULL: the client has gone */
    struct openai_request ask;
    struct prediction_request create;
    struct watcher watcher;
    struct timer
        quiet; /* a comment now and then, so that nobody takes a long wait for a dead line */
    struct prediction *p;
    struct buf text; /* of an answer in one piece */
    int64_t created; /* seconds */
    int64_t attempt; /* whose pieces are being counted */
    size_t n_seen, n_told;
    bool is_watching;
};

static void telling_free(struct telling *t)
{
    timer_stop(&t->quiet);
    if (t->is_watching)
        watcher_remove(&t->watcher);
    if (t->p)
        prediction_unref(t->p);
    buf_deinit(&t->text);
    free(t);
}

static void begin_object(const struct telling *t, struct json_writer *w)
{
    char id[ID_SIZE + 16];

    snprintf(id, sizeof(id), "%s-%s", t->ask.is_chat ? "chatcmpl" : "cmpl", t->p->id);
    json_begin_object(w);
    json_member_string(w, "id", id);
    json_member_string(w, "object",
                       !t->ask.is_chat  ? "text_completion"
                       : t->ask.streams ? "chat.completion.chunk"
                                        : "chat.completion");
    json_member_int(w, "created", t->created);
    json_member_string(w, "model", t->ask.model);
}

/* From the counts that models report by custom; false when they report none. */
static bool read_usage(const struct telling *t, int64_t *in, int64_t *out)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *m = NULL;
    struct error err;

    *in = *out = 0;
    if (!t->p->row.metrics.p || json_parse(&a, t->p->row.metrics, NULL, &m, &err) != STATUS_OK)
        return false;
    json_to_i64(json_get(m, "input_token_count"), in);
    return json_to_i64(json_get(m, "output_token_count"), out);
}

static void write_usage(const struct telling *t, struct json_writer *w)
{
    int64_t in, out;

    json_key(w, "usage");
    if (!read_usage(t, &in, &out)) {
        json_null(w);
        return;
    }
    json_begin_object(w);
    json_member_int(w, "prompt_tokens", in);
    json_member_int(w, "completion_tokens", out);
    json_member_int(w, "total_tokens", in + out);
    json_end_object(w);
}

static const char *finish_reason(const struct telling *t)
{
    int64_t in, out;

    return t->ask.max_tokens && read_usage(t, &in, &out) && out >= t->ask.max_tokens ? "length"
                                                                                     : "stop";
}

/* The only choice there ever is. */
static void begin_choice(const struct telling *t, struct json_writer *w)
{
    begin_object(t, w);
    json_key(w, "choices");
    json_begin_array(w);
    json_begin_object(w);
    json_member_int(w, "index", 0);
}

static void end_choice(struct json_writer *w, const char *reason)
{
    json_member_null(w, "logprobs");
    json_member_string(w, "finish_reason", reason);
    json_end_object(w);
    json_end_array(w);
}

/* --- streamed --- */

static bool send_event(struct telling *t, const struct buf *json)
{
    struct buf event CLEANUP(buf_deinit) = BUF_INIT(MAX_ANSWER);

    buf_adds(&event, "data: ");
    buf_add_str(&event, buf_str(json));
    buf_adds(&event, "\n\n");
    return http_stream_write(t->request, buf_str(&event));
}

/* `text` p == NULL: the last one, with its reason. */
static bool send_chunk(struct telling *t, struct str text, bool is_first)
{
    struct buf json CLEANUP(buf_deinit) = BUF_INIT(MAX_ANSWER);
    struct json_writer w;

    json_writer_init(&w, &json);
    begin_choice(t, &w);
    if (t->ask.is_chat) {
        json_key(&w, "delta");
        json_begin_object(&w);
        if (is_first)
            json_member_string(&w, "role", "assistant");
        if (text.p)
            json_member_str(&w, "content", text);
        json_end_object(&w);
    } else {
        json_member_str(&w, "text", text.p ? text : STR(""));
    }
    end_choice(&w, text.p ? NULL : finish_reason(t));
    if (t->ask.includes_usage)
        json_member_null(&w, "usage"); /* the last chunk has it, the others say that it comes */
    json_end_object(&w);
    return send_event(t, &json);
}

static void send_usage(struct telling *t)
{
    struct buf json CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct json_writer w;

    json_writer_init(&w, &json);
    begin_object(t, &w);
    json_member_raw(&w, "choices", STR("[]"));
    write_usage(t, &w);
    json_end_object(&w);
    send_event(t, &json);
}

static void on_quiet(struct timer *timer)
{
    struct telling *t = container_of(timer, struct telling, quiet);

    timer_start(timer, QUIET_MS);
    http_stream_write(t->request, STR(": still at work\n\n"));
}

/* --- what the prediction gives --- */

static bool tell_text(struct telling *t, struct str text)
{
    if (!t->ask.streams)
        return buf_add_str(&t->text, text);
    timer_start(&t->quiet, QUIET_MS);
    return send_chunk(t, text, false);
}

/* Pieces that were not told yet: an attempt on another instance begins with the first again. */
static bool tell_pieces(struct telling *t, const struct json *list)
{
    json_each (list, v) {
        if (t->n_seen++ < t->n_told)
            continue;
        t->n_told++;
        if (!json_is(v, JSON_NULL) && !tell_text(t, json_is(v, JSON_STRING) ? v->text : v->span))
            return false;
    }
    return true;
}

static bool tell_json(struct telling *t, struct str json, bool is_whole)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct buf list CLEANUP(buf_deinit) = BUF_INIT(MAX_ANSWER);
    struct json *v;
    struct error err;

    if (is_whole && json.n && json.p[0] == '[')
        buf_add_str(&list, json);
    else
        buf_addf(&list, "[%.*s]", STR_ARG(json));
    if (json_parse(&a, buf_str(&list), NULL, &v, &err) != STATUS_OK)
        return true;
    if (is_whole)
        t->n_seen = 0;
    return tell_pieces(t, v);
}

static void answer_whole(struct telling *t)
{
    struct http_request *r = t->request;
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(MAX_ANSWER);
    struct json_writer w;

    json_writer_init(&w, &body);
    begin_choice(t, &w);
    if (t->ask.is_chat) {
        json_key(&w, "message");
        json_begin_object(&w);
        json_member_string(&w, "role", "assistant");
        json_member_str(&w, "content", buf_str(&t->text));
        json_member_null(&w, "refusal");
        json_end_object(&w);
    } else {
        json_member_str(&w, "text", buf_str(&t->text));
    }
    end_choice(&w, finish_reason(t));
    write_usage(t, &w);
    json_end_object(&w);
    api_answer(r, 200, &body);
}

static void tell_failure(struct telling *t)
{
    const char *error = t->p->row.error, *status = prediction_status_text(t->p->row.status);
    struct buf json CLEANUP(buf_deinit) = BUF_INIT(1 << 20);
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(128 * 1024);
    struct json_writer w;

    buf_addf(&text, "The prediction %s %s%s%s", t->p->id, status, error ? ": " : "",
             error ? error : "");
    if (!t->ask.streams) { /* not a 5xx: their clients would make another prediction */
        openai_problem(t->request, 422, "model_error", NULL, status, "%s", text.p);
        return;
    }
    json_writer_init(&w, &json);
    openai_write_error(&w, "model_error", NULL, status, buf_str(&text));
    send_event(t, &json);
    http_stream_end(t->request);
}

static void finish(struct telling *t)
{
    struct http_request *r = t->request;

    r->on_gone = NULL;
    if (t->p->row.status != PREDICTION_SUCCEEDED) {
        tell_failure(t);
        return;
    }
    if (t->p->row.output.p && !tell_json(t, t->p->row.output, true))
        return;
    if (!t->ask.streams) {
        answer_whole(t);
        return;
    }
    send_chunk(t, STR_NULL, false);
    if (t->ask.includes_usage)
        send_usage(t);
    http_stream_write(r, STR("data: [DONE]\n\n"));
    http_stream_end(r);
}

static void on_changed(struct watcher *w, struct prediction *p, struct str piece,
                       struct str log_piece)
{
    struct telling *t = container_of(w, struct telling, watcher);

    (void)log_piece;
    if (prediction_is_terminal(p->row.status)) {
        t->is_watching = false;
        finish(t);
        telling_free(t);
        return;
    }
    if (!piece.p)
        return;
    if (t->attempt != p->row.attempt)
        t->n_seen = 0;
    t->attempt = p->row.attempt;
    tell_json(t, piece, false);
}

/* Nobody listens any more: as with OpenAI's own, the work ends. */
static void on_gone(struct http_request *r)
{
    struct telling *t = r->context;

    t->request = NULL;
    if (!t->p)
        return; /* on_created comes */
    prediction_cancel(t->p);
    telling_free(t);
}

static void on_created(struct prediction_request *c, struct prediction *p, const struct error *err)
{
    struct telling *t = container_of(c, struct telling, create);
    struct http_request *r = t->request;

    if (!r && !err)
        prediction_cancel(p);
    if (r && err) {
        r->on_gone = NULL;
        openai_problem(r, status_http(err->status), "server_error", NULL, NULL, "%s", err->text);
    }
    if (!r || err) {
        telling_free(t);
        return;
    }
    t->p = p;
    p->refs++;
    t->is_watching = true;
    t->watcher.changed = on_changed;
    prediction_watch(p, &t->watcher);
    if (!t->ask.streams)
        return;
    http_set_header(r, "Cache-Control", "no-store");
    http_stream_begin(r, 200, "text/event-stream");
    timer_start(&t->quiet, QUIET_MS);
    if (t->ask.is_chat)
        send_chunk(t, STR(""), true);
}

void openai_tell(struct http_request *r, const struct openai_request *q,
                 const struct prediction_spec *spec)
{
    struct telling *t = xnew(struct telling);

    t->request = r;
    t->ask = *q;
    t->created = loop_wall_ms(r->loop) / 1000;
    t->create.created = on_created;
    buf_init(&t->text, MAX_ANSWER);
    timer_init(r->loop, &t->quiet, on_quiet);
    r->context = t;
    r->on_gone = on_gone;
    prediction_create(api_of(r)->fleet, &t->create, spec);
}
