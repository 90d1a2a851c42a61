/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the server: TLS between a connection's socket and its messages. OpenSSL sees memory
 * only; the sockets, the deadlines and the limits are those of every connection. */
#pragma once

#include "base/str.h"

#include <openssl/ssl.h>

struct http_conn;
struct http_tls;
struct tls;

SSL *tls_session(const struct http_tls *t); /* a new one with the present certificate */

/* NULL when memory is short. */
struct tls *tls_new(const struct http_tls *t);
void tls_free(struct tls *t);
/* Bytes from the socket: shakes hands, then hands what they say to conn_input(). */
void tls_input(struct http_conn *c, const char *p, size_t n);
/* Says goodbye, before our side is shut. */
void tls_goodbye(struct http_conn *c);
/* Encrypts `plain` (nothing may be waiting to be taken); false when the session is broken. */
bool tls_encrypt(struct tls *t, struct str plain);
/* What waits to be sent, and what is gone of it. */
struct str tls_waiting(struct tls *t);
void tls_sent(struct tls *t);
