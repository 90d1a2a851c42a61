/* SPDX-License-Identifier: Apache-2.0 */
/* Who connects: the address, how many connections it has, and whether it is a proxy whose word
 * counts. */
#include "http/conn.h"

#include "base/mem.h"
#include "base/network.h"

#include <stdlib.h>

enum { ID_FIELD_MAX = 64 };

/* A peer as a map key: 4 bytes of an IPv4 address, or the 8 bytes of network that an IPv6 host
 * usually has to itself. False for those that are never limited. */
static bool address_key(const struct http_conn *c, const struct sockaddr_storage *at, char out[8],
                        size_t *out_n)
{
    bool loopback_too = c->listener->config.limits.limit_loopback;
    union {
        const struct sockaddr_storage *any;
        const struct sockaddr_in *v4;
        const struct sockaddr_in6 *v6;
    } p = { .any = at };

    if (c->is_trusted)
        return false;
    if (at->ss_family == AF_INET) {
        memcpy(out, &p.v4->sin_addr, *out_n = 4);
        return out[0] != 127 || loopback_too;
    }
    if (at->ss_family != AF_INET6)
        return false;
    if (IN6_IS_ADDR_V4MAPPED(&p.v6->sin6_addr)) {
        memcpy(out, p.v6->sin6_addr.s6_addr + 12, *out_n = 4);
        return out[0] != 127 || loopback_too;
    }
    memcpy(out, &p.v6->sin6_addr, *out_n = 8);
    return !IN6_IS_ADDR_LOOPBACK(&p.v6->sin6_addr) || loopback_too;
}

static bool count_address(struct http_conn *c, const struct sockaddr_storage *at)
{
    struct http_server *s = c->server;
    size_t max = c->listener->config.limits.max_per_address;
    char key[8];
    uintptr_t n;

    if (max == 0 || !address_key(c, at, key, &c->address_n))
        return true;
    n = (uintptr_t)map_get(&s->addresses, str_make(key, c->address_n));
    if (n >= max)
        return false;
    c->address = xmemdup(key, c->address_n);
    map_put(&s->addresses, str_make(key, c->address_n), (void *)(n + 1));
    return true;
}

void peer_forget(struct http_conn *c)
{
    struct map *m = &c->server->addresses;
    struct str key = str_make(c->address, c->address_n);
    uintptr_t n;

    if (!c->address)
        return;
    n = (uintptr_t)map_get(m, key);
    if (n > 1)
        map_put(m, key, (void *)(n - 1));
    else
        map_remove(m, key);
}

bool peer_meet(struct http_conn *c)
{
    const struct networks *trusted = c->listener->config.trusted;
    struct sockaddr_storage at = { 0 };
    union {
        struct sockaddr_storage *any;
        struct sockaddr *plain;
        struct sockaddr_in *v4;
        struct sockaddr_in6 *v6;
    } p = { .any = &at };
    int n = sizeof(at);

    snprintf(c->peer, sizeof(c->peer), "%s", c->listener->is_unix ? "unix" : "?");
    if (c->listener->is_unix)
        at.ss_family = AF_UNIX;
    else if (uv_tcp_getpeername(&c->handle.tcp, p.plain, &n) < 0)
        at.ss_family = AF_UNSPEC;
    if (at.ss_family == AF_INET)
        uv_ip4_name(p.v4, c->peer, sizeof(c->peer));
    else if (at.ss_family == AF_INET6)
        uv_ip6_name(p.v6, c->peer, sizeof(c->peer));
    c->is_trusted = trusted && networks_have(trusted, &at);
    return count_address(c, &at);
}

static bool id_field_valid(struct str s)
{
    if (s.n == 0 || s.n > ID_FIELD_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
              (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '.' || s.p[i] == '_' || s.p[i] == '-'))
            return false;
    return true;
}

/* The last one in the list is what our proxy saw; what stands before it anybody may have written.
 */
static struct str last_in_list(struct str list)
{
    const char *comma = list.n ? memrchr(list.p, ',', list.n) : NULL;

    if (comma)
        list = str_make(comma + 1, (size_t)(list.p + list.n - comma) - 1);
    return str_trim(list);
}

void peer_take_fields(struct exchange *x)
{
    struct str id, from;

    if (!x->r.conn->is_trusted)
        return;
    id = http_header(&x->r, "X-Request-Id");
    from = last_in_list(http_header(&x->r, "X-Forwarded-For"));
    if (id_field_valid(id))
        x->r.id = arena_copy(&x->arena, id);
    if (from.n > 0 && from.n < INET6_ADDRSTRLEN)
        x->r.peer = from;
}
