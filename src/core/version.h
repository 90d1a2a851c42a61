/* SPDX-License-Identifier: Apache-2.0 */
/* What the server knows of a version beside its schema: how it is launched and spoken to. Kept as
 * the JSON text `version.config` in the store. */
#pragma once

#include "base/json.h"

struct version_config {
    const char *dialect;     /* "cog" ("openai", "plain" later) */
    const char *predict_ref; /* "predict.py:Predictor"; NULL: trains only */
    const char *train_ref;   /* NULL */
    int64_t concurrency;     /* slots of one instance, >= 1 */
    bool needs_gpu;
    const char *weights; /* COG_WEIGHTS: an address, or a file relative to the data folder; NULL */
    const char *env;     /* folder of the Python environment, relative to the data folder */
    const char *const *environment; /* "NAME=value" from cog.yaml; ends with NULL */
    bool iterator;                  /* output comes piece by piece */
    bool output_files_listed; /* output is a list or iterator of files: uploads would lose their
                                 order */
};

/* Reads the stored text; everything lives in the arena. */
enum status version_config_parse(struct arena *a, struct str text, struct version_config *out,
                                 struct error *err) NODISCARD;
void version_config_write(const struct version_config *c, struct buf *out);
