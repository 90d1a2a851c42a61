/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a connection:
 *
 *   IDLE -> HEAD -> BODY -> WAIT -> IDLE ...      one exchange after the other
 *                             \--> LINGER -> CLOSING
 *
 * Reading goes on while a request is being answered, so that a client that goes is noticed; what it
 * sends meanwhile waits in c->in, up to one read. Handlers are only ever called from conn_run(),
 * and conn_run() never runs inside itself: answers given later bring it back on the next turn.
 *
 * All deadlines are totals: a head has to be whole so long after its first byte, a body has to stay
 * above a floor, a reader has to take something. None of them is put off by a byte now and then. */
#include "http/conn.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <sys/socket.h>

static int64_t now_ms(const struct http_conn *c)
{
    return loop_now_ms(c->server->loop);
}

void conn_arm(struct http_conn *c)
{
    int64_t due = c->read_due_ms;

    if (c->write_due_ms != NEVER_MS && (due == NEVER_MS || c->write_due_ms < due))
        due = c->write_due_ms;
    /* One that fires too early is set again then: moving it with each request would cost more. */
    if (c->state == CONN_CLOSING)
        timer_stop(&c->timer);
    else if (due != NEVER_MS && !(timer_armed(&c->timer) && c->timer.due_ms <= due))
        timer_start_at(&c->timer, due);
}

void conn_kick(struct http_conn *c)
{
    if (!c->is_running && c->state != CONN_CLOSING)
        deferred_call(&c->turn);
}

static void observe(struct http_conn *c, struct exchange *x)
{
    const struct http_config *config = &c->listener->config;
    int status = x->status ? x->status : 499; /* nothing was answered: the client went */

    if (config->observer)
        config->observer(&x->r, status, now_ms(c) - x->r.started_ms, x->bytes_out);
}

static void on_closed(uv_handle_t *handle)
{
    struct http_conn *c =
        container_of((union http_handle *)(void *)handle, struct http_conn, handle);

    server_forget(c);
    tls_free(c->tls);
    conn_drop_write(c);
    buf_deinit(&c->in);
    buf_deinit(&c->out);
    free(c->address);
    free(c);
}

static void release_handler(struct exchange *x)
{
    bool waits = x->handed && x->answer != ANSWER_DONE;

    x->handed = false;
    if (waits && x->r.on_gone)
        x->r.on_gone(&x->r);
}

void conn_abort(struct http_conn *c)
{
    struct exchange *x = c->x;

    if (c->state == CONN_CLOSING)
        return;
    if (c->tls && !x)
        tls_goodbye(c);
    c->state = CONN_CLOSING;
    timer_stop(&c->timer);
    deferred_cancel(&c->turn);
    list_remove(&c->idle_node);
    uv_close(&c->handle.any, on_closed);
    if (!x)
        return;
    release_handler(x);
    observe(c, x);
    c->x = NULL;
    exchange_free(x);
}

void conn_refuse(struct http_conn *c, int status, const char *detail)
{
    struct exchange *x = c->x;

    if (x && x->answer == ANSWER_STREAM) {
        conn_abort(c);
        return;
    }
    if (!x)
        x = c->x = exchange_new(c);
    release_handler(x);
    x->keep_alive = false;
    c->state = CONN_WAIT;
    c->read_due_ms = NEVER_MS;
    if (x->answer == ANSWER_NONE)
        http_problem(&x->r, status, NULL, "%s", detail);
    conn_kick(c);
}

static void enter_idle(struct http_conn *c, int64_t timeout_ms)
{
    c->state = CONN_IDLE;
    c->is_last_call = false;
    c->read_due_ms = now_ms(c) + timeout_ms;
    buf_deinit(&c->in);
    buf_deinit(&c->out);
    list_push(&c->server->idle, &c->idle_node);
}

static void enter_head(struct http_conn *c)
{
    list_remove(&c->idle_node);
    c->state = CONN_HEAD;
    c->is_last_call = false;
    c->head_ms = now_ms(c);
    c->head_wall_ms = loop_wall_ms(c->server->loop);
    c->read_due_ms = c->head_ms + c->listener->config.limits.head_timeout_ms;
}

/* Closing at once could make the kernel throw away the answer together with what the client still
 * sends: only our side is shut, and what comes is read for a while. */
static void enter_linger(struct http_conn *c)
{
    uv_os_fd_t fd;

    if (c->tls)
        tls_goodbye(c);
    if (c->is_eof || uv_fileno(&c->handle.any, &fd) < 0 || shutdown(fd, SHUT_WR) < 0) {
        conn_abort(c);
        return;
    }
    c->state = CONN_LINGER;
    c->is_last_call = false;
    c->read_due_ms = now_ms(c) + LINGER_MS;
    buf_deinit(&c->in);
}

static void settle(struct http_conn *c)
{
    struct exchange *x = c->x;
    bool goes_on = x->keep_alive; /* as the answer said */
    int64_t idle_ms =
        c->server->is_draining ? LAST_IDLE_MS : c->listener->config.limits.idle_timeout_ms;

    observe(c, x);
    c->x = NULL;
    exchange_free(x);
    c->has_settled = true;
    c->write_due_ms = NEVER_MS;
    if (!goes_on || (c->is_eof && c->in.n == 0))
        enter_linger(c);
    else if (c->in.n > 0)
        enter_head(c);
    else
        enter_idle(c, idle_ms);
}

/* The steps return whether there may be more to do. */

static bool step_head(struct http_conn *c)
{
    struct refusal refusal;

    if (c->in.n == 0) {
        if (c->is_eof)
            conn_abort(c);
        return false;
    }
    if (c->state == CONN_IDLE)
        enter_head(c);
    switch (head_scan(c, &refusal)) {
    case HEAD_DONE:
        exchange_begin(c);
        return true;
    case HEAD_BAD:
        conn_refuse(c, refusal.status, refusal.detail);
        return true;
    case HEAD_MORE:
        break;
    }
    if (!c->is_eof)
        return false;
    if (c->in.n == 0)
        conn_abort(c);
    else
        conn_refuse(c, 400, "The request ended in the middle of its head.");
    return true;
}

static bool step_body(struct http_conn *c)
{
    size_t used;

    if (exchange_holds(c->x))
        return false;
    if (c->in.n > 0) {
        used = exchange_feed(c, c->in.p, c->in.n);
        buf_shift(&c->in, used);
        return true;
    }
    if (!c->is_eof)
        return false;
    conn_refuse(c, 400, "The request ended in the middle of its body.");
    return true;
}

/* The client went, as far as a streamed answer is concerned: a reader that closed its side does not
 * read on, and after a HEAD there is nothing to be read. */
static bool step_stream(struct http_conn *c)
{
    struct exchange *x = c->x;

    if (x->r.is_head) {
        release_handler(x);
        x->answer = ANSWER_DONE;
        return true;
    }
    if (c->is_eof) {
        conn_abort(c);
        return false;
    }
    if (!c->has_written)
        return false;
    c->has_written = false;
    if (x->wants_drained && conn_pending(c) < c->listener->config.limits.max_write_buffer / 2) {
        x->wants_drained = conn_pending(c) > 0; /* and again when that is gone */
        if (x->r.on_drained)
            x->r.on_drained(&x->r);
        return true;
    }
    return false;
}

static bool step_exchange(struct http_conn *c)
{
    struct exchange *x = c->x;

    if (x->zip) {
        respond_zipped(c);
        if (x->zip) /* the others first */
            deferred_call(&c->turn);
        return !x->zip;
    }
    if (x->answer == ANSWER_DONE && conn_pending(c) == 0 && (x->body_done || !x->keep_alive)) {
        settle(c);
        return true;
    }
    if (x->answer == ANSWER_STREAM && step_stream(c))
        return true;
    if (c->state == CONN_CLOSING)
        return false;
    if (exchange_deliver(c))
        return true;
    if (c->state == CONN_BODY)
        return step_body(c);
    if (c->is_eof && x->handed && x->answer == ANSWER_NONE && !x->half_told) {
        x->half_told = true;
        if (x->r.on_half_closed)
            x->r.on_half_closed(&x->r);
        return true;
    }
    return false;
}

static bool step(struct http_conn *c)
{
    if (c->is_broken)
        conn_abort(c);
    if (c->state == CONN_CLOSING || c->state == CONN_LINGER)
        return false;
    return c->x ? step_exchange(c) : step_head(c);
}

static bool wants_input(const struct http_conn *c)
{
    if (c->is_eof)
        return false;
    if (c->state == CONN_BODY)
        return !exchange_holds(c->x);
    return c->state != CONN_WAIT || c->in.n < READ_SIZE;
}

void conn_run(struct http_conn *c)
{
    if (c->is_running)
        return;
    c->is_running = true;
    c->has_settled = false;
    do
        log_about(c->x ? c->x->r.id : NULL);
    while (step(c) && !c->has_settled);
    log_about(NULL);
    c->is_running = false;
    if (c->state == CONN_CLOSING)
        return;
    if (c->has_settled && c->in.n > 0) /* who sends many at once has one each turn */
        deferred_call(&c->turn);
    if (conn_pending(c) == 0)
        c->write_due_ms = NEVER_MS;
    conn_read(c, wants_input(c));
    conn_arm(c);
}

static void on_turn(struct deferred *d)
{
    struct http_conn *c = container_of(d, struct http_conn, turn);

    conn_next_slice(c);
    conn_run(c);
}

static void write_is_late(struct http_conn *c)
{
    uint64_t taken = c->queued - conn_pending(c);

    if (taken == c->write_mark) {
        c->is_broken = true;
        return;
    }
    c->write_mark = taken;
    c->write_due_ms = now_ms(c) + c->listener->config.limits.write_timeout_ms;
}

static void read_is_late(struct http_conn *c)
{
    struct exchange *x = c->x;

    if (!c->is_last_call) {
        /* What has arrived but was not read yet still counts: if the loop was late, that is not
         * theirs. */
        c->is_last_call = true;
        c->read_due_ms = now_ms(c) + 1;
    } else if (c->state == CONN_HEAD && c->in.n > 0) {
        conn_refuse(c, 408, "The head of the request took too long to arrive.");
    } else if (c->state == CONN_BODY && exchange_holds(x)) {
        /* It is not the client who is slow. */
        exchange_restart_floor(c);
    } else if (c->state == CONN_BODY) {
        conn_refuse(c, 408, "The body of the request arrives too slowly.");
    } else {
        conn_abort(c);
    }
}

static void on_timer(struct timer *t)
{
    struct http_conn *c = container_of(t, struct http_conn, timer);
    int64_t now = now_ms(c);

    if (c->write_due_ms != NEVER_MS && now >= c->write_due_ms)
        write_is_late(c);
    if (!c->is_broken && c->read_due_ms != NEVER_MS && now >= c->read_due_ms)
        read_is_late(c);
    conn_run(c);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct http_conn *c =
        container_of((union http_handle *)(void *)handle, struct http_conn, handle);

    (void)suggested;
    *out = uv_buf_init(c->server->read_buf, READ_SIZE);
}

void conn_input(struct http_conn *c, const char *p, size_t n)
{
    size_t used = 0;

    if (c->state == CONN_LINGER) {
        c->lingered += n;
        if (c->lingered > LINGER_MAX)
            conn_abort(c);
        return;
    }
    /* The common case of a large body: parsed where it was read. */
    if (c->state == CONN_BODY && c->in.n == 0 && !exchange_holds(c->x)) {
        c->is_running = true;
        log_about(c->x->r.id);
        used = exchange_feed(c, p, n);
        c->is_running = false;
    }
    buf_add(&c->in, p + used, n - used);
    conn_run(c);
}

void conn_end_of_input(struct http_conn *c)
{
    c->is_eof = true;
    conn_read(c, false);
    conn_run(c);
}

void conn_is_open(struct http_conn *c)
{
    c->is_last_call = false;
    c->read_due_ms = now_ms(c) + c->listener->config.limits.head_timeout_ms;
    conn_arm(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct http_conn *c =
        container_of((union http_handle *)(void *)stream, struct http_conn, handle);

    if (n > 0 && c->tls && c->state != CONN_LINGER)
        tls_input(c, buf->base, (size_t)n);
    else if (n > 0)
        conn_input(c, buf->base, (size_t)n);
    if (n >= 0)
        return;
    if (n != UV_EOF || c->state == CONN_LINGER)
        conn_abort(c);
    else
        conn_end_of_input(c);
}

void conn_read(struct http_conn *c, bool on)
{
    if (on == c->is_reading)
        return;
    c->is_reading = on;
    if (!on)
        uv_read_stop(&c->handle.stream);
    else if (uv_read_start(&c->handle.stream, on_alloc, on_read) < 0)
        conn_abort(c);
}

void conn_last_call(struct http_conn *c)
{
    int64_t due = now_ms(c) + LAST_IDLE_MS;

    if (c->state != CONN_IDLE || c->read_due_ms <= due)
        return;
    c->read_due_ms = due;
    conn_arm(c);
}

void conn_start(struct http_conn *c)
{
    timer_init(c->server->loop, &c->timer, on_timer);
    deferred_init(c->server->loop, &c->turn, on_turn);
    buf_init(&c->in, BUF_UNBOUNDED);
    buf_init(&c->out, BUF_UNBOUNDED);
    c->write_due_ms = NEVER_MS;
    /* Whoever connects has something to say: the first request is not given the time between
     * requests. */
    enter_idle(c, c->listener->config.limits.head_timeout_ms);
    conn_run(c);
}

void conn_drop(struct http_conn *c)
{
    uv_close(&c->handle.any, on_closed);
    c->state = CONN_CLOSING;
}
