/* SPDX-License-Identifier: Apache-2.0 */
/* Collections of models, and the search over both. */
#include "store/collection.h"

#include "api/api.h"
#include "base/utf8.h"

enum { MAX_PAGE_BODY = 64 << 20, MAX_QUERY = 256, MOST_FOUND = 50, FOUND = 20 };

static void show_collection(struct json_writer *w, const struct collection_row *c)
{
    json_member_string(w, "name", c->name);
    json_member_string(w, "slug", c->slug);
    json_member_string(w, "description", c->description);
}

static void show_listed(struct http_request *r, struct json_writer *w, void *row)
{
    (void)r;
    json_begin_object(w);
    show_collection(w, row);
    json_end_object(w);
}

static void on_listed(struct http_request *r, struct store_op *op)
{
    struct store_collection_list *list = container_of(op, struct store_collection_list, op);

    api_answer_page(r, op, API_PAGE(list, id, show_listed), MAX_PAGE_BODY);
}

void collection_list(struct http_request *r)
{
    struct store_collection_list *op = api_op_new(sizeof(*op));

    if (!page_read(r, &op->op, PAGE_LARGE, &op->page))
        return;
    api_op_start(r, &op->op, &STORE_COLLECTION_LIST, on_listed);
}

static void show_shown(struct http_request *r, struct store_op *op, struct json_writer *w)
{
    struct store_collection_get *get = container_of(op, struct store_collection_get, op);

    json_begin_object(w);
    show_collection(w, &get->row);
    json_member_string(w, "full_description", get->row.full_description);
    json_key(w, "models");
    json_begin_array(w);
    for (size_t i = 0; i < get->n; i++)
        show_model(w, &get->models[i], &get->latest[i], api_base(r));
    json_end_array(w);
    json_end_object(w);
}

static void on_shown(struct http_request *r, struct store_op *op)
{
    api_answer_op(r, op, 200, MAX_PAGE_BODY, show_shown);
}

void collection_show(struct http_request *r)
{
    struct store_collection_get *op = api_op_new(sizeof(*op));

    op->slug = store_keep(&op->op, http_param(r, "slug"));
    op->viewer_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    api_op_start(r, &op->op, &STORE_COLLECTION_GET, on_shown);
}

/* --- search
 * --------------------------------------------------------------------------------------- */

static void show_found(struct json_writer *w, struct http_request *r, const struct store_search *s)
{
    json_key(w, "models");
    json_begin_array(w);
    for (size_t i = 0; i < s->models.n; i++) {
        json_begin_object(w);
        json_key(w, "model");
        show_model(w, &s->models.rows[i], &s->models.latest[i], api_base(r));
        json_member_raw(w, "metadata",
                        STR("{\"generated_description\":null,\"tags\":[],\"score\":null}"));
        json_end_object(w);
    }
    json_end_array(w);
    json_key(w, "collections");
    json_begin_array(w);
    for (size_t i = 0; i < s->n_collections; i++) {
        json_begin_object(w);
        show_collection(w, &s->collections[i]);
        json_member_null(w, "models");
        json_end_object(w);
    }
    json_end_array(w);
    json_key(w, "pages");
    json_begin_array(w);
    json_end_array(w);
}

static void show_searched(struct http_request *r, struct store_op *op, struct json_writer *w)
{
    struct store_search *s = container_of(op, struct store_search, models.op);

    json_begin_object(w);
    json_member_string(w, "query", s->models.search);
    show_found(w, r, s);
    json_end_object(w);
}

static void on_searched(struct http_request *r, struct store_op *op)
{
    api_answer_op(r, op, 200, MAX_PAGE_BODY, show_searched);
}

/* Needs no token; with one, its account's private models are found too. */
void search_show(struct http_request *r)
{
    struct str query = http_query(r, "query"), limit = http_query(r, "limit");
    const struct api_token *given = api_token_of(r);
    struct api *a = api_of(r);
    struct api_account *who = given ? given->account : NULL;
    struct store_search *s;
    int64_t n = FOUND;

    query = query.p ? str_trim(query) : query;
    if (!query.p || query.n == 0) {
        http_problem(r, 400, NULL, "Query parameter \"query\" is required");
        return;
    }
    if (query.n > MAX_QUERY || !utf8_valid(query) || memchr(query.p, '\0', query.n)) {
        http_problem(r, 400, NULL, "The query must be 1 to %d bytes of UTF-8.", MAX_QUERY);
        return;
    }
    if (limit.p && (!str_to_i64(limit, &n) || n < 1 || n > MOST_FOUND)) {
        http_problem(r, 400, NULL, "limit is \"%.*s\"; it must be from 1 to %d.", STR_ARG(limit),
                     MOST_FOUND);
        return;
    }
    if (!given && !api_address_may(&a->searches, r, a->options->rate_limit_searches, true)) {
        http_set_header(r, "Retry-After", "60");
        http_problem(r, 429, NULL,
                     "More searches without a token came from this address than one may have in a "
                     "minute (%lld, rate_limit_searches). Come again in a minute, or with a token.",
                     (long long)a->options->rate_limit_searches);
        return;
    }
    s = api_op_new(sizeof(*s));
    s->models.search = store_keep(&s->models.op, query);
    s->models.viewer_id = store_keep(&s->models.op, who ? str_of(who->info.id) : STR(""));
    s->models.page.limit = (int)n;
    api_op_start(r, &s->models.op, &STORE_SEARCH, on_searched);
}

/* --- administration
 * --------------------------------------------------------------------------------- */

static void on_changed(struct http_request *r, struct store_op *op)
{
    struct store_collection_put *put = container_of(op, struct store_collection_put, op);
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(MAX_PAGE_BODY);
    struct json_writer w;

    if (op->status == STATUS_NOT_FOUND) {
        http_problem(r, 404, NULL, "%s", op->error.text);
        return;
    }
    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    json_writer_init(&w, &body);
    json_begin_object(&w);
    show_collection(&w, &put->row);
    json_end_object(&w);
    api_answer(r, 200, &body);
}

static const char **read_models(struct http_request *r, struct problems *p, struct store_op *op,
                                const char *key, size_t *out_n)
{
    struct json *list = json_get(r->json, key);
    const char **refs;

    *out_n = 0;
    if (!list)
        return NULL;
    if (!json_is(list, JSON_ARRAY)) {
        problems_add(p, key, "This must be an array of \"owner/name\".");
        return NULL;
    }
    refs = arena_array(&op->arena, const char *, list->n + 1);
    json_each (list, v) {
        if (!json_is(v, JSON_STRING))
            problems_add(p, key, "This must be an array of \"owner/name\".");
        else
            refs[(*out_n)++] = store_keep(op, v->text);
    }
    return refs;
}

void admin_collection_put(struct http_request *r)
{
    static const char *const keys[] = { "name", "description", "full_description",
                                        "add",  "remove",      NULL };
    struct store_collection_put *op;
    struct problems p;
    struct error err;
    char id[ID_SIZE];

    if (!body_is_object(r))
        return;
    op = api_op_new(sizeof(*op));
    problems_init(&p, r);
    body_only(r, &p, keys);
    if (!object_name_ok(http_param(r, "slug"), "collection", &err))
        problems_add(&p, "slug", "%s", err.text);
    id_make(&api_of(r)->fleet->ids, loop_wall_ms(r->loop), id);
    op->now = loop_wall_ms(r->loop);
    op->in = (struct collection_row){
        .id = store_keep(&op->op, str_of(id)),
        .slug = store_keep(&op->op, http_param(r, "slug")),
        .name = store_keep(&op->op, str_of(body_text(r, &p, "name", false, MAX_LABEL))),
        .description =
            store_keep(&op->op, str_of(body_text(r, &p, "description", false, MAX_DESCRIPTION))),
        .full_description =
            store_keep(&op->op, str_of(body_text(r, &p, "full_description", false, MAX_README))),
        .created_at = op->now,
    };
    op->add = read_models(r, &p, &op->op, "add", &op->n_add);
    op->remove = read_models(r, &p, &op->op, "remove", &op->n_remove);
    if (problems_send(&p)) {
        api_op_drop(&op->op);
        return;
    }
    api_op_start(r, &op->op, &STORE_COLLECTION_PUT, on_changed);
}

static void on_gone(struct http_request *r, struct store_op *op)
{
    if (op->status == STATUS_NOT_FOUND)
        http_problem(r, 404, NULL, "%s", op->error.text);
    else if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        http_respond_empty(r, 204);
}

void admin_collection_delete(struct http_request *r)
{
    struct store_collection_delete *op = api_op_new(sizeof(*op));

    op->slug = store_keep(&op->op, http_param(r, "slug"));
    api_op_start(r, &op->op, &STORE_COLLECTION_DELETE, on_gone);
}
