/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/serve.h"
#include "serve/serve_impl.h"

#include "api/events.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "driver/fake/fake.h"
#include "driver/process/process.h"
#include "protocol/cog/cog.h"
#include "protocol/fake/fake.h"
#include "protocol/openai/openai.h"
#include "protocol/plain/plain.h"
#include "serve/systemd.h"
#include "serve/trust.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

/* --- the data folder --- */

static char *read_config(const char *path, bool must_exist, struct error *err)
{
    struct buf text = BUF_INIT(16 << 20);
    struct error why;
    enum status s = file_read(path, &text, &why);

    if (s == STATUS_OK)
        return buf_take(&text);
    buf_deinit(&text);
    if (s == STATUS_NOT_FOUND && !must_exist)
        return NULL; /* absent, and that is fine: *err is as it was */
    *err = why;
    error_context(err, "the configuration");
    return NULL;
}

static enum status open_data(struct serve *s, struct error *err)
{
    ssize_t n = readlink("/proc/self/exe", s->self, sizeof(s->self) - 1);
    enum status st;

    if (n <= 0)
        return FAIL(err, STATUS_BROKEN, "cannot find this program's own file: %s", strerror(errno));
    s->self[n] = '\0';
    st = data_open(s->options.data, &s->folder, err);
    if (st == STATUS_OK)
        st = helpers_write(s->folder.path, err);
    snprintf(s->helper, sizeof(s->helper), "%s/lib/cog_schema.py", s->folder.path);
    snprintf(s->shim, sizeof(s->shim), "%s/lib/shim", s->folder.path);
    return st;
}

/* --- building the parts --- */

static enum status open_store(struct serve *s, struct error *err)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(PATH_MAX + 16);

    buf_addf(&path, "%s/berth.db", s->folder.path);
    s->loop = loop_new_real();
    id_gen_init(&s->ids, loop_rand(s->loop));
    return store_open(s->loop, path.p, &s->store, err);
}

/* --- the beginning of the end --- */

enum { LAST_ANSWERS_MS = 1000 }; /* for what was in hand when the last prediction ended */

static void finish_if_done(struct serve *s)
{
    if (s->fleet_has_stopped && s->public_is_drained)
        loop_stop(s->loop);
}

static void on_drained(void *arg)
{
    struct serve *s = arg;

    s->public_is_drained = true;
    finish_if_done(s);
}

static void on_fleet_stopped(void *arg)
{
    struct serve *s = arg;

    s->fleet_has_stopped = true;
    api_answer_waits(&s->api);
    api_end_streams(&s->api);
    events_end(&s->api);
    http_server_drain_waits(s->front.server, LAST_ANSWERS_MS);
    finish_if_done(s); /* when nobody was connected any more */
}

static void on_signal(uv_signal_t *h, int number)
{
    struct serve *s = h->data;

    if (number == SIGHUP) {
        front_reload(&s->front);
        return;
    }
    if (s->n_signals++ > 0) {
        log_info("stopping at once", LOG_I("signal", number));
        front_drain(&s->front, LAST_ANSWERS_MS, on_drained, s);
        fleet_stop_now(&s->fleet);
        return;
    }
    log_info("stopping; a second signal stops without waiting", LOG_I("signal", number));
    systemd_notify("STOPPING=1");
    front_drain(&s->front, s->options.drain_timeout + 2 * LAST_ANSWERS_MS, on_drained, s);
    fleet_stop(&s->fleet, on_fleet_stopped, s);
}

static void watch_signals(struct serve *s)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        uv_signal_init(loop_uv(s->loop), &s->signals[i]);
        s->signals[i].data = s;
        uv_signal_start(&s->signals[i], on_signal, numbers[i]);
    }
}

/* --- all parts --- */

static void make_backups(struct serve *s)
{
    const struct backups_config c = {
        .options = &s->options,
        .data = s->folder.path,
        .store = s->store,
        .files = s->files,
        .builds = s->builds,
        .fleet = &s->fleet,
    };

    s->backups = s->api.backups = backups_new(s->loop, &c);
    disk_init(&s->disk, s->loop, s->folder.path, s->options.disk_reserve);
    s->api.disk = &s->disk;
}

/* With enable_fake every instance of this server is fake, and without it none can be: there is
 * nothing that a version or a deployment could ask for. */
static enum status make_runtime(struct serve *s, struct error *err)
{
    static const struct fake_launch_script launch = { .address_after_ms = 0 };
    static const struct fake_protocol_script server = { .forgets = true };
    struct process_driver_config config = {
        .data = s->folder.path,
        .self = s->self,
        .shim = s->shim,
        .ids = &s->ids,
        .home = trust_home(),
        .folders = s->options.instance_folders,
        .own_networks = serve_has_networks(s),
    };
    const struct cog_limits limits = {
        .max_health = (size_t)s->options.max_health,
        .max_error = (size_t)s->options.max_error,
        .max_metrics = (size_t)s->options.max_metrics,
    };
    const struct plain_limits plain = {
        .max_health = limits.max_health,
        .max_error = limits.max_error,
    };
    enum status st;

    if (s->options.enable_fake) {
        s->driver = fake_driver_new(s->loop, &launch, 1);
        s->protocol = fake_protocol_new(s->loop, &server);
        return STATUS_OK;
    }
    s->protocol = cog_protocol_new(s->loop, s->client, &limits);
    s->openai = openai_protocol_new(s->loop, s->client, &plain);
    s->plain = plain_protocol_new(s->loop, s->client, &plain);
    st = trust_folders(s->options.instance_folders, err);
    st = st ? st : trust_uids(&s->options, s->folder.path, &s->uids, err);
    config.uids = s->uids;
    return st ? st : process_driver_new(s->loop, &config, &s->driver, err);
}

static enum status build_parts(struct serve *s, struct error *err)
{
    struct builds_config builds = {
        .options = &s->options,
        .data = s->folder.path,
        .ids = &s->ids,
        .helper = s->helper,
        .self = s->self,
        .home = trust_home(),
        .folders = s->options.instance_folders,
    };
    struct files_config files = {
        .options = &s->options,
        .data = s->folder.path,
        .key = s->folder.key,
    };
    struct fleet_config fleet = {
        .options = &s->options,
        .data = s->folder.path,
        .internal_base = s->internal_base,
        .key = s->folder.key,
    };
    struct deliveries_config deliveries = {
        .options = &s->options,
        .render = api_render_prediction,
    };
    enum status st = open_store(s, err);

    if (st != STATUS_OK)
        return st;
    s->client = http_client_new(s->loop);
    http_client_limit_head(s->client, (size_t)s->options.max_answer_head);
    st = make_runtime(s, err);
    if (st == STATUS_OK)
        st = serve_listen_internal(s, err);
    s->engine = (struct engine_listener){
        .loop = s->loop, .store = s->store, .internal = s->internal, .config = &s->internal_config
    };
    if (st == STATUS_OK)
        st = engine_open(&s->engine, &s->options, &s->images, err);
    files.store = s->store;
    files.client = s->client;
    if (st == STATUS_OK)
        st = files_new(s->loop, &files, &s->files, err);
    if (st != STATUS_OK)
        return st;
    fleet.files = s->files;
    fleet.openai = s->openai;
    fleet.plain = s->plain;
    fleet.images = s->images;
    fleet_init(&s->fleet, s->loop, s->store, &s->hardware, s->driver, s->protocol, &fleet);
    st = record_open(&s->fleet, &s->record, err);
    if (st != STATUS_OK)
        return st;
    s->deliveries = s->fleet.deliveries = deliveries_new(&s->fleet, s->client, &deliveries);
    builds.uids = driver_facts(s->driver)->has_users ? s->uids : NULL;
    s->builds = builds_new(s->loop, s->store, &builds);
    st = builds_load(s->builds, err);
    if (st == STATUS_OK)
        st = api_init(&s->api, s->loop, s->store, &s->fleet, s->builds, &s->options, err);
    if (st == STATUS_OK)
        st = fleet_load(&s->fleet, err);
    if (st == STATUS_OK)
        st = deliveries_load(s->deliveries, err);
    if (st != STATUS_OK)
        return st;
    s->sweep = sweep_new(s->loop, s->store, &s->options);
    make_backups(s);
    s->metrics = metrics_new(&s->fleet);
    st = budgets_new(&s->fleet, s->client, &s->budgets, err);
    if (st != STATUS_OK)
        return st;
    watch_signals(s); /* before anybody is told that we listen */
    st = serve_listen_metrics(s, err);
    if (st == STATUS_OK)
        st = serve_listen_public(s, err);
    if (st == STATUS_OK)
        systemd_notify("READY=1");
    return st;
}

/* --- the end --- */

static void stop_loop(void *arg)
{
    loop_stop(((struct serve *)arg)->loop);
}

static void take_down(struct serve *s)
{
    s->engine.internal = NULL;
    if (s->internal) {
        http_server_drain(s->internal, 100, stop_loop, s);
        loop_run(s->loop);
    }
    if (s->backups)
        backups_stop(s->backups);
    if (s->telling) {
        http_server_drain(s->telling, 100, stop_loop, s);
        loop_run(s->loop);
    }
    files_stop(s->files, stop_loop, s);
    loop_run(s->loop);
    builds_free(s->builds);
    while (s->api.n_simulations > 0 || s->fleet.n_keeping > 0) /* on other threads, and back */
        uv_run(loop_uv(s->loop), UV_RUN_ONCE);
    front_close(&s->front);
    http_server_free(s->telling);
    http_server_free(s->internal);
    sweep_stop(s->sweep);
    metrics_stop(s->metrics);
    budgets_stop(s->budgets);
    deliveries_stop(s->deliveries);
    store_close(s->store); /* what is pending ends here, with its effects on all that follows */
    sweep_free(s->sweep);
    backups_free(s->backups);
    metrics_free(s->metrics);
    api_deinit(&s->api);
    for (size_t i = 0; i < ARRAY_SIZE(s->signals); i++)
        uv_close((uv_handle_t *)&s->signals[i], NULL);
    fleet_deinit(&s->fleet);
    record_close(s->record);
    files_free(s->files);
    driver_free(s->driver);
    driver_free(s->images);
    engine_close(&s->engine);
    uids_free(s->uids);
    http_client_free(s->client); /* its calls end without a word, before what they belong to goes */
    deliveries_free(s->deliveries);
    budgets_free(s->budgets);
    protocol_free(s->protocol);
    protocol_free(s->openai);
    protocol_free(s->plain);
    work_finish(s->loop);
    disk_deinit(&s->disk);
    uv_run(loop_uv(s->loop), UV_RUN_NOWAIT);
    loop_free(s->loop);
}

/* --- the command --- */

static bool wants(int argc, char **argv, const char *flag)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], flag) == 0)
            return true;
    return false;
}

static int print(void (*what)(struct buf *))
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);

    what(&text);
    fwrite(text.p, 1, text.n, stdout);
    return 0;
}

static void set_up_log(const struct options *o)
{
    enum log_level level = LOG_INFO;
    enum log_format format = strcmp(o->log_format, "json") == 0   ? LOG_JSON
                             : strcmp(o->log_format, "text") == 0 ? LOG_TEXT
                                                                  : LOG_AUTO;

    log_level_parse(str_of(o->log_level), &level);
    log_setup(level, format, STDERR_FILENO);
}

static enum status prepare(struct serve *s, char **argv, struct error *err)
{
    const struct json *list;
    enum status st = options_read(&s->options, (const char *const *)(argv + 1),
                                  (const char *const *)environ, read_config, err);

    if (st != STATUS_OK)
        return st;
    set_up_log(&s->options);
    serve_raise_file_limit(&s->options);
    list = json_get(s->options.file, "hardware");
    st = hardware_parse(&s->arena, list, &s->hardware, err);
    s->hardware.cpu_overcommit = s->options.cpu_overcommit;
    s->hardware.memory_overcommit = s->options.memory_overcommit;
    if (st == STATUS_OK)
        st = inventory_read(&s->arena, s->options.file, &s->hardware.machine, err);
    if (st == STATUS_OK)
        st = open_data(s, err);
    return st;
}

static void forget(struct serve *s)
{
    options_deinit(&s->options);
    arena_deinit(&s->arena);
    data_close(&s->folder);
    free(s);
}

int serve_main(int argc, char **argv)
{
    struct serve *s;
    struct error err = { 0 };
    enum status st;

    if (wants(argc, argv, "--help") || wants(argc, argv, "-h"))
        return print(options_help);
    if (wants(argc, argv, "--markdown"))
        return print(options_markdown);
    if (wants(argc, argv, "--routes"))
        return print(api_markdown);
    mem_keep_freed();
    umask(0077);
    trust_nobody_to_look();
    s = xnew(struct serve);
    s->folder.lock_fd = s->folder.fd = -1;
    st = prepare(s, argv, &err);
    if (st != STATUS_OK) {
        fprintf(stderr, "berth: %s\n", err.text);
        data_leave_as_found(&s->folder);
        forget(s);
        return 1;
    }
    st = build_parts(s, &err);
    if (st != STATUS_OK) {
        fprintf(stderr, "berth: %s\n", err.text);
        data_leave_as_found(&s->folder);
        _exit(1); /* what was built goes with the process */
    }
    loop_run(s->loop);
    take_down(s);
    log_info("stopped");
    forget(s);
    return 0;
}
