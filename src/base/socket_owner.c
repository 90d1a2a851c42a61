/* SPDX-License-Identifier: Apache-2.0 */
#include "base/socket_owner.h"

#include "base/str.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct question {
    struct nlmsghdr head;
    struct inet_diag_req_v2 what;
};

struct answer {
    struct nlmsghdr head;
    union {
        struct inet_diag_msg found;
        struct nlmsgerr error;
    } body;
    char attributes[512];
};

union address {
    const struct sockaddr_storage *any;
    const struct sockaddr_in *v4;
    const struct sockaddr_in6 *v6;
};

/* Both families have their port at the same place; the kernel knows IPv4 in the form of IPv6. */
static bool put(const struct sockaddr_storage *at, __be16 *out_port, __be32 out_address[4])
{
    const union address a = { .any = at };

    if (at->ss_family == AF_INET)
        memcpy(out_address, &a.v4->sin_addr, sizeof(a.v4->sin_addr));
    else if (at->ss_family == AF_INET6)
        memcpy(out_address, &a.v6->sin6_addr, sizeof(a.v6->sin6_addr));
    else
        return false;
    *out_port = a.v4->sin_port;
    return true;
}

/* The answer is there when the question has been sent. */
static enum status ask(const struct question *q, struct answer *out)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
    ssize_t n = -1;

    if (fd < 0)
        return STATUS_UNSUPPORTED;
    if (send(fd, q, sizeof(*q), 0) == (ssize_t)sizeof(*q))
        n = recv(fd, out, sizeof(*out), 0);
    close(fd);
    return n >= (ssize_t)(sizeof(out->head) + sizeof(int)) ? STATUS_OK : STATUS_UNSUPPORTED;
}

enum status socket_owner(const struct sockaddr_storage *local,
                         const struct sockaddr_storage *remote, uint32_t *out_uid)
{
    struct answer answer = { .head = { .nlmsg_len = 0 } };
    struct question q = {
        .head = { .nlmsg_len = sizeof(q),
                  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                  .nlmsg_flags = NLM_F_REQUEST },
        .what = { .sdiag_family = (uint8_t)local->ss_family,
                  .sdiag_protocol = IPPROTO_TCP,
                  .idiag_states = ~0U,
                  .id.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } },
    };

    if (!put(local, &q.what.id.idiag_sport, q.what.id.idiag_src) ||
        (remote && !put(remote, &q.what.id.idiag_dport, q.what.id.idiag_dst)))
        return STATUS_NOT_FOUND;
    if (ask(&q, &answer) != STATUS_OK)
        return STATUS_UNSUPPORTED;
    if (answer.head.nlmsg_type == NLMSG_ERROR)
        return answer.body.error.error == -ENOENT ? STATUS_NOT_FOUND : STATUS_UNSUPPORTED;
    if (answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return STATUS_UNSUPPORTED;
    *out_uid = answer.body.found.idiag_uid;
    return STATUS_OK;
}

enum status socket_peer_owner(int fd, uint32_t *out_uid)
{
    struct sockaddr_storage here = { .ss_family = AF_UNSPEC }, there = here;
    socklen_t n_here = sizeof(here), n_there = sizeof(there), n;
    struct ucred who;

    if (getsockname(fd, (struct sockaddr *)&here, &n_here) != 0)
        return STATUS_NOT_FOUND;
    if (here.ss_family == AF_UNIX) {
        n = sizeof(who);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0)
            return STATUS_UNSUPPORTED;
        *out_uid = who.uid;
        return STATUS_OK;
    }
    if (getpeername(fd, (struct sockaddr *)&there, &n_there) != 0)
        return STATUS_NOT_FOUND;
    return socket_owner(&there, &here, out_uid);
}

enum status socket_listener_owner(int port, uint32_t *out_uid)
{
    union {
        struct sockaddr_storage any;
        struct sockaddr_in v4;
    } at = { .any = { .ss_family = AF_INET } };

    at.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.v4.sin_port = htons((uint16_t)port);
    return socket_owner(&at.any, NULL, out_uid);
}
