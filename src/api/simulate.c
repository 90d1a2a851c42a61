/* SPDX-License-Identifier: Apache-2.0 */
/* What if: the deployment's own recorded traffic, through the live policy, with other settings. The
 * traffic is read by the store, the simulation runs on another thread, and whoever asked may have
 * gone by then. */
#include "api/scaling.h"

#include "base/mem.h"
#include "core/scale/grid.h"
#include "run/scaling.h"
#include "store/scaling.h"

#include <stdlib.h>

enum { MOST_DAYS = 3650, DEFAULT_DAYS = 7, DAY_MS = 24 * 3600 * 1000, MAX_BOOT_S = 86400 };

struct simulation_job {
    struct work work;
    struct api *api;
    struct http_request *request; /* NULL: the client has gone */
    struct scale_grid grid;
    struct scale_schedule schedule;
    struct scale_arrival *arrivals;
    struct buf traffic; /* packed records: not stored yet, then all */
};

struct asked {
    struct store_traffic_read op;
    struct simulation_job *job;
};

static void job_free(struct simulation_job *j)
{
    free(j->arrivals);
    buf_deinit(&j->traffic);
    free(j);
}

static void on_gone(struct http_request *r)
{
    struct simulation_job *j = r->context;

    j->request = NULL;
}

static void run(struct work *w)
{
    scale_grid_run(&container_of(w, struct simulation_job, work)->grid);
}

static void on_run(struct work *w)
{
    struct simulation_job *j = container_of(w, struct simulation_job, work);
    struct buf body CLEANUP(buf_deinit) = BUF_INIT(256 * 1024);
    struct json_writer writer;

    j->api->n_simulations--;
    if (j->request) {
        j->request->on_gone = NULL;
        json_writer_init(&writer, &body);
        scale_grid_write(&j->grid, &writer);
        api_answer(j->request, 200, &body);
    }
    job_free(j);
}

static void on_read(struct store_op *op)
{
    struct asked *a = container_of(op, struct asked, op.op);
    struct simulation_job *j = a->job;

    if (op->status == STATUS_OK && !buf_add_str(&j->traffic, a->op.data))
        op->status = FAIL(&op->error, STATUS_UNPROCESSABLE,
                          "There is more traffic than can be replayed at once (%lld predictions, "
                          "max_simulated): ask for fewer days.",
                          (long long)j->api->options->max_simulated);
    if (op->status == STATUS_OK && j->request) {
        j->arrivals = scale_traffic(buf_str(&j->traffic), j->grid.from, &j->grid.n);
        j->grid.arrivals = j->arrivals;
        work_start(j->api->loop, &j->work, run, on_run);
    } else {
        j->api->n_simulations--;
        if (j->request) {
            j->request->on_gone = NULL;
            api_refuse(j->request, &op->error);
        }
        job_free(j);
    }
    store_op_deinit(op);
    free(a);
}

/* --- what is asked --- */

static int64_t read_days(struct http_request *r, struct problems *p)
{
    int64_t days = body_int(r, p, "days", false, 1, MOST_DAYS);

    return days > 0 ? days : DEFAULT_DAYS;
}

static void on_fault(void *arg, const char *key, const struct error *err)
{
    problems_add(arg, key, "%s", err->text);
}

/* target_wait and keep_alive, read as the deployment's settings are. */
static void read_wishes(struct http_request *r, struct problems *p, struct scale_grid *g)
{
    static const char *const keys[] = { "target_wait", "keep_alive" };
    struct scale_settings s;

    scale_settings_init(&s);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        struct json *v = json_get(r->json, keys[i]);
        struct json one;
        struct json object = { .type = JSON_OBJECT, .child = &one, .n = 1 };

        if (!v)
            continue;
        one = *v;
        one.next = NULL;
        (void)!scale_settings_change(&s, &object, on_fault, p);
    }
    g->target_ms = s.target_wait_ms >= 0 ? s.target_wait_ms : -1;
    g->keep_ms = s.keep_alive_ms;
}

static void read_boot(struct http_request *r, struct problems *p, struct scale_grid *g)
{
    struct json *v = json_get(r->json, "boot_seconds");
    double seconds;

    if (!v || json_is(v, JSON_NULL))
        return;
    if (!json_to_double(v, &seconds) || seconds < 0 || seconds > MAX_BOOT_S)
        problems_add(p, "boot_seconds", "%.*s must be a number of seconds from 0 to %d.",
                     (int)MIN(v->span.n, (size_t)60), v->span.p, MAX_BOOT_S);
    else
        g->boot_ms = (int64_t)(seconds * 1000 + 0.5);
}

/* What the deployment has now. */
static void take_present(struct pool *pool, struct simulation_job *j)
{
    struct scale_grid *g = &j->grid;
    struct scale_view v = { .now = loop_wall_ms(j->api->loop) };
    struct lane *l = pool_current(pool)->lane;
    int64_t change;

    scaling_view(pool, &v, &change);
    j->schedule = pool->scaling->settings.schedule;
    g->schedule = &j->schedule;
    g->present = (struct scale_choice){
        .min = (int)pool->min,
        .max = v.max,
        .target_ms = v.target_wait_ms,
        .keep_ms = v.keep_alive_ms,
    };
    g->has_present = true;
    g->slots = (int)MAX(l->version->config.concurrency, 1);
    g->boot_ms = scale_boot_ms(&pool->scaling->learned);
    g->price = l->sku ? (double)l->sku->price_nano / 1e9 : 0;
}

static bool read_asked(struct http_request *r, struct simulation_job *j)
{
    static const char *const keys[] = { "days",        "min_instances", "max_instances",
                                        "target_wait", "keep_alive",    "boot_seconds",
                                        NULL };
    const struct options *o = j->api->options;
    struct scale_grid *g = &j->grid;
    struct problems p;

    problems_init(&p, r);
    body_only(r, &p, keys);
    g->until = loop_wall_ms(j->api->loop);
    g->from = g->until - read_days(r, &p) * DAY_MS;
    g->min = (int)body_int(r, &p, "min_instances", false, 0, o->min_instances_limit);
    g->max = (int)body_int(r, &p, "max_instances", false, 1, o->max_instances_limit);
    if (g->min > 0 && g->max > 0 && g->max < g->min)
        problems_add(&p, "max_instances", "%d is less than min_instances (%d).", g->max, g->min);
    read_wishes(r, &p, g);
    read_boot(r, &p, g);
    return !problems_send(&p);
}

/* The body may be absent. */
static bool read_body(struct http_request *r)
{
    struct error err;

    if (str_trim(r->body).n == 0)
        return true;
    if (json_parse(r->arena, r->body, NULL, &r->json, &err) != STATUS_OK) {
        http_problem(r, 400, "Bad Request", "The body is not valid JSON: %s", err.text);
        return false;
    }
    return body_is_object(r);
}

void deployment_simulate(struct http_request *r)
{
    struct api *api = api_of(r);
    struct pool *pool = own_pool(r);
    struct simulation_job *j;
    struct asked *a;

    if (!pool || !read_body(r))
        return;
    if (api->n_simulations >= api->options->max_simulations) {
        http_set_header(r, "Retry-After", "5");
        http_problem(r, 429, NULL, "%d simulations run already (max_simulations). Try again soon.",
                     api->n_simulations);
        return;
    }
    j = xnew(struct simulation_job);
    j->api = api;
    take_present(pool, j);
    if (!read_asked(r, j)) {
        job_free(j);
        return;
    }
    j->request = r;
    r->context = j;
    r->on_gone = on_gone;
    api->n_simulations++;
    a = xnew(struct asked);
    a->job = j;
    a->op.deployment_id = store_keep(&a->op.op, str_of(pool->id));
    a->op.after = j->grid.from;
    a->op.max_bytes = (size_t)api->options->max_simulated * SCALE_RECORD_SIZE;
    buf_init(&j->traffic, a->op.max_bytes);
    (void)buf_add_str(&j->traffic, buf_str(&pool->scaling->traffic)); /* too much is seen above */
    store_start(api->store, &a->op.op, &STORE_TRAFFIC_READ, on_read);
}
