/* SPDX-License-Identifier: Apache-2.0 */
/* The reader follows the steps of the WHATWG page: a line ends with CR LF, LF or CR; an empty line
 * dispatches what was gathered; what stands after the last empty line is never dispatched. A CR at
 * the end of a piece ends its line at once, and skip_lf swallows an LF at the start of the next
 * piece.
 *
 * A data line may be long: its value is gathered in its place, and not copied once more when the
 * line ends. */
#include "http/sse.h"

void sse_reader_init(struct sse_reader *r, size_t max_event,
                     void (*event)(struct sse_reader *r, const struct sse_event *e))
{
    *r = (struct sse_reader){ .at_start = true, .event = event };
    buf_init(&r->line, max_event);
    buf_init(&r->name, max_event);
    buf_init(&r->data, max_event);
    buf_init(&r->id, max_event);
    buf_init(&r->rest, BUF_UNBOUNDED);
}

void sse_reader_deinit(struct sse_reader *r)
{
    buf_deinit(&r->line);
    buf_deinit(&r->name);
    buf_deinit(&r->data);
    buf_deinit(&r->id);
    buf_deinit(&r->rest);
}

static void dispatch(struct sse_reader *r)
{
    struct sse_event e = {
        .name = r->name.n ? buf_str(&r->name) : STR("message"),
        .data = buf_str(&r->data),
        .id = r->has_id ? buf_str(&r->id) : STR_NULL,
    };

    if (r->has_data) {
        e.data.n--; /* the newline behind the last line */
        r->event(r, &e);
    }
    r->has_data = false;
    buf_clear(&r->name);
    buf_clear(&r->data);
}

static void take_field(struct sse_reader *r, struct str field, struct str value)
{
    if (str_is(field, "data")) {
        r->has_data = true;
        buf_add_str(&r->data, value);
        buf_addc(&r->data, '\n');
    } else if (str_is(field, "event")) {
        buf_clear(&r->name);
        buf_add_str(&r->name, value);
    } else if (str_is(field, "id")) {
        /* An id with a NUL is ignored. */
        if (value.n && memchr(value.p, '\0', value.n))
            return;
        r->has_id = true;
        buf_clear(&r->id);
        buf_add_str(&r->id, value);
    }
    /* "retry" and unknown fields say nothing to us. */
}

static void take_line(struct sse_reader *r, struct str line)
{
    struct str field = line, value = STR("");
    const char *colon;

    if (r->at_start && str_starts(line, "\xef\xbb\xbf"))
        line = field = str_make(line.p + 3, line.n - 3);
    r->at_start = false;
    if (line.n == 0) {
        dispatch(r);
        return;
    }
    colon = memchr(line.p, ':', line.n);
    if (colon == line.p)
        return; /* a comment */
    if (colon) {
        field.n = (size_t)(colon - line.p);
        value = str_make(colon + 1, line.n - field.n - 1);
        if (value.n && value.p[0] == ' ')
            value = str_make(value.p + 1, value.n - 1);
    }
    take_field(r, field, value);
}

/* In windows, so that text which has one line ending only is not searched to its end for the other.
 */
static size_t line_length(struct str s)
{
    enum { WINDOW = 512 };

    for (size_t at = 0; at < s.n; at += WINDOW) {
        size_t n = MIN((size_t)WINDOW, s.n - at);
        const char *lf = memchr(s.p + at, '\n', n);
        const char *cr = memchr(s.p + at, '\r', lf ? (size_t)(lf - s.p) - at : n);

        if (cr || lf)
            return (size_t)((cr ? cr : lf) - s.p);
    }
    return s.n;
}

static bool is_over_limit(const struct sse_reader *r)
{
    return r->line.failed || r->name.failed || r->data.failed || r->id.failed ||
           r->line.n + r->name.n + r->data.n > r->line.max;
}

/* Takes the beginning of a line whose end is still to come. */
static void take_part(struct sse_reader *r, struct str part)
{
    enum { FIELD = 6 }; /* "data: " */

    if (!r->in_data && !r->at_start && r->line.n < FIELD) {
        size_t n = MIN(part.n, FIELD - r->line.n);

        buf_add(&r->line, part.p, n);
        part = str_make(part.p + n, part.n - n);
        r->in_data = r->line.n == FIELD && str_starts(buf_str(&r->line), "data:");
        if (r->in_data && r->line.p[FIELD - 1] != ' ')
            buf_addc(&r->data, r->line.p[FIELD - 1]);
        if (r->in_data)
            buf_clear(&r->line);
    }
    buf_add_str(r->in_data ? &r->data : &r->line, part);
}

/* Takes what was missing of a line. */
static void take_end(struct sse_reader *r, struct str part)
{
    if (r->in_data) {
        r->in_data = false;
        r->has_data = true;
        buf_add_str(&r->data, part);
        buf_addc(&r->data, '\n');
    } else if (r->line.n == 0) { /* a whole line is not copied */
        take_line(r, part);
    } else {
        buf_add_str(&r->line, part);
        if (!r->line.failed)
            take_line(r, buf_str(&r->line));
        if (!r->line.failed)
            buf_clear(&r->line);
    }
}

bool sse_reader_feed(struct sse_reader *r, struct str piece)
{
    while (piece.n > 0 && !r->failed && !r->is_held) {
        size_t n;

        if (r->skip_lf && piece.p[0] == '\n') {
            r->skip_lf = false;
            piece = str_make(piece.p + 1, piece.n - 1);
            continue;
        }
        r->skip_lf = false;
        n = line_length(piece);
        if (n == piece.n) {
            take_part(r, piece);
            piece.n = 0;
        } else {
            r->skip_lf = piece.p[n] == '\r';
            take_end(r, str_make(piece.p, n));
            piece = str_make(piece.p + n + 1, piece.n - n - 1);
        }
        r->failed = is_over_limit(r);
    }
    if (r->is_held)
        buf_add_str(&r->rest, piece);
    return !r->failed;
}

void sse_reader_take_data(struct sse_reader *r, struct buf *out)
{
    *out = r->data;
    r->data = BUF_INIT(out->max);
}

void sse_reader_hold(struct sse_reader *r)
{
    r->is_held = true;
}

void sse_reader_go_on(struct sse_reader *r, struct buf *out_rest)
{
    *out_rest = r->rest;
    buf_init(&r->rest, BUF_UNBOUNDED);
    r->is_held = false;
}

/* A name or an id stands on one line: what would end it is left out. */
static void add_on_one_line(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\n' && s.p[i] != '\r' && s.p[i] != '\0')
            buf_addc(out, s.p[i]);
}

static void add_lines(struct buf *out, const char *prefix, struct str s)
{
    for (;;) {
        size_t n = s.n ? line_length(s) : 0;

        buf_adds(out, prefix);
        buf_add(out, s.p, n);
        buf_addc(out, '\n');
        if (n == s.n)
            return;
        n += s.p[n] == '\r' && n + 1 < s.n && s.p[n + 1] == '\n' ? 2 : 1;
        s = str_make(s.p + n, s.n - n);
    }
}

void sse_write(struct buf *out, struct str name, struct str id, struct str data)
{
    if (name.p) {
        buf_adds(out, "event: ");
        add_on_one_line(out, name);
        buf_addc(out, '\n');
    }
    if (id.p) {
        buf_adds(out, "id: ");
        add_on_one_line(out, id);
        buf_addc(out, '\n');
    }
    add_lines(out, "data: ", data);
    buf_addc(out, '\n');
}

void sse_comment(struct buf *out, const char *text)
{
    add_lines(out, ": ", str_of(text));
    buf_addc(out, '\n');
}
