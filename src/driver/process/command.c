/* SPDX-License-Identifier: Apache-2.0 */
/* How a model server is started: Cog's, or another by the command of its model.yaml. Its
 * environment is made from nothing: a proxy variable of ours, say, would take Cog's webhooks
 * elsewhere. */
#include "driver/folders.h"
#include "driver/gpus.h"
#include "driver/process/process_impl.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_ENV = 1024, STOP_GRACE_MS = 10000, USUAL_PORT = 8000 };

/* Names that a model's own `environment` cannot set, whether we set them this time or not. */
static const char *const reserved[] = {
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "PORT",
    "COG_PREDICT_TYPE_STUB",
    "COG_TRAIN_TYPE_STUB",
    "COG_MAX_CONCURRENCY",
    "COG_SETUP_TIMEOUT",
    "COG_STREAM_HISTORY_CAPACITY",
    "COG_THROTTLE_RESPONSE_INTERVAL",
    "COG_WEIGHTS",
    "WEBHOOK_AUTH_TOKEN",
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "PYTHONPATH",
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
};

struct list_of_text {
    struct arena *arena;
    const char **items;
    size_t n, max;
};

static void push(struct list_of_text *l, const char *item)
{
    if (l->n + 1 < l->max)
        l->items[l->n++] = item;
}

static void set(struct list_of_text *l, const char *name, const char *value)
{
    if (value)
        push(l, arena_printf(l->arena, "%s=%s", name, value));
}

static void set_number(struct list_of_text *l, const char *name, int64_t value)
{
    push(l, arena_printf(l->arena, "%s=%lld", name, (long long)value));
}

static bool is_reserved(const char *name_and_value)
{
    struct str rest = str_of(name_and_value), name;

    if (!str_split(&rest, '=', &name) || !rest.p || name.n == 0)
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
        if (str_is(name, reserved[i]))
            return true;
    }
    return false;
}

static void set_cog(struct list_of_text *e, const struct process_driver *p,
                    const struct launch_spec *s)
{
    bool trains = strcmp(s->mode, "train") == 0;

    set(e, "COG_PREDICT_TYPE_STUB", s->config->predict_ref);
    set(e, "COG_TRAIN_TYPE_STUB", s->config->train_ref);
    set_number(e, "COG_MAX_CONCURRENCY", trains ? 1 : MAX(s->config->concurrency, 1));
    set_number(e, "COG_SETUP_TIMEOUT", (s->setup_timeout_ms + 999) / 1000);
    set(e, "COG_STREAM_HISTORY_CAPACITY", "65536");
    set(e, "COG_THROTTLE_RESPONSE_INTERVAL", "0.5");
    set(e, "COG_WEIGHTS", s->weights);
    set(e, "PYTHONPATH", p->shim);
}

/* Those of the instance. ROCm counts what its runtime shows anew, and takes CUDA's variable for
 * another choice among these: it is not set beside ROCm's own. */
static void set_gpus(struct list_of_text *e, const struct launch_spec *s)
{
    const char *indexes = s->gpu_indexes ? s->gpu_indexes : "";

    if (s->gpu_maker == GPU_AMD)
        set(e, "ROCR_VISIBLE_DEVICES", indexes);
    if (s->gpu_maker != GPU_AMD || !*indexes)
        set(e, "CUDA_VISIBLE_DEVICES", indexes);
}

/* `port` 0: whichever it likes. */
static const char *const *make_env(const struct process_driver *p, struct arena *a,
                                   const char *folder, const struct launch_spec *s, int64_t port)
{
    struct list_of_text e = { .arena = a,
                              .items = arena_array(a, const char *, MAX_ENV),
                              .max = MAX_ENV };

    set(&e, "PATH",
        s->env_path ? arena_printf(a, "%s/bin:/usr/local/bin:/usr/bin:/bin", s->env_path)
                    : "/usr/local/bin:/usr/bin:/bin");
    set(&e, "HOME", arena_printf(a, "%s/home", folder));
    set(&e, "TMPDIR", arena_printf(a, "%s/tmp", folder));
    set(&e, "LANG", "C.UTF-8");
    set_number(&e, "PORT", port);
    if (version_is_cog(s->config))
        set_cog(&e, p, s);
    set_gpus(&e, s);
    set(&e, "PYTHONUNBUFFERED", "1");
    set(&e, "PYTHONDONTWRITEBYTECODE", "1");
    for (const char *const *own = s->config->environment; own && *own; own++) {
        if (!is_reserved(*own))
            push(&e, *own);
    }
    return e.items;
}

static const char *const *make_argv(const struct process_driver *p, struct arena *a,
                                    const struct launch_spec *s)
{
    struct list_of_text v = { .arena = a, .items = arena_array(a, const char *, 16), .max = 16 };

    if (p->test_argv)
        return p->test_argv;
    push(&v, s->env_path ? arena_printf(a, "%s/bin/python", s->env_path) : "/usr/bin/python3");
    push(&v, "-m");
    push(&v, "cog.server.http");
    push(&v, "--host");
    push(&v, "127.0.0.1");
    if (s->upload && s->internal_url) {
        push(&v, "--upload-url");
        push(&v, arena_printf(a, "%s/upload/", s->internal_url));
    }
    if (strcmp(s->mode, "train") == 0) {
        push(&v, "--x-mode");
        push(&v, "train");
    }
    return v.items;
}

/* --- other servers --- */

/* A program of the folder, of its environment, or of the machine. What is not found is left to who
 * starts it to complain of. */
static const char *find_program(struct arena *a, const struct launch_spec *s, const char *name)
{
    const char *const folders[] = { s->env_path ? arena_printf(a, "%s/bin", s->env_path) : NULL,
                                    "/usr/local/bin", "/usr/bin", "/bin" };

    if (name[0] == '/')
        return name;
    if (strchr(name, '/'))
        return arena_printf(a, "%s/%s", s->version_path, name);
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        const char *path = folders[i] ? arena_printf(a, "%s/%s", folders[i], name) : NULL;

        if (path && access(path, X_OK) == 0)
            return path;
    }
    return arena_printf(a, "/usr/bin/%s", name);
}

static const char *with_port(struct arena *a, const char *text, int64_t port)
{
    static const char mark[] = "{port}";
    struct buf out CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    const char *at;

    for (; (at = strstr(text, mark)); text = at + strlen(mark)) {
        buf_add(&out, text, (size_t)(at - text));
        buf_addf(&out, "%lld", (long long)port);
    }
    buf_adds(&out, text);
    return arena_copy(a, buf_str(&out));
}

static const char *const *make_http_argv(struct arena *a, const struct launch_spec *s, int64_t port)
{
    const char *const *command = s->config->http.command;
    const char **argv;
    size_t n = 0;

    while (command[n])
        n++;
    argv = arena_array(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        argv[i] = with_port(a, command[i], port);
    if (n)
        argv[0] = find_program(a, s, argv[0]);
    return argv;
}

/* One that nobody has just now; 0: there is none. */
static int64_t free_port(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr *any = (struct sockaddr *)(void *)&at;
    socklen_t n = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, any, n) == 0 && getsockname(fd, any, &n) == 0;

    if (fd >= 0)
        close(fd);
    return ok ? ntohs(at.sin_port) : 0;
}

/* Where it has a network of its own, no other listens there. */
static int64_t choose_port(const struct process_driver *p, const struct launch_spec *s,
                           int64_t internal_port)
{
    if (version_is_cog(s->config))
        return 0;
    if (s->config->http.port)
        return s->config->http.port;
    if (p->own_networks)
        return internal_port == USUAL_PORT ? USUAL_PORT + 1 : USUAL_PORT;
    return free_port();
}

/* "http://127.0.0.1:41234/_i/…" */
static int64_t port_of(const char *url)
{
    const char *at = url ? strstr(url, "://") : NULL, *colon = at ? strchr(at + 3, ':') : NULL;
    long port = colon ? strtol(colon + 1, NULL, 10) : 0;

    assert(port > 0 && port < 65536);
    return port;
}

/* Under which AMD's devices are open to it; NVIDIA's are to all. */
static const char *const *make_groups(const struct process_driver *p, struct arena *a,
                                      const struct launch_spec *s)
{
    const char **texts = arena_array(a, const char *, SPEC_MAX_GROUPS + 1);
    gid_t groups[SPEC_MAX_GROUPS];
    size_t n = 0;

    if (s->gpu_maker == GPU_AMD && s->gpu_indexes && *s->gpu_indexes)
        n = gpus_groups(p->test_dev ? p->test_dev : "/dev", groups, SPEC_MAX_GROUPS);
    for (size_t i = 0; i < n; i++)
        texts[i] = arena_printf(a, "%u", (unsigned)groups[i]);
    return texts;
}

struct init_spec process_command(const struct process_driver *p, struct arena *a,
                                 const char *folder, const struct launch_spec *s)
{
    const char *own[] = { s->version_path, s->env_path, p->shim,
                          s->weights && s->weights[0] == '/' ? s->weights : NULL };
    const struct folders f = folders_make(a, p->folders, own, ARRAY_SIZE(own), NULL, 0);
    struct list_of_text hide = { .arena = a, .items = arena_array(a, const char *, 4), .max = 4 };
    int64_t internal_port = p->own_networks ? port_of(s->internal_url) : 0;
    int64_t port = choose_port(p, s, internal_port);

    push(&hide, p->data);
    if (p->own_networks)
        push(&hide, "/run"); /* sockets of the machine's services */
    if (p->home)
        push(&hide, p->home);
    return (struct init_spec){
        .id = s->id,
        .cwd = s->version_path,
        .groups = make_groups(p, a, s),
        .argv = version_is_cog(s->config) ? make_argv(p, a, s) : make_http_argv(a, s, port),
        .env = make_env(p, a, folder, s, port),
        .port = port,
        .hide = hide.items,
        .read_only = f.read_only,
        .writable = f.writable,
        .internal_port = internal_port,
        .internal_folder = p->data,
        .memory = s->sku ? s->sku->memory : 0,
        .cpus_milli = s->sku ? s->sku->cpus_milli : 0,
        .disk = s->sku ? s->sku->disk : 0,
        .processes = s->sku ? s->sku->processes : 0,
        .open_files = s->sku ? s->sku->open_files : 0,
        .orphan_timeout_ms = s->orphan_timeout_ms,
        .stop_grace_ms = STOP_GRACE_MS,
        .max_log = MAX(s->max_log, 1),
        .use_cgroup = !p->test_no_cgroup,
        .use_mounts = !p->test_no_mounts,
    };
}
