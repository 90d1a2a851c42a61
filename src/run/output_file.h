/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs that are files: data addresses in an output become files with an unguessable address, in
 * their place. */
#pragma once

#include "core/input.h"
#include "run/file.h"

/* A file that the instance uploaded by itself while the prediction ran. */
struct output_upload {
    struct list node;
    char id[ID_SIZE];
    char *url, *content_type;
    int64_t size;
};

/* Files that have an address already, in the order in which they were stored. */
struct output_told {
    struct output_told_file *v;
    size_t n, room, first; /* those before `first` are used */
};
struct output_told_file {
    int64_t size;
    char *sha256, *address; /* the address as JSON */
    bool is_used;
};
void output_told_add(struct output_told *t, const char *base_url, const struct file_row *row,
                     bool is_used);
void output_told_rewind(struct output_told *t); /* all can be used again */
void output_told_deinit(struct output_told *t);

struct output_files_spec {
    const char *account_id, *prediction_id, *base_url;
    const struct input_schema *schema; /* of outputs; outlives the call */
    struct str output;                 /* JSON; lives until `done` */
    struct list *uploads;              /* struct output_upload; moved away from there */
    int64_t inline_limit;              /* bytes of files up to which `inlined` is made; 0: never */
    /* A file with the same bytes as one of these, not used yet, has its address; marked there until
     * `done`. NULL: none. */
    struct output_told *told;
    bool must_fit;   /* the output is checked against the schema */
    bool is_listed;  /* names are numbered, though there be one only, */
    size_t n_before; /* from here on */
};

struct output_files_result {
    struct str output;           /* with addresses in the place of files */
    struct str inlined;          /* the same with the files themselves; p == NULL: not made */
    const struct file_row *rows; /* to be recorded together with the output */
    size_t n;
    size_t n_found;     /* files, with those that had an address */
    const char *misfit; /* must_fit: why it does not; NULL: it does */
};

/* Whether there may be anything to do: only then start. */
bool output_files_needed(struct str output, const struct list *uploads);
/* Why an output (JSON; "": null) is none of the schema, a sentence in the arena; NULL: it is. One
 * with more than two million values is not looked at. Any thread. */
const char *output_misfit(const struct input_schema *s, struct arena *a, struct str output);
/* `done` comes once, never from inside; what it is given lives in `a`. With an error nothing is
 * left of the files. What is not recorded in the end is to be removed by its id. */
void output_files_start(struct files *f, struct arena *a, const struct output_files_spec *spec,
                        void (*done)(void *arg, const struct output_files_result *r,
                                     const struct error *err),
                        void *arg);

void output_upload_add(struct list *uploads, const char *id, const char *url,
                       const char *content_type, int64_t size);
void output_uploads_free(struct list *uploads);
