/* SPDX-License-Identifier: Apache-2.0 */
#include "store/model.h"

#include "store/collection.h"
#include "store/ops/page.h"
#include "store/ops/rows.h"

bool is_owner(const char *viewer_id, const char *owner_id)
{
    return !viewer_id || strcmp(viewer_id, owner_id) == 0;
}

enum status check_owner(const char *viewer_id, const char *owner_id, bool is_public,
                        struct error *err)
{
    if (is_owner(viewer_id, owner_id))
        return STATUS_OK;
    if (is_public)
        return FAIL(err, STATUS_FORBIDDEN, "only the owner of a model may change it");
    return FAIL(err, STATUS_NOT_FOUND, "no such model");
}

/* {model_columns} */
void read_model(struct reader *r, struct model_row *out, struct version_row *out_latest)
{
    *out = (struct model_row){ .id = read_text(r) };
    out->owner_id = read_text(r);
    out->owner = read_text(r);
    out->name = read_text(r);
    out->is_public = read_bool(r);
    out->description = read_text(r);
    out->readme = read_text(r);
    out->github_url = read_text(r);
    out->paper_url = read_text(r);
    out->license_url = read_text(r);
    out->weights_url = read_text(r);
    out->cover_image_url = read_text(r);
    out->hardware = read_text(r);
    out->run_count = read_int(r);
    out->created_at = read_int(r);
    out->default_example = read_text(r);
    out->latest_version_created_at = read_int(r);
    read_version(r, out_latest);
    out->latest_version = out_latest->id;
}

enum status find_model(struct db *db, struct store_op *op, struct str owner, struct str name,
                       const char *viewer_id, struct model_row *out, struct version_row *out_latest)
{
    const struct db_value args[SQL_MODEL_GET_PARAMS] = {
        [SQL_MODEL_GET_OWNER] = DB_V_STR(owner),
        [SQL_MODEL_GET_NAME] = DB_V_STR(name),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_model_get, args, &op->arena, &op->error);

    if (s != STATUS_OK)
        return s;
    if (reader_next(&r)) {
        read_model(&r, out, out_latest);
        if (out->is_public || is_owner(viewer_id, out->owner_id))
            return STATUS_OK;
    }
    if (r.status != STATUS_OK)
        return r.status;
    return FAIL(&op->error, STATUS_NOT_FOUND, "no model %.*s/%.*s", STR_ARG(owner), STR_ARG(name));
}

static enum status model_create(struct db *db, struct store_op *base)
{
    struct store_model_create *op = container_of(base, struct store_model_create, op);
    const struct model_row *m = &op->in;
    const struct db_value args[SQL_MODEL_CREATE_PARAMS] = {
        [SQL_MODEL_CREATE_ID] = DB_V_TEXT(m->id),
        [SQL_MODEL_CREATE_OWNER_ID] = DB_V_TEXT(m->owner_id),
        [SQL_MODEL_CREATE_NAME] = DB_V_TEXT(m->name),
        [SQL_MODEL_CREATE_IS_PUBLIC] = DB_V_INT(m->is_public),
        [SQL_MODEL_CREATE_HARDWARE] = DB_V_TEXT(m->hardware),
        [SQL_MODEL_CREATE_CREATED_AT] = DB_V_INT(m->created_at),
        [SQL_MODEL_CREATE_DEFAULT_EXAMPLE] = DB_V_TEXT(m->default_example),
        [SQL_MODEL_CREATE_DESCRIPTION] = DB_V_TEXT(m->description),
        [SQL_MODEL_CREATE_GITHUB_URL] = DB_V_TEXT(m->github_url),
        [SQL_MODEL_CREATE_PAPER_URL] = DB_V_TEXT(m->paper_url),
        [SQL_MODEL_CREATE_LICENSE_URL] = DB_V_TEXT(m->license_url),
        [SQL_MODEL_CREATE_WEIGHTS_URL] = DB_V_TEXT(m->weights_url),
        [SQL_MODEL_CREATE_COVER_IMAGE_URL] = DB_V_TEXT(m->cover_image_url),
        [SQL_MODEL_CREATE_README] = DB_V_TEXT(m->readme),
    };
    enum status s = db_exec(db, &sql_model_create, args, NULL, &base->error);

    if (s == STATUS_CONFLICT)
        return FAIL(&base->error, s, "A model with that name and owner already exists.");
    return s;
}

const struct store_op_type STORE_MODEL_CREATE = {
    .name = "model_create",
    .is_write = true,
    .exec = model_create,
};

static enum status model_get(struct db *db, struct store_op *base)
{
    struct store_model_get *op = container_of(base, struct store_model_get, op);

    enum status s = find_model(db, base, op->owner, op->name, op->viewer_id, &op->row, &op->latest);

    return s == STATUS_OK ? find_example(db, base, &op->row) : s;
}

const struct store_op_type STORE_MODEL_GET = {
    .name = "model_get",
    .exec = model_get,
};

/* owner, name, description and readme stand at 2, 3, 5 and 6 of {model_columns}. */
static bool matches_search(struct page_walk *w, struct reader *r)
{
    static const int searched[] = { 2, 3, 5, 6 };
    const struct store_model_list *op = w->user;
    struct str texts[ARRAY_SIZE(searched)];

    for (size_t i = 0; i < ARRAY_SIZE(searched); i++) {
        r->at = searched[i];
        texts[i] = peek_bytes(r);
    }
    return search_matches(str_of(op->search), texts, ARRAY_SIZE(texts));
}

static struct page_key read_model_row(struct page_walk *w, struct reader *r, size_t at,
                                      size_t *out_bytes)
{
    struct store_model_list *op = w->user;
    struct page_key key;

    read_model(r, &op->rows[at], &op->latest[at]);
    key = (struct page_key){ .id = op->rows[at].id, .at = read_int(r) };
    op->cursors[at] = arena_printf(&op->op.arena, "%lld-%s", (long long)key.at, key.id);
    *out_bytes = 0;
    return key;
}

/* "<ms>-<model id>" */
static enum status read_cursor(const char *text, struct page_key *out, struct error *err)
{
    struct str rest = str_of(text), ms;

    if (!text)
        return STATUS_OK;
    if (!str_split(&rest, '-', &ms) || !str_to_i64(ms, &out->at) || !rest.p)
        return FAIL(err, STATUS_INVALID, "the cursor is not valid");
    out->id = rest.p;
    return STATUS_OK;
}

/* The order of {model_by_...}: which two statements go down and up in it. */
static void choose_order(struct page_walk *w, enum model_sort sort, bool ascending)
{
    w->rising = ascending;
    if (sort == MODEL_SORT_CREATED) {
        w->older = &sql_model_by_created_older;
        w->newer = &sql_model_by_created_newer;
    } else if (ascending) {
        w->older = &sql_model_by_latest_rising_older;
        w->newer = &sql_model_by_latest_rising_newer;
    } else {
        w->older = &sql_model_by_latest_older;
        w->newer = &sql_model_by_latest_newer;
    }
}

static enum status model_list(struct db *db, struct store_op *base)
{
    struct store_model_list *op = container_of(base, struct store_model_list, op);
    size_t limit = (size_t)op->page.limit, first = 0;
    struct page_walk w;
    enum status s = STATUS_OK;

    page_walk_init(&w, db, base, &op->page);
    choose_order(&w, op->sort, op->ascending);
    s = read_cursor(op->page.after, &w.after, &base->error);
    if (s == STATUS_OK)
        s = read_cursor(op->page.before, &w.before, &base->error);
    if (s != STATUS_OK)
        return s;
    w.has_at = true;
    w.older_args[SQL_MODEL_BY_CREATED_OLDER_VIEWER_ID] = DB_V_TEXT(op->viewer_id);
    w.older_args[SQL_MODEL_BY_CREATED_OLDER_OWNER] = DB_V_STR(op->owner);
    memcpy(w.newer_args, w.older_args, sizeof(w.newer_args));
    w.wants = op->search ? matches_search : NULL;
    w.read = read_model_row;
    w.user = op;
    op->rows = arena_array(&base->arena, struct model_row, limit);
    op->latest = arena_array(&base->arena, struct version_row, limit);
    op->cursors = arena_array(&base->arena, const char *, limit);
    s = page_walk(&w, &first, &op->n, &op->info);
    op->rows += first;
    op->latest += first;
    op->cursors += first;
    for (size_t i = 0; s == STATUS_OK && i < op->n; i++)
        s = find_example(db, base, &op->rows[i]);
    return s;
}

const struct store_op_type STORE_MODEL_LIST = {
    .name = "model_list",
    .exec = model_list,
};

static void apply_fields(unsigned set, const struct model_row *in, struct model_row *m)
{
    if (set & MODEL_DESCRIPTION)
        m->description = in->description;
    if (set & MODEL_README)
        m->readme = in->readme;
    if (set & MODEL_GITHUB_URL)
        m->github_url = in->github_url;
    if (set & MODEL_PAPER_URL)
        m->paper_url = in->paper_url;
    if (set & MODEL_WEIGHTS_URL)
        m->weights_url = in->weights_url;
    if (set & MODEL_LICENSE_URL)
        m->license_url = in->license_url;
    if (set & MODEL_COVER_IMAGE_URL)
        m->cover_image_url = in->cover_image_url;
    if (set & MODEL_HARDWARE)
        m->hardware = in->hardware;
    if (set & MODEL_VISIBILITY)
        m->is_public = in->is_public;
    if (set & MODEL_DEFAULT_EXAMPLE)
        m->default_example = in->default_example;
}

static enum status write_model(struct db *db, const struct model_row *m, struct error *err)
{
    const struct db_value args[SQL_MODEL_UPDATE_PARAMS] = {
        [SQL_MODEL_UPDATE_ID] = DB_V_TEXT(m->id),
        [SQL_MODEL_UPDATE_IS_PUBLIC] = DB_V_INT(m->is_public),
        [SQL_MODEL_UPDATE_HARDWARE] = DB_V_TEXT(m->hardware),
        [SQL_MODEL_UPDATE_DEFAULT_EXAMPLE] = DB_V_TEXT(m->default_example),
        [SQL_MODEL_UPDATE_DESCRIPTION] = DB_V_TEXT(m->description),
        [SQL_MODEL_UPDATE_GITHUB_URL] = DB_V_TEXT(m->github_url),
        [SQL_MODEL_UPDATE_PAPER_URL] = DB_V_TEXT(m->paper_url),
        [SQL_MODEL_UPDATE_LICENSE_URL] = DB_V_TEXT(m->license_url),
        [SQL_MODEL_UPDATE_WEIGHTS_URL] = DB_V_TEXT(m->weights_url),
        [SQL_MODEL_UPDATE_COVER_IMAGE_URL] = DB_V_TEXT(m->cover_image_url),
        [SQL_MODEL_UPDATE_README] = DB_V_TEXT(m->readme),
    };

    return db_exec(db, &sql_model_update, args, NULL, err);
}

static enum status model_update(struct db *db, struct store_op *base)
{
    struct store_model_update *op = container_of(base, struct store_model_update, op);
    enum status s = find_model(db, base, op->owner, op->name, op->viewer_id, &op->row, &op->latest);

    if (s == STATUS_OK)
        s = check_owner(op->viewer_id, op->row.owner_id, op->row.is_public, &base->error);
    if (s != STATUS_OK)
        return s;
    apply_fields(op->set, &op->in, &op->row);
    op->latest.model_is_public = op->row.is_public;
    op->latest.model_hardware = op->row.hardware;
    s = write_model(db, &op->row, &base->error);
    return s == STATUS_OK ? find_example(db, base, &op->row) : s;
}

const struct store_op_type STORE_MODEL_UPDATE = {
    .name = "model_update",
    .is_write = true,
    .exec = model_update,
};

static enum status model_delete(struct db *db, struct store_op *base)
{
    struct store_model_delete *op = container_of(base, struct store_model_delete, op);
    struct model_row m = { .id = NULL };
    struct version_row latest;
    struct db_value args[1]; /* both statements take the model's id */
    bool has_versions = false;
    enum status s = find_model(db, base, op->owner, op->name, op->viewer_id, &m, &latest);

    if (s == STATUS_OK)
        s = check_owner(op->viewer_id, m.owner_id, m.is_public, &base->error);
    if (s != STATUS_OK)
        return s;
    args[0] = DB_V_TEXT(m.id);
    s = db_exists(db, &sql_version_any, args, &has_versions, &base->error);
    if (s != STATUS_OK)
        return s;
    if (m.is_public)
        return FAIL(&base->error, STATUS_UNPROCESSABLE,
                    "a public model cannot be deleted; make it private first");
    if (has_versions)
        return FAIL(&base->error, STATUS_UNPROCESSABLE,
                    "a model with versions cannot be deleted; delete its versions first");
    (void)snprintf(op->model_id, sizeof(op->model_id), "%s", m.id);
    return db_exec(db, &sql_model_delete, args, NULL, &base->error);
}

const struct store_op_type STORE_MODEL_DELETE = {
    .name = "model_delete",
    .is_write = true,
    .exec = model_delete,
};
