/* SPDX-License-Identifier: Apache-2.0 */
/* The flow of a build, from queued to done; the steps themselves are in build_steps.c. A step that
 * fails goes straight to the ending, where the row is written and what is half is swept. */
#include "run/build_impl.h"

#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

#define TO FLOW_TO
static const struct flow_state states[] = {
    [BUILD_QUEUED] = { "queued", TO(BUILD_UNPACKING) | TO(BUILD_ENDING) },
    [BUILD_UNPACKING] = { "unpacking", TO(BUILD_READING) | TO(BUILD_ENDING) },
    [BUILD_READING] = { "reading", TO(BUILD_CHECKING) | TO(BUILD_RESOLVING) | TO(BUILD_STORING) |
                                       TO(BUILD_ENDING) },
    [BUILD_CHECKING] = { "checking", TO(BUILD_RESOLVING) | TO(BUILD_STORING) | TO(BUILD_ENDING) },
    [BUILD_RESOLVING] = { "resolving", TO(BUILD_WAITING_ENV) | TO(BUILD_MAKING_ENV) |
                                           TO(BUILD_DESCRIBING) | TO(BUILD_STORING) |
                                           TO(BUILD_ENDING) },
    [BUILD_WAITING_ENV] = { "waiting", TO(BUILD_MAKING_ENV) | TO(BUILD_DESCRIBING) |
                                           TO(BUILD_STORING) | TO(BUILD_ENDING) },
    [BUILD_MAKING_ENV] = { "making-env", TO(BUILD_INSTALLING) | TO(BUILD_ENDING) },
    [BUILD_INSTALLING] = { "installing",
                           TO(BUILD_DESCRIBING) | TO(BUILD_STORING) | TO(BUILD_ENDING) },
    [BUILD_DESCRIBING] = { "describing", TO(BUILD_STORING) | TO(BUILD_ENDING) },
    [BUILD_STORING] = { "storing", TO(BUILD_REGISTERING) | TO(BUILD_ENDING) },
    [BUILD_REGISTERING] = { "registering", TO(BUILD_ENDING) },
    [BUILD_ENDING] = { "ending", TO(BUILD_DONE) },
    [BUILD_DONE] = { "done", 0 },
};
#undef TO

static void build_run(struct build *b);
static void start_next(struct builds *o);

void build_step_done(struct build *b)
{
    build_run(b);
}

/* --- rows --- */

static void on_row(struct store_op *op)
{
    if (op->status != STATUS_OK)
        log_warning("a build's state could not be stored", LOG_ERR(&op->error));
    store_op_deinit(op);
    free(op);
}

/* Says what is done now: in the log, and in the row. */
static void announce(struct build *b, const char *step)
{
    struct store_build_update *op = xnew(struct store_build_update);

    b->row.step = step;
    build_log_write(b, "== %s (after %.1f s)", step,
                    (double)(loop_now_ms(b->owner->loop) - b->began_ms) / 1000);
    op->in = b->row;
    op->in.id = store_keep(&op->op, str_of(b->row.id));
    store_start(b->owner->store, &op->op, &STORE_BUILD_UPDATE, on_row);
}

static void on_ended(struct store_op *op)
{
    struct build *b = container_of(op, struct build, update.op);

    if (op->status != STATUS_OK)
        log_error("the end of a build could not be stored", LOG_S("build", b->row.id),
                  LOG_ERR(&op->error));
    store_op_deinit(op);
    build_run(b);
}

static void on_swept(struct work *w)
{
    struct build *b = container_of(w, struct build, work);
    bool ok = b->status == STATUS_OK;

    build_box_give(b);
    b->row.status = ok ? "succeeded" : "failed";
    b->row.error = ok ? NULL : b->error.text;
    b->row.version = ok ? b->version_id : NULL;
    b->row.step = NULL;
    b->row.completed_at = loop_wall_ms(b->owner->loop);
    b->update.in = b->row;
    store_start(b->owner->store, &b->update.op, &STORE_BUILD_UPDATE, on_ended);
}

static void sweep_work(struct work *w)
{
    build_sweep(container_of(w, struct build, work));
}

static void end(struct build *b)
{
    bool ok = b->status == STATUS_OK;

    timer_stop(&b->deadline);
    if (ok)
        build_log_write(b, "== done: version %s", b->version_id);
    else
        build_log_write(b, "== failed: %s", b->error.text);
    work_start(b->owner->loop, &b->work, sweep_work, on_swept);
}

/* --- the flow --- */

enum status build_over_time(struct build *b)
{
    b->is_over_time = true;
    b->status = FAIL(&b->error, STATUS_TIMED_OUT,
                     "The build took longer than build_timeout allows and was ended.");
    return b->status;
}

/* Its mark comes with the storing; of one that failed, what is half made is swept until it is done.
 */
static bool env_is_being_made(const struct build *b)
{
    struct build *other;

    list_each (&b->owner->running, other, struct build, node)
        if (other != b && other->made_env && strcmp(other->env_key, b->env_key) == 0)
            return true;
    return false;
}

bool builds_are_storing(const struct builds *o)
{
    struct build *b;

    list_each (&o->running, b, struct build, node)
        if (b->flow.at == BUILD_STORING || b->flow.at == BUILD_REGISTERING)
            return true;
    return false;
}

static void wake_waiting(struct builds *o)
{
    struct build *b;

    list_each (&o->running, b, struct build, node)
        if (b->flow.at == BUILD_WAITING_ENV)
            build_run(b);
}

static void store(struct build *b)
{
    flow_goto(&b->flow, BUILD_STORING);
    b->owner->n_stored++;
    announce(b, "storing the version's files");
    build_store_files(b);
}

/* A model.yaml has said all that the source would. */
static void describe(struct build *b)
{
    if (b->model.protocol) {
        store(b);
        return;
    }
    flow_goto(&b->flow, BUILD_DESCRIBING);
    announce(b, "reading the inputs and outputs from the source");
    build_describe(b);
}

static void go_on_with_env(struct build *b)
{
    if (!build_env_is_ready(b) && env_is_being_made(b)) {
        if (b->flow.at == BUILD_WAITING_ENV)
            AWAIT;
        announce(b, "waiting for another build that makes the same environment");
        flow_goto(&b->flow, BUILD_WAITING_ENV);
    } else if (build_env_is_ready(b)) {
        build_log_write(b, "The environment %s is there already.", b->env_key);
        describe(b);
    } else {
        flow_goto(&b->flow, BUILD_MAKING_ENV);
        b->made_env = true;
        announce(b, "making the Python environment");
        build_make_env(b);
    }
}

static void on_registered(struct store_op *op)
{
    struct build *b = container_of(op, struct build, create.op);

    b->status = op->status;
    b->error = op->error;
    if (op->status == STATUS_OK && b->create.existed)
        build_log_write(b, "The model has this version already; nothing is new.");
    store_op_deinit(op);
    build_run(b);
}

static void register_version(struct build *b)
{
    struct buf config CLEANUP(buf_deinit) = BUF_INIT(1 << 20);
    char seq[ID_SIZE];

    version_config_write(&b->config, &config);
    id_make(b->owner->ids, loop_wall_ms(b->owner->loop), seq);
    b->create.in = (struct version_row){
        .seq = store_keep(&b->create.op, str_of(seq)),
        .id = b->version_id,
        .model_id = b->row.model_id,
        .cog_version = b->model.protocol ? "" : "0.23.1",
        .kind = "folder",
        .schema = b->schema,
        .config = str_of(store_keep(&b->create.op, buf_str(&config))),
        .path = b->version_path,
        .created_at = loop_wall_ms(b->owner->loop),
    };
    store_start(b->owner->store, &b->create.op, &STORE_VERSION_CREATE, on_registered);
}

void builds_listen(struct builds *o, struct change_listener *l)
{
    o->listener = l;
}

static void build_finish(struct build *b)
{
    struct builds *o = b->owner;

    log_info("build ended", LOG_S("build", b->row.id), LOG_S("status", b->row.status),
             LOG_S("way", b->flow.trace), LOG_S("error", b->row.error ? b->row.error : ""));
    tell_build(o->listener, &b->row);
    map_remove(&o->live, str_of(b->row.id));
    list_remove(&b->node);
    o->n_running--;
    build_tell_end(b);
    build_log_close(b);
    buf_deinit(&b->captured);
    arena_deinit(&b->arena);
    free(b);
    wake_waiting(o);
    start_next(o);
}

static void fail(struct build *b)
{
    flow_goto(&b->flow, BUILD_ENDING);
    end(b);
}

/* Each case starts what its state stands for has ended; the callback brings us back here in the
 * same state. */
static void build_run(struct build *b)
{
    if (b->owner->is_closing) {
        b->is_halted = true;
        loop_stop(b->owner->loop);
        AWAIT;
    }
    /* Once its row is asked for, it is a version or it is not: no deadline changes that. */
    if (b->is_over_time && b->status == STATUS_OK && b->flow.at < BUILD_REGISTERING)
        build_over_time(b);
    if (b->status != STATUS_OK && b->flow.at < BUILD_ENDING) {
        fail(b);
        AWAIT;
    }
    switch ((enum build_state)b->flow.at) {
    case BUILD_QUEUED:
        flow_goto(&b->flow, BUILD_UNPACKING);
        announce(b, "unpacking");
        b->status = build_box_take(b);
        if (b->status != STATUS_OK) {
            fail(b);
            AWAIT;
        }
        build_unpack(b);
        AWAIT;
    case BUILD_UNPACKING:
        flow_goto(&b->flow, BUILD_READING);
        announce(b, "reading what the folder says of itself");
        build_read(b);
        AWAIT;
    case BUILD_READING:
        if (b->cog.system_packages[0]) {
            flow_goto(&b->flow, BUILD_CHECKING);
            announce(b, "looking for system packages");
            build_check_packages(b);
            AWAIT;
        }
        FALLTHROUGH;
    case BUILD_CHECKING:
        if (!b->needs_env) {
            store(b);
            AWAIT;
        }
        flow_goto(&b->flow, BUILD_RESOLVING);
        announce(b, "resolving requirements");
        build_resolve(b);
        AWAIT;
    case BUILD_RESOLVING:
        b->status = build_find_env(b);
        if (b->status != STATUS_OK) {
            fail(b);
            AWAIT;
        }
        FALLTHROUGH;
    case BUILD_WAITING_ENV:
        go_on_with_env(b);
        AWAIT;
    case BUILD_MAKING_ENV:
        flow_goto(&b->flow, BUILD_INSTALLING);
        announce(b, "installing packages");
        build_install(b);
        AWAIT;
    case BUILD_INSTALLING:
        describe(b);
        AWAIT;
    case BUILD_DESCRIBING:
        store(b);
        AWAIT;
    case BUILD_STORING:
        flow_goto(&b->flow, BUILD_REGISTERING);
        announce(b, "registering the version");
        register_version(b);
        wake_waiting(b->owner);
        AWAIT;
    case BUILD_REGISTERING:
        flow_goto(&b->flow, BUILD_ENDING);
        end(b);
        AWAIT;
    case BUILD_ENDING:
        flow_goto(&b->flow, BUILD_DONE);
        build_finish(b);
        AWAIT;
    case BUILD_DONE:
        assert(0 && "a finished build does not run");
    }
}

/* --- the queue --- */

static void on_deadline(struct timer *t)
{
    struct build *b = container_of(t, struct build, deadline);

    b->is_over_time = true;
    if (b->has_child)
        build_end_child(b);
    else if (b->flow.at == BUILD_WAITING_ENV) /* nothing else would wake it in time */
        build_run(b);
}

static void start_next(struct builds *o)
{
    while (o->n_running < o->options->build_parallel && !list_empty(&o->queue)) {
        struct build *b = container_of(list_first(&o->queue), struct build, node);

        list_remove(&b->node);
        list_push(&o->running, &b->node);
        o->n_running++;
        b->began_ms = loop_now_ms(o->loop);
        b->row.status = "building";
        b->row.started_at = loop_wall_ms(o->loop);
        tell_build(o->listener, &b->row);
        timer_start(&b->deadline, o->options->build_timeout);
        build_run(b);
    }
}

struct build *build_new(struct builds *o, const struct build_row *row)
{
    struct build *b = xnew(struct build);

    b->owner = o;
    b->row = *row;
    b->row.id = arena_copy(&b->arena, str_of(row->id));
    b->row.account_id = arena_copy(&b->arena, str_of(row->account_id));
    b->row.model_id = arena_copy(&b->arena, str_of(row->model_id));
    b->row.model_owner = arena_copy(&b->arena, str_of(row->model_owner));
    b->row.model_name = arena_copy(&b->arena, str_of(row->model_name));
    snprintf(b->folder, sizeof(b->folder), "%s/builds/%s", o->data, row->id);
    buf_init(&b->captured, 16 << 20);
    list_init(&b->watchers);
    timer_init(o->loop, &b->deadline, on_deadline);
    flow_init(&b->flow, "build", states, BUILD_QUEUED);
    b->log_fd = -1;
    build_log_open(b);
    map_put(&o->live, str_of(b->row.id), b);
    list_push(&o->queue, &b->node);
    tell_build(o->listener, &b->row);
    start_next(o);
    return b;
}

struct build *build_find(struct builds *o, struct str id)
{
    return map_get(&o->live, id);
}

struct builds *builds_new(struct loop *l, struct store *s, const struct builds_config *c)
{
    struct builds *o = xnew(struct builds);

    o->loop = l;
    o->store = s;
    o->options = c->options;
    o->ids = c->ids;
    o->data = xstrdup(c->data);
    o->helper = xstrdup(c->helper);
    o->self = c->self ? xstrdup(c->self) : NULL;
    o->home = c->home ? xstrdup(c->home) : NULL;
    o->folders = c->folders ? xstrdup(c->folders) : NULL;
    o->uids = c->uids;
    list_init(&o->queue);
    list_init(&o->running);
    map_init(&o->live);
    forget_init(o);
    return o;
}

/* Work on another thread and the store's operations cannot be called back: their end is waited for.
 */
static void halt(struct builds *o)
{
    struct build *b;
    bool all;

    o->is_closing = true;
    list_each (&o->running, b, struct build, node)
        if (b->has_child)
            build_end_child(b);
    do {
        all = o->n_pushing == 0 && o->n_forgetting == 0;
        list_each (&o->running, b, struct build, node)
            all = all && (b->is_halted || b->flow.at == BUILD_WAITING_ENV);
        if (!all)
            loop_run(o->loop);
    } while (!all);
}

void builds_free(struct builds *o)
{
    struct build *b;

    if (!o)
        return;
    halt(o);
    forget_deinit(o);
    list_each (&o->running, b, struct build, node) {
        build_log_close(b);
        timer_stop(&b->deadline);
        buf_deinit(&b->captured);
        arena_deinit(&b->arena);
        free(b);
    }
    list_each (&o->queue, b, struct build, node) {
        build_log_close(b);
        arena_deinit(&b->arena);
        buf_deinit(&b->captured);
        free(b);
    }
    map_deinit(&o->live);
    free(o->data);
    free(o->helper);
    free(o->self);
    free(o->home);
    free(o->folders);
    free(o);
}
