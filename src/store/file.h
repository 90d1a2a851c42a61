/* SPDX-License-Identifier: Apache-2.0 */
/* Files in the store: what they are called and whose they are. Their bytes are blobs under the same
 * id.
 *
 * A file that has expired is not there for anybody, except for the sweep, which removes the bytes
 * first and the row last. The files of a prediction expire by themselves (triggers) when it, or its
 * data, is erased; copies of inputs when it ends. */
#pragma once

#include "store/store.h"

enum file_kind { FILE_UPLOADED, FILE_OUTPUT, FILE_INPUT };

struct file_row {
    const char *id; /* 26 characters */
    const char *account_id;
    enum file_kind kind;
    const char *prediction_id; /* of outputs and inputs; NULL */
    const char *secret;        /* 52 characters, of an output's address; NULL */
    const char *name;
    const char *content_type;
    int64_t size;
    const char *sha256, *md5; /* hex */
    struct str metadata;      /* JSON object; p == NULL: none */
    int64_t created_at;
    int64_t expires_at; /* 0: with its prediction */
};

struct store_file_create {
    struct store_op op;
    struct file_row in;
};
extern const struct store_op_type STORE_FILE_CREATE;

/* By id or by secret. NOT_FOUND; also when it is not the account's (NULL: any). */
struct store_file_get {
    struct store_op op;
    const char *id; /* NULL: by secret */
    const char *secret;
    const char *account_id;
    int64_t now;
    struct file_row row;
};
extern const struct store_op_type STORE_FILE_GET;

/* The uploaded ones of an account. */
struct store_file_list {
    struct store_op op;
    struct page_query page;
    const char *account_id;
    int64_t now;
    struct file_row *rows;
    size_t n;
    struct page_info info;
};
extern const struct store_op_type STORE_FILE_LIST;

/* What the output of a prediction holds, oldest first. */
struct store_file_of_prediction {
    struct store_op op;
    const char *prediction_id;
    struct file_row *rows;
    size_t n;
};
extern const struct store_op_type STORE_FILE_OF_PREDICTION;

/* An uploaded file of the account expires now. NOT_FOUND. */
struct store_file_delete {
    struct store_op op;
    const char *id, *account_id;
    int64_t now;
};
extern const struct store_op_type STORE_FILE_DELETE;

/* The copies of a prediction's inputs have served: they expire now. */
struct store_file_expire_inputs {
    struct store_op op;
    const char *prediction_id;
};
extern const struct store_op_type STORE_FILE_EXPIRE_INPUTS;

/* What has expired, and when the next one will (0: none will). */
struct store_file_expired {
    struct store_op op;
    int64_t now;
    int limit;
    const char **ids;
    size_t n;
    int64_t next_at;
};
extern const struct store_op_type STORE_FILE_EXPIRED;

/* Their bytes are gone: the rows go too. */
struct store_file_forget {
    struct store_op op;
    const char *const *ids;
    size_t n;
};
extern const struct store_op_type STORE_FILE_FORGET;

/* Which of these ids have no row, not even an expired one. */
struct store_file_unknown {
    struct store_op op;
    const char *const *ids;
    size_t n;
    const char **unknown;
    size_t n_unknown;
};
extern const struct store_op_type STORE_FILE_UNKNOWN;
