/* SPDX-License-Identifier: Apache-2.0 */
/* The Docker driver: each instance is a container of a Docker Engine on this machine, which is
 * spoken to over its unix socket. What is ours there carries our server's id as a label, and is
 * found again by it; nothing else is touched.
 *
 * The engine may be away when the server starts, and go and come back later: what runs then goes
 * on, nothing new starts, and it is asked again and again. */
#pragma once

#include "core/hardware.h"
#include "driver/driver.h"

struct docker_driver_config {
    const char *socket;    /* absolute path of the engine's unix socket */
    const char *server_id; /* a plain word, kept over restarts: whose containers these are */
    bool read_only;        /* containers cannot write to their image's files, but for /tmp */
    bool isolated;         /* they reach nothing beyond this machine */
    /* The network of our containers has this address of the host's, and its containers have those
     * of `subnets` ("172.18.0.0/16, fd00::/64"). The owner listens there and writes the base of the
     * addresses that instances reach it at ("http://172.18.0.1:4711"), or says why it cannot. Comes
     * again when one of them changes. */
    enum status (*gateway)(void *arg, const char *address, const char *subnets, char out_base[192],
                           struct error *err);
    void *arg;
};

struct driver *docker_driver_new(struct loop *l, const struct docker_driver_config *c) NODISCARD;

/* The engine as it was found last; NULL texts while it was never reached. */
struct docker_engine {
    bool is_ready;
    const char *architecture; /* "amd64" */
    const char *version;      /* "26.1.5" */
    const char *problem;      /* why it is not ready; NULL */
};
void docker_driver_engine(const struct driver *d, struct docker_engine *out);

/* Looks an image up that the engine has, and gives it a name of ours, so that the engine does not
 * tidy it away when its own name goes elsewhere. */
struct docker_image_request {
    /* Comes once: the engine's record (JSON), or err: NOT_FOUND, UNREACHABLE. */
    void (*done)(struct docker_image_request *r, struct str inspected, const struct error *err);
    void *impl;
};
void docker_image_inspect(struct driver *d, struct docker_image_request *r, const char *name);
/* Has the engine fetch it from its registry ("registry.example.com/team/shout:v1"), however long
 * that takes; without a tag and a digest it is `latest`. `inspected` is empty. UNREACHABLE: it
 * could not be fetched, with the reason and the layer. */
void docker_image_pull(struct driver *d, struct docker_image_request *r, const char *reference);
/* `name` is "owner/name" of the model; what the engine gets is "berth-<server>/owner/name:tag". */
void docker_image_keep(struct driver *d, struct docker_image_request *r, const char *id,
                       const char *name, const char *tag);
/* Takes that name away again, as soon as the engine is there and no container holds the image. The
 * engine deletes an image with its last name. */
void docker_image_forget(struct driver *d, const char *name, const char *tag);
/* The same for one that was pulled: "127.0.0.1:5000/owner/name@sha256:…". */
void docker_image_forget_pulled(struct driver *d, const char *reference);
