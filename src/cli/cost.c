/* SPDX-License-Identifier: Apache-2.0 */
/* `berth cost`: what a deployment, or all that one has, cost. */
#include "base/encode.h"
#include "cli/cli.h"

static double number_of(const struct json *v, const char *key)
{
    double d = 0;

    return json_to_double(json_path(v, key), &d) ? d : 0;
}

static void show_line(const char *what, const struct json *v)
{
    struct str cost = json_get(v, "cost") ? json_get(v, "cost")->span : STR("0");

    printf("%-32s %14.3f s  %.*s", what, number_of(v, "seconds"), STR_ARG(cost));
    printf("   setup %.3f  active %.3f  idle %.3f  drain %.3f  failed %.3f\n",
           number_of(v, "kinds.setup.seconds"), number_of(v, "kinds.active.seconds"),
           number_of(v, "kinds.idle.seconds"), number_of(v, "kinds.drain.seconds"),
           number_of(v, "kinds.failed.seconds"));
}

static void show_list(const struct json *list, const char *given, const char *key)
{
    const char *prefix = given;

    json_each (list, v) {
        struct json *name = json_get(v, key);
        struct str text = name ? json_to_str(name) : STR("");
        char what[160];

        if (name && !text.p)
            text = name->span;
        /* A deployment often has its model's name: which of the two it is must be said. */
        if (str_is(json_to_str(json_get(v, "type")), "model"))
            prefix = "model ";
        snprintf(what, sizeof(what), "%s%.*s", prefix, (int)MIN(text.n, (size_t)100), text.p);
        prefix = given;
        show_line(what, v);
    }
}

static void show_cost(const struct json *v)
{
    show_list(json_get(v, "days"), "", "date");
    show_list(json_get(v, "deployments"), "", "name");
    show_list(json_get(v, "releases"), "release ", "release");
    show_line("total", v);
}

static void add_time(const struct given *g, const char *flag, const char *key, struct buf *path)
{
    const char *given = given_flag(g, flag);

    if (!given)
        return;
    buf_addc(path, strchr(path->p, '?') ? '&' : '?');
    buf_addf(path, "%s=", key);
    percent_add(path, str_of(given));
}

int cost_command(const struct command *c, const char *const *args)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct answer a CLEANUP(answer_deinit) = { 0 };
    struct remote r;
    struct given g;

    if (!given_read(c, args, 0, 1, &g) || !remote_public(&g, &r))
        return 2;
    if (g.n == 0)
        buf_adds(&path, "/v1/account");
    else if (!own_deployment_path(&g, &r, &path))
        return 1;
    buf_adds(&path, "/cost");
    add_time(&g, "--from", "from", &path);
    add_time(&g, "--to", "to", &path);
    if (!remote_call(&r, "GET", path.p, STR_NULL, NULL, &a))
        return 1;
    if (given_flag(&g, "--json"))
        printf("%.*s\n", STR_ARG(buf_str(&a.body)));
    else
        show_cost(a.json);
    return 0;
}
