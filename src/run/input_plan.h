/* SPDX-License-Identifier: Apache-2.0 */
/* An input as an instance will get it, but for the addresses of its files: these are cut out, and
 * put in when the instance is known. Large data addresses leave the text that way, so that most
 * inputs are small enough to be kept while they wait. */
#pragma once

#include "core/input.h"

struct input_place {
    size_t at;        /* in the text */
    struct str field; /* for messages */
    struct str url;   /* p == NULL: data */
    char *data;       /* a data address; of the heap */
};

struct input_plan {
    struct arena arena; /* what the places point to */
    struct buf text;    /* normalised */
    struct input_place *places;
    size_t n;
    enum status status;
    struct error error;
};

enum { INPUT_FILES_MOST = 1000 };

/* Parses, normalises and looks for files: long for a large input, and fit for any thread. Without
 * `with_files` nothing is cut out. */
void input_plan_make(struct input_plan *plan, const struct input_schema *schema, struct str input,
                     bool with_files);
/* The text with the given JSON texts at its places. */
void input_plan_fill(const struct input_plan *plan, const struct str *with, struct buf *out);
void input_plan_deinit(struct input_plan *plan);
