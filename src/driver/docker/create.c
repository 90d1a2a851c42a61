/* SPDX-License-Identifier: Apache-2.0 */
/* What a container is made of. */
#include "base/json.h"
#include "driver/docker/docker_impl.h"
#include "driver/gpus.h"

#include <sys/resource.h>

/* A container's log is kept in two files of half of what is allowed, and at least so much. */
enum { MIN_LOG = 64 * 1024, MIN_SHM = 64 << 20, MAX_GROUPS = 16 };

static void add_env(struct json_writer *w, const char *name, const char *value)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);

    if (!value)
        return;
    buf_addf(&b, "%s=%s", name, value);
    json_string(w, buf_str(&b));
}

static void add_env_number(struct json_writer *w, const char *name, int64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    add_env(w, name, text);
}

static bool has_amd(const struct launch_spec *s)
{
    return s->gpu_maker == GPU_AMD && s->gpu_indexes && *s->gpu_indexes;
}

static int64_t port_of(const struct version_config *c)
{
    return version_is_cog(c) ? DOCKER_PORT : c->http.port;
}

static void add_cog(struct json_writer *w, const struct launch_spec *s)
{
    add_env_number(w, "COG_MAX_CONCURRENCY", MAX(s->config->concurrency, 1));
    add_env_number(w, "COG_SETUP_TIMEOUT", (s->setup_timeout_ms + 999) / 1000);
    add_env(w, "COG_STREAM_HISTORY_CAPACITY", "65536");
    add_env(w, "COG_THROTTLE_RESPONSE_INTERVAL", "0.5");
    add_env(w, "COG_WEIGHTS", s->weights);
}

/* On top of what the image brings. A GPU of NVIDIA is handed over by its index, and is the first in
 * there: so no CUDA_VISIBLE_DEVICES. Of AMD's all are in there, and ROCm is told which to use. */
static void add_environment(struct json_writer *w, const struct launch_spec *s)
{
    json_key(w, "Env");
    json_begin_array(w);
    for (const char *const *own = s->config->environment; own && *own; own++)
        json_stringz(w, *own);
    add_env_number(w, "PORT", port_of(s->config));
    if (version_is_cog(s->config))
        add_cog(w, s);
    add_env(w, "PYTHONUNBUFFERED", "1");
    if (has_amd(s))
        add_env(w, "ROCR_VISIBLE_DEVICES", s->gpu_indexes);
    json_end_array(w);
}

/* What model.yaml says, else the image's. */
static void add_own_command(struct json_writer *w, const struct version_config *c)
{
    char port[16];

    if (!c->http.command || !c->http.command[0])
        return;
    snprintf(port, sizeof(port), "%lld", (long long)c->http.port);
    json_key(w, "Cmd");
    json_begin_array(w);
    for (const char *const *word = c->http.command; *word; word++) {
        struct buf text CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
        const char *rest = *word, *at;

        for (; (at = strstr(rest, "{port}")); rest = at + strlen("{port}")) {
            buf_add(&text, rest, (size_t)(at - rest));
            buf_adds(&text, port);
        }
        buf_adds(&text, rest);
        json_string(w, buf_str(&text));
    }
    json_end_array(w);
}

/* The image's own command, unless the server must be told more. */
static void add_command(struct json_writer *w, const struct launch_spec *s)
{
    struct buf url CLEANUP(buf_deinit) = BUF_INIT(4096);

    if (!version_is_cog(s->config)) {
        add_own_command(w, s->config);
        return;
    }
    if (!s->upload || !s->internal_url)
        return;
    buf_addf(&url, "%s/upload/", s->internal_url);
    json_key(w, "Cmd");
    json_begin_array(w);
    json_stringz(w, "python");
    json_stringz(w, "-m");
    json_stringz(w, "cog.server.http");
    json_stringz(w, "--upload-url");
    json_string(w, buf_str(&url));
    json_end_array(w);
}

static void add_list(struct json_writer *w, const char *key, const char *only)
{
    json_key(w, key);
    json_begin_array(w);
    json_stringz(w, only);
    json_end_array(w);
}

static void add_nvidia(struct json_writer *w, const char *indexes)
{
    struct str rest = str_of(indexes), one;

    json_key(w, "DeviceRequests");
    json_begin_array(w);
    json_begin_object(w);
    json_key(w, "DeviceIDs");
    json_begin_array(w);
    while (str_split(&rest, ',', &one))
        json_string(w, one);
    json_end_array(w);
    json_key(w, "Capabilities");
    json_begin_array(w);
    json_begin_array(w);
    json_stringz(w, "gpu");
    json_end_array(w);
    json_end_array(w);
    json_end_object(w);
    json_end_array(w);
}

static void add_device(struct json_writer *w, const char *path)
{
    json_begin_object(w);
    json_member_string(w, "PathOnHost", path);
    json_member_string(w, "PathInContainer", path);
    json_member_string(w, "CgroupPermissions", "rw");
    json_end_object(w);
}

/* The engine knows no requests for them by index: their devices, and the groups that may open
 * them. */
static void add_amd(struct json_writer *w)
{
    gid_t groups[MAX_GROUPS];
    size_t n = gpus_groups("/dev", groups, MAX_GROUPS);
    char text[16];

    json_key(w, "Devices");
    json_begin_array(w);
    add_device(w, "/dev/kfd");
    add_device(w, "/dev/dri");
    json_end_array(w);
    json_key(w, "GroupAdd");
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        snprintf(text, sizeof(text), "%u", (unsigned)groups[i]);
        json_stringz(w, text);
    }
    json_end_array(w);
}

static void add_gpus(struct json_writer *w, const struct launch_spec *s)
{
    if (has_amd(s))
        add_amd(w);
    else if (s->gpu_indexes && *s->gpu_indexes)
        add_nvidia(w, s->gpu_indexes);
}

/* An engine refuses more cpus than its machine has; a SKU may promise more. */
static int64_t nano_cpus(const struct docker_driver *d, int64_t milli)
{
    int64_t nano = milli * 1000000;

    return d->info.cpus > 0 ? MIN(nano, d->info.cpus * 1000000000) : nano;
}

/* An engine that may not raise limits (it runs on this machine, as we do) fails to start what asks
 * for more. */
static int64_t open_files(const struct sku *sku)
{
    struct rlimit own;

    if (getrlimit(RLIMIT_NOFILE, &own) != 0 || own.rlim_max == RLIM_INFINITY)
        return sku->open_files;
    return MIN(sku->open_files, (int64_t)own.rlim_max);
}

static void add_limits(struct json_writer *w, const struct docker_driver *d, const struct sku *sku)
{
    if (!sku)
        return;
    json_member_int(w, "NanoCpus", nano_cpus(d, sku->cpus_milli));
    json_member_int(w, "Memory", sku->memory);
    json_member_int(w, "MemorySwap", sku->memory); /* the two together: no swap */
    json_member_int(w, "ShmSize", MAX(sku->memory / 2, (int64_t)MIN_SHM));
    if (sku->processes > 0)
        json_member_int(w, "PidsLimit", sku->processes);
    if (sku->open_files > 0) {
        json_key(w, "Ulimits");
        json_begin_array(w);
        json_begin_object(w);
        json_member_string(w, "Name", "nofile");
        json_member_int(w, "Soft", open_files(sku));
        json_member_int(w, "Hard", open_files(sku));
        json_end_object(w);
        json_end_array(w);
    }
}

/* Python packages make libraries in /tmp at run time: so no noexec. */
static void add_tmp(struct json_writer *w, const struct sku *sku)
{
    char how[96];
    int64_t size = sku ? MAX(sku->memory / 2, (int64_t)MIN_SHM) : MIN_SHM;

    snprintf(how, sizeof(how), "rw,exec,nosuid,nodev,mode=1777,size=%lld", (long long)size);
    json_key(w, "Tmpfs");
    json_begin_object(w);
    json_member_string(w, "/tmp", how);
    json_end_object(w);
}

static void add_log(struct json_writer *w, int64_t max_log)
{
    char size[32];

    snprintf(size, sizeof(size), "%lld", (long long)MAX(max_log / 2, (int64_t)MIN_LOG));
    json_key(w, "LogConfig");
    json_begin_object(w);
    json_member_string(w, "Type", "json-file");
    json_key(w, "Config");
    json_begin_object(w);
    json_member_string(w, "max-size", size);
    json_member_string(w, "max-file", "2");
    json_end_object(w);
    json_end_object(w);
}

static void add_host(struct json_writer *w, const struct docker_driver *d,
                     const struct launch_spec *s)
{
    json_key(w, "HostConfig");
    json_begin_object(w);
    json_member_string(w, "NetworkMode", d->network);
    json_member_bool(w, "Init", !s->config->has_init);
    json_member_bool(w, "ReadonlyRootfs", d->read_only);
    add_list(w, "CapDrop", "ALL");
    add_list(w, "SecurityOpt", "no-new-privileges");
    add_limits(w, d, s->sku);
    add_tmp(w, s->sku);
    add_gpus(w, s);
    add_log(w, s->max_log);
    json_end_object(w);
}

void docker_create_body(const struct docker_driver *d, const struct launch_spec *s, struct buf *out)
{
    struct json_writer w;
    char port[16];

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_string(&w, "Image", s->config->image);
    json_member_bool(&w, "Tty", false);
    json_key(&w, "Labels");
    json_begin_object(&w);
    json_member_string(&w, DOCKER_LABEL_SERVER, d->server_id);
    json_member_string(&w, DOCKER_LABEL_INSTANCE, s->id);
    /* Always: an image may have a label of that name, too. */
    snprintf(port, sizeof(port), "%lld", (long long)port_of(s->config));
    json_member_string(&w, DOCKER_LABEL_PORT, port);
    json_end_object(&w);
    add_environment(&w, s);
    add_command(&w, s);
    if (d->read_only) { /* what models keep of what they fetched: on the disk, gone with the
                           container */
        json_key(&w, "Volumes");
        json_begin_object(&w);
        json_key(&w, "/root/.cache");
        json_begin_object(&w);
        json_end_object(&w);
        json_end_object(&w);
    }
    add_host(&w, d, s);
    json_end_object(&w);
}
