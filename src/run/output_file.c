/* SPDX-License-Identifier: Apache-2.0 */
/* One piece of work on another thread for each output: it reads the output (which may be large),
 * decodes what is encoded, writes the files, and writes the output anew. */
#include "run/output_file.h"

#include "base/log.h"
#include "base/mem.h"
#include "blob/name.h"

#include <stdlib.h>

enum {
    LOOSE_MIN = 64 * 1024, /* smaller data of which the schema says nothing stays as it is */
    MAX_VALUES = 2000000,  /* in an output with files; one with more stays as it is */
    SECRET_LEN = 52,
};

void output_told_add(struct output_told *t, const char *base_url, const struct file_row *row,
                     bool is_used)
{
    struct buf url CLEANUP(buf_deinit) = BUF_INIT(8192), text CLEANUP(buf_deinit) = BUF_INIT(16384);
    struct json_writer w;

    file_output_url(&url, base_url, row);
    json_writer_init(&w, &text);
    json_string(&w, buf_str(&url));
    if (t->n == t->room) {
        t->room = 2 * t->room + 8;
        t->v = xrealloc(t->v, t->room * sizeof(*t->v));
    }
    t->v[t->n++] = (struct output_told_file){
        .size = row->size,
        .sha256 = xstrdup(row->sha256),
        .address = buf_take(&text),
        .is_used = is_used,
    };
}

void output_told_rewind(struct output_told *t)
{
    for (size_t i = 0; i < t->n; i++)
        t->v[i].is_used = false;
    t->first = 0;
}

void output_told_deinit(struct output_told *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->v[i].sha256);
        free(t->v[i].address);
    }
    free(t->v);
}

/* Nearly always they come again in their order: the first that is not used. */
static const struct output_told_file *find_told(struct output_told *t, struct str bytes)
{
    struct buf hex CLEANUP(buf_deinit) = BUF_INIT(2 * SHA256_SIZE);
    unsigned char hash[SHA256_SIZE];

    while (t->first < t->n && t->v[t->first].is_used)
        t->first++;
    for (size_t i = t->first; i < t->n; i++) {
        struct output_told_file *f = &t->v[i];

        if (f->is_used || f->size != (int64_t)bytes.n)
            continue;
        if (hex.n == 0) {
            sha256(bytes, hash);
            hex_add(&hex, hash, sizeof(hash));
        }
        if (!str_is(buf_str(&hex), f->sha256))
            continue;
        f->is_used = true;
        return f;
    }
    return NULL;
}

struct storing {
    struct work work;
    struct files *files;
    struct arena *arena; /* the caller's; ours until we are done */
    struct output_files_spec spec;
    struct list uploads;
    int64_t now;
    struct rand rand;
    struct id_gen ids;
    struct output_files_result result;
    struct file_row *rows;
    enum status status;
    struct error error;
    void (*done)(void *arg, const struct output_files_result *r, const struct error *err);
    void *arg;
};

void output_upload_add(struct list *uploads, const char *id, const char *url,
                       const char *content_type, int64_t size)
{
    struct output_upload *u = xnew(struct output_upload);

    snprintf(u->id, sizeof(u->id), "%s", id);
    u->url = xstrdup(url);
    u->content_type = xstrdup(content_type);
    u->size = size;
    list_push(uploads, &u->node);
}

void output_uploads_free(struct list *uploads)
{
    struct output_upload *u;

    list_each (uploads, u, struct output_upload, node) {
        list_remove(&u->node);
        free(u->url);
        free(u->content_type);
        free(u);
    }
}

bool output_files_needed(struct str output, const struct list *uploads)
{
    return output.n > 0 && (!list_empty(uploads) || memmem(output.p, output.n, "data:", 5));
}

static const char *misfit_of(const struct input_schema *s, struct arena *a, const struct json *v)
{
    const struct input_problem *p = input_validate(s, a, v);

    if (!p)
        return NULL;
    return arena_printf(a,
                        "The model's output is not what its output.schema promises: output%.200s: "
                        "%.300s",
                        str_starts(str_of(p->field), "input") ? p->field + strlen("input") : "",
                        p->description);
}

const char *output_misfit(const struct input_schema *s, struct arena *a, struct str output)
{
    const struct json_limits limits = { .max_depth = JSON_DEPTH_MOST, .max_values = MAX_VALUES };
    struct json *v = NULL;

    if (json_parse(a, output.n ? output : STR("null"), &limits, &v, NULL) != STATUS_OK)
        return NULL;
    return misfit_of(s, a, v);
}

static struct str quoted(struct arena *a, struct str text)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    struct json_writer w;

    json_writer_init(&w, &out);
    json_string(&w, text);
    return str_make(arena_copy(a, buf_str(&out)), out.n);
}

/* "output.png", or "output-2.png" where there are several. */
static const char *name_of(struct storing *s, size_t at, size_t n, struct str type)
{
    if (n == 1 && !s->spec.is_listed)
        return arena_printf(s->arena, "output%s", type_extension(type));
    return arena_printf(s->arena, "output-%zu%s", s->spec.n_before + at, type_extension(type));
}

static enum status store_data(struct storing *s, const struct data_uri *u, struct str bytes,
                              const char *name, struct str *out_with)
{
    struct buf url CLEANUP(buf_deinit) = BUF_INIT(8192);
    struct file_row *row = &s->rows[s->result.n];
    char id[ID_SIZE], secret[SECRET_LEN + 1];
    struct blob_facts facts;
    enum status st;

    id_make(&s->ids, s->now, id);
    id_secret(&s->rand, SECRET_LEN, secret);
    st = blob_put(s->files->blobs, id, bytes, &facts, &s->error);
    if (st != STATUS_OK)
        return st;
    *row = (struct file_row){
        .id = arena_copy(s->arena, str_of(id)),
        .account_id = s->spec.account_id,
        .kind = FILE_OUTPUT,
        .prediction_id = s->spec.prediction_id,
        .secret = arena_copy(s->arena, str_of(secret)),
        .name = name,
        .content_type = arena_copy(s->arena, u->type),
        .created_at = s->now,
    };
    file_row_fill(row, s->arena, &facts);
    s->result.n++;
    file_output_url(&url, s->spec.base_url, row);
    *out_with = quoted(s->arena, buf_str(&url));
    return STATUS_OK;
}

/* The address of a file that was uploaded, as the data it holds. */
static bool inline_upload(struct storing *s, struct str url, struct str *out_with, int64_t *total)
{
    struct output_upload *u;

    list_each (&s->uploads, u, struct output_upload, node) {
        struct buf bytes CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
        struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
        struct error err;

        if (!str_is(url, u->url))
            continue;
        *total += u->size;
        if (*total > s->spec.inline_limit ||
            blob_get(s->files->blobs, u->id, &bytes, &err) != STATUS_OK)
            return false;
        buf_addf(&text, "data:%s;base64,", u->content_type);
        base64_add(&text, bytes.p, bytes.n);
        *out_with = quoted(s->arena, buf_str(&text));
        return true;
    }
    return false;
}

struct places {
    struct input_uri *uris;
    struct str *stored, *inlined; /* what stands there instead */
    size_t n, n_data;
};

static size_t count_data(const struct places *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++)
        n += str_starts(p->uris[i].value->text, "data:");
    return n;
}

static enum status fill_places(struct storing *s, struct places *p, bool *out_inline)
{
    int64_t total = 0;
    size_t at = 0;

    for (size_t i = 0; i < p->n; i++) {
        struct str text = p->uris[i].value->text;
        struct buf bytes CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
        const struct output_told_file *told = NULL;
        struct data_uri u;
        enum status st = STATUS_OK;

        if (p->uris[i].is_loose && text.n < LOOSE_MIN)
            continue;
        if (!data_uri_split(text, &u)) {
            *out_inline = inline_upload(s, text, &p->inlined[i], &total) || *out_inline;
            continue;
        }
        if (!data_uri_decode(&u, &bytes)) /* not ours to judge */
            continue;
        total += (int64_t)bytes.n;
        if (s->spec.told)
            told = find_told(s->spec.told, buf_str(&bytes));
        if (told)
            p->stored[i] = str_of(told->address);
        else
            st = store_data(s, &u, buf_str(&bytes), name_of(s, at, p->n_data, u.type),
                            &p->stored[i]);
        at++;
        if (st != STATUS_OK)
            return st;
        *out_inline = true;
    }
    s->result.n_found = at;
    *out_inline = *out_inline && total <= s->spec.inline_limit;
    return STATUS_OK;
}

static struct str replaced(struct storing *s, const struct json *v, const struct places *p,
                           const struct str *with)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    input_replace(v, p->uris, with, p->n, &out);
    return str_make(arena_copy(s->arena, buf_str(&out)), out.n);
}

static void store_work(struct work *w)
{
    struct storing *s = container_of(w, struct storing, work);
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct json_limits limits = { .max_depth = JSON_DEPTH_MOST, .max_values = MAX_VALUES };
    struct places p = { 0 };
    bool has_inline = false;
    struct json *v;

    const char *misfit;

    s->result.output = s->spec.output;
    if (!(s->spec.must_fit || output_files_needed(s->spec.output, &s->uploads)) ||
        json_parse(&a, s->spec.output, &limits, &v, &s->error) != STATUS_OK)
        return; /* as it is */
    misfit = s->spec.must_fit ? misfit_of(s->spec.schema, &a, v) : NULL;
    s->result.misfit = misfit ? arena_copy(s->arena, str_of(misfit)) : NULL;
    p.n = input_uris(s->spec.schema, &a, v, true, &p.uris);
    p.n_data = count_data(&p);
    p.stored = arena_array(&a, struct str, p.n + 1);
    p.inlined = arena_array(&a, struct str, p.n + 1);
    s->rows = arena_array(s->arena, struct file_row, p.n + 1);
    s->result.rows = s->rows;
    s->status = fill_places(s, &p, &has_inline);
    if (s->status != STATUS_OK)
        return;
    if (s->result.n_found > 0)
        s->result.output = replaced(s, v, &p, p.stored);
    if (has_inline)
        s->result.inlined = replaced(s, v, &p, p.inlined);
}

static void on_stored(struct work *w)
{
    struct storing *s = container_of(w, struct storing, work);
    struct files *f = s->files;

    for (size_t i = 0; s->status != STATUS_OK && i < s->result.n; i++)
        blobs_remove(f->blobs, &s->rows[i].id, 1, NULL, NULL);
    output_uploads_free(&s->uploads);
    s->done(s->arg, &s->result, s->status == STATUS_OK ? NULL : &s->error);
    free(s);
    files_release(f);
}

void output_files_start(struct files *f, struct arena *a, const struct output_files_spec *spec,
                        void (*done)(void *arg, const struct output_files_result *r,
                                     const struct error *err),
                        void *arg)
{
    struct storing *s = xnew(struct storing);
    struct list *node;

    s->files = f;
    s->arena = a;
    s->spec = *spec;
    s->spec.uploads = NULL;
    list_init(&s->uploads);
    while ((node = list_first(spec->uploads)) != NULL) {
        list_remove(node);
        list_push(&s->uploads, node);
    }
    s->now = loop_wall_ms(f->loop);
    rand_init_os(&s->rand);
    id_gen_init(&s->ids, &s->rand);
    s->done = done;
    s->arg = arg;
    files_hold(f);
    work_start(f->loop, &s->work, store_work, on_stored);
}
