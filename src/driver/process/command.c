/* SPDX-License-Identifier: Apache-2.0 */
/* How Cog's model server is started. Its environment is made from nothing: a proxy variable of
 * ours, say, would take its webhooks elsewhere. */
#include "driver/folders.h"
#include "driver/process/process_impl.h"

#include <assert.h>
#include <stdlib.h>

enum { MAX_ENV = 1024, STOP_GRACE_MS = 10000 };

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

static const char *const *make_env(const struct process_driver *p, struct arena *a,
                                   const char *folder, const struct launch_spec *s)
{
    struct list_of_text e = { .arena = a,
                              .items = arena_array(a, const char *, MAX_ENV),
                              .max = MAX_ENV };
    bool trains = strcmp(s->mode, "train") == 0;

    set(&e, "PATH",
        s->env_path ? arena_printf(a, "%s/bin:/usr/local/bin:/usr/bin:/bin", s->env_path)
                    : "/usr/local/bin:/usr/bin:/bin");
    set(&e, "HOME", arena_printf(a, "%s/home", folder));
    set(&e, "TMPDIR", arena_printf(a, "%s/tmp", folder));
    set(&e, "LANG", "C.UTF-8");
    set(&e, "PORT", "0");
    set(&e, "COG_PREDICT_TYPE_STUB", s->config->predict_ref);
    set(&e, "COG_TRAIN_TYPE_STUB", s->config->train_ref);
    set_number(&e, "COG_MAX_CONCURRENCY", trains ? 1 : MAX(s->config->concurrency, 1));
    set_number(&e, "COG_SETUP_TIMEOUT", (s->setup_timeout_ms + 999) / 1000);
    set(&e, "COG_STREAM_HISTORY_CAPACITY", "65536");
    set(&e, "COG_THROTTLE_RESPONSE_INTERVAL", "0.5");
    set(&e, "COG_WEIGHTS", s->weights);
    set(&e, "CUDA_VISIBLE_DEVICES", s->gpu_indexes ? s->gpu_indexes : "");
    set(&e, "PYTHONPATH", p->shim);
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

/* "http://127.0.0.1:41234/_i/…" */
static int64_t port_of(const char *url)
{
    const char *at = url ? strstr(url, "://") : NULL, *colon = at ? strchr(at + 3, ':') : NULL;
    long port = colon ? strtol(colon + 1, NULL, 10) : 0;

    assert(port > 0 && port < 65536);
    return port;
}

struct init_spec process_command(const struct process_driver *p, struct arena *a,
                                 const char *folder, const struct launch_spec *s)
{
    const char *own[] = { s->version_path, s->env_path, p->shim,
                          s->weights && s->weights[0] == '/' ? s->weights : NULL };
    const struct folders f = folders_make(a, p->folders, own, ARRAY_SIZE(own), NULL, 0);
    struct list_of_text hide = { .arena = a, .items = arena_array(a, const char *, 4), .max = 4 };

    push(&hide, p->data);
    if (p->own_networks)
        push(&hide, "/run"); /* sockets of the machine's services */
    if (p->home)
        push(&hide, p->home);
    return (struct init_spec){
        .id = s->id,
        .cwd = s->version_path,
        .argv = make_argv(p, a, s),
        .env = make_env(p, a, folder, s),
        .hide = hide.items,
        .read_only = f.read_only,
        .writable = f.writable,
        .internal_port = p->own_networks ? port_of(s->internal_url) : 0,
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
