/* SPDX-License-Identifier: Apache-2.0 */
/* Signing in with a token: guesses are counted for each address, and an account has so many
 * sessions at most. */
#include "api/session_impl.h"

#include "base/mem.h"

#include <stdlib.h>

enum { MAX_BODY = 1 << 20 };

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

    session_csrf(secret, csrf);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "csrf", csrf);
    json_key(&w, "accounts");
    json_begin_array(&w);
    list_each (&s->parts, x, struct part, node) {
        const struct api_account *who = session_part_token(a, x)->account;

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
        if (!session_tidy(a, s) || (x = session_part(s, account_id)) == NULL)
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
    session_part_free(oldest);
    (void)session_tidy(a, oldest_session);
}

static void signed_in(struct api *a, struct store_op *op)
{
    const struct session_row *row = &container_of(op, struct store_session_put, op)->row;

    session_put(a, row);
    make_room(a, row->account_id);
}

static void on_signed_in(struct http_request *r, struct store_op *op)
{
    struct store_session_put *stored = container_of(op, struct store_session_put, op);
    struct signing *x = container_of(stored, struct signing, put);
    struct session *s =
        map_get(&api_of(r)->sessions, str_make((const char *)stored->row.hash, SHA256_SIZE));

    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    if (!s || !session_tidy(api_of(r), s)) { /* its token was revoked meanwhile */
        session_refuse_nobody(r);
        return;
    }
    session_set_cookie(r, x->secret, api_of(r)->options->session_lifetime);
    answer_session(r, 201, s, str_of(x->secret));
}

/* Whether this address may still guess; a guess that was wrong costs one. */
bool session_may_guess(struct http_request *r, bool was_wrong)
{
    struct api *a = api_of(r);

    return api_address_may(&a->sign_ins, r, a->options->rate_limit_sign_ins, was_wrong);
}

bool session_refuse_guessing(struct http_request *r)
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
    if (!session_may_guess(r, false))
        return session_refuse_guessing(r);
    *out = api_token_find(api_of(r), str_trim(str_of(text)));
    if (!*out) {
        (void)session_may_guess(r, true);
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
        memcpy(x->secret, session_cookie(r).p, SECRET_LEN);
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
        answer_session(r, 200, s, session_cookie(r));
    else
        session_refuse_nobody(r);
}
