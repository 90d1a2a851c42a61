/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/docker/docker.h"

#include "base/encode.h"
#include "base/json.h"
#include "base/log.h"
#include "driver/docker/docker_impl.h"

#include <assert.h>
#include <stdlib.h>

enum { LIST_MS = 60000, SWEEP_AGAIN_MS = 10000 };

static const struct docker_driver *docker_const(const struct driver *d)
{
    return (const struct docker_driver *)(const void *)d;
}

_Static_assert(offsetof(struct docker_driver, driver) == 0, "a driver is where its base is");

static const struct driver_facts *docker_facts(const struct driver *d)
{
    return &docker_const(d)->facts;
}

static const char *docker_base(const struct driver *d)
{
    return docker_const(d)->base;
}

static void docker_launch(struct driver *d, struct launch *l, const struct launch_spec *spec)
{
    container_launch(container_new(docker_of(d), l, spec->id), spec);
}

/* The name follows from the instance's id; the handle is for people. */
static void docker_recover(struct driver *d, struct launch *l, struct str handle)
{
    (void)handle;
    container_recover(container_new(docker_of(d), l, l->id));
}

static void docker_stop(struct driver *d, struct launch *l, int64_t grace_ms)
{
    (void)d;
    container_stop(l->impl, grace_ms);
}

static void docker_release(struct driver *d, struct launch *l)
{
    (void)d;
    container_release(l->impl);
}

/* --- the sweep --- */

static void on_listed(struct docker_request *r, const struct error *err)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct docker_driver *d = r->driver;
    struct json *root = NULL;
    struct error why;

    if (!d->wants_sweep)
        return;
    if (err || json_parse(&a, buf_str(&r->call.body), NULL, &root, &why) != STATUS_OK) {
        engine_failed(r, err ? err : &why);
        return;
    }
    timer_start(&d->sweep_again, SWEEP_AGAIN_MS);
    json_each (root, one) {
        const struct json *labels = json_get(one, "Labels");
        struct str instance = json_to_str(json_get(labels, DOCKER_LABEL_INSTANCE));
        struct str engine_id = json_to_str(json_get(one, "Id"));
        bool is_ours = str_is(json_to_str(json_get(labels, DOCKER_LABEL_SERVER)), d->server_id);

        if (!is_ours || !instance.n || !engine_id.n || container_is_known(d, instance))
            continue;
        log_info("removing a container that nobody asked for",
                 LOG_S("instance", arena_copy(&a, instance)));
        container_sweep(d, arena_copy(&a, instance), arena_copy(&a, engine_id));
    }
}

void docker_sweep_now(struct docker_driver *d)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct buf filter CLEANUP(buf_deinit) = BUF_INIT(512);

    if (!d->wants_sweep || d->step != ENGINE_READY || d->listing.is_open)
        return;
    buf_addf(&filter, "{\"label\":[\"" DOCKER_LABEL_SERVER "=%s\"]}", d->server_id);
    buf_adds(&path, "/containers/json?all=1&filters=");
    percent_add(&path, buf_str(&filter));
    docker_send(d, &d->listing, "GET", path.p, LIST_MS);
}

static void on_sweep_again(struct timer *t)
{
    docker_sweep_now(container_of(t, struct docker_driver, sweep_again));
}

/* Again whenever the engine is back, and now and then: what a server that was killed had just asked
 * for may be made after the next one looked. */
static void docker_sweep(struct driver *d)
{
    docker_of(d)->wants_sweep = true;
    docker_sweep_now(docker_of(d));
}

void docker_sweep_stop(struct docker_driver *d)
{
    d->wants_sweep = false;
    timer_stop(&d->sweep_again);
}

void docker_driver_engine(const struct driver *driver, struct docker_engine *out)
{
    const struct docker_driver *d = docker_const(driver);
    bool is_ready = d->step == ENGINE_READY;

    *out = (struct docker_engine){
        .is_ready = is_ready,
        .architecture = d->architecture,
        .version = d->version,
        .problem = is_ready        ? NULL
                   : d->problem[0] ? d->problem
                                   : "the container engine has not answered yet",
    };
}

/* --- the driver --- */

static void docker_free(struct driver *driver)
{
    struct docker_driver *d = docker_of(driver);

    http_client_free(d->client); /* what is open ends without a word */
    containers_free(d);
    engine_deinit(d);
    docker_sweep_stop(d);
    docker_request_deinit(&d->listing);
    docker_images_deinit(d);
    free(d->socket);
    free(d->server_id);
    free(d->network);
    free(d);
}

static const struct driver_ops docker_ops = {
    .name = "docker",
    .free = docker_free,
    .facts = docker_facts,
    .launch = docker_launch,
    .recover = docker_recover,
    .stop = docker_stop,
    .release = docker_release,
    .clean = NULL, /* what a prediction leaves goes with its container */
    .sweep = docker_sweep,
    .internal_base = docker_base,
};

struct driver *docker_driver_new(struct loop *l, const struct docker_driver_config *c)
{
    /* Until it has answered. */
    static const struct docker_info usual = { .limits_memory = true,
                                              .limits_swap = true,
                                              .limits_cpus = true,
                                              .limits_processes = true,
                                              .filters_calls = true };
    struct docker_driver *d = xnew(struct docker_driver);

    assert(loop_uv(l) && c->socket[0] == '/');
    d->driver = (struct driver){ .ops = &docker_ops, .loop = l };
    d->client = http_client_new(l);
    d->socket = xstrdup(c->socket);
    d->server_id = xstrdup(c->server_id);
    d->network = xasprintf("berth-%s", c->server_id);
    d->read_only = c->read_only;
    d->isolated = c->isolated;
    d->gateway = c->gateway;
    d->gateway_arg = c->arg;
    list_init(&d->containers);
    docker_images_init(d);
    docker_request_init(d, &d->listing, on_listed);
    timer_init(l, &d->sweep_again, on_sweep_again);
    d->facts = (struct driver_facts){
        .name = "docker",
        .hides_files = true,
        .hides_processes = true,
    };
    docker_tell_missing(&usual,
                        &(struct docker_network){ .is_closed = true, .is_internal = c->isolated },
                        true, &d->facts);
    engine_init(d);
    return &d->driver;
}
