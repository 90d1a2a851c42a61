/* SPDX-License-Identifier: Apache-2.0 */
/* The Authorization header: whoever is let in has said a token that there is. */
#include "fuzz.h"

#include "api/api.h"
#include "base/encode.h"

#define TOKEN "r8_0123456789abcdefghijklmnopqrstuvwxyzABC"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct api api;
    static struct api_account account;
    static struct api_token token = { .account = &account };
    struct str text = fuzz_text(p, n);
    struct api_token *found;

    if (api.tokens.n == 0) {
        map_init(&api.tokens);
        sha256(STR(TOKEN), token.hash);
        map_put(&api.tokens, str_make((const char *)token.hash, sizeof(token.hash)), &token);
    }
    found = api_token_given(&api, text);
    FUZZ_CHECK(!found || found == &token);
    FUZZ_CHECK(!found || memmem(p, n, TOKEN, sizeof(TOKEN) - 1), "%.*s", STR_ARG(text));
    FUZZ_CHECK(!found || n >= sizeof(TOKEN) - 1 + sizeof("token"), "no scheme: %.*s",
               STR_ARG(text));
    return 0;
}
