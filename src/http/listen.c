/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners: addresses in words to sockets. The socket is bound before libuv hears of it, so that a
 * failure leaves no handle behind that only a turn of the loop could close. */
#include "http/conn.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

int http_listener_port(const struct http_listener *li)
{
    return li->port;
}

static void default_size(size_t *value, size_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

static void default_ms(int64_t *value, int64_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

static void limits_default(struct http_limits *l)
{
    default_size(&l->max_request_line, 8 << 10);
    default_size(&l->max_header_bytes, 32 << 10);
    default_size(&l->max_headers, 100);
    default_size(&l->max_body, 16 << 20);
    default_size(&l->max_connections, 10000);
    default_size(&l->max_write_buffer, 4 << 20);
    default_size(&l->body_floor_per_s, 1 << 10);
    default_ms(&l->head_timeout_ms, 10000);
    default_ms(&l->body_floor_after_ms, 10000);
    default_ms(&l->idle_timeout_ms, 75000);
    default_ms(&l->write_timeout_ms, 60000);
}

void listener_free(struct http_listener *li)
{
    router_free(li->router);
    free(li->unix_path);
    free(li);
}

static void on_closed(uv_handle_t *handle)
{
    struct http_listener *li =
        container_of((union http_handle *)(void *)handle, struct http_listener, handle);

    server_handle_gone(li->server);
}

static void on_failed_closed(uv_handle_t *handle)
{
    struct http_listener *li =
        container_of((union http_handle *)(void *)handle, struct http_listener, handle);

    server_handle_gone(li->server);
    listener_free(li);
}

void listener_close(struct http_listener *li)
{
    if (li->is_closing)
        return;
    li->is_closing = true;
    if (li->unix_path)
        unlink(li->unix_path);
    uv_close(&li->handle.any, on_closed);
}

static enum status fail_errno(struct error *err, int code, const char *address)
{
    enum status st = code == EADDRINUSE                        ? STATUS_CONFLICT
                     : code == EACCES || code == EPERM         ? STATUS_FORBIDDEN
                     : code == EADDRNOTAVAIL || code == ENOENT ? STATUS_INVALID
                                                               : STATUS_BROKEN;

    return FAIL(err, st, "cannot listen on %s: %s", address, strerror(code));
}

static bool unix_address(const char *path, struct sockaddr_un *out)
{
    size_t n = strlen(path);

    memset(out, 0, sizeof(*out));
    out->sun_family = AF_UNIX;
    if (n == 0 || n >= sizeof(out->sun_path))
        return false;
    memcpy(out->sun_path, path, n);
    return true;
}

/* A socket file that nobody listens behind is left over from a process that was killed. */
static void remove_stale(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat st;

    if (fd < 0)
        return;
    if (lstat(at->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
        connect(fd, (const struct sockaddr *)(const void *)at, sizeof(*at)) < 0 &&
        errno == ECONNREFUSED)
        unlink(at->sun_path);
    close(fd);
}

static enum status open_unix(const char *path, unsigned mode, int *out_fd, struct error *err)
{
    struct sockaddr_un at;
    mode_t mask;
    int fd, code;

    if (!unix_address(path, &at))
        return FAIL(err, STATUS_INVALID, "a unix socket's path has 1 to %zu characters: %s",
                    sizeof(at.sun_path) - 1, path);
    remove_stale(&at);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail_errno(err, errno, path);
    /* The file takes over the mode of the socket, so that it is private from its first moment on.
     */
    mask = umask(0);
    code = fchmod(fd, mode ? mode : 0600) == 0 &&
                   bind(fd, (const struct sockaddr *)(const void *)&at, sizeof(at)) == 0
               ? 0
               : errno;
    umask(mask);
    if (code == 0) {
        *out_fd = fd;
        return STATUS_OK;
    }
    close(fd);
    return fail_errno(err, code, path);
}

/* "HOST:PORT" or "[HOST]:PORT"; the host is an address or a name. */
static enum status resolve(const char *address, struct addrinfo **out, struct error *err)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    const char *colon = strrchr(address, ':');
    char host[256];
    struct str h;
    uint64_t number;
    int r;

    if (!colon || !str_to_u64(str_of(colon + 1), &number) || number > 65535)
        return FAIL(err, STATUS_INVALID,
                    "an address to listen on is HOST:PORT, [HOST]:PORT or unix:PATH: %s", address);
    h = str_make(address, (size_t)(colon - address));
    if (h.n >= 2 && h.p[0] == '[' && h.p[h.n - 1] == ']')
        h = str_make(h.p + 1, h.n - 2);
    if (h.n == 0 || h.n >= sizeof(host))
        return FAIL(err, STATUS_INVALID,
                    "an address to listen on needs a host (0.0.0.0 is all): %s", address);
    snprintf(host, sizeof(host), "%.*s", STR_ARG(h));
    r = getaddrinfo(host, colon + 1, &hints, out);
    if (r != 0)
        return FAIL(err, STATUS_INVALID, "cannot listen on %s: %s", address, gai_strerror(r));
    return STATUS_OK;
}

static enum status open_tcp(const char *address, int *out_fd, struct error *err)
{
    struct addrinfo *at;
    enum status st = resolve(address, &at, err);
    int one = 1, code = 0, fd;

    if (st != STATUS_OK)
        return st;
    fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        code = errno;
    freeaddrinfo(at);
    if (code == 0) {
        *out_fd = fd;
        return STATUS_OK;
    }
    if (fd >= 0)
        close(fd);
    return fail_errno(err, code, address);
}

static void find_port(struct http_listener *li)
{
    struct sockaddr_storage at = { 0 };
    union {
        struct sockaddr_storage *any;
        struct sockaddr *plain;
        struct sockaddr_in *v4;
    } p = { .any = &at };
    int n = sizeof(at);

    /* The port stands at the same place in both families. */
    if (!li->is_unix && uv_tcp_getsockname(&li->handle.tcp, p.plain, &n) == 0)
        li->port = ntohs(p.v4->sin_port);
}

/* Gives the socket to libuv. What fails here fails for want of memory or descriptors. */
static enum status adopt(struct http_listener *li, int fd, const char *address, struct error *err)
{
    int r;

    if (li->is_unix)
        uv_pipe_init(li->server->uv, &li->handle.pipe, 0);
    else
        uv_tcp_init(li->server->uv, &li->handle.tcp);
    li->server->n_handles++;
    r = li->is_unix ? uv_pipe_open(&li->handle.pipe, fd)
                    : uv_tcp_open(&li->handle.tcp, (uv_os_sock_t)fd);
    if (r < 0)
        close(fd);
    else
        r = uv_listen(&li->handle.stream, BACKLOG, server_on_connection);
    if (r == 0)
        return STATUS_OK;
    uv_close(&li->handle.any, on_failed_closed);
    return fail_errno(err, -r, address);
}

static enum status listen_with(struct http_server *s, int fd, const char *address,
                               const char *unix_path, bool is_unix,
                               const struct http_config *config, struct http_listener **out,
                               struct error *err)
{
    struct http_listener *li = xnew(struct http_listener);
    enum status st;

    li->server = s;
    li->is_unix = is_unix;
    li->unix_path = unix_path ? xstrdup(unix_path) : NULL;
    li->config = *config;
    limits_default(&li->config.limits);
    list_init(&li->node);
    st = adopt(li, fd, address, err);
    if (st != STATUS_OK)
        return st;
    li->router = router_new(li->config.routes, li->config.n_routes);
    list_push(&s->listeners, &li->node);
    find_port(li);
    *out = li;
    return STATUS_OK;
}

enum status http_server_listen(struct http_server *s, const char *address,
                               const struct http_config *config, struct http_listener **out,
                               struct error *err)
{
    bool is_unix = strncmp(address, "unix:", 5) == 0;
    const char *path = is_unix ? address + 5 : NULL;
    enum status st;
    int fd;

    st = is_unix ? open_unix(path, config->unix_mode, &fd, err) : open_tcp(address, &fd, err);
    if (st != STATUS_OK)
        return st;
    return listen_with(s, fd, address, path, is_unix, config, out, err);
}

static int socket_fact(int fd, int name)
{
    int value = -1;
    socklen_t n = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &n) == 0 ? value : -1;
}

enum status http_server_listen_on(struct http_server *s, int fd, const struct http_config *config,
                                  struct http_listener **out, struct error *err)
{
    int domain = socket_fact(fd, SO_DOMAIN);
    char name[32];

    snprintf(name, sizeof(name), "descriptor %d", fd);
    if (socket_fact(fd, SO_TYPE) == SOCK_STREAM && socket_fact(fd, SO_ACCEPTCONN) == 1 &&
        (domain == AF_INET || domain == AF_INET6 || domain == AF_UNIX) &&
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0)
        return listen_with(s, fd, name, NULL, domain == AF_UNIX, config, out, err);
    close(fd);
    return FAIL(err, STATUS_INVALID,
                "%s, which was handed over, is not a stream socket that listens (TCP or unix)",
                name);
}
