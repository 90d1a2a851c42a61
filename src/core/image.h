/* SPDX-License-Identifier: Apache-2.0 */
/* What a container image says of itself: from the engine's own record of it (`docker image
 * inspect`), with the labels that Cog puts on what it builds, to what a version needs to know. */
#pragma once

#include "core/version.h"

struct image_facts {
    const char *id; /* "sha256:…", what the engine calls it */
    const char
        *version; /* 64 hex digits: of the digest where a registry gave one, else of the id */
    const char *cog_version; /* of what built it; "" when it does not say */
    struct str schema;       /* OpenAPI document (JSON) */
    struct version_config config;
};

/* `inspected` is the engine's answer (JSON), `name` how the image was asked for ("hello:v2"),
 * `architecture` what the engine runs ("amd64"). INVALID: the engine said what cannot be read.
 * UNPROCESSABLE: the image is none that can be served, with the reason and the remedy. All texts
 * live in the arena. */
enum status image_read(struct arena *a, struct str inspected, const char *name,
                       const char *architecture, struct image_facts *out,
                       struct error *err) NODISCARD;
