/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs that are files. Between the queue and the instance each address in an input becomes one
 * that the instance can reach and nobody else: http and https are fetched by us (the instance's
 * network is not trusted with that), large data addresses become files, our own files and outputs
 * are used where they lie.
 *
 * The instance gets "<internal base>/_i/<capability>/input/<id and signature>/<name>": the last
 * segment keeps the file's name, which models look at. */
#pragma once

#include "run/file.h"
#include "run/input_plan.h"

struct input_files;

struct input_files_spec {
    const char *account_id, *prediction_id, *base_url;
    struct input_plan *plan; /* is taken */
    size_t keep_most;        /* a plan's text beyond this is not kept */
};

/* `done` comes once and never from inside; NULL err: all are at hand. */
struct input_files *input_files_new(struct files *f, const struct input_files_spec *spec,
                                    void (*done)(void *arg, const struct error *err),
                                    void *arg) NODISCARD;
/* At any time; then `done` does not come. What was fetched goes when the prediction ends. */
void input_files_free(struct input_files *x);
/* Once they are at hand: the input as the instance gets it. `plan` is one that was made anew of the
 * same input, for the same schema; NULL: the one that was kept, if it was. */
bool input_files_have_text(const struct input_files *x);
void input_files_fill(const struct input_files *x, const struct input_plan *plan,
                      const char *internal_url, struct buf *out);
/* Gives up all that is under way. */
void input_files_stop(struct files *f);

/* Which file a segment of an internal address names: the id, or false when we did not sign it. */
bool input_file_id(const struct files *f, struct str segment, char out[ID_SIZE]);
