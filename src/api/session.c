/* SPDX-License-Identifier: Apache-2.0 */
#include "api/session.h"

#include "api/events.h"
#include "base/encode.h"
#include "base/mem.h"
#include "store/session.h"

#include <stdlib.h>

#define COOKIE "berth_session"

enum {
    SECRET_LEN = 52, /* 256 bits */
    CSRF_SIZE = 2 * SHA256_SIZE + 1,
    MAX_BODY = 1 << 20,
    MAX_ADDRESSES = 10000, /* that tried in vain and are remembered */
};

/* An account that is signed in. */
struct part {
    struct list node; /* session->parts, in the order in which they signed in */
    char account_id[ID_SIZE];
    unsigned char token[SHA256_SIZE];
    int64_t created_at, expires_at;
};

struct session {
    unsigned char hash[SHA256_SIZE];
    struct list parts;
};

static struct str key_of(const unsigned char hash[SHA256_SIZE])
{
    return str_make((const char *)hash, SHA256_SIZE);
}

/* --- what there is --- */

static void part_free(struct part *x)
{
    list_remove(&x->node);
    free(x);
}

static void session_free(struct api *a, struct session *s)
{
    struct part *x;

    list_each (&s->parts, x, struct part, node)
        part_free(x);
    map_remove(&a->sessions, key_of(s->hash));
    free(s);
}

static struct part *part_find(struct session *s, const char *account_id)
{
    struct part *x;

    list_each (&s->parts, x, struct part, node)
        if (strcmp(x->account_id, account_id) == 0)
            return x;
    return NULL;
}

/* What a part stands for, while it is good; NULL. */
static struct api_token *token_of(struct api *a, const struct part *x)
{
    return x->expires_at > loop_wall_ms(a->loop) ? map_get(&a->tokens, key_of(x->token)) : NULL;
}

/* Drops what is over. False when nothing is left, and the session is gone. */
static bool tidy(struct api *a, struct session *s)
{
    struct part *x;

    list_each (&s->parts, x, struct part, node)
        if (!token_of(a, x))
            part_free(x);
    if (!list_empty(&s->parts))
        return true;
    session_free(a, s);
    return false;
}

static void put(struct api *a, const struct session_row *row)
{
    struct session *s = map_get(&a->sessions, key_of(row->hash));
    struct part *x = s ? part_find(s, row->account_id) : NULL;

    if (!s) {
        s = xnew(struct session);
        memcpy(s->hash, row->hash, SHA256_SIZE);
        list_init(&s->parts);
        map_put(&a->sessions, key_of(s->hash), s);
    }
    if (x)
        part_free(x);
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
        put(a, &op.rows[i]);
    store_op_deinit(&op.op);
    return s;
}

void sessions_free(struct api *a)
{
    struct session *s;
    void *bucket;

    for (size_t at = 0; map_next(&a->sessions, &at, NULL, (void **)&s);)
        session_free(a, s);
    for (size_t at = 0; map_next(&a->sign_ins, &at, NULL, &bucket);)
        free(bucket);
    map_deinit(&a->sessions);
    map_deinit(&a->sign_ins);
}

/* --- the cookie --- */

static struct str cookie_of(const struct http_request *r)
{
    struct str rest = http_header(r, "cookie"), pair, name;

    while (str_split(&rest, ';', &pair)) {
        pair = str_trim(pair);
        str_split(&pair, '=', &name);
        if (str_is(name, COOKIE) && pair.n == SECRET_LEN)
            return pair;
    }
    return STR_NULL;
}

bool session_is(const struct http_request *r)
{
    return !http_header(r, "authorization").p && cookie_of(r).p;
}

static struct session *session_find(const struct http_request *r)
{
    struct str secret = cookie_of(r);
    unsigned char hash[SHA256_SIZE];
    struct session *s;

    if (!secret.p)
        return NULL;
    sha256(secret, hash);
    s = map_get(&api_of(r)->sessions, key_of(hash));
    return s && tidy(api_of(r), s) ? s : NULL;
}

/* What a page reads with GET /session and gives back with what it changes. It follows from the
 * secret, which does not follow from it. */
static void csrf_make(struct str secret, char out[CSRF_SIZE])
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

    csrf_make(cookie_of(r), right);
    return given.n == CSRF_SIZE - 1 && bytes_equal_constant_time(given.p, right, given.n);
}

static void set_cookie(struct http_request *r, const char *secret, int64_t lifetime_ms)
{
    bool is_secure = str_starts(http_base_url(r), "https:");

    http_set_header(
        r, "Set-Cookie",
        arena_printf(r->arena, COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld%s",
                     secret, (long long)(lifetime_ms / 1000), is_secure ? "; Secure" : ""));
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
    return x ? part_find(s, x->info.id) : NULL;
}

struct api_token *session_token(const struct http_request *r)
{
    struct session *s = session_find(r);
    struct part *x = s ? part_acting(r, s) : NULL;

    return x ? token_of(api_of(r), x) : NULL;
}

const unsigned char *session_hash(const struct http_request *r)
{
    struct session *s = session_is(r) ? session_find(r) : NULL;

    return s ? s->hash : NULL;
}

bool session_holds(struct api *a, const unsigned char hash[32], const char *account_id)
{
    struct session *s = map_get(&a->sessions, key_of(hash));

    return s && part_find(s, account_id);
}

static void refuse_nobody(struct http_request *r)
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
        refuse_nobody(r);
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

/* --- sign-in --- */

struct signing {
    struct store_session_put put;
    char secret[SECRET_LEN + 1];
};

static void answer_session(struct http_request *r, int status, struct session *s, struct str secret)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(MAX_BODY);
    struct api *a = api_of(r);
    const char *current = NULL;
    char csrf[CSRF_SIZE];
    struct json_writer w;
    struct part *x;

    csrf_make(secret, csrf);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "csrf", csrf);
    json_key(&w, "accounts");
    json_begin_array(&w);
    list_each (&s->parts, x, struct part, node) {
        const struct api_account *who = token_of(a, x)->account;

        show_account(&w, &who->info);
        current = who->info.username;
    }
    json_end_array(&w);
    json_member_string(&w, "current", current);
    json_end_object(&w);
    http_set_header(r, "Cache-Control", "no-store");
    api_answer(r, status, &body);
}

static void on_end_stored(struct store_op *op)
{
    api_op_drop(op);
}

/* An account is signed in with so many browsers at most: what is oldest goes. */
static void make_room(struct api *a, const char *account_id)
{
    struct session *s, *oldest_session = NULL;
    struct store_session_end *op;
    struct part *x, *oldest = NULL;
    int64_t n = 0;

    for (size_t at = 0; map_next(&a->sessions, &at, NULL, (void **)&s);) {
        if (!tidy(a, s) || (x = part_find(s, account_id)) == NULL)
            continue;
        n++;
        if (!oldest || x->created_at < oldest->created_at) {
            oldest = x;
            oldest_session = s;
        }
    }
    if (n <= a->options->max_sessions)
        return;
    op = api_op_new(sizeof(*op));
    memcpy(op->hash, oldest_session->hash, SHA256_SIZE);
    op->account_id = store_keep(&op->op, str_of(account_id));
    store_start(a->store, &op->op, &STORE_SESSION_END, on_end_stored);
    part_free(oldest);
    (void)tidy(a, oldest_session);
}

static void signed_in(struct api *a, struct store_op *op)
{
    const struct session_row *row = &container_of(op, struct store_session_put, op)->row;

    put(a, row);
    make_room(a, row->account_id);
}

static void on_signed_in(struct http_request *r, struct store_op *op)
{
    struct store_session_put *stored = container_of(op, struct store_session_put, op);
    struct signing *x = container_of(stored, struct signing, put);
    struct session *s = map_get(&api_of(r)->sessions, key_of(stored->row.hash));

    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    if (!s || !tidy(api_of(r), s)) { /* its token was revoked meanwhile */
        refuse_nobody(r);
        return;
    }
    set_cookie(r, x->secret, api_of(r)->options->session_lifetime);
    answer_session(r, 201, s, str_of(x->secret));
}

/* Those that have waited long enough are as good as never seen. */
static void forget_addresses(struct api *a)
{
    void *bucket;

    if (a->sign_ins.n < MAX_ADDRESSES)
        return;
    for (size_t at = 0; map_next(&a->sign_ins, &at, NULL, &bucket);)
        free(bucket);
    map_deinit(&a->sign_ins);
    map_init(&a->sign_ins);
}

/* Whether this address may still guess; a guess that was wrong costs one. */
static bool may_guess(struct http_request *r, bool was_wrong)
{
    struct api *a = api_of(r);
    int64_t limit = a->options->rate_limit_sign_ins;
    struct bucket *b = map_get(&a->sign_ins, r->peer);

    if (limit == 0 || (!b && !was_wrong))
        return true;
    if (!b) {
        forget_addresses(a);
        b = xnew(struct bucket);
        b->level = (double)limit;
        b->at_ms = loop_now_ms(a->loop);
        map_put(&a->sign_ins, r->peer, b);
    }
    bucket_refill(b, limit, loop_now_ms(a->loop));
    if (b->level < 1)
        return false;
    b->level -= was_wrong;
    return true;
}

static bool refuse_guessing(struct http_request *r)
{
    http_set_header(r, "Retry-After", "60");
    http_problem(r, 429, NULL,
                 "Too many tokens that are none were tried from this address. Come again in a "
                 "minute.");
    return false;
}

/* Another site's page must not choose whom a browser acts for. */
static bool is_foreign(const struct http_request *r)
{
    struct str site = http_header(r, "sec-fetch-site");

    return site.p && !str_is(site, "same-origin") && !str_is(site, "none");
}

static bool read_token(struct http_request *r, struct api_token **out)
{
    static const char *const keys[] = { "token", NULL };
    const char *text;
    struct problems p;

    if (is_foreign(r)) {
        http_problem(r, 403, NULL, "Only a page of this server can sign in to it.");
        return false;
    }
    if (!body_is_object(r))
        return false;
    problems_init(&p, r);
    body_only(r, &p, keys);
    text = body_text(r, &p, "token", true, MAX_LABEL);
    if (problems_send(&p))
        return false;
    if (!may_guess(r, false))
        return refuse_guessing(r);
    *out = api_token_find(api_of(r), str_trim(str_of(text)));
    if (!*out) {
        (void)may_guess(r, true);
        http_problem(r, 401, "Unauthenticated",
                     "This is not a valid token. `berth token create` makes one.");
    }
    return *out != NULL;
}

void session_begin(struct http_request *r)
{
    struct api_token *t = NULL;
    struct session *s;
    struct signing *x;
    struct store_op *op;

    if (!read_token(r, &t))
        return;
    s = session_find(r);
    x = api_op_new(sizeof(*x));
    op = &x->put.op;
    if (s)
        memcpy(x->secret, cookie_of(r).p, SECRET_LEN);
    else
        id_secret(loop_rand(r->loop), SECRET_LEN, x->secret);
    sha256(str_of(x->secret), x->put.row.hash);
    x->put.row.account_id = store_keep(op, str_of(t->account->info.id));
    x->put.row.token_id = store_keep(op, str_of(t->id));
    memcpy(x->put.row.token_hash, t->hash, SHA256_SIZE);
    x->put.row.created_at = loop_wall_ms(r->loop);
    x->put.row.expires_at = x->put.row.created_at + api_of(r)->options->session_lifetime;
    api_op_start_effect(r, op, &STORE_SESSION_PUT, signed_in, on_signed_in);
}

void session_show(struct http_request *r)
{
    struct session *s = session_find(r);

    if (s)
        answer_session(r, 200, s, cookie_of(r));
    else
        refuse_nobody(r);
}

/* --- sign-out --- */

static void signed_out(struct api *a, struct store_op *op)
{
    struct store_session_end *end = container_of(op, struct store_session_end, op);
    struct session *s = map_get(&a->sessions, key_of(end->hash));
    struct part *x = s && end->account_id ? part_find(s, end->account_id) : NULL;

    if (x)
        part_free(x);
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
        set_cookie(r, "", 0);
    http_respond_empty(r, 204);
}

void session_leave(struct http_request *r)
{
    struct session *s = session_find(r);
    struct str name = http_query(r, "account");
    struct api_account *who = name.p ? map_get(&api_of(r)->by_name, name) : NULL;
    struct store_session_end *op;

    if (!s) {
        set_cookie(r, "", 0);
        http_respond_empty(r, 204);
        return;
    }
    if (!has_csrf(r)) {
        refuse_csrf(r);
        return;
    }
    if (name.p && (!who || !part_find(s, who->info.id))) {
        http_problem(r, 404, NULL, "The account \"%.*s\" is not signed in with this browser.",
                     (int)MIN(name.n, (size_t)MAX_NAME), name.p);
        return;
    }
    op = api_op_new(sizeof(*op));
    memcpy(op->hash, s->hash, SHA256_SIZE);
    op->account_id = who ? store_keep(&op->op, str_of(who->info.id)) : NULL;
    api_op_start_effect(r, &op->op, &STORE_SESSION_END, signed_out, on_signed_out);
}
