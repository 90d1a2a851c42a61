/* SPDX-License-Identifier: Apache-2.0 */
#include "store/deployment.h"

#include "core/canary.h"
#include "core/scale/settings.h"
#include "store/ops/page.h"
#include "store/ops/rows.h"

static void read_deployment(struct reader *r, struct deployment_row *out)
{
    *out = (struct deployment_row){ .id = read_text(r) };
    out->owner_id = read_text(r);
    out->owner = read_text(r);
    out->name = read_text(r);
    out->created_at = read_int(r);
    out->last_used_at = read_int(r);
    out->lease_epoch = read_int(r);
    out->settings = read_text(r);
    read_release(r, &out->release);
}

static enum status find_deployment(struct db *db, struct store_op *op, struct str owner,
                                   struct str name, const char *viewer_id,
                                   struct deployment_row *out)
{
    const struct db_value args[SQL_DEPLOYMENT_GET_PARAMS] = {
        [SQL_DEPLOYMENT_GET_OWNER] = DB_V_STR(owner),
        [SQL_DEPLOYMENT_GET_NAME] = DB_V_STR(name),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_deployment_get, args, &op->arena, &op->error);

    if (s != STATUS_OK)
        return s;
    if (reader_next(&r)) {
        read_deployment(&r, out);
        if (is_owner(viewer_id, out->owner_id))
            return STATUS_OK;
    }
    if (r.status != STATUS_OK)
        return r.status;
    return FAIL(&op->error, STATUS_NOT_FOUND, "no deployment %.*s/%.*s", STR_ARG(owner),
                STR_ARG(name));
}

static enum status insert_release(struct db *db, const char *deployment_id, int64_t number,
                                  const struct version_row *v, const struct release_row *rel,
                                  struct error *err)
{
    const struct db_value args[SQL_RELEASE_CREATE_PARAMS] = {
        [SQL_RELEASE_CREATE_DEPLOYMENT_ID] = DB_V_TEXT(deployment_id),
        [SQL_RELEASE_CREATE_NUMBER] = DB_V_INT(number),
        [SQL_RELEASE_CREATE_MODEL_ID] = DB_V_TEXT(v->model_id),
        [SQL_RELEASE_CREATE_VERSION] = DB_V_TEXT(v->id),
        [SQL_RELEASE_CREATE_HARDWARE] = DB_V_TEXT(rel->hardware),
        [SQL_RELEASE_CREATE_MIN_INSTANCES] = DB_V_INT(rel->min_instances),
        [SQL_RELEASE_CREATE_MAX_INSTANCES] = DB_V_INT(rel->max_instances),
        [SQL_RELEASE_CREATE_CREATED_AT] = DB_V_INT(rel->created_at),
        [SQL_RELEASE_CREATE_CREATED_BY] = DB_V_TEXT(rel->created_by.id),
    };

    return db_exec(db, &sql_release_create, args, NULL, err);
}

/* UNPROCESSABLE that tells whether the model or only its version is missing, for whom it may see.
 */
static enum status find_release_version(struct db *db, struct store_deployment_create *op)
{
    const struct release_row *rel = &op->in.release;
    struct str owner = str_of(rel->model_owner), name = str_of(rel->model_name);
    struct model_row m = { .id = NULL };
    struct version_row latest;
    struct error *err = &op->op.error;
    enum status s = find_model(db, &op->op, owner, name, op->in.owner_id, &m, &latest);

    if (s == STATUS_NOT_FOUND) {
        op->bad_model = true;
        return FAIL(err, STATUS_UNPROCESSABLE, "the model %s/%s does not exist", rel->model_owner,
                    rel->model_name);
    }
    if (s != STATUS_OK)
        return s;
    s = find_version_of_model(db, &op->op, m.id, rel->version, &op->used);
    if (s == STATUS_NOT_FOUND)
        return FAIL(err, STATUS_UNPROCESSABLE, "the model %s/%s has no version %s",
                    rel->model_owner, rel->model_name, rel->version);
    return s;
}

/* The version's kind decides the runtime, which the hardware must offer. Hardware that is no longer
 * there refuses nothing here. */
static bool runtime_fits(const struct hardware *offers, const char *hardware,
                         const struct version_row *v, struct error *err)
{
    bool is_image = strcmp(v->kind, VERSION_IMAGE) == 0;
    const struct sku *sku = offers ? hardware_find(offers, str_of(hardware)) : NULL;

    if (!sku || sku_runs(sku, is_image))
        return true;
    FAIL(err, STATUS_UNPROCESSABLE, "%.100s does not offer the %s runtime, which %s needs.",
         hardware, is_image ? "docker" : "process", is_image ? "an image" : "a pushed folder");
    return false;
}

static enum status insert_deployment(struct db *db, const struct deployment_row *d,
                                     struct error *err)
{
    const struct db_value args[SQL_DEPLOYMENT_CREATE_PARAMS] = {
        [SQL_DEPLOYMENT_CREATE_ID] = DB_V_TEXT(d->id),
        [SQL_DEPLOYMENT_CREATE_OWNER_ID] = DB_V_TEXT(d->owner_id),
        [SQL_DEPLOYMENT_CREATE_NAME] = DB_V_TEXT(d->name),
        [SQL_DEPLOYMENT_CREATE_CREATED_AT] = DB_V_INT(d->created_at),
        [SQL_DEPLOYMENT_CREATE_SETTINGS] = DB_V_TEXT(d->settings ? d->settings : "{}"),
    };
    enum status s = db_exec(db, &sql_deployment_create, args, NULL, err);

    if (s == STATUS_CONFLICT)
        return FAIL(err, s, "A deployment with that name and owner already exists.");
    return s;
}

/* By id: the owner's name is not among what was given. */
static enum status reread(struct db *db, struct store_op *op, const char *id, const char *owner_id,
                          struct deployment_row *out)
{
    const struct db_value args[SQL_DEPLOYMENT_BY_ID_PARAMS] = {
        [SQL_DEPLOYMENT_BY_ID_ID] = DB_V_TEXT(id),
    };
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, &sql_deployment_by_id, args, &op->arena, &op->error);

    if (s != STATUS_OK)
        return s;
    if (reader_next(&r)) {
        read_deployment(&r, out);
        return STATUS_OK;
    }
    if (r.status != STATUS_OK)
        return r.status;
    return FAIL(&op->error, STATUS_BROKEN, "deployment %s of account %s is not there", id,
                owner_id);
}

static enum status deployment_create(struct db *db, struct store_op *base)
{
    struct store_deployment_create *op = container_of(base, struct store_deployment_create, op);
    const struct deployment_row *d = &op->in;
    enum status s = STATUS_OK;

    op->bad_model = op->bad_hardware = false;
    s = find_release_version(db, op);
    if (s == STATUS_OK && !runtime_fits(op->offers, d->release.hardware, &op->used, &base->error)) {
        op->bad_hardware = true;
        s = STATUS_UNPROCESSABLE;
    }
    if (s == STATUS_OK)
        s = insert_deployment(db, d, &base->error);
    if (s == STATUS_OK)
        s = insert_release(db, d->id, 1, &op->used, &d->release, &base->error);
    if (s == STATUS_OK)
        s = reread(db, base, d->id, d->owner_id, &op->row);
    return s;
}

const struct store_op_type STORE_DEPLOYMENT_CREATE = {
    .name = "deployment_create",
    .is_write = true,
    .exec = deployment_create,
};

static enum status deployment_get(struct db *db, struct store_op *base)
{
    struct store_deployment_get *op = container_of(base, struct store_deployment_get, op);

    return find_deployment(db, base, op->owner, op->name, op->viewer_id, &op->row);
}

const struct store_op_type STORE_DEPLOYMENT_GET = {
    .name = "deployment_get",
    .exec = deployment_get,
};

static struct page_key read_deployment_row(struct page_walk *w, struct reader *r, size_t at,
                                           size_t *out_bytes)
{
    struct store_deployment_list *op = w->user;

    read_deployment(r, &op->rows[at]);
    *out_bytes = 0;
    return (struct page_key){ .id = op->rows[at].id };
}

static enum status deployment_list(struct db *db, struct store_op *base)
{
    struct store_deployment_list *op = container_of(base, struct store_deployment_list, op);
    struct page_walk w;
    size_t first = 0;
    enum status s = STATUS_OK;

    page_walk_init(&w, db, base, &op->page);
    w.older = op->owner_id ? &sql_deployment_older : &sql_deployment_all_older;
    w.newer = op->owner_id ? &sql_deployment_newer : &sql_deployment_all_newer;
    w.older_args[SQL_DEPLOYMENT_OLDER_OWNER_ID] = DB_V_TEXT(op->owner_id);
    w.newer_args[SQL_DEPLOYMENT_NEWER_OWNER_ID] = DB_V_TEXT(op->owner_id);
    w.read = read_deployment_row;
    w.user = op;
    op->rows = arena_array(&base->arena, struct deployment_row, (size_t)op->page.limit);
    s = page_walk(&w, &first, &op->n, &op->info);
    op->rows += first;
    return s;
}

const struct store_op_type STORE_DEPLOYMENT_LIST = {
    .name = "deployment_list",
    .exec = deployment_list,
};

/* The release as it would be after the change; false when nothing differs. */
static bool apply_change(const struct store_deployment_update *op, struct release_row *rel)
{
    const struct release_row old = *rel;

    rel->version = op->version ? op->version : old.version;
    rel->hardware = op->hardware ? op->hardware : old.hardware;
    rel->min_instances = op->min_instances >= 0 ? op->min_instances : old.min_instances;
    rel->max_instances = op->max_instances >= 0 ? op->max_instances : old.max_instances;
    rel->created_at = op->now;
    rel->created_by = (struct account){ .id = op->author_id };
    return strcmp(rel->version, old.version) != 0 || strcmp(rel->hardware, old.hardware) != 0 ||
           rel->min_instances != old.min_instances || rel->max_instances != old.max_instances;
}

/* The model is the current release's, whoever may see it now; so is its version. */
static enum status find_updated_version(struct db *db, struct store_deployment_update *op)
{
    const struct release_row *cur = &op->row.release;
    struct str owner = str_of(cur->model_owner), name = str_of(cur->model_name);
    const char *id = op->version ? op->version : cur->version;
    const char *viewer_id = strcmp(id, cur->version) == 0 ? NULL : op->row.owner_id;
    enum status s = STATUS_NOT_FOUND;

    if (id[0] != '\0')
        s = find_version(db, &op->op, owner, name, str_of(id), viewer_id, &op->used);
    if (s != STATUS_NOT_FOUND)
        return s;
    op->bad_version = true;
    return FAIL(&op->op.error, STATUS_UNPROCESSABLE, "the model %s/%s has no version %s",
                cur->model_owner, cur->model_name, id);
}

static enum status make_release(struct db *db, struct store_deployment_update *op,
                                const struct release_row *rel)
{
    int64_t number = op->row.release.number + 1;
    const struct db_value args[SQL_DEPLOYMENT_SET_RELEASE_PARAMS] = {
        [SQL_DEPLOYMENT_SET_RELEASE_ID] = DB_V_TEXT(op->row.id),
        [SQL_DEPLOYMENT_SET_RELEASE_NUMBER] = DB_V_INT(number),
    };
    struct error *err = &op->op.error;
    enum status s = insert_release(db, op->row.id, number, &op->used, rel, err);

    if (s == STATUS_OK)
        s = db_exec(db, &sql_deployment_set_release, args, NULL, err);
    if (s == STATUS_OK)
        s = reread(db, &op->op, op->row.id, op->row.owner_id, &op->row);
    return s;
}

/* What makes no release, as it is stored. */
struct settings {
    struct scale_settings scaling;
    struct canary_terms rollout;
};

/* The settings as they are stored, with the parts that are known here replaced. */
static const char *render_settings(struct store_op *op, const char *before,
                                   const struct settings *now)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(1 << 20);
    struct json_writer w;
    struct json *root = NULL;
    struct error err;

    if (json_parse(&op->arena, str_of(before), NULL, &root, &err) != STATUS_OK)
        root = NULL;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_each (root, v)
        if (!str_is(v->key, "scaling") && !str_is(v->key, "rollout")) {
            json_key_str(&w, v->key);
            json_raw(&w, v->span);
        }
    json_key(&w, "scaling");
    scale_settings_write(&now->scaling, &w);
    if (now->rollout.is_set) {
        json_key(&w, "rollout");
        canary_terms_write(&now->rollout, false, &w);
    }
    json_end_object(&w);
    return store_keep(op, buf_str(&out));
}

static void keep_fault(void *arg, const char *key, const struct error *err)
{
    (void)key;
    *(struct error *)arg = *err;
}

static enum status read_settings(struct store_deployment_update *op, struct settings *out)
{
    struct store_op *base = &op->op;
    struct json *members;
    enum status s = STATUS_OK;

    scale_settings_load(&out->scaling, str_of(op->row.settings));
    canary_terms_load(&out->rollout, str_of(op->row.settings));
    if (op->scaling)
        s = json_parse(&base->arena, str_of(op->scaling), NULL, &members, &base->error);
    if (s == STATUS_OK && op->scaling)
        s = scale_settings_change(&out->scaling, members, keep_fault, &base->error);
    if (s == STATUS_OK && op->rollout)
        s = json_parse(&base->arena, str_of(op->rollout), NULL, &members, &base->error);
    if (s == STATUS_OK && op->rollout)
        s = canary_terms_change(&out->rollout, members, keep_fault, &base->error);
    return s;
}

static enum status change_settings(struct db *db, struct store_deployment_update *op)
{
    struct store_op *base = &op->op;
    struct db_value args[SQL_DEPLOYMENT_SET_SETTINGS_PARAMS] = {
        [SQL_DEPLOYMENT_SET_SETTINGS_ID] = DB_V_TEXT(op->row.id),
    };
    struct settings now;
    enum status s;

    op->settings_changed = false;
    if (!op->scaling && !op->rollout)
        return STATUS_OK;
    s = read_settings(op, &now);
    if (s != STATUS_OK)
        return s;
    op->row.settings = render_settings(base, op->row.settings, &now);
    args[SQL_DEPLOYMENT_SET_SETTINGS_SETTINGS] = DB_V_TEXT(op->row.settings);
    op->settings_changed = true;
    return db_exec(db, &sql_deployment_set_settings, args, NULL, &base->error);
}

static enum status deployment_update(struct db *db, struct store_op *base)
{
    struct store_deployment_update *op = container_of(base, struct store_deployment_update, op);
    struct release_row rel;
    enum status s = find_deployment(db, base, op->owner, op->name, op->viewer_id, &op->row);

    op->bad_version = op->bad_bounds = op->bad_hardware = false;
    op->changed = op->settings_changed = false;
    if (s == STATUS_OK)
        s = find_updated_version(db, op);
    if (s == STATUS_OK)
        s = change_settings(db, op);
    if (s != STATUS_OK)
        return s;
    rel = op->row.release;
    if (!apply_change(op, &rel))
        return STATUS_OK;
    if (rel.max_instances < rel.min_instances) {
        op->bad_bounds = true;
        return FAIL(&base->error, STATUS_UNPROCESSABLE,
                    "max_instances (%lld) is less than min_instances (%lld): it must be at least "
                    "as large.",
                    (long long)rel.max_instances, (long long)rel.min_instances);
    }
    if ((op->version || op->hardware) &&
        !runtime_fits(op->offers, rel.hardware, &op->used, &base->error)) {
        op->bad_hardware = true;
        return STATUS_UNPROCESSABLE;
    }
    op->changed = true;
    return make_release(db, op, &rel);
}

const struct store_op_type STORE_DEPLOYMENT_UPDATE = {
    .name = "deployment_update",
    .is_write = true,
    .exec = deployment_update,
};

static enum status check_unused(struct db *db, struct store_deployment_delete *op,
                                const struct deployment_row *d)
{
    const struct db_value args[SQL_DEPLOYMENT_HAS_OPEN_PARAMS] = {
        [SQL_DEPLOYMENT_HAS_OPEN_ID] = DB_V_TEXT(d->id),
    };
    struct error *err = &op->op.error;
    int64_t quiet = op->now - d->last_used_at;
    bool has_open = false;
    enum status s = db_exists(db, &sql_deployment_has_open, args, &has_open, err);

    if (s != STATUS_OK || d->last_used_at == 0)
        return s;
    if (d->release.max_instances > 0)
        return FAIL(
            err, STATUS_UNPROCESSABLE,
            "the deployment is not disabled; set min_instances and max_instances to 0 first");
    if (has_open)
        return FAIL(err, STATUS_UNPROCESSABLE,
                    "the deployment has predictions that have not ended; cancel them first");
    if (quiet < op->quiet_ms)
        return FAIL(err, STATUS_UNPROCESSABLE,
                    "the deployment was used a short time ago; try again in %lld seconds",
                    (long long)((op->quiet_ms - quiet + 999) / 1000));
    return STATUS_OK;
}

static enum status deployment_delete(struct db *db, struct store_op *base)
{
    struct store_deployment_delete *op = container_of(base, struct store_deployment_delete, op);
    struct deployment_row d = { .id = NULL };
    struct db_value budget[SQL_BUDGET_DELETE_PARAMS];
    enum status s = find_deployment(db, base, op->owner, op->name, op->viewer_id, &d);

    if (s == STATUS_OK)
        s = check_unused(db, op, &d);
    if (s != STATUS_OK)
        return s;
    (void)snprintf(op->id, sizeof(op->id), "%s", d.id);
    budget[SQL_BUDGET_DELETE_ID] = DB_V_TEXT(d.id);
    s = db_exec(db, &sql_budget_delete, budget, NULL, &base->error);
    if (s != STATUS_OK)
        return s;
    return db_exec(db, &sql_deployment_delete,
                   &(struct db_value){ .type = DB_TEXT, .s = str_of(d.id) }, NULL, &base->error);
}

const struct store_op_type STORE_DEPLOYMENT_DELETE = {
    .name = "deployment_delete",
    .is_write = true,
    .exec = deployment_delete,
};
