/* SPDX-License-Identifier: Apache-2.0 */
/* What cog.yaml and model.yaml have in common: how keys are read and complained of, and the keys
 * build, environment and concurrency. */
#pragma once

#include "run/cogyaml.h"

struct yaml_reader {
    struct arena *arena;
    struct error *err;
    struct cog_yaml *out;
    const char *file; /* at the head of error texts */
    const char *who;  /* knows the keys */
};

/* NULL ends `keys`; `where` stands before a key's name ("build."). */
enum status yaml_only_keys(struct yaml_reader *r, const struct json *v, const char *where,
                           const char *const *keys) NODISCARD;
/* These take what is not there, or null, for not said. */
enum status yaml_must_be_mapping(struct yaml_reader *r, const struct json *v,
                                 const char *name) NODISCARD;
enum status yaml_read_text(struct yaml_reader *r, const struct json *v, const char *name,
                           const char **out) NODISCARD;
enum status yaml_read_list(struct yaml_reader *r, const struct json *v, const char *name,
                           const char *const **out) NODISCARD;
/* Into r->out. */
enum status yaml_read_build(struct yaml_reader *r, const struct json *build) NODISCARD;
enum status yaml_read_concurrency(struct yaml_reader *r, const struct json *v) NODISCARD;
enum status yaml_check_environment(struct yaml_reader *r) NODISCARD;
