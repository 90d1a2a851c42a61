/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: what a listener that speaks TLS shows. Loading them again changes what new
 * connections get; those that are open keep what they began with. */
#include "http/tls.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/conn.h"

#include <openssl/err.h>
#include <stdlib.h>

enum { PEM_MAX = 1 << 20, RSA_MOST = 2048 };

/* TLS 1.2 with forward secrecy and authenticated encryption only; TLS 1.3 has nothing else. */
static const char ciphers_12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

struct http_tls {
    SSL_CTX *context;
    char *cert, *key;
};

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                           const unsigned char *offered, unsigned n, void *arg)
{
    (void)ssl;
    (void)arg;
    for (unsigned at = 0; at < n; at += offered[at] + 1U) {
        if (offered[at] == 8 && n - at > 8 && memcmp(offered + at + 1, "http/1.1", 8) == 0) {
            *out = offered + at + 1;
            *out_n = 8;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Nobody is there to be asked for a pass phrase. */
static int no_phrase(char *buf, int size, int is_writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)is_writing;
    (void)arg;
    return -1;
}

static const char *reason(void)
{
    unsigned long code = ERR_peek_error();
    const char *text = ERR_reason_error_string(code);

    return text ? text : "no reason is known";
}

/* OpenSSL's own words for a file that is not there are of no use. */
static enum status readable(const char *what, const char *path, struct error *err)
{
    struct buf CLEANUP(buf_deinit) text = BUF_INIT(PEM_MAX);
    enum status st = file_read(path, &text, err);

    if (st == STATUS_OK)
        return st;
    error_context(err, "%s", what);
    return st;
}

static enum status fail_pem(struct error *err, const char *option, const char *path,
                            const char *holds)
{
    enum status st = FAIL(err, STATUS_INVALID, "%s: %s holds no %s in PEM form: %s", option, path,
                          holds, reason());

    ERR_clear_error();
    return st;
}

static enum status load_files(SSL_CTX *context, const char *cert, const char *key,
                              struct error *err)
{
    enum status st = readable("--tls-cert", cert, err);

    if (st == STATUS_OK)
        st = readable("--tls-key", key, err);
    if (st != STATUS_OK)
        return st;
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        return fail_pem(err, "--tls-cert", cert, "certificate");
    SSL_CTX_set_default_passwd_cb(context, no_phrase);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        /* What does not match is noticed here already where the certificate came first. */
        if (ERR_GET_REASON(ERR_peek_error()) != X509_R_KEY_VALUES_MISMATCH &&
            ERR_GET_REASON(ERR_peek_error()) != X509_R_KEY_TYPE_MISMATCH)
            return fail_pem(err, "--tls-key", key, "private key without a pass phrase");
    } else if (SSL_CTX_check_private_key(context) == 1) {
        return STATUS_OK;
    }
    ERR_clear_error();
    return FAIL(err, STATUS_INVALID,
                "--tls-key: the key in %s does not belong to the (first) certificate in %s", key,
                cert);
}

/* Handshakes are the loop's own work, and a signature is most of one. */
static void look_at_key(SSL_CTX *context, const char *path)
{
    const EVP_PKEY *key = SSL_CTX_get0_privatekey(context);

    if (EVP_PKEY_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_bits(key) > RSA_MOST)
        log_warning("a TLS key is of a kind that makes everybody wait: each new connection takes "
                    "milliseconds of the server; take an ECDSA key (P-256)",
                    LOG_S("file", path), LOG_S("kind", "RSA"), LOG_I("bits", EVP_PKEY_bits(key)));
}

static enum status make_context(const char *cert, const char *key, SSL_CTX **out, struct error *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    enum status st;

    ERR_clear_error();
    if (!context)
        return FAIL(err, STATUS_BROKEN, "TLS cannot be set up: %s", reason());
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(context, ciphers_12);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    /* Sessions are in their tickets; the server keeps none. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    st = load_files(context, cert, key, err);
    if (st != STATUS_OK) {
        SSL_CTX_free(context);
        return st;
    }
    look_at_key(context, key);
    *out = context;
    return STATUS_OK;
}

enum status http_tls_new(const char *cert, const char *key, struct http_tls **out,
                         struct error *err)
{
    struct http_tls *t;
    SSL_CTX *context;
    enum status st = make_context(cert, key, &context, err);

    if (st != STATUS_OK)
        return st;
    t = xnew(struct http_tls);
    t->context = context;
    t->cert = xstrdup(cert);
    t->key = xstrdup(key);
    *out = t;
    return STATUS_OK;
}

enum status http_tls_reload(struct http_tls *t, struct error *err)
{
    SSL_CTX *context;
    enum status st = make_context(t->cert, t->key, &context, err);

    if (st != STATUS_OK)
        return st;
    SSL_CTX_free(t->context); /* open connections hold it */
    t->context = context;
    return STATUS_OK;
}

void http_tls_free(struct http_tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->context);
    free(t->cert);
    free(t->key);
    free(t);
}

SSL *tls_session(const struct http_tls *t)
{
    return SSL_new(t->context);
}
