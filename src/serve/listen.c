/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks for what, and where. */
#include "serve/serve_impl.h"

#include "api/cors.h"
#include "api/openai.h"
#include "api/page.h"
#include "api/registry.h"
#include "base/log.h"
#include "init/netns.h"
#include "protocol/protocol.h"
#include "serve/trust.h"

#include <stdio.h>
#include <sys/resource.h>

static struct http_config http_config(struct serve *s)
{
    const struct options *o = &s->options;

    return (struct http_config){
        .user = &s->api,
        .observer = api_observe,
        .limits = {
            .max_header_bytes = (size_t)o->http_max_header_bytes,
            .max_headers = (size_t)o->http_max_headers,
            .max_body = (size_t)o->max_input,
            .max_connections = (size_t)o->http_max_connections,
            .max_per_address = (size_t)o->http_max_connections_per_address,
            .limit_loopback = o->http_limit_loopback,
            .max_request_line = (size_t)o->http_max_request_line,
            .max_write_buffer = (size_t)o->http_max_write_buffer,
            .head_timeout_ms = o->http_head_timeout,
            .body_floor_after_ms = o->http_body_grace,
            .body_floor_per_s = (size_t)o->http_body_floor,
            .idle_timeout_ms = o->http_keep_alive,
            .write_timeout_ms = o->http_write_timeout,
        },
    };
}

/* For instances with a network of their own, also those of a server before this one. */
static enum status listen_for_relays(struct serve *s, const struct http_config *c,
                                     struct error *err)
{
    struct http_listener *li;
    char path[96];

    snprintf(path, sizeof(path), "unix:/proc/self/fd/%d/" NETNS_SERVER_SOCKET, s->folder.fd);
    return http_server_listen(s->internal, path, c, &li, err);
}

enum status serve_listen_internal(struct serve *s, struct error *err)
{
    struct http_config *c = &s->internal_config;
    struct store_setting_get get = { .name = "internal_listen" };
    struct store_setting_put put = { .name = "internal_listen" };
    struct http_listener *li = NULL;
    const char *wanted = s->options.internal_listen;
    struct str host = str_of(wanted);
    char address[160];
    enum status st = store_run(s->store, &get.op, &STORE_SETTING_GET);

    while (host.n && host.p[host.n - 1] != ':')
        host.n--;
    *c = http_config(s);
    c->routes = INTERNAL_ROUTES;
    c->n_routes = INTERNAL_N_ROUTES;
    c->gate = internal_gate;
    c->limits.max_body = (size_t)s->options.max_output * 2 + (64 << 20);
    s->internal = http_server_new(s->loop);
    if (st == STATUS_OK && get.value && strncmp(get.value, wanted, host.n) == 0 &&
        str_ends(str_of(wanted), ":0"))
        st = http_server_listen(s->internal, get.value, c, &li, err);
    if (!li)
        st = http_server_listen(s->internal, wanted, c, &li, err);
    store_op_deinit(&get.op);
    if (st == STATUS_OK)
        st = listen_for_relays(s, c, err);
    if (st != STATUS_OK)
        return st;
    snprintf(address, sizeof(address), "%.*s%d", STR_ARG(host), http_listener_port(li));
    snprintf(s->internal_base, sizeof(s->internal_base), "http://%s", address);
    if (serve_has_networks(s)) /* the same port of their own loopback */
        snprintf(s->internal_base, sizeof(s->internal_base), "http://127.0.0.1:%d",
                 http_listener_port(li));
    put.value = address;
    st = store_run(s->store, &put.op, &STORE_SETTING_PUT);
    if (st != STATUS_OK)
        *err = put.op.error;
    store_op_deinit(&put.op);
    return st;
}

void serve_raise_file_limit(const struct options *o)
{
    enum { OTHER_FILES = 256 };
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    if (files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (files.rlim_cur < (rlim_t)o->http_max_connections + OTHER_FILES)
        log_warning("fewer files may be open than connections: the limit of the system is the one "
                    "that counts",
                    LOG_I("http_max_connections", o->http_max_connections),
                    LOG_I("files", files.rlim_cur));
}

/* What this machine cannot enforce is said at each start, and in GET /v1/capacity. */
static void say_what_is_missing(const struct driver *d)
{
    const struct driver_facts *facts = driver_facts(d);

    for (size_t i = 0; i < ARRAY_SIZE(facts->missing) && facts->missing[i]; i++)
        log_info("not enforced on this machine", LOG_S("driver", facts->name),
                 LOG_S("what", facts->missing[i]));
}

/* Processes are told by their users, where they have some; containers by their addresses. */
static bool is_instance(void *user, int fd)
{
    struct serve *s = user;

    if (engine_owns(&s->engine, fd)) {
        log_debug("a container's connection to the public port was closed");
        return true;
    }
    return s->uids && driver_facts(s->driver)->has_users && trust_refuses(s->uids, fd);
}

static void refuse_instances(struct serve *s, struct http_config *c)
{
    c->refuses = is_instance;
    c->refuses_user = s;
}

/* Some clients read errors in a form of their own. */
static bool refuse_in_its_form(struct http_request *r, int status, struct str detail)
{
    return openai_refuse(r, status, detail) || registry_refuse(r, status, detail);
}

enum status serve_listen_public(struct serve *s, struct error *err)
{
    struct http_config api = http_config(s), admin = api;
    enum status st;

    api.routes = API_ROUTES;
    api.n_routes = API_N_ROUTES;
    api.gate = api_gate;
    api.optional_prefix = "/v1";
    api.slashes_below = "/openai/v1/models/";
    api.divert = page_divert;
    api.first = cors_first;
    api.problem = refuse_in_its_form;
    refuse_instances(s, &api);
    admin.routes = ADMIN_ROUTES;
    admin.n_routes = ADMIN_N_ROUTES;
    st = front_open(&s->front, s->loop, &s->options, s->folder.path, &api, &admin, err);
    if (st == STATUS_OK)
        say_what_is_missing(s->driver);
    if (st == STATUS_OK && s->images)
        say_what_is_missing(s->images);
    return st;
}

enum status serve_listen_metrics(struct serve *s, struct error *err)
{
    struct http_config c = http_config(s);
    struct http_listener *li;
    enum status st;
    char port[16];

    if (!*s->options.metrics_listen)
        return STATUS_OK;
    c.routes = METRICS_ROUTES;
    c.n_routes = METRICS_N_ROUTES;
    refuse_instances(s, &c);
    s->telling = http_server_new(s->loop);
    st = http_server_listen(s->telling, s->options.metrics_listen, &c, &li, err);
    if (st != STATUS_OK)
        return st;
    snprintf(port, sizeof(port), "%d", http_listener_port(li));
    log_info("telling metrics", LOG_S("address", s->options.metrics_listen), LOG_S("port", port));
    return STATUS_OK;
}
