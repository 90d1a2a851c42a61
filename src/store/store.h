/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept: the store as everybody else sees it. No SQL and no SQLite here.
 *
 * An operation is one closed unit: a struct with what goes in, one exec function that runs on a
 * store thread inside one transaction (writes in groups that share one commit), and what comes out.
 * There is no callback between its statements; conditions stand in WHERE and the row count is the
 * answer. `done` comes on the loop, after the commit for writes. Results live in the operation's
 * arena until store_op_deinit().
 *
 * The operations are in store/account.h, model.h, deployment.h, prediction.h, instance.h, build.h.
 * Their exec functions are written once, against store/db.h, and serve every engine. */
#pragma once

#include "base/arena.h"
#include "base/status.h"
#include "loop/loop.h"

struct db;
struct store;
struct store_op;

typedef void (*store_done)(struct store_op *op);

struct store_op {
    const struct store_op_type *type;
    struct list node;
    store_done done;
    bool waits; /* started, and no thread has taken it yet; the store's */
    void *user;
    struct arena arena; /* inputs may be copied here too, with store_keep() */
    enum status status; /* the outcome, also in error.status when not OK */
    struct error error;
};

struct store_op_type {
    const char *name;
    bool is_write;
    /* On a store thread. FAIL() into op->error undoes what this operation wrote, and only that. It
     * may run a second time in a new transaction: it sets all that it gives out and changes nothing
     * that it was given. */
    enum status (*exec)(struct db *db, struct store_op *op);
} DESIGNATED;

struct store_stats {
    uint64_t commits, writes, reads;
    size_t queue_length;
};

/* Opens or creates the database file, runs the migrations that are missing, starts the writer and
 * reader threads. A database newer than this program is refused. `path` may be ":memory:" (tests,
 * simulation): then operations run inline and `done` comes on the next turn. */
enum status store_open(struct loop *l, const char *path, struct store **out,
                       struct error *err) NODISCARD;
/* Waits for what was started; every `done` still comes before this returns, and so do those of
 * operations that these start. Not from inside a `done`. NULL is fine. */
void store_close(struct store *s);
struct store_stats store_stats(const struct store *s);

/* `op` is the first member of the operation's struct. Inputs must stay valid until done: they point
 * into the caller's memory or were copied with store_keep(). */
void store_start(struct store *s, struct store_op *op, const struct store_op_type *type,
                 store_done done);
/* As store_start(), for a write that nobody waits for yet: it is written with the next one that is
 * started, and a few milliseconds later at the latest. The order of writes stays. */
void store_start_later(struct store *s, struct store_op *op, const struct store_op_type *type,
                       store_done done);
/* Takes back an operation that was started and that no thread has begun: true, and `done` does not
 * come. */
bool store_take_back(struct store *s, struct store_op *op);
/* Runs one operation now on the loop's own connection; for start-up only. */
enum status store_run(struct store *s, struct store_op *op, const struct store_op_type *type);

/* Of an inline store: is asked before each operation that is started. What is not OK is its
 * outcome, and nothing of it happens. For simulations of what goes wrong; NULL ends it. */
typedef enum status (*store_trouble)(void *arg, const struct store_op_type *type,
                                     struct error *err);
void store_set_trouble(struct store *s, store_trouble trouble, void *arg);

void store_op_init(struct store_op *op);                   /* a zeroed struct will do too */
void store_op_deinit(struct store_op *op);                 /* frees the arena */
const char *store_keep(struct store_op *op, struct str s); /* p == NULL gives NULL */

/* A page of a list: newest first, keyset by id. */
struct page_query {
    const char
        *after; /* rows older than this id (going on to the next page); NULL: from the start */
    const char *before; /* rows newer than this id (going back); NULL; at most one of both */
    int limit;
};
/* Both false where the page is empty: there is no row to go on from. */
struct page_info {
    bool has_next, has_previous;
};
