/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/engine.h"

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "driver/docker/docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define SERVER_ID      "server_id"
#define ENGINE_ADDRESS "engine_listen"
#define ENGINE_SUBNETS "engine_subnets"

static void on_put(struct store_op *op)
{
    if (op->status != STATUS_OK)
        log_error("a setting could not be stored", LOG_ERR(&op->error));
    store_op_deinit(op);
    free(op);
}

static void put(struct store *s, const char *name, const char *value)
{
    struct store_setting_put *op = xnew(struct store_setting_put);

    op->name = name;
    op->value = store_keep(&op->op, str_of(value));
    store_start(s, &op->op, &STORE_SETTING_PUT, on_put);
}

/* At the start, and before anything follows from it: a container whose server's name is forgotten
 * would be nobody's. */
static enum status put_now(struct store *s, const char *name, const char *value, struct error *err)
{
    struct store_setting_put put = { .name = name, .value = value };
    enum status st = store_run(s, &put.op, &STORE_SETTING_PUT);

    if (st != STATUS_OK)
        *err = put.op.error;
    store_op_deinit(&put.op);
    return st;
}

/* What was kept under the name; empty: nothing. */
static void get(struct store *s, const char *name, char *out, size_t size)
{
    struct store_setting_get get = { .name = name };

    *out = '\0';
    if (store_run(s, &get.op, &STORE_SETTING_GET) == STATUS_OK && get.value)
        snprintf(out, size, "%s", get.value);
    store_op_deinit(&get.op);
}

static enum status read_networks(struct str text, struct networks *out, struct error *err)
{
    struct networks found = { 0 };
    enum status st = networks_parse(text, &found, err);

    if (st != STATUS_OK)
        return st;
    networks_deinit(out);
    *out = found;
    return STATUS_OK;
}

static enum status take_networks(struct engine_listener *e, struct str gateway, const char *subnets,
                                 struct error *err)
{
    enum status st = read_networks(gateway, &e->gateway, err);

    return st == STATUS_OK ? read_networks(str_of(subnets), &e->containers, err) : st;
}

bool engine_owns(const struct engine_listener *e, int fd)
{
    struct sockaddr_storage at = { 0 };
    union {
        struct sockaddr_storage *any;
        struct sockaddr *plain;
    } p = { .any = &at };
    socklen_t n = sizeof(at);

    return e->containers.n > 0 && getpeername(fd, p.plain, &n) == 0 &&
           (at.ss_family == AF_INET || at.ss_family == AF_INET6) &&
           networks_have(&e->containers, &at) && !networks_have(&e->gateway, &at);
}

/* The port is kept: containers that outlive a restart go on telling their ends to the same address.
 */
static enum status listen_at(void *arg, const char *address, const char *subnets,
                             char out_base[192], struct error *err)
{
    struct engine_listener *e = arg;
    struct http_listener *li = NULL;
    char wanted[160];
    struct str host;

    if (!e->internal)
        return FAIL(err, STATUS_CANCELED, "the server ends");
    if (take_networks(e, str_of(address), subnets, err) != STATUS_OK)
        return err->status;
    if (strcmp(e->subnets, subnets) != 0)
        put(e->store, ENGINE_SUBNETS, subnets);
    snprintf(e->subnets, sizeof(e->subnets), "%s", subnets);
    snprintf(wanted, sizeof(wanted), "%s:0", address);
    host = str_make(wanted, strlen(wanted) - 1);
    if (strncmp(e->address, wanted, host.n) == 0 &&
        http_server_listen(e->internal, e->address, e->config, &li, err) != STATUS_OK)
        li = NULL;
    if (!li && http_server_listen(e->internal, wanted, e->config, &li, err) != STATUS_OK)
        return err->status;
    snprintf(e->address, sizeof(e->address), "%.*s%d", STR_ARG(host), http_listener_port(li));
    snprintf(out_base, 192, "http://%s", e->address);
    put(e->store, ENGINE_ADDRESS, e->address);
    return STATUS_OK;
}

enum status engine_open(struct engine_listener *e, const struct options *o, struct driver **out,
                        struct error *err)
{
    struct str kept, gateway = STR("");
    char server_id[40];
    const struct docker_driver_config config = {
        .socket = o->docker_socket,
        .server_id = server_id,
        .read_only = o->docker_read_only,
        .isolated = strcmp(o->instance_network, "isolated") == 0,
        .gateway = listen_at,
        .arg = e,
    };

    *out = NULL;
    if (!*o->docker_socket)
        return STATUS_OK;
    if (o->docker_socket[0] != '/' || strlen(o->docker_socket) > 100)
        return FAIL(
            err, STATUS_INVALID,
            "docker_socket is \"%.150s\"; it must be the absolute path of the engine's unix "
            "socket, of at most 100 bytes, such as /var/run/docker.sock",
            o->docker_socket);
    get(e->store, SERVER_ID, server_id, sizeof(server_id));
    get(e->store, ENGINE_ADDRESS, e->address, sizeof(e->address));
    get(e->store, ENGINE_SUBNETS, e->subnets, sizeof(e->subnets));
    kept = str_of(e->address);
    str_split(&kept, ':', &gateway);
    if (take_networks(e, gateway, e->subnets, err) != STATUS_OK)
        return err->status;
    if (!*server_id) {
        id_secret(loop_rand(e->loop), 13, server_id);
        if (put_now(e->store, SERVER_ID, server_id, err) != STATUS_OK)
            return err->status;
    }
    *out = docker_driver_new(e->loop, &config);
    return STATUS_OK;
}

void engine_close(struct engine_listener *e)
{
    networks_deinit(&e->containers);
    networks_deinit(&e->gateway);
}
