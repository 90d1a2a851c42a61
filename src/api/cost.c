/* SPDX-License-Identifier: Apache-2.0 */
/* What a deployment or an account has cost. What instances spend at the moment is written first, so
 * that the answer holds everything up to now. */
#include "api/cost.h"

#include "api/api.h"
#include "base/clock.h"
#include "store/ledger.h"

enum { MAX_BODY = 64 << 20, MAX_DAYS = 400, DAYS = 7 };

/* --- shapes --- */

void show_amount(struct json_writer *w, const char *key, __int128 amount)
{
    char text[LEDGER_TEXT];

    ledger_format(amount, text);
    json_member_raw(w, key, str_of(text));
}

/* Milliseconds as seconds, exactly. */
static void show_seconds(struct json_writer *w, int64_t ms)
{
    show_amount(w, "seconds", (__int128)ms * 1000000000);
}

void show_sum(struct json_writer *w, const struct ledger_sum *s)
{
    show_seconds(w, ledger_sum_ms(s));
    show_amount(w, "cost", ledger_sum_amount(s));
    json_key(w, "kinds");
    json_begin_object(w);
    for (int k = 0; k < LEDGER_KINDS; k++) {
        json_key(w, ledger_kind_name((enum ledger_kind)k));
        json_begin_object(w);
        show_seconds(w, s->ms[k]);
        show_amount(w, "cost", s->amount[k]);
        json_end_object(w);
    }
    json_end_object(w);
}

static void show_date(struct json_writer *w, int64_t day)
{
    char text[TIME_TEXT_SIZE];

    time_format(day, text);
    json_key(w, "date");
    json_string(w, str_make(text, strlen("2026-01-05")));
}

/* --- the time that is asked for --- */

static bool read_day(struct http_request *r, const char *key, int64_t *out)
{
    struct str given = http_query(r, key);
    char day[48];

    if (given.n == 0)
        return true;
    snprintf(day, sizeof(day), "%.*sT00:00:00Z", (int)MIN(given.n, (size_t)20), given.p);
    if (time_parse(given, out) || (given.n == strlen("2026-01-05") && time_parse(str_of(day), out)))
        return true;
    http_problem(r, 400, NULL,
                 "%s is \"%.*s\"; it must be a day such as 2026-01-05, or a time such as "
                 "2026-01-05T10:00:00Z (RFC 3339).",
                 key, (int)MIN(given.n, (size_t)80), given.p);
    return false;
}

/* What is old is told by the day, whether its hours are put together already or not. */
static int64_t floor_to_kept(int64_t at, int64_t hours_from)
{
    return ledger_floor(at, at < hours_from ? LEDGER_DAY_MS : LEDGER_HOUR_MS);
}

bool cost_time_read(struct http_request *r, struct cost_time *out)
{
    int64_t now = loop_wall_ms(r->loop);
    int64_t hours_from = ledger_first_hour(now, api_of(r)->options->ledger_hours);

    out->to = now;
    if (!read_day(r, "to", &out->to))
        return false;
    out->from = ledger_floor(out->to, LEDGER_DAY_MS) - (DAYS - 1) * (int64_t)LEDGER_DAY_MS;
    if (!read_day(r, "from", &out->from))
        return false;
    if (out->from >= out->to || out->to - out->from > MAX_DAYS * (int64_t)LEDGER_DAY_MS) {
        http_problem(r, 400, NULL,
                     "from must be before to, and at most %d days before it. Ask for a shorter "
                     "time.",
                     MAX_DAYS);
        return false;
    }
    out->from = floor_to_kept(out->from, hours_from);
    out->to = floor_to_kept(out->to + (out->to < hours_from ? LEDGER_DAY_MS : LEDGER_HOUR_MS) - 1,
                            hours_from);
    return true;
}

/* --- reading --- */

struct asked {
    struct store_ledger_read read;
    struct cost_time time;
};

/* What was counted and not yet written is on its way to the store; this comes behind it, and the
 * question behind this. */
struct flushed {
    struct store_ledger_add add; /* of nothing */
    const char *pool_id;
    struct cost_time time;
    void (*done)(struct http_request *r, struct store_op *op);
};

static void on_flushed(struct http_request *r, struct store_op *op)
{
    struct flushed *f = container_of(op, struct flushed, add.op);
    struct asked *a;

    if (op->status != STATUS_OK) {
        api_refuse(r, &op->error);
        return;
    }
    a = api_op_new(sizeof(*a));
    a->time = f->time;
    a->read.pool_id = store_keep(&a->read.op, str_of(f->pool_id));
    a->read.account_id = store_keep(&a->read.op, str_of(account_of(r)->info.id));
    a->read.from = f->time.from;
    a->read.to = f->time.to;
    a->read.unit_ms = LEDGER_DAY_MS;
    api_op_start(r, &a->read.op, &STORE_LEDGER_READ, f->done);
}

static void ask(struct http_request *r, const char *pool_id,
                void (*done)(struct http_request *r, struct store_op *op))
{
    struct cost_time time;
    struct flushed *f;

    if (!cost_time_read(r, &time))
        return;
    meters_flush_of(api_of(r)->fleet, pool_id ? pool_id : account_of(r)->info.id);
    f = api_op_new(sizeof(*f));
    f->pool_id = store_keep(&f->add.op, str_of(pool_id));
    f->time = time;
    f->done = done;
    api_op_start(r, &f->add.op, &STORE_LEDGER_ADD, on_flushed);
}

/* --- answers --- */

/* What a list goes by, as a text. */
typedef void (*key_fn)(const struct ledger_row *row, struct buf *out);

static void day_key(const struct ledger_row *row, struct buf *out)
{
    buf_addf(out, "%lld", (long long)row->piece.hour);
}

static void release_key(const struct ledger_row *row, struct buf *out)
{
    buf_addf(out, "%lld", (long long)row->release);
}

static void price_key(const struct ledger_row *row, struct buf *out)
{
    buf_addf(out, "%s %lld", row->hardware, (long long)row->piece.price_nano);
}

static void pool_key(const struct ledger_row *row, struct buf *out)
{
    buf_adds(out, row->pool_id);
}

static void day_and_pool_key(const struct ledger_row *row, struct buf *out)
{
    buf_addf(out, "%lld %s", (long long)row->piece.hour, row->pool_id);
}

static void add_row(struct ledger_sum *s, const struct ledger_row *row)
{
    ledger_sum_add(s, row->piece.kind, row->piece.price_nano, row->piece.ms);
}

struct group {
    const struct ledger_row *first;
    struct ledger_sum sum;
};

/* In the order in which they first come. */
static size_t make_groups(struct arena *a, const struct ledger_row *rows, size_t n, key_fn key_of,
                          struct group **out)
{
    struct buf key CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct group *groups = arena_array(a, struct group, n + 1);
    struct map found;
    size_t n_groups = 0;

    map_init(&found);
    for (size_t i = 0; i < n; i++) {
        struct group *g;

        buf_clear(&key);
        key_of(&rows[i], &key);
        g = map_get(&found, buf_str(&key));
        if (!g) {
            g = &groups[n_groups++];
            g->first = &rows[i];
            map_put(&found, buf_str(&key), g);
        }
        add_row(&g->sum, &rows[i]);
    }
    map_deinit(&found);
    *out = groups;
    return n_groups;
}

static void begin_answer(struct json_writer *w, const struct asked *a)
{
    struct ledger_sum total = { 0 };

    for (size_t i = 0; i < a->read.n; i++)
        add_row(&total, &a->read.rows[i]);
    json_begin_object(w);
    show_time(w, "from", a->time.from);
    show_time(w, "to", a->time.to);
    show_sum(w, &total);
}

static void show_hardware(struct json_writer *w, const struct asked *a, struct arena *arena)
{
    struct group *g;
    size_t n = make_groups(arena, a->read.rows, a->read.n, price_key, &g);

    json_key(w, "hardware");
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        json_member_string(w, "sku", g[i].first->hardware);
        show_amount(w, "price", ledger_price_of(g[i].first->piece.price_nano, 1, 1000));
        show_sum(w, &g[i].sum);
        json_end_object(w);
    }
    json_end_array(w);
}

static void show_deployment_cost(struct http_request *r, struct store_op *op, struct json_writer *w)
{
    struct asked *a = container_of(op, struct asked, read.op);
    struct group *g;
    size_t n;

    begin_answer(w, a);
    n = make_groups(r->arena, a->read.rows, a->read.n, day_key, &g);
    json_key(w, "days");
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        show_date(w, g[i].first->piece.hour);
        show_sum(w, &g[i].sum);
        json_end_object(w);
    }
    json_end_array(w);
    n = make_groups(r->arena, a->read.rows, a->read.n, release_key, &g);
    json_key(w, "releases");
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        json_member_int(w, "release", g[i].first->release);
        show_sum(w, &g[i].sum);
        json_end_object(w);
    }
    json_end_array(w);
    show_hardware(w, a, r->arena);
    json_end_object(w);
}

static void on_deployment(struct http_request *r, struct store_op *op)
{
    api_answer_op(r, op, 200, MAX_BODY, show_deployment_cost);
}

void deployment_cost(struct http_request *r)
{
    struct pool *p = own_pool(r);

    if (p)
        ask(r, p->id, on_deployment);
}

/* Of a deployment, or of a model that ran without one. */
static void show_pools(struct json_writer *w, const struct group *g, size_t n, const char *owner)
{
    json_key(w, "deployments");
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        json_member_string(w, "type", g[i].first->pool_is_model ? "model" : "deployment");
        json_member_string(w, "owner", owner);
        json_member_string(w, "name", g[i].first->pool_name);
        show_sum(w, &g[i].sum);
        json_end_object(w);
    }
    json_end_array(w);
}

static void show_account_cost(struct http_request *r, struct store_op *op, struct json_writer *w)
{
    struct asked *a = container_of(op, struct asked, read.op);
    const char *owner = account_of(r)->info.username;
    struct group *days, *pools;
    size_t n, n_pools, at = 0;

    begin_answer(w, a);
    n = make_groups(r->arena, a->read.rows, a->read.n, day_key, &days);
    n_pools = make_groups(r->arena, a->read.rows, a->read.n, day_and_pool_key, &pools);
    json_key(w, "days");
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        size_t first = at;

        while (at < n_pools && pools[at].first->piece.hour == days[i].first->piece.hour)
            at++;
        json_begin_object(w);
        show_date(w, days[i].first->piece.hour);
        show_sum(w, &days[i].sum);
        show_pools(w, pools + first, at - first, owner);
        json_end_object(w);
    }
    json_end_array(w);
    n_pools = make_groups(r->arena, a->read.rows, a->read.n, pool_key, &pools);
    show_pools(w, pools, n_pools, owner);
    show_hardware(w, a, r->arena);
    json_end_object(w);
}

static void on_account(struct http_request *r, struct store_op *op)
{
    api_answer_op(r, op, 200, MAX_BODY, show_account_cost);
}

void account_cost(struct http_request *r)
{
    ask(r, NULL, on_account);
}
