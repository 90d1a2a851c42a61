/* SPDX-License-Identifier: Apache-2.0 */
#include "api/session_impl.h"

#include "api/events.h"
#include "base/encode.h"
#include "base/mem.h"

#include <stdlib.h>

#define COOKIE "berth_session_"

static struct str key_of(const unsigned char hash[SHA256_SIZE])
{
    return str_make((const char *)hash, SHA256_SIZE);
}

/* --- what there is --- */

void session_part_free(struct part *x)
{
    list_remove(&x->node);
    free(x);
}

static void session_free(struct api *a, struct session *s)
{
    struct part *x;

    list_each (&s->parts, x, struct part, node)
        session_part_free(x);
    map_remove(&a->sessions, key_of(s->hash));
    free(s);
}

struct part *session_part(struct session *s, const char *account_id)
{
    struct part *x;

    list_each (&s->parts, x, struct part, node)
        if (strcmp(x->account_id, account_id) == 0)
            return x;
    return NULL;
}

struct api_token *session_part_token(struct api *a, const struct part *x)
{
    return x->expires_at > loop_wall_ms(a->loop) ? map_get(&a->tokens, key_of(x->token)) : NULL;
}

bool session_tidy(struct api *a, struct session *s)
{
    struct part *x;

    list_each (&s->parts, x, struct part, node)
        if (!session_part_token(a, x))
            session_part_free(x);
    if (!list_empty(&s->parts))
        return true;
    session_free(a, s);
    return false;
}

void session_put(struct api *a, const struct session_row *row)
{
    struct session *s = map_get(&a->sessions, key_of(row->hash));
    struct part *x = s ? session_part(s, row->account_id) : NULL;

    if (!s) {
        s = xnew(struct session);
        memcpy(s->hash, row->hash, SHA256_SIZE);
        list_init(&s->parts);
        map_put(&a->sessions, key_of(s->hash), s);
    }
    if (x)
        session_part_free(x);
    x = xnew(struct part);
    snprintf(x->account_id, sizeof(x->account_id), "%s", row->account_id);
    memcpy(x->token, row->token_hash, SHA256_SIZE);
    x->created_at = row->created_at;
    x->expires_at = row->expires_at;
    list_push(&s->parts, &x->node);
}

enum status sessions_load(struct api *a, struct error *err)
{
    struct store_session_list op = { .now = loop_wall_ms(a->loop) };
    enum status s = store_run(a->store, &op.op, &STORE_SESSION_LIST);

    if (s != STATUS_OK)
        *err = op.op.error;
    for (size_t i = 0; s == STATUS_OK && i < op.n; i++)
        session_put(a, &op.rows[i]);
    store_op_deinit(&op.op);
    return s;
}

void sessions_free(struct api *a)
{
    struct session *s;

    for (size_t at = 0; map_next(&a->sessions, &at, NULL, (void **)&s);)
        session_free(a, s);
    map_deinit(&a->sessions);
    api_addresses_free(&a->sign_ins);
}

/* --- the cookie --- */

/* A browser keeps cookies by host and leaves the port aside, so two servers of one host would sign
 * each other's people out: the port is a part of the name. It is the one that the browser wrote
 * (Host, or what a trusted proxy says of it), which is what tells two servers apart for it. The
 * listener's own port does not (containers listen on the same one, and are mapped to others), nor
 * does public_url, for a page that was opened by another address. A proxy that puts an address of
 * its own into Host puts the same one each time: that is a name as good as any. */
static struct str port_of(const struct http_request *r)
{
    struct str url = http_base_url(r), host = url;
    const char *colon;

    str_split(&host, ':', &url); /* the scheme */
    colon = memrchr(host.p, ':', host.n);
    if (colon && colon + 1 < host.p + host.n && host.p[host.n - 1] != ']')
        return str_make(colon + 1, (size_t)(host.p + host.n - colon - 1));
    return str_is(url, "https") ? STR("443") : STR("80");
}

struct str session_cookie(const struct http_request *r)
{
    struct str rest = http_header(r, "cookie"), pair, name, port = { 0 };

    while (str_split(&rest, ';', &pair)) {
        pair = str_trim(pair);
        str_split(&pair, '=', &name);
        if (!str_starts(name, COOKIE) || pair.n != SECRET_LEN)
            continue;
        if (!port.p)
            port = port_of(r);
        name.p += strlen(COOKIE);
        name.n -= strlen(COOKIE);
        if (str_eq(name, port))
            return pair;
    }
    return STR_NULL;
}

bool session_is(const struct http_request *r)
{
    return !http_header(r, "authorization").p && session_cookie(r).p;
}

struct session *session_find(const struct http_request *r)
{
    struct str secret = session_cookie(r);
    unsigned char hash[SHA256_SIZE];
    struct session *s;

    if (!secret.p)
        return NULL;
    sha256(secret, hash);
    s = map_get(&api_of(r)->sessions, key_of(hash));
    return s && session_tidy(api_of(r), s) ? s : NULL;
}

void session_csrf(struct str secret, char out[CSRF_SIZE])
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(CSRF_SIZE);
    unsigned char hash[SHA256_SIZE];

    hmac_sha256(secret, STR("berth csrf"), hash);
    hex_add(&text, hash, sizeof(hash));
    memcpy(out, text.p, CSRF_SIZE);
}

static bool has_csrf(const struct http_request *r)
{
    struct str given = http_header(r, "berth-csrf");
    char right[CSRF_SIZE];

    session_csrf(session_cookie(r), right);
    return given.n == CSRF_SIZE - 1 && bytes_equal_constant_time(given.p, right, given.n);
}

void session_set_cookie(struct http_request *r, const char *secret, int64_t lifetime_ms)
{
    bool is_secure = str_starts(http_base_url(r), "https:");
    struct str port = port_of(r);

    http_set_header(
        r, "Set-Cookie",
        arena_printf(r->arena, COOKIE "%.*s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld%s",
                     STR_ARG(port), secret, (long long)(lifetime_ms / 1000),
                     is_secure ? "; Secure" : ""));
}

/* --- who acts --- */

static struct part *part_acting(const struct http_request *r, struct session *s)
{
    struct str wanted = http_header(r, "berth-account");
    struct api_account *x;

    if (!wanted.p && strcmp(r->route->name, "events") == 0) /* an EventSource has no fields */
        wanted = http_query(r, "account");
    if (!wanted.p)
        return container_of(s->parts.prev, struct part, node);
    x = map_get(&api_of(r)->by_name, wanted);
    return x ? session_part(s, x->info.id) : NULL;
}

struct api_token *session_token(const struct http_request *r)
{
    struct session *s = session_find(r);
    struct part *x = s ? part_acting(r, s) : NULL;

    return x ? session_part_token(api_of(r), x) : NULL;
}

const unsigned char *session_hash(const struct http_request *r)
{
    struct session *s = session_is(r) ? session_find(r) : NULL;

    return s ? s->hash : NULL;
}

bool session_holds(struct api *a, const unsigned char hash[32], const char *account_id)
{
    struct session *s = map_get(&a->sessions, key_of(hash));

    return s && session_part(s, account_id);
}

void session_refuse_nobody(struct http_request *r)
{
    http_problem(r, 401, "Unauthenticated",
                 "Nobody is signed in with this browser, or no longer. Sign in with a token.");
}

static bool refuse_csrf(struct http_request *r)
{
    http_problem(r, 403, NULL,
                 "A request by cookie that changes something needs the field Berth-CSRF with the "
                 "`csrf` that GET /session answers.");
    return false;
}

struct api_token *session_enter(struct http_request *r)
{
    struct session *s = session_find(r);
    struct str wanted = http_header(r, "berth-account");
    struct api_token *t;

    if (!s) {
        session_refuse_nobody(r);
        return NULL;
    }
    if (strcmp(r->method, "GET") != 0 && !has_csrf(r)) {
        refuse_csrf(r);
        return NULL;
    }
    t = session_token(r);
    if (!t)
        http_problem(r, 403, NULL,
                     "The account \"%.*s\" (Berth-Account) is not signed in with this browser.",
                     (int)MIN(wanted.n, (size_t)MAX_NAME), wanted.p ? wanted.p : "");
    return t;
}

/* --- sign-out --- */

static void signed_out(struct api *a, struct store_op *op)
{
    struct store_session_end *end = container_of(op, struct store_session_end, op);
    struct session *s = map_get(&a->sessions, key_of(end->hash));
    struct part *x = s && end->account_id ? session_part(s, end->account_id) : NULL;

    if (x)
        session_part_free(x);
    if (s && (!end->account_id || list_empty(&s->parts)))
        session_free(a, s);
    events_look(a);
}

static void on_signed_out(struct http_request *r, struct store_op *op)
{
    struct store_session_end *end = container_of(op, struct store_session_end, op);

    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    if (!map_get(&api_of(r)->sessions, key_of(end->hash)))
        session_set_cookie(r, "", 0);
    http_respond_empty(r, 204);
}

void session_leave(struct http_request *r)
{
    struct session *s = session_find(r);
    struct str name = http_query(r, "account");
    struct api_account *who = name.p ? map_get(&api_of(r)->by_name, name) : NULL;
    struct store_session_end *op;

    if (!s) {
        session_set_cookie(r, "", 0);
        http_respond_empty(r, 204);
        return;
    }
    if (!has_csrf(r)) {
        refuse_csrf(r);
        return;
    }
    if (name.p && (!who || !session_part(s, who->info.id))) {
        http_problem(r, 404, NULL, "The account \"%.*s\" is not signed in with this browser.",
                     (int)MIN(name.n, (size_t)MAX_NAME), name.p);
        return;
    }
    op = api_op_new(sizeof(*op));
    memcpy(op->hash, s->hash, SHA256_SIZE);
    op->account_id = who ? store_keep(&op->op, str_of(who->info.id)) : NULL;
    api_op_start_effect(r, &op->op, &STORE_SESSION_END, signed_out, on_signed_out);
}
