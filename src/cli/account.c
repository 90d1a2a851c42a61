/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts and tokens, over the socket in the data folder. */
#include "cli/cli.h"

#include "base/encode.h"

int account_create_command(const struct command *c, const char *const *args)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct answer a CLEANUP(answer_deinit) = { 0 };
    struct json_writer w;
    struct remote r;
    struct given g;
    const char *type;

    if (!given_read(c, args, 1, 1, &g) || !remote_admin(&g, &r))
        return 2;
    type = given_flag(&g, "--type");
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "username", g.positions[0]);
    json_member_string(&w, "type", type ? type : "user");
    if (given_flag(&g, "--full-name"))
        json_member_string(&w, "name", given_flag(&g, "--full-name"));
    if (given_flag(&g, "--github-url"))
        json_member_string(&w, "github_url", given_flag(&g, "--github-url"));
    json_end_object(&w);
    if (!remote_call(&r, "POST", "/accounts", buf_str(&body), "application/json", &a))
        return 1;
    printf("%s\n", g.positions[0]);
    return 0;
}

int account_list_command(const struct command *c, const char *const *args)
{
    struct answer a CLEANUP(answer_deinit) = { 0 };
    struct remote r;
    struct given g;

    if (!given_read(c, args, 0, 0, &g) || !remote_admin(&g, &r))
        return 2;
    if (!remote_call(&r, "GET", "/accounts", STR_NULL, NULL, &a))
        return 1;
    json_each (a.json, v)
        printf("%-30.*s %-14.*s %.*s\n", STR_ARG(json_to_str(json_get(v, "username"))),
               STR_ARG(json_to_str(json_get(v, "type"))),
               STR_ARG(json_to_str(json_get(v, "name"))));
    return 0;
}

int token_create_command(const struct command *c, const char *const *args)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct answer a CLEANUP(answer_deinit) = { 0 };
    struct json_writer w;
    struct remote r;
    struct given g;

    if (!given_read(c, args, 1, 1, &g) || !remote_admin(&g, &r))
        return 2;
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "account", g.positions[0]);
    if (given_flag(&g, "--label"))
        json_member_string(&w, "label", given_flag(&g, "--label"));
    json_end_object(&w);
    if (!remote_call(&r, "POST", "/tokens", buf_str(&body), "application/json", &a))
        return 1;
    printf("%.*s\n", STR_ARG(json_to_str(json_get(a.json, "token"))));
    return 0;
}

int token_list_command(const struct command *c, const char *const *args)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct answer a CLEANUP(answer_deinit) = { 0 };
    struct remote r;
    struct given g;

    if (!given_read(c, args, 0, 0, &g) || !remote_admin(&g, &r))
        return 2;
    buf_adds(&path, "/tokens");
    if (given_flag(&g, "--account")) {
        buf_adds(&path, "?account=");
        percent_add(&path, str_of(given_flag(&g, "--account")));
    }
    if (!remote_call(&r, "GET", path.p, STR_NULL, NULL, &a))
        return 1;
    json_each (a.json, v)
        printf("%.*s  %-8.*s %-30.*s %-25.*s %.*s\n", STR_ARG(json_to_str(json_get(v, "id"))),
               STR_ARG(json_to_str(json_get(v, "hint"))),
               STR_ARG(json_to_str(json_get(v, "account"))),
               STR_ARG(json_to_str(json_get(v, "created_at"))),
               STR_ARG(json_to_str(json_get(v, "label"))));
    return 0;
}

int token_revoke_command(const struct command *c, const char *const *args)
{
    return admin_delete(c, args, "/tokens/", "revoked");
}
