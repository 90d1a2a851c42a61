/* SPDX-License-Identifier: Apache-2.0 */
/* What a server tells of a run, in any order and as often as it likes, merged so that the run only
 * grows: the end wins over everything, an output index is taken once, logs never get shorter.
 * `metric` events are not kept: the end repeats them as one object. */
#include "protocol/cog/cog_impl.h"

#include "base/mem.h"

enum { TAIL_KEPT = 256 };

/* --- pieces --- */

/* The run goes on there, and what it says is of no use. */
static void give_up(struct cog_run *cr, const char *text)
{
    if (!cr->cancel_sent)
        cog_run_send_cancel(cr);
    if (cr->put_open)
        http_call_cancel(&cr->put);
    cog_run_fail(cr, RUN_DONE, text);
}

void cog_event_refuse(struct cog_run *cr, const struct error *err)
{
    char *text = xasprintf("The model server's answer is not understood: %s", err->text);

    give_up(cr, text);
    free(text);
}

void cog_answer_too_large(struct cog_run *cr)
{
    give_up(cr, "The model server's answer is larger than the limit");
}

static void too_large(struct cog_run *cr)
{
    char *text = run_too_large(cr->max_output);

    buf_clear(&cr->run->pieces);
    cr->run->n_pieces = 0;
    cr->canceled = false; /* the reason is this, whoever else asked */
    give_up(cr, text);
    free(text);
}

static void add_piece(struct cog_run *cr, uint64_t index, struct str chunk)
{
    struct run *r = cr->run;

    if (index < cr->next_index)
        return;
    cr->next_index = index + 1;
    if (chunk.n + r->pieces.n > cr->max_output) {
        too_large(cr);
        return;
    }
    if (r->n_pieces++)
        buf_addc(&r->pieces, ',');
    buf_add_str(&r->pieces, chunk);
    r->events->progress(r, chunk, STR_NULL);
}

/* `text` is what stands at `offset` of all logs. */
static void add_logs(struct cog_run *cr, size_t offset, struct str text)
{
    struct run *r = cr->run;

    if (offset + text.n <= cr->logs.total)
        return;
    if (offset < cr->logs.total) {
        size_t known = cr->logs.total - offset;

        text = str_make(text.p + known, text.n - known);
    }
    cog_logs_add(&cr->logs, text);
    r->events->progress(r, STR_NULL, text);
}

/* --- the end --- */

static bool is_own(const struct cog_run *cr, const struct json *root, struct error *err)
{
    struct str id = json_to_str(json_get(root, "id"));

    if (!id.p || str_is(id, cr->id))
        return true;
    (void)FAIL(err, STATUS_INVALID, "this is about another prediction");
    return false;
}

static void finish(struct cog_run *cr, struct arena *a, const struct json *root, struct buf *memory)
{
    struct buf array CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct run_result res;
    struct run *r = cr->run;
    struct error err;

    if (!is_own(cr, root, &err) ||
        cog_final_read(&cr->peer->cog->timing.limits, a, root, cr->output_is_array, &res, &err)) {
        cog_event_refuse(cr, &err);
        return;
    }
    if (res.status == PREDICTION_CANCELED && !cr->canceled && !cr->join) {
        /* Nobody asked: the server still had this id, on its way out, from an attempt whose
         * connection broke. */
        cog_run_fail(cr, cr->broke ? RUN_FORGOTTEN : RUN_LOST,
                     "The model server canceled this prediction by itself");
        return;
    }
    if (res.verdict == RUN_NEVER_RAN && cr->canceled) { /* then it shall not run elsewhere either */
        cog_peer_sick(cr->peer, "the model's process ended by itself", true);
        cog_run_fail(cr, RUN_DONE, NULL);
        return;
    }
    if (res.output.n > cr->max_output) {
        too_large(cr);
        return;
    }
    if (res.logs.n > cr->logs.total) {
        size_t known = cr->logs.total;

        cog_logs_add(&cr->logs, str_make(res.logs.p + known, res.logs.n - known));
    }
    /* A failure may come without the pieces that were seen. */
    if (!res.output.p && r->n_pieces > 0 && res.verdict != RUN_NEVER_RAN) {
        run_pieces_whole(r, cr->output_is_array, &array);
        res.output = buf_str(&array);
    } else {
        res.memory = memory;
    }
    cog_run_finish(cr, &res);
}

/* --- a stream --- */

static void on_output(struct cog_run *cr, const struct json *root)
{
    const struct json *chunk = json_get(root, "chunk");
    uint64_t index = cr->stream_index;

    if (!chunk)
        return;
    json_to_u64(json_get(root, "index"), &index);
    cr->stream_index = index + 1;
    add_piece(cr, index, chunk->span);
}

static void on_log(struct cog_run *cr, const struct json *root)
{
    struct str text = json_to_str(json_get(root, "data"));
    size_t offset = cr->stream_logs;

    cr->stream_logs += text.n;
    if (text.n)
        add_logs(cr, offset, text);
}

/* Events were dropped, and the stream is about to close. Whoever lagged can join again and gets all
 * of them from the server's history, unless that history has lost its beginning too. */
static void on_stream_error(struct cog_run *cr, const struct json *root)
{
    char *text = str_dup(json_to_str(json_get(root, "error")));

    if (strstr(text, "truncated") || cr->stream_logs + cr->stream_index == 0)
        cr->truncated = true;
    free(text);
}

static enum cog_event kind_of(struct str name)
{
    static const char *const names[] = { "output", "log", "completed", "error" };
    size_t i = 0;

    while (i < ARRAY_SIZE(names) && !str_is(name, names[i]))
        i++;
    return (enum cog_event)i;
}

void cog_event_take(struct cog_run *cr, enum cog_event kind, struct arena *a,
                    const struct json *root, struct buf *memory)
{
    switch (kind) {
    case EVENT_OUTPUT:
        on_output(cr, root);
        break;
    case EVENT_LOG:
        on_log(cr, root);
        break;
    case EVENT_COMPLETED:
        finish(cr, a, root, memory);
        break;
    case EVENT_ERROR:
        on_stream_error(cr, root);
        break;
    case EVENT_OTHER:
        break;
    }
}

static void on_event(struct sse_reader *reader, const struct sse_event *e)
{
    struct cog_run *cr = container_of(reader, struct cog_run, reader);
    struct arena a CLEANUP(arena_deinit) = { 0 };
    enum cog_event kind = kind_of(e->name);
    struct json *root;
    struct error err;

    if (!cr->run || kind == EVENT_OTHER)
        return;
    if (e->data.n > COG_LARGE)
        cog_reading_start(cr, kind, e);
    else if (json_parse(&a, e->data, &COG_JSON, &root, &err) == STATUS_OK)
        cog_event_take(cr, kind, &a, root, NULL);
    else
        cog_event_refuse(cr, &err);
}

void cog_events_begin(struct cog_run *cr)
{
    sse_reader_deinit(&cr->reader);
    sse_reader_init(&cr->reader, cr->max_output + cr->peer->cog->timing.event_extra, on_event);
    cr->reader_dead = cr->truncated = false;
    cr->stream_logs = 0;
    cr->stream_index = 0;
    buf_deinit(&cr->tail);
    buf_init(&cr->tail, 4 * TAIL_KEPT);
}

static void keep_tail(struct cog_run *cr, struct str piece)
{
    if (piece.n > TAIL_KEPT)
        piece = str_make(piece.p + piece.n - TAIL_KEPT, TAIL_KEPT);
    buf_add_str(&cr->tail, piece);
    if (cr->tail.n > TAIL_KEPT)
        buf_shift(&cr->tail, cr->tail.n - TAIL_KEPT);
}

void cog_events_feed(struct cog_run *cr, struct str piece)
{
    if (cr->reader_dead) {
        keep_tail(cr, piece);
        return;
    }
    cr->refs++;
    if (!sse_reader_feed(&cr->reader, piece) && cr->run) {
        cr->reader_dead = true;
        keep_tail(cr, piece);
        /* Only two kinds of event can be that large: a piece of output, and the end, whose logs
         * have no limit. */
        if (str_is(buf_str(&cr->reader.name), "output"))
            too_large(cr);
    }
    cog_run_unref(cr);
}

bool cog_events_finish_by_tail(struct cog_run *cr)
{
    /* The keys are sorted, so that the status stands last; within a text its quotes would be
     * escaped. */
    static const struct {
        const char *text, *object;
    } ends[] = {
        { "\"status\":\"succeeded\"}", "{\"status\":\"succeeded\"}" },
        { "\"status\":\"canceled\"}", "{\"status\":\"canceled\"}" },
        { "\"status\":\"failed\"}", "{\"status\":\"failed\",\"error\":\"The model failed; what it "
                                    "said of that was larger than the limit\"}" },
    };
    struct str tail = buf_str(&cr->tail);

    while (tail.n > 0 && (tail.p[tail.n - 1] == '\n' || tail.p[tail.n - 1] == '\r'))
        tail.n--;
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        struct arena a CLEANUP(arena_deinit) = { 0 };
        struct json *root;

        if (!str_ends(tail, ends[i].text))
            continue;
        if (json_parse(&a, str_of(ends[i].object), NULL, &root, NULL) != STATUS_OK)
            return false;
        finish(cr, &a, root, NULL);
        return true;
    }
    return false;
}

/* --- a webhook, or a sync answer --- */

/* Of an output that has more pieces than were kept, the end tells. */
static void merge_state(struct cog_run *cr, const struct json *root)
{
    const struct json *output = json_get(root, "output");
    struct str logs = json_to_str(json_get(root, "logs"));
    uint64_t i = 0;

    if (logs.n)
        add_logs(cr, 0, logs);
    json_each (json_is(output, JSON_ARRAY) ? output : NULL, chunk) {
        if (!cr->run)
            break;
        add_piece(cr, i++, chunk->span);
    }
}

enum status cog_events_merge(struct cog_run *cr, const struct json *root, struct buf *memory,
                             struct error *err)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    enum prediction_status status;

    if (!is_own(cr, root, err))
        return STATUS_INVALID;
    if (!prediction_status_parse(json_to_str(json_get(root, "status")), &status))
        return FAIL(err, STATUS_INVALID, "there is no status that is known");
    if (cr->flow.at == AT_CREATING) /* it was faster than the answer to our PUT */
        cog_run_accept(cr);
    if (!cr->run)
        return STATUS_OK;
    if (prediction_is_terminal(status))
        finish(cr, &a, root, memory);
    else
        merge_state(cr, root);
    return STATUS_OK;
}
