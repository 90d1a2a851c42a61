/* SPDX-License-Identifier: Apache-2.0 */
/* What a container image says of itself: from the engine's own record of it (`docker image
 * inspect`), with the labels that Cog puts on what it builds, to what a version needs to know. */
#pragma once

#include "core/version.h"

enum { IMAGE_DIGEST_SIZE = 72 }; /* "sha256:<64 digits>" and its end */

struct image_facts {
    const char *id; /* "sha256:…", what the engine calls it */
    const char
        *version; /* 64 hex digits: of the digest where a registry gave one, else of the id */
    const char *cog_version; /* of what built it; "" when it does not say */
    struct str schema;       /* OpenAPI document (JSON) */
    struct version_config config;
    /* How the image is served where its model server is not Cog's: a model.yaml that was brought
     * with it, else its label berth.model. Then schema and config are not known yet. p == NULL:
     * Cog's. */
    struct str model_yaml;
};

/* `inspected` is the engine's answer (JSON), `name` how the image was asked for ("hello:v2"),
 * `architecture` what the engine runs ("amd64"), `model_yaml` what was brought with it (p == NULL:
 * nothing): one image has a version for each. INVALID: the engine said what cannot be read.
 * UNPROCESSABLE: the image is none that can be served, with the reason and the remedy. All texts
 * live in the arena. */
enum status image_read(struct arena *a, struct str inspected, const char *name,
                       const char *architecture, struct str model_yaml, struct image_facts *out,
                       struct error *err) NODISCARD;

/* The same for an image in a registry: from the blob that its manifest calls its configuration.
 * `reference` is what the engine fetches it by ("127.0.0.1:5000/acme/shout@sha256:…"), `digest`
 * what it was pushed as. `architecture` may be "": any will do. */
enum status image_read_config(struct arena *a, struct str config, const char *reference,
                              const char *digest, const char *architecture, struct image_facts *out,
                              struct error *err) NODISCARD;

/* What a manifest is: of an image, of several (an index), or of something else (an artifact). */
enum manifest_kind { MANIFEST_IMAGE, MANIFEST_INDEX, MANIFEST_OTHER };
struct manifest {
    enum manifest_kind kind;
    const char *type; /* its media type, where it says one; "" */
    /* IMAGE: of its configuration; INDEX: of the manifest for Linux and the architecture that was
     * asked for, "" where there is none. */
    char digest[IMAGE_DIGEST_SIZE];
    bool has_weights; /* INDEX: managed weights of Cog's are among it */
};
/* INVALID: it is none that this server knows, with the reason. */
enum status manifest_read(struct arena *a, struct str text, const char *architecture,
                          struct manifest *out, struct error *err) NODISCARD;

/* "sha256:" and 64 lower-case hex digits. */
bool image_digest_ok(struct str s);
/* How an image may be asked for: parts of letters, digits and "_.-:@" between slashes, none of
 * which begins with a dot. Whether there is one, the engine knows. */
bool image_name_ok(struct str s);
/* A tag: letters, digits, '_', '.', '-', at most 128, the first no '.' and no '-'. */
bool image_tag_ok(struct str s);
