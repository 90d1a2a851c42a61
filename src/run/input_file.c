/* SPDX-License-Identifier: Apache-2.0 */
/* One job for each different address: look it up here, decode it, or fetch it; then record it. A
 * few jobs of one prediction go on at a time. Everything waits for the loop, nothing for each
 * other. */
#include "run/input_impl.h"

#include "base/log.h"
#include "base/mem.h"
#include "blob/name.h"
#include "run/input_url.h"

#include <assert.h>
#include <stdlib.h>

enum {
    AT_ONCE = 4,
    KEEP_AT_MOST_MS = 8 * 24 * 3600 * 1000, /* should the prediction's end not let go of it */
};

static void start_jobs(struct input_files *x);

/* --- the end --- */

static void free_now(struct input_files *x)
{
    for (size_t i = 0; i < x->n_jobs; i++) {
        struct job *j = x->jobs[i];

        http_call_deinit(&j->call);
        store_op_deinit(&j->get.op);
        store_op_deinit(&j->create.op);
        free(j->data);
        free(j);
    }
    deferred_cancel(&x->tell);
    list_remove(&x->node);
    map_deinit(&x->by_url);
    input_plan_deinit(&x->plan);
    arena_deinit(&x->arena);
    free(x);
}

static void give_up_jobs(struct input_files *x)
{
    x->next_job = x->n_jobs;
    for (size_t i = 0; i < x->n_jobs; i++)
        if (x->jobs[i]->call_is_open)
            http_call_cancel(&x->jobs[i]->call);
}

void input_files_free(struct input_files *x)
{
    if (!x || x->is_freed)
        return;
    x->is_freed = true;
    give_up_jobs(x);
    if (x->n_running == 0)
        free_now(x);
}

static void on_tell(struct deferred *d)
{
    struct input_files *x = container_of(d, struct input_files, tell);

    if (!x->is_freed && !x->is_stopped && !x->has_told) {
        x->has_told = true;
        x->done(x->arg, x->has_failed ? &x->error : NULL);
    }
}

static void fail(struct job *j, const struct error *err)
{
    struct input_files *x = j->all;

    if (x->has_failed)
        return;
    x->has_failed = true;
    x->error = *err;
    give_up_jobs(x);
}

/* Every way of a job ends here. */
void job_over(struct job *j)
{
    struct input_files *x = j->all;

    j->is_running = false;
    x->n_running--;
    files_release(x->files);
    if (x->is_freed) {
        if (x->n_running == 0)
            free_now(x);
        return;
    }
    start_jobs(x);
    if (x->n_running == 0)
        deferred_call(&x->tell);
}

void job_fails(struct job *j, const struct error *err)
{
    fail(j, err);
    job_over(j);
}

/* "The input "image" could not be fetched from https://...: why." */
static void say_unfetched(struct job *j, const struct error *err)
{
    const char *url = input_url_shown(&j->all->arena, j->url);
    struct error told;

    error_set(&told, err->status, err->where,
              "The input \"%.100s\" could not be fetched from %s: %.200s", j->field, url,
              err->text);
    fail(j, &told);
}

void job_refuse(struct job *j, enum status status, const char *fmt, ...)
{
    struct error err = { .status = status, .where = "input" };
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(err.text, sizeof(err.text), fmt, ap);
    va_end(ap);
    j->is_bad = true;
    say_unfetched(j, &err);
}

/* --- recording --- */

static void on_recorded(struct store_op *op)
{
    struct job *j = container_of(op, struct job, create.op);

    if (op->status != STATUS_OK) {
        const char *id = j->id;

        blobs_remove(j->all->files->blobs, &id, 1, NULL, NULL);
        job_fails(j, &op->error);
        return;
    }
    j->is_ready = true;
    job_over(j);
}

void job_record(struct job *j, const struct blob_facts *facts)
{
    struct input_files *x = j->all;
    const char *id = j->id;
    int64_t now = loop_wall_ms(x->files->loop);

    if (x->is_freed || x->has_failed) {
        blobs_remove(x->files->blobs, &id, 1, NULL, NULL);
        job_over(j);
        return;
    }
    j->create.in = (struct file_row){
        .id = j->id,
        .account_id = x->account_id,
        .kind = FILE_INPUT,
        .prediction_id = x->prediction_id,
        .name = j->name,
        .content_type = j->content_type,
        .created_at = now,
        .expires_at = now + KEEP_AT_MOST_MS,
    };
    file_row_fill(&j->create.in, &x->arena, facts);
    store_start(x->files->store, &j->create.op, &STORE_FILE_CREATE, on_recorded);
}

/* The name that the model sees; without an extension of its own it gets the type's. */
void job_choose_name(struct job *j, struct str given, const char *type)
{
    struct arena *a = &j->all->arena;
    struct buf clean CLEANUP(buf_deinit) = BUF_INIT(FILE_NAME_MAX);

    file_name_clean(given, "file", &clean);
    j->content_type = type;
    j->name = arena_printf(a, "%.*s%s", STR_ARG(buf_str(&clean)),
                           memchr(clean.p, '.', clean.n) ? "" : type_extension(str_of(type)));
}

/* --- data --- */

static void decode_work(struct work *w)
{
    struct job *j = container_of(w, struct job, work);
    struct buf bytes CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct data_uri u;

    if (!data_uri_split(j->url, &u) || !data_uri_decode(&u, &bytes))
        j->status = FAIL(&j->error, STATUS_INVALID,
                         "The input \"%.100s\" is not a valid data: URI.", j->field);
    else
        j->status = blob_put(j->all->files->blobs, j->id, buf_str(&bytes), &j->facts, &j->error);
}

static void on_decoded(struct work *w)
{
    struct job *j = container_of(w, struct job, work);

    free(j->data);
    j->data = NULL;
    if (j->status == STATUS_OK)
        job_record(j, &j->facts);
    else
        job_fails(j, &j->error);
}

static void start_data(struct job *j)
{
    struct data_uri u;

    j->url = str_of(j->data);
    job_choose_name(j, STR("file"),
                    data_uri_split(j->url, &u) ? arena_copy(&j->all->arena, u.type)
                                               : "application/octet-stream");
    work_start(j->all->files->loop, &j->work, decode_work, on_decoded);
}

/* --- what lies here --- */

static void on_looked_up(struct store_op *op)
{
    struct job *j = container_of(op, struct job, get.op);
    struct input_files *x = j->all;
    struct file_row *row = &j->get.row;
    bool is_readable = op->status == STATUS_OK && (row->kind == FILE_OUTPUT || j->get.id);

    if (x->is_freed || x->has_failed) {
        job_over(j);
    } else if (is_readable) {
        snprintf(j->id, sizeof(j->id), "%s", row->id);
        j->name = row->name;
        j->is_ready = true;
        job_over(j);
    } else if (input_url_read(j->url, x->base_url).is_ours) {
        job_refuse(j, STATUS_NOT_FOUND, "the file does not exist, or not any more.");
        job_over(j);
    } else {
        job_fetch(j, j->url.p);
    }
}

static void start_job(struct job *j)
{
    struct input_files *x = j->all;
    struct input_url u;

    j->is_running = true;
    x->n_running++;
    files_hold(x->files);
    if (j->data) {
        start_data(j);
        return;
    }
    u = input_url_read(j->url, x->base_url);
    if (u.kind == INPUT_URL_OTHER) {
        job_fetch(j, j->url.p);
        return;
    }
    j->get.now = loop_wall_ms(x->files->loop);
    if (u.kind == INPUT_URL_FILE) {
        j->get.id = arena_copy(&x->arena, u.key);
        j->get.account_id = x->account_id;
    } else {
        j->get.secret = arena_copy(&x->arena, u.key);
    }
    store_start(x->files->store, &j->get.op, &STORE_FILE_GET, on_looked_up);
}

static void start_jobs(struct input_files *x)
{
    while (x->n_running < AT_ONCE && x->next_job < x->n_jobs && !x->has_failed)
        start_job(x->jobs[x->next_job++]);
}

/* --- all of them --- */

static void add_job(struct input_files *x, struct input_place *place, size_t at)
{
    struct job *j = place->data ? NULL : map_get(&x->by_url, place->url);

    if (!j) {
        j = xnew(struct job);
        j->all = x;
        j->field = arena_copy(&x->arena, place->field);
        id_make(&x->files->ids, loop_wall_ms(x->files->loop), j->id);
        j->url = place->url;
        j->data = TAKE(place->data);
        x->jobs[x->n_jobs++] = j;
        if (!j->data)
            map_put(&x->by_url, place->url, j);
    }
    x->places[at] = j;
}

static void add_jobs(struct input_files *x)
{
    size_t n = x->plan.n;

    if (x->plan.status != STATUS_OK) {
        x->has_failed = true;
        x->error = x->plan.error;
        return;
    }
    x->places = arena_array(&x->arena, struct job *, n + 1);
    x->jobs = arena_array(&x->arena, struct job *, n + 1);
    for (size_t i = 0; i < n; i++)
        add_job(x, &x->plan.places[i], i);
    if (x->plan.text.n > x->keep_most)
        buf_deinit(&x->plan.text);
}

struct input_files *input_files_new(struct files *f, const struct input_files_spec *spec,
                                    void (*done)(void *arg, const struct error *err), void *arg)
{
    struct input_files *x = xnew(struct input_files);

    x->files = f;
    x->account_id = arena_copy(&x->arena, str_of(spec->account_id));
    x->prediction_id = arena_copy(&x->arena, str_of(spec->prediction_id));
    x->base_url = arena_copy(&x->arena, str_of(spec->base_url));
    x->done = done;
    x->arg = arg;
    map_init(&x->by_url);
    deferred_init(f->loop, &x->tell, on_tell);
    list_push(&f->inputs, &x->node);
    x->keep_most = spec->keep_most;
    x->plan = *spec->plan;
    *spec->plan = (struct input_plan){ 0 };
    add_jobs(x);
    start_jobs(x);
    if (x->n_running == 0)
        deferred_call(&x->tell);
    return x;
}

void input_files_stop(struct files *f)
{
    struct input_files *x;

    list_each (&f->inputs, x, struct input_files, node) {
        x->is_stopped = x->has_failed = true; /* silently: the next server does it again */
        give_up_jobs(x);
    }
}

/* --- internal addresses --- */

#define PURPOSE "input of an instance"

bool input_files_have_text(const struct input_files *x)
{
    return x->plan.text.n > 0;
}

void input_files_fill(const struct input_files *x, const struct input_plan *plan,
                      const char *internal_url, struct buf *out)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct str *with = arena_array(&a, struct str, x->plan.n + 1);
    char signature[SIGNATURE_LEN + 1];

    if (!plan)
        plan = &x->plan;
    assert(plan->n == x->plan.n);
    for (size_t i = 0; i < plan->n; i++) {
        struct buf url CLEANUP(buf_deinit) = BUF_INIT(4096);
        const struct job *j = x->places[i];

        assert(j->is_ready);
        url_sign(x->files->key, PURPOSE, j->id, signature);
        buf_addf(&url, "\"%s/input/%s%s/", internal_url, j->id, signature);
        percent_add(&url, str_of(j->name));
        buf_addc(&url, '"');
        with[i] = str_make(arena_copy(&a, buf_str(&url)), url.n);
    }
    input_plan_fill(plan, with, out);
}

bool input_file_id(const struct files *f, struct str segment, char out[ID_SIZE])
{
    if (segment.n != ID_LEN + SIGNATURE_LEN || !id_valid(str_make(segment.p, ID_LEN)))
        return false;
    memcpy(out, segment.p, ID_LEN);
    out[ID_LEN] = '\0';
    return url_signature_ok(f->key, PURPOSE, out, str_make(segment.p + ID_LEN, SIGNATURE_LEN));
}
