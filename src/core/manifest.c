/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests of images, as registries keep them (OCI, and Docker's second form). */
#include "core/image.h"

#include "base/json.h"

#include <stdio.h>

static const char *const image_configs[] = { "application/vnd.oci.image.config.v1+json",
                                             "application/vnd.docker.container.image.v1+json" };

static bool is_one_of(struct str s, const char *allowed)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c && strchr(allowed, c))))
            return false;
    }
    return true;
}

bool image_digest_ok(struct str s)
{
    if (s.n != IMAGE_DIGEST_SIZE - 1 || !str_starts(s, "sha256:"))
        return false;
    for (size_t i = strlen("sha256:"); i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return true;
}

bool image_tag_ok(struct str s)
{
    return s.n > 0 && s.n <= 128 && s.p[0] != '.' && s.p[0] != '-' && is_one_of(s, "_.-");
}

bool image_name_ok(struct str s)
{
    struct str part;

    if (!s.n)
        return false;
    while (str_split(&s, '/', &part))
        if (!part.n || part.p[0] == '.' || !is_one_of(part, "_.-:@"))
            return false;
    return true;
}

static bool take_digest(const struct json *of, struct manifest *out)
{
    struct str digest = json_to_str(json_get(of, "digest"));

    if (!image_digest_ok(digest))
        return false;
    snprintf(out->digest, sizeof(out->digest), "%.*s", STR_ARG(digest));
    return true;
}

static enum status read_index(const struct json *list, const char *architecture,
                              struct manifest *out, struct error *err)
{
    json_each (list, one) {
        struct str os = json_to_str(json_path(one, "platform.os"));
        struct str arch = json_to_str(json_path(one, "platform.architecture"));
        struct str type = json_to_str(json_get(one, "artifactType"));

        out->has_weights = out->has_weights || str_starts(type, "application/vnd.cog.weight.");
        if (type.n || out->digest[0] || !str_is(os, "linux") ||
            (*architecture && !str_is(arch, architecture)))
            continue;
        if (!take_digest(one, out))
            return FAIL(err, STATUS_INVALID, "The index names a manifest without a digest.");
    }
    return STATUS_OK;
}

enum status manifest_read(struct arena *a, struct str text, const char *architecture,
                          struct manifest *out, struct error *err)
{
    const struct json *list, *config;
    struct json *root = NULL;
    struct str type;

    *out = (struct manifest){ .kind = MANIFEST_OTHER, .type = "" };
    if (json_parse(a, text, NULL, &root, err) != STATUS_OK) {
        error_context(err, "The manifest is not valid JSON");
        return err->status = STATUS_INVALID;
    }
    if (!json_is(root, JSON_OBJECT) || json_is(json_get(root, "fsLayers"), JSON_ARRAY))
        return FAIL(err, STATUS_INVALID,
                    "The manifest has an old form (schemaVersion 1): push with a Docker of 2017 or "
                    "newer.");
    type = json_to_str(json_get(root, "mediaType"));
    out->type = type.p ? arena_copy(a, type) : "";
    list = json_get(root, "manifests");
    if (json_is(list, JSON_ARRAY)) {
        out->kind = MANIFEST_INDEX;
        return read_index(list, architecture, out, err);
    }
    config = json_get(root, "config");
    type = json_to_str(json_get(config, "mediaType"));
    for (size_t i = 0; i < ARRAY_SIZE(image_configs); i++) {
        if (!str_is(type, image_configs[i]))
            continue;
        out->kind = MANIFEST_IMAGE;
        if (!take_digest(config, out))
            return FAIL(err, STATUS_INVALID, "The manifest's config has no digest.");
    }
    return STATUS_OK;
}
