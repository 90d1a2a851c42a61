/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/front.h"

#include "base/log.h"
#include "serve/systemd.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void say(const struct front *f, const char *address, const struct http_listener *li,
                const char *data)
{
    char port[16];
    bool is_tls = f->tls && http_listener_port(li) > 0;

    snprintf(port, sizeof(port), "%d", http_listener_port(li));
    log_info("listening", LOG_S("address", address), LOG_S("port", port),
             LOG_S("scheme", is_tls ? "https" : "http"), LOG_S("data", data),
             LOG_S("version", BERTH_VERSION));
}

static enum status open_tls(struct front *f, const struct options *o, struct error *err)
{
    if (!o->tls_cert[0] && !o->tls_key[0])
        return STATUS_OK;
    if (!o->tls_cert[0] || !o->tls_key[0])
        return FAIL(err, STATUS_INVALID,
                    "%s is not set: TLS needs both a certificate (--tls-cert) and its key "
                    "(--tls-key)",
                    o->tls_cert[0] ? "--tls-key" : "--tls-cert");
    return http_tls_new(o->tls_cert, o->tls_key, &f->tls, err);
}

/* Through the folder's descriptor: the address of a socket has room for 107 bytes only. */
static enum status open_admin(struct front *f, const char *data, const struct http_config *c,
                              struct error *err)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX + 32);
    struct http_listener *li;

    f->data_fd = open(data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    buf_addf(&path, "unix:/proc/self/fd/%d/admin.sock", f->data_fd);
    return http_server_listen(f->server, path.p, c, &li, err);
}

static enum status open_handed_over(struct front *f, int n, const char *data,
                                    const struct http_config *c, struct error *err)
{
    enum status st = STATUS_OK;
    struct http_listener *li;
    char name[32];

    for (int fd = SYSTEMD_FIRST_FD; st == STATUS_OK && fd < SYSTEMD_FIRST_FD + n; fd++) {
        snprintf(name, sizeof(name), "descriptor %d", fd);
        st = http_server_listen_on(f->server, fd, c, &li, err);
        if (st == STATUS_OK)
            say(f, name, li, data);
    }
    return st;
}

static enum status open_addresses(struct front *f, const char *list, const char *data,
                                  const struct http_config *c, struct error *err)
{
    struct str rest = str_of(list), part;
    enum status st = STATUS_OK;
    struct http_listener *li;

    while (st == STATUS_OK && str_split(&rest, ',', &part)) {
        char *address = str_dup(str_trim(part));

        st = http_server_listen(f->server, address, c, &li, err);
        if (st == STATUS_OK)
            say(f, address, li, data);
        free(address);
    }
    return st;
}

enum status front_open(struct front *f, struct loop *l, const struct options *o, const char *data,
                       const struct http_config *api, const struct http_config *admin,
                       struct error *err)
{
    struct http_config c = *api;
    enum status st = networks_parse(str_of(o->trusted_proxies), &f->trusted, err);
    int n;

    f->data_fd = -1;
    if (st == STATUS_OK)
        st = open_tls(f, o, err);
    if (st != STATUS_OK)
        return st;
    c.trusted = &f->trusted;
    c.tls = f->tls;
    c.unix_mode = (unsigned)strtoul(o->listen_mode, NULL, 8);
    f->server = http_server_new(l);
    st = open_admin(f, data, admin, err);
    if (st != STATUS_OK)
        return st;
    n = systemd_sockets();
    return n > 0 ? open_handed_over(f, n, data, &c, err)
                 : open_addresses(f, o->listen, data, &c, err);
}

void front_reload(struct front *f)
{
    struct error err;

    systemd_notify_reloading();
    if (!f->tls)
        log_info("there is nothing to be read again: no certificate is set");
    else if (http_tls_reload(f->tls, &err) == STATUS_OK)
        log_info("the certificate was read again");
    else
        log_error("the certificate cannot be read again; the one before it stays", LOG_ERR(&err));
    systemd_notify("READY=1");
}

void front_drain(struct front *f, int64_t grace_ms, void (*done)(void *arg), void *arg)
{
    http_server_drain(f->server, grace_ms, done, arg);
}

void front_close(struct front *f)
{
    http_server_free(f->server);
    http_tls_free(f->tls);
    networks_deinit(&f->trusted);
    if (f->data_fd >= 0)
        close(f->data_fd);
}
