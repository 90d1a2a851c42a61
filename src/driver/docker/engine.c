/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the engine, again and again until it is there:
 *
 *   VERSION -> INFO -> NETWORK -> READY        [each answered]
 *              NETWORK -> MAKE -> NETWORK      [there is none of ours yet]
 *              NETWORK -> REMOVE -> NETWORK    [it is of another kind; refused while it is in use]
 *   any     -> VERSION                         [no answer, after a while]
 */
#include "base/json.h"
#include "base/log.h"
#include "driver/docker/docker_impl.h"

enum { RETRY_MS = 1000, ANSWER_MS = 30000, MAX_ANSWER = 16 << 20 };

/* The versions whose form of requests this driver knows: Docker 19.03 to 28. */
enum { LEAST_MINOR = 40, MOST_MINOR = 48 };

/* Whether containers of one network reach one another. */
#define WITHIN "com.docker.network.bridge.enable_icc"

/* --- requests --- */

void docker_request_init(struct docker_driver *d, struct docker_request *r,
                         void (*done)(struct docker_request *r, const struct error *err))
{
    *r = (struct docker_request){ .driver = d, .done = done };
    buf_init(&r->body, 1 << 20);
}

void docker_request_deinit(struct docker_request *r)
{
    http_call_deinit(&r->call);
    buf_deinit(&r->body);
}

static enum status status_of(int code)
{
    switch (code) {
    case 400:
        return STATUS_INVALID;
    case 404:
        return STATUS_NOT_FOUND;
    case 409:
        return STATUS_CONFLICT;
    default:
        return STATUS_UNREACHABLE;
    }
}

/* The engine's own words, {"message": "..."}. */
static void refuse(const struct http_call *call, struct error *err)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct str text = buf_str(&call->body), said;
    struct json *root = NULL;

    said = json_parse(&a, text, NULL, &root, NULL) == STATUS_OK
               ? json_to_str(json_get(root, "message"))
               : STR_NULL;
    if (!said.p)
        said = text;
    FAIL(err, status_of(call->status), "the container engine answers %d: %.*s", call->status,
         (int)MIN(said.n, (size_t)400), said.p ? said.p : "");
}

static void on_done(struct http_call *call, const struct error *err)
{
    struct docker_request *r = container_of(call, struct docker_request, call);
    struct error why;

    r->is_open = false;
    r->was_answered = !err;
    if (err && err->status != STATUS_CANCELED)
        FAIL(&why, STATUS_UNREACHABLE, "the container engine at %s does not answer: %.300s",
             r->driver->socket, err->text);
    else if (err)
        why = *err;
    else if (call->status / 100 != 2 && call->status != 304)
        refuse(call, &why);
    else {
        r->done(r, NULL);
        return;
    }
    r->done(r, &why);
}

static const struct http_call_events whole = { .done = on_done };

static void start(struct docker_driver *d, struct docker_request *r, const char *method,
                  const char *path, int64_t timeout_ms, const struct http_call_events *events)
{
    static const char *const json[] = { "Content-Type: application/json", NULL };
    char url[2048];
    const struct http_call_spec spec = {
        .method = method,
        .url = url,
        .unix_socket = d->socket,
        .headers = r->body.n ? json : NULL,
        .body = r->body.n ? buf_str(&r->body) : STR_NULL,
        .timeout_ms = timeout_ms,
        .max_body = MAX_ANSWER,
    };

    snprintf(url, sizeof(url), "http://engine%s%s", d->step > ENGINE_VERSION ? d->api : "", path);
    r->is_open = true;
    http_call_start(d->client, &r->call, &spec, events);
}

void docker_send(struct docker_driver *d, struct docker_request *r, const char *method,
                 const char *path, int64_t timeout_ms)
{
    start(d, r, method, path, timeout_ms, &whole);
}

static bool on_piece(struct http_call *call, struct str piece)
{
    struct docker_request *r = container_of(call, struct docker_request, call);

    if (call->status / 100 == 2)
        r->data(r, piece);
    else
        buf_add_str(&call->body, piece); /* why it is refused */
    return true;
}

static const struct http_call_events by_pieces = { .data = on_piece, .done = on_done };

void docker_stream(struct docker_driver *d, struct docker_request *r, const char *method,
                   const char *path, void (*data)(struct docker_request *r, struct str piece))
{
    r->data = data;
    start(d, r, method, path, 0, &by_pieces);
}

/* --- what it says --- */

static bool read_minor(const char *version, int64_t *out)
{
    return strncmp(version, "1.", 2) == 0 && str_to_i64(str_of(version + 2), out);
}

enum status docker_negotiate(const char *most, const char *least, char out[16], struct error *err)
{
    int64_t high = 0, low = 0;

    if (!read_minor(most, &high) || (*least && !read_minor(least, &low)))
        return FAIL(err, STATUS_UNSUPPORTED, "the engine speaks version \"%.20s\" of its API",
                    most);
    if (high < LEAST_MINOR || low > MOST_MINOR)
        return FAIL(err, STATUS_UNSUPPORTED,
                    "the engine speaks versions %.10s to %.10s of its API, and this driver 1.%d to "
                    "1.%d",
                    *least ? least : "1.0", most, LEAST_MINOR, MOST_MINOR);
    snprintf(out, 16, "1.%d", (int)MIN(high, (int64_t)MOST_MINOR));
    return STATUS_OK;
}

bool docker_read_network(struct str inspected, struct docker_network *out)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json *root = NULL;

    *out = (struct docker_network){ 0 };
    if (json_parse(&a, inspected, NULL, &root, NULL) != STATUS_OK)
        return false;
    /* Its name has dots in it. */
    out->is_closed = str_is(json_to_str(json_get(json_get(root, "Options"), WITHIN)), "false");
    if (!json_to_bool(json_get(root, "Internal"), &out->is_internal))
        out->is_internal = false;
    json_each (json_path(root, "IPAM.Config"), one) {
        struct str gateway = json_to_str(json_get(one, "Gateway"));
        struct str subnet = json_to_str(json_get(one, "Subnet"));
        size_t n = strlen(out->subnets);

        /* Of IPv4: a colon would want brackets in an address. */
        if (!out->gateway[0] && gateway.n < sizeof(out->gateway) && gateway.n > 0 &&
            !memchr(gateway.p, ':', gateway.n))
            snprintf(out->gateway, sizeof(out->gateway), "%.*s", STR_ARG(gateway));
        if (subnet.n > 0 && n + subnet.n + 3 < sizeof(out->subnets))
            snprintf(out->subnets + n, sizeof(out->subnets) - n, "%s%.*s", n ? ", " : "",
                     STR_ARG(subnet));
    }
    return out->gateway[0] != '\0';
}

static void copy_text(const struct json *root, const char *key, char *out, size_t size)
{
    struct str s = json_to_str(json_get(root, key));

    snprintf(out, size, "%.*s", STR_ARG(s));
}

static enum status take_version(struct docker_driver *d, struct error *err)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    char most[16], least[16], chosen[16];
    struct json *root = NULL;
    enum status st = json_parse(&a, buf_str(&d->request.call.body), NULL, &root, err);

    if (st != STATUS_OK)
        return st;
    copy_text(root, "ApiVersion", most, sizeof(most));
    copy_text(root, "MinAPIVersion", least, sizeof(least));
    copy_text(root, "Version", d->version, sizeof(d->version));
    copy_text(root, "Arch", d->architecture, sizeof(d->architecture));
    st = docker_negotiate(most, least, chosen, err);
    if (st == STATUS_OK)
        snprintf(d->api, sizeof(d->api), "/v%s", chosen);
    return st;
}

/* --- the steps --- */

static void take_step(struct docker_driver *d, enum engine_step step)
{
    struct buf *body = &d->request.body;
    char path[160];
    struct json_writer w;

    d->step = step;
    buf_clear(body);
    switch (step) {
    case ENGINE_VERSION:
        d->was_remade = false;
        snprintf(path, sizeof(path), "/version");
        break;
    case ENGINE_INFO:
        snprintf(path, sizeof(path), "/info");
        break;
    case ENGINE_NETWORK:
        snprintf(path, sizeof(path), "/networks/%s", d->network);
        break;
    case ENGINE_NETWORK_REMOVE:
        d->was_remade = true;
        snprintf(path, sizeof(path), "/networks/%s", d->network);
        break;
    case ENGINE_NETWORK_MAKE:
        snprintf(path, sizeof(path), "/networks/create");
        json_writer_init(&w, body);
        json_begin_object(&w);
        json_member_string(&w, "Name", d->network);
        json_member_bool(&w, "CheckDuplicate", true);
        json_member_string(&w, "Driver", "bridge");
        json_member_bool(&w, "Internal", d->isolated);
        json_key(&w, "Options"); /* instances do not reach one another */
        json_begin_object(&w);
        json_member_string(&w, WITHIN, "false");
        json_end_object(&w);
        json_key(&w, "Labels");
        json_begin_object(&w);
        json_member_string(&w, DOCKER_LABEL_SERVER, d->server_id);
        json_end_object(&w);
        json_end_object(&w);
        break;
    case ENGINE_READY:
        return;
    }
    docker_send(d, &d->request,
                step == ENGINE_NETWORK_MAKE     ? "POST"
                : step == ENGINE_NETWORK_REMOVE ? "DELETE"
                                                : "GET",
                path, ANSWER_MS);
}

static enum status take_network(struct docker_driver *d, struct error *err)
{
    struct docker_network found;

    if (!docker_read_network(buf_str(&d->request.call.body), &found))
        return FAIL(err, STATUS_UNREACHABLE,
                    "the network %s has no gateway: remove it (docker "
                    "network rm %s), and it is made anew",
                    d->network, d->network);
    if (!d->was_remade && (!found.is_closed || found.is_internal != d->isolated)) {
        take_step(d, ENGINE_NETWORK_REMOVE);
        return STATUS_OK;
    }
    docker_tell_missing(&d->info, &found, docker_bridges_are_filtered(), &d->facts);
    if (d->base[0] && strcmp(found.gateway, d->found.gateway) == 0 &&
        strcmp(found.subnets, d->found.subnets) == 0)
        return STATUS_OK;
    d->found = found;
    d->base[0] = '\0'; /* where it cannot be listened the next time is no better */
    return d->gateway(d->gateway_arg, found.gateway, found.subnets, d->base, err);
}

/* What waits for the engine is tried. */
static void go_on(struct docker_driver *d)
{
    docker_sweep_now(d);
    containers_go_on(d);
    docker_forget_now(d);
}

static void become_ready(struct docker_driver *d)
{
    d->step = ENGINE_READY;
    d->problem[0] = d->refusal[0] = '\0';
    log_info("the container engine is ready", LOG_S("version", d->version),
             LOG_S("api", d->api + 1), LOG_S("gateway", d->found.gateway),
             LOG_S("subnets", d->found.subnets), LOG_S("internal", d->base),
             LOG_S("container_owner", d->server_id));
    go_on(d);
}

void engine_lost(struct docker_driver *d, const struct error *err)
{
    if (strcmp(d->problem, err->text) != 0)
        log_warning("the container engine cannot be used; it is asked again", LOG_ERR(err));
    snprintf(d->problem, sizeof(d->problem), "%s", err->text);
    d->step = ENGINE_VERSION;
    if (!d->request.is_open)
        timer_start(&d->retry, RETRY_MS);
}

void engine_failed(struct docker_request *r, const struct error *err)
{
    struct docker_driver *d = r->driver;

    if (!r->was_answered) {
        engine_lost(d, err);
        return;
    }
    if (strcmp(d->refusal, err->text) != 0)
        log_warning("the container engine could not do it; it is asked again", LOG_ERR(err));
    snprintf(d->refusal, sizeof(d->refusal), "%s", err->text);
    if (!timer_armed(&d->retry))
        timer_start(&d->retry, RETRY_MS);
}

static void on_step(struct docker_request *r, const struct error *err)
{
    struct docker_driver *d = r->driver;
    struct error why;
    enum status st = STATUS_OK;

    if (err && d->step == ENGINE_NETWORK && err->status == STATUS_NOT_FOUND) {
        take_step(d, ENGINE_NETWORK_MAKE);
        return;
    }
    if (err && d->step == ENGINE_NETWORK_REMOVE && r->was_answered) {
        log_warning("the containers' network stays as it is while there are containers in it",
                    LOG_ERR(err));
        take_step(d, ENGINE_NETWORK);
        return;
    }
    /* Somebody made it meanwhile: it is looked for again. */
    if (err && !(d->step == ENGINE_NETWORK_MAKE && err->status == STATUS_CONFLICT)) {
        engine_lost(d, err);
        return;
    }
    switch (d->step) {
    case ENGINE_VERSION:
        st = take_version(d, &why);
        if (st == STATUS_OK)
            take_step(d, ENGINE_INFO);
        break;
    case ENGINE_INFO:
        st = docker_read_info(buf_str(&r->call.body), &d->info, &why);
        if (st == STATUS_OK)
            take_step(d, ENGINE_NETWORK);
        break;
    case ENGINE_NETWORK:
        st = take_network(d, &why);
        if (st == STATUS_OK && d->step == ENGINE_NETWORK)
            become_ready(d);
        break;
    case ENGINE_NETWORK_REMOVE:
    case ENGINE_NETWORK_MAKE:
        take_step(d, ENGINE_NETWORK);
        break;
    case ENGINE_READY:
        break;
    }
    if (st != STATUS_OK)
        engine_lost(d, &why);
}

static void on_retry(struct timer *t)
{
    struct docker_driver *d = container_of(t, struct docker_driver, retry);

    if (d->step == ENGINE_READY)
        go_on(d);
    else if (!d->request.is_open)
        take_step(d, ENGINE_VERSION);
}

void engine_init(struct docker_driver *d)
{
    docker_request_init(d, &d->request, on_step);
    timer_init(d->driver.loop, &d->retry, on_retry);
    take_step(d, ENGINE_VERSION);
}

void engine_deinit(struct docker_driver *d)
{
    timer_stop(&d->retry);
    docker_request_deinit(&d->request);
}
