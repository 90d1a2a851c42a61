/* SPDX-License-Identifier: Apache-2.0 */
/* Answers. They are written at once as far as the socket takes them; everything else that follows
 * from an answer (freeing the request, reading the next one, closing) is conn_run()'s, after the
 * handler returned. */
#include "http/conn.h"

#include "base/log.h"

#include <assert.h>

enum { USUAL_HEAD = 384 }; /* bytes of an answer's head beside what the handler adds */

static const struct {
    int status;
    const char *text;
} reasons[] = {
    { 200, "OK" },
    { 201, "Created" },
    { 202, "Accepted" },
    { 204, "No Content" },
    { 206, "Partial Content" },
    { 301, "Moved Permanently" },
    { 302, "Found" },
    { 303, "See Other" },
    { 304, "Not Modified" },
    { 307, "Temporary Redirect" },
    { 308, "Permanent Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 402, "Payment Required" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 411, "Length Required" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 416, "Range Not Satisfiable" },
    { 417, "Expectation Failed" },
    { 422, "Unprocessable Content" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 507, "Insufficient Storage" },
};

static const char *reason(int status)
{
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "";
}

/* The date of this second, formatted once. */
static const char *date_now(struct http_server *s)
{
    time_t now = (time_t)(loop_wall_ms(s->loop) / 1000);
    struct tm tm;

    if (now != (time_t)s->date_s || s->date[0] == '\0') {
        s->date_s = now;
        gmtime_r(&now, &tm);
        strftime(s->date, sizeof(s->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    }
    return s->date;
}

/* Line ends in a value would begin another field. */
static void add_clean(struct buf *b, const char *text)
{
    size_t n = strlen(text);
    char *at = buf_reserve(b, n);

    if (!at)
        return;
    for (size_t i = 0; i < n; i++)
        at[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i];
    buf_commit(b, n);
}

void http_set_header(struct http_request *r, const char *name, const char *value)
{
    struct exchange *x = exchange_of(r);
    size_t before = x->extra.n;

    assert(x->answer == ANSWER_NONE);
    buf_adds(&x->extra, name);
    buf_adds(&x->extra, ": ");
    add_clean(&x->extra, value);
    buf_adds(&x->extra, "\r\n");
    if (!x->extra.failed)
        return;
    /* Rather no field than half of one. */
    x->extra.n = before;
    x->extra.failed = false;
}

bool http_has_set(const struct http_request *r, const char *name)
{
    struct str rest = buf_str(&exchange_of(r)->extra), line, field;

    while (str_split(&rest, '\n', &line))
        if (str_split(&line, ':', &field) && str_ieq(field, str_of(name)))
            return true;
    return false;
}

/* Whether the connection can go on after this answer: what is left of the body has to be read
 * first. */
static bool can_keep(const struct http_conn *c, const struct exchange *x)
{
    if (!x->keep_alive || c->server->is_draining || (c->is_eof && c->in.n == 0))
        return false;
    if (x->body_done)
        return true;
    if (x->expects_continue && x->received == 0)
        return false;
    return !x->has_length || x->length - x->received <= DISCARD_MAX;
}

static void write_head(struct buf *head, struct http_conn *c, int status, const char *type)
{
    struct exchange *x = c->x;

    buf_reserve(head, USUAL_HEAD + x->extra.n);
    buf_addf(head, "HTTP/1.1 %d ", status);
    buf_adds(head, reason(status));
    buf_adds(head, "\r\nDate: ");
    buf_adds(head, date_now(c->server));
    buf_adds(head, "\r\nX-Request-Id: ");
    buf_adds(head, x->r.id);
    buf_adds(head, "\r\nX-Content-Type-Options: nosniff\r\n");
    if (type) {
        buf_adds(head, "Content-Type: ");
        add_clean(head, type);
        buf_adds(head, "\r\n");
    }
    buf_add_str(head, buf_str(&x->extra));
    if (!x->keep_alive)
        buf_adds(head, "Connection: close\r\n");
    else if (x->is_http10)
        buf_adds(head, "Connection: keep-alive\r\n");
}

static bool has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

/* `owner`: where the body stands, and may be taken from; NULL: it may not. */
static void send_whole(struct http_conn *c, int status, const char *type, struct str body,
                       struct buf *owner, bool is_zipped)
{
    struct buf CLEANUP(buf_deinit) head = BUF_INIT(BUF_UNBOUNDED);
    struct exchange *x = c->x;
    struct str parts[2];

    x->keep_alive = can_keep(c, x);
    write_head(&head, c, status, type);
    if (is_zipped)
        buf_adds(&head, "Content-Encoding: gzip\r\n");
    if (!has_no_body(status))
        buf_addf(&head, "Content-Length: %zu\r\n", body.n);
    buf_adds(&head, "\r\n");
    parts[0] = buf_str(&head);
    parts[1] = x->r.is_head || has_no_body(status) ? STR("") : body;
    if (owner && parts[1].n > 0)
        conn_write_whole(c, parts[0], owner);
    else
        conn_write(c, parts, ARRAY_SIZE(parts), SIZE_MAX);
    conn_kick(c);
}

/* Sends the answer compressed, or begins to compress it; false: it is to be sent as it is. */
static bool answer_zipped(struct http_request *r, int status, const char *type, struct str body,
                          struct buf *owner)
{
    struct buf CLEANUP(buf_deinit) zipped = BUF_INIT(BUF_UNBOUNDED);
    struct exchange *x = exchange_of(r);

    if (has_no_body(status) || !gzip_fits(type, body))
        return false;
    buf_adds(&x->extra, "Vary: Accept-Encoding\r\n");
    if (!gzip_asked(http_header(r, "Accept-Encoding")))
        return false;
    if (body.n > GZIP_SLICE) {
        x->zip = gzip_new(status, arena_copy(r->arena, str_of(type)), body, owner);
        conn_kick(r->conn);
        return x->zip != NULL;
    }
    if (!gzip_now(r->conn->server, body, &zipped))
        return false;
    send_whole(r->conn, status, type, buf_str(&zipped), NULL, true);
    return true;
}

void respond_zipped(struct http_conn *c)
{
    struct gzip *g = c->x->zip;
    struct buf *body;
    bool is_zipped;

    if (gzip_step(g))
        return;
    is_zipped = gzip_is_smaller(g);
    c->x->zip = NULL;
    body = gzip_body(g);
    send_whole(c, gzip_status(g), gzip_type(g), buf_str(body), body, is_zipped);
    gzip_free(g);
}

static void answer(struct http_request *r, int status, const char *type, struct str body,
                   struct buf *owner)
{
    struct exchange *x = exchange_of(r);

    assert(x->answer == ANSWER_NONE);
    x->answer = ANSWER_DONE;
    x->status = status;
    if (!answer_zipped(r, status, type, body, owner))
        send_whole(r->conn, status, type, body, owner, false);
}

void http_respond(struct http_request *r, int status, const char *content_type, struct str body)
{
    answer(r, status, content_type, body, NULL);
}

void http_respond_json(struct http_request *r, int status, struct buf *body)
{
    if (body->failed) { /* half a document is worse than none */
        log_error("an answer is larger than its limit", LOG_S("request", r->id),
                  LOG_S("method", r->method), LOG_S("route", r->route ? r->route->path : ""),
                  LOG_I("limit", (int64_t)body->max));
        http_problem(r, 500, NULL,
                     "The answer would be larger than %zu bytes, its limit. The request's id is "
                     "%s.",
                     body->max, r->id);
        return;
    }
    answer(r, status, "application/json", buf_str(body), body);
}

void http_respond_gzipped(struct http_request *r, int status, const char *content_type,
                          struct str gzip, size_t plain_size)
{
    struct buf CLEANUP(buf_deinit) plain = BUF_INIT(BUF_UNBOUNDED);
    struct exchange *x = exchange_of(r);
    bool is_zipped = gzip_asked(http_header(r, "Accept-Encoding"));

    assert(x->answer == ANSWER_NONE);
    if (!is_zipped && !gzip_unpack(gzip, plain_size, &plain)) {
        http_problem(r, 500, NULL, "The answer cannot be unpacked. The request's id is %s.", r->id);
        return;
    }
    x->answer = ANSWER_DONE;
    x->status = status;
    buf_adds(&x->extra, "Vary: Accept-Encoding\r\n");
    send_whole(r->conn, status, content_type, is_zipped ? gzip : buf_str(&plain), NULL, is_zipped);
}

void http_respond_empty(struct http_request *r, int status)
{
    answer(r, status, NULL, STR(""), NULL);
}

void respond_continue(struct http_conn *c)
{
    struct str line = STR("HTTP/1.1 100 Continue\r\n\r\n");

    if (!c->x->expects_continue || c->x->body_done)
        return;
    c->x->expects_continue = false;
    conn_write(c, &line, 1, SIZE_MAX);
}

static void stream_begin(struct http_request *r, int status, const char *content_type)
{
    struct buf CLEANUP(buf_deinit) head = BUF_INIT(BUF_UNBOUNDED);
    struct http_conn *c = r->conn;
    struct exchange *x = exchange_of(r);
    struct str part;

    assert(x->answer == ANSWER_NONE && !has_no_body(status));
    x->answer = ANSWER_STREAM;
    x->status = status;
    x->in_chunks = !x->is_http10 && !x->is_sized;
    x->keep_alive = can_keep(c, x) && (x->in_chunks || x->is_sized || r->is_head);
    write_head(&head, c, status, content_type);
    if (x->in_chunks)
        buf_adds(&head, "Transfer-Encoding: chunked\r\n");
    if (x->is_sized)
        buf_addf(&head, "Content-Length: %llu\r\n", (unsigned long long)x->size_left);
    buf_adds(&head, "\r\n");
    part = buf_str(&head);
    conn_write(c, &part, 1, SIZE_MAX);
    conn_kick(c);
}

void http_stream_begin(struct http_request *r, int status, const char *content_type)
{
    stream_begin(r, status, content_type);
}

void http_stream_begin_sized(struct http_request *r, int status, const char *content_type,
                             int64_t length)
{
    struct exchange *x = exchange_of(r);

    x->is_sized = true;
    x->size_left = (uint64_t)length;
    stream_begin(r, status, content_type);
}

void http_stream_abort(struct http_request *r)
{
    r->conn->is_broken = true;
    conn_kick(r->conn);
}

bool http_stream_write(struct http_request *r, struct str piece)
{
    struct exchange *x = exchange_of(r);
    struct http_conn *c = r->conn;
    size_t max = c->listener->config.limits.max_write_buffer;
    char size[24];
    struct str parts[3] = { STR_NULL, piece, STR_NULL };

    assert(x->answer == ANSWER_STREAM);
    if (r->is_head || c->is_eof || c->is_broken || c->state == CONN_CLOSING)
        return false;
    if (piece.n == 0)
        return true;
    assert(!x->is_sized || piece.n <= x->size_left);
    if (x->is_sized)
        x->size_left -= piece.n;
    if (x->in_chunks) {
        parts[0] = str_make(size, (size_t)snprintf(size, sizeof(size), "%zx\r\n", piece.n));
        parts[2] = STR("\r\n");
    }
    if (!conn_write(c, parts, ARRAY_SIZE(parts), max)) {
        conn_kick(c);
        return false;
    }
    x->wants_drained = conn_pending(c) > 0;
    return true;
}

size_t http_stream_pending(const struct http_request *r)
{
    return conn_pending(r->conn);
}

void http_stream_end(struct http_request *r)
{
    struct exchange *x = exchange_of(r);
    struct str last = STR("0\r\n\r\n");

    assert(x->answer == ANSWER_STREAM);
    x->answer = ANSWER_DONE;
    if (x->is_sized && x->size_left > 0 && !r->is_head)
        x->keep_alive = false;
    if (x->in_chunks && !r->is_head)
        conn_write(r->conn, &last, 1, SIZE_MAX);
    conn_kick(r->conn);
}
