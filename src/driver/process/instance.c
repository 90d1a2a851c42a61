/* SPDX-License-Identifier: Apache-2.0 */
/* One instance as the server sees it: a connection to its supervisor, or, where that is gone, its
 * folder.
 *
 *   STARTING  -> CONNECTED [on_started] | LEAVING [the supervisor refused]
 *   FINDING   -> CONNECTED [on_later]   | LEAVING [nobody answers: end on disk, or lost]
 *   CONNECTED -> LEAVING   [exit event, or the connection broke]
 *   any       -> GONE      [process_instance_drop: released, or the folder is removed]
 *
 * Every event may make the owner release the launch: i->launch is NULL then, and `i` lives until
 * the loop's next turn at least, because it is freed by a close callback. */
#include "base/log.h"
#include "base/mem.h"
#include "driver/process/process_impl.h"
#include "init/file.h"
#include "init/init.h"
#include "init/netns.h"
#include "init/ring.h"
#include "init/sock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVENT_MAX = 1024 * 1024, COMPLAINT_MAX = 400, RETRY_MS = 100, MAX_TRIES = 50 };

static void connect_supervisor(struct process_instance *i);

static void on_closed(uv_handle_t *h)
{
    struct process_instance *i = h->data;

    list_remove(&i->node);
    buf_deinit(&i->in);
    buf_deinit(&i->to_clean);
    buf_deinit(&i->complaint);
    if (i->dirfd >= 0)
        close(i->dirfd);
    free(i->folder);
    free(i);
}

void process_instance_drop(struct process_instance *i)
{
    if (i->phase == PROCESS_GONE)
        return;
    if (i->phase == PROCESS_STARTING)
        child_forget(&i->child);
    process_clean_now(i); /* it may go on running, and nobody else would */
    i->phase = PROCESS_GONE;
    i->launch = NULL;
    deferred_cancel(&i->later);
    timer_stop(&i->retry);
    uv_close((uv_handle_t *)&i->pipe, on_closed);
}

/* The owner is told on the way out, so that a launch never calls back before it returns. */
static void fail(struct process_instance *i, const struct error *err)
{
    i->is_failed = true;
    i->error = *err;
    process_instance_leave(i, false);
}

static void tell_line(struct process_instance *i, uint64_t off, uint64_t next, struct str text)
{
    char lost[96];

    if (off > i->next_off && i->launch) {
        snprintf(lost, sizeof(lost), "[%llu bytes of output were not kept]",
                 (unsigned long long)(off - i->next_off));
        i->launch->events->line(i->launch, str_of(lost));
    }
    i->next_off = next;
    if (i->launch)
        i->launch->events->line(i->launch, text);
}

/* Lines that came after the connection, or before there was any. */
static void tell_rest_of_log(struct process_instance *i)
{
    struct buf line CLEANUP(buf_deinit) = BUF_INIT(RING_MAX_LINE);
    struct ring r = RING_CLOSED;
    uint64_t at = i->next_off, off;

    if (ring_open(i->dirfd, &r, NULL) != STATUS_OK)
        return;
    while (i->launch && ring_next(&r, &at, &off, &line))
        tell_line(i, off, at, buf_str(&line));
    ring_close(&r);
}

static void take_end(struct process_instance *i)
{
    struct launch *l = i->launch;

    if (i->state.error[0]) {
        i->is_failed = true;
        i->error = (struct error){ .status = i->state.is_machine_fault ? STATUS_UNREACHABLE
                                                                       : STATUS_BROKEN,
                                   .where = "supervisor" };
        snprintf(i->error.text, sizeof(i->error.text), "%s", i->state.error);
    }
    process_instance_leave(i, false);
    if (l)
        process_instance_tell_end(i);
}

/* The supervisor is gone: either it recorded the end, or nobody saw it. */
static void take_end_from_disk(struct process_instance *i)
{
    struct init_state s = { .pid = 0 };

    if (i->dirfd >= 0 && init_state_load(i->dirfd, &s, NULL) == STATUS_OK)
        i->state = s;
    if (!i->state.is_ended) {
        /* Told when nothing of it runs any more. */
        process_instance_leave(i, true);
        return;
    }
    tell_rest_of_log(i);
    if (i->phase != PROCESS_GONE)
        take_end(i);
}

struct message {
    uv_write_t request;
    char text[96];
};

static void on_written(uv_write_t *w, int status)
{
    (void)status; /* A broken connection shows when reading. */
    free(container_of(w, struct message, request));
}

static void send_message(struct process_instance *i, const char *text)
{
    struct message *m = xnew(struct message);
    uv_buf_t b;

    snprintf(m->text, sizeof(m->text), "%s\n", text);
    b = uv_buf_init(m->text, (unsigned)strlen(m->text));
    if (uv_write(&m->request, (uv_stream_t *)&i->pipe, &b, 1, on_written) != 0)
        free(m);
}

static void send_stop(struct process_instance *i)
{
    char text[80];

    snprintf(text, sizeof(text), "{\"op\":\"stop\",\"grace_ms\":%lld}",
             (long long)i->stop_grace_ms);
    send_message(i, text);
}

static void tell_handle(struct process_instance *i)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct json_writer w;

    i->told_handle = true;
    json_writer_init(&w, &b);
    json_begin_object(&w);
    json_member_int(&w, "v", 1);
    json_member_string(&w, "folder", i->folder);
    json_member_int(&w, "pid", i->state.pid);
    json_member_int(&w, "start", i->state.start);
    json_member_int(&w, "uid", i->uid);
    json_end_object(&w);
    i->launch->events->handle(i->launch, buf_str(&b));
}

static void take_state(struct process_instance *i)
{
    char url[64], path[96];

    if (i->launch && !i->told_handle)
        tell_handle(i);
    if (i->launch && !i->told_address && i->state.port && !i->state.is_ended) {
        i->told_address = true;
        snprintf(url, sizeof(url), "http://127.0.0.1:%d", (int)i->state.port);
        /* Through the descriptor, since such a path must be short; with the id, since a descriptor
         * is given again. */
        snprintf(path, sizeof(path), "/proc/self/fd/%d/%.32s" NETNS_SOCKET, i->dirfd, i->id);
        i->launch->events->address(i->launch, url, i->state.has_own_network ? path : NULL);
    }
}

static void take_event(struct process_instance *i, struct str text)
{
    struct arena a CLEANUP(arena_deinit) = { .head = NULL };
    struct error err = { .status = STATUS_OK };
    struct json *o;
    struct str ev;
    uint64_t off, next;
    enum status st = json_parse(&a, text, NULL, &o, &err);

    ev = st ? STR_NULL : json_to_str(json_get(o, "ev"));
    if (str_is(ev, "line") && json_to_u64(json_get(o, "off"), &off) &&
        json_to_u64(json_get(o, "next"), &next)) {
        tell_line(i, off, next, json_to_str(json_get(o, "text")));
        return;
    }
    if (str_is(ev, "state") || str_is(ev, "exit"))
        st = init_state_from_json(o, &i->state, &err);
    if (st) {
        log_warning("a supervisor said what cannot be read", LOG_S("instance", i->id),
                    LOG_ERR(&err));
        return;
    }
    take_state(i);
    if (str_is(ev, "exit") && i->phase == PROCESS_CONNECTED) {
        send_message(i, "{\"op\":\"forget\"}");
        take_end(i);
    }
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct process_instance *i = h->data;

    (void)suggested;
    *out = uv_buf_init(i->chunk, sizeof(i->chunk));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct process_instance *i = s->data;
    const char *nl;
    size_t done = 0;

    if (n < 0 || !buf_add(&i->in, b->base, (size_t)n)) {
        uv_read_stop(s);
        if (i->phase == PROCESS_CONNECTED)
            take_end_from_disk(i);
        return;
    }
    while (i->phase == PROCESS_CONNECTED && done < i->in.n &&
           (nl = memchr(i->in.p + done, '\n', i->in.n - done))) {
        struct str line = str_make(i->in.p + done, (size_t)(nl - i->in.p) - done);

        done += line.n + 1;
        take_event(i, line);
    }
    buf_shift(&i->in, done);
}

static void attach(struct process_instance *i, int fd)
{
    int failed = uv_pipe_open(&i->pipe, fd);

    if (failed || uv_read_start((uv_stream_t *)&i->pipe, on_alloc, on_read) != 0) {
        if (failed)
            close(fd);
        take_end_from_disk(i);
        return;
    }
    i->phase = PROCESS_CONNECTED;
    send_message(i, "{\"op\":\"attach\",\"from\":0}");
    if (i->is_swept)
        send_message(i, "{\"op\":\"kill\"}");
    if (i->stop_wanted)
        send_stop(i);
}

static void on_retry(struct timer *t)
{
    connect_supervisor(container_of(t, struct process_instance, retry));
}

/* A machine short of descriptors says nothing about the supervisor, so that is tried again. */
static void connect_supervisor(struct process_instance *i)
{
    int fd;
    enum status st = STATUS_NOT_FOUND;

    if (i->dirfd >= 0)
        st = sock_connect(i->dirfd, INIT_SOCKET, &fd, NULL);
    if (st == STATUS_OK)
        attach(i, fd);
    else if (st == STATUS_NOT_FOUND || i->n_tries++ >= MAX_TRIES)
        take_end_from_disk(i);
    else
        timer_start(&i->retry, RETRY_MS);
}

static void on_later(struct deferred *d)
{
    struct process_instance *i = container_of(d, struct process_instance, later);

    if (i->is_failed)
        fail(i, &i->error);
    else
        connect_supervisor(i);
}

static void on_complaint(struct child *c, struct str line, bool is_stderr)
{
    struct process_instance *i = container_of(c, struct process_instance, child);

    (void)is_stderr;
    if (i->complaint.n > 0)
        buf_adds(&i->complaint, "; ");
    buf_add(&i->complaint, line.p, MIN(line.n, COMPLAINT_MAX - MIN(i->complaint.n, COMPLAINT_MAX)));
}

static void on_started(struct child *c, int code, int signal, bool timed_out)
{
    struct process_instance *i = container_of(c, struct process_instance, child);
    struct error err;

    i->phase = PROCESS_FINDING;
    if (code == 0) {
        connect_supervisor(i);
        return;
    }
    FAIL(&err, STATUS_UNREACHABLE, "the supervisor did not start: %s%.*s",
         signal || timed_out ? "it was killed " : "", STR_ARG(buf_str(&i->complaint)));
    fail(i, &err);
}

static const struct child_events child_events = { .line = on_complaint, .exited = on_started };

struct process_instance *process_instance_new(struct process_driver *p, struct launch *l,
                                              const char *id)
{
    struct process_instance *i = xnew(struct process_instance);

    i->driver = p;
    i->launch = l;
    i->phase = PROCESS_FINDING;
    memcpy(i->id, id, strlen(id) + 1);
    i->folder = xasprintf("%s/%s", p->instances_path, id);
    i->dirfd = -1;
    i->in = BUF_INIT(EVENT_MAX);
    i->complaint = BUF_INIT(COMPLAINT_MAX + 16);
    i->to_clean = BUF_INIT(BUF_UNBOUNDED);
    deferred_init(p->driver.loop, &i->later, on_later);
    timer_init(p->driver.loop, &i->retry, on_retry);
    timer_init(p->driver.loop, &i->cleaning, process_on_cleaning);
    uv_pipe_init(loop_uv(p->driver.loop), &i->pipe, 0);
    i->pipe.data = i;
    list_push(&p->instances, &i->node);
    if (l)
        l->impl = i;
    return i;
}

static enum status write_spec(struct process_instance *i, const struct launch_spec *spec,
                              struct error *err)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(EVENT_MAX);
    struct arena a CLEANUP(arena_deinit) = { .head = NULL };
    struct init_spec s = process_command(i->driver, &a, i->folder, spec);
    enum status st;

    if (mkdirat(i->driver->instances_fd, i->id, 0700) != 0)
        return FAIL(err, errno == ENOSPC ? STATUS_DISK_FULL : STATUS_UNREACHABLE,
                    "cannot make the instance folder: %s", strerror(errno));
    i->dirfd = openat(i->driver->instances_fd, i->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (i->dirfd < 0)
        return FAIL(err, STATUS_UNREACHABLE, "cannot open the instance folder: %s",
                    strerror(errno));
    st = process_user_take(i, err);
    if (st)
        return st;
    s.uid = i->uid;
    init_spec_write(&s, &text);
    if (text.failed)
        return FAIL(err, STATUS_TOO_LARGE, "the model's environment is too large");
    return init_file_replace(i->dirfd, INIT_SPEC, buf_str(&text), err);
}

void process_instance_launch(struct process_instance *i, const struct launch_spec *spec)
{
    const char *const args[] = { i->driver->self, "init", i->folder, NULL };
    struct child_spec child = {
        .file = i->driver->self, .args = args, .detached = true, .merge_output = true
    };
    enum status st = write_spec(i, spec, &i->error);

    if (st == STATUS_OK) {
        i->phase = PROCESS_STARTING;
        st = child_start(i->driver->driver.loop, &i->child, &child, &child_events, &i->error);
    }
    if (st == STATUS_OK)
        return;
    /* Whatever it is, it is not the model's fault, which only UNREACHABLE and BUSY say. */
    i->phase = PROCESS_FINDING;
    i->error.status = STATUS_UNREACHABLE;
    i->is_failed = true;
    deferred_call(&i->later);
}

void process_instance_find(struct process_instance *i)
{
    i->dirfd =
        openat(i->driver->instances_fd, i->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    i->uid = uids_noted(i->dirfd);
    deferred_call(&i->later);
}

void process_instance_stop(struct process_instance *i, int64_t grace_ms)
{
    if (i->stop_wanted)
        grace_ms = MIN(grace_ms, i->stop_grace_ms);
    i->stop_wanted = true;
    i->stop_grace_ms = grace_ms;
    if (i->phase == PROCESS_CONNECTED)
        send_stop(i);
}
