/* SPDX-License-Identifier: Apache-2.0 */
/* A message's body and its signature. What is large is written and signed on another thread: a few
 * megabytes take milliseconds. What it is written of stays as it was meanwhile: what was read is
 * kept, of what lives there are copies. */
#include "run/deliver_impl.h"

#include "base/mem.h"
#include "core/webhook.h"

#include <stdlib.h>

enum { LARGE = 64 << 10 };

struct body_job {
    struct work work;
    struct send *send; /* NULL: nobody wants it any more */
    void (*render)(struct buf *out, const struct prediction_row *row);
    struct prediction_row row;
    struct arena arena;
    struct store_prediction_get *read; /* has texts of the row; may be NULL */
    void (*is_written)(struct send *s, const struct prediction_row *row);
    void (*is_signed)(struct send *s);
    char *key, *old; /* NULL: there is none */
    char id[ID_SIZE + 8];
    int64_t at_s;
    struct buf body, signature; /* of the send; here while the work goes on */
};

static void drop_read(struct store_prediction_get *read)
{
    if (read)
        store_op_deinit(&read->op);
    free(read);
}

static void job_free(struct body_job *j)
{
    drop_read(j->read);
    arena_deinit(&j->arena);
    buf_deinit(&j->body);
    buf_deinit(&j->signature);
    free(j->key);
    free(j->old);
    free(j);
}

static struct body_job *job_new(struct send *s)
{
    struct body_job *j = xnew(struct body_job);

    j->send = s;
    s->job = j;
    j->body = s->body;
    j->signature = s->signature;
    s->body = s->signature = (struct buf){ 0 };
    return j;
}

/* Gives back what was the send's; false where that is gone. */
static bool give_back(struct body_job *j)
{
    struct send *s = j->send;

    if (!s)
        return false;
    s->job = NULL;
    s->body = j->body;
    s->signature = j->signature;
    j->body = j->signature = (struct buf){ 0 };
    return true;
}

void body_drop(struct send *s)
{
    if (s->job)
        s->job->send = NULL;
    s->job = NULL;
}

/* --- writing --- */

static void copy_texts(struct arena *a, struct prediction_row *row, bool with_input)
{
    const char **const texts[] = {
        &row->id,
        &row->account_id,
        &row->deployment_id,
        &row->deployment,
        &row->model_id,
        &row->model_owner,
        &row->model_name,
        &row->version,
        &row->source,
        &row->error,
        &row->instance_id,
        &row->webhook,
        &row->base_url,
        &row->stream_secret,
        &row->destination,
        &row->destination_id,
        &row->trained_version,
        &row->training_failure,
        &row->queue_reason,
    };
    struct str *const spans[] = { &row->output, &row->logs, &row->metrics, &row->input };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (*texts[i])
            *texts[i] = arena_copy(a, str_of(*texts[i]));
    for (size_t i = 0; i < ARRAY_SIZE(spans) - !with_input; i++)
        if (spans[i]->p)
            *spans[i] = str_make(arena_copy(a, *spans[i]), spans[i]->n);
    row->sealed_input = STR_NULL;
}

static void write_work(struct work *w)
{
    struct body_job *j = container_of(w, struct body_job, work);

    j->render(&j->body, &j->row);
}

static void on_written(struct work *w)
{
    struct body_job *j = container_of(w, struct body_job, work);
    struct send *s = j->send;

    if (give_back(j))
        j->is_written(s, &j->row);
    job_free(j);
}

void body_write(struct send *s, const struct prediction_row *row, bool is_live,
                struct store_prediction_get *read,
                void (*then)(struct send *s, const struct prediction_row *row))
{
    struct deliveries *d = s->target->deliveries;
    struct body_job *j;

    if (row->input.n + row->output.n + row->logs.n <= LARGE) {
        d->render(&s->body, row);
        then(s, row);
        drop_read(read);
        return;
    }
    j = job_new(s);
    j->render = d->render;
    j->row = *row;
    j->read = read;
    j->is_written = then;
    if (is_live)
        copy_texts(&j->arena, &j->row, !read);
    work_start(d->loop, &j->work, write_work, on_written);
}

/* --- signing --- */

static void sign(struct body_job *j)
{
    struct str body = buf_str(&j->body);

    if (j->key && webhook_sign(j->key, j->id, j->at_s, body, &j->signature) && j->old)
        webhook_sign(j->old, j->id, j->at_s, body, &j->signature);
}

static void sign_work(struct work *w)
{
    sign(container_of(w, struct body_job, work));
}

static void on_signed(struct work *w)
{
    struct body_job *j = container_of(w, struct body_job, work);
    struct send *s = j->send;

    if (give_back(j))
        j->is_signed(s);
    job_free(j);
}

void body_sign(struct send *s, const struct key_pair *keys, const char *id, int64_t at_s,
               void (*then)(struct send *s))
{
    struct loop *l = s->target->deliveries->loop;
    struct body_job *j;

    buf_init(&s->signature, 1024);
    j = job_new(s);
    snprintf(j->id, sizeof(j->id), "%s", id);
    j->at_s = at_s;
    j->is_signed = then;
    j->key = keys->key ? xstrdup(keys->key) : NULL;
    j->old = keys->old && keys->old_until > loop_wall_ms(l) ? xstrdup(keys->old) : NULL;
    if (j->body.n > LARGE) {
        work_start(l, &j->work, sign_work, on_signed);
        return;
    }
    sign(j);
    on_signed(&j->work);
}
