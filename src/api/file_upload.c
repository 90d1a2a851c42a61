/* SPDX-License-Identifier: Apache-2.0 */
/* A file arrives: multipart in any of the forms that the official clients send, straight to disk.
 * While a piece is being written no further one is read, so that memory holds one piece of each
 * upload.
 *
 * The parts are `content` (the bytes), `filename`, `type` and `metadata`, which is a JSON object as
 * a field or as a file of its own, or a field `metadata[key]` for each member. */
#include "api/file.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "blob/name.h"
#include "http/multipart.h"

#include <stdlib.h>

enum {
    MAX_METADATA = 64 * 1024,
    MAX_TEXT = 1024,
    MAX_ANSWER = 1 << 20,
    PARTS_ALLOWANCE = 1 << 20,
    MAX_SHOWN = 60
};

#define TOO_LARGE "Files must be less than %s in size"

struct upload {
    struct http_request *request; /* NULL: the client has gone */
    struct api *api;
    struct multipart multipart;
    struct blob_writer *writer;
    bool has_content, is_writing, is_complete;
    enum { PART_OTHER, PART_CONTENT, PART_TEXT } part;
    struct buf *text; /* where the bytes of the present part go */
    struct buf piece; /* of the content, on its way to the writer */
    struct buf filename, type, metadata, member;
    struct buf part_filename, part_type;
    struct buf members; /* of metadata[key] fields: JSON members */
    struct buf member_key;
    bool in_member;
    struct store_file_create create;
    struct arena arena;
    char id[ID_SIZE];
};

static void upload_free(struct upload *u)
{
    struct buf *texts[] = { &u->piece,     &u->filename, &u->type,
                            &u->metadata,  &u->member,   &u->part_filename,
                            &u->part_type, &u->members,  &u->member_key };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        buf_deinit(texts[i]);
    blob_abort(u->writer);
    multipart_deinit(&u->multipart);
    store_op_deinit(&u->create.op);
    arena_deinit(&u->arena);
    free(u);
}

static void refuse(struct upload *u, const struct error *err)
{
    struct http_request *r = u->request;

    r->on_gone = NULL;
    r->on_body = NULL;
    if (err->status == STATUS_TOO_LARGE)
        http_problem(r, 413, NULL, "%s", err->text);
    else
        api_refuse(r, err);
    upload_free(u);
}

/* --- parts --- */

/* "key" of "metadata[key]" */
static bool member_name(struct str name, struct str *out)
{
    if (!str_starts(name, "metadata[") || name.p[name.n - 1] != ']')
        return false;
    *out = str_make(name.p + 9, name.n - 10);
    return true;
}

static bool begin_content(struct upload *u, const struct multipart_part *part, struct error *err)
{
    if (u->has_content) {
        FAIL(err, STATUS_INVALID, "content: there is more than one file; upload them one by one.");
        return false;
    }
    u->has_content = true;
    u->part = PART_CONTENT;
    if (part->filename.p)
        buf_add_str(&u->part_filename, part->filename);
    if (part->content_type.p)
        buf_add_str(&u->part_type, part->content_type);
    return true;
}

static bool on_part(struct multipart *m, const struct multipart_part *part, struct error *err)
{
    struct upload *u = m->user;
    struct str key;

    u->part = PART_TEXT;
    u->in_member = member_name(part->name, &key);
    if (str_is(part->name, "content"))
        return begin_content(u, part, err);
    if (str_is(part->name, "filename"))
        u->text = &u->filename;
    else if (str_is(part->name, "type"))
        u->text = &u->type;
    else if (str_is(part->name, "metadata"))
        u->text = &u->metadata;
    else if (u->in_member)
        u->text = &u->member;
    else
        u->part = PART_OTHER;
    if (u->part == PART_TEXT)
        buf_clear(u->text);
    if (u->in_member) {
        buf_clear(&u->member_key);
        buf_add_str(&u->member_key, key);
    }
    return true;
}

static bool on_part_data(struct multipart *m, struct str piece, struct error *err)
{
    struct upload *u = m->user;

    if (u->part == PART_CONTENT)
        return buf_add_str(&u->piece, piece);
    if (u->part == PART_OTHER || buf_add_str(u->text, piece))
        return true;
    FAIL(err, STATUS_INVALID, "%s: longer than %zu bytes.",
         u->text == &u->filename ? "filename"
         : u->text == &u->type   ? "type"
                                 : "metadata",
         u->text->max);
    return false;
}

static bool on_part_end(struct multipart *m, struct error *err)
{
    struct upload *u = m->user;
    struct json_writer w;

    if (u->part != PART_TEXT || !u->in_member)
        return true;
    json_writer_init(&w, &u->members);
    w.comma = u->members.n > 0;
    json_key_str(&w, buf_str(&u->member_key));
    json_string(&w, buf_str(&u->member));
    if (!u->members.failed)
        return true;
    FAIL(err, STATUS_INVALID, "metadata: longer than %d bytes.", MAX_METADATA);
    return false;
}

static const struct multipart_events part_events = { .begin = on_part,
                                                     .data = on_part_data,
                                                     .end = on_part_end };

/* --- what was said of it --- */

static bool read_metadata(struct upload *u, struct file_row *row, struct error *err)
{
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(2 * MAX_METADATA);
    struct str given = str_trim(buf_str(&u->metadata));
    struct json_writer w;
    struct json *v = NULL;

    if (given.n > 0 && json_parse(&u->arena, given, NULL, &v, err) != STATUS_OK) {
        error_context(err, "metadata");
        return false;
    }
    if (v && !json_is(v, JSON_OBJECT)) {
        FAIL(err, STATUS_INVALID,
             "metadata: must be a JSON object such as {\"name\": \"value\"}, not %s (%.*s).",
             json_type_name(v), (int)utf8_prefix(given, MAX_SHOWN), given.p);
        return false;
    }
    if (u->members.n > 0) {
        buf_addf(&out, "{%.*s}", STR_ARG(buf_str(&u->members)));
    } else if (v) {
        json_writer_init(&w, &out);
        json_value(&w, v);
    }
    row->metadata = str_make(arena_copy(&u->arena, buf_str(&out)), out.n);
    return true;
}

static bool read_name(struct upload *u, struct file_row *row, struct error *err)
{
    struct buf clean CLEANUP(buf_deinit) = BUF_INIT(FILE_NAME_MAX);
    struct str given = u->filename.n ? buf_str(&u->filename) : buf_str(&u->part_filename);

    if (u->filename.n > FILE_NAME_MAX || !utf8_valid(buf_str(&u->filename))) {
        FAIL(err, STATUS_INVALID, "filename: must be UTF-8 text of at most %d bytes.",
             FILE_NAME_MAX);
        return false;
    }
    file_name_clean(given, "file", &clean);
    row->name = arena_copy(&u->arena, buf_str(&clean));
    return true;
}

static bool read_type(struct upload *u, struct file_row *row, struct error *err)
{
    struct str field = str_trim(buf_str(&u->type)), part = str_trim(buf_str(&u->part_type));

    row->content_type = "application/octet-stream";
    if (field.n > 0 && !content_type_valid(field)) {
        FAIL(err, STATUS_INVALID, "type: \"%.*s\" is not a media type such as image/png.",
             (int)MIN(field.n, 100U), field.p);
        return false;
    }
    if (field.n > 0)
        row->content_type = arena_copy(&u->arena, field);
    else if (content_type_valid(part))
        row->content_type = arena_copy(&u->arena, part);
    return true;
}

static bool describe(struct upload *u, struct file_row *row, struct error *err)
{
    int64_t now = loop_wall_ms(u->api->loop);

    if (!u->has_content) {
        FAIL(err, STATUS_INVALID,
             "content: This field is required: a part with the bytes of the file.");
        return false;
    }
    *row = (struct file_row){
        .id = u->id,
        .account_id = account_of(u->request)->info.id,
        .kind = FILE_UPLOADED,
        .created_at = now,
        .expires_at = now + u->api->options->file_expiry,
    };
    return read_name(u, row, err) && read_type(u, row, err) && read_metadata(u, row, err);
}

/* --- the way of the bytes --- */

static void on_recorded(struct store_op *op)
{
    struct upload *u = container_of(op, struct upload, create.op);
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(MAX_ANSWER);
    struct http_request *r = u->request;
    const char *id = u->id;
    struct json_writer w;

    if (op->status != STATUS_OK)
        blobs_remove(u->api->fleet->files->blobs, &id, 1, NULL, NULL);
    else
        files_wake(u->api->fleet->files); /* it knows now when the next one expires */
    if (r && op->status != STATUS_OK) {
        refuse(u, &op->error);
        return;
    }
    if (r) {
        r->on_gone = NULL;
        json_writer_init(&w, &body);
        show_file(&w, &u->create.in, api_base(r));
        http_set_header(r, "Location",
                        arena_printf(r->arena, "%s/v1/files/%s", api_base(r), u->id));
        api_answer(r, 201, &body);
    }
    upload_free(u);
}

static void on_stored(void *arg, const struct blob_facts *facts, const struct error *err)
{
    struct upload *u = arg;
    const char *id = u->id;

    u->is_writing = false;
    if (!u->request) {
        if (!err)
            blobs_remove(u->api->fleet->files->blobs, &id, 1, NULL, NULL);
        upload_free(u);
        return;
    }
    if (err) {
        refuse(u, err);
        return;
    }
    file_row_fill(&u->create.in, &u->arena, facts);
    u->is_writing = true;
    store_start(u->api->store, &u->create.op, &STORE_FILE_CREATE, on_recorded);
}

static void finish(struct upload *u)
{
    struct error err;

    if (multipart_finish(&u->multipart, &err) != STATUS_OK || !describe(u, &u->create.in, &err)) {
        refuse(u, &err);
        return;
    }
    u->is_writing = true;
    blob_finish(TAKE(u->writer), on_stored, u);
}

/* "100MB" */
static const char *limit_text(const struct api *a, char out[TIME_TEXT_SIZE])
{
    char *to = out;

    size_format(a->options->max_file, out);
    for (const char *at = out; *at; at++)
        if (*at != ' ')
            *to++ = *at;
    *to = '\0';
    return out;
}

static void on_written(void *arg, const struct error *err)
{
    struct upload *u = arg;
    struct error told;
    char limit[TIME_TEXT_SIZE];

    u->is_writing = false;
    if (!u->request) {
        upload_free(u);
        return;
    }
    if (err && err->status == STATUS_TOO_LARGE) {
        FAIL(&told, STATUS_TOO_LARGE, TOO_LARGE, limit_text(u->api, limit));
        refuse(u, &told);
    } else if (err) {
        refuse(u, err);
    } else {
        buf_clear(&u->piece);
        http_body_resume(u->request);
    }
}

static void on_body(struct http_request *r, struct str piece)
{
    struct upload *u = r->context;
    struct error err;

    if (piece.n == 0) {
        finish(u);
    } else if (multipart_feed(&u->multipart, piece, &err) != STATUS_OK) {
        refuse(u, &err);
    } else if (u->piece.n > 0) {
        u->is_writing = true;
        http_body_pause(r);
        blob_write(u->writer, buf_str(&u->piece), on_written, u);
    }
}

static void on_gone(struct http_request *r)
{
    struct upload *u = r->context;

    u->request = NULL;
    if (!u->is_writing)
        upload_free(u);
}

static void upload_init(struct upload *u)
{
    buf_init(&u->piece,
             BUF_UNBOUNDED); /* never more than the piece of the body that it comes from */
    buf_init(&u->filename, MAX_TEXT);
    buf_init(&u->type, MAX_TEXT);
    buf_init(&u->metadata, MAX_METADATA);
    buf_init(&u->member, MAX_METADATA);
    buf_init(&u->members, MAX_METADATA);
    buf_init(&u->member_key, MAX_METADATA);
    buf_init(&u->part_filename, BUF_UNBOUNDED);
    buf_init(&u->part_type, BUF_UNBOUNDED);
}

/* What is announced as too large is not even begun. */
static bool length_ok(struct http_request *r)
{
    struct str length = http_header(r, "content-length");
    int64_t max = api_of(r)->options->max_file;
    char limit[TIME_TEXT_SIZE];
    uint64_t n;

    if (!length.p || !str_to_u64(length, &n) || n <= (uint64_t)max + PARTS_ALLOWANCE)
        return true;
    http_problem(r, 413, NULL, TOO_LARGE, limit_text(api_of(r), limit));
    return false;
}

void file_create(struct http_request *r)
{
    struct files *f = api_of(r)->fleet->files;
    struct upload *u;
    struct error err;

    if (!length_ok(r))
        return;
    u = xnew(struct upload);
    u->request = r;
    u->api = api_of(r);
    upload_init(u);
    if (multipart_init(&u->multipart, http_header(r, "content-type"), &part_events, u, &err) !=
        STATUS_OK) {
        http_problem_error(r, &err);
        upload_free(u);
        return;
    }
    id_make(&f->ids, loop_wall_ms(r->loop), u->id);
    u->writer = blob_writer_new(f->blobs, u->id, u->api->options->max_file);
    r->context = u;
    r->on_gone = on_gone;
    r->on_body = on_body;
}
