/* SPDX-License-Identifier: Apache-2.0 */
/* `berth push`: packs a folder, sends it, follows the build. Progress goes to standard error; the
 * last line on standard output is the version. */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/encode.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct packed {
    char path[256];
    void *p;
    size_t n;
};

static void packed_deinit(struct packed *x)
{
    if (x->p)
        munmap(x->p, x->n);
    if (*x->path)
        unlink(x->path);
}

static bool pack(const char *folder, struct packed *out)
{
    struct buf file CLEANUP(buf_deinit) = BUF_INIT(8192);
    struct buf model CLEANUP(buf_deinit) = BUF_INIT(8192);
    char size[TIME_TEXT_SIZE];
    struct error err;
    int64_t bytes;
    int files, fd;

    buf_addf(&file, "%s/cog.yaml", folder);
    buf_addf(&model, "%s/model.yaml", folder);
    if (access(model.p, R_OK) != 0 && access(file.p, R_OK) != 0) {
        fprintf(stderr,
                "berth push: %s has no cog.yaml that can be read (%s). A model's folder needs one: "
                "it says which class to run; or a model.yaml, which says how another server is "
                "started.\n",
                folder, strerror(errno));
        return false;
    }
    if (!pack_folder(folder, out->path, &bytes, &files, &err)) {
        *out->path = '\0';
        fprintf(stderr, "berth push: %s\n", err.text);
        return false;
    }
    size_format(bytes, size);
    fprintf(stderr, "Packed %s: %d files, %s\n", folder, files, size);
    fd = open(out->path, O_RDONLY | O_CLOEXEC);
    out->n = (size_t)bytes;
    out->p = fd >= 0 ? mmap(NULL, out->n, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (fd >= 0)
        close(fd);
    if (out->p == MAP_FAILED) {
        out->p = NULL;
        fprintf(stderr, "berth push: cannot read what was packed: %s\n", strerror(errno));
        return false;
    }
    return true;
}

static bool send_folder(const struct given *g, const struct remote *r, const struct packed *x,
                        struct answer *out)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct str ref = str_of(g->positions[1]), owner;

    if (!str_split(&ref, '/', &owner) || !ref.p || memchr(ref.p, '/', ref.n) || owner.n == 0 ||
        ref.n == 0) {
        fprintf(stderr, "berth push: \"%s\" must have the form OWNER/NAME.\n", g->positions[1]);
        return false;
    }
    buf_adds(&path, "/v1/models/");
    percent_add(&path, owner);
    buf_addc(&path, '/');
    percent_add(&path, ref);
    buf_addf(&path, "/versions?visibility=%s", given_flag(g, "--public") ? "public" : "private");
    if (given_flag(g, "--hardware")) {
        buf_adds(&path, "&hardware=");
        percent_add(&path, str_of(given_flag(g, "--hardware")));
    }
    fprintf(stderr, "Sending to %s\n", r->url);
    return remote_call(r, "POST", path.p, str_make(x->p, x->n), "application/gzip", out);
}

static bool is_over(const struct answer *build)
{
    struct str status = json_to_str(json_get(build->json, "status"));

    return str_is(status, "succeeded") || str_is(status, "failed");
}

/* A log that ends does not say that the build did: the connection may have broken. Only the build's
 * status says. */
static bool follow(const struct remote *r, struct str id, struct answer *out)
{
    struct buf state CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct buf log CLEANUP(buf_deinit) = BUF_INIT(4096);
    size_t shown = 0;

    buf_addf(&state, "/v1/builds/%.*s", STR_ARG(id));
    buf_addf(&log, "%s/log?follow=1", state.p);
    for (;;) {
        remote_follow(r, log.p, &shown);
        if (!remote_call(r, "GET", state.p, STR_NULL, NULL, out)) {
            fprintf(stderr, "The build may go on; its state is at %s%s\n", r->url, state.p);
            return false;
        }
        if (is_over(out))
            return true;
        answer_deinit(out);
        sleep(1);
    }
}

static int finish(const struct given *g, const struct remote *r, const struct answer *build)
{
    struct answer a CLEANUP(answer_deinit) = { 0 };
    struct str id = json_to_str(json_get(build->json, "id")), version, error;

    if (!id.p) {
        fprintf(stderr, "berth push: the server's answer is not a build.\n");
        return 1;
    }

    if (given_flag(g, "--detach")) {
        fprintf(stderr, "The build goes on; its state is at %s/v1/builds/%.*s\n", r->url,
                STR_ARG(id));
        printf("%.*s\n", STR_ARG(id));
        return 0;
    }
    if (!follow(r, id, &a))
        return 1;
    version = json_to_str(json_get(a.json, "version"));
    error = json_to_str(json_get(a.json, "error"));
    if (!version.p) {
        fprintf(stderr, "berth push: the build failed: %.*s\n", STR_ARG(error));
        return 1;
    }
    printf("%s:%.*s\n", g->positions[1], STR_ARG(version));
    return 0;
}

/* What is no folder, nor written like one. */
static bool names_image(const struct given *g)
{
    const char *name = g->positions[0];
    struct stat st;

    if (given_flag(g, "--image"))
        return true;
    return name[0] != '/' && name[0] != '.' && stat(name, &st) != 0;
}

int push_command(const struct command *c, const char *const *args)
{
    struct answer build CLEANUP(answer_deinit) = { 0 };
    struct packed x CLEANUP(packed_deinit) = { 0 };
    struct remote r;
    struct given g;
    int code;

    if (!given_read(c, args, 2, 2, &g))
        return 2;
    if (names_image(&g)) {
        code = push_image(&g);
        if (code && !given_flag(&g, "--image"))
            fprintf(stderr,
                    "berth push: there is no folder \"%s\", so it was taken for the name of an "
                    "image.\n",
                    g.positions[0]);
        return code;
    }
    if (!remote_public(&g, &r))
        return 2;
    if (!pack(g.positions[0], &x) || !send_folder(&g, &r, &x, &build))
        return 1;
    return finish(&g, &r, &build);
}
