/* SPDX-License-Identifier: Apache-2.0 */
/* What changes is noted for each reader that may know of it, one note for each thing, and told four
 * times a second at most: a thing that changes quicker is told as it is then. A reader has so many
 * notes; more predictions than that are told as a number, and whoever has more of the rest, or does
 * not read, is told to look at everything again. So a reader costs the same whatever happens. */
#include "api/events.h"

#include "api/overview.h"
#include "api/session.h"
#include "base/mem.h"
#include "http/sse.h"
#include "store/build.h"

#include <stdlib.h>

enum {
    EVERY_MS = 250,
    BEAT_MS = 15000,
    NOTES_MOST = 256,
    PREDICTIONS_MOST = 32,
    PENDING_MOST = 64 << 10, /* bytes that wait for the reader; then nothing more is written */
    KEY_SIZE = 64,
    NAME_SIZE = 128, /* "owner/name" */
    STATE_SIZE = 16,
};

/* One thing that changed. */
struct note {
    struct list node; /* reader->notes, oldest first */
    char key[KEY_SIZE];
    enum change_kind kind;
    char id[ID_SIZE];      /* of a prediction, an instance, a build; else the pool's */
    char pool[NAME_SIZE];  /* "owner/name" of a deployment; "": of none */
    char model[NAME_SIZE]; /* what runs, or is built */
    char state[STATE_SIZE];
    int64_t number;
};

struct reader {
    struct list node; /* api->readers */
    struct api *api;
    struct http_request *request;
    struct api_account *account;
    unsigned char token[32];   /* what it came with: where it is revoked, the stream ends */
    unsigned char session[32]; /* likewise where it came by cookie and is signed out */
    bool has_session;
    char only[NAME_SIZE]; /* the deployment it wants to hear of; "": of all */
    struct list notes;
    struct map by_key;
    int n_predictions;   /* of the notes */
    int64_t n_uncounted; /* predictions for which there was no note */
    bool is_lost, is_over;
    struct timer flush, beat;
};

/* --- notes --- */

static void note_free(struct reader *d, struct note *x)
{
    d->n_predictions -= x->kind == CHANGE_PREDICTION;
    list_remove(&x->node);
    map_remove(&d->by_key, str_of(x->key));
    free(x);
}

static void forget(struct reader *d)
{
    struct note *x;

    list_each (&d->notes, x, struct note, node)
        note_free(d, x);
    d->n_uncounted = 0;
}

static void name_pool(const struct pool *p, struct note *x)
{
    const struct release *current = p ? pool_current(p) : NULL;
    const struct version *v = current ? current->lane->version : NULL;

    if (p && !p->is_model)
        snprintf(x->pool, sizeof(x->pool), "%s/%s", p->owner, p->name);
    if (v)
        snprintf(x->model, sizeof(x->model), "%s/%s", v->owner, v->model);
    else if (p && p->is_model)
        snprintf(x->model, sizeof(x->model), "%s/%s", p->owner, p->name);
}

static void fill(struct note *x, const struct change *c)
{
    x->kind = c->kind;
    x->number = c->number;
    snprintf(x->id, sizeof(x->id), "%s", c->id ? c->id : c->pool ? c->pool->id : "");
    snprintf(x->state, sizeof(x->state), "%s", c->state ? c->state : "");
    name_pool(c->pool, x);
    if (c->build)
        snprintf(x->model, sizeof(x->model), "%s/%s", c->build->model_owner, c->build->model_name);
}

static bool is_wanted(const struct reader *d, const struct change *c)
{
    char name[NAME_SIZE];

    if (d->is_lost || d->is_over || strcmp(c->owner_id, d->account->info.id) != 0)
        return false;
    if (c->kind == CHANGE_POOL && c->pool->is_model)
        return false;
    if (!d->only[0])
        return true;
    if (!c->pool || c->pool->is_model)
        return false;
    snprintf(name, sizeof(name), "%s/%s", c->pool->owner, c->pool->name);
    return strcmp(name, d->only) == 0;
}

static void take(struct reader *d, const struct change *c)
{
    char key[KEY_SIZE];
    struct note *x;

    snprintf(key, sizeof(key), "%d %s %lld", (int)c->kind, c->id ? c->id : c->pool->id,
             (long long)c->number);
    x = map_get(&d->by_key, str_of(key));
    if (!x && c->kind == CHANGE_PREDICTION && d->n_predictions >= PREDICTIONS_MOST) {
        d->n_uncounted++;
        return;
    }
    /* More comes soon, and is told then. */
    if (!x && c->kind == CHANGE_PROGRESS && d->by_key.n >= PREDICTIONS_MOST)
        return;
    if (!x && d->by_key.n >= NOTES_MOST) {
        d->is_lost = true;
        forget(d);
        return;
    }
    if (!x) {
        x = xnew(struct note);
        snprintf(x->key, sizeof(x->key), "%s", key);
        list_push(&d->notes, &x->node);
        map_put(&d->by_key, str_of(key), x);
        d->n_predictions += c->kind == CHANGE_PREDICTION;
    }
    fill(x, c);
}

static void on_changed(struct change_listener *l, const struct change *c)
{
    struct api *a = container_of(l, struct api, listener);
    struct reader *d;

    list_each (&a->readers, d, struct reader, node) {
        if (!is_wanted(d, c))
            continue;
        take(d, c);
        if (!timer_armed(&d->flush))
            timer_start(&d->flush, EVERY_MS);
    }
}

/* --- events --- */

static void member_or_null(struct json_writer *w, const char *key, const char *text)
{
    json_member_string(w, key, text[0] ? text : NULL);
}

static void write_pool(struct reader *d, struct json_writer *w, const struct note *x)
{
    const struct pool *p = map_get(&d->api->fleet->pools, str_of(x->id));
    struct str rest = str_of(x->pool), owner;

    str_split(&rest, '/', &owner);
    json_member_str(w, "owner", owner);
    json_member_str(w, "name", rest);
    json_member_string(w, "state", p ? pool_state(p) : "deleted");
    if (p && pool_current(p)) {
        json_member_int(w, "release", pool_current(p)->number);
        show_pool_instances(w, p);
        json_member_string(w, "waits_for", pool_waits_for(p));
    }
}

static void write_event(struct reader *d, struct buf *out, const struct note *x)
{
    static const char *const names[] = {
        [CHANGE_POOL] = "deployment",   [CHANGE_PREDICTION] = "prediction",
        [CHANGE_INSTANCE] = "instance", [CHANGE_RELEASE] = "release",
        [CHANGE_DECISION] = "decision", [CHANGE_BUILD] = "build",
        [CHANGE_PROGRESS] = "progress", [CHANGE_LOG] = "log",
    };
    struct buf data CLEANUP(buf_deinit) = BUF_INIT(4096);
    bool is_build = x->kind == CHANGE_BUILD;
    bool has_id = x->kind == CHANGE_PREDICTION || x->kind == CHANGE_PROGRESS ||
                  x->kind == CHANGE_INSTANCE || x->kind == CHANGE_LOG || is_build;
    struct json_writer w;

    json_writer_init(&w, &data);
    json_begin_object(&w);
    if (x->kind == CHANGE_POOL)
        write_pool(d, &w, x);
    if (has_id)
        json_member_string(&w, "id", x->id);
    if (x->kind == CHANGE_RELEASE)
        json_member_int(&w, "number", x->number);
    if (x->kind == CHANGE_PREDICTION || is_build)
        json_member_string(&w, "status", x->state);
    else if (x->state[0])
        json_member_string(&w, "state", x->state);
    if (x->kind != CHANGE_POOL && !is_build)
        member_or_null(&w, "deployment", x->pool);
    if (has_id)
        member_or_null(&w, "model", x->model);
    json_end_object(&w);
    sse_write(out, str_of(names[x->kind]), STR_NULL, buf_str(&data));
}

/* --- the life of a reader --- */

static void reader_free(struct reader *d)
{
    forget(d);
    d->account->n_streams--;
    list_remove(&d->node);
    timer_stop(&d->flush);
    timer_stop(&d->beat);
    map_deinit(&d->by_key);
    free(d);
}

static void on_gone(struct http_request *r)
{
    reader_free(r->context);
}

static void finish(struct reader *d)
{
    struct http_request *r = d->request;

    r->on_gone = NULL;
    reader_free(d);
    http_stream_end(r);
}

/* False: the reader is gone, or not a reader any more. */
static bool may_go_on(struct reader *d)
{
    if (d->is_over)
        return false;
    if (map_get(&d->api->tokens, str_make((const char *)d->token, sizeof(d->token))) &&
        (!d->has_session || session_holds(d->api, d->session, d->account->info.id)))
        return true;
    finish(d);
    return false;
}

static void send(struct reader *d, const struct buf *out)
{
    if (out->n && !http_stream_write(d->request, buf_str(out)))
        d->is_over = true; /* on_gone follows */
}

static void on_flush(struct timer *t)
{
    struct reader *d = container_of(t, struct reader, flush);
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct note *x;

    if (!may_go_on(d))
        return;
    if (http_stream_pending(d->request) > PENDING_MOST) {
        d->is_lost = true;
        forget(d);
        timer_start(t, EVERY_MS);
        return;
    }
    if (d->is_lost)
        sse_write(&out, STR("reset"), STR_NULL, STR("{}"));
    d->is_lost = false;
    list_each (&d->notes, x, struct note, node)
        write_event(d, &out, x);
    if (d->n_uncounted > 0) {
        char data[64];

        snprintf(data, sizeof(data), "{\"changed\":%lld}", (long long)d->n_uncounted);
        sse_write(&out, STR("predictions"), STR_NULL, str_of(data));
    }
    forget(d);
    send(d, &out);
}

static void on_beat(struct timer *t)
{
    struct reader *d = container_of(t, struct reader, beat);
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(64);

    if (!may_go_on(d))
        return;
    sse_comment(&out, "still here");
    if (http_stream_pending(d->request) == 0)
        send(d, &out);
    timer_start(t, BEAT_MS);
}

static void say_hello(struct reader *d)
{
    struct buf data CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(2048);
    struct json_writer w;

    json_writer_init(&w, &data);
    json_begin_object(&w);
    json_member_string(&w, "account", d->account->info.username);
    json_end_object(&w);
    sse_write(&out, STR("hello"), STR_NULL, buf_str(&data));
    send(d, &out);
}

void events_show(struct http_request *r)
{
    struct api *a = api_of(r);
    struct api_account *account = account_of(r);
    const struct api_token *token = api_token_of(r);
    const unsigned char *session = session_hash(r);
    struct reader *d;
    const struct pool *only;

    if (!api_query_deployment(r, &only) || !streams_have_room(r, account))
        return;
    http_set_header(r, "Cache-Control", "no-store");
    http_set_header(r, "X-Accel-Buffering", "no");
    http_stream_begin(r, 200, "text/event-stream");
    if (r->is_head || a->is_ending || !token) {
        http_stream_end(r);
        return;
    }
    d = xnew(struct reader);
    d->api = a;
    d->request = r;
    d->account = account;
    account->n_streams++;
    memcpy(d->token, token->hash, sizeof(d->token));
    if (session) {
        memcpy(d->session, session, sizeof(d->session));
        d->has_session = true;
    }
    if (only)
        snprintf(d->only, sizeof(d->only), "%s/%s", only->owner, only->name);
    list_init(&d->notes);
    map_init(&d->by_key);
    list_push(&a->readers, &d->node);
    timer_init(r->loop, &d->flush, on_flush);
    timer_init(r->loop, &d->beat, on_beat);
    timer_start(&d->beat, BEAT_MS);
    r->context = d;
    r->on_gone = on_gone;
    say_hello(d);
}

void events_init(struct api *a)
{
    list_init(&a->readers);
    a->listener.changed = on_changed;
    a->fleet->listener = &a->listener;
    if (a->builds)
        builds_listen(a->builds, &a->listener);
}

void events_look(struct api *a)
{
    struct reader *d;

    list_each (&a->readers, d, struct reader, node)
        may_go_on(d);
}

void events_end(struct api *a)
{
    struct reader *d;

    list_each (&a->readers, d, struct reader, node)
        if (!d->is_over)
            finish(d);
}
