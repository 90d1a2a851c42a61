/* SPDX-License-Identifier: Apache-2.0 */
/* Reads options. Each source (file, environment, flags) is first only looked at for where the file
 * is, then all are applied in rising order of weight, the defaults first. */
#include "core/option_impl.h"

#include "base/clock.h"
#include "base/yaml.h"
#include "core/suggest.h"

#include <stdio.h>
#include <stdlib.h>

const struct option_row option_rows[] = {
#define X(in_group, member, kind, least, most, text, about)                                        \
    { .group = in_group,                                                                           \
      .name = #member,                                                                             \
      .type = OPTION_##kind,                                                                       \
      .low = least,                                                                                \
      .high = most,                                                                                \
      .preset = text,                                                                              \
      .help = about,                                                                               \
      .offset = offsetof(struct options, member) },
    OPTION_TABLE(X)
#undef X
};
const size_t n_option_rows = ARRAY_SIZE(option_rows);

/* What has been given where, before it is applied. */
struct given {
    struct options *o;
    const char *flags[ARRAY_SIZE(option_rows)];
    const char *environment[ARRAY_SIZE(option_rows)];
    const char *file_name;
};

static void *member_of(struct options *o, const struct option_row *r)
{
    return (char *)o + r->offset;
}

static const struct option_row *find_row(struct str name)
{
    for (size_t i = 0; i < n_option_rows; i++)
        if (str_is(name, option_rows[i].name))
            return &option_rows[i];
    return NULL;
}

static size_t index_of(const struct option_row *r)
{
    return (size_t)(r - option_rows);
}

/* "; did you mean --idle-timeout?", or nothing. `extra` are names that are no options. */
static const char *hint(struct arena *a, struct str name, const char *const *extra, bool as_flag)
{
    const char *names[ARRAY_SIZE(option_rows) + 4];
    const char *near;
    size_t n = 0;

    for (; n < n_option_rows; n++)
        names[n] = option_rows[n].name;
    for (; extra && *extra; extra++)
        names[n++] = *extra;
    names[n] = NULL;
    near = suggest(name, names);
    if (!near)
        return "";
    return arena_printf(a, "; did you mean %s%s?", as_flag ? "--" : "",
                        as_flag ? option_flag(a, near) : near);
}

/* One value from one source. `where` names both in errors: "--idle-timeout", "BERTH_IDLE_TIMEOUT".
 */
static enum status apply(struct given *g, const struct option_row *r, struct str value,
                         const char *where, struct error *err)
{
    enum status st = option_parse(&g->o->arena, r, value, member_of(g->o, r), err);

    if (st && err)
        error_context(err, "%s", where);
    return st;
}

/* "--name=value", "--name value", "--name", "--no-name"; moves *at behind what was used. */
static enum status look_at_flag(struct given *g, const char *const *args, size_t *at,
                                struct error *err)
{
    struct arena *a = &g->o->arena;
    struct str rest = str_of(args[*at]), flag;
    const struct option_row *r;
    char *name;

    if (!str_starts(rest, "--") || rest.n == 2)
        return FAIL(err, STATUS_INVALID, "unexpected argument \"%.100s\": options begin with --",
                    args[*at]);
    rest = str_make(rest.p + 2, rest.n - 2);
    (void)str_split(&rest, '=', &flag);
    name = arena_copy(a, flag);
    for (char *p = name; *p; p++)
        *p = *p == '-' ? '_' : *p;
    r = find_row(str_of(name));
    if (!r && str_starts(str_of(name), "no_")) {
        r = find_row(str_of(name + 3));
        if (r && r->type == OPTION_BOOL && !rest.p) {
            g->flags[index_of(r)] = "false";
            return STATUS_OK;
        }
        if (r)
            return FAIL(err, STATUS_INVALID,
                        "--%.100s: only options that are true or false have a --no- form, "
                        "and it takes no value",
                        args[*at] + 2);
    }
    if (!r)
        return FAIL(err, STATUS_INVALID, "there is no option --%.*s%s",
                    (int)MIN(flag.n, (size_t)100), flag.p, hint(a, str_of(name), NULL, true));
    if (rest.p) {
        g->flags[index_of(r)] = rest.p;
        return STATUS_OK;
    }
    if (r->type == OPTION_BOOL) {
        g->flags[index_of(r)] = "true";
        return STATUS_OK;
    }
    if (!args[*at + 1] || str_starts(str_of(args[*at + 1]), "--"))
        return FAIL(err, STATUS_INVALID, "--%s needs a value", option_flag(a, r->name));
    g->flags[index_of(r)] = args[++*at];
    return STATUS_OK;
}

static enum status look_at_flags(struct given *g, const char *const *args, struct error *err)
{
    for (size_t i = 0; args && args[i]; i++) {
        enum status st = look_at_flag(g, args, &i, err);

        if (st)
            return st;
    }
    return STATUS_OK;
}

/* What belongs to the command-line client, or to tests. */
static bool is_foreign(struct str name)
{
    return str_is(name, "URL") || str_is(name, "TOKEN") || str_starts(name, "TEST_");
}

static enum status look_at_environment(struct given *g, const char *const *env, struct error *err)
{
    for (size_t i = 0; env && env[i]; i++) {
        struct str rest = str_of(env[i]), variable;
        const struct option_row *r;
        char *name;

        if (!str_starts(rest, "BERTH_"))
            continue;
        rest = str_make(rest.p + 6, rest.n - 6);
        if (!str_split(&rest, '=', &variable) || is_foreign(variable))
            continue;
        name = arena_copy(&g->o->arena, variable);
        for (char *p = name; *p; p++)
            *p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a')
                                        : (*p >= 'a' && *p <= 'z' ? '?' : *p);
        r = find_row(str_of(name));
        if (!r) {
            const char *near = hint(&g->o->arena, str_of(name), NULL, false);

            return FAIL(err, STATUS_INVALID,
                        "the environment variable BERTH_%.*s names no option%s",
                        (int)MIN(variable.n, (size_t)100), variable.p, near);
        }
        if (rest.p && rest.n > 0) /* an empty one counts as unset */
            g->environment[index_of(r)] = rest.p;
    }
    return STATUS_OK;
}

/* The text of an option that must be known before the file is read. */
static const char *early(const struct given *g, const char *name)
{
    const struct option_row *r = find_row(str_of(name));
    size_t i = index_of(r);

    return g->flags[i] ? g->flags[i] : g->environment[i] ? g->environment[i] : r->preset;
}

static enum status read_document(struct given *g,
                                 char *(*read_file)(const char *path, bool must_exist,
                                                    struct error *err),
                                 struct error *err)
{
    struct arena *a = &g->o->arena;
    bool is_named = early(g, "config")[0] != '\0';
    struct error none = { .status = STATUS_OK };
    struct error *e = err ? err : &none;
    struct json *root = NULL;
    struct str source;
    enum status st;
    char *text;

    g->file_name =
        is_named ? early(g, "config") : arena_printf(a, "%s/berth.yaml", early(g, "data"));
    e->status = STATUS_OK;
    text = read_file(g->file_name, is_named, e);
    if (!text) {
        if (!is_named && e->status == STATUS_OK)
            return STATUS_OK;
        return e->status != STATUS_OK
                   ? e->status
                   : FAIL(err, STATUS_INVALID, "the configuration file %s cannot be read",
                          g->file_name);
    }
    source = str_of(text);
    source.p = arena_copy(a, source);
    free(text);
    st = yaml_parse(a, source, g->file_name, &root, err);
    if (st)
        return st;
    if (json_is(root, JSON_NULL))
        return STATUS_OK; /* nothing but comments */
    if (!json_is(root, JSON_OBJECT))
        return FAIL(err, STATUS_INVALID, "%s: must hold keys and values", g->file_name);
    g->o->file = root;
    return STATUS_OK;
}

static enum status apply_member(struct given *g, const struct json *member, struct error *err)
{
    static const char *const extra[] = { "hardware", "gpus", NULL };
    static const char *const bools[] = { [JSON_FALSE] = "false", [JSON_TRUE] = "true" };
    struct arena *a = &g->o->arena;
    const struct option_row *r = find_row(member->key);
    const char *where = arena_printf(a, "%s: %.*s", g->file_name,
                                     (int)MIN(member->key.n, (size_t)100), member->key.p);

    if (json_get_str(g->o->file, member->key) != member)
        return FAIL(err, STATUS_INVALID, "%s: the key stands there twice", where);
    for (size_t i = 0; extra[i]; i++)
        if (str_is(member->key, extra[i]))
            return STATUS_OK;
    if (!r)
        return FAIL(err, STATUS_INVALID, "%s: there is no such option%s", where,
                    hint(a, member->key, extra, false));
    if (str_is(member->key, "config"))
        return FAIL(err, STATUS_INVALID, "%s: a configuration file cannot name another one", where);
    switch (member->type) {
    case JSON_NULL:
        return STATUS_OK; /* a key without a value: the default */
    case JSON_FALSE:
    case JSON_TRUE:
        return apply(g, r, str_of(bools[member->type]), where, err);
    case JSON_NUMBER:
    case JSON_STRING:
        return apply(g, r, member->text, where, err);
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return FAIL(err, STATUS_INVALID, "%s: must be a single value", where);
}

static enum status apply_all(struct given *g, struct error *err)
{
    struct arena *a = &g->o->arena;

    for (size_t i = 0; i < n_option_rows; i++) {
        enum status st =
            apply(g, &option_rows[i], str_of(option_rows[i].preset), option_rows[i].name, err);

        if (st)
            return st;
    }
    if (g->o->file) {
        json_each (g->o->file, member) {
            enum status st = apply_member(g, member, err);

            if (st)
                return st;
        }
    }
    for (size_t i = 0; i < n_option_rows; i++) {
        const struct option_row *r = &option_rows[i];
        const char *value = g->flags[i] ? g->flags[i] : g->environment[i];
        const char *where = g->flags[i] ? arena_printf(a, "--%s", option_flag(a, r->name))
                                        : option_variable(a, r->name);
        enum status st = value ? apply(g, r, str_of(value), where, err) : STATUS_OK;

        if (st)
            return st;
        if (strcmp(r->name, "idle_timeout") == 0)
            g->o->idle_timeout_given = value || json_get(g->o->file, "idle_timeout");
    }
    return STATUS_OK;
}

enum status options_read(struct options *o, const char *const *args, const char *const *env,
                         char *(*read_file)(const char *path, bool must_exist, struct error *err),
                         struct error *err)
{
    struct given g = { .o = o };
    enum status st;

    memset(o, 0, sizeof(*o));
    arena_init(&o->arena);
    st = look_at_environment(&g, env, err);
    if (!st)
        st = look_at_flags(&g, args, err);
    if (!st)
        st = read_document(&g, read_file, err);
    if (!st)
        st = apply_all(&g, err);
    if (st)
        options_deinit(o);
    return st;
}

void options_deinit(struct options *o)
{
    arena_deinit(&o->arena);
    memset(o, 0, sizeof(*o));
}
