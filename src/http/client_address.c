/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses that a request on behalf of a user may go to. The list follows the IANA registries of
 * special addresses; IPv6 forms that carry an IPv4 address are as public as that. */
#include "http/client_impl.h"

#include <arpa/inet.h>

struct range4 {
    uint32_t start;
    int bits;
};

static const struct range4 private4[] = {
    { 0x00000000, 8 },  /* "this network" */
    { 0x0a000000, 8 },  /* private */
    { 0x64400000, 10 }, /* shared by carriers */
    { 0x7f000000, 8 },  /* loopback */
    { 0xa9fe0000, 16 }, /* link-local, clouds' metadata services */
    { 0xac100000, 12 }, /* private */
    { 0xc0000000, 24 }, /* protocol assignments */
    { 0xc0a80000, 16 }, /* private */
    { 0xc6120000, 15 }, /* benchmarks */
    { 0xe0000000, 4 },  /* multicast */
    { 0xf0000000, 4 },  /* reserved, broadcast */
};

struct range6 {
    unsigned char start[16];
    int bits;
};

static const struct range6 private6[] = {
    { { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48 }, /* local NAT64 */
    { { 0xfc }, 7 },                                /* unique local */
    { { 0xfe, 0x80 }, 10 },                         /* link-local */
    { { 0xfe, 0xc0 }, 10 },                         /* site-local, of old */
    { { 0xff }, 8 },                                /* multicast */
};

/* Prefixes behind which an IPv4 address stands. ::/96 covers :: and ::1, as 0.0.0.0/8. */
static const struct {
    struct range6 range;
    size_t at;
} embedding[] = {
    { { { 0 }, 96 }, 12 },
    { { { [10] = 0xff, [11] = 0xff }, 96 }, 12 },
    { { { 0x00, 0x64, 0xff, 0x9b }, 96 }, 12 }, /* NAT64 */
    { { { 0x20, 0x02 }, 16 }, 2 },              /* 6to4 */
};

static bool is_public4(uint32_t a)
{
    for (size_t i = 0; i < ARRAY_SIZE(private4); i++)
        if ((a ^ private4[i].start) >> (32 - private4[i].bits) == 0)
            return false;
    return true;
}

static bool is_in6(const unsigned char *a, const struct range6 *r)
{
    size_t whole = (size_t)r->bits / 8;
    int rest = r->bits % 8;

    if (memcmp(a, r->start, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ r->start[whole]) >> (8 - rest) == 0;
}

static bool is_public6(const unsigned char *a)
{
    for (size_t i = 0; i < ARRAY_SIZE(private6); i++)
        if (is_in6(a, &private6[i]))
            return false;
    for (size_t i = 0; i < ARRAY_SIZE(embedding); i++) {
        const unsigned char *v4 = a + embedding[i].at;

        if (is_in6(a, &embedding[i].range))
            return is_public4((uint32_t)v4[0] << 24 | (uint32_t)v4[1] << 16 | (uint32_t)v4[2] << 8 |
                              v4[3]);
    }
    return true;
}

bool address_is_public(const struct sockaddr *address)
{
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;

    switch (address->sa_family) {
    case AF_INET:
        memcpy(&in4, address, sizeof(in4));
        return is_public4(ntohl(in4.sin_addr.s_addr));
    case AF_INET6:
        memcpy(&in6, address, sizeof(in6));
        return is_public6(in6.sin6_addr.s6_addr);
    default:
        return false;
    }
}

bool address_text_is_public(const char *ip)
{
    struct in_addr in4;
    struct in6_addr in6;

    if (inet_pton(AF_INET, ip, &in4) == 1)
        return is_public4(ntohl(in4.s_addr));
    return inet_pton(AF_INET6, ip, &in6) == 1 && is_public6(in6.s6_addr);
}
