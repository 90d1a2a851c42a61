/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ops/page.h"
#include "store/ops/rows.h"

void read_version(struct reader *r, struct version_row *out)
{
    *out = (struct version_row){ .seq = read_text(r) };
    out->id = read_text(r);
    out->model_id = read_text(r);
    out->owner_id = read_text(r);
    out->owner = read_text(r);
    out->model = read_text(r);
    out->model_is_public = read_bool(r);
    out->model_hardware = read_text(r);
    out->cog_version = read_text(r);
    out->kind = read_text(r);
    out->schema = read_bytes(r);
    out->config = read_bytes(r);
    out->path = read_text(r);
    out->created_at = read_int(r);
}

/* The first row of a query that gives versions. */
static enum status query_version(struct db *db, struct store_op *op, const struct sql_statement *st,
                                 const struct db_value *args, struct version_row *out)
{
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, st, args, &op->arena, &op->error);

    if (s != STATUS_OK)
        return s;
    if (reader_next(&r)) {
        read_version(&r, out);
        return STATUS_OK;
    }
    return r.status != STATUS_OK ? r.status : FAIL(&op->error, STATUS_NOT_FOUND, "no such version");
}

enum status find_version(struct db *db, struct store_op *op, struct str owner, struct str name,
                         struct str id, const char *viewer_id, struct version_row *out)
{
    const struct db_value by_id[SQL_VERSION_GET_PARAMS] = {
        [SQL_VERSION_GET_OWNER] = DB_V_STR(owner),
        [SQL_VERSION_GET_NAME] = DB_V_STR(name),
        [SQL_VERSION_GET_ID] = DB_V_STR(id),
    };
    const struct db_value latest[SQL_VERSION_LATEST_PARAMS] = {
        [SQL_VERSION_LATEST_OWNER] = DB_V_STR(owner),
        [SQL_VERSION_LATEST_NAME] = DB_V_STR(name),
    };
    struct version_row row;
    enum status s = id.n > 0 ? query_version(db, op, &sql_version_get, by_id, &row)
                             : query_version(db, op, &sql_version_latest, latest, &row);

    if (s != STATUS_OK)
        return s;
    if (!row.model_is_public && !is_owner(viewer_id, row.owner_id))
        return FAIL(&op->error, STATUS_NOT_FOUND, "no such version");
    *out = row;
    return STATUS_OK;
}

enum status find_version_of_model(struct db *db, struct store_op *op, const char *model_id,
                                  const char *id, struct version_row *out)
{
    const struct db_value args[SQL_VERSION_OF_MODEL_PARAMS] = {
        [SQL_VERSION_OF_MODEL_MODEL_ID] = DB_V_TEXT(model_id),
        [SQL_VERSION_OF_MODEL_ID] = DB_V_TEXT(id),
    };

    return query_version(db, op, &sql_version_of_model, args, out);
}

static enum status version_insert(struct db *db, const struct version_row *v, int64_t *out_changed,
                                  struct error *err)
{
    const struct db_value args[SQL_VERSION_CREATE_PARAMS] = {
        [SQL_VERSION_CREATE_SEQ] = DB_V_TEXT(v->seq),
        [SQL_VERSION_CREATE_MODEL_ID] = DB_V_TEXT(v->model_id),
        [SQL_VERSION_CREATE_ID] = DB_V_TEXT(v->id),
        [SQL_VERSION_CREATE_COG_VERSION] = DB_V_TEXT(v->cog_version),
        [SQL_VERSION_CREATE_KIND] = DB_V_TEXT(v->kind),
        [SQL_VERSION_CREATE_PATH] = DB_V_TEXT(v->path),
        [SQL_VERSION_CREATE_CREATED_AT] = DB_V_INT(v->created_at),
        [SQL_VERSION_CREATE_CONFIG] = DB_V_BLOB(v->config),
        [SQL_VERSION_CREATE_SCHEMA] = DB_V_BLOB(v->schema),
    };

    return db_exec(db, &sql_version_create, args, out_changed, err);
}

enum status put_version(struct db *db, const struct version_row *in, bool *out_existed,
                        struct error *err)
{
    const struct db_value model[1] = { DB_V_TEXT(in->model_id) };
    const struct db_value latest[SQL_MODEL_SET_LATEST_TO_PARAMS] = {
        [SQL_MODEL_SET_LATEST_TO_ID] = DB_V_TEXT(in->model_id),
        [SQL_MODEL_SET_LATEST_TO_VERSION] = DB_V_TEXT(in->id),
    };
    int64_t changed = 0;
    bool found = false;
    enum status s = db_exists(db, &sql_version_model_exists, model, &found, err);

    if (s == STATUS_OK && !found)
        return FAIL(err, STATUS_NOT_FOUND, "the model does not exist any more");
    if (s == STATUS_OK)
        s = version_insert(db, in, &changed, err);
    if (s != STATUS_OK)
        return s;
    *out_existed = changed == 0;
    return db_exec(db, &sql_model_set_latest_to, latest, NULL, err);
}

static enum status version_create(struct db *db, struct store_op *base)
{
    struct store_version_create *op = container_of(base, struct store_version_create, op);

    return put_version(db, &op->in, &op->existed, &base->error);
}

const struct store_op_type STORE_VERSION_CREATE = {
    .name = "version_create",
    .is_write = true,
    .exec = version_create,
};

static enum status version_get(struct db *db, struct store_op *base)
{
    struct store_version_get *op = container_of(base, struct store_version_get, op);
    const struct db_value bare[SQL_VERSION_BARE_PARAMS] = {
        [SQL_VERSION_BARE_ID] = DB_V_STR(op->id),
        [SQL_VERSION_BARE_VIEWER_ID] = DB_V_TEXT(op->viewer_id),
    };

    if (!op->owner.p)
        return query_version(db, base, &sql_version_bare, bare, &op->row);
    return find_version(db, base, op->owner, op->name, op->id, op->viewer_id, &op->row);
}

const struct store_op_type STORE_VERSION_GET = {
    .name = "version_get",
    .exec = version_get,
};

static enum status version_find(struct db *db, struct store_op *base)
{
    struct store_version_find *op = container_of(base, struct store_version_find, op);
    const struct db_value args[SQL_VERSION_FIND_PARAMS] = {
        [SQL_VERSION_FIND_ID] = DB_V_TEXT(op->id),
        [SQL_VERSION_FIND_MODEL_ID] = DB_V_TEXT(op->model_id),
    };

    return query_version(db, base, &sql_version_find, args, &op->row);
}

const struct store_op_type STORE_VERSION_FIND = {
    .name = "version_find",
    .exec = version_find,
};

static struct page_key read_version_row(struct page_walk *w, struct reader *r, size_t at,
                                        size_t *out_bytes)
{
    struct store_version_list *op = w->user;

    read_version(r, &op->rows[at]);
    *out_bytes = 0;
    return (struct page_key){ .id = op->rows[at].seq };
}

static enum status version_list(struct db *db, struct store_op *base)
{
    struct store_version_list *op = container_of(base, struct store_version_list, op);
    struct model_row m = { .id = NULL };
    struct version_row latest;
    struct page_walk w;
    size_t first = 0;
    enum status s = find_model(db, base, op->owner, op->name, op->viewer_id, &m, &latest);

    if (s != STATUS_OK)
        return s;
    page_walk_init(&w, db, base, &op->page);
    w.older = &sql_version_older;
    w.newer = &sql_version_newer;
    w.older_args[SQL_VERSION_OLDER_MODEL_ID] = DB_V_TEXT(m.id);
    w.newer_args[SQL_VERSION_NEWER_MODEL_ID] = DB_V_TEXT(m.id);
    w.read = read_version_row;
    w.user = op;
    op->rows = arena_array(&base->arena, struct version_row, (size_t)op->page.limit);
    s = page_walk(&w, &first, &op->n, &op->info);
    op->rows += first;
    return s;
}

const struct store_op_type STORE_VERSION_LIST = {
    .name = "version_list",
    .exec = version_list,
};

/* The first deployment that stands in the way. */
static enum status check_not_released(struct db *db, struct store_op *op,
                                      const struct version_row *v)
{
    const struct db_value args[SQL_VERSION_RELEASED_PARAMS] = {
        [SQL_VERSION_RELEASED_SEQ] = DB_V_TEXT(v->seq),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_version_released, args, &op->arena, &op->error);
    const char *owner = NULL;

    if (s != STATUS_OK)
        return s;
    if (!reader_next(&r))
        return r.status;
    owner = read_text(&r);
    return FAIL(&op->error, STATUS_UNPROCESSABLE,
                "the deployment %s/%s has a release of this version; delete the deployment first",
                owner, read_text(&r));
}

static enum status check_deletable(struct db *db, struct store_op *op, const char *viewer_id,
                                   const struct version_row *v)
{
    const struct db_value others[SQL_VERSION_RUN_BY_OTHERS_PARAMS] = {
        [SQL_VERSION_RUN_BY_OTHERS_SEQ] = DB_V_TEXT(v->seq),
        [SQL_VERSION_RUN_BY_OTHERS_OWNER_ID] = DB_V_TEXT(v->owner_id),
    };
    const struct db_value open[SQL_VERSION_HAS_OPEN_PARAMS] = {
        [SQL_VERSION_HAS_OPEN_SEQ] = DB_V_TEXT(v->seq),
    };
    bool by_others = false, has_open = false;
    enum status s = check_owner(viewer_id, v->owner_id, v->model_is_public, &op->error);

    if (s != STATUS_OK)
        return s;
    if (v->model_is_public)
        return FAIL(&op->error, STATUS_UNPROCESSABLE,
                    "a version of a public model cannot be deleted; make the model private first");
    s = check_not_released(db, op, v);
    if (s == STATUS_OK)
        s = db_exists(db, &sql_version_run_by_others, others, &by_others, &op->error);
    if (s == STATUS_OK)
        s = db_exists(db, &sql_version_has_open, open, &has_open, &op->error);
    if (s != STATUS_OK)
        return s;
    if (by_others)
        return FAIL(&op->error, STATUS_UNPROCESSABLE,
                    "other accounts have run this version; it cannot be deleted");
    if (has_open)
        return FAIL(&op->error, STATUS_UNPROCESSABLE,
                    "predictions of this version have not ended; cancel them or wait");
    return STATUS_OK;
}

static enum status remove_version(struct db *db, const struct version_row *v, bool *out_unused,
                                  struct error *err)
{
    const struct db_value forget[SQL_MODEL_FORGET_EXAMPLE_PARAMS] = {
        [SQL_MODEL_FORGET_EXAMPLE_ID] = DB_V_TEXT(v->model_id),
        [SQL_MODEL_FORGET_EXAMPLE_VERSION_SEQ] = DB_V_TEXT(v->seq),
    };
    const struct db_value by_seq[1] = { DB_V_TEXT(v->seq) };
    const struct db_value by_model[1] = { DB_V_TEXT(v->model_id) };
    const struct db_value by_id[1] = { DB_V_TEXT(v->id) };
    bool used = false;
    enum status s = db_exec(db, &sql_model_forget_example, forget, NULL, err);

    if (s == STATUS_OK)
        s = db_exec(db, &sql_version_delete, by_seq, NULL, err);
    if (s == STATUS_OK)
        s = db_exec(db, &sql_model_set_latest, by_model, NULL, err);
    if (s == STATUS_OK)
        s = db_exists(db, &sql_version_content_used, by_id, &used, err);
    if (s == STATUS_OK)
        *out_unused = !used;
    return s;
}

/* A trained version has the folder of the one it was trained from, which is named after that one.
 */
static enum status check_folder(struct db *db, const struct version_row *v, bool *out_shared,
                                struct error *err)
{
    const struct db_value args[SQL_VERSION_IS_BASE_PARAMS] = {
        [SQL_VERSION_IS_BASE_PATH] = DB_V_TEXT(v->path),
        [SQL_VERSION_IS_BASE_ID] = DB_V_TEXT(v->id),
    };
    enum status s = db_exists(db, &sql_version_is_base, args, out_shared, err);

    if (s == STATUS_OK && *out_shared && str_ends(str_of(v->path), v->id))
        return FAIL(err, STATUS_UNPROCESSABLE,
                    "a version was trained from this one and runs its files; delete that first");
    return s;
}

static enum status version_delete(struct db *db, struct store_op *base)
{
    struct store_version_delete *op = container_of(base, struct store_version_delete, op);
    struct version_row v = { .seq = NULL };
    enum status s = STATUS_OK;
    bool is_shared = false;

    if (op->id.n == 0)
        return FAIL(&base->error, STATUS_NOT_FOUND, "no such version");
    s = find_version(db, base, op->owner, op->name, op->id, op->viewer_id, &v);
    if (s == STATUS_OK)
        s = check_deletable(db, base, op->viewer_id, &v);
    if (s == STATUS_OK)
        s = check_folder(db, &v, &is_shared, &base->error);
    if (s != STATUS_OK)
        return s;
    op->path = v.path;
    op->model_id = v.model_id;
    op->config = v.config;
    s = remove_version(db, &v, &op->content_unused, &base->error);
    op->content_unused = op->content_unused && !is_shared;
    return s;
}

const struct store_op_type STORE_VERSION_DELETE = {
    .name = "version_delete",
    .is_write = true,
    .exec = version_delete,
};

static enum status weights_used(struct db *db, struct store_op *base)
{
    struct store_weights_used *op = container_of(base, struct store_weights_used, op);
    const struct db_value args[SQL_VERSION_OF_WEIGHTS_PARAMS] = {
        [SQL_VERSION_OF_WEIGHTS_WEIGHTS] = DB_V_TEXT(op->weights),
    };

    return db_exists(db, &sql_version_of_weights, args, &op->is_used, &base->error);
}

const struct store_op_type STORE_WEIGHTS_USED = {
    .name = "weights_used",
    .exec = weights_used,
};
