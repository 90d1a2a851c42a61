/* SPDX-License-Identifier: Apache-2.0 */
/* The last steps of a build: the schema is taken from the helper's answer or from the folder, the
 * version's files are named by what they hold, put into their place and brought safely to the disk.
 */
#include "run/build_impl.h"

#include "core/input.h"
#include "run/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SCHEMA = 16 << 20 };

#define OWN_SCHEMA ".cog/openapi_schema.json"

/* --- a schema that the folder brings --- */

/* Copies an object, with the value at the end of `path` true; what is missing on the way is made.
 */
static void write_with_true(struct json_writer *w, const struct json *v, const char *const *path)
{
    const struct json *below = json_get(v, path[0]);

    json_begin_object(w);
    if (json_is(v, JSON_OBJECT)) {
        json_each (v, m) {
            if (str_is(m->key, path[0]))
                continue;
            json_key_str(w, m->key);
            json_raw(w, m->span);
        }
    }
    json_key(w, path[0]);
    if (path[1])
        write_with_true(w, below, path + 1);
    else
        json_bool(w, true);
    json_end_object(w);
}

static enum status take_own_schema(struct build *b, struct str text)
{
    static const char *const streaming[] = { "paths", "/predictions", "post", "x-cog-streaming",
                                             NULL };
    struct json_limits limits = { .max_values = 1000000 };
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(2 * MAX_SCHEMA);
    struct json_writer w;
    struct error why;
    struct json *root;

    if (json_parse(&b->arena, text, &limits, &root, &why) != STATUS_OK)
        return FAIL(&b->error, STATUS_INVALID, OWN_SCHEMA " is not JSON: %.300s", why.text);
    if (!json_is(json_path(root, "components.schemas.Input"), JSON_OBJECT))
        return FAIL(&b->error, STATUS_INVALID,
                    OWN_SCHEMA " has no components.schemas.Input. Remove the file: the schema is "
                               "then read from the source.");
    if (output_facts(text).supports_stream) {
        b->own_schema = text;
        return STATUS_OK;
    }
    json_writer_init(&w, &out);
    write_with_true(&w, root, streaming);
    if (out.failed)
        return FAIL(&b->error, STATUS_TOO_LARGE, OWN_SCHEMA " is too large.");
    b->own_schema = str_of(arena_copy(&b->arena, buf_str(&out)));
    return STATUS_OK;
}

enum status build_read_own_schema(struct build *b)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(MAX_SCHEMA);
    struct stat st;

    build_path(b, "src/" OWN_SCHEMA, &path);
    if (lstat(path.p, &st) != 0)
        return STATUS_OK;
    if (!S_ISREG(st.st_mode) || !build_read_file(path.p, &text))
        return FAIL(&b->error, STATUS_INVALID,
                    OWN_SCHEMA " cannot be read: it must be a plain file of at most 16 MB.");
    return take_own_schema(b, str_of(arena_copy(&b->arena, buf_str(&text))));
}

/* --- the schema --- */

/* What the helper found, or nothing when it failed and the folder's own schema stands in for it. */
static enum status read_answer(struct build *b, struct json **out_root)
{
    struct json_limits limits = { .max_values = 1000000 };
    enum status s;

    *out_root = NULL;
    if (b->captured.n == 0 && b->own_schema.p)
        return STATUS_OK;
    s = json_parse(&b->arena, str_of(arena_copy(&b->arena, buf_str(&b->captured))), &limits,
                   out_root, &b->error);
    if (s != STATUS_OK || !json_get(*out_root, "openapi"))
        return FAIL(
            &b->error, STATUS_BROKEN,
            "The schema could not be read from the source: the helper's answer is not JSON.");
    return STATUS_OK;
}

/* All of it stands in model.yaml. */
static void take_model(struct build *b)
{
    b->schema = b->model.schema;
    b->config = (struct version_config){
        .dialect = b->model.protocol,
        .http = b->model.http,
        .concurrency = MAX(b->cog.concurrency, 1),
        .needs_gpu = b->cog.gpu,
        .env = b->needs_env ? b->env_path : NULL,
        .environment = b->cog.environment,
        .iterator = output_facts(b->schema).is_iterator,
        .output_files_listed = output_facts(b->schema).files_listed,
    };
}

static enum status take_description(struct build *b)
{
    struct input_schema *schema;
    struct json *root;
    int64_t decorated = 0;
    bool is_async = b->cog.concurrency > 1; /* where nothing says otherwise */
    enum status s = read_answer(b, &root);

    if (s != STATUS_OK)
        return s;
    json_each (json_get(root, "warnings"), w)
        build_log_write(b, "warning: %.*s", STR_ARG(json_to_str(w)));
    if (b->own_schema.p)
        build_log_write(b, "The folder brings " OWN_SCHEMA ": it is the version's schema.");
    b->schema = b->own_schema.p ? b->own_schema : json_get(root, "openapi")->span;
    s = input_schema_new(b->schema, "Input", &schema, &b->error);
    if (s != STATUS_OK)
        return s;
    input_schema_free(schema);
    json_to_i64(json_get(root, "max_concurrency"), &decorated);
    json_to_bool(json_get(root, "async"), &is_async);
    b->config = (struct version_config){
        .dialect = "cog",
        .predict_ref = b->cog.predict_ref,
        .train_ref = b->cog.train_ref,
        .concurrency = is_async ? MAX(b->cog.concurrency ? b->cog.concurrency : decorated, 1) : 1,
        .needs_gpu = b->cog.gpu,
        .env = b->env_path,
        .environment = b->cog.environment,
        .iterator = output_facts(b->schema).is_iterator,
        .output_files_listed = output_facts(b->schema).files_listed,
    };
    if (b->cog.concurrency > 1 && !is_async)
        return FAIL(&b->error, STATUS_INVALID,
                    "cog.yaml: concurrency.max is %lld, but the model's run or predict is not "
                    "async: it can run one prediction at "
                    "a time. Make it `async def`, or remove concurrency.",
                    (long long)b->cog.concurrency);
    return STATUS_OK;
}

/* --- storing --- */

enum status build_sync(const char *folder, bool whole, struct error *err)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && (whole ? syncfs(fd) : fsync(fd)) == 0;
    int code = errno;

    if (fd >= 0)
        close(fd);
    if (!ok)
        return FAIL(err, code == ENOSPC ? STATUS_DISK_FULL : STATUS_BROKEN,
                    "cannot bring %s to the disk: %s", folder, strerror(code));
    return STATUS_OK;
}

static enum status move_version(struct build *b, const char *src, const char *to)
{
    if (access(to, F_OK) == 0) /* the same content is there already */
        return STATUS_OK;
    tree_make_readonly(src);
    chmod(src, 0755); /* a folder that is renamed must be writable */
    if (rename(src, to) == 0)
        chmod(to, 0555);
    else if (errno != EEXIST && errno != ENOTEMPTY) /* another build of the same was first */
        return FAIL(&b->error, errno == ENOSPC ? STATUS_DISK_FULL : STATUS_BROKEN,
                    "cannot move the version's folder to %s: %s", to, strerror(errno));
    return STATUS_OK;
}

/* The row comes after this: a version that has one has its files too, whatever happens. */
static enum status place_version(struct build *b, const char *src)
{
    struct buf to CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct buf versions CLEANUP(buf_deinit) = BUF_INIT(1024);
    enum status s;

    snprintf(b->version_path, sizeof(b->version_path), "versions/%s", b->version_id);
    buf_addf(&to, "%s/%s", b->owner->data, b->version_path);
    buf_addf(&versions, "%s/versions", b->owner->data);
    s = move_version(b, src, to.p);
    if (s == STATUS_OK)
        s = build_sync(to.p, true, &b->error);
    return s == STATUS_OK ? build_sync(versions.p, false, &b->error) : s;
}

static enum status store_files(struct build *b)
{
    struct buf src CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct buf also CLEANUP(buf_deinit) = BUF_INIT(16 << 20);
    enum status s;

    build_path(b, "src", &src);
    build_path(b, "src/.cog", &path);
    mkdir(path.p, 0755);
    build_path(b, "src/.cog/openapi_schema.json", &path);
    unlink(path.p);
    s = build_write_file(path.p, b->schema, &b->error);
    if (s != STATUS_OK)
        return s;
    version_config_write(&b->config, &also);
    s = tree_digest(src.p, also.p, b->version_id, &b->error);
    return s == STATUS_OK ? place_version(b, src.p) : s;
}

static void store_work(struct work *w)
{
    struct build *b = container_of(w, struct build, work);

    b->status = store_files(b);
}

static void seal_work(struct work *w)
{
    struct build *b = container_of(w, struct build, work);

    if (b->made_env)
        b->status = build_seal_env(b);
    if (b->status == STATUS_OK)
        store_work(w);
}

void build_store_files(struct build *b)
{
    b->captures = false;
    if (b->model.protocol)
        take_model(b);
    else
        b->status = take_description(b);
    work_start(b->owner->loop, &b->work, b->status == STATUS_OK ? seal_work : build_no_work,
               build_on_work_done);
}
