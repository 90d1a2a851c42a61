/* SPDX-License-Identifier: Apache-2.0 */
/* Standard Webhooks as far as it is a matter of values: who is meant, what is signed, when it is
 * tried again. */
#pragma once

#include "base/buf.h"
#include "base/rand.h"

/* The receiver of a URL: scheme, host and port in lower case, without credentials, such as
 * "https://example.com:443". False when there is no host. */
enum { WEBHOOK_ORIGIN_SIZE = 300 };
bool webhook_origin(struct str url, char out[WEBHOOK_ORIGIN_SIZE]);

/* "whsec_" and 32 characters of base64. The text has no other underscore: clients split there. */
enum { WEBHOOK_SECRET_SIZE = 40 };
void webhook_secret_make(struct rand *r, char out[WEBHOOK_SECRET_SIZE]);

/* Appends "v1,<base64>", after a space where something stands already. False when the secret is
 * not one. */
bool webhook_sign(const char *secret, const char *id, int64_t timestamp, struct str body,
                  struct buf *out);

/* How long to wait after so many attempts: 1 s, 2 s, 4 s ... 15 min, each a fifth more or less. */
int64_t webhook_backoff_ms(int64_t attempts, struct rand *r);
