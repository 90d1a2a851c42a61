/* SPDX-License-Identifier: Apache-2.0 */
/* One container as the server sees it:
 *
 *   FAILING  -> GONE                       [it could not even be asked for: told on the next turn]
 *   CREATING -> STARTING | REMOVING        [created; refused, or to be stopped already]
 *   CREATING -> PULLING -> CREATING        [it names a registry's image that is not there]
 *   STARTING -> LOOKING  | REMOVING        [started; refused]
 *   LOOKING  -> RUNNING | READING | REMOVING | GONE     [runs; has ended; never started; is gone]
 *   RUNNING  -> LOOKING                    [the engine's answer to `wait`: it has ended]
 *   READING  -> REMOVING                   [the rest of its log was read]
 *   REMOVING -> GONE                       [removed: its end is told]
 *   any      -> WAITING -> LOOKING | REMOVING           [the engine was away, or could not do it]
 *   any      -> GONE                       [released]
 *
 * Every event may make the owner release the launch: c->launch is NULL then, and `c` lives until
 * the loop's next turn at least. */
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "driver/docker/docker_impl.h"

#include <assert.h>
#include <stdlib.h>

enum { ANSWER_MS = 60000, LOG_REST_MS = 3000, GIVE_UP_MS = 10000 };

enum container_phase {
    CONTAINER_FAILING,
    CONTAINER_WAITING,
    CONTAINER_CREATING,
    CONTAINER_PULLING,
    CONTAINER_STARTING,
    CONTAINER_LOOKING,
    CONTAINER_RUNNING,
    CONTAINER_READING,
    CONTAINER_REMOVING,
    CONTAINER_GONE
};

struct container {
    struct list node;
    struct docker_driver *driver;
    struct launch *launch; /* NULL: released, ended, or never asked for (swept) */
    enum container_phase phase;
    char id[40];  /* the instance's */
    char ref[96]; /* what the engine knows it by */
    struct docker_request ask, wait, logs, kill;
    struct docker_pull pull;
    char *image; /* with its registry and digest, so that it can be pulled; NULL */
    struct docker_lines lines;
    struct deferred later;
    struct timer stop; /* the grace, then until it is given up */
    struct timer rest; /* of the log */
    int64_t log_at;    /* wall ms: when something of the log came last; 0: nothing did */
    struct exit_info how;
    struct error error; /* has_error */
    bool has_error, told_handle, told_address;
    bool is_ours;    /* its label was seen, or we made it: it may be removed */
    bool is_leaving; /* it is only to be removed */
    bool stop_wanted, stop_is_forced, log_has_ended;
    bool kill_was_forced; /* the last signal was SIGKILL */
};

/* --- its end --- */

static void on_later(struct deferred *d);

static bool has_open(const struct container *c)
{
    return c->ask.is_open || c->wait.is_open || c->logs.is_open || c->kill.is_open ||
           c->pull.request.is_open;
}

static void container_free(struct container *c)
{
    list_remove(&c->node);
    deferred_cancel(&c->later);
    timer_stop(&c->stop);
    timer_stop(&c->rest);
    docker_request_deinit(&c->ask);
    docker_request_deinit(&c->wait);
    docker_request_deinit(&c->logs);
    docker_request_deinit(&c->kill);
    docker_pull_deinit(&c->pull);
    docker_lines_deinit(&c->lines);
    free(c->image);
    free(c);
}

/* It is freed on a later turn, when nothing of it is open any more. */
static void leave(struct container *c)
{
    c->phase = CONTAINER_GONE;
    timer_stop(&c->stop);
    timer_stop(&c->rest);
    http_call_cancel(&c->ask.call);
    http_call_cancel(&c->wait.call);
    http_call_cancel(&c->logs.call);
    http_call_cancel(&c->kill.call);
    http_call_cancel(&c->pull.request.call);
    if (!has_open(c))
        deferred_call(&c->later);
}

static bool is_gone(struct container *c)
{
    if (c->phase == CONTAINER_GONE && !has_open(c))
        deferred_call(&c->later);
    return c->phase == CONTAINER_GONE;
}

static void tell_end(struct container *c)
{
    struct launch *l = c->launch;
    struct exit_info how = c->how;
    struct error err = c->error;
    bool has_error = c->has_error;

    c->launch = NULL;
    if (l)
        launch_ended(l, &how, has_error ? &err : NULL);
}

static void end_lost(struct container *c)
{
    c->how = exit_info_make(-1, 0, false, true);
    tell_end(c);
}

static void remove_it(struct container *c)
{
    char path[192];

    if (!c->is_ours) { /* somebody else's */
        tell_end(c);
        leave(c);
        return;
    }
    c->phase = CONTAINER_REMOVING;
    c->is_leaving = true;
    snprintf(path, sizeof(path), "/containers/%s?force=1&v=1", c->ref);
    docker_send(c->driver, &c->ask, "DELETE", path, ANSWER_MS);
}

static void fail(struct container *c, const struct error *err)
{
    c->has_error = true;
    c->error = *err;
    c->how = exit_info_make(-1, 0, false, false);
    remove_it(c);
}

/* The engine does not answer, or cannot do it: it is asked again. */
static void wait_for_engine(struct container *c, struct docker_request *r, const struct error *err)
{
    c->phase = CONTAINER_WAITING;
    engine_failed(r, err);
}

/* --- its log --- */

static void on_line(void *arg, struct str line)
{
    struct container *c = arg;

    if (c->launch)
        c->launch->events->line(c->launch, line);
}

static void on_log_piece(struct docker_request *r, struct str piece)
{
    struct container *c = container_of(r, struct container, logs);

    c->log_at = loop_wall_ms(c->driver->driver.loop);
    if (c->phase != CONTAINER_GONE && !docker_lines_feed(&c->lines, piece))
        http_call_cancel(&r->call);
}

/* From the beginning, or from where the connection broke. */
static void read_log(struct container *c)
{
    char path[224], since[40] = "";

    if (c->log_at)
        snprintf(since, sizeof(since), "&since=%lld.%03lld", (long long)(c->log_at / 1000),
                 (long long)(c->log_at % 1000));
    snprintf(path, sizeof(path), "/containers/%s/logs?follow=1&stdout=1&stderr=1%s", c->ref, since);
    docker_stream(c->driver, &c->logs, "GET", path, on_log_piece);
}

static void on_logs(struct docker_request *r, const struct error *err)
{
    struct container *c = container_of(r, struct container, logs);

    if (is_gone(c))
        return;
    docker_lines_end(&c->lines);
    c->log_has_ended = !err;
    if (c->phase == CONTAINER_READING)
        remove_it(c);
}

static void on_rest(struct timer *t)
{
    struct container *c = container_of(t, struct container, rest);

    if (c->phase == CONTAINER_READING)
        remove_it(c);
}

static void read_rest(struct container *c)
{
    c->phase = CONTAINER_READING;
    timer_stop(&c->stop);
    if (c->log_has_ended) {
        remove_it(c);
        return;
    }
    timer_start(&c->rest, LOG_REST_MS);
    if (!c->logs.is_open)
        read_log(c);
}

/* --- stopping --- */

static void send_kill(struct container *c)
{
    char path[192];

    if (c->phase != CONTAINER_RUNNING || c->kill.is_open)
        return;
    snprintf(path, sizeof(path), "/containers/%s/kill?signal=%s", c->ref,
             c->stop_is_forced ? "SIGKILL" : "SIGTERM");
    c->kill_was_forced = c->stop_is_forced;
    docker_send(c->driver, &c->kill, "POST", path, ANSWER_MS);
}

/* One that has ended meanwhile refuses it; one whose engine is gone is asked again when that is
 * back. */
static void on_kill(struct docker_request *r, const struct error *err)
{
    struct container *c = container_of(r, struct container, kill);

    (void)err;
    if (is_gone(c))
        return;
    if (c->stop_is_forced && !c->kill_was_forced)
        send_kill(c);
}

/* The grace is over; or the engine did not end it even then, and it is left to the next start. */
static void on_stop(struct timer *t)
{
    struct container *c = container_of(t, struct container, stop);

    timer_start(&c->stop, GIVE_UP_MS);
    if (!c->stop_is_forced) {
        c->stop_is_forced = true;
        send_kill(c);
        return;
    }
    timer_stop(&c->stop);
    log_warning("the container engine did not end a container in time; it is removed later",
                LOG_S("instance", c->id));
    c->is_leaving = true;
    end_lost(c);
}

void container_stop(struct container *c, int64_t grace_ms)
{
    if (c->stop_is_forced || c->phase == CONTAINER_READING || c->phase == CONTAINER_REMOVING)
        return;
    c->stop_wanted = true;
    c->stop_is_forced = grace_ms == 0;
    timer_start(&c->stop, c->stop_is_forced ? GIVE_UP_MS : grace_ms);
    if (c->phase == CONTAINER_PULLING)
        http_call_cancel(&c->pull.request.call);
    send_kill(c);
}

/* --- running --- */

static void tell_handle(struct container *c, const char *engine_id)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct json_writer w;

    c->told_handle = true;
    json_writer_init(&w, &b);
    json_begin_object(&w);
    json_member_int(&w, "v", 1);
    json_member_string(&w, "container", engine_id);
    json_end_object(&w);
    c->launch->events->handle(c->launch, buf_str(&b));
}

static void run(struct container *c, const struct container_facts *f)
{
    char path[192], url[96];

    c->phase = CONTAINER_RUNNING;
    if (c->launch && !c->told_handle)
        tell_handle(c, f->id);
    if (c->launch && !c->told_address && f->address[0]) {
        c->told_address = true;
        snprintf(url, sizeof(url), "http://%s:%lld", f->address, (long long)f->port);
        c->launch->events->address(c->launch, url, NULL);
    }
    if (is_gone(c))
        return;
    c->log_has_ended = false;
    if (!c->logs.is_open)
        read_log(c);
    snprintf(path, sizeof(path), "/containers/%s/wait", c->ref);
    if (!c->wait.is_open)
        docker_send(c->driver, &c->wait, "POST", path, 0);
    if (c->stop_wanted)
        send_kill(c);
}

static void look(struct container *c)
{
    char path[192];

    c->phase = CONTAINER_LOOKING;
    snprintf(path, sizeof(path), "/containers/%s/json", c->ref);
    if (!c->ask.is_open)
        docker_send(c->driver, &c->ask, "GET", path, ANSWER_MS);
}

static void on_wait(struct docker_request *r, const struct error *err)
{
    struct container *c = container_of(r, struct container, wait);

    if (is_gone(c) || c->phase != CONTAINER_RUNNING)
        return;
    if (err && err->status != STATUS_NOT_FOUND)
        wait_for_engine(c, r, err);
    else
        look(c);
}

/* --- the engine's answers --- */

static void create(struct container *c)
{
    char path[128];

    c->phase = CONTAINER_CREATING;
    snprintf(path, sizeof(path), "/containers/create?name=%s", c->ref);
    docker_send(c->driver, &c->ask, "POST", path, ANSWER_MS);
}

static void on_pulled(struct docker_pull *p, const struct error *err)
{
    struct container *c = p->arg;

    if (is_gone(c))
        return;
    if (c->stop_wanted) { /* nothing of it is there yet */
        c->how = exit_info_make(0, 0, false, false);
        tell_end(c);
        leave(c);
    } else if (err) {
        fail(c, err);
    } else {
        free(TAKE(c->image)); /* once is enough */
        create(c);
    }
}

static void on_created(struct container *c, const struct error *err)
{
    struct error why;
    char path[192];

    if (err && err->status == STATUS_NOT_FOUND && c->image && !c->stop_wanted) {
        c->phase = CONTAINER_PULLING;
        docker_pull_start(&c->pull, c->image);
        return;
    }
    if (err && !c->ask.was_answered)
        engine_lost(c->driver, err);
    if (err) {
        why = *err;
        if (err->status == STATUS_NOT_FOUND)
            error_context(&why, "the image is not in the container engine any more; push it again");
        fail(c, &why);
        return;
    }
    if (c->stop_wanted) {
        c->how = exit_info_make(0, 0, false, false);
        remove_it(c);
        return;
    }
    c->phase = CONTAINER_STARTING;
    snprintf(path, sizeof(path), "/containers/%s/start", c->ref);
    buf_clear(&c->ask.body);
    docker_send(c->driver, &c->ask, "POST", path, ANSWER_MS);
}

static void on_looked(struct container *c, const struct error *err)
{
    struct container_facts f;
    struct error why;

    if (err && err->status == STATUS_NOT_FOUND) {
        end_lost(c);
        leave(c);
        return;
    }
    if (!err && container_read(buf_str(&c->ask.call.body), c->driver->server_id, c->driver->network,
                               &f, &why) != STATUS_OK)
        err = &why;
    if (err) {
        wait_for_engine(c, &c->ask, err);
        return;
    }
    c->is_ours = f.is_ours;
    if (f.is_ours && f.is_running && !c->is_leaving) {
        run(c, &f);
        return;
    }
    c->how = container_exit(&f);
    if (!f.is_ours || f.is_created)
        c->how = exit_info_make(-1, 0, false, true);
    if (f.is_ours && !f.is_created && c->launch)
        read_rest(c);
    else
        remove_it(c);
}

static void on_removed(struct container *c, const struct error *err)
{
    bool is_done = !err || err->status == STATUS_NOT_FOUND || err->status == STATUS_CONFLICT;

    tell_end(c);
    if (is_done)
        leave(c);
    else
        wait_for_engine(c, &c->ask, err);
}

static void on_asked(struct docker_request *r, const struct error *err)
{
    struct container *c = container_of(r, struct container, ask);

    if (is_gone(c))
        return;
    switch (c->phase) {
    case CONTAINER_CREATING:
        on_created(c, err);
        break;
    case CONTAINER_STARTING:
        if (err)
            fail(c, err);
        else
            look(c);
        break;
    case CONTAINER_LOOKING:
        on_looked(c, err);
        break;
    case CONTAINER_REMOVING:
        on_removed(c, err);
        break;
    case CONTAINER_FAILING:
    case CONTAINER_PULLING:
    case CONTAINER_WAITING:
    case CONTAINER_RUNNING:
    case CONTAINER_READING:
    case CONTAINER_GONE:
        break;
    }
}

/* --- the beginning --- */

/* What it waited for is there. */
static void go(struct container *c)
{
    if (c->phase != CONTAINER_WAITING || c->ask.is_open)
        return;
    if (c->is_leaving)
        remove_it(c);
    else
        look(c);
}

static void on_later(struct deferred *later)
{
    struct container *c = container_of(later, struct container, later);
    struct docker_driver *d = c->driver;

    if (c->phase == CONTAINER_GONE) {
        container_free(c);
        docker_forget_now(d); /* it may have held an image */
        return;
    }
    if (c->phase == CONTAINER_FAILING) {
        tell_end(c);
        leave(c);
    }
}

struct container *container_new(struct docker_driver *d, struct launch *l, const char *id)
{
    struct container *c = xnew(struct container);

    c->driver = d;
    c->launch = l;
    c->phase = CONTAINER_WAITING;
    snprintf(c->id, sizeof(c->id), "%s", id);
    snprintf(c->ref, sizeof(c->ref), "berth-%s", id);
    docker_request_init(d, &c->ask, on_asked);
    docker_request_init(d, &c->wait, on_wait);
    docker_request_init(d, &c->logs, on_logs);
    docker_request_init(d, &c->kill, on_kill);
    docker_pull_init(d, &c->pull, on_line, on_pulled, c);
    docker_lines_init(&c->lines, on_line, c);
    deferred_init(d->driver.loop, &c->later, on_later);
    timer_init(d->driver.loop, &c->stop, on_stop);
    timer_init(d->driver.loop, &c->rest, on_rest);
    list_push(&d->containers, &c->node);
    if (l)
        l->impl = c;
    return c;
}

void container_launch(struct container *c, const struct launch_spec *spec)
{
    struct docker_driver *d = c->driver;

    if (d->step != ENGINE_READY) {
        c->phase = CONTAINER_FAILING;
        c->has_error = true;
        FAIL(&c->error, STATUS_UNREACHABLE, "%s",
             d->problem[0] ? d->problem : "the container engine has not answered yet");
        deferred_call(&c->later);
        return;
    }
    c->is_ours = true;
    if (strchr(spec->config->image, '@'))
        c->image = xstrdup(spec->config->image);
    docker_create_body(d, spec, &c->ask.body);
    create(c);
}

void container_recover(struct container *c)
{
    if (c->driver->step == ENGINE_READY)
        go(c);
}

void container_sweep(struct docker_driver *d, const char *instance_id, const char *engine_id)
{
    struct container *c = container_new(d, NULL, instance_id);

    snprintf(c->ref, sizeof(c->ref), "%s", engine_id);
    c->is_ours = true;
    c->is_leaving = true;
    go(c);
}

void container_release(struct container *c)
{
    c->launch->impl = NULL;
    c->launch = NULL;
    docker_sweep_stop(c->driver);
    /* One that is being removed is seen to its end. */
    if (c->phase != CONTAINER_REMOVING)
        leave(c);
}

void containers_go_on(struct docker_driver *d)
{
    struct container *c;

    list_each (&d->containers, c, struct container, node)
        go(c);
}

bool container_is_known(struct docker_driver *d, struct str instance_id)
{
    struct container *c;

    list_each (&d->containers, c, struct container, node)
        if (str_is(instance_id, c->id))
            return true;
    return false;
}

void containers_free(struct docker_driver *d)
{
    struct container *c;

    list_each (&d->containers, c, struct container, node) {
        assert(!c->launch);
        container_free(c);
    }
}
