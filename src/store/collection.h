/* SPDX-License-Identifier: Apache-2.0 */
/* Collections of models, and the examples that a model's owner picked. */
#pragma once

#include "store/model.h"
#include "store/prediction.h"

struct collection_row {
    const char *id;
    const char *slug; /* unique */
    const char *name, *description;
    const char *full_description; /* Markdown; NULL: none */
    int64_t created_at;
};

/* Makes or changes one: a NULL member stays as it is (a new one needs `name`: else NOT_FOUND). Then
 * adds and removes models, given as "owner/name": UNPROCESSABLE names the first that does not
 * exist. */
struct store_collection_put {
    struct store_op op;
    struct collection_row in; /* `id` and `created_at` for a new one */
    const char **add, **remove;
    size_t n_add, n_remove;
    int64_t now;
    struct collection_row row; /* out */
};
extern const struct store_op_type STORE_COLLECTION_PUT;

struct store_collection_delete {
    struct store_op op;
    const char *slug; /* NOT_FOUND */
};
extern const struct store_op_type STORE_COLLECTION_DELETE;

struct store_collection_list {
    struct store_op op;
    struct page_query page;
    struct collection_row *rows;
    size_t n;
    struct page_info info;
};
extern const struct store_op_type STORE_COLLECTION_LIST;

/* One, with the models that the viewer may see. NOT_FOUND. */
struct store_collection_get {
    struct store_op op;
    const char *slug;
    const char *viewer_id; /* NULL: sees everything */
    struct collection_row row;
    struct model_row *models;
    struct version_row *latest; /* same index */
    size_t n;
};
extern const struct store_op_type STORE_COLLECTION_GET;

/* The first page of a search of models, and the collections whose texts have all its words. */
struct store_search {
    struct store_model_list models; /* with `search` */
    struct collection_row *collections;
    size_t n_collections;
};
extern const struct store_op_type STORE_SEARCH;

/* Whether all words of `words` occur in one of the texts; letter case of ASCII is ignored. */
bool search_matches(struct str words, const struct str *texts, size_t n_texts);

/* The owner's choice: a prediction of their own that succeeded on the model, and still has its
 * data. The first becomes the model's default example. NOT_FOUND, FORBIDDEN, UNPROCESSABLE. */
struct store_example_put {
    struct store_op op;
    struct str owner, name;
    const char *viewer_id;
    const char *prediction_id;
    bool remove; /* instead */
};
extern const struct store_op_type STORE_EXAMPLE_PUT;

struct store_example_list {
    struct store_op op;
    struct page_query page;
    struct str owner, name;
    const char *viewer_id;
    struct prediction_row *rows;
    size_t n;
    struct page_info info;
};
extern const struct store_op_type STORE_EXAMPLE_LIST;
