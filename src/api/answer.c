/* SPDX-License-Identifier: Apache-2.0 */
/* What every handler needs: store operations tied to a request, refusals in Replicate's forms,
 * pages. */
#include "api/api.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdlib.h>

/* --- operations --- */

void *api_op_new(size_t size)
{
    return xcalloc(1, size);
}

static void on_op_done(struct store_op *op)
{
    struct api_op *x = op->user;

    if (x->effect && op->status == STATUS_OK)
        x->effect(x->api, op);
    if (x->request) {
        x->request->on_gone = NULL;
        x->request->context = NULL;
        log_about(x->request->id);
        x->done(x->request, op);
        log_about(NULL);
    }
    store_op_deinit(op);
    free(op);
    free(x);
}

static void on_op_gone(struct http_request *r)
{
    struct api_op *x = r->context;

    x->request = NULL;
}

void api_op_drop(struct store_op *op)
{
    store_op_deinit(op);
    free(op);
}

void api_op_target(const struct http_request *r, struct store_op *op, struct str *out_owner,
                   struct str *out_name, const char **out_viewer_id)
{
    *out_owner = str_of(store_keep(op, http_param(r, "owner")));
    *out_name = str_of(store_keep(op, http_param(r, "name")));
    *out_viewer_id = store_keep(op, str_of(account_of(r)->info.id));
}

void api_op_start(struct http_request *r, struct store_op *op, const struct store_op_type *type,
                  void (*done)(struct http_request *r, struct store_op *op))
{
    api_op_start_effect(r, op, type, NULL, done);
}

void api_op_start_effect(struct http_request *r, struct store_op *op,
                         const struct store_op_type *type,
                         void (*effect)(struct api *a, struct store_op *op),
                         void (*done)(struct http_request *r, struct store_op *op))
{
    struct api_op *x = xnew(struct api_op);

    x->api = api_of(r);
    x->request = r;
    x->effect = effect;
    x->done = done;
    op->user = x;
    r->context = x;
    r->on_gone = on_op_gone;
    store_start(api_of(r)->store, op, type, on_op_done);
}

/* --- refusals --- */

void api_answer(struct http_request *r, int status, struct buf *json)
{
    http_respond_json(r, status, json);
}

void api_answer_op(struct http_request *r, struct store_op *op, int status, size_t max,
                   void (*show)(struct http_request *r, struct store_op *op, struct json_writer *w))
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(max);
    struct json_writer w;

    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    json_writer_init(&w, &body);
    show(r, op, &w);
    api_answer(r, status, &body);
}

void api_not_found(struct http_request *r)
{
    http_problem(r, 404, NULL, "The requested resource could not be found.");
}

void api_exists_already(struct http_request *r, const char *what)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(4096);
    const char *text = arena_printf(r->arena, "%s with that name and owner already exists.", what);
    struct json_writer w;

    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_int(&w, "status", 409);
    json_member_string(&w, "title", "Conflict");
    json_member_string(&w, "detail", text);
    json_key(&w, "errors");
    json_begin_array(&w);
    json_begin_object(&w);
    json_member_string(&w, "detail", text);
    json_end_object(&w);
    json_end_array(&w);
    json_end_object(&w);
    http_respond(r, 409, "application/problem+json", buf_str(&body));
}

void api_refuse(struct http_request *r, const struct error *err)
{
    struct problems p;

    switch (err->status) {
    case STATUS_NOT_FOUND:
        api_not_found(r);
        return;
    case STATUS_FORBIDDEN:
        http_problem(r, 403, NULL, "%s",
                     err->text[0] ? err->text
                                  : "You do not have permission to perform this action.");
        return;
    case STATUS_INVALID:
        problems_init(&p, r);
        problems_add(&p, NULL, "%s", err->text);
        problems_send(&p);
        return;
    default:
        http_problem_error(r, err);
    }
}

enum { MAX_KEY_SHOWN = 200 };

/* A client can send as many keys as it likes, and keys as long as it likes: both are cut. */
const char *api_shown_key(struct http_request *r, struct str key)
{
    size_t n = utf8_prefix(key, MAX_KEY_SHOWN);

    return arena_printf(r->arena, "%.*s%s", (int)n, key.p, n < key.n ? "..." : "");
}

void problems_init(struct problems *p, struct http_request *r)
{
    *p = (struct problems){ .request = r };
    buf_init(&p->lines, 1 << 20);
    buf_init(&p->errors, 4 << 20);
}

void problems_add(struct problems *p, const char *key, const char *fmt, ...)
{
    struct json_writer w;
    va_list ap;
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(4096);

    if (p->n >= API_MAX_PROBLEMS)
        return;
    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    if (key)
        buf_addf(&p->lines, "\n- %s: %.*s", key, STR_ARG(buf_str(&text)));
    else
        buf_addf(&p->lines, "\n- %.*s", STR_ARG(buf_str(&text)));
    if (p->n++)
        buf_addc(&p->errors, ',');
    json_writer_init(&w, &p->errors);
    json_begin_object(&w);
    if (key) {
        struct buf pointer CLEANUP(buf_deinit) = BUF_INIT(1024);

        buf_addf(&pointer, "/%s", key);
        json_member_str(&w, "pointer", buf_str(&pointer));
    }
    json_member_str(&w, "detail", buf_str(&text));
    json_end_object(&w);
}

bool problems_send(struct problems *p)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(16 << 20);
    struct buf detail CLEANUP(buf_deinit) = BUF_INIT(2 << 20);
    struct json_writer w;
    bool any = p->n > 0;

    if (any) {
        buf_addf(&detail, "The following errors occurred:%.*s", STR_ARG(buf_str(&p->lines)));
        json_writer_init(&w, &body);
        json_begin_object(&w);
        json_member_int(&w, "status", 400);
        json_member_string(&w, "title", "Validation failed");
        json_member_str(&w, "detail", buf_str(&detail));
        json_key(&w, "errors");
        buf_addc(&body, '[');
        buf_add_str(&body, buf_str(&p->errors));
        buf_addc(&body, ']');
        w.comma = true;
        json_end_object(&w);
        http_respond(p->request, 400, "application/problem+json", buf_str(&body));
    }
    buf_deinit(&p->lines);
    buf_deinit(&p->errors);
    return any;
}

struct input_problem *api_input_problem(struct http_request *r, const char *type, const char *field,
                                        const char *fmt, ...)
{
    struct input_problem *p = arena_new(r->arena, struct input_problem);
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(4096);
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    p->type = type;
    p->field = field;
    p->description = arena_copy(r->arena, buf_str(&text));
    return p;
}

void api_invalid_input(struct http_request *r, const struct input_problem *first)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(16 << 20);
    struct buf detail CLEANUP(buf_deinit) = BUF_INIT(4 << 20);
    struct json_writer w;
    int n = 0;

    for (const struct input_problem *p = first; p && n < API_MAX_PROBLEMS; p = p->next, n++) {
        if (p->field[0])
            buf_addf(&detail, "- %s: %s\n", p->field, p->description);
        else
            buf_addf(&detail, "- %s\n", p->description);
    }
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_str(&w, "detail", buf_str(&detail));
    json_member_int(&w, "status", 422);
    json_member_string(&w, "title", "Input validation failed");
    json_key(&w, "invalid_fields");
    json_begin_array(&w);
    for (const struct input_problem *p = first; p && n > 0; p = p->next, n--) {
        json_begin_object(&w);
        json_member_string(&w, "type", p->type);
        json_member_string(&w, "field", p->field);
        json_member_string(&w, "description", p->description);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    http_respond(r, 422, "application/problem+json", buf_str(&body));
}

/* --- pages --- */

/* A cursor is "n" or "p" (towards older, towards newer) and the row's own key. */
bool page_cursor(struct str c, struct store_op *op, int limit, struct page_query *out)
{
    *out = (struct page_query){ .limit = limit };
    if (c.n == 0)
        return true;
    if (c.n < 2 || c.n > 64 || (c.p[0] != 'n' && c.p[0] != 'p'))
        return false;
    for (size_t i = 1; i < c.n; i++) {
        if (!((c.p[i] >= '0' && c.p[i] <= '9') || (c.p[i] >= 'a' && c.p[i] <= 'z') ||
              c.p[i] == '-'))
            return false;
    }
    if (c.p[0] == 'n')
        out->after = store_keep(op, str_make(c.p + 1, c.n - 1));
    else
        out->before = store_keep(op, str_make(c.p + 1, c.n - 1));
    return true;
}

bool page_read(struct http_request *r, struct store_op *op, int limit, struct page_query *out)
{
    if (page_cursor(http_query(r, "cursor"), op, limit, out))
        return true;
    api_op_drop(op);
    http_problem(r, 400, NULL, PAGE_BAD_CURSOR);
    return false;
}

static void write_link(struct http_request *r, struct json_writer *w, const char *key, char kind,
                       const char *cursor)
{
    struct buf url CLEANUP(buf_deinit) = BUF_INIT(16 * 1024);
    struct str rest = r->query, part;
    char first = '?';

    buf_addf(&url, "%s%s%.*s", api_base(r), str_starts(r->path, "/v1/") ? "" : "/v1",
             STR_ARG(r->path));
    while (rest.n && str_split(&rest, '&', &part)) {
        if (part.n == 0 || str_starts(part, "cursor="))
            continue;
        buf_addf(&url, "%c%.*s", first, STR_ARG(part));
        first = '&';
    }
    buf_addf(&url, "%ccursor=%c%s", first, kind, cursor);
    json_member_str(w, key, buf_str(&url));
}

void page_begin(struct http_request *r, struct json_writer *w, const struct page_info *info,
                const char *first, const char *last)
{
    json_begin_object(w);
    if (info->has_next && last)
        write_link(r, w, "next", 'n', last);
    else
        json_member_null(w, "next");
    if (info->has_previous && first)
        write_link(r, w, "previous", 'p', first);
    else
        json_member_null(w, "previous");
    json_key(w, "results");
    json_begin_array(w);
}

void page_end(struct json_writer *w)
{
    json_end_array(w);
    json_end_object(w);
}

void api_answer_page(struct http_request *r, struct store_op *op, struct api_page page, size_t max)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(max);
    struct json_writer w;

    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    json_writer_init(&w, &body);
    page_begin(r, &w, page.info, page.first, page.last);
    for (size_t i = 0; i < page.n; i++)
        page.show(r, &w, (char *)page.rows + i * page.row_size);
    page_end(&w);
    api_answer(r, 200, &body);
}
