/* SPDX-License-Identifier: Apache-2.0 */
#include "base/network.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

static const unsigned char v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

enum { V4_BITS = 8 * (int)sizeof(v4_prefix) };

static bool parse_address(struct str s, struct network *out)
{
    char text[INET6_ADDRSTRLEN];

    if (s.n == 0 || s.n >= sizeof(text))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    memset(out->address, 0, sizeof(out->address));
    if (inet_pton(AF_INET6, text, out->address) == 1) {
        out->bits = 128;
        return true;
    }
    memcpy(out->address, v4_prefix, sizeof(v4_prefix));
    out->bits = 128;
    return inet_pton(AF_INET, text, out->address + sizeof(v4_prefix)) == 1;
}

static enum status parse_one(struct str part, struct network *out, struct error *err)
{
    struct str rest = part, address;
    uint64_t bits = 0;
    bool is_v4;

    str_split(&rest, '/', &address);
    if (!parse_address(address, out))
        return FAIL(err, STATUS_INVALID,
                    "\"%.*s\" is neither an address, nor a network such as 10.0.0.0/8, nor unix",
                    (int)MIN(part.n, (size_t)60), part.p);
    if (!rest.p)
        return STATUS_OK;
    is_v4 = !memchr(address.p, ':', address.n);
    if (!str_to_u64(rest, &bits) || bits > (is_v4 ? 32U : 128U))
        return FAIL(err, STATUS_INVALID, "\"%.*s\" has not 0 to %d bits of network after the slash",
                    (int)MIN(part.n, (size_t)60), part.p, is_v4 ? 32 : 128);
    out->bits = (int)bits + (is_v4 ? V4_BITS : 0);
    return STATUS_OK;
}

enum status networks_parse(struct str text, struct networks *out, struct error *err)
{
    struct str rest = text, part;
    enum status st = STATUS_OK;

    *out = (struct networks){ 0 };
    while (st == STATUS_OK && str_split(&rest, ',', &part)) {
        struct network one;

        part = str_trim(part);
        if (part.n == 0 && str_trim(text).n == 0)
            break;
        if (str_is(part, "unix")) {
            out->has_unix = true;
            continue;
        }
        st = parse_one(part, &one, err);
        if (st != STATUS_OK)
            break;
        out->items = xrealloc(out->items, (out->n + 1) * sizeof(*out->items));
        out->items[out->n++] = one;
    }
    if (st != STATUS_OK)
        networks_deinit(out);
    return st;
}

static bool is_inside(const struct network *net, const unsigned char address[16])
{
    size_t whole = (size_t)net->bits / 8;
    int rest = net->bits % 8;
    unsigned char mask = (unsigned char)(0xff00U >> rest);

    return memcmp(net->address, address, whole) == 0 &&
           (rest == 0 || ((net->address[whole] ^ address[whole]) & mask) == 0);
}

bool networks_have(const struct networks *list, const struct sockaddr_storage *at)
{
    unsigned char address[16];
    union {
        const struct sockaddr_storage *any;
        const struct sockaddr_in *v4;
        const struct sockaddr_in6 *v6;
    } p = { .any = at };

    if (at->ss_family == AF_UNIX)
        return list->has_unix;
    if (at->ss_family == AF_INET) {
        memcpy(address, v4_prefix, sizeof(v4_prefix));
        memcpy(address + sizeof(v4_prefix), &p.v4->sin_addr, 4);
    } else if (at->ss_family == AF_INET6) {
        memcpy(address, &p.v6->sin6_addr, sizeof(address));
    } else {
        return false;
    }
    for (size_t i = 0; i < list->n; i++)
        if (is_inside(&list->items[i], address))
            return true;
    return false;
}

void networks_deinit(struct networks *list)
{
    free(list->items);
    *list = (struct networks){ 0 };
}
