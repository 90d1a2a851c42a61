/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

static void stamp(struct buf *out, bool with_time, const struct loop *l)
{
    if (with_time)
        buf_addf(out, "@%d", (int)loop_now_ms(l));
}

/* Everything a caller may do inside an event. */
static void react(struct watch *w)
{
    struct loop *l = w->loop;
    bool stops = w->stops_loop;

    w->n_events++;
    if (w->n_events == w->cancel_at)
        run_cancel(&w->run);
    if (w->n_events == w->release_at)
        run_release(&w->run);
    if (w->n_events == w->close_at)
        peer_close(w->run.peer);
    if (stops)
        loop_stop(l);
}

static void on_accepted(struct run *r)
{
    struct watch *w = container_of(r, struct watch, run);

    buf_adds(&w->trail, "accepted");
    stamp(&w->trail, w->with_time, w->loop);
    buf_addc(&w->trail, ' ');
    react(w);
}

static void on_progress(struct run *r, struct str piece, struct str log)
{
    struct watch *w = container_of(r, struct watch, run);

    if (piece.p)
        buf_addf(&w->trail, "piece:%.*s", STR_ARG(piece));
    if (log.p)
        buf_addf(&w->trail, "log:%.*s", STR_ARG(log));
    stamp(&w->trail, w->with_time, w->loop);
    buf_addc(&w->trail, ' ');
    react(w);
}

static void on_ended(struct run *r, const struct run_result *res)
{
    static const char *const verdicts[] = { "done", "never-ran", "lost", "forgotten", "crashed" };
    struct watch *w = container_of(r, struct watch, run);

    buf_adds(&w->trail, verdicts[res->verdict]);
    stamp(&w->trail, w->with_time, w->loop);
    if (res->verdict == RUN_DONE)
        buf_addf(&w->trail, " %s", prediction_status_text(res->status));
    if (res->output.p)
        buf_addf(&w->trail, " out=%.*s", STR_ARG(res->output));
    if (res->logs.n)
        buf_addf(&w->trail, " logs=%.*s", STR_ARG(res->logs));
    if (res->error)
        buf_addf(&w->trail, " err=%s", res->error);
    if (res->metrics.p)
        buf_addf(&w->trail, " m=%.*s", STR_ARG(res->metrics));
    if (res->peer_is_sick)
        buf_adds(&w->trail, " sick");
    w->has_ended = true;
    w->last = *res;
    if (res->memory) {
        buf_deinit(&w->memory);
        w->memory = *res->memory;
        *res->memory = (struct buf){ 0 };
    }
    react(w);
}

static void on_health(struct peer *p, enum peer_health h, const char *text, struct str setup_log)
{
    static const char *const names[] = { "starting", "ready", "failed", "sick" };
    struct peer_watch *w = container_of(p, struct peer_watch, peer);

    w->health = h;
    buf_adds(&w->trail, names[h]);
    stamp(&w->trail, w->with_time, w->loop);
    if (text)
        buf_addf(&w->trail, " %s", text);
    if (setup_log.p)
        buf_addf(&w->trail, " <%.*s>", STR_ARG(setup_log));
    buf_adds(&w->trail, ";");
    if (w->stops_loop)
        loop_stop(w->loop);
    if (w->closes)
        peer_close(p);
}

const struct run_events watch_events = { on_accepted, on_progress, on_ended };
const struct peer_events peer_watch_events = { on_health };

void watch_start(struct watch *w, struct peer *p, const struct run_spec *spec)
{
    buf_deinit(&w->trail);
    buf_init(&w->trail, BUF_UNBOUNDED);
    buf_adds(&w->trail, "");
    w->loop = p->loop;
    w->has_ended = false;
    w->n_events = 0;
    run_start(p, &w->run, spec, &watch_events);
}

void watch_deinit(struct watch *w)
{
    buf_deinit(&w->trail);
    buf_deinit(&w->memory);
}

/* As the internal listener reads it. */
static enum status read_body(struct arena *a, struct str body, struct json **out, struct error *err)
{
    static const struct json_limits limits = { .keep_depth = 2, .max_values = 4096 };

    return json_parse(a, body, &limits, out, err) == STATUS_OK ? STATUS_OK : STATUS_INVALID;
}

enum status watch_told(struct run *r, struct str body, struct error *err)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *said;

    if (read_body(&a, body, &said, err) != STATUS_OK)
        return STATUS_INVALID;
    return run_webhook(r, said, NULL, err);
}

enum status watch_read_final(struct protocol *pr, struct arena *a, struct str body,
                             bool output_is_array, struct run_result *out, struct error *err)
{
    struct json *said;

    if (read_body(a, body, &said, err) != STATUS_OK)
        return STATUS_INVALID;
    return protocol_read_final(pr, a, said, output_is_array, out, err);
}
