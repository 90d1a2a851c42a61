/* SPDX-License-Identifier: Apache-2.0 */
#include "store/collection.h"

#include "core/account.h"
#include "store/ops/page.h"
#include "store/ops/rows.h"

#include <ctype.h>

/* {collection_columns} */
static void read_collection(struct reader *r, struct collection_row *out)
{
    *out = (struct collection_row){ .id = read_text(r) };
    out->slug = read_text(r);
    out->name = read_text(r);
    out->description = read_text(r);
    out->full_description = read_text(r);
    out->created_at = read_int(r);
}

static enum status find_collection(struct db *db, struct store_op *op, const char *slug,
                                   struct collection_row *out)
{
    const struct db_value args[SQL_COLLECTION_GET_PARAMS] = { [SQL_COLLECTION_GET_SLUG] =
                                                                  DB_V_TEXT(slug) };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_collection_get, args, &op->arena, &op->error);

    if (s != STATUS_OK)
        return s;
    if (reader_next(&r)) {
        read_collection(&r, out);
        return STATUS_OK;
    }
    return r.status != STATUS_OK ? r.status
                                 : FAIL(&op->error, STATUS_NOT_FOUND, "no collection %s", slug);
}

static enum status create_or_update(struct db *db, struct store_op *op,
                                    const struct collection_row *in)
{
    const struct db_value create[SQL_COLLECTION_CREATE_PARAMS] = {
        [SQL_COLLECTION_CREATE_ID] = DB_V_TEXT(in->id),
        [SQL_COLLECTION_CREATE_SLUG] = DB_V_TEXT(in->slug),
        [SQL_COLLECTION_CREATE_NAME] = DB_V_TEXT(in->name),
        [SQL_COLLECTION_CREATE_DESCRIPTION] = DB_V_TEXT(in->description ? in->description : ""),
        [SQL_COLLECTION_CREATE_FULL_DESCRIPTION] = DB_V_TEXT(in->full_description),
        [SQL_COLLECTION_CREATE_CREATED_AT] = DB_V_INT(in->created_at),
    };
    const struct db_value update[SQL_COLLECTION_UPDATE_PARAMS] = {
        [SQL_COLLECTION_UPDATE_SLUG] = DB_V_TEXT(in->slug),
        [SQL_COLLECTION_UPDATE_NAME] = DB_V_TEXT(in->name),
        [SQL_COLLECTION_UPDATE_DESCRIPTION] = DB_V_TEXT(in->description),
        [SQL_COLLECTION_UPDATE_FULL_DESCRIPTION] = DB_V_TEXT(in->full_description),
    };
    int64_t changed = 0;
    enum status s = db_exec(db, &sql_collection_update, update, &changed, &op->error);

    if (s != STATUS_OK || changed > 0)
        return s;
    if (!in->name)
        return FAIL(&op->error, STATUS_NOT_FOUND,
                    "There is no collection %s; a new one needs a name.", in->slug);
    return db_exec(db, &sql_collection_create, create, NULL, &op->error);
}

static enum status change_models(struct db *db, struct store_collection_put *op, const char **refs,
                                 size_t n, bool add)
{
    struct error *err = &op->op.error;

    for (size_t i = 0; i < n; i++) {
        struct str owner = STR_NULL, name = STR_NULL, version = STR_NULL;
        struct db_value args[3] = { DB_V_TEXT(
            op->row.id) }; /* the two that both statements begin with are the same */
        struct version_row latest;
        struct model_row m;
        enum status s = STATUS_NOT_FOUND;

        if (model_ref_split(str_of(refs[i]), &owner, &name, &version))
            s = find_model(db, &op->op, owner, name, NULL, &m, &latest);
        if (s == STATUS_NOT_FOUND)
            return FAIL(err, STATUS_UNPROCESSABLE, "There is no model %.140s.", refs[i]);
        if (s != STATUS_OK)
            return s;
        args[1] = DB_V_TEXT(m.id);
        args[2] = DB_V_INT(op->now + (int64_t)i);
        s = db_exec(db, add ? &sql_collection_add : &sql_collection_remove, args, NULL, err);
        if (s != STATUS_OK)
            return s;
    }
    return STATUS_OK;
}

static enum status collection_put(struct db *db, struct store_op *base)
{
    struct store_collection_put *op = container_of(base, struct store_collection_put, op);
    enum status s = create_or_update(db, base, &op->in);

    if (s == STATUS_OK)
        s = find_collection(db, base, op->in.slug, &op->row);
    if (s == STATUS_OK)
        s = change_models(db, op, op->add, op->n_add, true);
    if (s == STATUS_OK)
        s = change_models(db, op, op->remove, op->n_remove, false);
    return s;
}

const struct store_op_type STORE_COLLECTION_PUT = {
    .name = "collection_put",
    .is_write = true,
    .exec = collection_put,
};

static enum status collection_delete(struct db *db, struct store_op *base)
{
    struct store_collection_delete *op = container_of(base, struct store_collection_delete, op);
    const struct db_value args[SQL_COLLECTION_DELETE_PARAMS] = { [SQL_COLLECTION_DELETE_SLUG] =
                                                                     DB_V_TEXT(op->slug) };
    int64_t changed = 0;
    enum status s = db_exec(db, &sql_collection_delete, args, &changed, &base->error);

    if (s == STATUS_OK && changed == 0)
        return FAIL(&base->error, STATUS_NOT_FOUND, "There is no collection %s.", op->slug);
    return s;
}

const struct store_op_type STORE_COLLECTION_DELETE = {
    .name = "collection_delete",
    .is_write = true,
    .exec = collection_delete,
};

static struct page_key read_collection_row(struct page_walk *w, struct reader *r, size_t at,
                                           size_t *out_bytes)
{
    struct store_collection_list *op = w->user;

    read_collection(r, &op->rows[at]);
    *out_bytes = 0;
    return (struct page_key){ .id = op->rows[at].id };
}

static enum status collection_list(struct db *db, struct store_op *base)
{
    struct store_collection_list *op = container_of(base, struct store_collection_list, op);
    struct page_walk w;
    size_t first = 0;
    enum status s;

    page_walk_init(&w, db, base, &op->page);
    w.older = &sql_collection_older;
    w.newer = &sql_collection_newer;
    w.read = read_collection_row;
    w.user = op;
    op->rows = arena_array(&base->arena, struct collection_row, (size_t)op->page.limit);
    s = page_walk(&w, &first, &op->n, &op->info);
    op->rows += first;
    return s;
}

const struct store_op_type STORE_COLLECTION_LIST = {
    .name = "collection_list",
    .exec = collection_list,
};

static enum status collection_get(struct db *db, struct store_op *base)
{
    struct store_collection_get *op = container_of(base, struct store_collection_get, op);
    struct db_value args[SQL_COLLECTION_MODELS_PARAMS];
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = find_collection(db, base, op->slug, &op->row);

    op->n = 0;
    if (s != STATUS_OK)
        return s;
    args[SQL_COLLECTION_MODELS_COLLECTION_ID] = DB_V_TEXT(op->row.id);
    args[SQL_COLLECTION_MODELS_VIEWER_ID] = DB_V_TEXT(op->viewer_id);
    s = reader_open(&r, db, &sql_collection_models, args, &base->arena, &base->error);
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        op->models = reader_grow(&r, op->models, op->n);
        op->latest = reader_grow(&r, op->latest, op->n);
        read_model(&r, &op->models[op->n], &op->latest[op->n]);
        op->n++;
    }
    for (size_t i = 0; r.status == STATUS_OK && i < op->n; i++)
        r.status = find_example(db, base, &op->models[i]);
    return r.status;
}

const struct store_op_type STORE_COLLECTION_GET = {
    .name = "collection_get",
    .exec = collection_get,
};

static bool contains(struct str s, struct str word)
{
    for (size_t i = 0; i + word.n <= s.n; i++) {
        if (str_ieq(str_make(s.p + i, word.n), word))
            return true;
    }
    return false;
}

static bool next_word(struct str *rest, struct str *out)
{
    while (rest->n > 0 && isspace((unsigned char)rest->p[0]))
        *rest = str_make(rest->p + 1, rest->n - 1);
    for (out->p = rest->p, out->n = 0; out->n < rest->n; out->n++) {
        if (isspace((unsigned char)rest->p[out->n]))
            break;
    }
    *rest = str_make(rest->p + out->n, rest->n - out->n);
    return out->n > 0;
}

bool search_matches(struct str words, const struct str *texts, size_t n_texts)
{
    struct str word;

    while (next_word(&words, &word)) {
        bool found = false;

        for (size_t i = 0; i < n_texts && !found; i++)
            found = contains(texts[i], word);
        if (!found)
            return false;
    }
    return true;
}

static enum status search(struct db *db, struct store_op *base)
{
    struct store_search *op = container_of(base, struct store_search, models.op);
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = STORE_MODEL_LIST.exec(db, base);

    op->n_collections = 0;
    if (s == STATUS_OK)
        s = reader_open(&r, db, &sql_collection_all, NULL, &base->arena, &base->error);
    if (s != STATUS_OK)
        return s;
    while (reader_next(&r)) {
        struct collection_row c;
        struct str texts[4];

        read_collection(&r, &c);
        texts[0] = str_of(c.slug);
        texts[1] = str_of(c.name);
        texts[2] = str_of(c.description);
        texts[3] = str_of(c.full_description);
        if (!search_matches(str_of(op->models.search), texts, ARRAY_SIZE(texts)))
            continue;
        op->collections = reader_grow(&r, op->collections, op->n_collections);
        op->collections[op->n_collections++] = c;
    }
    return r.status;
}

const struct store_op_type STORE_SEARCH = {
    .name = "search",
    .exec = search,
};
