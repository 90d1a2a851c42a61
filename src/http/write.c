/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes out. What the socket takes at once is never copied; the rest goes into one libuv write at a
 * time, and what comes meanwhile gathers in c->out behind it. No turn of the loop writes more than
 * a slice of a connection: the kernel's copying takes time, too. With TLS everything goes by
 * c->out, a piece at a time, so that no more is encrypted than is about to leave. */
#include "http/conn.h"

#include "base/mem.h"

#include <stdlib.h>

enum { PARTS_MAX = 4, SLICE = 128 << 10, TLS_PIECE = 64 << 10, TLS_PIECES_MAX = 8 };

struct conn_write {
    uv_write_t req;
    struct http_conn *conn;
    struct buf bytes;
    size_t at;       /* of these: gone, or handed to libuv */
    bool is_between; /* a slice is gone, the next one waits for its turn */
};

size_t conn_pending(const struct http_conn *c)
{
    const struct conn_write *w = c->writing;
    size_t waiting = c->out.n - c->out_at;

    if (w)
        waiting += uv_stream_get_write_queue_size(&c->handle.stream) + w->bytes.n - w->at;
    return waiting;
}

static void start_write(struct http_conn *c, struct buf *bytes, size_t from);
static void on_written(uv_write_t *req, int status);

static bool write_slice(struct conn_write *w)
{
    size_t n = MIN(w->bytes.n - w->at, (size_t)SLICE);
    uv_buf_t part = { .base = w->bytes.p + w->at, .len = n };

    w->at += n;
    return uv_write(&w->req, &w->conn->handle.stream, &part, 1, on_written) >= 0;
}

void conn_drop_write(struct http_conn *c)
{
    if (c->writing)
        buf_deinit(&c->writing->bytes);
    free(c->writing);
    c->writing = NULL;
}

static void write_over(struct http_conn *c, int status)
{
    conn_drop_write(c);
    c->has_written = true;
    if (c->state == CONN_CLOSING)
        return;
    if (status < 0)
        c->is_broken = true;
    else if (c->tls)
        conn_flush(c);
    else if (c->out.n > 0)
        start_write(c, &c->out, 0);
}

static void on_written(uv_write_t *req, int status)
{
    struct conn_write *w = container_of(req, struct conn_write, req);
    struct http_conn *c = w->conn;

    if (status >= 0 && w->at < w->bytes.n && c->state != CONN_CLOSING) {
        w->is_between = true;
        conn_kick(c);
        return;
    }
    write_over(c, status);
    if (c->state != CONN_CLOSING)
        conn_run(c);
}

void conn_next_slice(struct http_conn *c)
{
    struct conn_write *w = c->writing;

    if (!w || !w->is_between)
        return;
    w->is_between = false;
    if (!write_slice(w))
        write_over(c, UV_EIO);
}

/* Takes the bytes, of which those from `from` on are still to go. */
static void start_write(struct http_conn *c, struct buf *bytes, size_t from)
{
    struct conn_write *w = xnew(struct conn_write);

    w->conn = c;
    w->bytes = *bytes;
    w->at = from;
    buf_init(bytes, BUF_UNBOUNDED);
    c->writing = w;
    if (!write_slice(w)) {
        conn_drop_write(c);
        c->is_broken = true;
    }
    c->write_mark = c->queued - conn_pending(c);
    c->write_due_ms = loop_now_ms(c->server->loop) + c->listener->config.limits.write_timeout_ms;
    conn_arm(c);
}

/* Hands over what the socket takes without waiting; returns how much that was, or an error. */
static ssize_t try_write(struct http_conn *c, const struct str *parts, size_t n_parts)
{
    uv_buf_t bufs[PARTS_MAX];
    unsigned n = 0;
    int r;

    for (size_t i = 0; i < n_parts; i++) {
        union {
            const char *in;
            char *out;
        } p = { .in = parts[i].p }; /* libuv does not write there */

        if (parts[i].n > 0)
            bufs[n++] = (uv_buf_t){ .base = p.out, .len = parts[i].n };
    }
    if (n == 0)
        return 0;
    r = uv_try_write(&c->handle.stream, bufs, n);
    return r == UV_EAGAIN ? 0 : r;
}

/* Sends what is encrypted; false when it has to wait. */
static bool send_encrypted(struct http_conn *c, bool may_try)
{
    struct str waiting = tls_waiting(c->tls);
    struct buf rest = BUF_INIT(BUF_UNBOUNDED);
    ssize_t n = may_try ? try_write(c, &waiting, 1) : 0;

    if (n < 0) {
        c->is_broken = true;
        return false;
    }
    if ((size_t)n < waiting.n) {
        buf_add(&rest, waiting.p + n, waiting.n - (size_t)n);
        start_write(c, &rest, 0);
    }
    tls_sent(c->tls);
    return !c->writing;
}

/* Encrypting takes time, too: after a few pieces the others have their turn. */
void conn_flush(struct http_conn *c)
{
    for (int n = 0; !c->writing && c->state != CONN_CLOSING; n++) {
        size_t piece = MIN(c->out.n - c->out_at, (size_t)TLS_PIECE);

        if (tls_waiting(c->tls).n > 0) {
            if (!send_encrypted(c, n < TLS_PIECES_MAX))
                return;
            continue;
        }
        if (piece == 0)
            break;
        if (!tls_encrypt(c->tls, str_make(c->out.p + c->out_at, piece))) {
            c->is_broken = true;
            return;
        }
        c->out_at += piece;
    }
    if (c->out_at == c->out.n) {
        buf_deinit(&c->out);
        c->out_at = 0;
    }
}

static bool write_encrypted(struct http_conn *c, const struct str *parts, size_t n_parts,
                            size_t max_pending)
{
    for (size_t i = 0; i < n_parts; i++) {
        buf_add_str(&c->out, parts[i]);
        c->queued += parts[i].n;
    }
    conn_flush(c);
    if (conn_pending(c) > max_pending)
        c->is_broken = true;
    return !c->is_broken;
}

bool conn_write(struct http_conn *c, const struct str *parts, size_t n_parts, size_t max_pending)
{
    size_t skip = 0, total = 0;

    if (c->is_broken || c->state == CONN_CLOSING)
        return false;
    for (size_t i = 0; i < n_parts; i++)
        total += parts[i].n;
    if (c->x)
        c->x->bytes_out += total;
    if (c->tls)
        return write_encrypted(c, parts, n_parts, max_pending);
    if (!c->writing) {
        ssize_t r = try_write(c, parts, n_parts);

        if (r < 0) {
            c->is_broken = true;
            return false;
        }
        skip = (size_t)r;
    }
    if (skip == total)
        return true;
    if (conn_pending(c) + total - skip > max_pending) {
        c->is_broken = true;
        return false;
    }
    c->queued += total - skip;
    for (size_t i = 0; i < n_parts; i++) {
        size_t gone = MIN(skip, parts[i].n);

        skip -= gone;
        if (parts[i].n > gone)
            buf_add(&c->out, parts[i].p + gone, parts[i].n - gone);
    }
    if (!c->writing)
        start_write(c, &c->out, 0);
    return true;
}

/* The same for a large body, which is taken and not copied. */
static bool write_taken(struct http_conn *c, struct str head, struct buf *body)
{
    struct str parts[2] = { head, str_make(body->p, SLICE) };
    ssize_t n = c->tls ? 0 : try_write(c, parts, ARRAY_SIZE(parts));
    size_t sent = n > (ssize_t)head.n ? (size_t)n - head.n : 0;

    if (n < 0)
        c->is_broken = true;
    else if ((size_t)n < head.n)
        conn_write(c, &(struct str){ head.p + n, head.n - (size_t)n }, 1, SIZE_MAX);
    if (c->is_broken)
        return false;
    c->queued += body->n - sent;
    if (c->x)
        c->x->bytes_out += MIN((size_t)n, head.n) + body->n;
    if (c->writing || c->out.n > 0) {
        buf_add_str(&c->out, buf_str(body)); /* even the head has to wait */
    } else if (c->tls) {
        c->out = *body;
        buf_init(body, BUF_UNBOUNDED);
        conn_flush(c);
    } else {
        start_write(c, body, sent);
    }
    return !c->is_broken;
}

bool conn_write_whole(struct http_conn *c, struct str head, struct buf *body)
{
    struct str parts[2] = { head, buf_str(body) };

    if (body->n <= SLICE || c->writing || c->out.n > 0 || c->is_broken || c->state == CONN_CLOSING)
        return conn_write(c, parts, ARRAY_SIZE(parts), SIZE_MAX);
    return write_taken(c, head, body);
}
