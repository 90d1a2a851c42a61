/* SPDX-License-Identifier: Apache-2.0 */
/* A call's life: start prepares it; the deferred `step` adds it to libcurl; callbacks come from
 * inside libcurl; its end (the answer is complete, an error, a cancel, a timeout) is only noted,
 * and `step` takes it out of libcurl and calls `done`. So nobody's callback runs inside start, and
 * whatever a callback asks for (cancel, resume, another call) never enters libcurl again while it
 * is on the stack.
 *
 * libcurl silently sends a request again when a reused connection ends without an answer, whatever
 * the method. The callback before each sending counts them and refuses the second one of an unsafe
 * method. */
#include "http/client.h"

#include "base/mem.h"
#include "http/client_impl.h"

#include <assert.h>
#include <pthread.h>
#include <sys/socket.h>

/* libcurl has a limit of its own for heads, 300 KB: ours comes first. */
enum { MAX_HEAD = 256 * 1024 };

static void global_init(void)
{
    CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);

    assert(rc == CURLE_OK);
    (void)rc;
}

struct http_client *http_client_new(struct loop *l)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct http_client *c = xnew(struct http_client);

    assert(loop_uv(l) && "the HTTP client needs a real loop");
    pthread_once(&once, global_init);
    c->loop = l;
    c->max_head = MAX_HEAD;
    list_init(&c->calls);
    client_poll_init(c);
    return c;
}

void http_client_limit_head(struct http_client *c, size_t max)
{
    c->max_head = MIN(max, (size_t)MAX_HEAD);
}

/* Takes the call out of libcurl and frees what it had. */
static void call_free(struct call_impl *im)
{
    struct http_client *c = im->client;

    client_socket_detach(im);
    timer_stop(&im->timeout);
    timer_stop(&im->stall);
    deferred_cancel(&im->step);
    list_remove(&im->node);
    if (im->is_added)
        curl_multi_remove_handle(c->multi, im->easy);
    curl_easy_reset(im->easy);
    if (c->n_spare < CLIENT_MAX_SPARE)
        c->spare[c->n_spare++] = im->easy;
    else
        curl_easy_cleanup(im->easy);
    curl_slist_free_all(im->headers);
    im->call->impl = NULL;
    free(im);
}

void http_client_free(struct http_client *c)
{
    struct call_impl *im;

    if (!c)
        return;
    assert(!c->in_curl && "not from inside an event");
    list_each (&c->calls, im, struct call_impl, node)
        call_free(im);
    while (c->n_spare > 0)
        curl_easy_cleanup(c->spare[--c->n_spare]);
    client_poll_deinit(c);
    free(c);
}

/* Notes the end; the first one counts. */
static void finish(struct call_impl *im, const struct error *err)
{
    if (im->is_finished)
        return;
    im->is_finished = true;
    im->has_error = err != NULL;
    if (err)
        im->error = *err;
    deferred_call(&im->step);
}

#define FINISH(im, st, ...)                                                                        \
    do {                                                                                           \
        struct error finish_error_;                                                                \
        (void)FAIL(&finish_error_, (st), __VA_ARGS__);                                             \
        finish((im), &finish_error_);                                                              \
    } while (0)

static enum status status_of(const struct call_impl *im, CURLcode result)
{
    if (result == CURLE_FILESIZE_EXCEEDED)
        return STATUS_TOO_LARGE;
    if (im->n_sends > 0)
        return result == CURLE_OPERATION_TIMEDOUT ? STATUS_TIMED_OUT : STATUS_BROKEN;
    if (im->is_forbidden)
        return STATUS_FORBIDDEN;
    switch (result) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_LOGIN_DENIED: /* a user name in the URL */
        return STATUS_INVALID;
    default:
        return STATUS_UNREACHABLE;
    }
}

void call_ended(struct call_impl *im, CURLcode result)
{
    enum status st = status_of(im, result);
    const char *text = im->curl_error[0] ? im->curl_error : curl_easy_strerror(result);

    if (result == CURLE_OK && im->has_head)
        finish(im, NULL);
    else if (result == CURLE_OK) /* libcurl takes a head that is cut off for a whole one */
        FINISH(im, STATUS_BROKEN, "the connection ended inside the answer's head");
    else if (result == CURLE_ABORTED_BY_CALLBACK && st == STATUS_BROKEN)
        FINISH(im, st, "the connection ended before an answer came");
    else if (st == STATUS_FORBIDDEN)
        FINISH(im, st, "the address is not a public one");
    else
        FINISH(im, st, "%s", text);
}

static void complete(struct call_impl *im)
{
    struct http_call *call = im->call;
    struct error err = im->error;
    bool has_error = im->has_error;
    long n_connects = 0;

    if (im->is_added)
        curl_easy_getinfo(im->easy, CURLINFO_NUM_CONNECTS, &n_connects);
    call->connection_reused = im->n_sends > 0 && n_connects == 0;
    call_free(im);
    call->events->done(call, has_error ? &err : NULL);
}

static void restart_stall(struct call_impl *im)
{
    if (im->stall_ms > 0)
        timer_start(&im->stall, im->stall_ms);
}

static void on_step(struct deferred *d)
{
    struct call_impl *im = container_of(d, struct call_impl, step);
    struct http_client *c = im->client;

    if (im->is_finished) {
        complete(im);
    } else if (!im->is_added) {
        CURLMcode rc = curl_multi_add_handle(c->multi, im->easy);

        im->is_added = rc == CURLM_OK;
        if (im->is_added)
            client_kick(c);
        else
            FINISH(im, STATUS_BROKEN, "cannot start: %s", curl_multi_strerror(rc));
    } else if (im->wants_resume) {
        im->wants_resume = false;
        restart_stall(im);
        c->in_curl = true;
        curl_easy_pause(im->easy, CURLPAUSE_CONT);
        c->in_curl = false;
    }
}

static void on_timeout(struct timer *t)
{
    struct call_impl *im = container_of(t, struct call_impl, timeout);

    FINISH(im, STATUS_TIMED_OUT, "no complete answer in time");
}

static void on_stall(struct timer *t)
{
    struct call_impl *im = container_of(t, struct call_impl, stall);

    FINISH(im, STATUS_TIMED_OUT, "nothing was received for %lld ms", (long long)im->stall_ms);
}

void http_call_start(struct http_client *c, struct http_call *call,
                     const struct http_call_spec *spec, const struct http_call_events *events)
{
    struct call_impl *im = xnew(struct call_impl);
    struct error err;

    assert(!call->impl && "a call is started once at a time");
    http_call_deinit(call);
    *call = (struct http_call){ .events = events, .impl = im, .head = BUF_INIT(c->max_head) };
    im->client = c;
    im->call = call;
    im->flags = spec->flags;
    im->stall_ms = spec->stall_timeout_ms;
    im->easy = c->n_spare ? c->spare[--c->n_spare] : curl_easy_init();
    assert(im->easy);
    list_push(&c->calls, &im->node);
    deferred_init(c->loop, &im->step, on_step);
    timer_init(c->loop, &im->timeout, on_timeout);
    timer_init(c->loop, &im->stall, on_stall);
    if (call_setup(im, spec, &err) != STATUS_OK) {
        finish(im, &err);
        return;
    }
    if (spec->timeout_ms > 0)
        timer_start(&im->timeout, spec->timeout_ms);
    restart_stall(im);
    deferred_call(&im->step);
}

void http_call_cancel(struct http_call *call)
{
    struct call_impl *im = call->impl;

    if (im)
        FINISH(im, STATUS_CANCELED, "the call was canceled");
}

void http_call_resume(struct http_call *call)
{
    struct call_impl *im = call->impl;

    if (!im || im->is_finished)
        return;
    im->wants_resume = true;
    deferred_call(&im->step);
}

void http_call_deinit(struct http_call *call)
{
    assert(!call->impl && "the call is in flight");
    buf_deinit(&call->body);
    buf_deinit(&call->head);
}

struct str http_call_header(const struct http_call *call, const char *name)
{
    struct str rest = buf_str(&call->head), line, field;

    (void)str_split(&rest, '\n', &line); /* the status line */
    while (str_split(&rest, '\n', &line)) {
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        str_split(&line, ':', &field);
        if (line.p && str_ieq(field, str_of(name)))
            return str_trim(line);
    }
    return STR_NULL;
}

/* ---- callbacks from inside libcurl ---- */

curl_socket_t call_on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct call_impl *im = arg;

    (void)purpose;
    if ((im->flags & HTTP_CALL_PUBLIC_ONLY) && !address_is_public(&address->addr)) {
        im->is_forbidden = true;
        return CURL_SOCKET_BAD;
    }
    /* Children of ours do not inherit it. */
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

int call_on_prereq(void *arg, char *peer_ip, char *local_ip, int peer_port, int local_port)
{
    struct call_impl *im = arg;

    (void)local_ip;
    (void)peer_port;
    (void)local_port;
    /* A reused connection may have been opened for a call that could go anywhere. */
    if ((im->flags & HTTP_CALL_PUBLIC_ONLY) && !address_text_is_public(peer_ip)) {
        im->is_forbidden = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (im->n_sends > 0 && !im->may_repeat)
        return CURL_PREREQFUNC_ABORT;
    im->n_sends++;
    im->call->request_sent = true;
    return CURL_PREREQFUNC_OK;
}

static void take_head(struct call_impl *im)
{
    struct http_call *call = im->call;
    long status = 0;

    curl_easy_getinfo(im->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status / 100 == 1 && status != 101)
        return; /* the final answer follows */
    im->has_head = true;
    call->status = (int)status;
    if (call->events->headers)
        call->events->headers(call, call->status);
}

size_t call_on_header(char *p, size_t size, size_t n, void *arg)
{
    struct call_impl *im = arg;
    struct str line = str_make(p, size * n);

    if (im->is_finished)
        return 0;
    restart_stall(im);
    /* Interim answers and trailers count too: nothing else would ever end them. */
    im->n_head += line.n;
    if (im->n_head > im->client->max_head) {
        FINISH(im, STATUS_TOO_LARGE,
               "the answer's header fields, interim answers and trailers are larger than %zu bytes "
               "(max_answer_head)",
               im->client->max_head);
        return 0;
    }
    if (im->has_head)
        return line.n; /* a trailer */
    if (str_starts(line, "HTTP/"))
        buf_clear(&im->call->head);
    buf_add_str(&im->call->head, line);
    if (str_is(line, "\r\n") || str_is(line, "\n"))
        take_head(im);
    return line.n;
}

static size_t deliver(struct call_impl *im, struct str piece)
{
    struct http_call *call = im->call;

    if (!call->events->data) {
        if (buf_add_str(&call->body, piece))
            return piece.n;
        FINISH(im, STATUS_TOO_LARGE, "the answer is larger than %zu bytes", call->body.max);
        return 0;
    }
    if (call->events->data(call, piece))
        return piece.n;
    timer_stop(&im->stall); /* it is we who wait */
    return CURL_WRITEFUNC_PAUSE;
}

size_t call_on_data(char *p, size_t size, size_t n, void *arg)
{
    struct call_impl *im = arg;
    struct str piece = str_make(p, size * n);

    if (im->is_finished || piece.n == 0)
        return 0;
    if (!im->has_body) {
        im->has_body = true;
        client_socket_detach(im);
    }
    restart_stall(im);
    return deliver(im, piece);
}

size_t call_on_body(char *p, size_t size, size_t n, void *arg)
{
    struct call_impl *im = arg;
    size_t got;

    if (im->is_finished)
        return CURL_READFUNC_ABORT;
    got = im->call->events->body(im->call, p, size * n);
    return got == HTTP_CALL_LATER ? CURL_READFUNC_PAUSE : got;
}
