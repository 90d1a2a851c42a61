/* SPDX-License-Identifier: Apache-2.0 */
/* Thin wrappers: they keep what is common to all protocols (who is in flight, the buffers of a run)
 * and check preconditions once, so that a protocol may rely on them. */
#include "protocol/protocol.h"

#include "base/clock.h"
#include "base/mem.h"
#include "protocol/protocol_impl.h"

#include <assert.h>

void peer_open(struct protocol *pr, struct peer *p, const struct peer_spec *spec,
               const struct peer_events *ev)
{
    assert(ev && ev->health);
    *p = (struct peer){ .events = ev, .protocol = pr, .loop = pr->loop };
    pr->ops->open(p, spec);
}

void peer_close(struct peer *p)
{
    p->protocol->ops->close(p);
    p->in_flight = 0;
    p->impl = NULL;
}

void peer_printed(struct peer *p)
{
    if (p->protocol->ops->printed)
        p->protocol->ops->printed(p);
}

void peer_shutdown(struct peer *p)
{
    p->protocol->ops->shutdown(p);
}

void run_start(struct peer *p, struct run *r, const struct run_spec *spec,
               const struct run_events *ev)
{
    assert(ev && ev->accepted && ev->progress && ev->ended);
    *r = (struct run){ .events = ev, .peer = p, .is_joined = spec->join };
    list_init(&r->node);
    buf_init(&r->logs, BUF_UNBOUNDED);
    buf_init(&r->pieces, BUF_UNBOUNDED);
    p->in_flight++;
    p->protocol->ops->start(r, spec);
}

bool protocol_ends_with_us(const struct protocol *pr)
{
    return pr->ops->ends_with_us;
}

void run_pieces_whole(const struct run *r, bool output_is_array, struct buf *out)
{
    bool bare = r->n_pieces == 1 && !output_is_array;

    if (r->n_pieces == 0)
        return;
    buf_adds(out, bare ? "" : "[");
    buf_add_str(out, buf_str(&r->pieces));
    buf_adds(out, bare ? "" : "]");
}

const char *run_error_text(struct arena *a, struct str text, size_t max_error)
{
    char limit[TIME_TEXT_SIZE];
    size_t n = max_error;

    if (text.n <= n)
        return arena_copy(a, text);
    while (n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80) /* not inside a character */
        n--;
    size_format((int64_t)max_error, limit);
    return arena_printf(a, "%.*s ... [the rest is cut off: max_error is %s]", (int)n, text.p,
                        limit);
}

char *run_too_large(size_t max_output)
{
    char limit[TIME_TEXT_SIZE];

    size_format((int64_t)max_output, limit);
    return xasprintf("The output is larger than the limit of %s (max_output). Return less, or "
                     "have it raised by who runs this server",
                     limit);
}

void run_cancel(struct run *r)
{
    r->peer->protocol->ops->cancel(r);
}

void run_release(struct run *r)
{
    r->peer->protocol->ops->release(r);
    run_forget(r);
}

bool run_is_unsent(const struct run *r)
{
    const struct protocol_ops *ops = r->peer->protocol->ops;

    return !r->is_joined && ops->is_unsent && ops->is_unsent(r);
}

enum status run_webhook(struct run *r, const struct json *said, struct buf *memory,
                        struct error *err)
{
    const struct protocol_ops *ops = r->peer->protocol->ops;

    if (!ops->webhook)
        return FAIL(err, STATUS_INVALID, "the %s protocol takes no webhooks", ops->name);
    return ops->webhook(r, said, memory, err);
}

void run_finish(struct run *r, const struct run_result *result)
{
    /* `ended` may free the run, so that the texts' memory must not hang on it. */
    struct buf logs = r->logs, pieces = r->pieces;

    r->peer->in_flight--;
    r->impl = NULL;
    list_remove(&r->node);
    r->events->ended(r, result);
    buf_deinit(&logs);
    buf_deinit(&pieces);
}

void run_forget(struct run *r)
{
    r->peer->in_flight--;
    r->impl = NULL;
    list_remove(&r->node);
    buf_deinit(&r->logs);
    buf_deinit(&r->pieces);
}

enum status protocol_read_final(struct protocol *pr, struct arena *a, const struct json *said,
                                bool output_is_array, struct run_result *out, struct error *err)
{
    if (!pr->ops->read_final)
        return FAIL(err, STATUS_INVALID, "the %s protocol takes no webhooks", pr->ops->name);
    return pr->ops->read_final(pr, a, said, output_is_array, out, err);
}

struct str protocol_log_line(struct protocol *pr, struct arena *a, struct str line,
                             bool *is_runtime)
{
    *is_runtime = false;
    if (!pr->ops->log_line)
        return line;
    return pr->ops->log_line(pr, a, line, is_runtime);
}

void protocol_free(struct protocol *pr)
{
    if (pr)
        pr->ops->free(pr);
}
