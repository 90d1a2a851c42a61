/* SPDX-License-Identifier: Apache-2.0 */
/* Reading messages. A head is gathered whole in the connection's buffer and looked at twice: by the
 * strict rules here (lines end in CR LF and nothing else, no folding, no control characters, one
 * Host, one plain Content-Length or "chunked" alone) and then by llhttp, which must come to the
 * same end and reads the body after it. Two parsers that must agree leave little to smuggle
 * through. */
#include "http/conn.h"

static bool refuse(struct refusal *out, int status, const char *detail)
{
    *out = (struct refusal){ .status = status, .detail = detail };
    return false;
}

static bool is_token_char(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           (ch != '\0' && strchr("!#$%&'*+-.^_`|~", ch));
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_token_char(s.p[i]))
            return false;
    return s.n > 0;
}

static bool field_line_ok(struct str line, struct refusal *out)
{
    const char *colon = memchr(line.p, ':', line.n);

    if (line.p[0] == ' ' || line.p[0] == '\t')
        return refuse(out, 400, "A header field may not be folded over several lines.");
    if (!colon || !is_token(str_make(line.p, (size_t)(colon - line.p))))
        return refuse(out, 400, "A header field has no valid name.");
    return true;
}

/* METHOD SP target SP HTTP/1.x, with single spaces. */
static bool request_line_split(struct str line, struct str *method, struct str *target,
                               struct str *version)
{
    struct str rest = line;

    return str_split(&rest, ' ', method) && str_split(&rest, ' ', target) &&
           str_split(&rest, ' ', version) && !rest.p && is_token(*method) && target->n > 0;
}

static bool request_line_ok(struct str line, struct refusal *out)
{
    struct str method, target, version;

    if (str_starts(line, "PRI * HTTP/2"))
        return refuse(out, 400, "This server speaks HTTP/1.1 only.");
    if (!request_line_split(line, &method, &target, &version))
        return refuse(out, 400, "The request line is not \"METHOD target HTTP/1.1\".");
    if (!str_is(version, "HTTP/1.1") && !str_is(version, "HTTP/1.0"))
        return refuse(out, 400, "This server speaks HTTP/1.1 only.");
    if (!method_find(method))
        return refuse(out, 501, "HTTP has no such method.");
    for (size_t i = 0; i < target.n; i++)
        if (target.p[i] <= 0x20 || target.p[i] == 0x7f)
            return refuse(out, 400, "The request target has a character that is not allowed.");
    return true;
}

/* What is to be said of one byte, the last one read. */
static bool byte_ok(const struct http_conn *c, size_t at, struct refusal *out)
{
    unsigned char ch = (unsigned char)c->in.p[at];
    bool after_cr = at > c->line && c->in.p[at - 1] == '\r';

    if (ch == '\n')
        return after_cr || refuse(out, 400, "A line ends without a carriage return.");
    if (after_cr)
        return refuse(out, 400, "A carriage return stands alone.");
    if (ch == '\r' || ch == '\t')
        return true;
    if (ch == 0x16 && at == 0)
        return refuse(out, 400, "This port speaks plain HTTP, not TLS.");
    if (ch < 0x20 || ch == 0x7f)
        return refuse(out, 400, "The head has a control character.");
    return true;
}

static bool size_ok(const struct http_conn *c, size_t at, struct refusal *out)
{
    const struct http_limits *limits = &c->listener->config.limits;

    if (c->n_lines == 0)
        return at - c->line < limits->max_request_line ||
               refuse(out, 414, "The request line is too long.");
    if (at - c->head_at >= limits->max_header_bytes)
        return refuse(out, 431, "The header fields are too large.");
    if (c->n_lines > limits->max_headers + 1)
        return refuse(out, 431, "There are too many header fields.");
    return true;
}

/* A client may send empty lines ahead of a request. */
static void skip_empty_lines(struct http_conn *c)
{
    size_t n = 0;

    while (c->in.n - n >= 2 && c->in.p[n] == '\r' && c->in.p[n + 1] == '\n')
        n += 2;
    buf_shift(&c->in, n);
}

enum head_state head_scan(struct http_conn *c, struct refusal *out_refusal)
{
    if (c->scanned == 0)
        skip_empty_lines(c);
    for (; c->scanned < c->in.n; c->scanned++) {
        size_t at = c->scanned;
        struct str line;

        if (!byte_ok(c, at, out_refusal) || !size_ok(c, at, out_refusal))
            return HEAD_BAD;
        /* A lone CR may yet become an empty line ahead of the request. */
        if (c->n_lines == 0 && at == 0 && c->in.p[0] == '\r' && c->in.n == 1)
            return HEAD_MORE;
        if (c->in.p[at] != '\n')
            continue;
        line = str_make(c->in.p + c->line, at - 1 - c->line);
        c->line = at + 1;
        if (c->n_lines++ == 0) {
            c->head_at = c->line;
            if (!request_line_ok(line, out_refusal))
                return HEAD_BAD;
        } else if (line.n == 0) {
            c->scanned++;
            return HEAD_DONE;
        } else if (!field_line_ok(line, out_refusal)) {
            return HEAD_BAD;
        }
    }
    return HEAD_MORE;
}

static bool take_host(struct exchange *x, struct str value, struct refusal *out)
{
    if (x->host.p)
        return refuse(out, 400, "There is more than one Host.");
    if (!host_valid(value))
        return refuse(out, 400, "The Host is not a host name with an optional port.");
    x->host = value;
    return true;
}

/* `raw` still has its white space: a length is "NN" or " NN" and nothing else. */
static bool take_length(struct exchange *x, struct str raw, struct refusal *out)
{
    if (raw.n > 0 && raw.p[0] == ' ')
        raw = str_make(raw.p + 1, raw.n - 1);
    if (x->has_length)
        return refuse(out, 400, "There is more than one Content-Length.");
    if (raw.n > 19 || !str_to_u64(raw, &x->length))
        return refuse(out, 400, "The Content-Length is not a plain number.");
    x->has_length = true;
    return true;
}

static bool take_encoding(struct exchange *x, struct str value, struct refusal *out)
{
    if (x->is_chunked || !str_ieq(value, STR("chunked")))
        return refuse(out, 400, "The Transfer-Encoding may only be \"chunked\".");
    x->is_chunked = true;
    return true;
}

static bool take_expect(struct exchange *x, struct str value, struct refusal *out)
{
    if (!str_ieq(value, STR("100-continue")))
        return refuse(out, 417, "The only expectation that can be met is \"100-continue\".");
    x->expects_continue = true;
    return true;
}

static bool take_field(struct exchange *x, struct str line, struct refusal *out)
{
    struct field *f = &x->fields[x->n_fields++];
    struct str raw = line;

    str_split(&raw, ':', &f->name);
    f->value = str_trim(raw);
    if (str_ieq(f->name, STR("Host")))
        return take_host(x, f->value, out);
    if (str_ieq(f->name, STR("Content-Length")))
        return take_length(x, raw, out);
    if (str_ieq(f->name, STR("Transfer-Encoding")))
        return take_encoding(x, f->value, out);
    if (str_ieq(f->name, STR("Expect")))
        return take_expect(x, f->value, out);
    return true;
}

static bool head_consistent(struct exchange *x, struct refusal *out)
{
    if (x->is_chunked && x->has_length)
        return refuse(out, 400, "Content-Length and Transfer-Encoding exclude one another.");
    if (x->is_chunked && x->is_http10)
        return refuse(out, 400, "HTTP/1.0 has no Transfer-Encoding.");
    if (!x->host.p && !x->is_http10)
        return refuse(out, 400, "The Host is missing.");
    if (x->is_http10)
        x->expects_continue = false;
    return true;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct exchange *x = parser->data;

    x->keep_alive = llhttp_should_keep_alive(parser) != 0;
    parser->upgrade = 0; /* offers of another protocol are passed over */
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t n)
{
    struct exchange *x = parser->data;

    if (x->refusal.status)
        return 0;
    body_piece(x, str_make(at, n));
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct exchange *x = parser->data;

    x->body_done = true;
    return HPE_PAUSED;
}

static int on_chunk_header(llhttp_t *parser)
{
    struct exchange *x = parser->data;

    x->extension = 0;
    return 0;
}

/* The callback for an extension comes for empty ones too, so that each counts at least one. */
static int on_extension(llhttp_t *parser, const char *at, size_t n)
{
    struct exchange *x = parser->data;

    (void)at;
    x->extension += n + 1;
    if (x->extension <= EXTENSION_MAX)
        return 0;
    refuse(&x->refusal, 400, "A chunk extension is too long.");
    return -1;
}

/* Fields of the head come by here as well; only those after the body are counted. */
static int on_field(llhttp_t *parser, const char *at, size_t n)
{
    struct exchange *x = parser->data;

    (void)at;
    if (!(parser->flags & F_TRAILING))
        return 0;
    x->trailer += n + 1;
    if (x->trailer <= x->r.conn->listener->config.limits.max_header_bytes)
        return 0;
    refuse(&x->refusal, 431, "The trailer fields are too large.");
    return -1;
}

static const llhttp_settings_t settings = {
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
    .on_chunk_header = on_chunk_header,
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_value = on_extension,
    .on_header_field = on_field,
    .on_header_value = on_field,
};

/* llhttp is told PATCH whatever the method is: which methods it knows depends on its version (QUERY
 * came with 9.2), and no framing depends on a method but that of CONNECT, which has no body here.
 */
static bool llhttp_agrees(struct exchange *x, struct str after_method, struct refusal *out)
{
    llhttp_errno_t err;

    llhttp_init(&x->parser, HTTP_REQUEST, &settings);
    x->parser.data = x;
    err = llhttp_execute(&x->parser, "PATCH", 5);
    if (err == HPE_OK)
        err = llhttp_execute(&x->parser, after_method.p, after_method.n);
    if (err != HPE_OK && !(err == HPE_PAUSED && x->body_done))
        return refuse(out, 400, llhttp_get_error_reason(&x->parser));
    if (x->body_done && (x->is_chunked || x->length > 0))
        return refuse(out, 400, "The length of the body is not clear.");
    x->body_done = !x->is_chunked && x->length == 0;
    return true;
}

bool head_read(struct http_conn *c, struct exchange *x, struct refusal *out_refusal)
{
    struct http_request *r = &x->r;
    struct str head = str_make(arena_copy(&x->arena, str_make(c->in.p, c->scanned)), c->scanned);
    struct str rest = str_make(head.p, head.n - 4); /* without the empty line */
    struct str line, method, version;

    x->fields = arena_array(&x->arena, struct field, c->n_lines);
    buf_shift(&c->in, c->scanned);
    c->scanned = c->line = c->n_lines = c->head_at = 0;
    str_split(&rest, '\n', &line);
    if (rest.p)
        line.n--; /* the carriage return; the last line has lost its own above */
    request_line_split(line, &method, &r->target, &version);
    x->is_http10 = str_is(version, "HTTP/1.0");
    r->method = method_find(method);
    while (str_split(&rest, '\n', &line)) {
        if (rest.p)
            line.n--;
        if (!take_field(x, line, out_refusal))
            return false;
    }
    if (!head_consistent(x, out_refusal))
        return false;
    if (str_is(method, "CONNECT")) {
        x->body_done = true;
        return true;
    }
    return llhttp_agrees(x, str_make(head.p + method.n, head.n - method.n), out_refusal);
}

bool body_parse(struct exchange *x, const char *p, size_t n, size_t *out_used)
{
    llhttp_errno_t err = llhttp_execute(&x->parser, p, n);

    *out_used = n;
    if (err == HPE_PAUSED && x->body_done) {
        *out_used = (size_t)(llhttp_get_error_pos(&x->parser) - p);
        return true;
    }
    if (err == HPE_OK && !x->refusal.status)
        return true;
    if (!x->refusal.status)
        refuse(&x->refusal, 400, "The body's chunks are malformed.");
    return false;
}
