/* SPDX-License-Identifier: Apache-2.0 */
/* A manifest that is pushed under a tag becomes a version:
 *
 *   MANIFEST (of an index: the one for this machine) -> CONFIG (with Cog's labels) -> PUT ->
 * version
 *
 * The registry is given it only when it can be served, and it is a version only when the registry
 * has it: what ends in between leaves a manifest that a push can complete. One that is pushed by
 * its digest is a part of an index to come, and one under a tag of Cog's own (`cog-…`) a part of a
 * bundle: they go to the registry as they are. */
#include "api/image_impl.h"
#include "api/registry_impl.h"
#include "base/encode.h"
#include "base/mem.h"
#include "driver/docker/docker.h"
#include "run/modelyaml.h"

#include <stdlib.h>

enum { MAX_CONFIG = REGISTRY_MAX_MANIFEST, MAX_REPOSITORY = 160 };

struct accepting {
    struct registry_open open; /* first */
    struct registry *registry;
    struct http_request *request; /* NULL: the client has gone */
    struct http_call call;
    struct buf body;       /* the manifest as it was pushed */
    struct pushed *pushed; /* NULL: it becomes no version */
    void (*next)(struct accepting *x);
    char repository[MAX_REPOSITORY]; /* "/v2/acme/shout" */
    char digest[IMAGE_DIGEST_SIZE];  /* of the body */
    const char *architecture;
};

static void accepting_free(struct registry_open *o)
{
    struct accepting *x = container_of(o, struct accepting, open);

    list_remove(&o->node);
    http_call_deinit(&x->call);
    buf_deinit(&x->body);
    free(x);
}

static void on_gone(struct http_request *r)
{
    struct accepting *x = r->context;

    x->request = NULL;
    http_call_cancel(&x->call);
}

/* The request is its own again, and the rest is over. */
static struct http_request *leave(struct accepting *x)
{
    struct http_request *r = x->request;

    r->on_gone = NULL;
    accepting_free(&x->open);
    return r;
}

static void refuse(struct accepting *x, const char *text)
{
    const char *why = arena_copy(x->request->arena, str_of(text));

    http_problem(leave(x), 400, NULL, "%s", why);
}

static void on_done(struct http_call *call, const struct error *err)
{
    struct accepting *x = container_of(call, struct accepting, call);

    if (!x->request)
        accepting_free(&x->open);
    else if (err && err->status == STATUS_TOO_LARGE)
        refuse(x, arena_printf(x->request->arena,
                               "The image's config, or the manifest that the index names, has more "
                               "than %d bytes.",
                               MAX_CONFIG));
    else if (err)
        http_problem(leave(x), err->status == STATUS_TIMED_OUT ? 504 : 502, NULL,
                     "The registry behind this server cannot be used.");
    else
        x->next(x);
}

static const struct http_call_events events = { .done = on_done };

#define ACCEPT                                                                                     \
    "Accept: application/vnd.oci.image.manifest.v1+json, "                                         \
    "application/vnd.docker.distribution.manifest.v2+json, */*"

static void ask(struct accepting *x, const char *what, const char *digest,
                void (*next)(struct accepting *x))
{
    static const char *const fields[] = { ACCEPT, NULL };
    const struct http_call_spec spec = {
        .method = "GET",
        .url = arena_printf(x->request->arena, "%s%s/%s/%s", x->registry->url, x->repository, what,
                            digest),
        .headers = fields,
        .timeout_ms = REGISTRY_STALL_MS,
        .max_body = MAX_CONFIG,
    };

    x->next = next;
    http_call_start(x->registry->client, &x->call, &spec, &events);
}

/* --- the version --- */

static void on_recorded(struct http_request *r, const struct pushed *x, bool existed)
{
    (void)x;
    (void)existed;
    http_respond_empty(r, 201);
}

static void on_put(struct accepting *x)
{
    struct pushed *p = x->pushed;
    int status = x->call.status;
    struct http_request *r;
    struct str type = http_call_header(&x->call, "Content-Type");

    r = x->request;
    if (status != 201 || !p) {
        struct buf body CLEANUP(buf_deinit) = x->call.body;
        const char *media = type.n ? arena_copy(r->arena, type) : NULL;

        x->call.body = BUF_INIT(0);
        if (status < 500)
            registry_copy_fields(r, &x->call);
        leave(x);
        if (status >= 500 || status == 401 || status == 403)
            http_problem(r, 502, NULL, "The registry behind this server cannot be used.");
        else
            http_respond(r, status, media, buf_str(&body));
        return;
    }
    registry_copy_fields(r, &x->call);
    leave(x);
    image_record(r, p);
}

/* The spec's texts are copied; the body stays ours until the end. */
static void put(struct accepting *x)
{
    struct http_request *r = x->request;
    struct str type = http_header(r, "content-type"), reference = http_param(r, "reference");
    const char *const fields[] = { arena_printf(r->arena, "Content-Type: %.*s",
                                                STR_ARG(type.n ? type : STR("application/json"))),
                                   NULL };
    const struct http_call_spec spec = {
        .method = "PUT",
        .url = arena_printf(r->arena, "%s%s/manifests/%.*s", x->registry->url, x->repository,
                            STR_ARG(reference)),
        .headers = fields,
        .body = buf_str(&x->body),
        .timeout_ms = REGISTRY_STALL_MS,
        .flags = HTTP_CALL_NEW_CONNECTION,
    };

    x->next = on_put;
    http_call_start(x->registry->client, &x->call, &spec, &events);
}

/* --- what the image is --- */

static void on_config(struct accepting *x)
{
    struct http_request *r = x->request;
    struct pushed *p = x->pushed;
    struct error err;

    if (x->call.status != 200) {
        refuse(x, "The manifest's config is not in the registry: push the blobs first.");
        return;
    }
    if (image_read_config(r->arena, buf_str(&x->call.body), p->image, x->digest, x->architecture,
                          &p->facts, &err) != STATUS_OK ||
        model_yaml_of_image(r->arena, &p->facts, &err) != STATUS_OK)
        refuse(x, err.text);
    else
        put(x);
}

static void on_manifest(struct accepting *x)
{
    struct manifest m;
    struct error err;

    if (x->call.status != 200)
        refuse(x, "The index names a manifest that is not in the registry: push it first.");
    else if (manifest_read(x->request->arena, buf_str(&x->call.body), x->architecture, &m, &err) !=
             STATUS_OK)
        refuse(x, err.text);
    else if (m.kind != MANIFEST_IMAGE)
        refuse(x, "The index has no image for this machine.");
    else
        ask(x, "blobs", arena_copy(x->request->arena, str_of(m.digest)), on_config);
}

static void look(struct accepting *x)
{
    struct http_request *r = x->request;
    struct manifest m;
    struct error err;

    if (manifest_read(r->arena, buf_str(&x->body), x->architecture, &m, &err) != STATUS_OK)
        refuse(x, err.text);
    else if (!x->pushed)
        put(x);
    else if (m.has_weights)
        refuse(x, "The index has managed weights (`weights` in its cog.yaml), which this server "
                  "cannot mount. Put the weights into the image, or let setup() fetch them.");
    else if (m.kind == MANIFEST_OTHER)
        refuse(x, "The manifest is of no container image: only images become versions.");
    else if (!m.digest[0])
        refuse(x, arena_printf(r->arena,
                               "The index has no image for Linux on %s. Build it with --platform "
                               "linux/%s.",
                               x->architecture, x->architecture));
    else
        ask(x, m.kind == MANIFEST_INDEX ? "manifests" : "blobs",
            arena_copy(r->arena, str_of(m.digest)),
            m.kind == MANIFEST_INDEX ? on_manifest : on_config);
}

/* --- the request --- */

static const char *architecture_of(const struct api *a)
{
#ifdef __aarch64__
    const char *own = "arm64";
#else
    const char *own = "amd64";
#endif
    struct docker_engine found;

    if (!a->fleet->images)
        return own;
    docker_driver_engine(a->fleet->images, &found);
    return found.architecture[0] ? found.architecture : own;
}

static void take_body(struct accepting *x)
{
    unsigned char hash[SHA256_SIZE];
    struct buf digits CLEANUP(buf_deinit) = BUF_INIT(2 * SHA256_SIZE);

    buf_add_str(&x->body, x->request->body);
    sha256(x->request->body, hash);
    hex_add(&digits, hash, sizeof(hash));
    snprintf(x->digest, sizeof(x->digest), "sha256:%s", digits.p);
}

/* NULL: it becomes no version. */
static struct pushed *pushed_of(struct accepting *x)
{
    struct http_request *r = x->request;
    struct str reference = http_param(r, "reference");
    const struct sku *sku = image_hardware(api_of(r)->hardware);
    struct pushed *p;

    if (image_digest_ok(reference) || str_starts(reference, "cog-"))
        return NULL;
    p = arena_new(r->arena, struct pushed);
    p->owner = http_param(r, "owner");
    p->name = http_param(r, "name");
    p->account = account_of(r);
    p->hardware = sku ? sku->sku : NULL;
    p->image = arena_printf(r->arena, "%s%s@%s", x->registry->host, x->repository + strlen("/v2"),
                            x->digest);
    p->done = on_recorded;
    return p;
}

void registry_manifest_put(struct http_request *r)
{
    struct str reference = http_param(r, "reference");
    char repository[MAX_REPOSITORY];
    struct accepting *x;

    if (!registry_repository(r, repository))
        return;
    if (!image_digest_ok(reference) && !image_tag_ok(reference)) {
        http_problem(r, 400, NULL, "\"%.*s\" is no tag, and no digest.",
                     (int)MIN(reference.n, (size_t)140), reference.p);
        return;
    }
    x = xnew(struct accepting);
    x->open.free = accepting_free;
    x->registry = api_of(r)->registry;
    list_push(&x->registry->open, &x->open.node);
    x->request = r;
    x->architecture = architecture_of(api_of(r));
    buf_init(&x->body, BUF_UNBOUNDED);
    snprintf(x->repository, sizeof(x->repository), "%s", repository);
    take_body(x);
    x->pushed = pushed_of(x);
    r->context = x;
    r->on_gone = on_gone;
    if (x->pushed && !x->pushed->hardware)
        refuse(x, "No hardware of this server offers the docker runtime. Its administrator adds "
                  "docker to the `runtimes` of some in the configuration.");
    else
        look(x);
}
