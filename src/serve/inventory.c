/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine has. Read once, at the start. */
#include "serve/serve.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "driver/gpus.h"

#include <sched.h>
#include <unistd.h>

static bool read_file(const char *path, struct buf *out)
{
    struct error err;
    enum status s;

    buf_clear(out);
    s = file_read(path, out, &err);
    if (s != STATUS_OK && s != STATUS_NOT_FOUND)
        log_warning("a limit of this machine is not known", LOG_ERR(&err));
    return s == STATUS_OK;
}

static int64_t first_number(const struct buf *text)
{
    struct str s = str_trim(buf_str(text));
    uint64_t v;
    size_t n = 0;

    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
        n++;
    return str_to_u64(str_make(s.p, n), &v) && v <= INT64_MAX ? (int64_t)v : -1;
}

/* The path of our own cgroup below a hierarchy's mount point; "" at the root. */
static void own_cgroup(const char *controller, struct buf *out)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct str rest, line;

    buf_clear(out);
    if (!read_file("/proc/self/cgroup", &text))
        return;
    rest = buf_str(&text);
    while (str_split(&rest, '\n', &line)) {
        struct str part = line, id, names;

        if (!str_split(&part, ':', &id) || !str_split(&part, ':', &names) || !part.p)
            continue;
        if (*controller ? strstr(text.p, controller) && names.n &&
                              memmem(names.p, names.n, controller, strlen(controller))
                        : names.n == 0)
            buf_add_str(out, str_is(part, "/") ? STR("") : part);
    }
}

static void limit_by_file(int64_t *value, const char *mount, const char *controller,
                          const char *file)
{
    struct buf group CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(8192);
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(4096);
    int64_t limit;

    own_cgroup(controller, &group);
    buf_addf(&path, "%s%.*s/%s", mount, STR_ARG(buf_str(&group)), file);
    if (!read_file(path.p, &text))
        return;
    limit = first_number(&text);
    if (limit > 0 && limit < *value)
        *value = limit;
}

/* "200000 100000" in cpu.max: microseconds of cpu in each period. */
static void limit_cpus(int64_t *milli)
{
    struct buf group CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(8192);
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct str rest, quota, period;
    uint64_t q, p;

    own_cgroup("", &group);
    buf_addf(&path, "/sys/fs/cgroup%.*s/cpu.max", STR_ARG(buf_str(&group)));
    if (!read_file(path.p, &text))
        return;
    rest = buf_str(&text);
    if (rest.n && rest.p[rest.n - 1] == '\n')
        rest.n--;
    if (str_split(&rest, ' ', &quota) && str_split(&rest, ' ', &period) && str_to_u64(quota, &q) &&
        str_to_u64(period, &p) && p > 0)
        *milli = MIN(*milli, (int64_t)(q * 1000 / p));
}

static int64_t memory_total(void)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct str rest, line;
    int64_t total = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);

    if (!read_file("/proc/meminfo", &text))
        return total;
    rest = buf_str(&text);
    while (str_split(&rest, '\n', &line)) {
        if (str_starts(line, "MemTotal:")) {
            struct buf number CLEANUP(buf_deinit) = BUF_INIT(256);

            buf_add(&number, line.p + 9, line.n - 9);
            total = first_number(&number) * 1024;
        }
    }
    return total;
}

static enum status read_maker(const struct json *v, int at, struct inventory *out,
                              struct error *err)
{
    struct str maker = json_to_str(v);
    enum gpu_maker which = str_is(maker, "amd") ? GPU_AMD : GPU_NVIDIA;

    if (v && which == GPU_NVIDIA && !str_is(maker, "nvidia"))
        return FAIL(err, STATUS_INVALID, "gpus.%d.maker is %.*s; it must be nvidia or amd", at,
                    STR_ARG(v->span));
    if (at > 0 && which != out->gpu_maker)
        return FAIL(err, STATUS_INVALID,
                    "gpus.%d.maker: all devices must be of one maker; leave those of the other out",
                    at);
    out->gpu_maker = which;
    return STATUS_OK;
}

static enum status read_declared(const struct json *list, struct inventory *out, struct error *err)
{
    if (!json_is(list, JSON_ARRAY))
        return FAIL(err, STATUS_INVALID, "gpus: must be a list of devices, each with a name");
    json_each (list, v) {
        struct gpu *g = &out->gpus[out->n_gpus];
        struct str name = json_to_str(json_get(v, "name"));
        const struct json *memory = json_get(v, "memory");

        if (out->n_gpus == MAX_GPUS)
            return FAIL(err, STATUS_INVALID, "gpus: more than %d devices", MAX_GPUS);
        if (!name.p)
            return FAIL(err, STATUS_INVALID, "gpus.%d: `name` is missing", out->n_gpus);
        if (memory && !size_parse(memory->text, &g->memory))
            return FAIL(err, STATUS_INVALID, "gpus.%d.memory: \"%.*s\" is not a size such as 16GB",
                        out->n_gpus, STR_ARG(memory->span));
        if (read_maker(json_get(v, "maker"), out->n_gpus, out, err) != STATUS_OK)
            return STATUS_INVALID;
        g->index = out->n_gpus;
        snprintf(g->name, sizeof(g->name), "%.*s", STR_ARG(name));
        out->n_gpus++;
    }
    return STATUS_OK;
}

enum status inventory_read(struct arena *a, const struct json *file, struct inventory *out,
                           struct error *err)
{
    const struct json *declared = json_get(file, "gpus");
    cpu_set_t set;

    (void)a;
    *out = (struct inventory){ 0 };
    out->cpus_milli = sysconf(_SC_NPROCESSORS_ONLN) * 1000;
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        out->cpus_milli = (int64_t)CPU_COUNT(&set) * 1000;
    limit_cpus(&out->cpus_milli);
    out->memory = memory_total();
    limit_by_file(&out->memory, "/sys/fs/cgroup", "", "memory.max");
    limit_by_file(&out->memory, "/sys/fs/cgroup/memory", "memory", "memory.limit_in_bytes");
    if (declared)
        return read_declared(declared, out, err);
    gpus_find("/sys", out);
    return STATUS_OK;
}
