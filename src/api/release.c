/* SPDX-License-Identifier: Apache-2.0 */
/* Releases of a deployment, and the way back to one of them. */
#include "api/canary.h"

enum { MAX_PAGE_BODY = 16 << 20 };

static void show_from_to(struct json_writer *w, const char *key, const char *from, const char *to)
{
    if (strcmp(from, to) == 0)
        return;
    json_key(w, key);
    json_begin_object(w);
    json_member_string(w, "from", from);
    json_member_string(w, "to", to);
    json_end_object(w);
}

static void show_count_from_to(struct json_writer *w, const char *key, int64_t from, int64_t to)
{
    if (from == to)
        return;
    json_key(w, key);
    json_begin_object(w);
    json_member_int(w, "from", from);
    json_member_int(w, "to", to);
    json_end_object(w);
}

/* What made it another one than the release before it; null for the first. */
static void show_change(struct json_writer *w, const struct release_row *before,
                        const struct release_row *row)
{
    json_key(w, "change");
    if (!before) {
        json_null(w);
        return;
    }
    json_begin_object(w);
    show_from_to(w, "version", before->version, row->version);
    show_from_to(w, "hardware", before->hardware, row->hardware);
    show_count_from_to(w, "min_instances", before->min_instances, row->min_instances);
    show_count_from_to(w, "max_instances", before->max_instances, row->max_instances);
    json_end_object(w);
}

static void show_releases(struct http_request *r, struct store_op *op, struct json_writer *w)
{
    struct store_release_list *list = container_of(op, struct store_release_list, op);
    const struct pool *p =
        pool_find(api_of(r)->fleet, http_param(r, "owner"), http_param(r, "name"));

    json_begin_object(w);
    json_key(w, "results");
    json_begin_array(w);
    for (size_t i = 0; i < list->n; i++) {
        const struct release_row *row = &list->rows[i];
        const char *tries = canary_state_of(p, row->number);

        json_begin_object(w);
        json_key(w, "release");
        show_release_row(w, row);
        show_change(w, i + 1 < list->n ? row + 1 : NULL, row);
        json_member_string(w, "state",
                           row->failed_at  ? "failed"
                           : tries         ? tries
                           : row->ready_at ? "ready"
                                           : "new");
        show_time(w, "ready_at", row->ready_at);
        show_time(w, "failed_at", row->failed_at);
        json_member_string(w, "failure", row->failure);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static void on_releases(struct http_request *r, struct store_op *op)
{
    api_answer_op(r, op, 200, MAX_PAGE_BODY, show_releases);
}

void deployment_releases(struct http_request *r)
{
    struct pool *p = own_pool(r);
    struct store_release_list *op;

    if (!p)
        return;
    op = api_op_new(sizeof(*op));
    op->deployment_id = store_keep(&op->op, str_of(p->id));
    api_op_start(r, &op->op, &STORE_RELEASE_LIST, on_releases);
}

/* --- rollback --- */

/* The list that was read, until the release in it has become a change. */
struct rolling {
    struct store_release_list list;
    int64_t number; /* 0: the one before the current one */
};

static const struct release_row *find_release(const struct rolling *x)
{
    int64_t wanted = x->number;

    if (wanted == 0 && x->list.n > 0)
        wanted = x->list.rows[0].number - 1;
    for (size_t i = 0; i < x->list.n; i++)
        if (x->list.rows[i].number == wanted)
            return &x->list.rows[i];
    return NULL;
}

static void on_found(struct http_request *r, struct store_op *op)
{
    struct rolling *x = container_of(op, struct rolling, list.op);
    struct store_deployment_update *change;
    const struct release_row *to;
    struct problems p;

    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    to = find_release(x);
    if (!to) {
        problems_init(&p, r);
        if (x->number)
            problems_add(&p, "release", "There is no release %lld.", (long long)x->number);
        else
            problems_add(&p, NULL, "There is no release before the current one.");
        problems_send(&p);
        return;
    }
    change = api_op_new(sizeof(*change));
    change->version = store_keep(&change->op, str_of(to->version));
    change->hardware = store_keep(&change->op, str_of(to->hardware));
    change->min_instances = to->min_instances;
    change->max_instances = to->max_instances;
    deployment_change(r, change);
}

/* A new release with what an older one had. The body may be absent. */
void deployment_rollback(struct http_request *r)
{
    static const char *const keys[] = { "release", NULL };
    struct pool *pool = own_pool(r);
    struct rolling *x;
    struct problems p;
    struct error err;
    int64_t number = 0;

    if (!pool)
        return;
    if (str_trim(r->body).n > 0) {
        if (json_parse(r->arena, r->body, NULL, &r->json, &err) != STATUS_OK) {
            http_problem(r, 400, "Bad Request", "The body is not valid JSON: %s", err.text);
            return;
        }
        if (!body_is_object(r))
            return;
        problems_init(&p, r);
        body_only(r, &p, keys);
        number = body_int(r, &p, "release", false, 1, INT64_MAX);
        if (problems_send(&p))
            return;
    }
    x = api_op_new(sizeof(*x));
    x->number = MAX(number, 0);
    x->list.deployment_id = store_keep(&x->list.op, str_of(pool->id));
    api_op_start(r, &x->list.op, &STORE_RELEASE_LIST, on_found);
}
