/* SPDX-License-Identifier: Apache-2.0 */
/* For exec functions: runs statements and reads their rows column by column, in the order of the
 * SELECT, into the operation's arena. Internal to store/. */
#pragma once

#include "store/db.h"
#include "store/sql.h"

struct reader {
    struct db *db;
    struct db_rows *rows;
    struct arena *arena;
    struct error *err;
    enum status status; /* of the query so far */
    int at;             /* next column */
};

#define READER_INIT                                                                                \
    {                                                                                              \
        .db = NULL                                                                                 \
    }

enum status db_exec(struct db *db, const struct sql_statement *st, const struct db_value *args,
                    int64_t *out_changed, struct error *err) NODISCARD;
/* Whether the query gives a row. */
enum status db_exists(struct db *db, const struct sql_statement *st, const struct db_value *args,
                      bool *out, struct error *err) NODISCARD;

enum status reader_open(struct reader *r, struct db *db, const struct sql_statement *st,
                        const struct db_value *args, struct arena *arena,
                        struct error *err) NODISCARD;
/* Goes to the next row's first column. False at the end, or on a fault: then r->status is not OK.
 */
bool reader_next(struct reader *r);
void reader_close(struct reader *r); /* for CLEANUP() */

int64_t read_int(struct reader *r); /* 0 for NULL */
bool read_bool(struct reader *r);
bool read_is_null(struct reader *r); /* stays at its column when it is not */
double read_real(struct reader *r);
const char *read_text(struct reader *r); /* a copy; NULL for NULL */
struct str read_bytes(struct reader *r); /* a copy, NUL-terminated; p == NULL for NULL */
struct str peek_bytes(struct reader *r); /* not copied: good until the next row */

/* An array that grows while rows are read; `out` is struct T **. */
#define reader_grow(r, array, n)                                                                   \
    (((n) & ((n)-1)) == 0 ? reader_double((r), (array), (n), sizeof(*(array))) : (void *)(array))
/* Room for twice n (at least one); the n that are there are kept. */
void *reader_double(struct reader *r, const void *array, size_t n, size_t size);
