/* SPDX-License-Identifier: Apache-2.0 */
/* What all handlers of the public API share. */
#pragma once

#include "api/metrics.h"
#include "base/map.h"
#include "http/server.h"
#include "run/build.h"
#include "run/disk.h"
#include "run/fleet.h"
#include "store/account.h"

struct bucket { /* a token bucket: so many a minute, as many at once */
    double level;
    int64_t at_ms;
};

void bucket_refill(struct bucket *b, int64_t per_minute, int64_t now_ms);

/* An account and its tokens are few: they live in memory, and in the store. */
struct api_account {
    struct account info; /* texts belong to it */
    struct bucket predictions, requests;
    int64_t n_waits, n_streams; /* that are open */
};

struct api_token {
    char id[ID_SIZE];
    unsigned char hash[32];
    struct api_account *account;
    int64_t used_at; /* wall ms, as the store knows it */
};

struct api {
    struct loop *loop;
    struct store *store;
    struct fleet *fleet;
    struct builds *builds;
    struct backups *backups; /* set once they are there */
    struct disk *disk;
    struct registry *registry; /* NULL: there is none */
    struct hardware *hardware;
    const struct options *options;
    struct map accounts; /* id -> struct api_account */
    struct map by_name;  /* username -> struct api_account */
    struct map tokens;   /* 32 bytes of hash -> struct api_token */
    struct map sessions; /* 32 bytes of hash -> struct session, of browsers */
    struct map sign_ins; /* address -> struct bucket, of who tried in vain */
    struct map searches; /* likewise, of who searches without a token */
    struct list waits;   /* requests that wait for a prediction */
    struct list streams; /* readers of output, as server-sent events */
    struct list readers; /* of what changes, likewise */
    struct change_listener listener;
    bool is_ending;    /* nobody is made to wait any more */
    int n_simulations; /* that run now */
    struct http_metrics http;
    int64_t started_at; /* wall ms */
    struct map replays; /* prediction id -> struct replay: outputs readers are behind with */
};

enum status api_init(struct api *a, struct loop *l, struct store *s, struct fleet *f,
                     struct builds *b, const struct options *o, struct error *err) NODISCARD;
/* Answers every request that still waits, with what there is; from now on none does. */
void api_answer_waits(struct api *a);
/* False: the account has as many open streams as it may, and 429 was answered. `x` may be NULL. */
bool streams_have_room(struct http_request *r, const struct api_account *x);
/* Ends every stream where it stands; its reader comes back with the id of the last event it had. */
void api_end_streams(struct api *a);
void api_deinit(struct api *a);

/* The tables: the public API, the internal listener for instances, and the administrator's socket.
 */
extern const struct http_route API_ROUTES[];
extern const size_t API_N_ROUTES;
extern const struct http_route INTERNAL_ROUTES[];
extern const size_t INTERNAL_N_ROUTES;
extern const struct http_route ADMIN_ROUTES[];
extern const size_t ADMIN_N_ROUTES;

bool api_gate(struct http_request *r);
/* The internal listener's: refuses whoever does not know an instance's secret before a body is
 * taken. */
bool internal_gate(struct http_request *r);
void api_observe(struct http_request *r, int status, int64_t took_ms, uint64_t bytes_out);
/* docs/api.md from the table. */
void api_markdown(struct buf *out);

static inline struct api *api_of(const struct http_request *r)
{
    return r->user;
}

/* Who asks; never NULL behind the gate of a route that is not open. */
static inline struct api_account *account_of(const struct http_request *r)
{
    return r->account;
}

struct api_account *api_account_add(struct api *a, const struct account *info);
void api_token_add(struct api *a, const struct token_row *row);
void api_token_remove(struct api *a, const unsigned char hash[32]);

/* A store operation on behalf of a request. When the client goes meanwhile the operation still
 * ends, and its result is dropped. `type *op` must have `struct store_op op` first. */
struct api_op {
    struct api *api;
    struct http_request *request; /* NULL: the client has gone */
    void (*effect)(struct api *a, struct store_op *op);
    void (*done)(struct http_request *r, struct store_op *op);
};
/* Allocates an operation of `size` bytes whose inputs may point into the request's arena only
 * through store_keep(). */
void *api_op_new(size_t size);
void api_op_start(struct http_request *r, struct store_op *op, const struct store_op_type *type,
                  void (*done)(struct http_request *r, struct store_op *op));
/* The same, with what must happen after a success whether the client is still there or not. */
void api_op_start_effect(struct http_request *r, struct store_op *op,
                         const struct store_op_type *type,
                         void (*effect)(struct api *a, struct store_op *op),
                         void (*done)(struct http_request *r, struct store_op *op));
void api_op_drop(struct store_op *op); /* one that was not started */
/* Whose what is meant, and who asks: the path's owner and name and the caller's id, kept in `op`.
 */
void api_op_target(const struct http_request *r, struct store_op *op, struct str *out_owner,
                   struct str *out_name, const char **out_viewer_id);
/* Looks a version up (struct store_version_get) as far as the caller may see it. */
void api_version_get(struct http_request *r, struct str owner, struct str name, struct str id,
                     void (*done)(struct http_request *r, struct store_op *op));

/* --- answers --- */

void api_answer(struct http_request *r, int status, struct buf *json);
/* Answers an operation that is done with what `show` writes, of at most `max` bytes, or with its
 * refusal. */
void api_answer_op(struct http_request *r, struct store_op *op, int status, size_t max,
                   void (*show)(struct http_request *r, struct store_op *op,
                                struct json_writer *w));
void api_not_found(struct http_request *r);
/* 409 in the shape of management calls; `what` is "A model". */
void api_exists_already(struct http_request *r, const char *what);
/* Errors of a store operation or rule, in the shape that management calls use. */
void api_refuse(struct http_request *r, const struct error *err);

/* The form of management calls: 400 (or 409) with `errors[{pointer, detail}]`. Collect, then send
 * if any. */
struct problems {
    struct http_request *request;
    struct buf lines;  /* "- key: text" lines */
    struct buf errors; /* JSON elements */
    size_t n;
};
enum { API_MAX_PROBLEMS = 100 }; /* more are not told */
void problems_init(struct problems *p, struct http_request *r);
void problems_add(struct problems *p, const char *key, const char *fmt, ...) PRINTF(3, 4);
/* A key that a client sent, short enough for a message. */
const char *api_shown_key(struct http_request *r, struct str key);
bool problems_send(struct problems *p); /* true: there were some and 400 was answered */

/* The form of predictions: 422 with `invalid_fields[{type, field, description}]`. */
void api_invalid_input(struct http_request *r, const struct input_problem *first);
struct input_problem *api_input_problem(struct http_request *r, const char *type, const char *field,
                                        const char *fmt, ...) PRINTF(4, 5);

/* --- reading bodies --- */

/* In bytes. What goes into the store has a limit, so that pages of it have one. */
enum {
    MAX_NAME = 64,
    MAX_REF = 160, /* owner/name and its like */
    MAX_LABEL = 256,
    MAX_URL = 2 << 10,
    MAX_DESCRIPTION = 10 << 10,
    MAX_README = 1 << 20,
};

/* A member that must be text: NULL and a problem when it is missing (and required), of another type
 * or longer than `max` bytes. */
const char *body_text(struct http_request *r, struct problems *p, const char *key, bool required,
                      size_t max);
/* The same for an optional http(s) address; an empty text counts as none. */
const char *body_url(struct http_request *r, struct problems *p, const char *key);
/* -1 and a problem likewise. */
int64_t body_int(struct http_request *r, struct problems *p, const char *key, bool required,
                 int64_t low, int64_t high);
/* The member "hardware": NULL and a problem when it is missing (and required) or no SKU of ours. */
const struct sku *body_sku(struct http_request *r, struct problems *p, bool required);
/* False, and the reason with the names there are, when there is no such SKU. */
bool sku_find(const struct api *a, struct str name, const struct sku **out, struct buf *out_why);
/* A problem for each key that is not in the list (which ends with NULL). */
void body_only(struct http_request *r, struct problems *p, const char *const *keys);
bool body_is_object(struct http_request *r); /* false: 400 was answered */

/* --- pages --- */

#define PAGE_BAD_CURSOR "Invalid cursor. Use the whole `next` or `previous` address of a page."
enum { PAGE_SMALL = 25, PAGE_LARGE = 100 };
/* Reads `cursor`; false: 400 was answered and `op` is dropped. Texts are kept in `op`'s arena. */
bool page_read(struct http_request *r, struct store_op *op, int limit, struct page_query *out);
/* The same for a cursor's text (p == NULL: the first page); false: it is none. */
bool page_cursor(struct str cursor, struct store_op *op, int limit, struct page_query *out);
/* Writes "next" and "previous" with all other query parameters kept. `first` and `last` are the
 * cursors of the page's rows (NULL for an empty page). */
void page_begin(struct http_request *r, struct json_writer *w, const struct page_info *info,
                const char *first, const char *last);
void page_end(struct json_writer *w);

/* A page of rows of `row_size` bytes, each written by `show`. */
struct api_page {
    const struct page_info *info;
    void *rows;
    size_t n, row_size;
    const char *first, *last; /* cursors; NULL where there is no row */
    void (*show)(struct http_request *r, struct json_writer *w, void *row);
};
/* What a list operation read; its rows' member `key` is the cursor. */
#define API_PAGE(list, key, show_row)                                                              \
    (struct api_page)                                                                              \
    {                                                                                              \
        .info = &(list)->info, .rows = (list)->rows, .n = (list)->n,                               \
        .row_size = sizeof((list)->rows[0]), .first = (list)->n ? (list)->rows[0].key : NULL,      \
        .last = (list)->n ? (list)->rows[(list)->n - 1].key : NULL, .show = (show_row)             \
    }
/* Answers an operation that is done with the page, of at most `max` bytes, or with its refusal. */
void api_answer_page(struct http_request *r, struct store_op *op, struct api_page page, size_t max);

/* --- objects --- */

/* public_url if set, else as the client spoke to us. In the request's arena. */
const char *api_base(struct http_request *r);
void show_time(struct json_writer *w, const char *key, int64_t ms); /* 0 writes null */
void show_account(struct json_writer *w, const struct account *a);
void show_version(struct json_writer *w, const struct version_row *v);
void show_model(struct json_writer *w, const struct model_row *m, const struct version_row *latest,
                const char *base);
void show_release_row(struct json_writer *w, const struct release_row *rel);
/* `p` is where it lives; NULL: nowhere. */
void show_deployment(struct json_writer *w, const struct options *o, const struct deployment_row *d,
                     const struct pool *p);
/* `as_starting`: the answer of a wait that ran out, which clients take for "not finished" by this
 * word alone. */
void show_prediction(struct json_writer *w, const struct prediction_row *p, bool as_starting);
/* The same as one text, for webhooks. */
void api_render_prediction(struct buf *out, const struct prediction_row *row);

/* The answer with one prediction. */
void answer_prediction(struct http_request *r, int status, const struct prediction_row *row,
                       bool as_starting);

/* --- handlers: one for each row of the tables, in the file of their noun --- */

/* clang-format off */
#define API_HANDLERS(X) \
    X(account_show) \
    X(hardware_list) \
    X(model_list) \
    X(model_search) \
    X(model_create) \
    X(model_show) \
    X(model_update) \
    X(model_delete) \
    X(model_readme) \
    X(model_examples) \
    X(version_list) \
    X(version_show) \
    X(version_delete) \
    X(version_push) \
    X(build_show) \
    X(build_log) \
    X(deployment_list) \
    X(deployment_create) \
    X(deployment_show) \
    X(deployment_update) \
    X(deployment_delete) \
    X(deployment_enable) \
    X(deployment_instances) \
    X(deployment_releases) \
    X(prediction_list) \
    X(prediction_make) \
    X(prediction_make_model) \
    X(prediction_make_deployment) \
    X(prediction_show) \
    X(prediction_stop) \
    X(prediction_remove) \
    X(stream_show) \
    X(webhook_key_show) \
    X(webhook_key_rotate) \
    X(webhook_list) \
    X(webhook_resend) \
    X(file_create) \
    X(file_list) \
    X(file_show) \
    X(file_delete) \
    X(file_download) \
    X(file_secret) \
    X(output_show) \
    X(capacity_show) \
    X(health_show) \
    X(internal_webhook) \
    X(internal_input) \
    X(internal_upload) \
    X(admin_account_create) \
    X(admin_account_list) \
    X(admin_token_create) \
    X(admin_token_list) \
    X(admin_token_revoke)
/* clang-format on */
#define X(name) void name(struct http_request *r);
API_HANDLERS(X)
#undef X

/* What is found, and how it is described. */
void openapi_show(struct http_request *r);
void collection_list(struct http_request *r);
void collection_show(struct http_request *r);
void search_show(struct http_request *r);
void example_add(struct http_request *r);
void example_remove(struct http_request *r);
void admin_collection_put(struct http_request *r);
void admin_backup_begin(struct http_request *r);
void admin_backup_end(struct http_request *r);
void admin_collection_delete(struct http_request *r);

/* Deployments: what runs, and the way back. */
void deployment_instance_log(struct http_request *r);
void deployment_rollback(struct http_request *r);
/* The caller's deployment that is live, by the path; NULL after a 404. */
struct pool *own_pool(struct http_request *r);
/* Carries out a change (version, hardware, min_instances and max_instances are set) and answers. */
void deployment_change(struct http_request *r, struct store_deployment_update *op);

/* The front in OpenAI's form. */
void openai_chat(struct http_request *r);
void openai_completion(struct http_request *r);
void openai_models(struct http_request *r);
void openai_model(struct http_request *r);

/* Trainings. */
void training_make(struct http_request *r);
void training_list(struct http_request *r);
/* As users see one: it has succeeded when its version is there. */
void training_view(struct arena *a, const struct prediction_row *p, struct prediction_row *out);
/* Making a prediction: its body (false: 422 was answered), then its input and itself. */
bool prediction_body_ok(struct http_request *r, bool takes_version, struct prediction_spec *spec);
/* The same without the answer: what is wrong with it. */
struct input_problem *prediction_body_read(struct http_request *r, bool takes_version,
                                           struct prediction_spec *spec);
/* Its input is valid JSON; a large one is checked on another thread. */
void prediction_make_with(struct http_request *r, struct prediction_spec *spec);

/* The token in an Authorization field, or alone; NULL when it is none of ours. */
struct api_token *api_token_given(struct api *a, struct str authorization);
struct api_token *api_token_find(struct api *a, struct str token);
/* Which token this request came with, or its session was begun with. */
struct api_token *api_token_of(const struct http_request *r);
/* Whether the address of `r` has something left of what it may do in a minute; 0 is no limit. What
 * `costs` is counted. */
bool api_address_may(struct map *buckets, const struct http_request *r, int64_t per_minute,
                     bool costs);
void api_addresses_free(struct map *buckets);
/* Makes a token for an account; `done` has a struct new_token. */
void api_token_make(struct http_request *r, const struct api_account *x, const char *label,
                    void (*done)(struct http_request *r, struct store_op *op));
/* The token itself travels with the operation only until the answer. */
struct new_token {
    struct store_token_create create;
    char token[TOKEN_LEN + 1];
    const char *account;
};
void api_token_revoke(struct http_request *r, const char *account_id);
/* The deployment of the caller's that ?deployment= names, with or without its owner; NULL where it
 * is not there. False: 404 was answered. */
bool api_query_deployment(struct http_request *r, const struct pool **out);
/* image.c */
void admin_image_push(struct http_request *r);
/* A version that is an image was deleted: the engine may forget it. */
void image_forget(struct api *a, const struct store_version_delete *gone, const char *image);

void token_list(struct http_request *r);
void token_create(struct http_request *r);
void token_revoke(struct http_request *r);
