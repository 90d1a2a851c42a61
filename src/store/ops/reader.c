/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ops/reader.h"

enum status db_exec(struct db *db, const struct sql_statement *st, const struct db_value *args,
                    int64_t *out_changed, struct error *err)
{
    return db->ops->exec(db, st, args, out_changed, err);
}

enum status reader_open(struct reader *r, struct db *db, const struct sql_statement *st,
                        const struct db_value *args, struct arena *arena, struct error *err)
{
    *r = (struct reader){ .db = db, .arena = arena, .err = err };
    r->status = db->ops->query(db, st, args, &r->rows, err);
    return r->status;
}

bool reader_next(struct reader *r)
{
    struct error err = { .status = STATUS_OK };

    r->at = 0;
    if (r->status != STATUS_OK)
        return false;
    if (r->db->ops->next(r->rows, &err))
        return true;
    if (err.status != STATUS_OK)
        *r->err = err;
    r->status = err.status;
    return false;
}

void reader_close(struct reader *r)
{
    if (r->rows)
        r->db->ops->close(r->rows);
    r->rows = NULL;
}

enum status db_exists(struct db *db, const struct sql_statement *st, const struct db_value *args,
                      bool *out, struct error *err)
{
    CLEANUP(reader_close) struct reader r = READER_INIT;
    enum status s = reader_open(&r, db, st, args, NULL, err);
    bool found = false;

    if (s != STATUS_OK)
        return s;
    found = reader_next(&r);
    if (r.status == STATUS_OK)
        *out = found;
    return r.status;
}

static struct db_value next_column(struct reader *r)
{
    return r->db->ops->column(r->rows, r->at++);
}

bool read_is_null(struct reader *r)
{
    bool is_null = r->db->ops->column(r->rows, r->at).type == DB_NULL;

    r->at += is_null;
    return is_null;
}

int64_t read_int(struct reader *r)
{
    return next_column(r).i;
}

bool read_bool(struct reader *r)
{
    return next_column(r).i != 0;
}

double read_real(struct reader *r)
{
    return next_column(r).d;
}

struct str peek_bytes(struct reader *r)
{
    return next_column(r).s;
}

struct str read_bytes(struct reader *r)
{
    struct str s = next_column(r).s;

    return s.p ? str_make(arena_copy(r->arena, s), s.n) : STR_NULL;
}

const char *read_text(struct reader *r)
{
    return read_bytes(r).p;
}

void *reader_double(struct reader *r, const void *array, size_t n, size_t size)
{
    void *more = arena_alloc(r->arena, (n > 0 ? 2 * n : 1) * size);

    if (n > 0)
        memcpy(more, array, n * size);
    return more;
}
