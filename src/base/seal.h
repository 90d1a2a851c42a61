/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets at rest: AES-256-GCM with a random nonce for each text (OpenSSL). A sealed text is a
 * version byte, the nonce, the tag and the encrypted bytes. */
#pragma once

#include "base/buf.h"

enum { SEAL_KEY_SIZE = 32 };

void seal_add(const unsigned char key[SEAL_KEY_SIZE], struct str plain, struct buf *out);
/* False when it was sealed with another key, or changed. */
bool seal_open(const unsigned char key[SEAL_KEY_SIZE], struct str sealed,
               struct buf *out) NODISCARD;
