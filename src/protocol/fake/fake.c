/* SPDX-License-Identifier: Apache-2.0 */
/* What "runs in the instance" is a record in the protocol, keyed by the prediction's id: it
 * outlives the run that started it, so that a released long run goes on and can be joined through
 * another peer. A run is a reader of its record: it hands out what the record has produced by now
 * and sleeps until the next moment. */
#include "protocol/fake/fake.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "protocol/protocol_impl.h"

enum { NO_SLOT_MS = 2000 }; /* how long a busy server is tried, as in the real protocols */

struct fake_protocol {
    struct protocol base;
    struct fake_protocol_script script;
    struct map records;
    int n_setup_failed;
};

struct fake_record {
    int tries, accepted;
    bool is_running, is_canceled;
    int64_t started_ms;
    int64_t started_us; /* by the wall clock */
    char *script;       /* the input it was started with: a join brings none */
    char id[64];        /* of the prediction, cut to what fits */
};

struct fake_peer {
    struct peer *peer;
    struct fake_protocol *fake;
    struct timer timer;
    enum peer_health health;
    int slots;
    struct list runs;
};

struct fake_run {
    struct run *run;
    struct fake_protocol *fake;
    struct fake_record *record;
    struct timer timer;
    struct arena arena;
    struct json *script;
    int64_t ms;
    size_t n_pieces, n_sent;
    bool is_accepted, must_join, logs_sent;
    bool never_ran, lost, crashed, unheard;
};

static struct fake_protocol *fake_of(struct protocol *pr)
{
    return container_of(pr, struct fake_protocol, base);
}

static bool flag(const struct json *object, const char *key)
{
    bool b = false;

    return json_to_bool(json_get(object, key), &b) && b;
}

static void tell_health(struct fake_peer *fp, enum peer_health h, const char *text, struct str log)
{
    fp->health = h;
    fp->peer->events->health(fp->peer, h, text, log);
}

static void on_peer_timer(struct timer *t)
{
    struct fake_peer *fp = container_of(t, struct fake_peer, timer);
    struct fake_protocol *f = fp->fake;

    if (fp->health == PEER_READY) {
        tell_health(fp, PEER_SICK, "the script says so", STR_NULL);
    } else if (f->n_setup_failed < f->script.setup_fails) {
        f->n_setup_failed++;
        tell_health(fp, PEER_FAILED, "the script says that setup fails", STR("setup began\n"));
    } else {
        if (f->script.sick_after_ms)
            timer_start(&fp->timer, f->script.sick_after_ms);
        tell_health(fp, PEER_READY, NULL, STR("setup done\n"));
    }
}

static void fake_open(struct peer *p, const struct peer_spec *spec)
{
    struct fake_peer *fp = xnew(struct fake_peer);

    fp->peer = p;
    fp->fake = fake_of(p->protocol);
    fp->slots = spec->slots > 0 ? spec->slots : 1;
    list_init(&fp->runs);
    p->impl = fp;
    timer_init(p->loop, &fp->timer, on_peer_timer);
    timer_start(&fp->timer, fp->fake->script.ready_after_ms);
}

static void fake_run_free(struct fake_run *fr)
{
    timer_stop(&fr->timer);
    arena_deinit(&fr->arena);
    free(fr);
}

static void fake_close(struct peer *p)
{
    struct fake_peer *fp = p->impl;
    struct run *r;

    list_each (&fp->runs, r, struct run, node) {
        struct fake_run *fr = r->impl;

        if (fr->is_accepted)
            fr->record->is_running = false;
        fake_run_free(fr);
        run_forget(r);
    }
    timer_stop(&fp->timer);
    free(fp);
}

static void fake_shutdown(struct peer *p)
{
    struct fake_peer *fp = p->impl;

    timer_stop(&fp->timer);
}

/* Hands out the pieces that are due. The run may be gone afterwards: false then. */
static bool send_pieces(struct fake_run *fr, int64_t elapsed_ms)
{
    struct run *r = fr->run;
    struct json *piece =
        json_get(fr->script, "pieces") ? json_get(fr->script, "pieces")->child : NULL;
    struct str logs = json_to_str(json_get(fr->script, "logs"));

    if (logs.p && !fr->logs_sent) {
        fr->logs_sent = true;
        buf_add_str(&r->logs, logs);
        r->events->progress(r, STR_NULL, logs);
        if (r->impl != fr)
            return false;
    }
    for (size_t i = 0; i < fr->n_pieces; i++, piece = piece->next) {
        if (i < fr->n_sent)
            continue;
        if ((int64_t)(i + 1) * fr->ms / ((int64_t)fr->n_pieces + 1) > elapsed_ms)
            break;
        fr->n_sent = i + 1;
        if (r->n_pieces++)
            buf_addc(&r->pieces, ',');
        buf_add_str(&r->pieces, piece->span);
        r->events->progress(r, piece->span, STR_NULL);
        if (r->impl != fr)
            return false;
    }
    return true;
}

static void record_free(struct fake_record *rec)
{
    free(rec->script);
    free(rec);
}

static void finish(struct fake_run *fr, struct run_result *res)
{
    struct run *r = fr->run;

    if (fr->is_accepted)
        fr->record->is_running = false;
    if (fr->fake->script.forgets && res->verdict == RUN_DONE) {
        map_remove(&fr->fake->records, str_of(fr->record->id));
        record_free(TAKE(fr->record));
    }
    res->logs = buf_str(&r->logs);
    run_finish(r, res);
    fake_run_free(fr);
}

static void finish_done(struct fake_run *fr, bool is_canceled)
{
    struct buf array = BUF_INIT(BUF_UNBOUNDED);
    struct run *r = fr->run;
    struct str fail = json_to_str(json_get(fr->script, "fail"));
    struct json *output = json_get(fr->script, "output"),
                *metrics = json_get(fr->script, "metrics");
    struct run_result res = { .verdict = RUN_DONE, .predict_time = (double)fr->ms / 1000.0 };

    if (is_canceled)
        res.status = PREDICTION_CANCELED;
    else
        res.status = fail.p ? PREDICTION_FAILED : PREDICTION_SUCCEEDED;
    if (fail.p && !is_canceled)
        res.error = arena_copy(&fr->arena, fail);
    if (json_get(fr->script, "pieces")) {
        buf_addc(&array, '[');
        buf_add_str(&array, buf_str(&r->pieces));
        buf_addc(&array, ']');
        if (res.status == PREDICTION_SUCCEEDED || r->n_pieces)
            res.output = buf_str(&array);
    } else if (res.status == PREDICTION_SUCCEEDED && flag(fr->script, "clock")) {
        res.output = str_of(arena_printf(&fr->arena, "%lld", (long long)fr->record->started_us));
    } else if (res.status == PREDICTION_SUCCEEDED) {
        res.output = output ? output->span : fr->script->span;
    }
    if (json_is(metrics, JSON_OBJECT))
        res.metrics = metrics->span;
    finish(fr, &res);
    buf_deinit(&array);
}

static void finish_verdict(struct fake_run *fr, enum run_verdict v, const char *error)
{
    struct run_result res = { .verdict = v,
                              .status = PREDICTION_FAILED,
                              .error = error,
                              .predict_time = -1,
                              .peer_is_sick = v == RUN_CRASHED };

    finish(fr, &res);
}

static bool accept(struct fake_run *fr)
{
    struct run *r = fr->run;

    fr->is_accepted = true;
    fr->record->accepted++;
    fr->record->is_running = true;
    fr->record->is_canceled = false;
    fr->record->started_ms = loop_now_ms(r->peer->loop);
    if (flag(fr->script, "clock"))
        fr->record->started_us =
            loop_uv(r->peer->loop) ? clock_wall_us() : loop_wall_ms(r->peer->loop) * 1000;
    r->events->accepted(r);
    return r->impl == fr;
}

/* The next moment at which something happens. */
static int64_t next_due(const struct fake_run *fr)
{
    int64_t i = (int64_t)fr->n_sent + 1, n = (int64_t)fr->n_pieces;

    return fr->record->started_ms + (i <= n ? i * fr->ms / (n + 1) : fr->ms);
}

static void on_run_timer(struct timer *t)
{
    struct fake_run *fr = container_of(t, struct fake_run, timer);
    struct fake_peer *fp = fr->run->peer->impl;
    int64_t now = loop_now_ms(t->loop);

    if (!fr->is_accepted) {
        if (fr->record->is_canceled && !fr->must_join) {
            finish_done(fr, true);
            return;
        }
        if (fr->unheard)
            return;
        if (fr->must_join && !fr->record->is_running) {
            finish_verdict(fr, RUN_FORGOTTEN, "the result was lost");
            return;
        }
        if (fr->must_join) {
            fr->is_accepted = true;
        } else if (fr->never_ran || fr->run->peer->in_flight > fp->slots) {
            finish_verdict(fr, RUN_NEVER_RAN, "the model server took no prediction");
            return;
        } else if (!accept(fr)) {
            return;
        }
    }
    if (fr->record->is_canceled && !flag(fr->script, "ignore_cancel")) {
        finish_done(fr, true);
        return;
    }
    if (!send_pieces(fr, now - fr->record->started_ms))
        return;
    if (now - fr->record->started_ms < fr->ms)
        timer_start_at(&fr->timer, next_due(fr));
    else if (fr->lost)
        finish_verdict(fr, RUN_LOST, "the connection to the model server ended");
    else if (fr->crashed)
        finish_verdict(fr, RUN_CRASHED, "the model process ended while it ran this prediction");
    else
        finish_done(fr, fr->record->is_canceled);
}

static struct fake_record *record_of(struct fake_protocol *f, const char *id)
{
    struct fake_record *rec = map_get(&f->records, str_of(id));

    if (!rec) {
        rec = xnew(struct fake_record);
        snprintf(rec->id, sizeof(rec->id), "%s", id ? id : "");
        map_put(&f->records, str_of(id), rec);
    }
    return rec;
}

static void read_script(struct fake_run *fr, const struct run_spec *spec)
{
    struct str verdict;
    int64_t times = 0;
    bool holds;
    struct error err;

    if (!spec->join) {
        free(fr->record->script);
        fr->record->script = str_dup(spec->input);
    }
    if (json_parse(&fr->arena, str_of(arena_copy(&fr->arena, str_of(fr->record->script))), NULL,
                   &fr->script, &err) != STATUS_OK)
        fr->script = NULL;
    if (!fr->script && json_parse(&fr->arena, STR("{}"), NULL, &fr->script, &err) != STATUS_OK)
        abort();
    json_to_i64(json_get(fr->script, "ms"), &fr->ms);
    holds = !json_to_i64(json_get(fr->script, "times"), &times) || fr->record->tries <= times;
    verdict = json_to_str(json_get(fr->script, "verdict"));
    fr->never_ran = holds && str_is(verdict, "never_ran");
    fr->lost = holds && str_is(verdict, "lost");
    fr->unheard = fr->record->tries == 1 && !spec->join && flag(fr->script, "unheard");
    fr->crashed = holds && str_is(verdict, "crashed");
    if (json_is(json_get(fr->script, "pieces"), JSON_ARRAY))
        fr->n_pieces = json_get(fr->script, "pieces")->n;
}

static void fake_start(struct run *r, const struct run_spec *spec)
{
    struct fake_peer *fp = r->peer->impl;
    struct fake_run *fr = xnew(struct fake_run);

    fr->run = r;
    fr->fake = fp->fake;
    fr->must_join = spec->join;
    fr->record = record_of(fp->fake, spec->id);
    if (!spec->join) {
        fr->record->tries++;
        fr->record->is_canceled = false;
    }
    arena_init(&fr->arena);
    read_script(fr, spec);
    r->impl = fr;
    list_push(&fp->runs, &r->node);
    timer_init(r->peer->loop, &fr->timer, on_run_timer);
    timer_start(&fr->timer, !spec->join && r->peer->in_flight > fp->slots ? NO_SLOT_MS : 0);
}

static void fake_cancel(struct run *r)
{
    struct fake_run *fr = r->impl;

    fr->record->is_canceled = true;
    if (!flag(fr->script, "ignore_cancel") || !fr->is_accepted)
        timer_start(&fr->timer, 0);
}

static void fake_release(struct run *r)
{
    fake_run_free(r->impl);
}

static bool fake_is_unsent(const struct run *r)
{
    const struct fake_run *fr = r->impl;

    return fr->unheard && !fr->is_accepted;
}

static void fake_free(struct protocol *pr)
{
    struct fake_protocol *f = fake_of(pr);
    size_t at = 0;
    struct str key;
    struct fake_record *record;

    while (map_next(&f->records, &at, &key, (void **)&record)) {
        record_free(record);
    }
    map_deinit(&f->records);
    free(f);
}

static const struct protocol_ops fake_ops = {
    .name = "fake",
    .free = fake_free,
    .open = fake_open,
    .close = fake_close,
    .shutdown = fake_shutdown,
    .start = fake_start,
    .cancel = fake_cancel,
    .release = fake_release,
    .is_unsent = fake_is_unsent,
};

struct protocol *fake_protocol_new(struct loop *l, const struct fake_protocol_script *script)
{
    struct fake_protocol *f = xnew(struct fake_protocol);

    f->base.ops = &fake_ops;
    f->base.loop = l;
    if (script)
        f->script = *script;
    map_init(&f->records);
    return &f->base;
}

int fake_protocol_runs(struct protocol *pr, const char *prediction_id)
{
    struct fake_record *rec = map_get(&fake_of(pr)->records, str_of(prediction_id));

    return rec ? rec->accepted : 0;
}
