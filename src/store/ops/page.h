/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of a list by keyset, the same way for all lists. Internal to store/.
 *
 * A list has two statements, `older` and `newer`, that go down and up from a key; their parameters
 * begin with (id, limit) or, where rows are ordered by something else first, (id, limit, at). One
 * row more than the page holds tells whether the list goes on that way; the other way is tried with
 * the other statement. */
#pragma once

#include "store/ops/reader.h"
#include "store/store.h"

enum { PAGE_ID, PAGE_LIMIT, PAGE_AT, PAGE_MAX_ARGS = 8 };

struct page_key {
    const char *id;
    int64_t at; /* 0 in a list by id alone */
};

struct page_walk {
    struct db *db;
    struct store_op *op;
    const struct sql_statement *older, *newer;
    struct db_value older_args[PAGE_MAX_ARGS]; /* what comes behind PAGE_LIMIT or PAGE_AT */
    struct db_value newer_args[PAGE_MAX_ARGS];
    bool has_at;
    bool rising;           /* the list's own order is oldest first */
    struct page_key after; /* id == NULL: none; where both are given `after` counts */
    struct page_key before;
    struct page_key oldest; /* bounds that the walk starts from without a cursor; */
    struct page_key newest; /* page_walk_init() sets them to the ends of all lists */
    int limit;
    /* Whether a row belongs to the list; NULL: all do. */
    bool (*wants)(struct page_walk *w, struct reader *r);
    /* Reads a row into place `at` of the caller's arrays, which have `limit` places. Gives its key,
     * and how many bytes it is that count for max_bytes. */
    struct page_key (*read)(struct page_walk *w, struct reader *r, size_t at, size_t *out_bytes);
    size_t max_bytes; /* 0: no limit; a page has one row at least */
    void *user;
};

/* Fills in the list by id of a page_query. */
void page_walk_init(struct page_walk *w, struct db *db, struct store_op *op,
                    const struct page_query *q);
/* The rows are at out_first, out_n of them, in the caller's arrays, in the list's order. */
enum status page_walk(struct page_walk *w, size_t *out_first, size_t *out_n,
                      struct page_info *out_info) NODISCARD;
