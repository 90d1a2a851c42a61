/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of networks in words: "127.0.0.1, 10.0.0.0/8, fd00::/8, unix". */
#pragma once

#include "base/status.h"
#include "base/str.h"

struct sockaddr_storage;

struct network {
    unsigned char address[16]; /* IPv4 as ::ffff:a.b.c.d */
    int bits;                  /* of them that count */
};

struct networks {
    struct network *items;
    size_t n;
    bool has_unix; /* peers on unix sockets belong to it */
};

/* Parts stand between commas; an empty text is an empty list. INVALID names the part. */
enum status networks_parse(struct str text, struct networks *out, struct error *err) NODISCARD;
/* An IPv4 address that arrives in the form of an IPv6 one is the same address. */
bool networks_have(const struct networks *list, const struct sockaddr_storage *at);
void networks_deinit(struct networks *list);
