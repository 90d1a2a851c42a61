/* SPDX-License-Identifier: Apache-2.0 */
/* The store's threads. One writer takes all writes that wait, runs them as one group, and hands
 * them back; two readers take reads one at a time. What is done goes to `finished` and the loop is
 * woken. The queue batches by itself: while one group is made durable, the next one gathers. What
 * nobody waits for yet (store_start_later()) does not wake the writer: it goes with the next write,
 * or when its timer fires.
 *
 * A read that starts after a write's `done` sees it, since the write was committed before and every
 * read begins a snapshot of its own.
 *
 * Inline (":memory:", or a virtual loop): operations run inside store_start() and only `done` waits
 * for the next turn.
 *
 * Who may touch what: the queues, the counters and `stopping` belong to whoever holds `lock`; the
 * writer's connection to whoever holds `db_lock` (the writer, or store_run()); a reader's
 * connection to its thread. */
#include "store/store.h"

#include "base/mem.h"
#include "store/group.h"
#include "store/model.h"

#include <assert.h>
#include <pthread.h>

enum { N_READERS = 2, MAX_GROUP = 512, LATER_MS = 5 };

struct reader_thread {
    struct store *store;
    struct db *db;
    pthread_t thread;
    bool running;
};

/* Apart from struct store, so that store_stats() can lock it through a const pointer. */
struct shared {
    pthread_mutex_t lock;
    pthread_cond_t write_ready, read_ready, finished_ready;
    struct list writes, reads, finished;
    struct store_stats stats;
    size_t n_pending; /* started, `done` not called yet */
    bool is_due;      /* a write has been waited for since the writer last took all of them */
    bool stopping;
};

struct store {
    struct loop *loop;
    const struct engine *engine;
    bool is_inline;
    struct shared *shared;
    struct db *db; /* the writer's */
    pthread_mutex_t db_lock;
    pthread_t writer;
    bool writer_running;
    struct reader_thread readers[N_READERS];
    struct wakeup *wakeup; /* threads */
    struct timer later;    /* threads: when what waits is due */
    bool is_closing;
    struct deferred deferred; /* inline */
    store_trouble trouble;
    void *trouble_arg;
};

static void splice(struct list *from, struct list *to)
{
    while (!list_empty(from)) {
        struct list *node = list_first(from);

        list_remove(node);
        list_push(to, node);
    }
}

/* Calls `done` for all that is finished now; what they start is finished later. */
static size_t deliver(struct store *s)
{
    struct shared *sh = s->shared;
    struct list batch = LIST_INIT(batch);
    size_t n = 0;

    (void)pthread_mutex_lock(&sh->lock);
    splice(&sh->finished, &batch);
    (void)pthread_mutex_unlock(&sh->lock);
    while (!list_empty(&batch)) {
        struct store_op *op = container_of(list_first(&batch), struct store_op, node);

        list_remove(&op->node);
        (void)pthread_mutex_lock(&sh->lock);
        sh->n_pending--;
        (void)pthread_mutex_unlock(&sh->lock);
        n++;
        op->done(op);
    }
    return n;
}

static void on_wakeup(void *arg)
{
    (void)deliver(arg);
}

static void on_deferred(struct deferred *d)
{
    (void)deliver(container_of(d, struct store, deferred));
}

static void finish(struct store *s, struct list *ops)
{
    struct shared *sh = s->shared;

    (void)pthread_mutex_lock(&sh->lock);
    splice(ops, &sh->finished);
    (void)pthread_cond_signal(&sh->finished_ready);
    (void)pthread_mutex_unlock(&sh->lock);
    if (s->is_inline)
        deferred_call(&s->deferred);
    else
        wakeup_send(s->wakeup);
}

static void write_group(struct store *s, struct list *ops, size_t n)
{
    struct shared *sh = s->shared;
    bool committed = false;

    (void)pthread_mutex_lock(&s->db_lock);
    committed = group_write(s->engine, s->db, ops);
    (void)pthread_mutex_unlock(&s->db_lock);
    (void)pthread_mutex_lock(&sh->lock);
    sh->stats.commits += committed;
    sh->stats.writes += n;
    (void)pthread_mutex_unlock(&sh->lock);
}

static void read_one(struct store *s, struct db *db, struct store_op *op)
{
    struct shared *sh = s->shared;

    group_read(s->engine, db, op);
    (void)pthread_mutex_lock(&sh->lock);
    sh->stats.reads++;
    (void)pthread_mutex_unlock(&sh->lock);
}

/* Waits for work of one kind; false when the store stops and none is left. */
static bool take_work(struct shared *sh, struct list *queue, pthread_cond_t *ready, size_t max,
                      struct list *out, size_t *out_n)
{
    bool is_write = queue == &sh->writes;
    size_t n = 0;

    (void)pthread_mutex_lock(&sh->lock);
    while ((list_empty(queue) || (is_write && !sh->is_due)) && !sh->stopping)
        (void)pthread_cond_wait(ready, &sh->lock);
    for (; n < max && !list_empty(queue); n++) {
        struct list *node = list_first(queue);

        list_remove(node);
        list_push(out, node);
        container_of(node, struct store_op, node)->waits = false;
    }
    sh->stats.queue_length -= n;
    if (is_write)
        sh->is_due = !list_empty(queue);
    (void)pthread_mutex_unlock(&sh->lock);
    *out_n = n;
    return n > 0;
}

static void *writer_main(void *arg)
{
    struct store *s = arg;
    struct shared *sh = s->shared;
    struct list group = LIST_INIT(group);
    size_t n = 0;

    while (take_work(sh, &sh->writes, &sh->write_ready, MAX_GROUP, &group, &n)) {
        write_group(s, &group, n);
        finish(s, &group);
    }
    return NULL;
}

static void *reader_main(void *arg)
{
    struct reader_thread *r = arg;
    struct shared *sh = r->store->shared;
    struct list taken = LIST_INIT(taken);
    size_t n = 0;

    while (take_work(sh, &sh->reads, &sh->read_ready, 1, &taken, &n)) {
        read_one(r->store, r->db, container_of(list_first(&taken), struct store_op, node));
        finish(r->store, &taken);
    }
    return NULL;
}

static void wake_writer(struct shared *sh)
{
    sh->is_due = true;
    (void)pthread_cond_signal(&sh->write_ready);
}

static void on_later(struct timer *t)
{
    struct shared *sh = container_of(t, struct store, later)->shared;

    (void)pthread_mutex_lock(&sh->lock);
    if (!list_empty(&sh->writes))
        wake_writer(sh);
    (void)pthread_mutex_unlock(&sh->lock);
}

static enum status start_threads(struct store *s, const char *path, struct error *err)
{
    s->wakeup = wakeup_new(s->loop, on_wakeup, s);
    if (pthread_create(&s->writer, NULL, writer_main, s) != 0)
        return FAIL(err, STATUS_BROKEN, "cannot start the store's writer thread");
    s->writer_running = true;
    for (size_t i = 0; i < N_READERS; i++) {
        struct reader_thread *r = &s->readers[i];
        enum status st = s->engine->open(path, true, &r->db, err);

        if (st != STATUS_OK)
            return st;
        r->store = s;
        if (pthread_create(&r->thread, NULL, reader_main, r) != 0)
            return FAIL(err, STATUS_BROKEN, "cannot start a reader thread of the store");
        r->running = true;
    }
    return STATUS_OK;
}

static struct shared *shared_new(void)
{
    struct shared *sh = xnew(struct shared);

    (void)pthread_mutex_init(&sh->lock, NULL);
    (void)pthread_cond_init(&sh->write_ready, NULL);
    (void)pthread_cond_init(&sh->read_ready, NULL);
    (void)pthread_cond_init(&sh->finished_ready, NULL);
    list_init(&sh->writes);
    list_init(&sh->reads);
    list_init(&sh->finished);
    return sh;
}

enum status store_open(struct loop *l, const char *path, struct store **out, struct error *err)
{
    struct store *s = xnew(struct store);
    enum status st = STATUS_OK;

    s->loop = l;
    s->engine = &sqlite_engine;
    s->is_inline = strcmp(path, ":memory:") == 0 || !loop_uv(l);
    s->shared = shared_new();
    (void)pthread_mutex_init(&s->db_lock, NULL);
    deferred_init(l, &s->deferred, on_deferred);
    timer_init(l, &s->later, on_later);
    st = s->engine->open(path, false, &s->db, err);
    if (st == STATUS_OK)
        st = s->engine->migrate(s->db, err);
    if (st == STATUS_OK && !s->is_inline)
        st = start_threads(s, path, err);
    if (st != STATUS_OK) {
        store_close(s);
        return st;
    }
    *out = s;
    return STATUS_OK;
}

/* Every `done` comes, and so do those of what they start. */
static void wait_for_all(struct store *s)
{
    struct shared *sh = s->shared;

    s->is_closing = true;
    timer_stop(&s->later);
    (void)pthread_mutex_lock(&sh->lock);
    wake_writer(sh);
    while (sh->n_pending > 0) {
        while (list_empty(&sh->finished))
            (void)pthread_cond_wait(&sh->finished_ready, &sh->lock);
        (void)pthread_mutex_unlock(&sh->lock);
        (void)deliver(s);
        (void)pthread_mutex_lock(&sh->lock);
    }
    sh->stopping = true;
    (void)pthread_cond_broadcast(&sh->write_ready);
    (void)pthread_cond_broadcast(&sh->read_ready);
    (void)pthread_mutex_unlock(&sh->lock);
}

static void shared_free(struct shared *sh)
{
    (void)pthread_cond_destroy(&sh->write_ready);
    (void)pthread_cond_destroy(&sh->read_ready);
    (void)pthread_cond_destroy(&sh->finished_ready);
    (void)pthread_mutex_destroy(&sh->lock);
    mem_free(&sh);
}

void store_close(struct store *s)
{
    if (!s)
        return;
    wait_for_all(s);
    if (s->writer_running)
        (void)pthread_join(s->writer, NULL);
    for (size_t i = 0; i < N_READERS; i++) {
        if (s->readers[i].running)
            (void)pthread_join(s->readers[i].thread, NULL);
        s->engine->close(s->readers[i].db);
    }
    s->engine->close(s->db); /* the last: it makes the final checkpoint */
    if (s->wakeup)
        wakeup_free(s->wakeup);
    deferred_cancel(&s->deferred);
    (void)pthread_mutex_destroy(&s->db_lock);
    shared_free(s->shared);
    mem_free(&s);
}

struct store_stats store_stats(const struct store *s)
{
    struct shared *sh = s->shared;
    struct store_stats stats;

    (void)pthread_mutex_lock(&sh->lock);
    stats = sh->stats;
    (void)pthread_mutex_unlock(&sh->lock);
    return stats;
}

static void run_here(struct store *s, struct store_op *op)
{
    struct list one = LIST_INIT(one);

    if (op->type->is_write) {
        list_push(&one, &op->node);
        write_group(s, &one, 1);
        list_remove(&op->node);
        return;
    }
    (void)pthread_mutex_lock(&s->db_lock);
    read_one(s, s->db, op);
    (void)pthread_mutex_unlock(&s->db_lock);
}

static void start(struct store *s, struct store_op *op, const struct store_op_type *type,
                  store_done done, bool later)
{
    struct shared *sh = s->shared;
    struct list one = LIST_INIT(one);

    op->type = type;
    op->done = done;
    op->status = STATUS_OK;
    (void)pthread_mutex_lock(&sh->lock);
    assert(!sh->stopping);
    sh->n_pending++;
    if (!s->is_inline) {
        sh->stats.queue_length++;
        op->waits = true;
        list_push(type->is_write ? &sh->writes : &sh->reads, &op->node);
        if (!type->is_write)
            (void)pthread_cond_signal(&sh->read_ready);
        else if (!later)
            wake_writer(sh);
    }
    (void)pthread_mutex_unlock(&sh->lock);
    if (!s->is_inline)
        return;
    if (s->trouble)
        op->status = s->trouble(s->trouble_arg, type, &op->error);
    if (op->status == STATUS_OK)
        run_here(s, op);
    list_push(&one, &op->node);
    finish(s, &one);
}

void store_start(struct store *s, struct store_op *op, const struct store_op_type *type,
                 store_done done)
{
    start(s, op, type, done, false);
}

void store_start_later(struct store *s, struct store_op *op, const struct store_op_type *type,
                       store_done done)
{
    assert(type->is_write);
    start(s, op, type, done, !s->is_closing);
    if (!s->is_inline && !s->is_closing && !timer_armed(&s->later))
        timer_start(&s->later, LATER_MS);
}

void store_set_trouble(struct store *s, store_trouble trouble, void *arg)
{
    assert(s->is_inline);
    s->trouble = trouble;
    s->trouble_arg = arg;
}

bool store_take_back(struct store *s, struct store_op *op)
{
    struct shared *sh = s->shared;
    bool found = false;

    (void)pthread_mutex_lock(&sh->lock);
    found = op->waits;
    if (found) {
        list_remove(&op->node);
        op->waits = false;
        sh->n_pending--;
        sh->stats.queue_length--;
    }
    (void)pthread_mutex_unlock(&sh->lock);
    return found;
}

enum status store_run(struct store *s, struct store_op *op, const struct store_op_type *type)
{
    op->type = type;
    run_here(s, op);
    return op->status;
}

void store_op_init(struct store_op *op)
{
    *op = (struct store_op){ .status = STATUS_OK };
    list_init(&op->node);
    arena_init(&op->arena);
}

void store_op_deinit(struct store_op *op)
{
    arena_deinit(&op->arena);
}

const char *store_keep(struct store_op *op, struct str s)
{
    return s.p ? arena_copy(&op->arena, s) : NULL;
}

struct version_row store_version_keep(struct store_op *op, const struct version_row *row)
{
    struct version_row kept = *row;
    const char **texts[] = { &kept.seq,   &kept.id,    &kept.model_id,       &kept.owner_id,
                             &kept.owner, &kept.model, &kept.model_hardware, &kept.cog_version,
                             &kept.kind,  &kept.path };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        *texts[i] = store_keep(op, str_of(*texts[i]));
    kept.schema.p = store_keep(op, row->schema);
    kept.config.p = store_keep(op, row->config);
    return kept;
}
