/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, as their own files see them: session.c (what there is, who acts, the end) and
 * session_begin.c (signing in). */
#pragma once

#include "api/session.h"
#include "base/encode.h"
#include "base/list.h"
#include "store/session.h"

enum {
    SECRET_LEN = 52, /* 256 bits */
    CSRF_SIZE = 2 * SHA256_SIZE + 1,
};

/* An account that is signed in. */
struct part {
    struct list node; /* session->parts, in the order in which they signed in */
    char account_id[ID_SIZE];
    unsigned char token[SHA256_SIZE];
    int64_t created_at, expires_at;
};

struct session {
    unsigned char hash[SHA256_SIZE];
    struct list parts;
};

struct part *session_part(struct session *s, const char *account_id);
void session_part_free(struct part *x);
/* What a part stands for, while it is good; NULL. */
struct api_token *session_part_token(struct api *a, const struct part *x);
/* Drops what is over. False when nothing is left, and the session is gone. */
bool session_tidy(struct api *a, struct session *s);
/* Signs an account in, as the store has it. */
void session_put(struct api *a, const struct session_row *row);

/* The secret of the request's cookie (p == NULL: it has none), and the session it is of; NULL. */
struct str session_cookie(const struct http_request *r);
struct session *session_find(const struct http_request *r);
void session_set_cookie(struct http_request *r, const char *secret, int64_t lifetime_ms);
/* What a page reads with GET /session and gives back with what it changes. It follows from the
 * secret, which does not follow from it. */
void session_csrf(struct str secret, char out[CSRF_SIZE]);
void session_refuse_nobody(struct http_request *r); /* 401 */
