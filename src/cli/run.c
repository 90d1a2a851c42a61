/* SPDX-License-Identifier: Apache-2.0 */
/* `berth run`: a prediction from the command line. */
#include "base/encode.h"
#include "cli/follow.h"
#include "core/account.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { MAX_FILE = 64 << 20, MAX_BODY = 256 << 20 };

/* What is run, and where its predictions are made. */
struct target {
    struct buf path;    /* of the POST */
    struct buf version; /* "owner/name:version", when one was named */
    struct answer about;
    struct json *schema; /* OpenAPI document of the version */
};

static void target_deinit(struct target *t)
{
    buf_deinit(&t->path);
    buf_deinit(&t->version);
    answer_deinit(&t->about);
}

static void add_name(struct buf *path, struct str owner, struct str name)
{
    percent_add(path, owner);
    buf_addc(path, '/');
    percent_add(path, name);
}

static bool get_version(const struct remote *r, struct str owner, struct str name, struct str id,
                        struct target *t)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(8192);

    buf_adds(&path, "/v1/models/");
    add_name(&path, owner, name);
    buf_adds(&path, "/versions/");
    percent_add(&path, id);
    answer_deinit(&t->about);
    if (!remote_call(r, "GET", path.p, STR_NULL, NULL, &t->about))
        return false;
    t->schema = json_get(t->about.json, "openapi_schema");
    return true;
}

static bool find_deployment(const struct remote *r, struct str owner, struct str name,
                            struct target *t)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(8192);
    struct answer a CLEANUP(answer_deinit) = { 0 };
    struct str model_owner, model_name, none;

    buf_adds(&path, "/v1/deployments/");
    add_name(&path, owner, name);
    if (!remote_try(r, "GET", path.p, STR_NULL, NULL, &a))
        return false;
    if (a.status != 200) {
        fprintf(
            stderr,
            "berth run: there is no model and no deployment %.*s/%.*s that this account can use.\n",
            STR_ARG(owner), STR_ARG(name));
        return false;
    }
    buf_addf(&path, "/predictions");
    buf_add_str(&t->path, buf_str(&path));
    if (!model_ref_split(json_to_str(json_path(a.json, "current_release.model")), &model_owner,
                         &model_name, &none))
        return true;
    return get_version(r, model_owner, model_name,
                       json_to_str(json_path(a.json, "current_release.version")), t);
}

static bool find_target(const struct given *g, const struct remote *r, struct target *t)
{
    struct buf whole CLEANUP(buf_deinit) = BUF_INIT(8192);
    struct str owner, name, version;

    buf_init(&t->path, 8192);
    buf_init(&t->version, 8192);
    if (!remote_full_name(r, g->positions[0], &whole))
        return false;
    if (!model_ref_split(buf_str(&whole), &owner, &name, &version)) {
        fprintf(stderr,
                "berth run: \"%s\" must have the form [OWNER/]NAME or [OWNER/]NAME:VERSION.\n",
                g->positions[0]);
        return false;
    }
    if (version.p) {
        buf_adds(&t->path, "/v1/predictions");
        buf_add_str(&t->version, buf_str(&whole));
        return get_version(r, owner, name, version, t);
    }
    if (given_flag(g, "--deployment"))
        return find_deployment(r, owner, name, t);
    buf_adds(&t->path, "/v1/models/");
    add_name(&t->path, owner, name);
    if (!remote_try(r, "GET", t->path.p, STR_NULL, NULL, &t->about))
        return false;
    if (t->about.status == 404) {
        buf_clear(&t->path);
        return find_deployment(r, owner, name, t);
    }
    if (t->about.status != 200) {
        remote_explain(&t->about);
        return false;
    }
    t->schema = json_path(t->about.json, "latest_version.openapi_schema");
    if (!t->schema) {
        fprintf(stderr, "berth run: %s has no version yet. `berth push` makes one.\n",
                g->positions[0]);
        return false;
    }
    return buf_adds(&t->path, "/predictions");
}

/* --- values -------------------------------------------------------------------------------------
 */

/* The property of an input, with the one reference followed that Cog makes for choices. */
static struct json *input_property(const struct target *t, struct str key)
{
    struct json *p = json_get_str(json_path(t->schema, "components.schemas.Input.properties"), key);
    struct json *all = json_get(p, "allOf");
    struct str ref = json_to_str(json_get(all ? all->child : p, "$ref"));

    if (!ref.p || !str_starts(ref, "#/components/schemas/"))
        return p;
    ref =
        str_make(ref.p + strlen("#/components/schemas/"), ref.n - strlen("#/components/schemas/"));
    return json_get_str(json_path(t->schema, "components.schemas"), ref);
}

static bool takes_text(const struct json *property)
{
    struct json *any = json_get(property, "anyOf");

    if (str_is(json_to_str(json_get(property, "type")), "string"))
        return true;
    json_each (any, v)
        if (str_is(json_to_str(json_get(v, "type")), "string"))
            return true;
    return false;
}

static const char *media_type(const char *path)
{
    static const char *const types[][2] = {
        { ".png", "image/png" },         { ".jpg", "image/jpeg" },
        { ".jpeg", "image/jpeg" },       { ".gif", "image/gif" },
        { ".webp", "image/webp" },       { ".svg", "image/svg+xml" },
        { ".mp3", "audio/mpeg" },        { ".wav", "audio/wav" },
        { ".flac", "audio/flac" },       { ".ogg", "audio/ogg" },
        { ".mp4", "video/mp4" },         { ".webm", "video/webm" },
        { ".txt", "text/plain" },        { ".csv", "text/csv" },
        { ".json", "application/json" }, { ".zip", "application/zip" },
        { ".pdf", "application/pdf" },   { ".tar", "application/x-tar" },
        { ".gz", "application/gzip" },   { ".md", "text/markdown" },
    };
    struct str p = str_of(path);

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (str_ends(p, types[i][0]))
            return types[i][1];
    return "application/octet-stream";
}

static bool add_file(struct json_writer *w, const char *path)
{
    struct buf bytes CLEANUP(buf_deinit) = BUF_INIT(MAX_FILE);
    struct buf uri CLEANUP(buf_deinit) = BUF_INIT(2 * (size_t)MAX_FILE);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? 1 : -1;

    while (n > 0) {
        char *at = buf_reserve(&bytes, 1 << 16);

        if (!at) {
            fprintf(stderr,
                    "berth run: %s is larger than 64 MiB; put it at an address and give that.\n",
                    path);
            close(fd);
            return false;
        }
        n = read(fd, at, 1 << 16);
        if (n > 0)
            buf_commit(&bytes, (size_t)n);
    }
    if (n < 0) {
        fprintf(stderr, "berth run: cannot read %s: %s\n", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    close(fd);
    buf_addf(&uri, "data:%s;base64,", media_type(path));
    base64_add(&uri, bytes.p, bytes.n);
    json_string(w, buf_str(&uri));
    return true;
}

/* "key=value" by the type of the input; "key=@path" sends a file; "key=@@text" is text that begins
 * with one @. */
static bool add_input(const struct target *t, struct json_writer *w, const char *text)
{
    struct str rest = str_of(text), key;
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *property, *v;
    struct error err;

    if (!str_split(&rest, '=', &key) || !rest.p || key.n == 0) {
        fprintf(stderr, "berth run: -i %s must have the form KEY=VALUE.\n", text);
        return false;
    }
    json_key_str(w, key);
    if (rest.n && rest.p[0] == '@' && !(rest.n > 1 && rest.p[1] == '@'))
        return add_file(w, rest.p + 1);
    if (rest.n && rest.p[0] == '@')
        rest = str_make(rest.p + 1, rest.n - 1);
    property = input_property(t, key);
    if (!takes_text(property) && json_parse(&a, rest, NULL, &v, &err) == STATUS_OK)
        json_raw(w, v->span);
    else
        json_string(w, rest);
    return true;
}

static bool write_body(const struct given *g, const struct target *t, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    if (t->version.n)
        json_member_str(&w, "version", buf_str(&t->version));
    json_key(&w, "input");
    json_begin_object(&w);
    for (int i = 0; i < g->n_flags; i++) {
        const char *name = g->flags[i].flag->name;

        if ((strcmp(name, "-i") == 0 || strcmp(name, "--input") == 0) &&
            !add_input(t, &w, g->flags[i].value))
            return false;
    }
    json_end_object(&w);
    json_end_object(&w);
    return true;
}

/* --- the command ---------------------------------------------------------------------------------
 */

static int tell_end(const struct answer *last, bool as_json)
{
    struct str status = json_to_str(json_get(last->json, "status"));
    struct str error = json_to_str(json_get(last->json, "error"));

    if (as_json)
        printf("%.*s\n", STR_ARG(buf_str(&last->body)));
    if (str_is(status, "succeeded"))
        return 0;
    fprintf(stderr, "berth run: the prediction %.*s%s%.*s\n", STR_ARG(status), error.n ? ": " : "",
            STR_ARG(error));
    return 1;
}

static int run_to_end(const struct given *g, const struct remote *r, const struct target *t,
                      struct str id, int64_t away_ms)
{
    struct answer last CLEANUP(answer_deinit) = { 0 };
    bool as_json = given_flag(g, "--json") != NULL;
    char text[64];
    struct following f = {
        .remote = r,
        .id = text,
        .logs_to = stderr,
        .shows_output = !as_json,
        .shows_status = true,
        .cancels = true,
        .was_answered = true,
        .away_ms = away_ms,
        .concatenates = str_is(
            json_to_str(json_path(t->schema, "components.schemas.Output.x-cog-array-display")),
            "concatenate"),
    };

    snprintf(text, sizeof(text), "%.*s", STR_ARG(id));
    fprintf(stderr, "berth run: prediction %s\n", text);
    if (!follow(&f, &last)) {
        fprintf(stderr, "berth run: the prediction may go on; `berth logs -f %s` follows it\n",
                text);
        return 1;
    }
    return tell_end(&last, as_json);
}

int run_command(const struct command *c, const char *const *args)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(MAX_BODY);
    struct target t CLEANUP(target_deinit) = { 0 };
    struct answer made CLEANUP(answer_deinit) = { 0 };
    struct following f = { 0 };
    struct remote r;
    struct given g;
    struct str id;

    if (!given_read(c, args, 1, 1, &g) || !remote_public(&g, &r) || !follow_read(&f, &g))
        return 2;
    if (!find_target(&g, &r, &t) || !write_body(&g, &t, &body))
        return 1;
    if (!remote_call(&r, "POST", t.path.p, buf_str(&body), "application/json", &made))
        return 1;
    id = json_to_str(json_get(made.json, "id"));
    if (given_flag(&g, "--detach")) {
        if (given_flag(&g, "--json"))
            id = buf_str(&made.body);
        printf("%.*s\n", STR_ARG(id));
        return 0;
    }
    return run_to_end(&g, &r, &t, id, f.away_ms);
}
