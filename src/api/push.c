/* SPDX-License-Identifier: Apache-2.0 */
/* A folder becomes a version: the packed folder streams to disk, then a build makes of it what
 * instances need.
 *
 * The way of a push: the model is looked up (and made when it is missing) -> the body is written
 * piece by piece -> the build is recorded -> 202. A client that goes before the end leaves nothing.
 */
#include "api/api.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>

struct pushing {
    struct http_request *request; /* NULL: the client has gone */
    struct api *api;
    struct push *push;
    char *model_id, *owner, *name;
    bool is_writing, is_complete;
};

static void pushing_free(struct pushing *x)
{
    if (x->push)
        push_abort(x->push);
    free(x->model_id);
    free(x->owner);
    free(x->name);
    free(x);
}

static void show_build(struct json_writer *w, const struct build_row *b, const char *base)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(4096);

    json_begin_object(w);
    json_member_string(w, "id", b->id);
    buf_addf(&text, "%s/%s", b->model_owner, b->model_name);
    json_member_str(w, "model", buf_str(&text));
    json_member_string(w, "status", b->status);
    json_member_string(w, "step", b->step);
    json_member_string(w, "error", b->error);
    json_member_string(w, "version", b->version);
    show_time(w, "created_at", b->created_at);
    show_time(w, "started_at", b->started_at);
    show_time(w, "completed_at", b->completed_at);
    json_key(w, "urls");
    json_begin_object(w);
    buf_clear(&text);
    buf_addf(&text, "%s/v1/builds/%s", base, b->id);
    json_member_str(w, "get", buf_str(&text));
    buf_adds(&text, "/log");
    json_member_str(w, "log", buf_str(&text));
    json_end_object(w);
    json_end_object(w);
}

static void answer_build(struct http_request *r, int status, const struct build_row *b)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(1 << 20);
    struct json_writer w;

    json_writer_init(&w, &body);
    show_build(&w, b, api_base(r));
    api_answer(r, status, &body);
}

/* --- receiving --- */

static void refuse_push(struct pushing *x, const struct error *err)
{
    struct http_request *r = x->request;

    r->on_gone = NULL;
    r->on_body = NULL;
    http_problem_error(r, err);
    pushing_free(x);
}

static void on_recorded(void *arg, const struct build_row *row, const struct error *err)
{
    struct pushing *x = arg;
    struct http_request *r = x->request;

    if (r) {
        r->on_gone = NULL;
        if (err)
            http_problem_error(r, err);
        else
            answer_build(r, 202, row);
    }
    pushing_free(x);
}

static void finish(struct pushing *x)
{
    struct push_target target = {
        .account_id = account_of(x->request)->info.id,
        .model_id = x->model_id,
        .model_owner = x->owner,
        .model_name = x->name,
    };

    push_finish(TAKE(x->push), &target, on_recorded, x);
}

static void on_written(void *arg, const struct error *err)
{
    struct pushing *x = arg;

    x->is_writing = false;
    if (!x->request)
        pushing_free(x);
    else if (err)
        refuse_push(x, err);
    else if (x->is_complete)
        finish(x);
    else
        http_body_resume(x->request);
}

static void on_body(struct http_request *r, struct str piece)
{
    struct pushing *x = r->context;

    if (piece.n == 0) {
        x->is_complete = true;
        if (!x->is_writing)
            finish(x);
        return;
    }
    x->is_writing = true;
    http_body_pause(r);
    push_write(x->push, piece, on_written, x);
}

static void on_gone(struct http_request *r)
{
    struct pushing *x = r->context;

    x->request = NULL;
    if (!x->is_writing && x->push)
        pushing_free(x);
    /* else the write or the record still under way frees it */
}

static void receive(struct http_request *r, const char *model_id, const char *owner,
                    const char *name)
{
    struct pushing *x = xnew(struct pushing);
    struct error err;

    x->request = r;
    x->api = api_of(r);
    x->model_id = xstrdup(model_id);
    x->owner = xstrdup(owner);
    x->name = xstrdup(name);
    if (push_begin(x->api->builds, &x->push, &err) != STATUS_OK) {
        http_problem_error(r, &err);
        pushing_free(x);
        return;
    }
    r->context = x;
    r->on_gone = on_gone;
    r->on_body = on_body;
    http_body_accept(r);
    http_body_resume(r);
}

/* --- the model --- */

static void on_model_made(struct http_request *r, struct store_op *op)
{
    struct store_model_create *c = container_of(op, struct store_model_create, op);

    if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        receive(r, c->in.id, c->in.owner, c->in.name);
}

static void make_model(struct http_request *r)
{
    struct api *a = api_of(r);
    const struct account *me = &account_of(r)->info;
    struct str name = http_param(r, "name"), sku = http_query(r, "hardware");
    struct store_model_create *op;
    struct error err;
    char id[ID_SIZE];

    if (!object_name_ok(name, "model", &err)) {
        http_problem(r, 400, "Validation failed", "%s", err.text);
        return;
    }
    op = api_op_new(sizeof(*op));
    id_make(&a->fleet->ids, loop_wall_ms(a->loop), id);
    op->in = (struct model_row){
        .id = store_keep(&op->op, str_of(id)),
        .owner_id = store_keep(&op->op, str_of(me->id)),
        .owner = store_keep(&op->op, str_of(me->username)),
        .name = store_keep(&op->op, name),
        .is_public = str_is(http_query(r, "visibility"), "public"),
        .hardware = store_keep(&op->op, sku.p ? sku : str_of(hardware_smallest(a->hardware)->sku)),
        .created_at = loop_wall_ms(a->loop),
    };
    api_op_start(r, &op->op, &STORE_MODEL_CREATE, on_model_made);
}

static void on_model(struct http_request *r, struct store_op *op)
{
    struct store_model_get *get = container_of(op, struct store_model_get, op);

    if (op->status == STATUS_NOT_FOUND)
        make_model(r);
    else if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        receive(r, get->row.id, get->row.owner, get->row.name);
}

static bool query_ok(struct http_request *r)
{
    struct str sku = http_query(r, "hardware"), visibility = http_query(r, "visibility");
    struct buf why CLEANUP(buf_deinit) = BUF_INIT(16 << 10);
    const struct sku *found;

    if (sku.p && !sku_find(api_of(r), sku, &found, &why)) {
        http_problem(r, 400, "Validation failed", "hardware: %.*s", STR_ARG(buf_str(&why)));
        return false;
    }
    if (visibility.p && !str_is(visibility, "public") && !str_is(visibility, "private")) {
        http_problem(r, 400, "Validation failed", "visibility: \"%.*s\" must be public or private.",
                     STR_ARG(visibility));
        return false;
    }
    return true;
}

void version_push(struct http_request *r)
{
    struct store_model_get *op;

    if (!str_is(http_param(r, "owner"), account_of(r)->info.username)) {
        http_problem(r, 403, NULL,
                     "This token belongs to %s: it can push to models of %s only, not to %.*s.",
                     account_of(r)->info.username, account_of(r)->info.username,
                     STR_ARG(http_param(r, "owner")));
        return;
    }
    if (!query_ok(r))
        return;
    http_body_pause(r);
    op = api_op_new(sizeof(*op));
    api_op_target(r, &op->op, &op->owner, &op->name, &op->viewer_id);
    api_op_start(r, &op->op, &STORE_MODEL_GET, on_model);
}

/* --- following a build --- */

enum { MAX_ID_SHOWN = 60 };

static void refuse_build(struct http_request *r, const struct store_build_get *get)
{
    struct str id = str_of(get->id);

    if (get->op.status == STATUS_NOT_FOUND)
        http_problem(r, 404, NULL, "You have no build \"%.*s\"; the answer to the push has its id.",
                     (int)utf8_prefix(id, MAX_ID_SHOWN), id.p);
    else
        api_refuse(r, &get->op.error);
}

static void on_build(struct http_request *r, struct store_op *op)
{
    struct store_build_get *get = container_of(op, struct store_build_get, op);

    if (op->status != STATUS_OK)
        refuse_build(r, get);
    else
        answer_build(r, 200, &get->row);
}

static void get_build(struct http_request *r,
                      void (*done)(struct http_request *, struct store_op *))
{
    struct store_build_get *op = api_op_new(sizeof(*op));

    op->id = store_keep(&op->op, http_param(r, "id"));
    op->account_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    api_op_start(r, &op->op, &STORE_BUILD_GET, done);
}

void build_show(struct http_request *r)
{
    get_build(r, on_build);
}

struct following {
    struct http_request *request;
    struct build_watcher watcher;
};

static void on_build_changed(struct build_watcher *w, struct str text, bool ended)
{
    struct following *f = container_of(w, struct following, watcher);
    struct http_request *r = f->request;

    if (text.n && !http_stream_write(r, text))
        return; /* on_gone comes, or came */
    if (ended) {
        r->on_gone = NULL;
        http_stream_end(r);
        free(f);
    }
}

static void on_follower_gone(struct http_request *r)
{
    struct following *f = r->context;

    build_watcher_remove(&f->watcher);
    free(f);
}

enum { MAX_LOG_ANSWER = 8 << 20 };

/* A build's log is bounded, and small: it is read here in one go, from the page cache. */
/* False: it could not be read, and that was answered. */
static bool read_log(struct http_request *r, struct str id, struct buf *out)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct error err;
    enum status s;

    build_log_path(api_of(r)->builds, id, &path);
    s = file_read(path.p, out, &err);
    if (s == STATUS_OK || s == STATUS_NOT_FOUND) /* a build that waits has none */
        return true;
    http_problem_error(r, &err);
    return false;
}

static void on_log_wanted(struct http_request *r, struct store_op *op)
{
    struct store_build_get *get = container_of(op, struct store_build_get, op);
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(MAX_LOG_ANSWER);
    struct build *b;
    struct following *f;

    if (op->status != STATUS_OK) {
        refuse_build(r, get);
        return;
    }
    if (!read_log(r, str_of(get->row.id), &text))
        return;
    b = build_find(api_of(r)->builds, str_of(get->row.id));
    if (!b || !str_is(http_query(r, "follow"), "1")) {
        http_respond(r, 200, "text/plain; charset=utf-8", buf_str(&text));
        return;
    }
    f = xnew(struct following);
    f->request = r;
    f->watcher.changed = on_build_changed;
    list_init(&f->watcher.node);
    r->context = f;
    r->on_gone = on_follower_gone;
    http_stream_begin(r, 200, "text/plain; charset=utf-8");
    if (text.n == 0 || http_stream_write(r, buf_str(&text)))
        build_watch(b, &f->watcher);
}

void build_log(struct http_request *r)
{
    struct str follow = http_query(r, "follow");

    if (follow.p && !str_is(follow, "1"))
        http_problem(r, 400, NULL,
                     "follow: \"%.*s\" is not known; follow=1 waits for the build's end.",
                     STR_ARG(follow));
    else
        get_build(r, on_log_wanted);
}
