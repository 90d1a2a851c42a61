/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers ask of a request. */
#include "http/conn.h"

#include "base/encode.h"

struct str http_header(const struct http_request *r, const char *name)
{
    const struct exchange *x = exchange_of(r);

    for (size_t i = 0; i < x->n_fields; i++)
        if (str_ieq(x->fields[i].name, str_of(name)))
            return x->fields[i].value;
    return STR_NULL;
}

static struct str decode(const struct http_request *r, struct str encoded, bool is_form)
{
    struct buf CLEANUP(buf_deinit) plain = BUF_INIT(encoded.n);
    struct str text = encoded;

    if (is_form) {
        char *copy = arena_copy(r->arena, encoded);

        for (size_t i = 0; i < encoded.n; i++)
            if (copy[i] == '+')
                copy[i] = ' ';
        text.p = copy;
    }
    if (!percent_decode(text, &plain))
        return STR_NULL;
    return str_make(arena_copy(r->arena, buf_str(&plain)), plain.n);
}

struct str http_param(const struct http_request *r, const char *name)
{
    const struct router_match *m = &exchange_of(r)->match;

    for (size_t i = 0; i < m->n_params; i++)
        if (str_is(m->params[i].name, name))
            return decode(r, m->params[i].value, false);
    return STR_NULL;
}

struct str http_query(const struct http_request *r, const char *name)
{
    struct str rest = r->query;
    struct str pair, key;

    while (str_split(&rest, '&', &pair)) {
        str_split(&pair, '=', &key);
        key = decode(r, key, true);
        if (key.p && str_is(key, name))
            return pair.p ? decode(r, pair, true) : STR("");
    }
    return STR_NULL;
}

static const char *own_address(const struct http_request *r)
{
    struct sockaddr_storage at = { 0 };
    union {
        struct sockaddr_storage *any;
        struct sockaddr *plain;
        struct sockaddr_in *v4;
        struct sockaddr_in6 *v6;
    } p = { .any = &at };
    int n = sizeof(at);
    char text[INET6_ADDRSTRLEN];

    if (r->conn->listener->is_unix || uv_tcp_getsockname(&r->conn->handle.tcp, p.plain, &n) < 0)
        return "localhost";
    if (at.ss_family == AF_INET6 && uv_ip6_name(p.v6, text, sizeof(text)) == 0)
        return arena_printf(r->arena, "[%s]:%d", text, ntohs(p.v6->sin6_port));
    if (at.ss_family == AF_INET && uv_ip4_name(p.v4, text, sizeof(text)) == 0)
        return arena_printf(r->arena, "%s:%d", text, ntohs(p.v4->sin_port));
    return "localhost";
}

struct str http_base_url(const struct http_request *r)
{
    struct str host = exchange_of(r)->host, said;
    const char *scheme = r->conn->tls ? "https" : "http";

    if (r->conn->is_trusted) {
        said = http_header(r, "X-Forwarded-Host");
        if (said.n > 0 && host_valid(said))
            host = said;
        said = http_header(r, "X-Forwarded-Proto");
        if (said.n > 0)
            scheme = str_ieq(said, STR("https")) ? "https" : "http";
    }
    if (host.n == 0)
        host = str_of(own_address(r));
    return str_of(arena_printf(r->arena, "%s://%.*s", scheme, STR_ARG(host)));
}

void http_body_accept(struct http_request *r)
{
    if (exchange_of(r)->answer == ANSWER_NONE)
        respond_continue(r->conn);
    conn_kick(r->conn);
}

void http_body_pause(struct http_request *r)
{
    exchange_of(r)->is_paused = true;
    conn_kick(r->conn);
}

/* While it stood still, the client could not but be slow. */
void http_body_resume(struct http_request *r)
{
    exchange_of(r)->is_paused = false;
    exchange_restart_floor(r->conn);
    http_body_accept(r);
}
