/* SPDX-License-Identifier: Apache-2.0 */
/* cog.yaml as Cog 0.23 defines it: what a model says of itself. What cannot be done without
 * building an image is refused by the name of its key. */
#pragma once

#include "base/json.h"

struct cog_yaml {
    const char *file;                   /* what all this stands in: "cog.yaml" */
    const char *predict_ref;            /* "predict.py:Predictor"; NULL: none */
    const char *train_ref;              /* NULL: none */
    const char *python_version;         /* "3.11"; NULL: not said */
    const char *requirements_file;      /* relative path; NULL */
    const char *const *packages;        /* build.python_packages; ends with NULL */
    const char *const *system_packages; /* ends with NULL */
    const char *const *environment;     /* "NAME=value"; ends with NULL */
    bool gpu;
    int64_t concurrency; /* 0: not said */
};

/* INVALID names the key, what it holds and what would be right. Everything lives in the arena. */
enum status cog_yaml_read(struct arena *a, struct str text, struct cog_yaml *out,
                          struct error *err) NODISCARD;

/* Whether a line of a requirements file may be used: NULL, or what is wrong with it (options that
 * choose an index, paths other than a wheel that the folder itself brings, links, version control,
 * and any character that an installer could take for the end of the line). */
const char *requirement_problem(struct str line);
/* The distribution's name in lower case with "-" for "_" and ".": "PyYAML[x]>=1" gives "pyyaml". */
struct str requirement_name(struct arena *a, struct str line);
