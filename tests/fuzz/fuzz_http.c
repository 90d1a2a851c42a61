/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of the HTTP server, over a real socket and cut at random places: the requests that
 * handlers see and the statuses that are answered do not depend on the cuts. The first byte chooses
 * them. */
#include "fuzz.h"

#include "base/encode.h"
#include "base/mem.h"
#include "http/server.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

enum { MOST_TURNS = 20000 };

static struct loop *loop;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static struct buf *seen; /* what handlers were given */

static void note(struct http_request *r, struct str body)
{
    buf_addf(seen, "%s %.*s?%.*s %zu ", r->method, STR_ARG(r->path), STR_ARG(r->query), body.n);
    buf_add_str(seen, body);
    buf_addc(seen, '\n');
}

static void on_plain(struct http_request *r)
{
    note(r, r->json ? r->json->span : r->body);
    http_respond(r, 200, "text/plain", STR("fine"));
}

static void on_thing(struct http_request *r)
{
    note(r, http_param(r, "id"));
    http_respond_empty(r, 204);
}

struct upload {
    struct deferred resume;
    struct http_request *r;
    struct buf body;
};

static void upload_free(struct http_request *r)
{
    struct upload *u = r->context;

    deferred_cancel(&u->resume);
    buf_deinit(&u->body);
    free(u);
}

static void on_resume(struct deferred *d)
{
    http_body_resume(container_of(d, struct upload, resume)->r);
}

static void on_body(struct http_request *r, struct str piece)
{
    struct upload *u = r->context;

    if (piece.n > 0) {
        buf_add_str(&u->body, piece);
        http_body_pause(r);
        deferred_call(&u->resume);
        return;
    }
    note(r, buf_str(&u->body));
    r->on_gone = NULL;
    upload_free(r);
    http_respond(r, 200, "text/plain", STR("stored"));
}

static void on_upload(struct http_request *r)
{
    struct upload *u = xnew(struct upload);

    u->r = r;
    buf_init(&u->body, BUF_UNBOUNDED);
    deferred_init(r->loop, &u->resume, on_resume);
    r->context = u;
    r->on_gone = upload_free;
    r->on_body = on_body;
}

static const struct http_route routes[] = {
    { .method = "GET",
      .path = "/v1/plain",
      .handler = on_plain,
      .flags = HTTP_OPEN,
      .name = "plain" },
    { .method = "POST",
      .path = "/v1/json",
      .handler = on_plain,
      .flags = HTTP_OPEN | HTTP_BODY_JSON,
      .name = "json" },
    { .method = "PUT",
      .path = "/v1/text",
      .handler = on_plain,
      .flags = HTTP_OPEN | HTTP_BODY_TEXT,
      .max_body = 256,
      .name = "text" },
    { .method = "POST",
      .path = "/v1/upload",
      .handler = on_upload,
      .flags = HTTP_OPEN | HTTP_BODY_STREAM,
      .name = "upload" },
    { .method = "GET",
      .path = "/v1/things/{id}",
      .handler = on_thing,
      .flags = HTTP_OPEN,
      .name = "thing" },
};

static void start(void)
{
    struct http_config config = { .routes = routes,
                                  .n_routes = ARRAY_SIZE(routes),
                                  .optional_prefix = "/v1" };
    const char *tmp = getenv("TMPDIR");
    char folder[64], at[128];
    struct http_listener *listener;
    struct error err;

    snprintf(folder, sizeof(folder), "%.30s/fuzz-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    FUZZ_CHECK(mkdtemp(folder));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
    snprintf(at, sizeof(at), "unix:%s", address.sun_path);
    loop = loop_new_real();
    FUZZ_CHECK(http_server_listen(http_server_new(loop), at, &config, &listener, &err) == STATUS_OK,
               "%s", err.text);
}

/* Connections go on over the open socket: its file is not needed any more. */
static void clean(void)
{
    unlink(address.sun_path);
    *strrchr(address.sun_path, '/') = '\0';
    rmdir(address.sun_path);
}

static void turn(void)
{
    uv_run(loop_uv(loop), UV_RUN_NOWAIT);
}

/* False when the server has closed. */
static bool receive(int fd, struct buf *answers)
{
    char piece[4096];
    ssize_t n;

    while ((n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0)
        buf_add(answers, piece, (size_t)n);
    return n < 0 && errno == EAGAIN;
}

/* The statuses in order. 100 is only sent to a client that has not gone on yet. */
static void note_statuses(struct str answers)
{
    static const char head[] = "HTTP/1.1 ";

    while (answers.n >= sizeof(head) + 2) {
        const char *at = memmem(answers.p, answers.n, head, sizeof(head) - 1);

        if (!at || answers.p + answers.n - at < (ptrdiff_t)sizeof(head) + 2)
            break;
        at += sizeof(head) - 1;
        if (memcmp(at, "100", 3) != 0)
            buf_addf(seen, "%.3s\n", at);
        answers = str_make(at, (size_t)(answers.p + answers.n - at));
    }
}

static void talk(struct str text, uint32_t seed, struct buf *out)
{
    struct buf answers CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const struct sockaddr *at = (const struct sockaddr *)(const void *)&address;
    struct fuzz_cuts cuts = { seed };
    bool is_open = true, is_shut = false;
    int turns = 0;

    seen = out;
    buf_init(out, BUF_UNBOUNDED);
    FUZZ_CHECK(fd >= 0 && connect(fd, at, sizeof(address)) == 0, "%s", strerror(errno));
    while (is_open) {
        size_t n = seed ? fuzz_cut(&cuts, text.n) : text.n;
        ssize_t sent = n ? send(fd, text.p, n, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

        if (sent < 0 && errno != EAGAIN)
            text.n = 0;
        if (sent > 0)
            text = str_make(text.p + sent, text.n - (size_t)sent);
        if (text.n == 0 && !is_shut)
            is_shut = shutdown(fd, SHUT_WR) == 0 || true;
        turn();
        is_open = receive(fd, &answers);
        FUZZ_CHECK(turns++ < MOST_TURNS, "the connection does not end");
    }
    close(fd);
    turn();
    note_statuses(buf_str(&answers));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct buf whole CLEANUP(buf_deinit) = { 0 }, cut CLEANUP(buf_deinit) = { 0 };
    struct str text = n ? fuzz_text(p + 1, n - 1) : STR("");

    if (!loop) {
        start();
        atexit(clean);
    }
    talk(text, 0, &whole);
    talk(text, n ? p[0] + 1U : 1, &cut);
    FUZZ_CHECK(str_eq(buf_str(&whole), buf_str(&cut)), "whole:\n%.*s\ncut:\n%.*s",
               STR_ARG(buf_str(&whole)), STR_ARG(buf_str(&cut)));
    return 0;
}
