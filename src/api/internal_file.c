/* SPDX-License-Identifier: Apache-2.0 */
/* Files between the server and its instances: what inputs refer to goes there, what predictions
 * give out comes from there. */
#include "api/file.h"

#include "base/log.h"
#include "base/mem.h"
#include "blob/name.h"
#include "run/input_file.h"
#include "run/output_file.h"

#include <stdlib.h>

enum { SECRET_LEN = 52 };

/* --- inputs --- */

static void on_input(struct http_request *r, struct store_op *op)
{
    if (op->status == STATUS_OK)
        file_send(r, &container_of(op, struct store_file_get, op)->row, false);
    else if (op->status == STATUS_NOT_FOUND)
        file_not_found(r);
    else
        api_refuse(r, &op->error);
}

void internal_input(struct http_request *r)
{
    struct fleet *f = api_of(r)->fleet;
    struct store_file_get *op;
    char id[ID_SIZE];

    if (!map_get(&f->capabilities, http_param(r, "capability")) ||
        !input_file_id(f->files, http_param(r, "key"), id)) {
        file_not_found(r);
        return;
    }
    op = api_op_new(sizeof(*op));
    op->id = store_keep(&op->op, str_of(id));
    /* It was there when the prediction was given out; that it expires meanwhile is not the model's
     * affair. */
    op->now = 1;
    api_op_start(r, &op->op, &STORE_FILE_GET, on_input);
}

/* --- outputs --- */

struct taking {
    struct http_request *request; /* NULL: the instance has gone */
    struct api *api;
    struct blob_writer *writer;
    bool is_writing;
    char prediction_id[ID_SIZE];
    struct buf url;
    struct store_file_create create;
    struct arena arena;
};

static void taking_free(struct taking *t)
{
    blob_abort(t->writer);
    buf_deinit(&t->url);
    store_op_deinit(&t->create.op);
    arena_deinit(&t->arena);
    free(t);
}

static void refuse(struct taking *t, const struct error *err)
{
    struct http_request *r = t->request;

    log_warning("an output file was refused", LOG_S("prediction", t->prediction_id), LOG_ERR(err));
    r->on_gone = NULL;
    r->on_body = NULL;
    http_problem_error(r, err);
    taking_free(t);
}

static void on_recorded(struct store_op *op)
{
    struct taking *t = container_of(op, struct taking, create.op);
    struct prediction *p = prediction_find(t->api->fleet, str_of(t->prediction_id));
    const struct file_row *row = &t->create.in;
    struct http_request *r = t->request;

    t->is_writing = false;
    if (op->status != STATUS_OK)
        blobs_remove(t->api->fleet->files->blobs, &row->id, 1, NULL, NULL);
    else if (p && !p->is_ending)
        output_upload_add(&p->uploads, row->id, t->url.p, row->content_type, row->size);
    if (r && op->status != STATUS_OK) {
        refuse(t, &op->error);
        return;
    }
    if (r) {
        r->on_gone = NULL;
        http_set_header(r, "Location", t->url.p);
        http_respond_empty(r, 201);
    }
    taking_free(t);
}

static void on_stored(void *arg, const struct blob_facts *facts, const struct error *err)
{
    struct taking *t = arg;

    t->is_writing = false;
    if (!t->request) {
        if (!err)
            blobs_remove(t->api->fleet->files->blobs, &t->create.in.id, 1, NULL, NULL);
        taking_free(t);
        return;
    }
    if (err) {
        refuse(t, err);
        return;
    }
    file_row_fill(&t->create.in, &t->arena, facts);
    t->is_writing = true;
    store_start(t->api->store, &t->create.op, &STORE_FILE_CREATE, on_recorded);
}

static void on_written(void *arg, const struct error *err)
{
    struct taking *t = arg;

    t->is_writing = false;
    if (!t->request)
        taking_free(t);
    else if (err)
        refuse(t, err);
    else
        http_body_resume(t->request);
}

static void on_body(struct http_request *r, struct str piece)
{
    struct taking *t = r->context;

    t->is_writing = true;
    if (piece.n == 0) {
        blob_finish(TAKE(t->writer), on_stored, t);
        return;
    }
    http_body_pause(r);
    blob_write(t->writer, piece, on_written, t);
}

static void on_gone(struct http_request *r)
{
    struct taking *t = r->context;

    t->request = NULL;
    if (!t->is_writing)
        taking_free(t);
}

static void describe(struct taking *t, const struct prediction *p, struct http_request *r)
{
    struct buf clean CLEANUP(buf_deinit) = BUF_INIT(FILE_NAME_MAX);
    struct str type = str_trim(http_header(r, "content-type"));
    char id[ID_SIZE], secret[SECRET_LEN + 1];
    int64_t now = loop_wall_ms(r->loop);

    id_make(&t->api->fleet->files->ids, now, id);
    id_secret(loop_rand(r->loop), SECRET_LEN, secret);
    file_name_clean(http_param(r, "name"), "output", &clean);
    if (!content_type_valid(type))
        type = str_of(type_of_name(buf_str(&clean)) ? type_of_name(buf_str(&clean))
                                                    : "application/octet-stream");
    t->create.in = (struct file_row){
        .id = arena_copy(&t->arena, str_of(id)),
        .account_id = arena_copy(&t->arena, str_of(p->row.account_id)),
        .kind = FILE_OUTPUT,
        .prediction_id = t->prediction_id,
        .secret = arena_copy(&t->arena, str_of(secret)),
        .name = arena_copy(&t->arena, buf_str(&clean)),
        .content_type = arena_copy(&t->arena, type),
        .created_at = now,
    };
    file_output_url(&t->url, p->row.base_url, &t->create.in);
}

void internal_upload(struct http_request *r)
{
    struct api *a = api_of(r);
    struct prediction *p =
        instance_uploader(a->fleet, http_param(r, "capability"), http_header(r, "x-prediction-id"));
    struct taking *t;

    if (!p) {
        http_problem(r, 404, NULL,
                     "There is no such instance, or it does not run that prediction.");
        return;
    }
    t = xnew(struct taking);
    t->request = r;
    t->api = a;
    buf_init(&t->url, 8192);
    snprintf(t->prediction_id, sizeof(t->prediction_id), "%s", p->id);
    describe(t, p, r);
    t->writer = blob_writer_new(a->fleet->files->blobs, t->create.in.id, a->options->max_output);
    r->context = t;
    r->on_gone = on_gone;
    r->on_body = on_body;
}
