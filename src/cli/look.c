/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at, and changing, what the server has: predictions, their logs, models, deployments. */
#include "cli/look.h"

#include "base/encode.h"
#include "cli/follow.h"
#include "core/account.h"

int look_call(const struct given *g, const struct remote *r, const char *method, const char *path,
              struct str body, void (*show)(const struct json *v))
{
    struct answer a CLEANUP(answer_deinit) = { 0 };

    if (!remote_call(r, method, path, body, "application/json", &a))
        return 1;
    if (given_flag(g, "--json"))
        printf("%.*s\n", STR_ARG(buf_str(&a.body)));
    else if (show)
        show(a.json);
    return 0;
}

struct str look_text(const struct json *v, const char *key)
{
    struct json *found = json_path(v, key);
    struct str text = json_to_str(found);

    if (text.p || !found || json_is(found, JSON_NULL))
        return text;
    return found->span;
}

static bool add_ref(struct buf *path, const struct given *g, const char *ref)
{
    struct str owner, name, version;

    if (!model_ref_split(str_of(ref), &owner, &name, &version) || version.p) {
        fprintf(stderr, "berth %s: \"%s\" must have the form OWNER/NAME.\n", g->command->words,
                ref);
        return false;
    }
    percent_add(path, owner);
    buf_addc(path, '/');
    percent_add(path, name);
    return true;
}

/* --- predictions
 * ----------------------------------------------------------------------------------- */

static void show_prediction_line(const struct json *v)
{
    struct str place = look_text(v, "deployment");

    if (!place.p)
        place = look_text(v, "model");
    printf("%.*s  %-10.*s  %.*s  %.*s\n", STR_ARG(look_text(v, "id")),
           STR_ARG(look_text(v, "status")), STR_ARG(look_text(v, "created_at")), STR_ARG(place));
}

static void show_predictions(const struct json *page)
{
    json_each (json_get(page, "results"), v)
        show_prediction_line(v);
}

static void show_one_prediction(const struct json *v)
{
    static const char *const keys[] = { "id",         "status",     "model",      "version",
                                        "deployment", "created_at", "started_at", "completed_at",
                                        "error",      "input",      "output" };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        struct str text = look_text(v, keys[i]);

        if (text.p)
            printf("%-13s %.*s\n", keys[i], STR_ARG(text));
    }
}

int predictions_list_command(const struct command *c, const char *const *args)
{
    struct remote r;
    struct given g;

    if (!given_read(c, args, 0, 0, &g) || !remote_public(&g, &r))
        return 2;
    return look_call(&g, &r, "GET", "/v1/predictions", STR_NULL, show_predictions);
}

static int one_prediction(const struct command *c, const char *const *args, const char *method,
                          const char *more)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct remote r;
    struct given g;

    if (!given_read(c, args, 1, 1, &g) || !remote_public(&g, &r))
        return 2;
    buf_adds(&path, "/v1/predictions/");
    percent_add(&path, str_of(g.positions[0]));
    buf_adds(&path, more);
    return look_call(&g, &r, method, path.p, *more ? STR("") : STR_NULL, show_one_prediction);
}

int predictions_show_command(const struct command *c, const char *const *args)
{
    return one_prediction(c, args, "GET", "");
}

int predictions_cancel_command(const struct command *c, const char *const *args)
{
    return one_prediction(c, args, "POST", "/cancel");
}

int logs_command(const struct command *c, const char *const *args)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct answer a CLEANUP(answer_deinit) = { 0 };
    struct following f = { .logs_to = stdout };
    struct remote r;
    struct given g;

    if (!given_read(c, args, 1, 1, &g) || !remote_public(&g, &r))
        return 2;
    if (given_flag(&g, "-f") || given_flag(&g, "--follow")) {
        f.remote = &r;
        f.id = g.positions[0];
        if (!follow_read(&f, &g))
            return 2;
        return follow(&f, &a) ? 0 : 1;
    }
    buf_adds(&path, "/v1/predictions/");
    percent_add(&path, str_of(g.positions[0]));
    if (!remote_call(&r, "GET", path.p, STR_NULL, NULL, &a))
        return 1;
    printf("%.*s", STR_ARG(json_to_str(json_get(a.json, "logs"))));
    return 0;
}

/* --- models
 * ------------------------------------------------------------------------------------------ */

static void show_models(const struct json *page)
{
    json_each (json_get(page, "results"), v) {
        char name[256];

        snprintf(name, sizeof(name), "%.*s/%.*s", STR_ARG(look_text(v, "owner")),
                 STR_ARG(look_text(v, "name")));
        printf("%-40s %-8.*s %.*s\n", name, STR_ARG(look_text(v, "visibility")),
               STR_ARG(look_text(v, "description")));
    }
}

static void show_one_model(const struct json *v)
{
    static const char *const keys[] = {
        "owner", "name", "visibility", "description", "run_count", "created_at", "latest_version.id"
    };
    struct json *inputs =
        json_path(v, "latest_version.openapi_schema.components.schemas.Input.properties");

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        struct str text = look_text(v, keys[i]);

        if (text.p)
            printf("%-18s %.*s\n", keys[i], STR_ARG(text));
    }
    if (inputs)
        printf("inputs\n");
    json_each (inputs, p) {
        struct str description = look_text(p, "description");

        printf("  %-18.*s %-8.*s %.*s\n", STR_ARG(p->key), STR_ARG(look_text(p, "type")),
               STR_ARG(description));
    }
}

int models_list_command(const struct command *c, const char *const *args)
{
    struct remote r;
    struct given g;

    if (!given_read(c, args, 0, 0, &g) || !remote_public(&g, &r))
        return 2;
    return look_call(&g, &r, "GET", "/v1/models", STR_NULL, show_models);
}

int models_show_command(const struct command *c, const char *const *args)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct remote r;
    struct given g;

    if (!given_read(c, args, 1, 1, &g) || !remote_public(&g, &r))
        return 2;
    buf_adds(&path, "/v1/models/");
    if (!add_ref(&path, &g, g.positions[0]))
        return 2;
    return look_call(&g, &r, "GET", path.p, STR_NULL, show_one_model);
}

/* --- deployments
 * ---------------------------------------------------------------------------------------- */

static void show_deployment_line(const struct json *v)
{
    char name[256];

    snprintf(name, sizeof(name), "%.*s/%.*s", STR_ARG(look_text(v, "owner")),
             STR_ARG(look_text(v, "name")));
    printf("%-36s release %-3.*s %.*s:%.12s  %.*s  %.*s-%.*s instances\n", name,
           STR_ARG(look_text(v, "current_release.number")),
           STR_ARG(look_text(v, "current_release.model")),
           look_text(v, "current_release.version").p ? look_text(v, "current_release.version").p
                                                     : "",
           STR_ARG(look_text(v, "current_release.configuration.hardware")),
           STR_ARG(look_text(v, "current_release.configuration.min_instances")),
           STR_ARG(look_text(v, "current_release.configuration.max_instances")));
}

static void show_deployments(const struct json *page)
{
    json_each (json_get(page, "results"), v)
        show_deployment_line(v);
}

int deployments_list_command(const struct command *c, const char *const *args)
{
    struct remote r;
    struct given g;

    if (!given_read(c, args, 0, 0, &g) || !remote_public(&g, &r))
        return 2;
    return look_call(&g, &r, "GET", "/v1/deployments", STR_NULL, show_deployments);
}

bool remote_full_name(const struct remote *r, const char *given, struct buf *out)
{
    struct answer a CLEANUP(answer_deinit) = { 0 };

    if (strchr(given, '/'))
        return buf_adds(out, given);
    if (!remote_call(r, "GET", "/v1/account", STR_NULL, NULL, &a))
        return false;
    buf_add_str(out, look_text(a.json, "username"));
    buf_addc(out, '/');
    return buf_adds(out, given);
}

bool own_deployment_path(const struct given *g, const struct remote *r, struct buf *path)
{
    struct buf name CLEANUP(buf_deinit) = BUF_INIT(8192);

    if (!remote_full_name(r, g->positions[0], &name))
        return false;
    buf_adds(path, "/v1/deployments/");
    return add_ref(path, g, name.p);
}

static int one_deployment(const struct command *c, const char *const *args, const char *method)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct remote r;
    struct given g;

    if (!given_read(c, args, 1, 1, &g) || !remote_public(&g, &r))
        return 2;
    if (!own_deployment_path(&g, &r, &path))
        return 1;
    return look_call(&g, &r, method, path.p, STR_NULL,
                     strcmp(method, "GET") == 0 ? show_deployment_line : NULL);
}

int deployments_show_command(const struct command *c, const char *const *args)
{
    return one_deployment(c, args, "GET");
}

int deployments_delete_command(const struct command *c, const char *const *args)
{
    return one_deployment(c, args, "DELETE");
}

/* Numbers as numbers, JSON as JSON, anything else as text; an empty one takes it back. */
static void add_scaling(const struct given *g, struct json_writer *w)
{
    static const char *const flags[] = { "--target-wait",       "--keep-alive", "--max-queue",
                                         "--max-cost-per-hour", "--weight",     "--schedule" };
    static const char *const keys[] = { "target_wait",       "keep_alive", "max_queue",
                                        "max_cost_per_hour", "weight",     "schedule" };
    bool any = false;

    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        struct arena a CLEANUP(arena_deinit) = { 0 };
        const char *given = given_flag(g, flags[i]);
        struct json *v;
        struct error err;

        if (!given)
            continue;
        if (!any) {
            json_key(w, "scaling");
            json_begin_object(w);
        }
        any = true;
        if (!*given)
            json_member_null(w, keys[i]);
        else if (json_parse(&a, str_of(given), NULL, &v, &err) == STATUS_OK)
            json_member_raw(w, keys[i], v->span);
        else
            json_member_string(w, keys[i], given);
    }
    if (any)
        json_end_object(w);
}

/* A share alone, or all of it as JSON; an empty one takes it back. */
static void add_way(struct json_writer *w, const char *key, const char *given)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *v = NULL;
    struct error err;

    if (!*given) {
        json_member_null(w, key);
    } else if (json_parse(&a, str_of(given), NULL, &v, &err) != STATUS_OK) {
        json_member_string(w, key, given);
    } else if (!json_is(v, JSON_NUMBER)) {
        json_member_raw(w, key, v->span);
    } else {
        json_key(w, key);
        json_begin_object(w);
        json_member_raw(w, "share", v->span);
        json_end_object(w);
    }
}

static void add_rollout(const struct given *g, struct json_writer *w)
{
    const char *canary = given_flag(g, "--canary"), *shadow = given_flag(g, "--shadow");

    if (!canary && !shadow)
        return;
    json_key(w, "rollout");
    json_begin_object(w);
    if (canary)
        add_way(w, "canary", canary);
    if (shadow)
        add_way(w, "shadow", shadow);
    json_end_object(w);
}

/* Members of the body from the flags; counts are sent as numbers, and as text (which the server
 * refuses with its own words) where they are none. */
static void add_members(const struct given *g, struct json_writer *w)
{
    static const char *const flags[] = { "--hardware", "--min-instances", "--max-instances" };
    static const char *const keys[] = { "hardware", "min_instances", "max_instances" };

    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        const char *given = given_flag(g, flags[i]);
        int64_t n;

        if (!given)
            continue;
        if (i > 0 && str_to_i64(str_of(given), &n))
            json_member_int(w, keys[i], n);
        else
            json_member_string(w, keys[i], given);
    }
    add_scaling(g, w);
    add_rollout(g, w);
}

/* "owner/name", and the version it names or its latest one. */
static bool add_model(const struct given *g, const struct remote *r, struct json_writer *w)
{
    const char *ref = given_flag(g, "--model"), *given = given_flag(g, "--version");
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct buf name CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct answer a CLEANUP(answer_deinit) = { 0 };
    struct str owner, model, version;

    if (!ref || !model_ref_split(str_of(ref), &owner, &model, &version)) {
        fprintf(stderr, "berth %s: --model must be OWNER/NAME or OWNER/NAME:VERSION.\n",
                g->command->words);
        return false;
    }
    if (given)
        version = str_of(given);
    if (!version.p) {
        buf_addf(&path, "/v1/models/%.*s/%.*s", STR_ARG(owner), STR_ARG(model));
        if (!remote_call(r, "GET", path.p, STR_NULL, NULL, &a))
            return false;
        version = look_text(a.json, "latest_version.id");
        if (!version.p) {
            fprintf(stderr, "berth %s: %s has no version yet. `berth push` makes one.\n",
                    g->command->words, ref);
            return false;
        }
    }
    buf_addf(&name, "%.*s/%.*s", STR_ARG(owner), STR_ARG(model));
    json_member_str(w, "model", buf_str(&name));
    json_member_str(w, "version", version);
    return true;
}

int deployments_create_command(const struct command *c, const char *const *args)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct json_writer w;
    struct remote r;
    struct given g;

    if (!given_read(c, args, 1, 1, &g) || !remote_public(&g, &r))
        return 2;
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "name", g.positions[0]);
    if (!add_model(&g, &r, &w))
        return 2;
    if (!given_flag(&g, "--hardware"))
        json_member_string(&w, "hardware", "cpu-small");
    if (!given_flag(&g, "--min-instances"))
        json_member_int(&w, "min_instances", 0);
    if (!given_flag(&g, "--max-instances"))
        json_member_int(&w, "max_instances", 1);
    add_members(&g, &w);
    json_end_object(&w);
    return look_call(&g, &r, "POST", "/v1/deployments", buf_str(&body), show_deployment_line);
}

int deployments_update_command(const struct command *c, const char *const *args)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct json_writer w;
    struct remote r;
    struct given g;

    if (!given_read(c, args, 1, 1, &g) || !remote_public(&g, &r))
        return 2;
    if (!own_deployment_path(&g, &r, &path))
        return 1;
    json_writer_init(&w, &body);
    json_begin_object(&w);
    if (given_flag(&g, "--version"))
        json_member_string(&w, "version", given_flag(&g, "--version"));
    add_members(&g, &w);
    json_end_object(&w);
    return look_call(&g, &r, "PATCH", path.p, buf_str(&body), show_deployment_line);
}

int deployments_rollback_command(const struct command *c, const char *const *args)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct remote r;
    struct given g;
    int64_t n = 0;

    if (!given_read(c, args, 1, 2, &g) || !remote_public(&g, &r))
        return 2;
    if (g.n == 2 && (!str_to_i64(str_of(g.positions[1]), &n) || n < 1)) {
        fprintf(stderr, "berth deployments rollback: \"%s\" is not the number of a release.\n",
                g.positions[1]);
        return 2;
    }
    if (!own_deployment_path(&g, &r, &path))
        return 1;
    buf_adds(&path, "/rollback");
    if (n)
        buf_addf(&body, "{\"release\":%lld}", (long long)n);
    else
        buf_adds(&body, "{}");
    return look_call(&g, &r, "POST", path.p, buf_str(&body), show_deployment_line);
}
