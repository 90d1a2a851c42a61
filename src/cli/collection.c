/* SPDX-License-Identifier: Apache-2.0 */
/* Collections, over the socket in the data folder. */
#include "cli/cli.h"

#include "base/encode.h"

static int put(const struct remote *r, const char *slug, struct str body)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct answer a CLEANUP(answer_deinit) = { 0 };

    buf_adds(&path, "/collections/");
    percent_add(&path, str_of(slug));
    if (!remote_call(r, "PUT", path.p, body, "application/json", &a))
        return 1;
    printf("%s\n", slug);
    return 0;
}

int collection_create_command(const struct command *c, const char *const *args)
{
    static const char *const flags[] = { "--name", "--description", "--full-description" };
    static const char *const keys[] = { "name", "description", "full_description" };
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(4 << 20);
    struct json_writer w;
    struct remote r;
    struct given g;

    if (!given_read(c, args, 1, 1, &g) || !remote_admin(&g, &r))
        return 2;
    json_writer_init(&w, &body);
    json_begin_object(&w);
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        if (given_flag(&g, flags[i]))
            json_member_string(&w, keys[i], given_flag(&g, flags[i]));
    json_end_object(&w);
    return put(&r, g.positions[0], buf_str(&body));
}

static int change(const struct command *c, const char *const *args, const char *key)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct json_writer w;
    struct remote r;
    struct given g;

    if (!given_read(c, args, 2, ARRAY_SIZE(g.positions), &g) || !remote_admin(&g, &r))
        return 2;
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_key(&w, key);
    json_begin_array(&w);
    for (int i = 1; i < g.n; i++)
        json_stringz(&w, g.positions[i]);
    json_end_array(&w);
    json_end_object(&w);
    return put(&r, g.positions[0], buf_str(&body));
}

int collection_add_command(const struct command *c, const char *const *args)
{
    return change(c, args, "add");
}

int collection_remove_command(const struct command *c, const char *const *args)
{
    return change(c, args, "remove");
}

int collection_delete_command(const struct command *c, const char *const *args)
{
    return admin_delete(c, args, "/collections/", NULL);
}

int collection_list_command(const struct command *c, const char *const *args)
{
    struct answer a CLEANUP(answer_deinit) = { 0 };
    struct remote r;
    struct given g;

    if (!given_read(c, args, 0, 0, &g) || !remote_admin(&g, &r))
        return 2;
    if (!remote_call(&r, "GET", "/collections", STR_NULL, NULL, &a))
        return 1;
    json_each (json_get(a.json, "results"), v)
        printf("%-24.*s %-30.*s %.*s\n", STR_ARG(json_to_str(json_get(v, "slug"))),
               STR_ARG(json_to_str(json_get(v, "name"))),
               STR_ARG(json_to_str(json_get(v, "description"))));
    return 0;
}
