/* SPDX-License-Identifier: Apache-2.0 */
/* model.yaml: what a model server that is not Cog's is, how it is started and spoken to, and what
 * goes in and comes out of it (docs/models.md). */
#pragma once

#include "core/version.h"
#include "run/cogyaml.h"

struct model_yaml {
    const char *protocol; /* "openai" or "plain" */
    struct version_http http;
    struct str schema; /* an OpenAPI document (JSON) with Input and Output, made from the file */
};

/* `common` gets what cog.yaml has too: build, environment, concurrency. INVALID names the key, what
 * it holds and what would be right. Everything lives in the arena. */
enum status model_yaml_read(struct arena *a, struct str text, struct model_yaml *out,
                            struct cog_yaml *common, struct error *err) NODISCARD;
