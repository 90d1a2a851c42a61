/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of browsers in the store. */
#pragma once

#include "store/store.h"

/* One account that is signed in with a session. */
struct session_row {
    unsigned char hash[32]; /* SHA-256 of the cookie's secret, which is kept nowhere */
    const char *account_id;
    const char *token_id;         /* in: what it signed in with */
    unsigned char token_hash[32]; /* out, of a list */
    int64_t created_at, expires_at;
};

/* Signs an account in, or again; what has expired by `row.created_at` goes. */
struct store_session_put {
    struct store_op op;
    struct session_row row;
};
extern const struct store_op_type STORE_SESSION_PUT;

/* All that is good at `now`: not expired, and its token is not revoked. Oldest first. */
struct store_session_list {
    struct store_op op;
    int64_t now;
    struct session_row *rows;
    size_t n;
};
extern const struct store_op_type STORE_SESSION_LIST;

/* Signs an account out, or all of the session. That there is nothing is fine. */
struct store_session_end {
    struct store_op op;
    unsigned char hash[32];
    const char *account_id; /* NULL: all */
};
extern const struct store_op_type STORE_SESSION_END;
