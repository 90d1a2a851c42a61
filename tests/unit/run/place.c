/* SPDX-License-Identifier: Apache-2.0 */
#include "place.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static const unsigned char KEY[SEAL_KEY_SIZE] = "a key that only tests know";

const char *place_id(char kind, int n)
{
    static char ring[64][32];
    static unsigned at;
    char *id = ring[at++ % ARRAY_SIZE(ring)];

    (void)snprintf(id, sizeof(ring[0]), "01%08d000000000000000%c", n, kind);
    return id;
}

const char *place_version(int n)
{
    static char ring[16][72];
    static unsigned at;
    char *hash = ring[at++ % ARRAY_SIZE(ring)];

    (void)snprintf(hash, sizeof(ring[0]), "%064x", (unsigned)n);
    return hash;
}

/* --- what the store holds
 * ----------------------------------------------------------------------------------- */

#define SCHEMA(input, output)                                                                      \
    "{\"components\":{\"schemas\":{\"Input\":{\"type\":\"object\",\"additionalProperties\":"       \
    "true" input "},\"Output\":{" output "}}}}"

static void add_version(struct place *p, int n)
{
    static const char *const schemas[] = {
        SCHEMA(",\"properties\":{\"key\":{\"type\":\"string\",\"format\":\"password\",\"x-cog-"
               "secret\":true}}",
               ""),
        SCHEMA(",\"required\":[\"n\"],\"properties\":{\"n\":{\"type\":\"integer\"}}", ""),
        SCHEMA("", "\"type\":\"array\",\"items\":{}"),
        SCHEMA("", ""),
        SCHEMA("", "\"type\":\"array\",\"items\":{},\"x-cog-array-type\":\"iterator\""),
    };
    struct store_version_create v = { 0 };
    char config[80], path[24];

    (void)snprintf(config, sizeof(config), "{\"dialect\":\"cog\",\"concurrency\":%d}",
                   n == 4 ? 2 : 1);
    (void)snprintf(path, sizeof(path), "versions/%d", n);
    v.in = (struct version_row){
        .seq = place_id('v', n),
        .id = place_version(n),
        .model_id = place_id('m', 1),
        .cog_version = "0.23.0",
        .kind = "folder",
        .schema = str_of(schemas[n - 1]),
        .config = str_of(config),
        .path = path,
        .created_at = n,
    };
    PLACE_RUN(p, STORE_VERSION_CREATE, v);
    store_op_deinit(&v.op);
}

static void fill_store(struct place *p)
{
    struct store_account_create account = { 0 };
    struct store_model_create model = { 0 };

    account.in = (struct account){
        .id = place_id('a', 1), .username = "alice", .name = "alice", .created_at = 1
    };
    account.webhook_secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    PLACE_RUN(p, STORE_ACCOUNT_CREATE, account);
    store_op_deinit(&account.op);
    model.in = (struct model_row){
        .id = place_id('m', 1),
        .owner_id = place_id('a', 1),
        .name = "m",
        .is_public = true,
        .hardware = "cpu",
        .created_at = 2,
    };
    PLACE_RUN(p, STORE_MODEL_CREATE, model);
    store_op_deinit(&model.op);
    for (int n = 1; n <= 5; n++)
        add_version(p, n);
}

/* --- the server
 * ------------------------------------------------------------------------------------------------
 */

static char *no_file(const char *path, bool must_exist, struct error *err)
{
    (void)path;
    (void)must_exist;
    (void)err;
    return NULL;
}

static void fill_hardware(struct place *p, int gpus)
{
    static const char list[] =
        "[{\"sku\":\"cpu\",\"name\":\"CPU\",\"price\":\"0.0001\",\"cpus\":1,\"memory\":\"1GB\"},"
        "{\"sku\":\"gpu-t4\",\"name\":\"T4\",\"price\":\"0.0002\",\"cpus\":1,"
        "\"memory\":\"1GB\",\"gpus\":1,\"gpu_kind\":\"T4\"}]";
    struct json *v;
    struct error err;

    if (json_parse(&p->arena, str_of(list), NULL, &v, &err) != STATUS_OK ||
        hardware_parse(&p->arena, v, &p->hardware, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    p->hardware.cpu_overcommit = p->hardware.memory_overcommit = 1;
    p->hardware.machine =
        (struct inventory){ .cpus_milli = 1000000, .memory = (int64_t)1 << 42, .n_gpus = gpus };
    for (int i = 0; i < gpus; i++)
        p->hardware.machine.gpus[i] =
            (struct gpu){ .index = i, .name = "Tesla T4", .memory = 16000000000 };
}

struct place *place_new(const struct place_spec *given)
{
    static const struct fake_launch_script lives[] = { { .address_after_ms = 50 } };
    static const char *const none[] = { NULL };
    struct place_spec spec = given ? *given : (struct place_spec){ 0 };
    struct place *p = xnew(struct place);
    struct error err;

    log_setup(getenv("BERTH_TEST_LOG") ? LOG_INFO : LOG_ERROR, LOG_TEXT, 2);
    if (options_read(&p->options, none, none, no_file, &err) != STATUS_OK)
        fail_msg("options: %s", err.text);
    p->loop = loop_new_virtual(1700000000000, spec.seed ? spec.seed : 1);
    if (store_open(p->loop, ":memory:", &p->store, &err) != STATUS_OK)
        fail_msg("store: %s", err.text);
    id_gen_init(&p->ids, loop_rand(p->loop));
    list_init(&p->jobs);
    fill_hardware(p, spec.gpus);
    fill_store(p);
    p->client = spec.client;
    p->render = spec.render;
    if (!spec.protocol.ready_after_ms)
        spec.protocol.ready_after_ms = 100;
    p->driver = fake_driver_new(p->loop, spec.launches ? spec.launches : lives,
                                spec.launches ? spec.n_launches : 1);
    p->protocol = fake_protocol_new(p->loop, &spec.protocol);
    place_start(p);
    return p;
}

void place_start(struct place *p)
{
    struct fleet_config c = {
        .options = &p->options,
        .data = "/nowhere",
        .internal_base = "http://127.0.0.1:1",
        .key = KEY,
    };
    struct error err;

    fleet_init(&p->fleet, p->loop, p->store, &p->hardware, p->driver, p->protocol, &c);
    if (p->client)
        p->deliveries = p->fleet.deliveries = deliveries_new(
            &p->fleet, p->client,
            &(struct deliveries_config){ .options = &p->options, .render = p->render });
    if (fleet_load(&p->fleet, &err) != STATUS_OK)
        fail_msg("fleet_load: %s", err.text);
    if (p->client && deliveries_load(p->deliveries, &err) != STATUS_OK)
        fail_msg("deliveries_load: %s", err.text);
    if (p->client && budgets_new(&p->fleet, p->client, &p->budgets, &err) != STATUS_OK)
        fail_msg("budgets_new: %s", err.text);
}

void place_drop(struct place *p)
{
    struct job *j;

    budgets_stop(p->budgets);
    deliveries_stop(p->deliveries);
    place_run(p, 0); /* what the store was told is done; nobody hears of it any more */
    p->fleet.is_stopping = p->fleet.is_stopping || p->fleet.n_keeping > 0;
    while (p->fleet.n_keeping > 0) /* a training that waits for the disk to be written to */
        loop_run_until(p->loop, loop_now_ms(p->loop) + 100);
    fleet_deinit(&p->fleet);
    if (p->deliveries)
        http_client_free(p->client);
    deliveries_free(p->deliveries);
    budgets_free(TAKE(p->budgets));
    p->deliveries = NULL;
    list_each (&p->jobs, j, struct job, node)
        list_init(&j->watcher.node);
}

void place_restart(struct place *p)
{
    place_drop(p);
    place_start(p);
}

static void on_stopped(void *arg)
{
    ((struct place *)arg)->has_stopped = true;
}

void place_stop(struct place *p, bool keep_instances)
{
    p->options.keep_instances = keep_instances;
    p->has_stopped = false;
    fleet_stop(&p->fleet, on_stopped, p);
    for (int i = 0; i < 600 && !p->has_stopped; i++)
        loop_run_until(p->loop, loop_now_ms(p->loop) + 100);
    assert_true(p->has_stopped);
    place_drop(p);
}

static void job_free(struct job *j)
{
    list_remove(&j->node);
    watcher_remove(&j->watcher);
    buf_deinit(&j->pieces);
    buf_deinit(&j->log_pieces);
    buf_deinit(&j->output);
    buf_deinit(&j->logs);
    buf_deinit(&j->metrics);
    buf_deinit(&j->error);
    free(j);
}

void place_free(struct place *p)
{
    struct job *j;

    list_each (&p->jobs, j, struct job, node)
        watcher_remove(&j->watcher);
    place_stop(p, false);
    assert_int_equal(p->hardware.cpus_used, 0);
    assert_int_equal(p->hardware.memory_used, 0);
    assert_int_equal(p->hardware.gpus_used, 0);
    assert_int_equal(fake_driver_running(p->driver), 0);
    assert_int_equal(p->n_over, 0);
    store_close(p->store);
    driver_free(p->driver);
    protocol_free(p->protocol);
    list_each (&p->jobs, j, struct job, node)
        job_free(j);
    options_deinit(&p->options);
    arena_deinit(&p->arena);
    map_deinit(&p->counts);
    loop_free(p->loop);
    free(p);
}

/* A pool may have max instances, and the surge on top while it has more than one lane. */
void place_look(struct place *p)
{
    struct pool *pool;

    for (size_t at = 0; map_next(&p->fleet.pools, &at, NULL, (void **)&pool);) {
        int64_t may =
            pool->max + (list_length(&pool->lanes) > 1 && !pool->is_model ? p->options.surge : 0);
        int64_t working =
            pool_instances(pool, INSTANCE_BOOTING) + pool_instances(pool, INSTANCE_READY);
        intptr_t all = pool_all_instances(pool),
                 before = (intptr_t)map_get(&p->counts, str_of(pool->id));

        /* After the maximum was lowered the surplus drains, but it never grows. */
        p->n_over += working > may || (all > may && all > before);
        map_put(&p->counts, str_of(pool->id), (void *)all);
    }
}

void place_run(struct place *p, int64_t ms)
{
    int64_t end = loop_now_ms(p->loop) + ms, step = ms > 60000 ? 50 : 10;

    do {
        loop_run_until(p->loop, MIN(loop_now_ms(p->loop) + step, end));
        place_look(p);
    } while (loop_now_ms(p->loop) < end);
}

/* --- deployments
 * -----------------------------------------------------------------------------------------------
 */

struct pool *place_pool(struct place *p, const char *name)
{
    return pool_find(&p->fleet, STR("alice"), str_of(name));
}

struct pool *place_deploy(struct place *p, const char *name, int version, const char *hardware,
                          int min, int max)
{
    struct store_deployment_create op = { 0 };
    char id[ID_SIZE];
    struct error err;

    id_make(&p->ids, loop_wall_ms(p->loop), id);
    op.in = (struct deployment_row){
        .id = id,
        .owner_id = place_id('a', 1),
        .name = name,
        .created_at = loop_wall_ms(p->loop),
        .settings = "{}",
        .release = {
            .model_owner = "alice",
            .model_name = "m",
            .version = place_version(version),
            .hardware = hardware,
            .min_instances = min,
            .max_instances = max,
            .created_at = loop_wall_ms(p->loop),
            .created_by = { .id = place_id('a', 1) },
        },
    };
    PLACE_RUN(p, STORE_DEPLOYMENT_CREATE, op);
    if (pool_apply(&p->fleet, &op.row, &op.used, &err) != STATUS_OK)
        fail_msg("pool_apply: %s", err.text);
    store_op_deinit(&op.op);
    return place_pool(p, name);
}

void place_patch(struct place *p, const char *name, int version, const char *hardware, int min,
                 int max)
{
    struct store_deployment_update op = {
        .owner = STR("alice"),
        .name = str_of(name),
        .version = version ? place_version(version) : NULL,
        .hardware = hardware,
        .min_instances = min,
        .max_instances = max,
        .now = loop_wall_ms(p->loop),
        .author_id = place_id('a', 1),
    };
    struct error err;

    PLACE_RUN(p, STORE_DEPLOYMENT_UPDATE, op);
    assert_true(op.changed);
    if (pool_apply(&p->fleet, &op.row, &op.used, &err) != STATUS_OK)
        fail_msg("pool_apply: %s", err.text);
    store_op_deinit(&op.op);
}

void place_settings(struct place *p, const char *name, const char *scaling, const char *rollout)
{
    struct store_deployment_update op = {
        .owner = STR("alice"),
        .name = str_of(name),
        .min_instances = -1,
        .max_instances = -1,
        .scaling = scaling,
        .rollout = rollout,
        .now = loop_wall_ms(p->loop),
        .author_id = place_id('a', 1),
    };
    struct error err;

    PLACE_RUN(p, STORE_DEPLOYMENT_UPDATE, op);
    if (pool_apply(&p->fleet, &op.row, &op.used, &err) != STATUS_OK)
        fail_msg("pool_apply: %s", err.text);
    store_op_deinit(&op.op);
}

void assert_release(struct place *p, struct pool *pool, int64_t number, bool ready, bool failed)
{
    struct store_release_list op = { .deployment_id = pool->id };
    bool found = false;

    PLACE_RUN(p, STORE_RELEASE_LIST, op);
    for (size_t i = 0; i < op.n; i++) {
        if (op.rows[i].number != number)
            continue;
        found = true;
        assert_int_equal(op.rows[i].ready_at != 0, ready);
        assert_int_equal(op.rows[i].failed_at != 0, failed);
    }
    assert_true(found);
    store_op_deinit(&op.op);
}

/* --- predictions
 * -----------------------------------------------------------------------------------------------
 */

static void set(struct buf *b, struct str s)
{
    buf_clear(b);
    buf_add_str(b, s);
    buf_addc(b, '\0');
    b->n--;
}

static void on_changed(struct watcher *w, struct prediction *p, struct str piece,
                       struct str log_piece)
{
    struct job *j = container_of(w, struct job, watcher);

    j->n_told++;
    buf_add_str(&j->pieces, piece);
    buf_add_str(&j->log_pieces, log_piece);
    j->status = p->row.status;
    if (!prediction_is_terminal(p->row.status))
        return;
    j->n_ended++;
    j->ended_at = loop_now_ms(j->place->loop);
    set(&j->output, p->row.output);
    set(&j->logs, p->row.logs);
    set(&j->metrics, p->row.metrics);
    set(&j->error, str_of(p->row.error));
}

static void on_created(struct prediction_request *r, struct prediction *p, const struct error *err)
{
    struct job *j = container_of(r, struct job, request);

    if (err) {
        j->refused = err->status;
        (void)snprintf(j->why, sizeof(j->why), "%s", err->text);
        return;
    }
    memcpy(j->id, p->id, sizeof(j->id));
    prediction_watch(p, &j->watcher);
}

static struct job *job_new(struct place *p)
{
    struct job *j = xnew(struct job);
    struct buf *const all[] = { &j->pieces, &j->log_pieces, &j->output,
                                &j->logs,   &j->metrics,    &j->error };

    j->place = p;
    j->request.created = on_created;
    j->watcher.changed = on_changed;
    j->created_at = loop_now_ms(p->loop);
    list_init(&j->watcher.node);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        buf_init(all[i], BUF_UNBOUNDED);
    list_push(&p->jobs, &j->node);
    return j;
}

static struct job *ask(struct job *j, struct prediction_spec *spec, const char *input)
{
    spec->account_id = place_id('a', 1);
    spec->input = str_of(input);
    spec->source = "api";
    if (!spec->webhook)
        spec->webhook_events = WEBHOOK_DEFAULT;
    spec->base_url = "http://localhost";
    spec->is_waited_for = j->place->waits;
    prediction_create(&j->place->fleet, &j->request, spec);
    return j;
}

struct job *place_ask(struct place *p, const char *deployment, const char *input)
{
    return place_ask_hook(p, deployment, input, NULL, 0);
}

struct job *place_ask_hook(struct place *p, const char *deployment, const char *input,
                           const char *url, unsigned events)
{
    struct job *j = job_new(p);
    struct prediction_spec spec = {
        .pool = place_pool(p, deployment),
        .webhook = url,
        .webhook_events = events,
    };
    struct error err;

    assert_non_null(spec.pool);
    j->refused = pool_choose(spec.pool, &spec.lane, &spec.release, &err);
    if (j->refused == STATUS_OK)
        return ask(j, &spec, input);
    (void)snprintf(j->why, sizeof(j->why), "%s", err.text);
    return j;
}

static struct job *ask_model(struct place *p, int version, const char *input, bool trains,
                             const char *url)
{
    struct job *j = job_new(p);
    struct prediction_spec spec = { .webhook = url, .webhook_events = WEBHOOK_COMPLETED };
    enum status s;
    struct store_version_get op = { .owner = STR("alice"),
                                    .name = STR("m"),
                                    .id = str_of(place_version(version)) };
    struct error err;

    PLACE_RUN(p, STORE_VERSION_GET, op);
    s = trains ? pool_of_training(&p->fleet, &op.row, &spec.lane, &err)
               : pool_of_model(&p->fleet, &op.row, &spec.lane, &err);
    if (s != STATUS_OK)
        fail_msg("the model's pool: %s", err.text);
    store_op_deinit(&op.op);
    spec.pool = spec.lane->pool;
    if (trains) {
        spec.destination = "alice/m";
        spec.destination_id = place_id('m', 1);
    }
    return ask(j, &spec, input);
}

struct job *place_ask_model(struct place *p, int version, const char *input)
{
    return ask_model(p, version, input, false, NULL);
}

struct job *place_ask_training(struct place *p, int version, const char *input, const char *url)
{
    return ask_model(p, version, input, true, url);
}

struct prediction *job_live(struct job *j)
{
    return prediction_find(&j->place->fleet, str_of(j->id));
}

void job_stored(struct job *j, struct store_prediction_get *out)
{
    *out = (struct store_prediction_get){ .id = j->id };
    PLACE_RUN(j->place, STORE_PREDICTION_GET, *out);
}

int job_ran_on(struct job *j)
{
    struct store_prediction_get stored;
    int n = 0;

    job_stored(j, &stored);
    for (int i = 1; i <= 5; i++)
        if (strcmp(stored.row.version, place_version(i)) == 0)
            n = i;
    store_op_deinit(&stored.op);
    return n;
}

void assert_job(struct job *j, enum prediction_status expected)
{
    struct store_prediction_get stored;

    assert_int_equal(j->refused, STATUS_OK);
    job_stored(j, &stored);
    if (stored.row.status != expected)
        fail_msg("%s is %s, not %s (%s)", j->id, prediction_status_text(stored.row.status),
                 prediction_status_text(expected), stored.row.error ? stored.row.error : "");
    if (j->n_ended > 0) {
        assert_int_equal(j->n_ended, 1);
        assert_int_equal(j->status, expected);
    }
    if (prediction_is_terminal(expected))
        assert_null(job_live(j));
    store_op_deinit(&stored.op);
}

int pool_instances(struct pool *p, enum instance_state s)
{
    struct lane *l;
    int n = 0;

    list_each (&p->lanes, l, struct lane, node)
        n += lane_count(l, s);
    return n;
}

int pool_all_instances(struct pool *p)
{
    int n = 0;

    for (int s = 0; s < INSTANCE_STATE_COUNT; s++)
        n += pool_instances(p, (enum instance_state)s);
    return n;
}

struct instance *pool_first_instance(struct pool *p)
{
    struct lane *l;

    list_each (&p->lanes, l, struct lane, node)
        if (!list_empty(&l->instances))
            return container_of(list_first(&l->instances), struct instance, node);
    return NULL;
}
