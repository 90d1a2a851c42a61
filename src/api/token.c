/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of one's own account, and what making and revoking them has in common with the
 * administrator's. */
#include "api/api.h"
#include "base/encode.h"

enum { MAX_BODY = 16 << 20 };

static void create_effect(struct api *a, struct store_op *op)
{
    api_token_add(a, &container_of(op, struct store_token_create, op)->in);
}

void api_token_make(struct http_request *r, const struct api_account *x, const char *label,
                    void (*done)(struct http_request *r, struct store_op *op))
{
    struct new_token *t = api_op_new(sizeof(*t));
    struct store_op *op = &t->create.op;
    char id[ID_SIZE], hint[8];

    id_make(&api_of(r)->fleet->ids, loop_wall_ms(r->loop), id);
    id_token(loop_rand(r->loop), t->token);
    snprintf(hint, sizeof(hint), "%.6s", t->token);
    t->account = store_keep(op, str_of(x->info.username));
    t->create.in = (struct token_row){
        .id = store_keep(op, str_of(id)),
        .account_id = store_keep(op, str_of(x->info.id)),
        .hint = store_keep(op, str_of(hint)),
        .label = store_keep(op, str_of(label)),
        .created_at = loop_wall_ms(r->loop),
    };
    sha256(str_of(t->token), t->create.in.hash);
    api_op_start_effect(r, op, &STORE_TOKEN_CREATE, create_effect, done);
}

static void revoke_effect(struct api *a, struct store_op *op)
{
    api_token_remove(a, container_of(op, struct store_token_revoke, op)->hash);
}

static void on_revoked(struct http_request *r, struct store_op *op)
{
    if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        http_respond_empty(r, 204);
}

void api_token_revoke(struct http_request *r, const char *account_id)
{
    struct store_token_revoke *op = api_op_new(sizeof(*op));

    op->id = store_keep(&op->op, http_param(r, "id"));
    op->account_id = store_keep(&op->op, str_of(account_id));
    op->now = loop_wall_ms(r->loop);
    api_op_start_effect(r, &op->op, &STORE_TOKEN_REVOKE, revoke_effect, on_revoked);
}

/* --- one's own --- */

static void show_token(struct json_writer *w, struct http_request *r, const struct token_row *row,
                       const char *secret)
{
    const struct api_token *used = api_token_of(r);
    const struct api_token *live =
        map_get(&api_of(r)->tokens, str_make((const char *)row->hash, sizeof(row->hash)));

    json_begin_object(w);
    json_member_string(w, "id", row->id);
    json_member_string(w, "name", row->label);
    json_member_string(w, "hint", row->hint);
    if (secret)
        json_member_string(w, "token", secret);
    show_time(w, "created_at", row->created_at);
    show_time(w, "last_used_at", live ? live->used_at : row->last_used_at);
    json_member_bool(w, "current", used && strcmp(used->id, row->id) == 0);
    json_end_object(w);
}

static void show_list(struct http_request *r, struct store_op *op, struct json_writer *w)
{
    const struct store_token_list *list = container_of(op, struct store_token_list, op);

    page_begin(r, w, &(struct page_info){ .has_next = false }, NULL, NULL);
    for (size_t i = list->n; i-- > 0;)
        show_token(w, r, &list->rows[i], NULL);
    page_end(w);
}

static void on_listed(struct http_request *r, struct store_op *op)
{
    api_answer_op(r, op, 200, MAX_BODY, show_list);
}

void token_list(struct http_request *r)
{
    struct store_token_list *op = api_op_new(sizeof(*op));

    op->account_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    api_op_start(r, &op->op, &STORE_TOKEN_LIST, on_listed);
}

static void show_created(struct http_request *r, struct store_op *op, struct json_writer *w)
{
    struct store_token_create *c = container_of(op, struct store_token_create, op);
    const char *secret = container_of(c, struct new_token, create)->token;

    http_set_header(r, "Cache-Control", "no-store");
    show_token(w, r, &c->in, secret);
}

static void on_created(struct http_request *r, struct store_op *op)
{
    api_answer_op(r, op, 201, MAX_BODY, show_created);
}

static int64_t count_tokens(const struct api *a, const struct api_account *x)
{
    struct api_token *t;
    int64_t n = 0;

    for (size_t at = 0; map_next(&a->tokens, &at, NULL, (void **)&t);)
        n += t->account == x;
    return n;
}

void token_create(struct http_request *r)
{
    static const char *const keys[] = { "name", NULL };
    int64_t most = api_of(r)->options->max_tokens;
    const char *name;
    struct problems p;

    if (!body_is_object(r))
        return;
    problems_init(&p, r);
    body_only(r, &p, keys);
    name = body_text(r, &p, "name", false, MAX_LABEL);
    if (count_tokens(api_of(r), account_of(r)) >= most)
        problems_add(&p, NULL,
                     "The account has %lld tokens, as many as it may (max_tokens). Revoke one that "
                     "is not used any more.",
                     (long long)most);
    if (!problems_send(&p))
        api_token_make(r, account_of(r), name, on_created);
}

void token_revoke(struct http_request *r)
{
    api_token_revoke(r, account_of(r)->info.id);
}
