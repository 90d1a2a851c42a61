/* SPDX-License-Identifier: Apache-2.0 */
/* Models. */
#include "api/api.h"
#include "base/utf8.h"

#include <stdlib.h>

enum { MAX_PAGE_BODY = 64 << 20, MAX_SEARCH = 256 };

static void answer_model(struct http_request *r, int status, const struct model_row *m,
                         const struct version_row *latest)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(MAX_PAGE_BODY);
    struct json_writer w;

    json_writer_init(&w, &body);
    show_model(&w, m, latest, api_base(r));
    api_answer(r, status, &body);
}

/* --- lists --- */

static void show_listed(struct http_request *r, struct store_op *op, struct json_writer *w)
{
    struct store_model_list *list = container_of(op, struct store_model_list, op);

    page_begin(r, w, &list->info, list->n ? list->cursors[0] : NULL,
               list->n ? list->cursors[list->n - 1] : NULL);
    for (size_t i = 0; i < list->n; i++)
        show_model(w, &list->rows[i], &list->latest[i], api_base(r));
    page_end(w);
}

static void on_listed(struct http_request *r, struct store_op *op)
{
    api_answer_op(r, op, 200, MAX_PAGE_BODY, show_listed);
}

static bool read_sort(struct http_request *r, struct store_model_list *op)
{
    struct str by = http_query(r, "sort_by"), direction = http_query(r, "sort_direction");

    if (by.p && !str_is(by, "latest_version_created_at") && !str_is(by, "model_created_at")) {
        http_problem(
            r, 400, NULL,
            "sort_by is \"%.*s\"; it must be latest_version_created_at or model_created_at.",
            STR_ARG(by));
        return false;
    }
    if (direction.p && !str_is(direction, "asc") && !str_is(direction, "desc")) {
        http_problem(r, 400, NULL, "sort_direction is \"%.*s\"; it must be asc or desc.",
                     STR_ARG(direction));
        return false;
    }
    op->sort = str_is(by, "model_created_at") ? MODEL_SORT_CREATED : MODEL_SORT_VERSION;
    op->ascending = str_is(direction, "asc");
    return true;
}

/* `viewer`: whose private models are listed too; "": nobody's. */
static void list_models(struct http_request *r, const char *search, const char *viewer)
{
    struct store_model_list *op = api_op_new(sizeof(*op));

    op->search = store_keep(&op->op, str_of(search));
    op->viewer_id = store_keep(&op->op, str_of(viewer));
    if (!read_sort(r, op)) {
        api_op_drop(&op->op);
        return;
    }
    if (!page_read(r, &op->op, PAGE_SMALL, &op->page))
        return;
    api_op_start(r, &op->op, &STORE_MODEL_LIST, on_listed);
}

void model_list(struct http_request *r)
{
    bool lists_own = api_of(r)->options->list_private_models || http_query(r, "owner").n > 0;

    list_models(r, NULL, lists_own ? account_of(r)->info.id : "");
}

/* The text comes bare, or as a JSON string from clients that serialise every body. */
void model_search(struct http_request *r)
{
    struct str text = str_trim(r->body);
    struct json *v;
    struct error err;

    if (text.n > 1 && text.p[0] == '"' && json_parse(r->arena, text, NULL, &v, &err) == STATUS_OK &&
        json_is(v, JSON_STRING))
        text = v->text;
    if (text.n == 0 || text.n > MAX_SEARCH || !utf8_valid(text) || memchr(text.p, '\0', text.n)) {
        http_problem(r, 400, NULL,
                     "The body must be the text to search for, 1 to %d bytes of UTF-8.",
                     MAX_SEARCH);
        return;
    }
    list_models(r, arena_copy(r->arena, text), account_of(r)->info.id);
}

/* --- one model --- */

static void on_shown(struct http_request *r, struct store_op *op)
{
    struct store_model_get *get = container_of(op, struct store_model_get, op);

    if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        answer_model(r, 200, &get->row, &get->latest);
}

static void get_model(struct http_request *r,
                      void (*done)(struct http_request *, struct store_op *))
{
    struct store_model_get *op = api_op_new(sizeof(*op));

    api_op_target(r, &op->op, &op->owner, &op->name, &op->viewer_id);
    api_op_start(r, &op->op, &STORE_MODEL_GET, done);
}

void model_show(struct http_request *r)
{
    get_model(r, on_shown);
}

static void on_readme(struct http_request *r, struct store_op *op)
{
    struct store_model_get *get = container_of(op, struct store_model_get, op);

    if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else if (!get->row.readme)
        api_not_found(r);
    else
        http_respond(r, 200, "text/plain; charset=utf-8", str_of(get->row.readme));
}

void model_readme(struct http_request *r)
{
    get_model(r, on_readme);
}

/* --- create --- */

static void on_created(struct http_request *r, struct store_op *op)
{
    struct store_model_create *create = container_of(op, struct store_model_create, op);

    if (op->status == STATUS_CONFLICT) {
        api_exists_already(r, "A model");
        return;
    }
    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    answer_model(r, 201, &create->in, NULL);
}

static const char *read_hardware(struct http_request *r, struct problems *p, bool required)
{
    const struct sku *sku = body_sku(r, p, required);

    return sku ? sku->sku : NULL;
}

static void read_visibility(struct http_request *r, struct problems *p, bool required,
                            struct model_row *m)
{
    const char *v = body_text(r, p, "visibility", required, MAX_NAME);

    if (!v)
        return;
    if (strcmp(v, "public") != 0 && strcmp(v, "private") != 0)
        problems_add(p, "visibility", "\"%.60s\" must be \"public\" or \"private\".", v);
    m->is_public = strcmp(v, "public") == 0;
}

void model_create(struct http_request *r)
{
    static const char *const keys[] = { "owner",     "name",        "visibility",
                                        "hardware",  "description", "github_url",
                                        "paper_url", "license_url", "cover_image_url",
                                        NULL };
    struct api *a = api_of(r);
    const struct account *me = &account_of(r)->info;
    struct store_model_create *op;
    struct model_row m = { .owner_id = me->id, .owner = me->username };
    const char *owner;
    struct problems p;
    struct error err;
    char id[ID_SIZE];

    if (!body_is_object(r))
        return;
    problems_init(&p, r);
    body_only(r, &p, keys);
    owner = body_text(r, &p, "owner", true, MAX_LABEL);
    if (owner && strcmp(owner, me->username) != 0)
        problems_add(&p, "owner", "\"%.60s\" is not the account of this token: it must be \"%s\".",
                     owner, me->username);
    m.name = body_text(r, &p, "name", true, MAX_LABEL);
    if (m.name && !object_name_ok(str_of(m.name), "model", &err))
        problems_add(&p, "name", "%s", err.text);
    read_visibility(r, &p, true, &m);
    m.hardware = read_hardware(r, &p, true);
    m.description = body_text(r, &p, "description", false, MAX_DESCRIPTION);
    m.github_url = body_url(r, &p, "github_url");
    m.paper_url = body_url(r, &p, "paper_url");
    m.license_url = body_url(r, &p, "license_url");
    m.cover_image_url = body_url(r, &p, "cover_image_url");
    if (problems_send(&p))
        return;
    op = api_op_new(sizeof(*op));
    id_make(&a->fleet->ids, loop_wall_ms(a->loop), id);
    op->in = m;
    op->in.id = store_keep(&op->op, str_of(id));
    op->in.created_at = loop_wall_ms(a->loop);
    op->in.owner_id = store_keep(&op->op, str_of(m.owner_id));
    op->in.owner = store_keep(&op->op, str_of(m.owner));
    op->in.name = store_keep(&op->op, str_of(m.name));
    op->in.hardware = store_keep(&op->op, str_of(m.hardware));
    op->in.description = store_keep(&op->op, str_of(m.description));
    op->in.github_url = store_keep(&op->op, str_of(m.github_url));
    op->in.paper_url = store_keep(&op->op, str_of(m.paper_url));
    op->in.license_url = store_keep(&op->op, str_of(m.license_url));
    op->in.cover_image_url = store_keep(&op->op, str_of(m.cover_image_url));
    api_op_start(r, &op->op, &STORE_MODEL_CREATE, on_created);
}

/* --- update and delete --- */

static void on_updated(struct http_request *r, struct store_op *op)
{
    struct store_model_update *u = container_of(op, struct store_model_update, op);

    if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        answer_model(r, 200, &u->row, &u->latest);
}

void model_update(struct http_request *r)
{
    static const struct {
        const char *key;
        unsigned bit;
        size_t at;
        size_t max; /* 0: a URL */
    } fields[] = {
        { "description", MODEL_DESCRIPTION, offsetof(struct model_row, description),
          MAX_DESCRIPTION },
        { "readme", MODEL_README, offsetof(struct model_row, readme), MAX_README },
        { "github_url", MODEL_GITHUB_URL, offsetof(struct model_row, github_url), 0 },
        { "paper_url", MODEL_PAPER_URL, offsetof(struct model_row, paper_url), 0 },
        { "weights_url", MODEL_WEIGHTS_URL, offsetof(struct model_row, weights_url), 0 },
        { "license_url", MODEL_LICENSE_URL, offsetof(struct model_row, license_url), 0 },
        { "cover_image_url", MODEL_COVER_IMAGE_URL, offsetof(struct model_row, cover_image_url),
          0 },
    };
    static const char *const keys[] = {
        "description", "readme",          "github_url", "paper_url",  "weights_url",
        "license_url", "cover_image_url", "hardware",   "visibility", NULL
    };
    struct store_model_update *op;
    struct problems p;

    if (!body_is_object(r))
        return;
    op = api_op_new(sizeof(*op));
    problems_init(&p, r);
    body_only(r, &p, keys);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const char *z;

        if (!json_get(r->json, fields[i].key))
            continue;
        z = fields[i].max ? body_text(r, &p, fields[i].key, false, fields[i].max)
                          : body_url(r, &p, fields[i].key);
        op->set |= fields[i].bit;
        *(const char **)(void *)((char *)&op->in + fields[i].at) = store_keep(&op->op, str_of(z));
    }
    if (json_get(r->json, "hardware")) {
        op->set |= MODEL_HARDWARE;
        op->in.hardware = store_keep(&op->op, str_of(read_hardware(r, &p, true)));
    }
    if (json_get(r->json, "visibility")) {
        op->set |= MODEL_VISIBILITY;
        read_visibility(r, &p, true, &op->in);
    }
    if (problems_send(&p)) {
        api_op_drop(&op->op);
        return;
    }
    api_op_target(r, &op->op, &op->owner, &op->name, &op->viewer_id);
    api_op_start(r, &op->op, &STORE_MODEL_UPDATE, on_updated);
}

static void on_deleted(struct http_request *r, struct store_op *op)
{
    if (op->status != STATUS_OK)
        api_refuse(r, &op->error);
    else
        http_respond_empty(r, 204);
}

void model_delete(struct http_request *r)
{
    struct store_model_delete *op = api_op_new(sizeof(*op));

    api_op_target(r, &op->op, &op->owner, &op->name, &op->viewer_id);
    api_op_start(r, &op->op, &STORE_MODEL_DELETE, on_deleted);
}
