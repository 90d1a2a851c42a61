/* SPDX-License-Identifier: Apache-2.0 */
/* A boundary counts only after CR LF, and CR stands nowhere else in it: so a search that fails can
 * begin anew only at a CR, and what had matched until then was data. A boundary may stand at the
 * very beginning, and right behind the head of a part: there the reader starts fresh, as if a CR LF
 * had gone before that is nobody's data. */
#include "http/multipart.h"

#include "base/encode.h"

enum state {
    AT_PREAMBLE, /* what stands before the first boundary means nothing */
    AT_BOUNDARY, /* behind one: the rest of its line */
    AT_DASH,     /* behind a boundary and one dash */
    AT_HEAD,
    AT_BODY,
    AT_EPILOGUE,
};

static enum status malformed(struct error *err, const char *what)
{
    return FAIL(err, STATUS_INVALID, "The multipart body is malformed: %s.", what);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* The next `;name=value` of a field; both are left as written. */
static bool next_parameter(struct str *rest, struct str *out_name, struct str *out_value)
{
    struct str s = *rest;
    size_t i = 0;

    while (i < s.n && s.p[i] != ';')
        i++;
    if (i == s.n)
        return false;
    for (i++; i < s.n && is_space(s.p[i]);)
        i++;
    *out_name = str_make(s.p + i, 0);
    while (i < s.n && s.p[i] != '=' && s.p[i] != ';')
        i++;
    out_name->n = (size_t)(s.p + i - out_name->p);
    *out_name = str_trim(*out_name);
    *out_value = STR("");
    if (i < s.n && s.p[i] == '=') {
        for (i++; i < s.n && is_space(s.p[i]);)
            i++;
        out_value->p = s.p + i;
        if (i < s.n && s.p[i] == '"')
            for (i++; i < s.n && s.p[i] != '"'; i++)
                i += s.p[i] == '\\' && i + 1 < s.n ? 1 : 0;
        while (i < s.n && s.p[i] != ';')
            i++;
        out_value->n = (size_t)(s.p + i - out_value->p);
        *out_value = str_trim(*out_value);
    }
    *rest = str_make(s.p + i, s.n - i);
    return true;
}

/* Browsers write %22, %0D and %0A for what cannot stand between quotes, and nothing else so; others
 * put a backslash before quotes and backslashes, and older browsers leave the backslashes of paths
 * alone. */
static void add_quoted(struct buf *out, struct str s)
{
    static const struct {
        const char *written;
        char meant;
    } escapes[] = {
        { "%22", '"' }, { "%0D", '\r' }, { "%0A", '\n' }, { "\\\"", '"' }, { "\\\\", '\\' }
    };

    for (size_t i = 0; i < s.n;) {
        struct str here = str_make(s.p + i, s.n - i);
        size_t n = 1;
        char c = s.p[i];

        for (size_t k = 0; k < ARRAY_SIZE(escapes); k++) {
            if (str_starts(here, escapes[k].written)) {
                n = strlen(escapes[k].written);
                c = escapes[k].meant;
            }
        }
        buf_addc(out, c);
        i += n;
    }
}

/* RFC 8187: charset'language'percent-encoded. */
static bool add_extended(struct buf *out, struct str s)
{
    struct str rest = s, charset, language;

    if (!str_split(&rest, '\'', &charset) || !rest.p || !str_split(&rest, '\'', &language) ||
        !rest.p || !str_ieq(charset, STR("utf-8")))
        return false;
    return percent_decode(rest, out);
}

bool header_parameter(struct str field, const char *name, struct buf *out)
{
    struct str rest = field, key, value;
    bool found = false, is_extended = false;

    buf_clear(out);
    while (next_parameter(&rest, &key, &value)) {
        struct str bare = key;
        bool extended = key.n > 0 && key.p[key.n - 1] == '*';

        bare.n -= extended ? 1 : 0;
        if (!str_ieq(bare, str_of(name)) || is_extended || (found && !extended))
            continue;
        if (extended) { /* it wins over the plain one, wherever it stands */
            struct buf text CLEANUP(buf_deinit) = BUF_INIT(out->max);

            if (!add_extended(&text, value))
                continue;
            buf_clear(out);
            buf_add_str(out, buf_str(&text));
            is_extended = true;
        } else if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"') {
            add_quoted(out, str_make(value.p + 1, value.n - 2));
        } else {
            buf_add_str(out, value);
        }
        found = true;
    }
    return found;
}

static void start_fresh(struct multipart *m)
{
    m->is_fresh = true;
    m->matched = 2;
}

enum status multipart_init(struct multipart *m, struct str content_type,
                           const struct multipart_events *events, void *user, struct error *err)
{
    struct buf boundary CLEANUP(buf_deinit) = BUF_INIT(MULTIPART_MAX_BOUNDARY);
    struct str rest = content_type, type = STR_NULL;

    *m = (struct multipart){ .events = events, .user = user, .state = AT_PREAMBLE };
    start_fresh(m);
    buf_init(&m->head, MULTIPART_MAX_HEAD);
    buf_init(&m->delimiter, MULTIPART_MAX_BOUNDARY + 4);
    (void)str_split(&rest, ';', &type);
    if (!str_ieq(str_trim(type), STR("multipart/form-data")))
        return FAIL(err, STATUS_MEDIA_TYPE, "The body must be multipart/form-data.");
    if (!header_parameter(content_type, "boundary", &boundary) || boundary.n == 0 ||
        boundary.failed || memchr(boundary.p, '\r', boundary.n) ||
        memchr(boundary.p, '\n', boundary.n))
        return FAIL(err, STATUS_INVALID, "The Content-Type names no usable boundary.");
    buf_addf(&m->delimiter, "\r\n--%.*s", STR_ARG(buf_str(&boundary)));
    return STATUS_OK;
}

void multipart_deinit(struct multipart *m)
{
    buf_deinit(&m->head);
    buf_deinit(&m->delimiter);
}

/* --- the head of a part --- */

struct head {
    struct buf name, filename, content_type;
    bool has_name, has_filename, has_type;
};

static void read_field(struct head *h, struct str line)
{
    struct str value = line, key;

    if (!str_split(&value, ':', &key) || !value.p)
        return;
    value = str_trim(value);
    if (str_ieq(str_trim(key), STR("content-disposition"))) {
        h->has_name = header_parameter(value, "name", &h->name);
        h->has_filename = header_parameter(value, "filename", &h->filename);
    } else if (str_ieq(str_trim(key), STR("content-type"))) {
        buf_clear(&h->content_type);
        buf_add_str(&h->content_type, value);
        h->has_type = true;
    }
}

static enum status begin_part(struct multipart *m, struct error *err)
{
    struct head h = { .name = BUF_INIT(MULTIPART_MAX_HEAD),
                      .filename = BUF_INIT(MULTIPART_MAX_HEAD),
                      .content_type = BUF_INIT(MULTIPART_MAX_HEAD) };
    struct multipart_part part = { STR_NULL, STR_NULL, STR_NULL };
    struct str rest = buf_str(&m->head), line;
    enum status s = STATUS_OK;

    while (rest.p && str_split(&rest, '\n', &line)) {
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        read_field(&h, line);
    }
    if (h.has_name)
        part.name = buf_str(&h.name);
    if (h.has_filename)
        part.filename = buf_str(&h.filename);
    if (h.has_type)
        part.content_type = buf_str(&h.content_type);
    if (!h.has_name)
        s = malformed(err, "a part has no name");
    else if (++m->n_parts > MULTIPART_MAX_PARTS)
        s = FAIL(err, STATUS_TOO_LARGE, "The multipart body has more than %d parts.",
                 MULTIPART_MAX_PARTS);
    else if (!m->events->begin(m, &part, err))
        s = err->status;
    buf_deinit(&h.name);
    buf_deinit(&h.filename);
    buf_deinit(&h.content_type);
    return s;
}

/* The head ends with an empty line, which may be its first. */
static enum status take_head(struct multipart *m, char c, struct error *err)
{
    struct str head;

    if (!buf_addc(&m->head, c))
        return FAIL(err, STATUS_TOO_LARGE, "The head of a part is larger than %d bytes.",
                    MULTIPART_MAX_HEAD);
    head = buf_str(&m->head);
    if (!str_is(head, "\r\n") && !str_ends(head, "\r\n\r\n"))
        return STATUS_OK;
    m->state = AT_BODY;
    start_fresh(m);
    return begin_part(m, err);
}

/* --- bodies --- */

static enum status give(struct multipart *m, struct str piece, struct error *err)
{
    if (piece.n == 0 || m->state == AT_PREAMBLE)
        return STATUS_OK;
    return m->events->data(m, piece, err) ? STATUS_OK : err->status;
}

static enum status found_boundary(struct multipart *m, struct error *err)
{
    bool in_part = m->state == AT_BODY;

    m->state = AT_BOUNDARY;
    m->at_cr = false;
    m->matched = 0;
    return !in_part || m->events->end(m, err) ? STATUS_OK : err->status;
}

/* Data up to the next CR, which may begin a boundary. */
static enum status take_plain(struct multipart *m, struct str *piece, struct error *err)
{
    const char *cr = memchr(piece->p, '\r', piece->n);
    size_t n = cr ? (size_t)(cr - piece->p) : piece->n;
    struct str plain = str_make(piece->p, n);

    m->is_fresh = false;
    m->matched = cr ? 1 : 0;
    n += m->matched;
    *piece = str_make(piece->p + n, piece->n - n);
    return give(m, plain, err);
}

/* Goes on until a boundary is whole, or the piece is used up. */
static enum status take_body(struct multipart *m, struct str *piece, struct error *err)
{
    struct str d = buf_str(&m->delimiter);
    size_t skip = m->is_fresh ? 2 : 0, n = 0;

    if (m->matched == 0)
        return take_plain(m, piece, err);
    while (n < piece->n && m->matched < d.n && piece->p[n] == d.p[m->matched]) {
        n++;
        m->matched++;
    }
    *piece = str_make(piece->p + n, piece->n - n);
    if (m->matched == d.n)
        return found_boundary(m, err);
    if (piece->n == 0)
        return STATUS_OK;
    n = m->matched;
    m->matched = 0;
    m->is_fresh = false;
    return give(m, str_make(d.p + skip, n - skip), err);
}

/* Behind a boundary: "--" ends all, else white space and CR LF, and a part begins. */
static enum status take_boundary(struct multipart *m, char c, struct error *err)
{
    if (m->state == AT_DASH) {
        m->state = AT_EPILOGUE;
        return c == '-' ? STATUS_OK : malformed(err, "a boundary is followed by something else");
    }
    if (m->at_cr) {
        m->state = AT_HEAD;
        m->at_cr = false;
        buf_clear(&m->head);
        return c == '\n' ? STATUS_OK : malformed(err, "a boundary is followed by something else");
    }
    if (c == '-')
        m->state = AT_DASH;
    else if (c == '\r')
        m->at_cr = true;
    else if (!is_space(c))
        return malformed(err, "a boundary is followed by something else");
    return STATUS_OK;
}

enum status multipart_feed(struct multipart *m, struct str piece, struct error *err)
{
    enum status s = STATUS_OK;

    while (piece.n > 0 && s == STATUS_OK && m->state != AT_EPILOGUE) {
        if (m->state == AT_PREAMBLE || m->state == AT_BODY) {
            s = take_body(m, &piece, err);
            continue;
        }
        if (m->state == AT_HEAD)
            s = take_head(m, piece.p[0], err);
        else
            s = take_boundary(m, piece.p[0], err);
        piece = str_make(piece.p + 1, piece.n - 1);
    }
    return s;
}

enum status multipart_finish(struct multipart *m, struct error *err)
{
    return m->state == AT_EPILOGUE ? STATUS_OK : malformed(err, "it ends before its last boundary");
}
