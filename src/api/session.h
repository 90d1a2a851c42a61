/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of browsers: a cookie instead of a token.
 *
 * A person signs in with a token; the browser gets a secret in a cookie that no script can read and
 * no other site can make it send, and never sees the token again. A session holds a token for each
 * account that signed in with it, and is no better than they are: where one is revoked, its account
 * is out. Requests by cookie that could change something must also carry what only a page of this
 * server can have read (Berth-CSRF). */
#pragma once

#include "api/api.h"

enum status sessions_load(struct api *a, struct error *err) NODISCARD;
void sessions_free(struct api *a);

/* Whether this request comes by cookie: it has ours, and no Authorization. */
bool session_is(const struct http_request *r);
/* For the gate: the token of the account that acts (Berth-Account, else who signed in last). NULL:
 * it was refused, and answered. */
struct api_token *session_enter(struct http_request *r);
/* The same once it has entered. */
struct api_token *session_token(const struct http_request *r);

/* The session that a request by cookie belongs to, 32 bytes; NULL: none. */
const unsigned char *session_hash(const struct http_request *r);
/* Whether an account is still signed in with it. */
bool session_holds(struct api *a, const unsigned char hash[32], const char *account_id);

void session_begin(struct http_request *r);
void session_show(struct http_request *r);
void session_leave(struct http_request *r);

/* Whether this address may still guess tokens; a guess that was wrong costs one. */
bool session_may_guess(struct http_request *r, bool was_wrong);
bool session_refuse_guessing(struct http_request *r); /* false: 429 was answered */
