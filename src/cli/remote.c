/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to a server, one at a time: the loop runs until the answer is there. */
#include "cli/cli.h"

#include "base/encode.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

struct exchange {
    struct http_call call;
    struct loop *loop;
    struct error error;
    bool failed;
    size_t *shown, at; /* follows: bytes already printed, and where we are */
};

static const char *first_of(const char *a, const char *b, const char *c, const char *otherwise)
{
    const char *all[] = { a, b, c };

    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (all[i] && *all[i])
            return all[i];
    return otherwise;
}

/* Cut addresses and tokens would reach somebody else, or nobody. */
static bool put(char *out, size_t size, const char *what, const char *before, struct str text,
                const char *after)
{
    int n = snprintf(out, size, "%s%.*s%s", before, STR_ARG(text), after);

    if (n >= 0 && (size_t)n < size)
        return true;
    fprintf(stderr, "berth: %s is too long: it has %zu bytes, and %zu is the limit.\n", what,
            text.n, size - 1 - strlen(before) - strlen(after));
    return false;
}

/* Without a slash and "/v1" at the end. */
static struct str plain_url(struct str u)
{
    while (u.n && u.p[u.n - 1] == '/')
        u.n--;
    if (str_ends(u, "/v1"))
        u.n -= 3;
    return u;
}

bool remote_address(const struct given *g, struct remote *out)
{
    struct login kept;
    const char *url;

    login_read(&kept);
    url = first_of(given_flag(g, "--url"), getenv("BERTH_URL"), getenv("REPLICATE_BASE_URL"),
                   *kept.url ? kept.url : "http://127.0.0.1:8080");
    *out = (struct remote){ 0 };
    if (!str_starts(str_of(url), "http://") && !str_starts(str_of(url), "https://")) {
        fprintf(stderr,
                "berth: the server's address \"%s\" must begin with http:// or https:// (--url).\n",
                url);
        return false;
    }
    return put(out->url, sizeof(out->url), "the server's address", "", plain_url(str_of(url)), "");
}

/* A kept token goes only to the server that it was kept for. */
bool remote_public(const struct given *g, struct remote *out)
{
    struct login kept;
    const char *token;

    if (!remote_address(g, out))
        return false;
    login_read(&kept);
    token = first_of(given_flag(g, "--token"), getenv("BERTH_TOKEN"), getenv("REPLICATE_API_TOKEN"),
                     *kept.token && strcmp(kept.url, out->url) == 0 ? kept.token : NULL);
    if (!token) {
        fprintf(stderr, "berth: no token was given. Use `berth login`, --token, or set "
                        "BERTH_TOKEN. A token is made "
                        "with `berth token create ACCOUNT` on the server's machine.\n");
        return false;
    }
    return put(out->authorization, sizeof(out->authorization), "the token",
               "Authorization: Bearer ", str_of(token), "");
}

bool remote_admin(const struct given *g, struct remote *out)
{
    const char *data = first_of(given_flag(g, "--data"), getenv("BERTH_DATA"), NULL, "./data");
    int fd;

    *out = (struct remote){ 0 };
    snprintf(out->url, sizeof(out->url), "http://localhost");
    if (!put(out->folder, sizeof(out->folder), "the data folder's path", "", str_of(data), ""))
        return false;
    /* Through the folder's descriptor: the address of a socket has room for 107 bytes only. */
    fd = open(data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(out->socket, sizeof(out->socket), "/proc/self/fd/%d/admin.sock", fd);
    if (fd < 0 || access(out->socket, F_OK) != 0) {
        fprintf(stderr,
                "berth: no server runs on the data folder %s (there is no %s/admin.sock). Start it "
                "with `berth serve --data '%s'`, or name another folder with --data.\n",
                data, data, data);
        return false;
    }
    return true;
}

void answer_deinit(struct answer *a)
{
    buf_deinit(&a->body);
    arena_deinit(&a->arena);
}

static void on_done(struct http_call *call, const struct error *err)
{
    struct exchange *x = container_of(call, struct exchange, call);

    x->failed = err != NULL;
    if (err)
        x->error = *err;
    loop_stop(x->loop);
}

static bool on_data(struct http_call *call, struct str piece)
{
    struct exchange *x = container_of(call, struct exchange, call);
    size_t old = MIN(piece.n, *x->shown - MIN(*x->shown, x->at));

    x->at += piece.n;
    if (call->status >= 400)
        return true; /* the build's state will say what is wrong */
    fwrite(piece.p + old, 1, piece.n - old, stderr);
    *x->shown = MAX(*x->shown, x->at);
    return true;
}

static void run_exchange(struct exchange *x, const struct remote *r, const char *method,
                         const char *path, struct str body, const char *content_type)
{
    static const struct http_call_events collect = { .done = on_done };
    static const struct http_call_events follow = { .data = on_data, .done = on_done };
    struct buf url CLEANUP(buf_deinit) = BUF_INIT(8192);
    struct buf type CLEANUP(buf_deinit) = BUF_INIT(256);
    const char *headers[4] = { NULL };
    struct http_client *client;
    struct http_call_spec spec;
    int n = 0;

    buf_addf(&url, "%s%s", r->url, path);
    if (*r->authorization)
        headers[n++] = r->authorization;
    if (body.p) {
        buf_addf(&type, "Content-Type: %s", content_type);
        headers[n++] = type.p;
    }
    spec = (struct http_call_spec){
        .method = method,
        .url = url.p,
        .unix_socket = *r->socket ? r->socket : NULL,
        .headers = headers,
        .body = body,
    };
    x->loop = loop_new_real();
    client = http_client_new(x->loop);
    http_call_start(client, &x->call, &spec, x->shown ? &follow : &collect);
    loop_run(x->loop);
    http_client_free(client);
    loop_free(x->loop);
}

void remote_explain(const struct answer *a)
{
    struct str detail = json_to_str(json_get(a->json, "detail"));

    while (detail.n && detail.p[detail.n - 1] == '\n')
        detail.n--;
    if (detail.p)
        fprintf(stderr, "berth: %.*s\n", STR_ARG(detail));
    else
        fprintf(stderr, "berth: the server answered %d.\n", a->status);
}

/* The server's words for whatever is not there; they do not say what was asked for. */
#define NOT_THERE "The requested resource could not be found."

bool remote_try(const struct remote *r, const char *method, const char *path, struct str body,
                const char *content_type, struct answer *out)
{
    struct exchange x = { 0 };
    struct error err;

    *out = (struct answer){ 0 };
    run_exchange(&x, r, method, path, body, content_type);
    out->status = x.call.status;
    out->body = x.call.body;
    buf_deinit(&x.call.head);
    if (x.failed) {
        if (!r->is_quiet)
            fprintf(stderr, "berth: the server at %s does not answer: %s\n",
                    *r->socket ? r->folder : r->url, x.error.text);
        return false;
    }
    if (out->body.n == 0 ||
        json_parse(&out->arena, buf_str(&out->body), NULL, &out->json, &err) != STATUS_OK)
        out->json = NULL;
    return true;
}

bool remote_call(const struct remote *r, const char *method, const char *path, struct str body,
                 const char *content_type, struct answer *out)
{
    if (!remote_try(r, method, path, body, content_type, out))
        return false;
    if (out->status < 400)
        return true;
    if (out->status == 404 && str_is(json_to_str(json_get(out->json, "detail")), NOT_THERE))
        fprintf(stderr, "berth: there is nothing at %s: it does not exist, or is not yours.\n",
                path);
    else
        remote_explain(out);
    return false;
}

int admin_delete(const struct command *c, const char *const *args, const char *folder,
                 const char *said)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct answer a CLEANUP(answer_deinit) = { 0 };
    struct remote r;
    struct given g;

    if (!given_read(c, args, 1, 1, &g) || !remote_admin(&g, &r))
        return 2;
    buf_adds(&path, folder);
    percent_add(&path, str_of(g.positions[0]));
    if (!remote_call(&r, "DELETE", path.p, STR_NULL, NULL, &a))
        return 1;
    if (said)
        printf("%s %s\n", said, g.positions[0]);
    return 0;
}

void remote_follow(const struct remote *r, const char *path, size_t *shown)
{
    struct exchange x = { .shown = shown };

    run_exchange(&x, r, "GET", path, STR_NULL, NULL);
    buf_deinit(&x.call.body);
    buf_deinit(&x.call.head);
}
