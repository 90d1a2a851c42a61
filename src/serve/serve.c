/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/serve.h"

#include "api/api.h"
#include "api/events.h"
#include "api/page.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "driver/fake/fake.h"
#include "driver/process/process.h"
#include "http/client.h"
#include "protocol/cog/cog.h"
#include "protocol/fake/fake.h"
#include "run/backup.h"
#include "run/deliver.h"
#include "run/sweep.h"
#include "serve/data.h"
#include "serve/front.h"
#include "serve/record.h"
#include "serve/systemd.h"
#include "serve/trust.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

extern char **environ;

/* Everything the server is made of, in the order it is built. */
struct serve {
    struct options options;
    struct arena arena;
    char self[PATH_MAX], internal_base[192];
    char helper[PATH_MAX + 32], shim[PATH_MAX + 32];
    struct data_folder folder;
    struct hardware hardware;
    struct loop *loop;
    struct store *store;
    struct http_client *client;
    struct protocol *protocol;
    struct driver *driver;
    struct uids *uids; /* NULL: instances run as our own user */
    struct id_gen ids;
    struct files *files;
    struct fleet fleet;
    struct builds *builds;
    struct deliveries *deliveries;
    struct sweep *sweep;
    struct record *record;
    struct backups *backups;
    struct disk disk;
    struct metrics *metrics;
    struct budgets *budgets;
    struct api api;
    struct front front;
    struct http_server *internal; /* last to go: instances tell their ends there */
    struct http_server *telling;
    uv_signal_t signals[3];
    int n_signals;
    bool fleet_has_stopped, public_is_drained;
};

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

static struct http_config http_config(struct serve *s)
{
    const struct options *o = &s->options;

    return (struct http_config){
        .user = &s->api,
        .observer = api_observe,
        .limits = {
            .max_header_bytes = (size_t)o->http_max_header_bytes,
            .max_headers = (size_t)o->http_max_headers,
            .max_body = (size_t)o->max_input,
            .max_connections = (size_t)o->http_max_connections,
            .max_per_address = (size_t)o->http_max_connections_per_address,
            .limit_loopback = o->http_limit_loopback,
            .max_request_line = (size_t)o->http_max_request_line,
            .max_write_buffer = (size_t)o->http_max_write_buffer,
            .head_timeout_ms = o->http_head_timeout,
            .body_floor_after_ms = o->http_body_grace,
            .body_floor_per_s = (size_t)o->http_body_floor,
            .idle_timeout_ms = o->http_keep_alive,
            .write_timeout_ms = o->http_write_timeout,
        },
    };
}

/* The port is kept in the store: instances that outlive a restart go on telling their ends to the
 * same address. */
static enum status listen_internal(struct serve *s, struct error *err)
{
    struct http_config c = http_config(s);
    struct store_setting_get get = { .name = "internal_listen" };
    struct store_setting_put put = { .name = "internal_listen" };
    struct http_listener *li = NULL;
    const char *wanted = s->options.internal_listen;
    struct str host = str_of(wanted);
    char address[160];
    enum status st = store_run(s->store, &get.op, &STORE_SETTING_GET);

    while (host.n && host.p[host.n - 1] != ':')
        host.n--;
    c.routes = INTERNAL_ROUTES;
    c.n_routes = INTERNAL_N_ROUTES;
    c.gate = internal_gate;
    c.limits.max_body = (size_t)s->options.max_output * 2 + (64 << 20);
    s->internal = http_server_new(s->loop);
    if (st == STATUS_OK && get.value && strncmp(get.value, wanted, host.n) == 0 &&
        str_ends(str_of(wanted), ":0"))
        st = http_server_listen(s->internal, get.value, &c, &li, err);
    if (!li)
        st = http_server_listen(s->internal, wanted, &c, &li, err);
    store_op_deinit(&get.op);
    if (st != STATUS_OK)
        return st;
    snprintf(address, sizeof(address), "%.*s%d", STR_ARG(host), http_listener_port(li));
    snprintf(s->internal_base, sizeof(s->internal_base), "http://%s", address);
    put.value = address;
    st = store_run(s->store, &put.op, &STORE_SETTING_PUT);
    if (st != STATUS_OK)
        *err = put.op.error;
    store_op_deinit(&put.op);
    return st;
}

/* Each connection is a descriptor, and what most systems allow at first is a thousand. */
static void raise_file_limit(const struct options *o)
{
    enum { OTHER_FILES = 256 };
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    if (files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (files.rlim_cur < (rlim_t)o->http_max_connections + OTHER_FILES)
        log_warning("fewer files may be open than connections: the limit of the system is the one "
                    "that counts",
                    LOG_I("http_max_connections", o->http_max_connections),
                    LOG_I("files", files.rlim_cur));
}

/* What this machine cannot enforce is said at each start, and in GET /v1/capacity. */
static void say_what_is_missing(const struct serve *s)
{
    const struct driver_facts *facts = driver_facts(s->driver);

    for (size_t i = 0; i < ARRAY_SIZE(facts->missing) && facts->missing[i]; i++)
        log_info("not enforced on this machine", LOG_S("what", facts->missing[i]));
}

/* Where they can be told by their users. */
static void refuse_instances(struct serve *s, struct http_config *c)
{
    if (!s->uids || !driver_facts(s->driver)->has_users)
        return;
    c->refuses = trust_refuses;
    c->refuses_user = s->uids;
}

/* Who asks for what on the public listeners. */
static enum status listen_public(struct serve *s, struct error *err)
{
    struct http_config api = http_config(s), admin = api;
    enum status st;

    api.routes = API_ROUTES;
    api.n_routes = API_N_ROUTES;
    api.gate = api_gate;
    api.optional_prefix = "/v1";
    api.slashes_below = "/openai/v1/models/";
    api.divert = page_divert;
    refuse_instances(s, &api);
    admin.routes = ADMIN_ROUTES;
    admin.n_routes = ADMIN_N_ROUTES;
    st = front_open(&s->front, s->loop, &s->options, s->folder.path, &api, &admin, err);
    if (st == STATUS_OK)
        say_what_is_missing(s);
    return st;
}

static enum status listen_metrics(struct serve *s, struct error *err)
{
    struct http_config c = http_config(s);
    struct http_listener *li;
    enum status st;
    char port[16];

    if (!*s->options.metrics_listen)
        return STATUS_OK;
    c.routes = METRICS_ROUTES;
    c.n_routes = METRICS_N_ROUTES;
    refuse_instances(s, &c);
    s->telling = http_server_new(s->loop);
    st = http_server_listen(s->telling, s->options.metrics_listen, &c, &li, err);
    if (st != STATUS_OK)
        return st;
    snprintf(port, sizeof(port), "%d", http_listener_port(li));
    log_info("telling metrics", LOG_S("address", s->options.metrics_listen), LOG_S("port", port));
    return STATUS_OK;
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
    };
    enum status st;

    if (s->options.enable_fake) {
        s->driver = fake_driver_new(s->loop, &launch, 1);
        s->protocol = fake_protocol_new(s->loop, &server);
        return STATUS_OK;
    }
    s->protocol = cog_protocol_new(s->loop, s->client);
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
    st = make_runtime(s, err);
    if (st == STATUS_OK)
        st = listen_internal(s, err);
    files.store = s->store;
    files.client = s->client;
    if (st == STATUS_OK)
        st = files_new(s->loop, &files, &s->files, err);
    if (st != STATUS_OK)
        return st;
    fleet.files = s->files;
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
    st = listen_metrics(s, err);
    if (st == STATUS_OK)
        st = listen_public(s, err);
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
    uids_free(s->uids);
    http_client_free(s->client); /* its calls end without a word, before what they belong to goes */
    deliveries_free(s->deliveries);
    budgets_free(s->budgets);
    protocol_free(s->protocol);
    while (s->disk.is_looking)
        uv_run(loop_uv(s->loop), UV_RUN_ONCE);
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
    raise_file_limit(&s->options);
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
    umask(0077);
    trust_nobody_to_look();
    s = xnew(struct serve);
    s->folder.lock_fd = -1;
    st = prepare(s, argv, &err);
    if (st != STATUS_OK) {
        fprintf(stderr, "berth: %s\n", err.text);
        forget(s);
        return 1;
    }
    st = build_parts(s, &err);
    if (st != STATUS_OK) { /* what was built goes with the process */
        fprintf(stderr, "berth: %s\n", err.text);
        return 1;
    }
    loop_run(s->loop);
    take_down(s);
    log_info("stopped");
    forget(s);
    return 0;
}
