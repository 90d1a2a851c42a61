/* SPDX-License-Identifier: Apache-2.0 */
#include "core/account.h"

/* First segments of paths that the API, the dashboard or the webserver around us use. */
static const char *const reserved[] = {
    "account",  "accounts", "admin",     "api",         "assets",      "auth",        "billing",
    "builds",   "capacity", "cog",       "collections", "dashboard",   "deployments", "docs",
    "events",   "explore",  "favicon",   "files",       "hardware",    "health",      "healthz",
    "help",     "home",     "instances", "internal",    "login",       "logout",      "metrics",
    "models",   "openai",   "openapi",   "p",           "predictions", "pricing",     "readyz",
    "releases", "search",   "session",   "settings",    "signin",      "signup",      "simulate",
    "static",   "status",   "streams",   "tokens",      "trainings",   "usage",       "users",
    "v1",       "v2",       "versions",  "webhooks",    "well-known",
};

const char *account_type_name(enum account_type t)
{
    return t == ACCOUNT_ORGANIZATION ? "organization" : "user";
}

bool account_type_parse(struct str s, enum account_type *out)
{
    if (str_is(s, "user"))
        *out = ACCOUNT_USER;
    else if (str_is(s, "organization"))
        *out = ACCOUNT_ORGANIZATION;
    else
        return false;
    return true;
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Letters and digits with single hyphens between them. */
static bool is_login(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (is_letter_or_digit(s.p[i]))
            continue;
        if (s.p[i] != '-' || i == 0 || i + 1 == s.n || s.p[i - 1] == '-')
            return false;
    }
    return s.n > 0;
}

bool account_name_ok(struct str name, struct error *err)
{
    if (name.n > 39 || !is_login(name)) {
        FAIL(err, STATUS_INVALID,
             "an account name has 1 to 39 lower-case letters and digits, with single hyphens "
             "between them");
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
        if (str_is(name, reserved[i])) {
            FAIL(err, STATUS_INVALID, "the account name %s is reserved", reserved[i]);
            return false;
        }
    }
    return true;
}

bool object_name_ok(struct str name, const char *what, struct error *err)
{
    bool ok = name.n >= 1 && name.n <= 64 && is_letter_or_digit(name.p[0]) &&
              is_letter_or_digit(name.p[name.n - 1]);

    for (size_t i = 0; ok && i < name.n; i++) {
        char c = name.p[i];

        ok = is_letter_or_digit(c) || c == '.' || c == '_' || c == '-';
    }
    if (!ok)
        FAIL(err, STATUS_INVALID,
             "a %s name has 1 to 64 lower-case letters, digits, dots, underscores and hyphens, "
             "and begins and ends with a letter or digit",
             what);
    return ok;
}

bool model_ref_split(struct str ref, struct str *out_owner, struct str *out_name,
                     struct str *out_version)
{
    struct str rest = ref, owner, name;

    if (!ref.p || !str_split(&rest, '/', &owner) || !rest.p)
        return false;
    if (!str_split(&rest, ':', &name))
        return false;
    if (owner.n == 0 || name.n == 0 || memchr(owner.p, ':', owner.n) || memchr(name.p, '/', name.n))
        return false;
    if (rest.p && rest.n == 0)
        return false;
    *out_owner = owner;
    *out_name = name;
    *out_version = rest.p ? rest : STR_NULL;
    return true;
}
