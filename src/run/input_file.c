/* SPDX-License-Identifier: Apache-2.0 */
/* One job for each different address: look it up here, decode it, or fetch it; then record it. A
 * few jobs of one prediction go on at a time. Everything waits for the loop, nothing for each
 * other. */
#include "run/input_file.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "blob/name.h"
#include "http/multipart.h"
#include "run/input_url.h"

#include <assert.h>
#include <stdlib.h>

enum {
    AT_ONCE = 4,
    MAX_FILES = 1000,
    MAX_REDIRECTS = 5,
    DATA_KEPT = 64 * 1024, /* a data address up to this size is passed on as it is */
    CONNECT_TIMEOUT_MS = 10000,
    STALL_TIMEOUT_MS = 30000,
    KEEP_AT_MOST_MS = 8 * 24 * 3600 * 1000, /* should the prediction's end not let go of it */
};

struct job {
    struct input_files *all;
    struct str url; /* in the arena of all; a data address is freed when it was decoded */
    char *data;
    const char *field; /* for messages */
    char id[ID_SIZE];
    const char *name; /* in the arena of all */
    const char *content_type;
    bool is_running, is_ready;
    /* What is under way. */
    struct http_call call;
    const char *next_url; /* a redirect leads there */
    int n_redirects;
    bool call_is_open, is_bad, waits_for_writer;
    struct blob_writer *writer;
    struct work work;
    struct blob_facts facts;
    enum status status;
    struct error error;
    struct store_file_get get;
    struct store_file_create create;
};

struct input_files {
    struct list node; /* files->inputs */
    struct files *files;
    struct arena arena;
    const char *account_id, *prediction_id, *base_url;
    struct map by_url;   /* text -> struct job */
    struct job **places; /* by place in the input; NULL: stays as it is */
    size_t n_places;
    struct job **jobs;
    size_t n_jobs, next_job, n_running;
    struct deferred tell;
    bool has_told, is_freed, is_stopped;
    void (*done)(void *arg, const struct error *err);
    void *arg;
    struct error error;
    bool has_failed;
};

static void start_jobs(struct input_files *x);

/* --- the end
 * ------------------------------------------------------------------------------------------------------------
 */

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
static void job_over(struct job *j)
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

static void job_fails(struct job *j, const struct error *err)
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

/* --- recording
 * ------------------------------------------------------------------------------------------------------------
 */

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

static void record(struct job *j, const struct blob_facts *facts)
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
static void choose_name(struct job *j, struct str given, const char *type)
{
    struct arena *a = &j->all->arena;
    struct buf clean CLEANUP(buf_deinit) = BUF_INIT(FILE_NAME_MAX);

    file_name_clean(given, "file", &clean);
    j->content_type = type;
    j->name = arena_printf(a, "%.*s%s", STR_ARG(buf_str(&clean)),
                           memchr(clean.p, '.', clean.n) ? "" : type_extension(str_of(type)));
}

/* --- data
 * -------------------------------------------------------------------------------------------------------------------
 */

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
        record(j, &j->facts);
    else
        job_fails(j, &j->error);
}

static void start_data(struct job *j)
{
    struct data_uri u;

    j->url = str_of(j->data);
    choose_name(j, STR("file"),
                data_uri_split(j->url, &u) ? arena_copy(&j->all->arena, u.type)
                                           : "application/octet-stream");
    work_start(j->all->files->loop, &j->work, decode_work, on_decoded);
}

/* --- fetching
 * -----------------------------------------------------------------------------------------------------------------
 */

static const struct http_call_events call_events;

static void start_call(struct job *j, const char *url)
{
    static const char *const headers[] = { "Accept: */*", "User-Agent: berth/" BERTH_VERSION,
                                           NULL };
    const struct options *o = j->all->files->options;
    struct http_call_spec spec = {
        .method = "GET",
        .url = url,
        .headers = headers,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .timeout_ms = o->input_fetch_timeout,
        .stall_timeout_ms = STALL_TIMEOUT_MS,
        .flags = o->input_private_targets ? 0 : HTTP_CALL_PUBLIC_ONLY,
    };

    j->url = str_of(url);
    j->next_url = NULL;
    j->is_bad = false;
    j->call_is_open = true;
    http_call_start(j->all->files->client, &j->call, &spec, &call_events);
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void refuse(struct job *j, enum status status, const char *fmt, ...) PRINTF(3, 4);
static void refuse(struct job *j, enum status status, const char *fmt, ...)
{
    struct error err = { .status = status, .where = "input" };
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(err.text, sizeof(err.text), fmt, ap);
    va_end(ap);
    j->is_bad = true;
    say_unfetched(j, &err);
}

static void read_type(struct job *j)
{
    struct arena *a = &j->all->arena;
    struct str type = str_trim(http_call_header(&j->call, "content-type")),
               name = input_url_name(a, j->url);
    struct str disposition = http_call_header(&j->call, "content-disposition");
    struct buf filename CLEANUP(buf_deinit) = BUF_INIT(4096);

    if (disposition.p && !(name.n && memchr(name.p, '.', name.n)) &&
        header_parameter(disposition, "filename", &filename) && filename.n > 0)
        name = str_make(arena_copy(a, buf_str(&filename)), filename.n);
    choose_name(j, name,
                content_type_valid(type) ? arena_copy(a, type) : "application/octet-stream");
}

static void on_headers(struct http_call *c, int status)
{
    struct job *j = container_of(c, struct job, call);
    int64_t max = j->all->files->options->max_input_file;
    struct str length = http_call_header(c, "content-length");
    char text[TIME_TEXT_SIZE];
    uint64_t n;

    if (is_redirect(status)) {
        j->next_url = input_url_join(&j->all->arena, j->url, http_call_header(c, "location"));
        if (!j->next_url)
            refuse(j, STATUS_BROKEN, "it redirects to somewhere that is no http or https address.");
        else if (++j->n_redirects > MAX_REDIRECTS)
            refuse(j, STATUS_BROKEN, "it redirects more than %d times.", MAX_REDIRECTS);
    } else if (status < 200 || status > 299) {
        refuse(j, STATUS_BROKEN, "it answered with status %d.", status);
    } else if (length.p && str_to_u64(length, &n) && n > (uint64_t)max) {
        size_format(max, text);
        refuse(j, STATUS_TOO_LARGE, "it is larger than %s (max_input_file).", text);
    } else {
        read_type(j);
        j->writer = blob_writer_new(j->all->files->blobs, j->id, max);
    }
    if (j->is_bad)
        http_call_cancel(c);
}

static void on_written(void *arg, const struct error *err);
static void on_finished(void *arg, const struct blob_facts *facts, const struct error *err);

static bool on_data(struct http_call *c, struct str piece)
{
    struct job *j = container_of(c, struct job, call);

    if (!j->writer || j->is_bad)
        return true; /* what nobody wants */
    if (j->waits_for_writer)
        return false;
    j->waits_for_writer = true;
    blob_write(j->writer, piece, on_written, j);
    return true;
}

static void call_is_over(struct job *j)
{
    struct blob_writer *w = TAKE(j->writer);

    if (j->is_bad || j->all->has_failed || j->all->is_freed) {
        blob_abort(w);
        job_over(j);
    } else if (j->next_url) {
        start_call(j, j->next_url);
    } else {
        blob_finish(w, on_finished, j);
    }
}

static void on_written(void *arg, const struct error *err)
{
    struct job *j = arg;
    char text[TIME_TEXT_SIZE];

    j->waits_for_writer = false;
    if (err && err->status == STATUS_TOO_LARGE) {
        size_format(j->all->files->options->max_input_file, text);
        refuse(j, STATUS_TOO_LARGE, "it is larger than %s (max_input_file).", text);
    } else if (err) {
        refuse(j, err->status, "%s", err->text);
    }
    if (!j->call_is_open)
        call_is_over(j);
    else if (j->is_bad)
        http_call_cancel(&j->call);
    else
        http_call_resume(&j->call);
}

static void on_finished(void *arg, const struct blob_facts *facts, const struct error *err)
{
    struct job *j = arg;

    if (err)
        job_fails(j, err);
    else
        record(j, facts);
}

static void on_call_done(struct http_call *c, const struct error *err)
{
    struct job *j = container_of(c, struct job, call);
    char text[TIME_TEXT_SIZE];

    j->call_is_open = false;
    if (err && !j->is_bad && !j->all->has_failed) {
        duration_format(j->all->files->options->input_fetch_timeout, text);
        if (err->status == STATUS_FORBIDDEN)
            refuse(j, err->status,
                   "its address is private (the option input_private_targets allows that).");
        else if (err->status == STATUS_TIMED_OUT)
            refuse(j, err->status,
                   "it did not come within %s (input_fetch_timeout), or stood still.", text);
        else
            refuse(j, err->status, "%s", err->text);
    }
    if (!j->waits_for_writer)
        call_is_over(j);
}

static const struct http_call_events call_events = {
    .headers = on_headers,
    .data = on_data,
    .done = on_call_done,
};

/* --- what lies here
 * --------------------------------------------------------------------------------------------------------------
 */

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
        refuse(j, STATUS_NOT_FOUND, "the file does not exist, or not any more.");
        job_over(j);
    } else {
        start_call(j, j->url.p);
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
        start_call(j, j->url.p);
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

/* --- all of them
 * ------------------------------------------------------------------------------------------------------------------
 */

static void add_place(struct input_files *x, size_t at, const struct input_uri *uri)
{
    struct str text = uri->value->text;
    bool is_data = str_starts(text, "data:");
    struct job *j;

    if (is_data && text.n <= DATA_KEPT)
        return;
    j = is_data ? NULL : map_get(&x->by_url, text);
    if (!j) {
        j = xnew(struct job);
        j->all = x;
        j->field = uri->field.p ? arena_copy(&x->arena, uri->field) : "input";
        id_make(&x->files->ids, loop_wall_ms(x->files->loop), j->id);
        if (is_data)
            j->data = str_dup(text);
        else
            j->url = str_make(arena_copy(&x->arena, text), text.n);
        x->jobs[x->n_jobs++] = j;
        if (!is_data)
            map_put(&x->by_url, text, j);
    }
    x->places[at] = j;
}

static void find_places(struct input_files *x, const struct input_files_spec *spec)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct input_uri *uris;
    struct json *v;

    if (json_parse(&a, spec->input, NULL, &v, &x->error) != STATUS_OK) {
        x->has_failed = true;
        return;
    }
    x->n_places = input_uris(spec->schema, &a, v, false, &uris);
    if (x->n_places > MAX_FILES) {
        x->has_failed = true;
        FAIL(&x->error, STATUS_INVALID, "The input has more than %d files.", MAX_FILES);
        return;
    }
    x->places = arena_array(&x->arena, struct job *, x->n_places + 1);
    x->jobs = arena_array(&x->arena, struct job *, x->n_places + 1);
    for (size_t i = 0; i < x->n_places; i++)
        add_place(x, i, &uris[i]);
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
    find_places(x, spec);
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

/* --- internal addresses
 * ------------------------------------------------------------------------------------------------------------
 */

#define PURPOSE "input of an instance"

void input_files_rewrite(const struct input_files *x, const struct input_schema *schema,
                         struct str input, const char *internal_url, struct buf *out)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    char signature[SIGNATURE_LEN + 1];
    struct input_uri *uris;
    struct json *v;
    struct error err;
    struct str *with;
    size_t n;

    if (x->n_jobs == 0 || json_parse(&a, input, NULL, &v, &err) != STATUS_OK) {
        buf_add_str(out, input);
        return;
    }
    n = input_uris(schema, &a, v, false, &uris);
    assert(n == x->n_places);
    with = arena_array(&a, struct str, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct buf url CLEANUP(buf_deinit) = BUF_INIT(4096);
        const struct job *j = x->places[i];

        if (!j || !j->is_ready)
            continue;
        url_sign(x->files->key, PURPOSE, j->id, signature);
        buf_addf(&url, "\"%s/input/%s%s/", internal_url, j->id, signature);
        percent_add(&url, str_of(j->name));
        buf_addc(&url, '"');
        with[i] = str_make(arena_copy(&a, buf_str(&url)), url.n);
    }
    input_replace(v, uris, with, n, out);
}

bool input_file_id(const struct files *f, struct str segment, char out[ID_SIZE])
{
    if (segment.n != ID_LEN + SIGNATURE_LEN || !id_valid(str_make(segment.p, ID_LEN)))
        return false;
    memcpy(out, segment.p, ID_LEN);
    out[ID_LEN] = '\0';
    return url_signature_ok(f->key, PURPOSE, out, str_make(segment.p + ID_LEN, SIGNATURE_LEN));
}
