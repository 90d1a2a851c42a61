/* SPDX-License-Identifier: Apache-2.0 */
/* Models and versions in the store. */
#pragma once

#include "store/store.h"

struct prediction_row;

#define VERSION_IMAGE "image"

struct model_row {
    const char *id;
    const char *owner_id, *owner; /* the account's id and username */
    const char *name;
    bool is_public;
    const char *description, *readme, *github_url, *paper_url, *license_url, *weights_url,
        *cover_image_url; /* NULL: none */
    const char *hardware; /* SKU of the model's own pool */
    int64_t run_count;    /* predictions that ended, whoever ran them */
    int64_t created_at;
    const char *latest_version; /* NULL: none */
    int64_t latest_version_created_at;
    const char *default_example; /* prediction id or NULL */
    const struct prediction_row
        *example; /* that prediction, in what get and list give; NULL: none */
};

/* A version: what can be run. The same content gives the same id, so several models may have it. */
struct version_row {
    const char *seq; /* 26 characters: time first, the page cursor */
    const char *id;  /* 64 lower-case hex digits */
    const char *model_id, *owner_id, *owner, *model; /* owner and model by name */
    bool model_is_public;
    const char *model_hardware;
    const char *cog_version; /* never NULL */
    const char *kind;        /* "folder", or VERSION_IMAGE: decides the runtime */
    struct str schema;       /* OpenAPI document (JSON) */
    struct str config; /* what the driver and protocol need to know (JSON), see core/version.h */
    const char *path;  /* folder of the version, relative to the data folder */
    bool trains;       /* not stored: the version as a training runs it */
    int64_t created_at;
};
/* A copy whose texts are the operation's, for what outlives the operation that found the row. */
struct version_row store_version_keep(struct store_op *op, const struct version_row *row);

/* CONFLICT when owner has a model of that name. */
struct store_model_create {
    struct store_op op;
    struct model_row in; /* latest_version* are ignored */
};
extern const struct store_op_type STORE_MODEL_CREATE;

/* NOT_FOUND when there is none, or it is private and not the viewer's. */
struct store_model_get {
    struct store_op op;
    struct str owner, name;
    const char *viewer_id; /* account that asks; NULL: sees everything */
    struct model_row row;
    struct version_row latest; /* latest.id == NULL: none */
};
extern const struct store_op_type STORE_MODEL_GET;

enum model_sort { MODEL_SORT_VERSION, MODEL_SORT_CREATED };
/* Public models and the viewer's own ones. The cursor is the sort key's text: "<ms>-<model id>". */
struct store_model_list {
    struct store_op op;
    struct page_query page;
    enum model_sort sort;
    bool ascending;
    const char *viewer_id;
    const char *search; /* NULL: all; else words that must all occur in owner, name, description or
                           readme */
    struct str owner;   /* p == NULL: any */
    struct model_row *rows;
    struct version_row *latest; /* same index; id == NULL: none */
    const char **cursors;       /* same index */
    size_t n;
    struct page_info info;
};
extern const struct store_op_type STORE_MODEL_LIST;

/* Sets the members whose bit is in `set` (a NULL value clears it). */
enum model_field {
    MODEL_DESCRIPTION = 1,
    MODEL_README = 2,
    MODEL_GITHUB_URL = 4,
    MODEL_PAPER_URL = 8,
    MODEL_WEIGHTS_URL = 16,
    MODEL_LICENSE_URL = 32,
    MODEL_COVER_IMAGE_URL = 64,
    MODEL_HARDWARE = 128,
    MODEL_VISIBILITY = 256,
    MODEL_DEFAULT_EXAMPLE = 512
};
struct store_model_update {
    struct store_op op;
    struct str owner, name;
    const char *viewer_id; /* must own it: else NOT_FOUND where it is hidden, FORBIDDEN where it is
                              public */
    unsigned set;
    struct model_row in;
    struct model_row row; /* out */
    struct version_row latest;
};
extern const struct store_op_type STORE_MODEL_UPDATE;

/* Only an owner's private model without versions: else NOT_FOUND, FORBIDDEN, UNPROCESSABLE with the
 * reason. */
struct store_model_delete {
    struct store_op op;
    struct str owner, name;
    const char *viewer_id;
    char model_id[32]; /* out */
};
extern const struct store_op_type STORE_MODEL_DELETE;

/* Registers a version and makes it the model's latest. When the model has it already, `existed` is
 * set and it is the latest again. */
struct store_version_create {
    struct store_op op;
    struct version_row
        in; /* seq, id, model_id, cog_version, kind, schema, config, path, created_at */
    bool existed;
};
extern const struct store_op_type STORE_VERSION_CREATE;

/* By model and id, or, when `owner` is p == NULL, by the bare id: the viewer's own model first,
 * then the oldest public one. NOT_FOUND also for what the viewer may not see. An empty id asks for
 * the latest. */
struct store_version_get {
    struct store_op op;
    struct str owner, name, id;
    const char *viewer_id;
    struct version_row row;
};
extern const struct store_op_type STORE_VERSION_GET;

/* Any version with this content, whoever's (its files can be used again). NOT_FOUND. */
struct store_version_find {
    struct store_op op;
    const char *id;
    const char *model_id; /* NULL: of any model, the oldest */
    struct version_row row;
};
extern const struct store_op_type STORE_VERSION_FIND;

struct store_version_list {
    struct store_op op;
    struct page_query page;
    struct str owner, name;
    const char *viewer_id;
    struct version_row *rows;
    size_t n;
    struct page_info info;
};
extern const struct store_op_type STORE_VERSION_LIST;

/* Preconditions: owned, private model, no deployment's release uses it, nobody else ran it, no
 * prediction of it is open: else NOT_FOUND, FORBIDDEN, UNPROCESSABLE with the reason. Its
 * predictions go too. */
struct store_version_delete {
    struct store_op op;
    struct str owner, name, id;
    const char *viewer_id;
    bool content_unused;  /* out: no other model has this content: its files may go */
    const char *path;     /* out */
    const char *model_id; /* out */
    struct str config;    /* out */
};
extern const struct store_op_type STORE_VERSION_DELETE;

/* Whether a version runs with these weights of a training: a file, relative to the data folder. */
struct store_weights_used {
    struct store_op op;
    const char *weights;
    bool is_used; /* out */
};
extern const struct store_op_type STORE_WEIGHTS_USED;
