/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of a body. A small one is read at once; a large one on another thread, so that nobody
 * else waits for it. Its bytes and values then belong to an object of their own, which the request
 * shares with whoever works on them further: the request may end meanwhile. */
#include "http/conn.h"

#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

struct http_kept {
    struct work work;
    struct http_server *server; /* drained only when all of these are gone */
    struct exchange *x;         /* NULL: the request has ended */
    struct arena arena;
    struct buf body;
    struct json *json;
    const struct json *twice;
    struct error err;
    enum status status;
    bool is_shallow;
    int refs;
};

static enum status parse_shallow(struct arena *a, struct str body, struct json **out_json,
                                 struct error *err)
{
    static const struct json_limits two = { .keep_depth = 2, .max_values = HTTP_SHALLOW_VALUES };
    static const struct json_limits one = { .keep_depth = 1, .max_values = HTTP_SHALLOW_VALUES };
    enum status s = json_parse(a, body, &two, out_json, err);

    return s == STATUS_TOO_LARGE ? json_parse(a, body, &one, out_json, err) : s;
}

static enum status parse(struct arena *a, struct str body, bool is_shallow, struct json **out_json,
                         const struct json **out_twice, struct error *err)
{
    static const struct json_limits limits = { .max_values = HTTP_JSON_VALUES };
    enum status s;

    *out_twice = NULL;
    if (is_shallow)
        return parse_shallow(a, body, out_json, err);
    s = json_parse(a, body, &limits, out_json, err);
    if (s == STATUS_OK)
        *out_twice = json_find_duplicate(*out_json);
    return s;
}

/* Whether the handler can have it; else the request was answered. */
static bool judge(struct http_request *r, enum status s, const struct json *twice,
                  const struct error *err)
{
    if (s != STATUS_OK)
        http_problem(r, 400, "Bad Request", "The body is not %s: %s.",
                     s == STATUS_TOO_LARGE ? "taken" : "valid JSON", err->text);
    else if (twice)
        http_problem(r, 400, "Bad Request", "The key \"%.*s\" is given more than once.",
                     STR_ARG(twice->key));
    return s == STATUS_OK && !twice;
}

static void read_work(struct work *w)
{
    struct http_kept *k = container_of(w, struct http_kept, work);

    k->status = parse(&k->arena, buf_str(&k->body), k->is_shallow, &k->json, &k->twice, &k->err);
}

static void on_read(struct work *w)
{
    struct http_kept *k = container_of(w, struct http_kept, work);
    struct exchange *x = k->x;

    if (x) {
        log_about(x->r.id);
        x->r.json = k->json;
        if (judge(&x->r, k->status, k->twice, &k->err))
            exchange_call(x);
        log_about(NULL);
        conn_kick(x->r.conn);
    }
    http_release(k);
}

bool reading_start(struct exchange *x)
{
    struct http_request *r = &x->r;
    bool is_shallow = r->route->flags & HTTP_BODY_SHALLOW;
    struct http_kept *k;
    const struct json *twice;
    struct error err;
    enum status s;

    if (str_trim(r->body).n == 0) {
        http_problem(r, 400, "Bad Request", "The body is empty; a JSON object is expected.");
        return false;
    }
    if (r->body.n <= HTTP_LARGE_BODY) {
        s = parse(&x->arena, r->body, is_shallow, &r->json, &twice, &err);
        return judge(r, s, twice, &err);
    }
    k = x->kept = xnew(struct http_kept);
    k->server = r->conn->server;
    k->server->n_handles++;
    k->x = x;
    k->is_shallow = is_shallow;
    k->refs = 2; /* the request's and the work's */
    k->body = x->body;
    x->body = (struct buf){ 0 };
    work_start(r->loop, &k->work, read_work, on_read);
    return false;
}

void reading_end(struct exchange *x)
{
    if (!x->kept)
        return;
    x->kept->x = NULL;
    http_release(x->kept);
}

struct http_kept *http_keep(struct http_request *r)
{
    struct http_kept *k = exchange_of(r)->kept;

    if (k)
        k->refs++;
    return k;
}

struct buf *http_body_memory(struct http_request *r)
{
    struct http_kept *k = exchange_of(r)->kept;

    return k ? &k->body : NULL;
}

static void free_work(struct work *w)
{
    struct http_kept *k = container_of(w, struct http_kept, work);

    arena_deinit(&k->arena);
    buf_deinit(&k->body);
}

static void on_freed(struct work *w)
{
    struct http_kept *k = container_of(w, struct http_kept, work);

    server_handle_gone(k->server);
    free(k);
}

/* Giving back much memory takes its time as well. */
void http_release(struct http_kept *k)
{
    if (k && --k->refs == 0)
        work_start(k->server->loop, &k->work, free_work, on_freed);
}
