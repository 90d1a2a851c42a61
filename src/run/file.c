/* SPDX-License-Identifier: Apache-2.0 */
/* The sweep: what has expired is listed, its bytes are removed, then its rows; a crash in between
 * repeats it. */
#include "run/file.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/seal.h"
#include "blob/name.h"
#include "run/input_file.h"

#include <assert.h>
#include <stdlib.h>

enum { SWEEP_AT_MOST = 200, SWEEP_SOON_MS = 20, SWEEP_EVERY_MS = 60000, LOOK_AT_ONCE = 500 };

static void on_sweep(struct timer *t);
static void remove_strays(struct files *f);

enum status files_new(struct loop *l, const struct files_config *c, struct files **out,
                      struct error *err)
{
    struct files *f = xnew(struct files);
    enum status s = blobs_open(l, c->data, &f->blobs, err);

    if (s != STATUS_OK) {
        free(f);
        return s;
    }
    f->loop = l;
    f->store = c->store;
    f->client = c->client;
    f->options = c->options;
    f->key = str_make((const char *)c->key, SEAL_KEY_SIZE);
    id_gen_init(&f->ids, loop_rand(l));
    list_init(&f->inputs);
    timer_init(l, &f->sweep, on_sweep);
    timer_start(&f->sweep, SWEEP_SOON_MS);
    remove_strays(f);
    *out = f;
    return STATUS_OK;
}

void files_stop(struct files *f, void (*idle)(void *arg), void *arg)
{
    f->is_stopping = true;
    f->idle = idle;
    f->idle_arg = arg;
    timer_stop(&f->sweep);
    input_files_stop(f);
    if (f->n_held == 0)
        blobs_stop(f->blobs, idle, arg);
}

void files_hold(struct files *f)
{
    f->n_held++;
}

void files_release(struct files *f)
{
    assert(f->n_held > 0);
    if (--f->n_held == 0 && f->is_stopping)
        blobs_stop(f->blobs, f->idle, f->idle_arg);
}

void files_free(struct files *f)
{
    if (!f)
        return;
    assert(f->n_held == 0 && list_empty(&f->inputs));
    timer_stop(&f->sweep);
    blobs_free(f->blobs);
    free(f);
}

/* --- the sweep --- */

struct sweeping {
    struct files *files;
    struct store_file_expired expired;
    struct store_file_forget forget;
};

static void sweep_later(struct files *f, int64_t delay_ms)
{
    if (!f->is_stopping)
        timer_start(&f->sweep, f->again ? SWEEP_SOON_MS : delay_ms);
    f->is_sweeping = f->again = false;
}

static void sweep_over(struct sweeping *s, int64_t next_ms)
{
    sweep_later(s->files, next_ms);
    store_op_deinit(&s->expired.op);
    store_op_deinit(&s->forget.op);
    free(s);
}

static void on_forgotten(struct store_op *op)
{
    struct sweeping *s = container_of(op, struct sweeping, forget.op);
    bool all = s->expired.n < SWEEP_AT_MOST;

    if (op->status != STATUS_OK)
        log_error("the rows of expired files could not be removed", LOG_ERR(&op->error));
    else
        log_info("expired files were removed", LOG_I("n", s->forget.n));
    sweep_over(s, op->status != STATUS_OK || all ? SWEEP_EVERY_MS : SWEEP_SOON_MS);
}

static void on_removed(void *arg, const struct error *err)
{
    struct sweeping *s = arg;

    if (err) {
        log_error("expired files could not be removed", LOG_ERR(err));
        sweep_over(s, SWEEP_EVERY_MS);
        return;
    }
    s->forget.ids = s->expired.ids;
    s->forget.n = s->expired.n;
    store_start(s->files->store, &s->forget.op, &STORE_FILE_FORGET, on_forgotten);
}

static void on_expired(struct store_op *op)
{
    struct sweeping *s = container_of(op, struct sweeping, expired.op);
    struct files *f = s->files;
    int64_t wait = SWEEP_EVERY_MS;

    if (op->status != STATUS_OK)
        log_error("expired files could not be listed", LOG_ERR(&op->error));
    if (op->status == STATUS_OK && s->expired.n > 0 && !f->is_stopping) {
        blobs_remove(f->blobs, s->expired.ids, s->expired.n, on_removed, s);
        return;
    }
    if (op->status == STATUS_OK && s->expired.next_at)
        wait = MIN(wait, MAX(s->expired.next_at - loop_wall_ms(f->loop), SWEEP_SOON_MS));
    sweep_over(s, wait);
}

static void on_sweep(struct timer *t)
{
    struct files *f = container_of(t, struct files, sweep);
    struct sweeping *s = xnew(struct sweeping);

    f->is_sweeping = true;
    s->files = f;
    s->expired.now = loop_wall_ms(f->loop);
    s->expired.limit = SWEEP_AT_MOST;
    store_start(f->store, &s->expired.op, &STORE_FILE_EXPIRED, on_expired);
}

void files_wake(struct files *f)
{
    if (f->is_sweeping)
        f->again = true;
    else if (!f->is_stopping)
        timer_start(&f->sweep, SWEEP_SOON_MS);
}

/* --- strays --- */

/* A crash may fall between a blob and its row: such a blob is nobody's. */
struct stray_look {
    struct store_file_unknown op;
    struct files *files;
};

static void on_strays_known(struct store_op *op)
{
    struct stray_look *x = container_of(op, struct stray_look, op.op);

    if (op->status != STATUS_OK)
        log_error("files without a record could not be looked for", LOG_ERR(&op->error));
    else if (x->op.n_unknown > 0 && !x->files->is_stopping) {
        log_info("files without a record are removed", LOG_I("n", x->op.n_unknown));
        blobs_remove(x->files->blobs, x->op.unknown, x->op.n_unknown, NULL, NULL);
    }
    store_op_deinit(op);
    free(x);
}

static void on_blobs_listed(void *arg, const char *const *ids, size_t n)
{
    struct files *f = arg;

    for (size_t at = 0; at < n && !f->is_stopping; at += LOOK_AT_ONCE) {
        struct stray_look *x = xnew(struct stray_look);
        const char **kept;

        x->files = f;
        x->op.n = MIN(n - at, (size_t)LOOK_AT_ONCE);
        kept = arena_array(&x->op.op.arena, const char *, x->op.n);
        for (size_t i = 0; i < x->op.n; i++)
            kept[i] = arena_copy(&x->op.op.arena, str_of(ids[at + i]));
        x->op.ids = kept;
        store_start(f->store, &x->op.op, &STORE_FILE_UNKNOWN, on_strays_known);
    }
}

/* Those that are older than this server; newer ones get their row in a moment. */
static void remove_strays(struct files *f)
{
    char now[ID_SIZE];

    id_floor(loop_wall_ms(f->loop), now);
    blobs_list(f->blobs, now, on_blobs_listed, f);
}

/* --- facts and addresses --- */

void file_row_fill(struct file_row *row, struct arena *a, const struct blob_facts *facts)
{
    struct buf hex CLEANUP(buf_deinit) = BUF_INIT(2 * SHA256_SIZE);

    hex_add(&hex, facts->sha256, sizeof(facts->sha256));
    row->sha256 = arena_copy(a, buf_str(&hex));
    buf_clear(&hex);
    hex_add(&hex, facts->md5, sizeof(facts->md5));
    row->md5 = arena_copy(a, buf_str(&hex));
    row->size = facts->size;
}

void files_account_secret(const struct files *f, const char *account_id,
                          char out[FILES_SECRET_SIZE])
{
    char text[SIGNATURE_LEN + 1];

    url_sign(f->key, "files api signing secret", account_id, text);
    snprintf(out, FILES_SECRET_SIZE, "fsec_%s", text);
}

void file_output_url(struct buf *out, const char *base, const struct file_row *row)
{
    buf_addf(out, "%s/v1/outputs/%s/", base, row->secret);
    percent_add(out, str_of(row->name));
}
