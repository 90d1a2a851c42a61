/* SPDX-License-Identifier: Apache-2.0 */
#include "base/seal.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

enum { FORM = 1, NONCE_SIZE = 12, TAG_SIZE = 16, HEAD_SIZE = 1 + NONCE_SIZE + TAG_SIZE };

void seal_add(const unsigned char key[SEAL_KEY_SIZE], struct str plain, struct buf *out)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    unsigned char head[HEAD_SIZE] = { FORM };
    unsigned char *at = (unsigned char *)buf_reserve(out, HEAD_SIZE + plain.n);
    int n = 0;
    bool ok = c && at && plain.n <= INT32_MAX && RAND_bytes(head + 1, NONCE_SIZE) == 1 &&
              EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, head + 1) == 1 &&
              EVP_EncryptUpdate(c, at + HEAD_SIZE, &n, (const unsigned char *)plain.p,
                                (int)plain.n) == 1 &&
              EVP_EncryptFinal_ex(c, at + HEAD_SIZE + n, &n) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, head + 1 + NONCE_SIZE) == 1;

    EVP_CIPHER_CTX_free(c);
    assert(ok && "encryption in memory does not fail");
    memcpy(at, head, HEAD_SIZE);
    buf_commit(out, HEAD_SIZE + plain.n);
}

bool seal_open(const unsigned char key[SEAL_KEY_SIZE], struct str sealed, struct buf *out)
{
    const unsigned char *in = (const unsigned char *)sealed.p;
    unsigned char tag[TAG_SIZE];
    EVP_CIPHER_CTX *c;
    unsigned char *at;
    int n = 0;
    bool ok;

    if (sealed.n < HEAD_SIZE || sealed.n > INT32_MAX || in[0] != FORM)
        return false;
    at = (unsigned char *)buf_reserve(out, sealed.n - HEAD_SIZE);
    memcpy(tag, in + 1 + NONCE_SIZE, TAG_SIZE);
    c = EVP_CIPHER_CTX_new();
    ok = c && at && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, in + 1) == 1 &&
         EVP_DecryptUpdate(c, at, &n, in + HEAD_SIZE, (int)(sealed.n - HEAD_SIZE)) == 1 &&
         EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag) == 1 &&
         EVP_DecryptFinal_ex(c, at + n, &n) == 1;
    EVP_CIPHER_CTX_free(c);
    if (ok)
        buf_commit(out, sealed.n - HEAD_SIZE);
    return ok;
}
