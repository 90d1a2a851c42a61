/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts and tokens in the store. */
#pragma once

#include "core/account.h"
#include "store/store.h"

struct token_row {
    const char *id; /* 26 characters */
    const char *account_id;
    unsigned char hash[32]; /* SHA-256 of the token; the token itself is kept nowhere */
    const char *hint;       /* "r8_Ab…": the first six characters, to tell tokens apart */
    const char *label;      /* NULL: none */
    int64_t created_at;
    int64_t revoked_at;   /* 0: valid */
    int64_t last_used_at; /* to a minute; 0: never */
};

/* CONFLICT when the username is taken. */
struct store_account_create {
    struct store_op op;
    struct account in;          /* all members */
    const char *webhook_secret; /* "whsec_..." */
};
extern const struct store_op_type STORE_ACCOUNT_CREATE;

/* All accounts, by name; they are few and the server keeps them in memory. */
struct store_account_list {
    struct store_op op;
    struct account *rows;
    size_t n;
};
extern const struct store_op_type STORE_ACCOUNT_LIST;

/* The key that the account's webhooks are signed with. NOT_FOUND. */
struct store_account_secret {
    struct store_op op;
    const char *account_id;
    const char *webhook_secret; /* out; NULL: none */
    const char *old;            /* out: the one before it; NULL: none */
    int64_t old_until;          /* out: it signs too, until then */
};
extern const struct store_op_type STORE_ACCOUNT_SECRET;

/* A new key; the present one goes on signing beside it for a while. NOT_FOUND. */
struct store_account_rotate {
    struct store_op op;
    const char *account_id;
    const char *fresh;
    int64_t old_until;
};
extern const struct store_op_type STORE_ACCOUNT_ROTATE;

struct store_token_create {
    struct store_op op;
    struct token_row in;
};
extern const struct store_op_type STORE_TOKEN_CREATE;

/* Tokens that are valid; of one account when account_id is set. */
struct store_token_list {
    struct store_op op;
    const char *account_id; /* NULL: of all */
    struct token_row *rows;
    size_t n;
};
extern const struct store_op_type STORE_TOKEN_LIST;

/* NOT_FOUND when there is none, or it is revoked already. */
struct store_token_revoke {
    struct store_op op;
    const char *id;
    const char *account_id; /* NULL: any account's */
    int64_t now;
    unsigned char hash[32]; /* out */
};
extern const struct store_op_type STORE_TOKEN_REVOKE;

/* Somebody asked with it. */
struct store_token_use {
    struct store_op op;
    const char *id;
    int64_t now;
};
extern const struct store_op_type STORE_TOKEN_USE;
