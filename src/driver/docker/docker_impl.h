/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the Docker driver: docker.c (the driver), engine.c (finding the engine, and requests to
 * it), container.c (one container's life), create.c (what a container is made of), lines.c (its
 * log), pull.c (getting an image), images.c (images and their names), facts.c (what the engine says
 * of a container), missing.c (what it does not enforce here). */
#pragma once

#include "base/list.h"
#include "base/mem.h"
#include "driver/docker/docker.h"
#include "driver/docker/lines.h"
#include "driver/driver_impl.h"
#include "http/client.h"

/* Labels of what is ours. */
#define DOCKER_LABEL_SERVER   "berth.server"
#define DOCKER_LABEL_INSTANCE "berth.instance"
#define DOCKER_LABEL_PORT     "berth.port" /* where its model server listens */

enum { DOCKER_PORT = 5000 }; /* where Cog's server listens in its container */

/* A request whose texts live as long as it does. */
struct docker_request {
    struct http_call call;
    struct docker_driver *driver;
    struct buf body;
    void (*done)(struct docker_request *r, const struct error *err);
    void (*data)(struct docker_request *r, struct str piece);
    bool is_open;
    bool was_answered; /* the engine said something, be it a refusal */
};

/* Of the network that our containers are in. */
struct docker_network {
    char gateway[64];  /* "172.18.0.1" */
    char subnets[256]; /* "172.18.0.0/16, fd00::/64" */
    bool is_closed;    /* they do not reach one another */
    bool is_internal;  /* nor anything beyond this machine */
};

/* Of the engine, as it is set up. */
struct docker_info {
    int64_t cpus; /* of its machine; 0: not known */
    bool limits_memory, limits_swap, limits_cpus, limits_processes;
    bool filters_calls; /* seccomp */
};

/* How far the engine was found. */
enum engine_step {
    ENGINE_VERSION,
    ENGINE_INFO,
    ENGINE_NETWORK,
    ENGINE_NETWORK_REMOVE,
    ENGINE_NETWORK_MAKE,
    ENGINE_READY
};

struct docker_driver {
    struct driver driver;
    struct http_client *client; /* our own: it goes before us, and what is open in it with it */
    char *socket, *server_id, *network;
    bool read_only;
    enum status (*gateway)(void *arg, const char *address, const char *subnets, char out_base[192],
                           struct error *err);
    void *gateway_arg;

    enum engine_step step;
    struct docker_request request; /* of the step */
    struct docker_request listing; /* for the sweep */
    struct timer retry;
    char api[32]; /* "/v1.41"; "" before it is known */
    char architecture[32], version[64];
    struct docker_info info;
    struct docker_network found;
    char base[192];    /* of the internal listener, as containers reach it; "": not there yet */
    char problem[512]; /* why the engine is not ready; "": nothing was tried, or it is */
    char refusal[512]; /* what it said last to what it could not do */
    bool isolated;     /* what the network is to be */
    bool was_remade;   /* since the engine was found: once is enough */
    bool wants_sweep;
    struct timer sweep_again;

    struct list containers;
    struct list asked;                /* struct image_call */
    struct list fetches;              /* struct image_pull */
    struct list old_names;            /* of images: to be taken away */
    struct docker_request forgetting; /* the first of them */
    struct driver_facts facts;
};

static inline struct docker_driver *docker_of(struct driver *d)
{
    return container_of(d, struct docker_driver, driver);
}

/* --- engine.c --- */

void engine_init(struct docker_driver *d);
void engine_deinit(struct docker_driver *d);
/* It does not answer: everybody waits until it does. */
void engine_lost(struct docker_driver *d, const struct error *err);
/* The request came to nothing. Where it was not answered the engine is lost; otherwise it is there
 * for all else, and what waits is tried again after a while. */
void engine_failed(struct docker_request *r, const struct error *err);
/* Sends `method` to `path`, which begins with "/"; r->body is what was put there before. `data`
 * takes an answer piece by piece, however long that takes. An answer that is no 2xx is an error:
 * NOT_FOUND, CONFLICT, INVALID, or UNREACHABLE for the engine's own trouble, with its words. */
void docker_send(struct docker_driver *d, struct docker_request *r, const char *method,
                 const char *path, int64_t timeout_ms);
void docker_stream(struct docker_driver *d, struct docker_request *r, const char *method,
                   const char *path, void (*data)(struct docker_request *r, struct str piece));
void docker_request_init(struct docker_driver *d, struct docker_request *r,
                         void (*done)(struct docker_request *r, const struct error *err));
void docker_request_deinit(struct docker_request *r);

/* --- create.c --- */

/* The body of POST /containers/create. */
void docker_create_body(const struct docker_driver *d, const struct launch_spec *s,
                        struct buf *out);

/* --- container.c --- */

struct container;
struct container *container_new(struct docker_driver *d, struct launch *l, const char *id);
void container_launch(struct container *c, const struct launch_spec *spec);
void container_recover(struct container *c);
void container_stop(struct container *c, int64_t grace_ms);
void container_release(struct container *c);
/* One that nobody asked for is removed. */
void container_sweep(struct docker_driver *d, const char *instance_id, const char *engine_id);
bool container_is_known(struct docker_driver *d, struct str instance_id);
void containers_go_on(struct docker_driver *d); /* the engine is there */
void containers_free(struct docker_driver *d);  /* at once: the client is gone */

/* --- pull.c --- */

struct docker_pull {
    struct docker_request request;
    struct buf text; /* of a line that is not complete */
    char layer[64], failure[420];
    void (*line)(void *arg, struct str line); /* how far it is, for people */
    void (*done)(struct docker_pull *p, const struct error *err);
    void *arg;
};
void docker_pull_init(struct docker_driver *d, struct docker_pull *p,
                      void (*line)(void *arg, struct str line),
                      void (*done)(struct docker_pull *p, const struct error *err), void *arg);
void docker_pull_start(struct docker_pull *p, const char *image);
void docker_pull_deinit(struct docker_pull *p);
/* Its parts, for tests: a piece of what the engine tells, and what came of all of it. */
void docker_pull_feed(struct docker_pull *p, struct str piece);
enum status docker_pull_end(struct docker_pull *p, struct error *err) NODISCARD;

/* --- images.c --- */

void docker_images_init(struct docker_driver *d);
void docker_images_deinit(struct docker_driver *d);
void docker_forget_now(struct docker_driver *d); /* tries the names that wait for it again */

/* --- missing.c --- */

enum status docker_read_info(struct str answer, struct docker_info *out,
                             struct error *err) NODISCARD;
bool docker_bridges_are_filtered(void);
/* Makes f->missing, and what of the limits holds, anew. */
void docker_tell_missing(const struct docker_info *info, const struct docker_network *network,
                         bool bridges_are_filtered, struct driver_facts *f);

/* --- docker.c --- */

void docker_sweep_now(struct docker_driver *d);  /* if it was asked for, and the engine is there */
void docker_sweep_stop(struct docker_driver *d); /* what is let go of is nobody's, and stays */

/* --- facts.c --- */

/* What an inspected container is, for container.c and for tests. */
struct container_facts {
    bool is_ours;                /* its label has our server's id */
    bool is_running, is_created; /* created: it was never started */
    char address[64];            /* in our network; "" */
    int64_t port;                /* of its model server */
    char id[80];
    int64_t exit_code;
    bool out_of_memory;
    int64_t ended_at; /* wall ms; 0 */
};
enum status container_read(struct str inspected, const char *server_id, const char *network,
                           struct container_facts *out, struct error *err) NODISCARD;
struct exit_info container_exit(const struct container_facts *f);

/* The version to speak, of what the engine says it speaks ("1.45", least "1.24"): "1.45".
 * UNSUPPORTED for one that is too old. */
enum status docker_negotiate(const char *most, const char *least, char out[16],
                             struct error *err) NODISCARD;
/* An inspected network; false: it has no gateway. */
bool docker_read_network(struct str inspected, struct docker_network *out);
