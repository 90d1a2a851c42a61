/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts: who owns things. A user or an organization; a token belongs to one account. */
#pragma once

#include "base/status.h"
#include "base/str.h"

enum account_type { ACCOUNT_USER, ACCOUNT_ORGANIZATION };

struct account {
    const char *id; /* 26 characters */
    enum account_type type;
    const char *username;   /* unique */
    const char *name;       /* full name; never NULL (the username when none was given) */
    const char *github_url; /* NULL: none */
    const char *avatar_url; /* NULL: none */
    int64_t created_at;
};

const char *account_type_name(enum account_type t);
bool account_type_parse(struct str s, enum account_type *out);

/* 1 to 39 lower-case letters, digits and single hyphens inside; not a first path segment of ours.
 */
bool account_name_ok(struct str name, struct error *err);
/* 1 to 64 of a-z 0-9 . _ -, a letter or digit at both ends; for models and deployments. `what`
 * names it in the text. */
bool object_name_ok(struct str name, const char *what, struct error *err);
/* Splits "owner/name" or "owner/name:version"; *out_version.p == NULL when there is none. */
bool model_ref_split(struct str ref, struct str *out_owner, struct str *out_name,
                     struct str *out_version);
