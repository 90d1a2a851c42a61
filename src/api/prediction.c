/* SPDX-License-Identifier: Apache-2.0 */
/* Predictions: shown, listed, canceled and erased. How they are made is in prediction_make.c. */
#include "api/api.h"
#include "base/clock.h"
#include "base/mem.h"
#include "run/shadow.h"
#include "store/retention.h"

#include <stdlib.h>

enum { MAX_ANSWER = 256 << 20, MAX_LIST = 8 << 20 };

void answer_prediction(struct http_request *r, int status, const struct prediction_row *row,
                       bool as_starting)
{
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(MAX_ANSWER);
    struct json_writer w;

    buf_reserve(&body, 1024 + row->input.n + row->output.n + row->logs.n); /* most need no more */
    json_writer_init(&w, &body);
    show_prediction(&w, row, as_starting);
    api_answer(r, status, &body);
}

/* --- reading --- */

/* A live prediction's progress is newer in memory than in the store. */
static void overlay(struct http_request *r, struct prediction_row *row)
{
    struct prediction *p = prediction_find(api_of(r)->fleet, str_of(row->id));
    struct str input = row->input;

    if (!p || prediction_is_terminal(row->status))
        return;
    prediction_view(p, r->arena, row);
    if (!row->input.p)
        row->input = input;
    if (!row->logs.p)
        row->logs = STR("");
}

static void on_shown(struct http_request *r, struct store_op *op)
{
    struct store_prediction_get *get = container_of(op, struct store_prediction_get, op);

    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    overlay(r, &get->row);
    answer_prediction(r, 200, &get->row, false);
}

static void from_store(struct http_request *r)
{
    struct store_prediction_get *op = api_op_new(sizeof(*op));

    op->id = store_keep(&op->op, http_param(r, "id"));
    op->account_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    api_op_start(r, &op->op, &STORE_PREDICTION_GET, on_shown);
}

static struct prediction *own_live(struct http_request *r)
{
    struct prediction *p = prediction_find(api_of(r)->fleet, http_param(r, "id"));

    return p && strcmp(p->row.account_id, account_of(r)->info.id) == 0 ? p : NULL;
}

void prediction_show(struct http_request *r)
{
    struct prediction *p = own_live(r);
    struct prediction_row row;

    if (!p || !p->row.input.p) {
        from_store(r);
        return;
    }
    prediction_view(p, r->arena, &row);
    answer_prediction(r, 200, &row, false);
}

static void show_listed(struct http_request *r, struct json_writer *w, void *row)
{
    overlay(r, row);
    show_prediction(w, row, false);
}

static void on_listed(struct http_request *r, struct store_op *op)
{
    struct store_prediction_list *list = container_of(op, struct store_prediction_list, op);

    api_answer_page(r, op, API_PAGE(list, id, show_listed), MAX_ANSWER);
}

static bool read_time(struct http_request *r, const char *key, int64_t *out)
{
    struct str given = http_query(r, key);

    if (!given.p || given.n == 0 || time_parse(given, out))
        return true;
    http_problem(r, 400, NULL,
                 "%s is \"%.*s\"; it must be a time such as 2026-01-05T10:11:12Z (RFC 3339).", key,
                 STR_ARG(given));
    return false;
}

bool api_query_deployment(struct http_request *r, const struct pool **out)
{
    struct str asked = http_query(r, "deployment"), name = asked, owner;
    const struct account *me = &account_of(r)->info;
    const struct pool *p;

    *out = NULL;
    if (!asked.p)
        return true;
    str_split(&name, '/', &owner);
    p = name.p ? pool_find(api_of(r)->fleet, owner, name)
               : pool_find(api_of(r)->fleet, str_of(me->username), asked);
    if (p && strcmp(p->owner_id, me->id) == 0)
        *out = p;
    else
        http_problem(r, 404, NULL,
                     "You have no deployment \"%.*s\": deployment is NAME or OWNER/NAME, as `berth "
                     "deployments list` shows them.",
                     (int)MIN(asked.n, (size_t)MAX_REF), asked.p);
    return *out != NULL;
}

void prediction_list(struct http_request *r)
{
    struct store_prediction_list *op = api_op_new(sizeof(*op));
    struct str source = http_query(r, "source");
    const struct pool *deployment;
    int64_t two_weeks_ago = loop_wall_ms(r->loop) - 14LL * 24 * 3600 * 1000;

    if (!page_read(r, &op->op, PAGE_LARGE, &op->page))
        return;
    if (!read_time(r, "created_after", &op->created_after) ||
        !read_time(r, "created_before", &op->created_before) ||
        !api_query_deployment(r, &deployment)) {
        api_op_drop(&op->op);
        return;
    }
    if (source.p && !str_is(source, "web")) {
        http_problem(r, 400, NULL, "source is \"%.*s\"; the only value it takes is web.",
                     STR_ARG(source));
        api_op_drop(&op->op);
        return;
    }
    op->only_web = source.p != NULL;
    op->deployment_id = deployment ? store_keep(&op->op, str_of(deployment->id)) : NULL;
    if (op->only_web)
        op->created_after = MAX(op->created_after, two_weeks_ago);
    op->max_bytes = MAX_LIST;
    op->account_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    api_op_start(r, &op->op, &STORE_PREDICTION_LIST, on_listed);
}

/* --- cancel --- */

/* A queued prediction ends within the commit, so that its answer says so; a running one is asked to
 * end. */
struct stopping {
    struct http_request *request;
    struct watcher watcher;
};

static void on_stopping_gone(struct http_request *r)
{
    struct stopping *s = r->context;

    watcher_remove(&s->watcher);
    free(s);
}

static void on_stopping_changed(struct watcher *w, struct prediction *p, struct str piece,
                                struct str log_piece)
{
    struct stopping *s = container_of(w, struct stopping, watcher);
    struct http_request *r = s->request;
    struct prediction_row row;

    (void)piece;
    (void)log_piece;
    if (!prediction_is_terminal(p->row.status))
        return;
    r->on_gone = NULL;
    free(s);
    prediction_view(p, r->arena, &row);
    answer_prediction(r, 200, &row, false);
}

void prediction_stop(struct http_request *r)
{
    struct prediction *p = own_live(r);
    struct stopping *s;
    bool was_waiting;

    if (!p) {
        from_store(r);
        return;
    }
    was_waiting = !p->instance || p->is_ending;
    if (!was_waiting) {
        prediction_cancel(p);
        prediction_show(r);
        return;
    }
    s = xnew(struct stopping);
    s->request = r;
    s->watcher.changed = on_stopping_changed;
    r->context = s;
    r->on_gone = on_stopping_gone;
    prediction_watch(p, &s->watcher);
    prediction_cancel(p);
}

/* --- erasing --- */

static void on_erased(struct http_request *r, struct store_op *op)
{
    if (op->status == STATUS_OK)
        http_respond_empty(r, 204);
    else
        api_refuse(r, &op->error);
}

static void after_erase(struct api *a, struct store_op *op)
{
    shadow_forget(a->fleet, container_of(op, struct store_prediction_erase, op)->id);
    files_wake(a->fleet->files); /* its files have gone with it */
}

/* What the retention would do later. The record stays, as it does then. */
void prediction_remove(struct http_request *r)
{
    struct store_prediction_erase *op = api_op_new(sizeof(*op));

    op->id = store_keep(&op->op, http_param(r, "id"));
    op->account_id = store_keep(&op->op, str_of(account_of(r)->info.id));
    api_op_start_effect(r, &op->op, &STORE_PREDICTION_ERASE, after_erase, on_erased);
}
