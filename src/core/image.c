/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image.h"

#include "base/encode.h"
#include "core/input.h"

enum { MAX_CONCURRENCY = 10000, DIGITS = 64 };

/* A label under its present name, or under the one of Cog before 0.9. */
static struct str label(const struct json *root, const char *now, const char *before)
{
    const struct json *labels = json_path(root, "Config.Labels"); /* as the engine says it */
    struct str s;

    if (!labels)
        labels = json_path(root, "config.Labels"); /* as a registry has it */
    s = json_to_str(json_get(labels, now));

    return s.p ? s : json_to_str(json_get(labels, before));
}

static struct str model_label(struct arena *a, const struct json *root)
{
    struct str text = label(root, "berth.model", "");

    return text.p ? str_make(arena_copy(a, text), text.n) : STR_NULL;
}

/* Any form of "sha256:<64 digits>" behind the last '@', or alone. */
static bool read_digest(struct str text, struct str *out)
{
    struct str head;

    while (str_split(&text, '@', &head) && text.p)
        continue;
    if (!str_starts(head, "sha256:") || head.n != strlen("sha256:") + DIGITS)
        return false;
    *out = str_make(head.p + strlen("sha256:"), DIGITS);
    for (size_t i = 0; i < out->n; i++)
        if (!((out->p[i] >= '0' && out->p[i] <= '9') || (out->p[i] >= 'a' && out->p[i] <= 'f')))
            return false;
    return true;
}

/* "host:5000/a/b:tag@sha256:…" without its tag and digest. */
static struct str repository(const char *name)
{
    struct str rest = str_of(name), head;

    str_split(&rest, '@', &head);
    for (size_t i = head.n; i > 0 && head.p[i - 1] != '/'; i--)
        if (head.p[i - 1] == ':')
            return str_make(head.p, i - 1);
    return head;
}

/* The digest that a registry knows the image by: of the repository that was named, else of the
 * first; else the id. */
static bool find_version(const struct json *root, const char *name, struct str *out)
{
    struct str wanted = repository(name);
    struct str digest;
    bool found = false;

    json_each (json_get(root, "RepoDigests"), one) {
        struct str text = json_to_str(one);
        bool is_named = text.n > wanted.n && text.p[wanted.n] == '@' &&
                        str_eq(str_make(text.p, wanted.n), wanted);

        if (!read_digest(text, &digest) || (found && !is_named))
            continue;
        found = true;
        *out = digest;
        if (is_named)
            break;
    }
    return found || read_digest(json_to_str(json_get(root, "Id")), out);
}

static enum status check_platform(const struct json *root, const char *name,
                                  const char *architecture, struct error *err)
{
    struct str os = json_to_str(json_get(root, json_get(root, "Os") ? "Os" : "os"));
    struct str arch = json_to_str(
        json_get(root, json_get(root, "Architecture") ? "Architecture" : "architecture"));

    if (os.n && !str_is(os, "linux"))
        return FAIL(err, STATUS_UNPROCESSABLE,
                    "The image %.200s is for %.*s; it must be one for Linux.", name, STR_ARG(os));
    if (arch.n && *architecture && !str_is(arch, architecture))
        return FAIL(err, STATUS_UNPROCESSABLE,
                    "The image %.200s is for %.*s machines, and this engine's is %s. Build it with "
                    "--platform linux/%s.",
                    name, STR_ARG(arch), architecture, architecture);
    return STATUS_OK;
}

static enum status check_weights(const struct json *config, const char *name, struct error *err)
{
    const struct json *weights = json_get(config, "weights");

    if (json_is(weights, JSON_ARRAY) && weights->n > 0)
        return FAIL(err, STATUS_UNPROCESSABLE,
                    "The image %.200s has managed weights (`weights` in its cog.yaml), which this "
                    "server cannot mount. Put the weights into the image, or let setup() fetch "
                    "them.",
                    name);
    return STATUS_OK;
}

static const char *read_ref(struct arena *a, const struct json *config)
{
    struct str ref = json_to_str(json_get(config, "predict"));

    if (!ref.p)
        ref = json_to_str(json_get(config, "run"));
    return ref.p ? arena_copy(a, ref) : NULL;
}

/* Both labels are JSON within JSON. */
static enum status read_labels(struct arena *a, const struct json *root, const char *name,
                               struct image_facts *out, struct error *err)
{
    struct str schema = label(root, "run.cog.openapi_schema", "org.cogmodel.openapi_schema");
    struct str text = label(root, "run.cog.config", "org.cogmodel.config");
    struct json *config = NULL, *document = NULL;
    struct input_schema *compiled;
    enum status st;

    if (!schema.n || !text.n)
        return FAIL(
            err, STATUS_UNPROCESSABLE,
            "The image %.200s has no labels of Cog (run.cog.config and "
            "run.cog.openapi_schema): it must be one that `cog build` or `cog push` made, or "
            "say how it is served, in a model.yaml (`berth push --model-yaml FILE`) or the label "
            "berth.model.",
            name);
    out->schema = str_make(arena_copy(a, schema), schema.n);
    st = json_parse(a, str_make(arena_copy(a, text), text.n), NULL, &config, err);
    if (st == STATUS_OK)
        st = json_parse(a, out->schema, NULL, &document, err);
    if (st == STATUS_OK && !json_is(document, JSON_OBJECT))
        st = FAIL(err, STATUS_INVALID, "the schema is not an object");
    if (st == STATUS_OK)
        st = input_schema_new(out->schema, "Input", &compiled, err);
    if (st != STATUS_OK) {
        error_context(err, "The labels of the image %.200s cannot be read", name);
        return err->status = STATUS_UNPROCESSABLE;
    }
    input_schema_free(compiled);
    st = check_weights(config, name, err);
    out->config.predict_ref = read_ref(a, config);
    json_to_bool(json_path(config, "build.gpu"), &out->config.needs_gpu);
    out->config.concurrency = 1;
    if (json_to_i64(json_path(config, "concurrency.max"), &out->config.concurrency))
        out->config.concurrency = MIN(MAX(out->config.concurrency, 1), MAX_CONCURRENCY);
    return st;
}

static const char *const no_environment[] = { NULL };

/* Of an image that was brought with a model.yaml: of both, since each is served in its own way. */
static const char *version_of_both(struct arena *a, const char *digest, struct str model_yaml)
{
    struct sha256_ctx *c = sha256_new();
    unsigned char sum[SHA256_SIZE];
    struct buf hex CLEANUP(buf_deinit) = BUF_INIT(2 * SHA256_SIZE);

    sha256_add(c, digest, strlen(digest) + 1);
    sha256_add(c, model_yaml.p, model_yaml.n);
    sha256_end(c, sum);
    for (size_t i = 0; i < sizeof(sum); i++)
        buf_addf(&hex, "%02x", sum[i]);
    return arena_copy(a, buf_str(&hex));
}

static void complete(struct arena *a, const struct json *root, const char *id, const char *version,
                     struct image_facts *f)
{
    f->id = id;
    f->version = version;
    f->cog_version = arena_copy(a, label(root, "run.cog.version", "org.cogmodel.cog_version"));
    f->config.image = id;
    f->config.has_init = str_is(label(root, "run.cog.has_init", ""), "true");
    if (f->model_yaml.p)
        return;
    f->config.iterator = output_facts(f->schema).is_iterator;
    f->config.output_files_listed = output_facts(f->schema).files_listed;
}

enum status image_read(struct arena *a, struct str inspected, const char *name,
                       const char *architecture, struct str model_yaml, struct image_facts *out,
                       struct error *err)
{
    struct str copy = str_make(arena_copy(a, inspected), inspected.n);
    bool is_brought = model_yaml.p != NULL;
    struct image_facts f = { .config = { .dialect = "cog", .environment = no_environment } };
    struct str id, digest;
    struct json *root = NULL;
    enum status st = json_parse(a, copy, NULL, &root, err);

    if (st == STATUS_OK && !json_is(root, JSON_OBJECT))
        st = FAIL(err, STATUS_INVALID, "not an object");
    id = st == STATUS_OK ? json_to_str(json_get(root, "Id")) : STR_NULL;
    if (st == STATUS_OK && (!id.n || !find_version(root, name, &digest)))
        st = FAIL(err, STATUS_INVALID, "the image has no id");
    if (st != STATUS_OK) {
        error_context(err, "What the engine says of the image %.200s cannot be read", name);
        return err->status = STATUS_INVALID;
    }
    st = check_platform(root, name, architecture, err);
    f.model_yaml =
        is_brought ? str_make(arena_copy(a, model_yaml), model_yaml.n) : model_label(a, root);
    if (st == STATUS_OK && !f.model_yaml.p)
        st = read_labels(a, root, name, &f, err);
    if (st != STATUS_OK)
        return st;
    complete(a, root, arena_copy(a, id), arena_copy(a, digest), &f);
    if (is_brought)
        f.version = version_of_both(a, f.version, f.model_yaml);
    *out = f;
    return STATUS_OK;
}

enum status image_read_config(struct arena *a, struct str config, const char *reference,
                              const char *digest, const char *architecture, struct image_facts *out,
                              struct error *err)
{
    struct str copy = str_make(arena_copy(a, config), config.n);
    struct image_facts f = { .config = { .dialect = "cog", .environment = no_environment } };
    struct json *root = NULL;
    struct str version;
    enum status st = json_parse(a, copy, NULL, &root, err);

    if (st == STATUS_OK && (!json_is(root, JSON_OBJECT) || !read_digest(str_of(digest), &version)))
        st = FAIL(err, STATUS_INVALID, "not an object");
    if (st != STATUS_OK) {
        error_context(err, "The configuration of the image %.200s cannot be read", reference);
        return err->status = STATUS_INVALID;
    }
    st = check_platform(root, reference, architecture, err);
    f.model_yaml = model_label(a, root);
    if (st == STATUS_OK && !f.model_yaml.p)
        st = read_labels(a, root, reference, &f, err);
    if (st != STATUS_OK)
        return st;
    complete(a, root, arena_copy(a, str_of(reference)), arena_copy(a, version), &f);
    *out = f;
    return STATUS_OK;
}
