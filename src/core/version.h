/* SPDX-License-Identifier: Apache-2.0 */
/* What the server knows of a version beside its schema: how it is launched and spoken to. Kept as
 * the JSON text `version.config` in the store. */
#pragma once

#include "base/json.h"

/* A model server that is not Cog's: what model.yaml says of it. */
struct version_http {
    const char *const *command; /* "{port}" in it stands for the port; ends with NULL, and is empty
                                   where an image brings its own */
    int64_t port;               /* on which it listens, whatever it is told; 0: it is told one */
    const char *health;         /* "/health": answers 2xx once it takes predictions */
    const char *path;           /* "/v1/chat/completions": where predictions are posted to */
    const char *model;          /* openai: the name by which it knows its model; NULL: its first */
    const char *output; /* plain: where in its answer the output stands ("data.0"); NULL: all of it
                         */
};

struct version_config {
    const char *dialect;      /* "cog", "openai" or "plain": the protocol */
    struct version_http http; /* of the latter two */
    const char *predict_ref;  /* "predict.py:Predictor"; NULL: trains only */
    const char *train_ref;    /* NULL */
    int64_t concurrency;      /* slots of one instance, >= 1 */
    bool needs_gpu;
    const char *weights; /* COG_WEIGHTS: an address, or a file relative to the data folder; NULL */
    const char *env;     /* folder of the Python environment, relative to the data folder */
    const char
        *image; /* what an instance runs, as the engine calls it ("sha256:…"); NULL: a folder */
    bool has_init;                  /* of the image: it brings an init process of its own */
    const char *const *environment; /* "NAME=value" from cog.yaml; ends with NULL */
    bool iterator;                  /* output comes piece by piece */
    bool output_files_listed; /* output is a list or iterator of files: uploads would lose their
                                 order */
};

/* Reads the stored text; everything lives in the arena. */
enum status version_config_parse(struct arena *a, struct str text, struct version_config *out,
                                 struct error *err) NODISCARD;
/* Whether it is told to no server but Cog's. */
bool version_is_cog(const struct version_config *c);
void version_config_write(const struct version_config *c, struct buf *out);
