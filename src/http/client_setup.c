/* SPDX-License-Identifier: Apache-2.0 */
/* A call's specification as libcurl options. libcurl is kept from everything it likes to do by
 * itself: proxies of the environment, redirects, waiting for 100 Continue, a form's content type.
 */
#include "http/client_impl.h"

#include <stdlib.h>

#include <assert.h>

enum { CONNECT_TIMEOUT_MS = 5000, IDLE_REUSE_S = 4, BULK_PIECE = 128 << 10 };

#define DEFAULT_MAX_BODY ((size_t)64 << 20)

static bool is_method(const char *method, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(method, *list) == 0)
            return true;
    return false;
}

/* What would end a line would start another header field. */
static bool is_one_line(const char *z)
{
    return !strpbrk(z, "\r\n");
}

static bool is_token(const char *z)
{
    return *z && !strpbrk(z, " \t\r\n:/");
}

static void add_header(struct call_impl *im, const char *line)
{
    struct curl_slist *list = curl_slist_append(im->headers, line);

    assert(list);
    im->headers = list;
}

/* "Name:" without a value would mean to libcurl that the field shall not be sent; "Name;" sends it
 * empty. */
static void add_callers_header(struct call_impl *im, const char *line)
{
    const char *colon = strchr(line, ':');
    char name[256];

    if (colon && colon[1 + strspn(colon + 1, " \t")] == '\0' &&
        colon - line < (int)sizeof(name) - 2) {
        snprintf(name, sizeof(name), "%.*s;", (int)(colon - line), line);
        line = name;
    }
    add_header(im, line);
}

static enum status add_headers(struct call_impl *im, const struct http_call_spec *spec,
                               struct error *err)
{
    bool has_type = false;

    for (const char *const *h = spec->headers; h && *h; h++) {
        struct str rest = str_of(*h), name;

        if (!is_one_line(*h))
            return FAIL(err, STATUS_INVALID, "a header field has more than one line");
        str_split(&rest, ':', &name);
        has_type |= str_ieq(name, STR("Content-Type"));
        add_callers_header(im, *h);
    }
    add_header(im, "Expect:");
    if (!has_type)
        add_header(im, "Content-Type:");
    curl_easy_setopt(im->easy, CURLOPT_HTTPHEADER, im->headers);
    return STATUS_OK;
}

static void set_request(struct call_impl *im, const struct http_call_spec *spec)
{
    static const char *const safe[] = { "GET", "HEAD", "OPTIONS", "QUERY", NULL };
    static const char *const with_body[] = { "POST", "PUT", "PATCH", NULL };
    CURL *e = im->easy;

    im->may_repeat = is_method(spec->method, safe);
    if (im->call->events->body) {
        im->may_repeat = false; /* what was sent of it is gone */
        curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)spec->body_size);
        curl_easy_setopt(e, CURLOPT_READFUNCTION, call_on_body);
        curl_easy_setopt(e, CURLOPT_READDATA, (void *)im);
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, spec->method);
    } else if (strcmp(spec->method, "HEAD") == 0) {
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    } else if (spec->body.p || is_method(spec->method, with_body)) {
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)spec->body.n);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, spec->body.p ? spec->body.p : "");
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, spec->method);
    } else {
        curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, spec->method);
    }
}

static void set_protocol(CURL *e)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(e, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    /* As OpenSSL itself would: an authority of the house, for servers that it vouches for. */
    if (getenv("SSL_CERT_FILE"))
        curl_easy_setopt(e, CURLOPT_CAINFO, getenv("SSL_CERT_FILE"));
    curl_easy_setopt(e, CURLOPT_USERAGENT, "Berth/" BERTH_VERSION);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Giving up a call does not wait for its name server. */
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
#endif
}

static void set_connection(struct call_impl *im, const struct http_call_spec *spec)
{
    CURL *e = im->easy;
    int64_t timeout_ms = spec->connect_timeout_ms ? spec->connect_timeout_ms : CONNECT_TIMEOUT_MS;

    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
    if (spec->flags & HTTP_CALL_BULK) {
        curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)BULK_PIECE);
        curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, (long)BULK_PIECE);
    }
    if (spec->unix_socket)
        curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, spec->unix_socket);
    if (spec->flags & HTTP_CALL_NEW_CONNECTION)
        curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    /* Common servers close an idle connection after 5 s. A request that meets that moment is lost,
     * and may not be sent again when it is not safe: keep clear of it. */
    if (!im->may_repeat)
        curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, (long)IDLE_REUSE_S);
}

static void set_callbacks(struct call_impl *im)
{
    CURL *e = im->easy;

    curl_easy_setopt(e, CURLOPT_PRIVATE, (void *)im);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, im->curl_error);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, call_on_prereq);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, (void *)im);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, call_on_open_socket);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, (void *)im);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, call_on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, (void *)im);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, call_on_data);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, (void *)im);
}

enum status call_setup(struct call_impl *im, const struct http_call_spec *spec, struct error *err)
{
    size_t max_body = spec->max_body ? spec->max_body : DEFAULT_MAX_BODY;

    if (!is_token(spec->method))
        return FAIL(err, STATUS_INVALID, "not an HTTP method: '%s'", spec->method);
    if (spec->unix_socket && (spec->flags & HTTP_CALL_PUBLIC_ONLY))
        return FAIL(err, STATUS_FORBIDDEN, "a unix socket is not a public address");
    set_protocol(im->easy);
    set_request(im, spec);
    set_connection(im, spec);
    set_callbacks(im);
    im->call->body.max = max_body;
    if (!im->call->events->data && strcmp(spec->method, "HEAD") != 0)
        curl_easy_setopt(im->easy, CURLOPT_MAXFILESIZE_LARGE,
                         (curl_off_t)MIN(max_body, (size_t)INT64_MAX));
    if (curl_easy_setopt(im->easy, CURLOPT_URL, spec->url) != CURLE_OK)
        return FAIL(err, STATUS_INVALID, "the URL is too long");
    return add_headers(im, spec, err);
}
