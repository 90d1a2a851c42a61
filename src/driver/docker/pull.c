/* SPDX-License-Identifier: Apache-2.0 */
/* Getting an image from its registry. The engine answers 200 at once and then tells, one JSON
 * object a line, how far it is; a failure is one of them. */
#include "base/encode.h"
#include "base/json.h"
#include "driver/docker/docker_impl.h"

enum { MAX_LINE = 64 << 10 };

/* What comes many times a second for each layer is not told. */
static bool is_told(struct str status)
{
    static const char *const steps[] = { "Downloading", "Extracting", "Waiting",
                                         "Verifying Checksum" };

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        if (str_is(status, steps[i]))
            return false;
    return status.n > 0;
}

static void take_line(struct docker_pull *p, struct str line)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct buf told CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct json *root = NULL;
    struct str status, layer, failure;

    if (!str_trim(line).n || json_parse(&a, line, NULL, &root, NULL) != STATUS_OK)
        return;
    status = json_to_str(json_get(root, "status"));
    layer = json_to_str(json_get(root, "id"));
    failure = json_to_str(json_get(root, "error"));
    if (layer.n) /* the failure does not say which */
        snprintf(p->layer, sizeof(p->layer), "%.*s", (int)MIN(layer.n, (size_t)60), layer.p);
    if (failure.n)
        snprintf(p->failure, sizeof(p->failure), "%.*s", (int)MIN(failure.n, (size_t)400),
                 failure.p);
    if (!is_told(status))
        return;
    buf_adds(&told, "image: ");
    if (layer.n)
        buf_addf(&told, "%.*s: ", (int)MIN(layer.n, (size_t)60), layer.p);
    buf_addf(&told, "%.*s", (int)MIN(status.n, (size_t)400), status.p);
    p->line(p->arg, buf_str(&told));
}

void docker_pull_feed(struct docker_pull *p, struct str piece)
{
    struct str rest = piece, part;

    while (str_split(&rest, '\n', &part)) {
        buf_add_str(&p->text, part);
        if (!rest.p)
            return; /* it goes on with the next piece */
        if (!p->text.failed)
            take_line(p, buf_str(&p->text));
        buf_clear(&p->text);
        p->text.failed = false;
    }
}

enum status docker_pull_end(struct docker_pull *p, struct error *err)
{
    take_line(p, buf_str(&p->text));
    if (!p->failure[0])
        return STATUS_OK;
    return FAIL(err, STATUS_UNREACHABLE, "the image cannot be pulled%s%s: %s",
                p->layer[0] ? "; its last layer was " : "", p->layer, p->failure);
}

static void on_piece(struct docker_request *r, struct str piece)
{
    docker_pull_feed(container_of(r, struct docker_pull, request), piece);
}

static void on_done(struct docker_request *r, const struct error *err)
{
    struct docker_pull *p = container_of(r, struct docker_pull, request);
    struct error why;

    if (!err && docker_pull_end(p, &why) != STATUS_OK)
        err = &why;
    p->done(p, err);
}

void docker_pull_init(struct docker_driver *d, struct docker_pull *p,
                      void (*line)(void *arg, struct str line),
                      void (*done)(struct docker_pull *p, const struct error *err), void *arg)
{
    *p = (struct docker_pull){ .line = line, .done = done, .arg = arg };
    buf_init(&p->text, MAX_LINE);
    docker_request_init(d, &p->request, on_done);
}

void docker_pull_start(struct docker_pull *p, const char *image)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1500);

    buf_clear(&p->text);
    p->layer[0] = p->failure[0] = '\0';
    buf_adds(&path, "/images/create?fromImage=");
    percent_add(&path, str_of(image));
    docker_stream(p->request.driver, &p->request, "POST", path.p, on_piece);
}

void docker_pull_deinit(struct docker_pull *p)
{
    docker_request_deinit(&p->request);
    buf_deinit(&p->text);
}
