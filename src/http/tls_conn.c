/* SPDX-License-Identifier: Apache-2.0 */
/* One connection's TLS. Until hands are shaken it is a connection that has said nothing, with the
 * deadline of one. */
#include "http/tls.h"

#include "base/mem.h"
#include "http/conn.h"

#include <openssl/err.h>
#include <stdlib.h>

struct tls {
    SSL *ssl;
    BIO *in, *out; /* belong to the session */
    bool is_ready; /* hands are shaken */
};

struct tls *tls_new(const struct http_tls *config)
{
    struct tls *t = xnew(struct tls);

    t->ssl = tls_session(config);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (!t->ssl || !t->in || !t->out) {
        SSL_free(t->ssl);
        BIO_free(t->in);
        BIO_free(t->out);
        free(t);
        return NULL;
    }
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_accept_state(t->ssl);
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    free(t);
}

/* Somebody speaks plain HTTP here, and can be told so in the same language. */
static void refuse_plain(struct http_conn *c)
{
    static const char answer[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n"
        "Content-Length: 71\r\nConnection: close\r\n\r\n"
        "{\"detail\":\"This port speaks TLS: the address is https://\",\"status\":400}";
    uv_buf_t part;
    union {
        const char *in;
        char *out;
    } p = { .in = answer };

    part = uv_buf_init(p.out, sizeof(answer) - 1);
    if (uv_try_write(&c->handle.stream, &part, 1) < 0)
        c->is_broken = true;
}

static bool shake_hands(struct http_conn *c)
{
    struct tls *t = c->tls;
    int r;

    ERR_clear_error();
    r = SSL_do_handshake(t->ssl);
    if (r == 1) {
        t->is_ready = true;
        conn_is_open(c);
    } else if (SSL_get_error(t->ssl, r) != SSL_ERROR_WANT_READ) {
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST)
            refuse_plain(c);
        c->is_broken = true; /* once the alert has been sent */
    }
    ERR_clear_error();
    return r == 1;
}

/* False: there is nothing more to be read now. */
static bool read_some(struct http_conn *c)
{
    char *plain = c->server->plain_buf;
    size_t n = 0;
    int r;

    ERR_clear_error();
    r = SSL_read_ex(c->tls->ssl, plain, READ_SIZE, &n);
    if (r == 1) {
        conn_input(c, plain, n);
        return c->state != CONN_CLOSING && c->state != CONN_LINGER;
    }
    switch (SSL_get_error(c->tls->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        return false;
    case SSL_ERROR_ZERO_RETURN:
        conn_end_of_input(c);
        return false;
    default:
        ERR_clear_error();
        c->is_broken = true;
        return false;
    }
}

void tls_input(struct http_conn *c, const char *p, size_t n)
{
    struct http_server *s = c->server;
    size_t taken;

    if (!s->plain_buf)
        s->plain_buf = xcalloc(1, READ_SIZE);
    if (BIO_write_ex(c->tls->in, p, n, &taken) != 1 || taken != n) {
        conn_abort(c);
        return;
    }
    if (c->tls->is_ready || shake_hands(c))
        while (read_some(c))
            ;
    if (c->state == CONN_CLOSING)
        return;
    conn_flush(c);
    if (c->is_broken)
        conn_abort(c);
}

void tls_goodbye(struct http_conn *c)
{
    if (!c->tls->is_ready || c->is_broken)
        return;
    ERR_clear_error();
    SSL_shutdown(c->tls->ssl);
    conn_flush(c);
}

bool tls_encrypt(struct tls *t, struct str plain)
{
    size_t n;

    ERR_clear_error();
    return SSL_write_ex(t->ssl, plain.p, plain.n, &n) == 1 && n == plain.n;
}

struct str tls_waiting(struct tls *t)
{
    char *p = NULL;
    long n = BIO_get_mem_data(t->out, &p);

    return n > 0 ? str_make(p, (size_t)n) : STR("");
}

void tls_sent(struct tls *t)
{
    (void)BIO_reset(t->out);
}
