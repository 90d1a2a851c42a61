/* SPDX-License-Identifier: Apache-2.0 */
/* An image that the container engine has, or fetches from a registry, becomes a version. For
 * administrators alone: the engine may hold what others must not run.
 *
 * The way: the engine is asked for the image (and fetches it first) -> its labels are read -> it
 * gets a name of ours -> the model is looked up (and made when it is missing) -> the version is
 * recorded -> 201. */
#include "api/image_impl.h"
#include "base/mem.h"
#include "driver/docker/docker.h"
#include "run/modelyaml.h"

#include <stdlib.h>

enum { MAX_IMAGE = 400, MAX_MODEL_YAML = 256 << 10, SHORT_ID = 12 };

/* The engine's part, which ends also when the client has gone. */
struct asking {
    struct docker_image_request engine;
    struct http_request *request; /* NULL: the client has gone */
    struct pushed *pushed;
    bool was_fetched;
};

/* --- the answer --- */

static void answer(struct http_request *r, const struct pushed *x, bool existed)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(16 << 10);
    struct json_writer w;

    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "model",
                       arena_printf(r->arena, "%.*s/%.*s", STR_ARG(x->owner), STR_ARG(x->name)));
    json_member_string(&w, "version", x->facts.version);
    json_member_string(&w, "image", x->facts.id);
    json_member_bool(&w, "existed", existed);
    json_end_object(&w);
    api_answer(r, existed ? 200 : 201, &body);
}

/* --- the engine --- */

static void on_gone(struct http_request *r)
{
    struct asking *x = r->context;

    x->request = NULL; /* the engine's answer frees it */
}

/* The request is its own again; NULL: it has gone, and all is over. */
static struct http_request *take_request(struct asking *x)
{
    struct http_request *r = x->request;

    free(x);
    if (r)
        r->on_gone = NULL;
    return r;
}

static void refuse(struct http_request *r, const struct error *err)
{
    const struct error *e = err;

    http_problem(r, status_http(e->status), NULL, "%s", e->text);
}

static void on_kept(struct docker_image_request *engine, struct str answer, const struct error *err)
{
    struct asking *x = container_of(engine, struct asking, engine);
    struct pushed *pushed = x->pushed;
    struct http_request *r = take_request(x);

    (void)answer;
    if (r && err)
        refuse(r, err);
    else if (r)
        image_record(r, pushed);
}

static void keep_image(struct asking *x)
{
    struct http_request *r = x->request;
    const struct pushed *p = x->pushed;

    x->engine.done = on_kept;
    docker_image_keep(api_of(r)->fleet->images, &x->engine, p->facts.id,
                      arena_printf(r->arena, "%.*s/%.*s", STR_ARG(p->owner), STR_ARG(p->name)),
                      arena_printf(r->arena, "%.*s", SHORT_ID, p->facts.version));
}

static void on_inspected(struct docker_image_request *engine, struct str answer,
                         const struct error *err);

static void on_fetched(struct docker_image_request *engine, struct str answer,
                       const struct error *err)
{
    struct asking *x = container_of(engine, struct asking, engine);
    struct http_request *r;
    const char *image;
    struct error why;

    (void)answer;
    if (x->request && !err) {
        x->engine.done = on_inspected;
        docker_image_inspect(api_of(x->request)->fleet->images, &x->engine, x->pushed->image);
        return;
    }
    image = x->request ? x->pushed->image : ""; /* the request's memory */
    r = take_request(x);
    if (!r || !err)
        return;
    why = *err;
    error_context(&why, "The container engine has no image \"%.200s\"", image);
    http_problem(r, 422, NULL, "%s", why.text);
}

/* "registry.example.com/team/shout", "localhost:5000/shout": its first part is a host. */
static bool has_host(const char *image)
{
    struct str rest = str_of(image), host;

    str_split(&rest, '/', &host);
    return rest.p && (memchr(host.p, '.', host.n) || memchr(host.p, ':', host.n) ||
                      str_is(host, "localhost"));
}

static void on_inspected(struct docker_image_request *engine, struct str answer,
                         const struct error *err)
{
    struct asking *x = container_of(engine, struct asking, engine);
    struct http_request *r = x->request;
    struct docker_engine found;
    struct error why;

    if (!r) {
        free(x);
        return;
    }
    docker_driver_engine(api_of(r)->fleet->images, &found);
    if (err && err->status == STATUS_NOT_FOUND && has_host(x->pushed->image) && !x->was_fetched) {
        x->was_fetched = true;
        x->engine.done = on_fetched;
        docker_image_pull(api_of(r)->fleet->images, &x->engine, x->pushed->image);
        return;
    }
    if (err)
        why = *err;
    if (err && err->status == STATUS_NOT_FOUND)
        FAIL(&why, STATUS_NOT_FOUND,
             "The container engine has no image \"%.200s\". Build it there first (`docker images` "
             "lists what it has), or put its registry in front (registry.example.com/team/shout).",
             x->pushed->image);
    if (!err &&
        image_read(r->arena, answer, x->pushed->image, found.architecture, x->pushed->model_yaml,
                   &x->pushed->facts, &why) == STATUS_OK &&
        model_yaml_of_image(r->arena, &x->pushed->facts, &why) == STATUS_OK) {
        keep_image(x);
        return;
    }
    refuse(take_request(x), &why);
}

void image_forget(struct api *a, const struct store_version_delete *gone, const char *image)
{
    struct driver *engine = a->fleet->images;
    char model[MAX_REF + 2], tag[SHORT_ID + 1];

    if (!engine)
        return;
    if (strchr(image, '@')) {
        docker_image_forget_pulled(engine, image);
        return;
    }
    snprintf(model, sizeof(model), "%.*s/%.*s", STR_ARG(gone->owner), STR_ARG(gone->name));
    snprintf(tag, sizeof(tag), "%.*s", (int)MIN(gone->id.n, (size_t)SHORT_ID), gone->id.p);
    docker_image_forget(engine, model, tag);
}

/* --- the request --- */

static void read_hardware(struct http_request *r, struct problems *p, struct pushed *x)
{
    const struct sku *given = body_sku(r, p, false);
    const struct sku *sku = given ? given : image_hardware(api_of(r)->hardware);

    if (!sku)
        problems_add(p, "hardware",
                     "No hardware of this server offers the docker runtime. Add docker to the "
                     "`runtimes` of some in the configuration.");
    else if (!sku_runs(sku, true))
        problems_add(p, "hardware",
                     "%.100s does not offer the docker runtime, which an image needs.", sku->sku);
    x->hardware = sku ? sku->sku : NULL;
}

static bool read_body(struct http_request *r, struct pushed *x)
{
    static const char *const keys[] = { "image",      "model",      "hardware",
                                        "visibility", "model_yaml", NULL };
    const char *model, *visibility, *yaml;
    struct str version;
    struct problems p;
    struct error err;

    problems_init(&p, r);
    body_only(r, &p, keys);
    x->image = body_text(r, &p, "image", true, MAX_IMAGE);
    if (x->image && !image_name_ok(str_of(x->image)))
        problems_add(&p, "image",
                     "\"%.100s\" is not the name of an image, such as shout, shout:v2 or "
                     "registry.example.com/team/shout.",
                     x->image);
    model = body_text(r, &p, "model", true, MAX_REF);
    if (model && (!model_ref_split(str_of(model), &x->owner, &x->name, &version) || version.p))
        problems_add(&p, "model", "\"%.140s\" must have the form owner/name.", model);
    else if (model && !object_name_ok(x->name, "model", &err))
        problems_add(&p, "model", "%s", err.text);
    x->account = x->owner.n ? map_get(&api_of(r)->by_name, x->owner) : NULL;
    if (x->owner.n && !x->account)
        problems_add(&p, "model",
                     "There is no account named \"%.*s\". Make it with `berth account create`.",
                     (int)MIN(x->owner.n, (size_t)60), x->owner.p);
    visibility = body_text(r, &p, "visibility", false, MAX_NAME);
    if (visibility && strcmp(visibility, "public") != 0 && strcmp(visibility, "private") != 0)
        problems_add(&p, "visibility", "\"%.60s\" must be public or private.", visibility);
    x->is_public = visibility && strcmp(visibility, "public") == 0;
    yaml = body_text(r, &p, "model_yaml", false, MAX_MODEL_YAML);
    x->model_yaml = yaml ? str_of(yaml) : STR_NULL;
    read_hardware(r, &p, x);
    return !problems_send(&p);
}

void admin_image_push(struct http_request *r)
{
    struct driver *engine = api_of(r)->fleet->images;
    struct docker_engine found;
    struct asking *x;

    if (!body_is_object(r))
        return;
    if (!engine) {
        http_problem(r, 422, NULL,
                     "This server has no container engine. Name its socket in the option "
                     "docker_socket (/var/run/docker.sock, say), and start the server again.");
        return;
    }
    docker_driver_engine(engine, &found);
    if (!found.is_ready) {
        http_problem(r, 503, NULL, "The container engine cannot be used: %s", found.problem);
        return;
    }
    x = xnew(struct asking);
    x->pushed = arena_new(r->arena, struct pushed);
    if (!read_body(r, x->pushed)) {
        free(x);
        return;
    }
    x->pushed->done = answer;
    x->request = r;
    x->engine.done = on_inspected;
    r->context = x;
    r->on_gone = on_gone;
    docker_image_inspect(engine, &x->engine, x->pushed->image);
}
