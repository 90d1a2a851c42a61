/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that this server does not know are passed over: the text may have been written by a newer
 * one. */
#include "core/version.h"

enum { MAX_CONCURRENCY = 10000 };

/* A text or null; anything else is an error. */
static enum status read_text(struct arena *a, const struct json *root, const char *key,
                             const char **out, struct error *err)
{
    const struct json *v = json_get(root, key);

    *out = NULL;
    if (!v || json_is(v, JSON_NULL))
        return STATUS_OK;
    if (!json_is(v, JSON_STRING) || memchr(v->text.p, '\0', v->text.n))
        return FAIL(err, STATUS_INVALID, "version configuration: %s must be text", key);
    *out = arena_copy(a, v->text);
    return STATUS_OK;
}

static enum status read_bool(const struct json *root, const char *key, bool *out, struct error *err)
{
    const struct json *v = json_get(root, key);

    *out = false;
    if (!v || json_is(v, JSON_NULL) || json_to_bool(v, out))
        return STATUS_OK;
    return FAIL(err, STATUS_INVALID, "version configuration: %s must be true or false", key);
}

static enum status read_list(struct arena *a, const struct json *root, const char *key,
                             const char *const **out, struct error *err)
{
    const struct json *list = json_get(root, key);
    const char **names;
    size_t n = 0;

    if (list && !json_is(list, JSON_NULL) && !json_is(list, JSON_ARRAY))
        return FAIL(err, STATUS_INVALID, "version configuration: %s must be a list", key);
    names = arena_array(a, const char *, (list ? list->n : 0) + 1);
    json_each (list, entry) {
        struct str s = json_to_str(entry);

        if (!s.p || memchr(s.p, '\0', s.n))
            return FAIL(err, STATUS_INVALID, "version configuration: %s holds texts only", key);
        names[n++] = arena_copy(a, s);
    }
    *out = names;
    return STATUS_OK;
}

static enum status read_environment(struct arena *a, const struct json *root,
                                    const char *const **out, struct error *err)
{
    enum status st = read_list(a, root, "environment", out, err);

    for (const char *const *s = *out; !st && *s; s++)
        if (**s == '=' || !strchr(*s, '='))
            st = FAIL(err, STATUS_INVALID,
                      "version configuration: environment holds NAME=value only");
    return st;
}

static enum status read_path(struct arena *a, const struct json *root, const char *key,
                             const char **out, struct error *err)
{
    enum status st = read_text(a, root, key, out, err);

    if (!st && (!*out || **out != '/'))
        st = FAIL(err, STATUS_INVALID, "version configuration: http.%s must be a path", key);
    return st;
}

bool version_is_cog(const struct version_config *c)
{
    return strcmp(c->dialect, "cog") == 0;
}

static enum status read_http(struct arena *a, const struct json *http, struct version_http *out,
                             struct error *err)
{
    enum status st = read_list(a, http, "command", &out->command, err);

    if (!st)
        st = read_path(a, http, "health", &out->health, err);
    if (!st)
        st = read_path(a, http, "path", &out->path, err);
    if (!st)
        st = read_text(a, http, "model", &out->model, err);
    if (!st)
        st = read_text(a, http, "output", &out->output, err);
    if (st)
        return st;
    if (json_get(http, "port") &&
        (!json_to_i64(json_get(http, "port"), &out->port) || out->port < 0 || out->port > 65535))
        return FAIL(err, STATUS_INVALID, "version configuration: http.port must be a port");
    return STATUS_OK;
}

static enum status read_all(struct arena *a, const struct json *root, struct version_config *c,
                            struct error *err)
{
    const struct json *concurrency = json_get(root, "concurrency");
    enum status st = read_text(a, root, "dialect", &c->dialect, err);

    if (!st)
        st = read_text(a, root, "predict_ref", &c->predict_ref, err);
    if (!st)
        st = read_text(a, root, "train_ref", &c->train_ref, err);
    if (!st)
        st = read_text(a, root, "env", &c->env, err);
    if (!st)
        st = read_text(a, root, "weights", &c->weights, err);
    if (!st)
        st = read_text(a, root, "image", &c->image, err);
    if (!st)
        st = read_bool(root, "has_init", &c->has_init, err);
    if (!st)
        st = read_bool(root, "needs_gpu", &c->needs_gpu, err);
    if (!st)
        st = read_bool(root, "iterator", &c->iterator, err);
    if (!st)
        st = read_bool(root, "output_files_listed", &c->output_files_listed, err);
    if (!st)
        st = read_environment(a, root, &c->environment, err);
    if (st)
        return st;
    if (!c->dialect)
        return FAIL(err, STATUS_INVALID, "version configuration: dialect is missing");
    if (!version_is_cog(c)) {
        if (strcmp(c->dialect, "openai") != 0 && strcmp(c->dialect, "plain") != 0)
            return FAIL(err, STATUS_INVALID,
                        "version configuration: dialect is %.40s, which this server does not speak",
                        c->dialect);
        st = read_http(a, json_get(root, "http"), &c->http, err);
        if (st)
            return st;
    }
    c->concurrency = 1;
    if (concurrency && (!json_to_i64(concurrency, &c->concurrency) || c->concurrency < 1 ||
                        c->concurrency > MAX_CONCURRENCY))
        return FAIL(err, STATUS_INVALID, "version configuration: concurrency must be 1 to %d",
                    MAX_CONCURRENCY);
    return STATUS_OK;
}

enum status version_config_parse(struct arena *a, struct str text, struct version_config *out,
                                 struct error *err)
{
    struct version_config c = { 0 };
    struct json *root = NULL;
    /* Spans point into the source, and the arena must own all of it. */
    struct str copy = str_make(arena_copy(a, text), text.n);
    enum status st = json_parse(a, copy, NULL, &root, err);

    if (st) {
        if (err)
            error_context(err, "version configuration");
        return st;
    }
    if (!json_is(root, JSON_OBJECT))
        return FAIL(err, STATUS_INVALID, "version configuration: not an object");
    st = read_all(a, root, &c, err);
    if (!st)
        *out = c;
    return st;
}

static void write_http(struct json_writer *w, const struct version_http *http)
{
    json_key(w, "http");
    json_begin_object(w);
    json_member_list(w, "command", http->command);
    json_member_int(w, "port", http->port);
    json_member_string(w, "health", http->health);
    json_member_string(w, "path", http->path);
    json_member_string(w, "model", http->model);
    json_member_string(w, "output", http->output);
    json_end_object(w);
}

void version_config_write(const struct version_config *c, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_string(&w, "dialect", c->dialect);
    json_member_string(&w, "predict_ref", c->predict_ref);
    json_member_string(&w, "train_ref", c->train_ref);
    json_member_int(&w, "concurrency", c->concurrency);
    json_member_bool(&w, "needs_gpu", c->needs_gpu);
    json_member_string(&w, "env", c->env);
    if (c->weights)
        json_member_string(&w, "weights", c->weights);
    if (c->image) {
        json_member_string(&w, "image", c->image);
        json_member_bool(&w, "has_init", c->has_init);
    }
    if (!version_is_cog(c))
        write_http(&w, &c->http);
    json_member_list(&w, "environment", c->environment);
    json_member_bool(&w, "iterator", c->iterator);
    json_member_bool(&w, "output_files_listed", c->output_files_listed);
    json_end_object(&w);
}
