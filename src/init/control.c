/* SPDX-License-Identifier: Apache-2.0 */
#include "init/control.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A line of RING_MAX_LINE bytes can be six times as long in JSON. */
enum { IN_MAX = 64 * 1024, OUT_ENOUGH = 64 * 1024, OUT_MAX = OUT_ENOUGH + 8 * RING_MAX_LINE };

void control_init(struct control *c)
{
    *c = (struct control){ .fd = -1, .in = BUF_INIT(IN_MAX), .out = BUF_INIT(OUT_MAX) };
}

void control_close(struct control *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_deinit(&c->in);
    buf_deinit(&c->out);
    c->is_attached = false;
}

void control_open(struct control *c, int fd)
{
    control_close(c);
    c->fd = fd;
    c->state_due = false;
    c->told_exit = false;
    c->at = 0;
}

short control_wants(const struct control *c)
{
    return c->out.n > 0 ? POLLIN | POLLOUT : POLLIN;
}

bool control_read(struct control *c)
{
    char *at = buf_reserve(&c->in, 4096);
    ssize_t n = at ? recv(c->fd, at, 4096, 0) : 0;

    if (n > 0)
        buf_commit(&c->in, (size_t)n);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static enum control_op read_request(struct control *c, struct str line, int64_t *out_grace_ms)
{
    struct arena a CLEANUP(arena_deinit) = { .head = NULL };
    struct json *o;
    struct str op;

    if (json_parse(&a, line, NULL, &o, NULL) != STATUS_OK)
        return CONTROL_NONE;
    op = json_to_str(json_get(o, "op"));
    if (str_is(op, "attach")) {
        c->is_attached = c->state_due = true;
        c->told_exit = false;
        if (!json_to_u64(json_get(o, "from"), &c->at))
            c->at = 0;
    } else if (str_is(op, "stop")) {
        if (!json_to_i64(json_get(o, "grace_ms"), out_grace_ms) || *out_grace_ms < 0)
            *out_grace_ms = 0;
        return CONTROL_STOP;
    } else if (str_is(op, "kill")) {
        return CONTROL_KILL;
    } else if (str_is(op, "forget")) {
        return CONTROL_FORGET;
    }
    return CONTROL_NONE;
}

bool control_next(struct control *c, enum control_op *out_op, int64_t *out_grace_ms)
{
    const char *nl = c->in.n ? memchr(c->in.p, '\n', c->in.n) : NULL;

    if (!nl)
        return false;
    *out_op = read_request(c, str_make(c->in.p, (size_t)(nl - c->in.p)), out_grace_ms);
    buf_shift(&c->in, (size_t)(nl - c->in.p) + 1);
    return true;
}

static void put_state(struct control *c, const char *ev, const struct init_state *s)
{
    struct json_writer w;

    json_writer_init(&w, &c->out);
    json_begin_object(&w);
    json_member_string(&w, "ev", ev);
    init_state_members(s, &w);
    json_end_object(&w);
    buf_addc(&c->out, '\n');
}

static void put_line(struct control *c, uint64_t off, uint64_t next, struct str line)
{
    struct json_writer w;

    json_writer_init(&w, &c->out);
    json_begin_object(&w);
    json_member_string(&w, "ev", "line");
    json_member_int(&w, "off", (int64_t)off);
    json_member_int(&w, "next", (int64_t)next);
    json_member_str(&w, "text", line);
    json_end_object(&w);
    buf_addc(&c->out, '\n');
}

/* Only as much as may be sent soon: the rest waits in the ring. */
static void fill(struct control *c, const struct ring *r, const struct init_state *s)
{
    struct buf line CLEANUP(buf_deinit) = BUF_INIT(RING_MAX_LINE);
    uint64_t off;

    if (c->state_due) {
        c->state_due = false;
        put_state(c, "state", s);
    }
    while (c->out.n < OUT_ENOUGH && ring_next(r, &c->at, &off, &line))
        put_line(c, off, c->at, buf_str(&line));
    if (s->is_ended && !c->told_exit && c->at >= r->end) {
        c->told_exit = true;
        put_state(c, "exit", s);
    }
}

bool control_write(struct control *c, const struct ring *r, const struct init_state *s)
{
    ssize_t n;

    do {
        if (c->is_attached)
            fill(c, r, s);
        if (c->out.n == 0)
            return true;
        n = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL);
        if (n > 0)
            buf_shift(&c->out, (size_t)n);
    } while (n > 0);
    return errno == EAGAIN || errno == EINTR;
}
