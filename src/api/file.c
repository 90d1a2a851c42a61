/* SPDX-License-Identifier: Apache-2.0 */
/* Files that clients uploaded, and files that predictions gave out: everything but their arrival
 * (file_upload.c). */
#include "api/file.h"

#include "base/encode.h"
#include "blob/name.h"

enum { MAX_ANSWER = 16 << 20, DOWNLOAD_SIGNATURE_SIZE = SHA256_SIZE };

static struct files *files_of(struct http_request *r)
{
    return api_of(r)->fleet->files;
}

void file_not_found(struct http_request *r)
{
    http_problem(r, 404, NULL, "File not found");
}

void show_file(struct json_writer *w, const struct file_row *f, const char *base)
{
    struct buf url CLEANUP(buf_deinit) = BUF_INIT(4096);

    buf_addf(&url, "%s/v1/files/%s", base, f->id);
    json_begin_object(w);
    json_member_string(w, "id", f->id);
    json_member_string(w, "name", f->name);
    json_member_string(w, "content_type", f->content_type);
    json_member_int(w, "size", f->size);
    json_member_string(w, "etag", f->md5);
    json_key(w, "checksums");
    json_begin_object(w);
    json_member_string(w, "sha256", f->sha256);
    json_member_string(w, "md5", f->md5);
    json_end_object(w);
    json_member_raw(w, "metadata", f->metadata.n ? f->metadata : STR("{}"));
    show_time(w, "created_at", f->created_at);
    show_time(w, "expires_at", f->expires_at);
    json_key(w, "urls");
    json_begin_object(w);
    json_member_str(w, "get", buf_str(&url));
    json_end_object(w);
    json_end_object(w);
}

void file_send(struct http_request *r, const struct file_row *f, bool for_all_origins)
{
    struct blob_answer a = {
        .id = f->id,
        .name = str_of(f->name),
        .content_type = str_of(f->content_type),
        .size = f->size,
        .etag = str_of(f->md5),
        .for_all_origins = for_all_origins,
    };

    blob_serve(files_of(r)->blobs, r, &a);
}

/* --- one file --- */

static struct store_file_get *get_new(struct http_request *r)
{
    struct store_file_get *op = api_op_new(sizeof(*op));

    op->now = loop_wall_ms(r->loop);
    return op;
}

static bool is_uploaded(struct http_request *r, struct store_op *op)
{
    struct store_file_get *get = container_of(op, struct store_file_get, op);

    if (op->status == STATUS_OK && get->row.kind == FILE_UPLOADED)
        return true;
    if (op->status == STATUS_OK || op->status == STATUS_NOT_FOUND)
        file_not_found(r);
    else
        api_refuse(r, &op->error);
    return false;
}

static void on_shown(struct http_request *r, struct store_op *op)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(MAX_ANSWER);
    struct json_writer w;

    if (!is_uploaded(r, op))
        return;
    json_writer_init(&w, &body);
    show_file(&w, &container_of(op, struct store_file_get, op)->row, api_base(r));
    api_answer(r, 200, &body);
}

void file_show(struct http_request *r)
{
    struct store_file_get *op = get_new(r);

    op->id = store_keep(&op->op, http_param(r, "id"));
    op->account_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    api_op_start(r, &op->op, &STORE_FILE_GET, on_shown);
}

static void on_deleted(struct http_request *r, struct store_op *op)
{
    if (op->status == STATUS_OK)
        http_respond_empty(r, 204);
    else if (op->status == STATUS_NOT_FOUND)
        file_not_found(r);
    else
        api_refuse(r, &op->error);
}

static void after_delete(struct api *a, struct store_op *op)
{
    (void)op;
    files_wake(a->fleet->files);
}

void file_delete(struct http_request *r)
{
    struct store_file_delete *op = api_op_new(sizeof(*op));

    op->id = store_keep(&op->op, http_param(r, "id"));
    op->account_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    op->now = loop_wall_ms(r->loop);
    api_op_start_effect(r, &op->op, &STORE_FILE_DELETE, after_delete, on_deleted);
}

static void show_listed(struct http_request *r, struct json_writer *w, void *row)
{
    show_file(w, row, api_base(r));
}

static void on_listed(struct http_request *r, struct store_op *op)
{
    struct store_file_list *list = container_of(op, struct store_file_list, op);

    api_answer_page(r, op, API_PAGE(list, id, show_listed), MAX_ANSWER);
}

void file_list(struct http_request *r)
{
    struct store_file_list *op = api_op_new(sizeof(*op));

    if (!page_read(r, &op->op, PAGE_LARGE, &op->page))
        return;
    op->account_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    op->now = loop_wall_ms(r->loop);
    api_op_start(r, &op->op, &STORE_FILE_LIST, on_listed);
}

/* --- downloads --- */

void file_secret(struct http_request *r)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(1024);
    char secret[FILES_SECRET_SIZE];
    struct json_writer w;

    files_account_secret(files_of(r), account_of(r)->info.id, secret);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "key", secret);
    json_end_object(&w);
    http_set_header(r, "Cache-Control", "no-store");
    api_answer(r, 200, &body);
}

/* A plus sign that was not encoded arrives as a space; the alphabet that is safe in addresses is
 * taken too. */
static bool read_signature(struct http_request *r, unsigned char out[DOWNLOAD_SIGNATURE_SIZE])
{
    struct buf bytes CLEANUP(buf_deinit) = BUF_INIT(256);
    struct str given = http_query(r, "signature");
    char *copy = given.p && given.n < 128 ? arena_copy(r->arena, given) : NULL;

    for (char *p = copy; p && *p; p++)
        *p = *p == ' ' || *p == '-' ? '+' : *p == '_' ? '/' : *p;
    if (!copy || !base64_decode(str_of(copy), &bytes) || bytes.n != DOWNLOAD_SIGNATURE_SIZE)
        return false;
    memcpy(out, bytes.p, DOWNLOAD_SIGNATURE_SIZE);
    return true;
}

/* Signed is "{owner} {id} {expiry}". Whatever is wrong looks like a file that is not there. */
static struct api_account *download_owner(struct http_request *r)
{
    struct str owner = http_query(r, "owner"), expiry = http_query(r, "expiry"),
               id = http_param(r, "id");
    struct api_account *x = owner.p ? map_get(&api_of(r)->by_name, owner) : NULL;
    unsigned char given[DOWNLOAD_SIGNATURE_SIZE], right[SHA256_SIZE];
    char secret[FILES_SECRET_SIZE];
    int64_t until;

    if (!x || !expiry.p || !str_to_i64(expiry, &until) || until <= loop_wall_ms(r->loop) / 1000 ||
        !read_signature(r, given))
        return NULL;
    files_account_secret(files_of(r), x->info.id, secret);
    hmac_sha256(str_of(secret),
                str_of(arena_printf(r->arena, "%.*s %.*s %.*s", STR_ARG(owner), STR_ARG(id),
                                    STR_ARG(expiry))),
                right);
    return bytes_equal_constant_time(given, right, sizeof(right)) ? x : NULL;
}

static void on_download(struct http_request *r, struct store_op *op)
{
    if (is_uploaded(r, op))
        file_send(r, &container_of(op, struct store_file_get, op)->row, false);
}

void file_download(struct http_request *r)
{
    struct api_account *x = download_owner(r);
    struct store_file_get *op;

    if (!x) {
        file_not_found(r);
        return;
    }
    op = get_new(r);
    op->id = store_keep(&op->op, http_param(r, "id"));
    op->account_id = store_keep(&op->op, str_of(x->info.id));
    api_op_start(r, &op->op, &STORE_FILE_GET, on_download);
}

static void on_output(struct http_request *r, struct store_op *op)
{
    struct store_file_get *get = container_of(op, struct store_file_get, op);

    if (op->status == STATUS_OK)
        file_send(r, &get->row, true);
    else if (op->status == STATUS_NOT_FOUND)
        file_not_found(r);
    else
        api_refuse(r, &op->error);
}

void output_show(struct http_request *r)
{
    struct store_file_get *op = get_new(r);

    op->secret = store_keep(&op->op, http_param(r, "secret"));
    api_op_start(r, &op->op, &STORE_FILE_GET, on_output);
}
