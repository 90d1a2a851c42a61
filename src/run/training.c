/* SPDX-License-Identifier: Apache-2.0 */
/* Trainings: predictions in train mode, on an instance of their own; what one wrote becomes the
 * weights of a new version of the destination, which runs the same code. */
#include "store/training.h"

#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "blob/name.h"
#include "run/deliver.h"
#include "run/fleet.h"
#include "run/input_url.h"
#include "run/weights.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_WEIGHTS = 1 << 30,
    HEX_SIZE = 2 * SHA256_SIZE + 1,
    AGAIN_MS = 1000,
    LARGE = 64 << 10, /* an output beyond this is read on another thread: it may be the weights */
};

enum status pool_of_training(struct fleet *f, const struct version_row *row, struct lane **out,
                             struct error *err)
{
    struct version_row derived = *row;

    derived.trains = true;
    return pool_of_model(f, &derived, out, err);
}

/* From a training that succeeded to its version: read, keep the weights, register. */
struct finishing {
    struct fleet *fleet;
    struct store_training_get get;
    struct store_file_get file; /* where the weights are an output file of ours */
    struct store_training_end end;
    struct work work;
    struct timer again; /* for what the disk or the store has in its way */
    bool is_ending;     /* the weights are kept: again is for the version */
    struct arena arena;
    struct str weights;       /* as the training gave them: a URL or a data URI */
    char kept[HEX_SIZE + 16]; /* "weights/<sha256>" */
    char hash[HEX_SIZE];
    enum status status;
    struct error error;
};

static void hex_of(const unsigned char hash[SHA256_SIZE], char out[HEX_SIZE])
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(HEX_SIZE);

    hex_add(&text, hash, SHA256_SIZE);
    snprintf(out, HEX_SIZE, "%.*s", STR_ARG(buf_str(&text)));
}

static enum status write_weights(struct finishing *x, const struct buf *bytes)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(8192);
    struct buf temporary CLEANUP(buf_deinit) = BUF_INIT(8192);
    size_t done = 0;
    int fd;

    buf_addf(&path, "%s/weights", x->fleet->data);
    if (mkdir(path.p, 0755) != 0 && errno != EEXIST)
        return FAIL(&x->error, STATUS_BROKEN, "cannot make %s: %s", path.p, strerror(errno));
    buf_clear(&path);
    buf_addf(&path, "%s/%s", x->fleet->data, x->kept);
    buf_addf(&temporary, "%s.new", path.p);
    fd = open(temporary.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0444);
    while (fd >= 0 && done < bytes->n) {
        ssize_t n = write(fd, bytes->p + done, bytes->n - done);

        if (n <= 0)
            break;
        done += (size_t)n;
    }
    /* Whatever our umask is: the instances' users read it. */
    if (fd < 0 || done < bytes->n || fchmod(fd, 0444) != 0 || fsync(fd) != 0 ||
        rename(temporary.p, path.p) != 0) {
        FAIL(&x->error, errno == ENOSPC ? STATUS_DISK_FULL : STATUS_BROKEN, "cannot write %s: %s",
             path.p, strerror(errno));
        if (fd >= 0)
            close(fd);
        (void)unlink(temporary.p);
        return x->error.status;
    }
    close(fd);
    return STATUS_OK;
}

static enum status read_weights(struct finishing *x, struct buf *bytes)
{
    struct data_uri u;

    if (x->file.row.id)
        return blob_get(x->fleet->files->blobs, x->file.row.id, bytes, &x->error);
    if (!data_uri_split(x->weights, &u) || !data_uri_decode(&u, bytes))
        return FAIL(&x->error, STATUS_INVALID, "the weights are no data URI that can be read");
    return STATUS_OK;
}

static void keep_weights(struct work *w)
{
    struct finishing *x = container_of(w, struct finishing, work);
    struct buf bytes CLEANUP(buf_deinit) = BUF_INIT(MAX_WEIGHTS);
    unsigned char hash[SHA256_SIZE];

    if (!x->file.row.id && !str_starts(x->weights, "data:")) {
        sha256(x->weights, hash);
        hex_of(hash, x->hash);
        return;
    }
    x->status = read_weights(x, &bytes);
    if (x->status != STATUS_OK)
        return;
    sha256(buf_str(&bytes), hash);
    hex_of(hash, x->hash);
    snprintf(x->kept, sizeof(x->kept), WEIGHTS_FOLDER "%s", x->hash);
    x->status = write_weights(x, &bytes);
}

/* What has nothing to do with the training is no reason for it to fail: it is tried until there is
 * room, or by the next server. */
static bool wait_for_room(struct finishing *x, const struct error *err)
{
    bool passes = err->status == STATUS_DISK_FULL || err->status == STATUS_BROKEN ||
                  err->status == STATUS_UNREACHABLE;

    if (!passes || x->fleet->is_stopping)
        return false;
    log_error("what a training made could not be stored; it is tried again",
              LOG_S("training", x->get.id), LOG_ERR(err));
    timer_start(&x->again, AGAIN_MS);
    return true;
}

static void on_ended(struct store_op *op)
{
    struct finishing *x = container_of(op, struct finishing, end.op);
    struct fleet *f = x->fleet;
    bool is_new_failure = op->status != STATUS_OK && op->status != STATUS_CONFLICT &&
                          !x->end.failure && !f->is_stopping;

    if (op->status != STATUS_OK && wait_for_room(x, &op->error))
        return;
    if (is_new_failure) { /* the destination may be gone */
        x->end.failure = arena_printf(&x->arena, "The training's version could not be stored: %s",
                                      op->error.text);
        store_start(f->store, op, &STORE_TRAINING_END, on_ended);
        return;
    }
    if (op->status == STATUS_OK)
        log_info("training ended", LOG_S("training", x->get.id),
                 LOG_S("version", x->end.version ? x->end.version : ""),
                 LOG_S("failure", x->end.failure ? x->end.failure : ""));
    else
        log_error("a training's version could not be stored", LOG_S("training", x->get.id),
                  LOG_ERR(&op->error));
    f->n_keeping--;
    f->n_kept++;
    if (*x->kept && (op->status != STATUS_OK || x->end.failure))
        weights_release(f, x->kept);
    if (op->status == STATUS_OK && x->end.webhook_id)
        deliveries_wake(f->deliveries, x->end.webhook_target);
    arena_deinit(&x->arena);
    store_op_deinit(&x->get.op);
    store_op_deinit(&x->file.op);
    store_op_deinit(op);
    free(x);
}

static void fill_version(struct finishing *x)
{
    const struct version_row *base = &x->get.base;
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(16 << 20);
    struct version_config config;
    unsigned char hash[SHA256_SIZE];
    char id[HEX_SIZE], seq[ID_SIZE];

    x->status = version_config_parse(&x->arena, base->config, &config, &x->error);
    if (x->status != STATUS_OK)
        return;
    config.weights = *x->kept ? x->kept : arena_copy(&x->arena, x->weights);
    version_config_write(&config, &text);
    x->end.in = *base;
    x->end.in.config = str_make(arena_copy(&x->arena, buf_str(&text)), text.n);
    x->end.in.model_id = x->get.model_id;
    x->end.in.created_at = loop_wall_ms(x->fleet->loop);
    buf_clear(&text);
    buf_addf(&text, "%s\n%s", base->id, x->hash);
    sha256(buf_str(&text), hash);
    hex_of(hash, id);
    id_make(&x->fleet->ids, x->end.in.created_at, seq);
    x->end.in.id = arena_copy(&x->arena, str_of(id));
    x->end.in.seq = arena_copy(&x->arena, str_of(seq));
    x->end.version = arena_printf(&x->arena, "%s:%s", x->get.row.destination, id);
}

static void start_ending(struct finishing *x)
{
    x->is_ending = true;
    store_start(x->fleet->store, &x->end.op, &STORE_TRAINING_END, on_ended);
}

static void on_kept(struct work *w)
{
    struct finishing *x = container_of(w, struct finishing, work);

    if (x->status != STATUS_OK && wait_for_room(x, &x->error))
        return;
    if (x->status == STATUS_OK)
        fill_version(x);
    x->end.id = x->get.id;
    if (x->status != STATUS_OK)
        x->end.failure = x->error.text;
    if (x->fleet->deliveries)
        deliveries_fill_training(x->fleet->deliveries, &x->get.row, &x->end);
    start_ending(x);
}

static void start_keeping(struct finishing *x)
{
    x->status = STATUS_OK;
    work_start(x->fleet->loop, &x->work, keep_weights, on_kept);
}

static void on_file(struct store_op *op);

static void on_again(struct timer *t)
{
    struct finishing *x = container_of(t, struct finishing, again);

    x->end.op.status = x->file.op.status = STATUS_OK;
    if (x->is_ending)
        start_ending(x);
    else if (x->file.secret && !x->file.row.id)
        store_start(x->fleet->store, &x->file.op, &STORE_FILE_GET, on_file);
    else
        start_keeping(x);
}

static void on_file(struct store_op *op)
{
    struct finishing *x = container_of(op, struct finishing, file.op);

    if (op->status == STATUS_OK) {
        start_keeping(x);
        return;
    }
    x->status = FAIL(&x->error, op->status, "The weights could not be read: %s", op->error.text);
    on_kept(&x->work);
}

static void find_weights(struct finishing *x)
{
    static const struct json_limits limits = { .keep_depth = 1, .max_values = 4096 };
    struct json *output = NULL;
    struct error err;

    if (json_parse(&x->arena, x->get.row.output, &limits, &output, &err) == STATUS_OK)
        x->weights =
            json_to_str(json_is(output, JSON_STRING) ? output : json_get(output, "weights"));
}

static void find_work(struct work *w)
{
    find_weights(container_of(w, struct finishing, work));
}

static void on_found(struct work *w)
{
    struct finishing *x = container_of(w, struct finishing, work);
    struct input_url u;

    if (!x->weights.p || x->weights.n == 0) {
        x->status = FAIL(
            &x->error, STATUS_INVALID,
            "The training gave no weights: its output must be a file, or have a member `weights`.");
        on_kept(&x->work);
        return;
    }
    u = input_url_read(x->weights, x->get.row.base_url);
    if (u.kind != INPUT_URL_OUTPUT || !u.is_ours) {
        start_keeping(x);
        return;
    }
    x->file.secret = store_keep(&x->file.op, u.key);
    x->file.now = loop_wall_ms(x->fleet->loop);
    store_start(x->fleet->store, &x->file.op, &STORE_FILE_GET, on_file);
}

static void on_read(struct store_op *op)
{
    struct finishing *x = container_of(op, struct finishing, get.op);
    struct fleet *f = x->fleet;

    if (op->status != STATUS_OK) {
        log_error("a training could not be read", LOG_S("training", x->get.id),
                  LOG_ERR(&op->error));
        store_op_deinit(op);
        free(x);
        f->n_keeping--;
        return;
    }
    if (x->get.row.output.n > LARGE) {
        work_start(f->loop, &x->work, find_work, on_found);
        return;
    }
    find_weights(x);
    on_found(&x->work);
}

void training_finish(struct fleet *f, const char *id)
{
    struct finishing *x = xnew(struct finishing);

    x->fleet = f;
    timer_init(f->loop, &x->again, on_again);
    f->n_keeping++;
    x->get.id = store_keep(&x->get.op, str_of(id));
    store_start(f->store, &x->get.op, &STORE_TRAINING_GET, on_read);
}

enum status trainings_load(struct fleet *f, struct error *err)
{
    struct store_training_unfinished op = { 0 };
    enum status s = store_run(f->store, &op.op, &STORE_TRAINING_UNFINISHED);

    if (s != STATUS_OK)
        *err = op.op.error;
    for (size_t i = 0; s == STATUS_OK && i < op.n; i++)
        training_finish(f, op.ids[i]);
    store_op_deinit(&op.op);
    return s;
}
