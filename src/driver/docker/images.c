/* SPDX-License-Identifier: Apache-2.0 */
/* Images that the engine has, and the names we give them. */
#include "base/encode.h"
#include "base/log.h"
#include "driver/docker/docker_impl.h"

#include <stdlib.h>

enum { IMAGE_MS = 60000 };

struct image_call {
    struct list node;
    struct docker_request request;
    struct docker_image_request *of;
};

static void on_image(struct docker_request *r, const struct error *err)
{
    struct image_call *x = container_of(r, struct image_call, request);
    struct docker_image_request *of = x->of;

    list_remove(&x->node);
    of->impl = NULL;
    of->done(of, err ? STR_NULL : buf_str(&r->call.body), err);
    docker_request_deinit(r);
    free(x);
}

static void ask_image(struct docker_driver *d, struct docker_image_request *r, const char *method,
                      const char *path)
{
    struct image_call *x = xnew(struct image_call);

    x->of = r;
    r->impl = x;
    list_push(&d->asked, &x->node);
    docker_request_init(d, &x->request, on_image);
    docker_send(d, &x->request, method, path, IMAGE_MS);
}

/* Slashes and colons of a name stay; nothing else could leave the path. */
static void add_name(struct buf *path, const char *name)
{
    for (const char *p = name; *p; p++) {
        if (*p == '/' || *p == ':' || *p == '@')
            buf_addc(path, *p);
        else
            percent_add(path, str_make(p, 1));
    }
}

void docker_image_inspect(struct driver *d, struct docker_image_request *r, const char *name)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1500);

    buf_adds(&path, "/images/");
    add_name(&path, name);
    buf_adds(&path, "/json");
    ask_image(docker_of(d), r, "GET", path.p);
}

void docker_image_keep(struct driver *d, struct docker_image_request *r, const char *id,
                       const char *name, const char *tag)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1500);
    struct docker_driver *driver = docker_of(d);

    buf_adds(&path, "/images/");
    add_name(&path, id);
    buf_adds(&path, "/tag?repo=");
    percent_add(&path, str_of(driver->network));
    buf_adds(&path, "%2F");
    percent_add(&path, str_of(name));
    buf_adds(&path, "&tag=");
    percent_add(&path, str_of(tag));
    ask_image(driver, r, "POST", path.p);
}

struct image_pull {
    struct list node;
    struct docker_pull pull;
    struct docker_image_request *of;
};

static void on_progress(void *arg, struct str line)
{
    (void)arg;
    log_debug("an image is fetched", LOG_STR("what", line));
}

static void on_fetched(struct docker_pull *p, const struct error *err)
{
    struct image_pull *x = container_of(p, struct image_pull, pull);
    struct docker_image_request *of = x->of;

    list_remove(&x->node);
    of->impl = NULL;
    of->done(of, STR_NULL, err);
    docker_pull_deinit(p);
    free(x);
}

/* The engine would fetch all the tags there are of what has none. */
static bool is_exact(const char *reference)
{
    const char *slash = strrchr(reference, '/');

    return strchr(slash ? slash : reference, ':') || strchr(reference, '@');
}

void docker_image_pull(struct driver *d, struct docker_image_request *r, const char *reference)
{
    struct image_pull *x = xnew(struct image_pull);
    char *exact = xasprintf("%s%s", reference, is_exact(reference) ? "" : ":latest");

    x->of = r;
    r->impl = x;
    list_push(&docker_of(d)->fetches, &x->node);
    docker_pull_init(docker_of(d), &x->pull, on_progress, on_fetched, x);
    docker_pull_start(&x->pull, exact);
    free(exact);
}

/* --- names that are not wanted any more --- */

struct old_name {
    struct list node;
    char *name;   /* "berth-<server>/owner/name:tag", or as it was pulled */
    bool is_held; /* by a container, when it was tried last */
};

static void name_free(struct old_name *n)
{
    list_remove(&n->node);
    free(n->name);
    free(n);
}

/* The next that can be tried: one that is held comes to the end, and waits for a container's end.
 */
static void forget_next(struct docker_driver *d)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1500);
    struct old_name *n;

    if (d->step != ENGINE_READY || d->forgetting.is_open || list_empty(&d->old_names))
        return;
    n = container_of(list_first(&d->old_names), struct old_name, node);
    if (n->is_held)
        return;
    buf_adds(&path, "/images/");
    add_name(&path, n->name);
    docker_send(d, &d->forgetting, "DELETE", path.p, IMAGE_MS);
}

static void on_forgotten(struct docker_request *r, const struct error *err)
{
    struct docker_driver *d = r->driver;
    struct old_name *n = container_of(list_first(&d->old_names), struct old_name, node);

    if (err && err->status == STATUS_UNREACHABLE) {
        engine_failed(r, err);
        return;
    }
    if (err && err->status == STATUS_CONFLICT) {
        n->is_held = true;
        list_remove(&n->node);
        list_push(&d->old_names, &n->node);
    } else {
        if (err && err->status != STATUS_NOT_FOUND)
            log_warning("an image's name could not be taken away", LOG_S("image", n->name),
                        LOG_ERR(err));
        name_free(n);
    }
    forget_next(d);
}

void docker_forget_now(struct docker_driver *d)
{
    struct old_name *n;

    list_each (&d->old_names, n, struct old_name, node)
        n->is_held = false;
    forget_next(d);
}

static void forget(struct docker_driver *d, char *name)
{
    struct old_name *n = xnew(struct old_name);

    n->name = name;
    list_push(&d->old_names, &n->node);
    docker_forget_now(d);
}

void docker_image_forget(struct driver *driver, const char *name, const char *tag)
{
    struct docker_driver *d = docker_of(driver);

    forget(d, xasprintf("%s/%s:%s", d->network, name, tag));
}

void docker_image_forget_pulled(struct driver *driver, const char *reference)
{
    forget(docker_of(driver), xstrdup(reference));
}

void docker_images_init(struct docker_driver *d)
{
    list_init(&d->asked);
    list_init(&d->fetches);
    list_init(&d->old_names);
    docker_request_init(d, &d->forgetting, on_forgotten);
}

void docker_images_deinit(struct docker_driver *d)
{
    struct image_call *asked;
    struct image_pull *x;
    struct old_name *n;
    struct error err;

    FAIL(&err, STATUS_CANCELED, "the server stops");
    list_each (&d->asked, asked, struct image_call, node)
        on_image(&asked->request, &err);
    list_each (&d->fetches, x, struct image_pull, node)
        on_fetched(&x->pull, &err);

    list_each (&d->old_names, n, struct old_name, node)
        name_free(n);
    docker_request_deinit(&d->forgetting);
}
