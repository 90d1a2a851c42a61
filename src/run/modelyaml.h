/* SPDX-License-Identifier: Apache-2.0 */
/* model.yaml: what a model server that is not Cog's is, how it is started and spoken to, and what
 * goes in and comes out of it (docs/models.md). */
#pragma once

#include "core/image.h"
#include "run/cogyaml.h"

struct model_yaml {
    const char *protocol; /* "openai" or "plain" */
    struct version_http http;
    struct str schema; /* an OpenAPI document (JSON) with Input and Output, made from the file */
};

/* Where the file goes with a container image: the image brings its programs and its environment, so
 * that `build` has no place and `command` may be missing, and it listens on `port`. */
enum model_yaml_of { MODEL_YAML_FOLDER, MODEL_YAML_IMAGE };

/* `common` gets what cog.yaml has too: build, environment, concurrency. INVALID names the key, what
 * it holds and what would be right. Everything lives in the arena. */
enum status model_yaml_read(struct arena *a, struct str text, enum model_yaml_of of,
                            struct model_yaml *out, struct cog_yaml *common,
                            struct error *err) NODISCARD;

/* An image with a model.yaml (`facts->model_yaml`) gets its schema and the rest of its
 * configuration; any other is left as it is. UNPROCESSABLE: the file is wrong, and how. */
enum status model_yaml_of_image(struct arena *a, struct image_facts *facts,
                                struct error *err) NODISCARD;
