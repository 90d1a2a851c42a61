/* SPDX-License-Identifier: Apache-2.0 */
/* Each child leads a session of its own, so that its process group can be killed as a whole. It
 * writes into real pipes (not the socket pairs that libuv would make: those cannot be opened again
 * through /dev/stderr).
 *
 * The end comes in three steps: the child is reaped; both pipes reach their end, or LINGER_MS pass
 * because something it left behind holds them open; all handles are closed. Then `exited` is
 * called. */
#include "loop/child.h"

#include "base/mem.h"
#include "loop/loop_impl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

enum { DEFAULT_MAX_LINE = 64 * 1024, CHUNK_SIZE = 16 * 1024, LINGER_MS = 1000 };

struct output {
    uv_pipe_t pipe;
    struct child_impl *owner;
    struct buf line; /* what has arrived of a line without its end */
    bool is_open, is_stderr;
};

struct child_impl {
    struct loop_leftover leftover; /* on the loop's list once forgotten */
    struct loop *loop;
    struct child *child; /* NULL: forgotten */
    const struct child_events *events;
    uv_process_t process;
    struct output out[2];
    struct timer timer; /* the timeout, then the wait for the pipes' end */
    int pid, code, signal, timeout_signal;
    int n_handles; /* not closed yet */
    size_t max_line;
    bool has_process, has_exited, timed_out;
    char chunk[CHUNK_SIZE];
};

static void on_handle_closed(uv_handle_t *handle)
{
    struct child_impl *im = handle->data;
    struct child *c = im->child;

    if (--im->n_handles > 0)
        return;
    for (int i = 0; i < 2; i++)
        buf_deinit(&im->out[i].line);
    if (c) {
        int code = im->code, signal = im->signal;
        bool timed_out = im->timed_out;

        c->impl = NULL;
        free(im);
        c->events->exited(c, code, signal, timed_out);
    } else {
        free(im);
    }
}

static void close_output(struct output *o)
{
    if (!o->is_open)
        return;
    o->is_open = false;
    uv_close((uv_handle_t *)&o->pipe, on_handle_closed);
}

static void close_all(struct child_impl *im)
{
    timer_stop(&im->timer);
    for (int i = 0; i < 2; i++)
        close_output(&im->out[i]);
    if (im->has_process && !uv_is_closing((uv_handle_t *)&im->process))
        uv_close((uv_handle_t *)&im->process, on_handle_closed);
}

static void finish_when_done(struct child_impl *im)
{
    if (im->has_exited && !im->out[0].is_open && !im->out[1].is_open)
        close_all(im);
}

static void emit(struct output *o, struct str line)
{
    struct child_impl *im = o->owner;

    if (im->child)
        im->events->line(im->child, line, o->is_stderr);
}

/* Hands on what the line has, in pieces of at most max_line bytes. */
static void add_to_line(struct output *o, struct str piece)
{
    size_t max = o->owner->max_line;

    while (piece.n > 0) {
        size_t n = MIN(piece.n, max - o->line.n);

        buf_add(&o->line, piece.p, n);
        piece = str_make(piece.p + n, piece.n - n);
        if (o->line.n == max && piece.n > 0) {
            emit(o, buf_str(&o->line));
            buf_clear(&o->line);
        }
    }
}

static void take_output(struct output *o, struct str piece)
{
    struct child_impl *im = o->owner;

    while (piece.n > 0 && im->child) {
        const char *end = memchr(piece.p, '\n', piece.n);
        size_t n = end ? (size_t)(end - piece.p) : piece.n;

        if (end && o->line.n == 0 && n <= im->max_line) {
            emit(o, str_make(piece.p, n)); /* a whole line is not copied */
        } else {
            add_to_line(o, str_make(piece.p, n));
            if (end) {
                emit(o, buf_str(&o->line));
                buf_clear(&o->line);
            }
        }
        n += end != NULL;
        piece = str_make(piece.p + n, piece.n - n);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buf)
{
    struct child_impl *im = handle->data;

    (void)suggested;
    *out_buf = uv_buf_init(im->chunk, sizeof(im->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *chunk)
{
    struct output *o = container_of(stream, struct output, pipe);

    if (n >= 0) {
        take_output(o, str_make(chunk->base, (size_t)n));
        return;
    }
    if (o->line.n > 0) /* the last line has no newline */
        emit(o, buf_str(&o->line));
    close_output(o);
    finish_when_done(o->owner);
}

static void on_linger_over(struct timer *t)
{
    struct child_impl *im = container_of(t, struct child_impl, timer);

    for (int i = 0; i < 2; i++)
        if (im->out[i].is_open && im->out[i].line.n > 0)
            emit(&im->out[i], buf_str(&im->out[i].line));
    close_all(im);
}

static void on_timeout(struct timer *t)
{
    struct child_impl *im = container_of(t, struct child_impl, timer);

    im->timed_out = true;
    kill(-im->pid, im->timeout_signal);
}

static void on_exit_status(uv_process_t *process, int64_t code, int signal)
{
    struct child_impl *im = process->data;

    im->has_exited = true;
    im->signal = signal;
    im->code = signal ? -1 : (int)code;
    if (!im->child) {
        list_remove(&im->leftover.node);
        close_all(im);
        return;
    }
    timer_stop(&im->timer); /* the timeout, if there is one */
    timer_init(im->loop, &im->timer, on_linger_over);
    timer_start(&im->timer, LINGER_MS);
    finish_when_done(im);
}

static void close_leftover(struct loop_leftover *o)
{
    struct child_impl *im = container_of(o, struct child_impl, leftover);

    list_remove(&o->node);
    close_all(im);
}

/* The reading end becomes our uv_pipe, the writing end is returned for the child. */
static int open_output(struct child_impl *im, struct output *o, bool is_stderr)
{
    uv_file fds[2];
    int rc = uv_pipe(fds, UV_NONBLOCK_PIPE, 0);

    if (rc != 0)
        return rc;
    rc = uv_pipe_open(&o->pipe, fds[0]);
    assert(rc == 0); /* a fresh pipe always fits */
    o->is_open = true;
    o->is_stderr = is_stderr;
    buf_init(&o->line, im->max_line);
    return fds[1];
}

static enum status spawn_error(int rc, const struct child_spec *spec, struct error *err)
{
    enum status st = STATUS_BROKEN;

    if (rc == UV_ENOENT)
        st = STATUS_NOT_FOUND;
    else if (rc == UV_EACCES || rc == UV_EPERM)
        st = STATUS_FORBIDDEN;
    if (rc == UV_ENOENT && spec->cwd && access(spec->cwd, X_OK) != 0)
        return FAIL(err, st, "cannot start %s: no folder %s", spec->file, spec->cwd);
    return FAIL(err, st, "cannot start %s: %s", spec->file, uv_strerror(rc));
}

/* libuv's options have no const; it writes to none of these. */
static char **as_strings(const char *const *list)
{
    union {
        const char *const *in;
        char **out;
    } u = { .in = list };

    return u.out;
}

static int spawn(struct child_impl *im, const struct child_spec *spec)
{
    static const char *const empty[] = { NULL };
    uv_stdio_container_t io[3] = { { .flags = UV_IGNORE },
                                   { .flags = UV_IGNORE },
                                   { .flags = UV_IGNORE } };
    uv_process_options_t options = {
        .exit_cb = on_exit_status,
        .file = spec->file,
        .args = as_strings(spec->args),
        .env = as_strings(spec->env ? spec->env : empty),
        .cwd = spec->cwd,
        .flags = UV_PROCESS_DETACHED, /* setsid() */
        .stdio = io,
        .stdio_count = 3,
    };
    int fds[2] = { -1, -1 }, rc = 0;

    for (int i = 0; i < 2 && im->events->line && rc >= 0; i++) {
        if (i == 1 && spec->merge_output) {
            io[2] = io[1];
        } else {
            rc = fds[i] = open_output(im, &im->out[i], i == 1);
            io[i + 1].flags = UV_INHERIT_FD;
            io[i + 1].data.fd = fds[i];
        }
    }
    if (rc >= 0) {
        im->has_process = true; /* to be closed even where the spawn fails */
        im->n_handles++;
        rc = uv_spawn(loop_uv(im->loop), &im->process, &options);
    }
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return rc;
}

static struct child_impl *new_impl(struct loop *l, struct child *c, const struct child_spec *spec,
                                   const struct child_events *events)
{
    struct child_impl *im = xnew(struct child_impl);

    im->loop = l;
    im->child = c;
    im->events = events;
    im->max_line = spec->max_line ? spec->max_line : DEFAULT_MAX_LINE;
    im->timeout_signal = spec->timeout_signal ? spec->timeout_signal : SIGKILL;
    im->leftover.close = close_leftover;
    list_init(&im->leftover.node);
    im->process.data = im;
    for (int i = 0; i < 2; i++) {
        im->out[i].owner = im;
        uv_pipe_init(loop_uv(l), &im->out[i].pipe, 0);
        im->out[i].pipe.data = im;
    }
    im->n_handles = 2;
    timer_init(l, &im->timer, on_timeout);
    return im;
}

enum status child_start(struct loop *l, struct child *c, const struct child_spec *spec,
                        const struct child_events *events, struct error *err)
{
    struct child_impl *im;
    int rc;

    *c = (struct child){ .events = events };
    if (!loop_uv(l))
        return FAIL(err, STATUS_UNSUPPORTED, "no processes on a virtual loop");
    im = new_impl(l, c, spec, events);
    rc = spawn(im, spec);
    for (int i = 0; i < 2; i++)
        if (!im->out[i].is_open)
            uv_close((uv_handle_t *)&im->out[i].pipe, on_handle_closed);
    if (rc < 0) {
        im->child = NULL;
        close_all(im);
        return spawn_error(rc, spec, err);
    }
    c->impl = im;
    c->pid = im->pid = im->process.pid;
    for (int i = 0; i < 2; i++)
        if (im->out[i].is_open)
            uv_read_start((uv_stream_t *)&im->out[i].pipe, on_alloc, on_read);
    if (spec->timeout_ms > 0)
        timer_start(&im->timer, spec->timeout_ms);
    return STATUS_OK;
}

void child_kill(struct child *c, int signal)
{
    const struct child_impl *im = c->impl;

    if (im)
        kill(-im->pid, signal);
}

void child_forget(struct child *c)
{
    struct child_impl *im = c->impl;

    if (!im)
        return;
    c->impl = NULL;
    im->child = NULL;
    timer_stop(&im->timer);
    for (int i = 0; i < 2; i++)
        close_output(&im->out[i]);
    if (im->has_exited)
        close_all(im);
    else
        list_push(&im->loop->leftovers, &im->leftover.node);
}
