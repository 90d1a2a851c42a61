/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts and tokens, for whoever may open the socket in the data folder: that is what makes an
 * administrator. */
#include "api/api.h"
#include "base/clock.h"
#include "base/encode.h"
#include "core/webhook.h"

#include <stdlib.h>

static void show_token(struct json_writer *w, const struct token_row *t, const char *account)
{
    json_begin_object(w);
    json_member_string(w, "id", t->id);
    json_member_string(w, "account", account);
    json_member_string(w, "hint", t->hint);
    json_member_string(w, "label", t->label);
    show_time(w, "created_at", t->created_at);
    json_end_object(w);
}

/* --- accounts --- */

void admin_account_list(struct http_request *r)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(16 << 20);
    struct api *a = api_of(r);
    struct api_account *x;
    struct json_writer w;

    json_writer_init(&w, &body);
    json_begin_array(&w);
    for (size_t at = 0; map_next(&a->accounts, &at, NULL, (void **)&x);)
        show_account(&w, &x->info);
    json_end_array(&w);
    api_answer(r, 200, &body);
}

static void account_effect(struct api *a, struct store_op *op)
{
    struct store_account_create *c = container_of(op, struct store_account_create, op);

    api_account_add(a, &c->in);
}

static void on_account(struct http_request *r, struct store_op *op)
{
    struct store_account_create *c = container_of(op, struct store_account_create, op);
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(16 * 1024);
    struct json_writer w;

    if (op->status == STATUS_CONFLICT) {
        http_problem(r, 409, "Conflict", "An account named %s exists already.", c->in.username);
        return;
    }
    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    json_writer_init(&w, &body);
    show_account(&w, &c->in);
    api_answer(r, 201, &body);
}

void admin_account_create(struct http_request *r)
{
    static const char *const keys[] = {
        "username", "type", "name", "github_url", "avatar_url", NULL
    };
    struct store_account_create *op;
    struct account in = { 0 };
    const char *type;
    struct problems p;
    struct error err;
    char id[ID_SIZE], secret[WEBHOOK_SECRET_SIZE];

    if (!body_is_object(r))
        return;
    problems_init(&p, r);
    body_only(r, &p, keys);
    in.username = body_text(r, &p, "username", true, MAX_LABEL);
    if (in.username && !account_name_ok(str_of(in.username), &err))
        problems_add(&p, "username", "%s", err.text);
    type = body_text(r, &p, "type", true, MAX_NAME);
    if (type && !account_type_parse(str_of(type), &in.type))
        problems_add(&p, "type", "\"%.60s\" must be user or organization.", type);
    in.name = body_text(r, &p, "name", false, MAX_LABEL);
    in.github_url = body_url(r, &p, "github_url");
    in.avatar_url = body_url(r, &p, "avatar_url");
    if (problems_send(&p))
        return;
    op = api_op_new(sizeof(*op));
    id_make(&api_of(r)->fleet->ids, loop_wall_ms(r->loop), id);
    op->in = (struct account){
        .id = store_keep(&op->op, str_of(id)),
        .type = in.type,
        .username = store_keep(&op->op, str_of(in.username)),
        .name = store_keep(&op->op, str_of(in.name ? in.name : in.username)),
        .github_url = store_keep(&op->op, str_of(in.github_url)),
        .avatar_url = store_keep(&op->op, str_of(in.avatar_url)),
        .created_at = loop_wall_ms(r->loop),
    };
    webhook_secret_make(loop_rand(r->loop), secret);
    op->webhook_secret = store_keep(&op->op, str_of(secret));
    api_op_start_effect(r, &op->op, &STORE_ACCOUNT_CREATE, account_effect, on_account);
}

/* --- tokens --- */

static void show_new_token(struct http_request *r, struct store_op *op, struct json_writer *w)
{
    struct store_token_create *c = container_of(op, struct store_token_create, op);
    struct new_token *t = container_of(c, struct new_token, create);

    (void)r;
    json_begin_object(w);
    json_member_string(w, "id", c->in.id);
    json_member_string(w, "account", t->account);
    json_member_string(w, "token", t->token);
    json_end_object(w);
}

static void on_token(struct http_request *r, struct store_op *op)
{
    api_answer_op(r, op, 201, 4096, show_new_token);
}

static struct api_account *read_account(struct http_request *r, struct problems *p)
{
    const char *name = body_text(r, p, "account", true, MAX_LABEL);
    struct api_account *x = name ? map_get(&api_of(r)->by_name, str_of(name)) : NULL;

    if (name && !x)
        problems_add(p, "account", "There is no account named \"%.60s\". See `berth account list`.",
                     name);
    return x;
}

void admin_token_create(struct http_request *r)
{
    static const char *const keys[] = { "account", "label", NULL };
    struct api_account *x;
    const char *label;
    struct problems p;

    if (!body_is_object(r))
        return;
    problems_init(&p, r);
    body_only(r, &p, keys);
    x = read_account(r, &p);
    label = body_text(r, &p, "label", false, MAX_LABEL);
    if (problems_send(&p))
        return;
    api_token_make(r, x, label, on_token);
}

static void on_tokens(struct http_request *r, struct store_op *op)
{
    struct store_token_list *list = container_of(op, struct store_token_list, op);
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(16 << 20);
    struct json_writer w;

    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    json_writer_init(&w, &body);
    json_begin_array(&w);
    for (size_t i = 0; i < list->n; i++) {
        struct api_account *x = map_get(&api_of(r)->accounts, str_of(list->rows[i].account_id));

        show_token(&w, &list->rows[i], x ? x->info.username : NULL);
    }
    json_end_array(&w);
    api_answer(r, 200, &body);
}

void admin_token_list(struct http_request *r)
{
    struct str name = http_query(r, "account");
    struct api_account *x = name.p ? map_get(&api_of(r)->by_name, name) : NULL;
    struct store_token_list *op;

    if (name.p && !x) {
        http_problem(r, 404, NULL, "There is no account named \"%.*s\".", STR_ARG(name));
        return;
    }
    op = api_op_new(sizeof(*op));
    op->account_id = x ? store_keep(&op->op, str_of(x->info.id)) : NULL;
    api_op_start(r, &op->op, &STORE_TOKEN_LIST, on_tokens);
}

void admin_token_revoke(struct http_request *r)
{
    api_token_revoke(r, NULL);
}
