/* SPDX-License-Identifier: Apache-2.0 */
#include "run/cogyaml_impl.h"

#include "base/utf8.h"
#include "base/yaml.h"

#include <ctype.h>

enum status yaml_only_keys(struct yaml_reader *r, const struct json *v, const char *where,
                           const char *const *keys)
{
    struct buf list CLEANUP(buf_deinit) = BUF_INIT(1024);

    for (const char *const *k = keys; *k; k++)
        buf_addf(&list, "%s%s", list.n ? ", " : "", *k);
    json_each (v, m) {
        bool known = false;

        for (const char *const *k = keys; *k; k++)
            known = known || str_is(m->key, *k);
        if (!known)
            return FAIL(r->err, STATUS_INVALID,
                        "%s: %s%.*s is not a key that %s knows. Known are: %.*s.", r->file, where,
                        STR_ARG(m->key), r->who, STR_ARG(buf_str(&list)));
    }
    return STATUS_OK;
}

enum status yaml_must_be_mapping(struct yaml_reader *r, const struct json *v, const char *name)
{
    if (!v || json_is(v, JSON_NULL) || json_is(v, JSON_OBJECT))
        return STATUS_OK;
    return FAIL(r->err, STATUS_INVALID, "%s: %s must hold keys, not %s.", r->file, name,
                json_type_name(v));
}

enum status yaml_read_text(struct yaml_reader *r, const struct json *v, const char *name,
                           const char **out)
{
    if (!v || json_is(v, JSON_NULL))
        return STATUS_OK;
    /* python_version: 3.10 is a number to YAML; its characters are what was meant. */
    if (!json_is(v, JSON_STRING) && !json_is(v, JSON_NUMBER))
        return FAIL(r->err, STATUS_INVALID, "%s: %s must be text, not %s.", r->file, name,
                    json_type_name(v));
    *out = arena_copy(r->arena, v->text);
    return STATUS_OK;
}

enum status yaml_read_list(struct yaml_reader *r, const struct json *v, const char *name,
                           const char *const **out)
{
    const char **list = arena_array(r->arena, const char *, (v ? v->n : 0) + 1);
    size_t n = 0;

    *out = list;
    if (!v || json_is(v, JSON_NULL))
        return STATUS_OK;
    if (!json_is(v, JSON_ARRAY))
        return FAIL(r->err, STATUS_INVALID, "%s: %s must be a list, not %s.", r->file, name,
                    json_type_name(v));
    json_each (v, e) {
        if (!json_is(e, JSON_STRING))
            return FAIL(r->err, STATUS_INVALID, "%s: %s must hold text only; item %zu is %s.",
                        r->file, name, n + 1, json_type_name(e));
        list[n++] = arena_copy(r->arena, e->text);
    }
    return STATUS_OK;
}

/* A reference names a file of the folder and, as a rule, a class or function in it. */
static enum status check_ref(struct yaml_reader *r, const char *ref, const char *key)
{
    struct str rest = str_of(ref), file;

    if (!ref)
        return STATUS_OK;
    str_split(&rest, ':', &file);
    if (!str_ends(file, ".py") || str_starts(file, "/") || memmem(file.p, file.n, "..", 2))
        return FAIL(r->err, STATUS_INVALID,
                    "%s: %s is \"%.100s\"; it must name a Python file of the folder and a "
                    "class or function in it, "
                    "such as \"predict.py:Predictor\".",
                    r->file, key, ref);
    return STATUS_OK;
}

static const char *refused_environment(struct str name)
{
    static const char *const exact[] = {
        "PATH",        "PYTHONPATH",       "LD_LIBRARY_PATH", "LIBRARY_PATH",
        "VIRTUAL_ENV", "PYTHONUNBUFFERED", "HF_ENDPOINT",     "HF_HUB_ENABLE_HF_TRANSFER"
    };
    static const char *const prefixes[] = { "R8_", "REPLICATE_", "CUDA_",      "NVIDIA_",
                                            "NV_", "PGET_",      "KUBERNETES_" };

    for (size_t i = 0; i < ARRAY_SIZE(exact); i++)
        if (str_is(name, exact[i]))
            return exact[i];
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (str_starts(name, prefixes[i]))
            return prefixes[i];
    return NULL;
}

enum status yaml_check_environment(struct yaml_reader *r)
{
    for (const char *const *e = r->out->environment; *e; e++) {
        struct str rest = str_of(*e), name;

        str_split(&rest, '=', &name);
        if (!rest.p || name.n == 0)
            return FAIL(r->err, STATUS_INVALID,
                        "%s: environment has \"%.100s\"; it must be NAME=value.", r->file, *e);
        if (refused_environment(name))
            return FAIL(r->err, STATUS_INVALID,
                        "%s: environment may not set %.*s: the server sets it.", r->file,
                        STR_ARG(name));
    }
    return STATUS_OK;
}

static enum status refuse_if_given(struct yaml_reader *r, const struct json *v, const char *key,
                                   const char *why)
{
    if (!v || json_is(v, JSON_NULL) ||
        ((json_is(v, JSON_ARRAY) || json_is(v, JSON_OBJECT)) && v->n == 0))
        return STATUS_OK;
    return FAIL(r->err, STATUS_INVALID, "%s: %s cannot be used here: %s", r->file, key, why);
}

enum status yaml_read_build(struct yaml_reader *r, const struct json *build)
{
    static const char *const keys[] = { "gpu",
                                        "cuda",
                                        "cudnn",
                                        "python_version",
                                        "python_requirements",
                                        "python_packages",
                                        "pre_install",
                                        "system_packages",
                                        "run",
                                        "sdk_version",
                                        "fast",
                                        "cog_runtime",
                                        "python_overrides",
                                        NULL };
    struct cog_yaml *out = r->out;
    const struct json *gpu = json_get(build, "gpu");
    enum status s = yaml_must_be_mapping(r, build, "build");

    if (s == STATUS_OK)
        s = yaml_only_keys(r, build, "build.", keys);
    if (s == STATUS_OK && gpu && !json_is(gpu, JSON_NULL) && !json_to_bool(gpu, &out->gpu))
        s = FAIL(r->err, STATUS_INVALID, "%s: build.gpu must be true or false.", r->file);
    if (s == STATUS_OK)
        s = yaml_read_text(r, json_get(build, "python_version"), "build.python_version",
                           &out->python_version);
    if (s == STATUS_OK)
        s = yaml_read_text(r, json_get(build, "python_requirements"), "build.python_requirements",
                           &out->requirements_file);
    if (s == STATUS_OK)
        s = yaml_read_list(r, json_get(build, "python_packages"), "build.python_packages",
                           &out->packages);
    if (s == STATUS_OK)
        s = yaml_read_list(r, json_get(build, "system_packages"), "build.system_packages",
                           &out->system_packages);
    if (s == STATUS_OK)
        s = refuse_if_given(
            r, json_get(build, "run"), "build.run",
            "a folder is run as it is, no image is built from it. Do the step "
            "before the push, so that the folder has what it makes, or in setup().");
    if (s == STATUS_OK)
        s = refuse_if_given(
            r, json_get(build, "pre_install"), "build.pre_install",
            "a folder is run as it is, no image is built from it. Do the step "
            "before the push, so that the folder has what it makes, or in setup().");
    return s;
}

enum status yaml_read_concurrency(struct yaml_reader *r, const struct json *v)
{
    static const char *const keys[] = { "max", "default_target", NULL };
    enum status s = yaml_must_be_mapping(r, v, "concurrency");
    int64_t max = 0;

    if (s == STATUS_OK)
        s = yaml_only_keys(r, v, "concurrency.", keys);
    if (s != STATUS_OK || !v || json_is(v, JSON_NULL))
        return s;
    if (!json_to_i64(json_get(v, "max"), &max) || max < 1 || max > 999)
        return FAIL(r->err, STATUS_INVALID,
                    "%s: concurrency.max must be a whole number from 1 to 999.", r->file);
    r->out->concurrency = max;
    return STATUS_OK;
}

static enum status read_refs(struct yaml_reader *r, const struct json *root)
{
    const char *run = NULL, *predict = NULL;
    enum status s = yaml_read_text(r, json_get(root, "run"), "run", &run);

    if (s == STATUS_OK)
        s = yaml_read_text(r, json_get(root, "predict"), "predict", &predict);
    if (s == STATUS_OK)
        s = yaml_read_text(r, json_get(root, "train"), "train", &r->out->train_ref);
    if (s == STATUS_OK && run && predict)
        s = FAIL(r->err, STATUS_INVALID, "%s: run and predict are both given; keep one of them.",
                 r->file);
    r->out->predict_ref = run ? run : predict;
    if (s == STATUS_OK && !r->out->predict_ref && !r->out->train_ref)
        s = FAIL(r->err, STATUS_INVALID,
                 "%s: neither run, predict nor train is given. Add a line such as predict: "
                 "\"predict.py:Predictor\".",
                 r->file);
    if (s == STATUS_OK)
        s = check_ref(r, r->out->predict_ref, run ? "run" : "predict");
    if (s == STATUS_OK)
        s = check_ref(r, r->out->train_ref, "train");
    return s;
}

enum status cog_yaml_read(struct arena *a, struct str text, struct cog_yaml *out, struct error *err)
{
    static const char *const keys[] = { "build",   "image", "model",       "run",
                                        "predict", "train", "concurrency", "environment",
                                        "weights", "tests", NULL };
    static const char *const none[] = { NULL };
    struct yaml_reader r = { .arena = a, .err = err, .out = out, .file = "cog.yaml", .who = "Cog" };
    struct json *root;
    enum status s = yaml_parse(a, text, "cog.yaml", &root, err);

    *out = (struct cog_yaml){
        .file = r.file, .packages = none, .system_packages = none, .environment = none
    };
    if (s != STATUS_OK)
        return s;
    if (!json_is(root, JSON_OBJECT))
        return FAIL(err, STATUS_INVALID,
                    "cog.yaml: it must hold keys such as build and predict, not %s.",
                    json_type_name(root));
    s = yaml_only_keys(&r, root, "", keys);
    if (s == STATUS_OK)
        s = read_refs(&r, root);
    if (s == STATUS_OK)
        s = yaml_read_build(&r, json_get(root, "build"));
    if (s == STATUS_OK)
        s = yaml_read_concurrency(&r, json_get(root, "concurrency"));
    if (s == STATUS_OK)
        s = yaml_read_list(&r, json_get(root, "environment"), "environment", &out->environment);
    if (s == STATUS_OK)
        s = yaml_check_environment(&r);
    if (s == STATUS_OK)
        s = refuse_if_given(&r, json_get(root, "weights"), "weights",
                            "managed weights need an image registry. Put the weights into the "
                            "folder, or load them in setup.");
    return s;
}

/* --- requirements --- */

/* Installers end lines, and strip white space, by Unicode's rules: what could hide a second line or
 * an option is refused in comments too. */
static const char *character_problem(struct str line)
{
    static const char *const separators[] = { "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9" };

    if (!utf8_valid(line))
        return "text that is not UTF-8 is not taken";
    for (size_t i = 0; i < line.n; i++)
        if (((unsigned char)line.p[i] < 0x20 && line.p[i] != '\t') || line.p[i] == 0x7f)
            return "control characters are not taken";
    for (size_t i = 0; i < ARRAY_SIZE(separators); i++)
        if (memmem(line.p, line.n, separators[i], strlen(separators[i])))
            return "line separators are not taken";
    return NULL;
}

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return false;
    return true;
}

const char *requirement_problem(struct str line)
{
    const char *comment, *problem;

    line = str_trim(line);
    problem = line.p ? character_problem(line) : NULL;
    if (problem)
        return problem;
    if (!line.p || line.n == 0 || line.p[0] == '#')
        return NULL;
    if (str_starts(line, "./") && str_ends(line, ".whl") && !memmem(line.p, line.n, "..", 2))
        return NULL; /* a wheel that the folder itself brings */
    if (line.p[0] == '-')
        return "options are not taken (they choose where packages come from)";
    if (memmem(line.p, line.n, "${", 2))
        return "variables are not taken";
    if (line.p[line.n - 1] == '\\')
        return "lines that go on in the next one are not taken";
    comment = memmem(line.p, line.n, " #", 2);
    if (comment)
        line.n = (size_t)(comment - line.p);
    if (!is_ascii(line))
        return "characters outside of ASCII are not taken";
    if (memmem(line.p, line.n, "://", 3) || memmem(line.p, line.n, "git+", 4) ||
        memchr(line.p, '@', line.n))
        return "links and version control are not taken";
    if (line.p[0] == '.' || line.p[0] == '/' || line.p[0] == '~' || str_ends(line, ".whl") ||
        str_ends(line, ".tar.gz") || str_ends(line, ".zip"))
        return "paths are not taken";
    return NULL;
}

struct str requirement_name(struct arena *a, struct str line)
{
    char *name;
    size_t n = 0;

    line = str_trim(line);
    while (n < line.n && (isalnum((unsigned char)line.p[n]) || strchr("._-", line.p[n])))
        n++;
    name = arena_copy(a, str_make(line.p, n));
    for (size_t i = 0; i < n; i++)
        name[i] = name[i] == '_' || name[i] == '.' ? '-' : (char)tolower((unsigned char)name[i]);
    return str_make(name, n);
}
