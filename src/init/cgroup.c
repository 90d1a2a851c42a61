/* SPDX-License-Identifier: Apache-2.0 */
#include "init/cgroup.h"

#include "base/buf.h"
#include "init/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1024 * 1024, CPU_PERIOD_US = 100000 };

/* Where the unit file of systemd's puts the server below its delegated group (DelegateSubgroup). */
#define LEAF "/berth-server"

static bool read_file(const char *path, struct buf *out)
{
    return init_file_read(AT_FDCWD, path, out, NULL) == STATUS_OK;
}

static bool read_proc(const char *root, const char *name, struct buf *out)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/proc/self/%s", root, name);
    return read_file(path, out);
}

static bool in_list(struct str list, const char *word)
{
    struct str one;

    while (str_split(&list, ',', &one)) {
        if (str_is(one, word))
            return true;
    }
    return false;
}

/* Our own group's path in the hierarchy of `controller` (version 1), or in the unified one when it
 * is "". */
static bool own_path(const char *root, const char *controller, struct buf *out)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(FILE_MAX);
    struct str rest, line, number, names;

    if (!read_proc(root, "cgroup", &b))
        return false;
    rest = buf_str(&b);
    while (str_split(&rest, '\n', &line)) {
        if (!str_split(&line, ':', &number) || !str_split(&line, ':', &names) || !line.p)
            continue;
        if (*controller ? in_list(names, controller) : str_is(number, "0") && names.n == 0)
            return buf_add_str(out, line);
    }
    return false;
}

struct mount_line {
    struct str root, at, type, super;
};

/* "36 35 98:0 /groups /mount/point rw,noatime master:1 - cgroup cgroup rw,memory" */
static bool parse_mount(struct str line, struct mount_line *out)
{
    struct str f, source;

    for (int i = 0; i < 5; i++) {
        if (!str_split(&line, ' ', &f))
            return false;
        if (i == 3)
            out->root = f;
    }
    out->at = f;
    while (str_split(&line, ' ', &f) && !str_is(f, "-"))
        continue;
    return str_split(&line, ' ', &out->type) && str_split(&line, ' ', &source) &&
           str_split(&line, ' ', &out->super);
}

/* Where our own group is mounted. What lies above the mount's root cannot be seen, so that the
 * prefix goes. */
static bool own_folder(const char *root, const char *controller, struct buf *out)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(FILE_MAX);
    struct buf own CLEANUP(buf_deinit) = BUF_INIT(FILE_MAX);
    struct mount_line m;
    struct str rest, line, path;

    if (!own_path(root, controller, &own) || !read_proc(root, "mountinfo", &b))
        return false;
    rest = buf_str(&b);
    while (str_split(&rest, '\n', &line)) {
        if (!parse_mount(line, &m))
            continue;
        if (*controller ? !str_is(m.type, "cgroup") || !in_list(m.super, controller)
                        : !str_is(m.type, "cgroup2"))
            continue;
        path = buf_str(&own);
        if (m.root.n > 1) {
            if (path.n < m.root.n || memcmp(path.p, m.root.p, m.root.n) != 0)
                continue;
            path = str_make(path.p + m.root.n, path.n - m.root.n);
        }
        if (!*controller && str_ends(path, LEAF))
            path.n -= sizeof(LEAF) - 1;
        buf_adds(out, root);
        buf_add_str(out, m.at);
        buf_add_str(out, str_is(path, "/") ? STR("") : path);
        return true;
    }
    return false;
}

static bool make(const char *parent, const char *name, char *out, size_t size)
{
    int n = snprintf(out, size, "%s/%s", parent, name);

    if (n < 0 || (size_t)n >= size || (mkdir(out, 0755) != 0 && access(out, W_OK) != 0)) {
        out[0] = '\0';
        return false;
    }
    return true;
}

static bool set(const char *folder, const char *file, const char *value)
{
    char path[640];

    snprintf(path, sizeof(path), "%s/%s", folder, file);
    return init_file_poke(path, value);
}

static bool set_number(const char *folder, const char *file, int64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    return set(folder, file, text);
}

static void give_up(char *folder)
{
    rmdir(folder);
    folder[0] = '\0';
}

static void create_memory_v1(struct cgroup *g, const char *root, const char *name, int64_t memory)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(FILE_MAX);

    if (memory <= 0 || !own_folder(root, "memory", &b) ||
        !make(b.p, name, g->memory, sizeof(g->memory)))
        return;
    if (!set_number(g->memory, "memory.limit_in_bytes", memory)) {
        give_up(g->memory);
        return;
    }
    /* Absent where swap is not accounted; then swap is not limited. */
    set_number(g->memory, "memory.memsw.limit_in_bytes", memory);
}

static void create_cpu_v1(struct cgroup *g, const char *root, const char *name, int64_t cpus_milli)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(FILE_MAX);

    if (cpus_milli <= 0 || !own_folder(root, "cpu", &b) || !make(b.p, name, g->cpu, sizeof(g->cpu)))
        return;
    if (!set_number(g->cpu, "cpu.cfs_period_us", CPU_PERIOD_US) ||
        !set_number(g->cpu, "cpu.cfs_quota_us", cpus_milli * CPU_PERIOD_US / 1000))
        give_up(g->cpu);
}

static void create_pids_v1(struct cgroup *g, const char *root, const char *name, int64_t processes)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(FILE_MAX);

    if (processes <= 0 || !own_folder(root, "pids", &b) ||
        !make(b.p, name, g->pids, sizeof(g->pids)))
        return;
    if (!set_number(g->pids, "pids.max", processes))
        give_up(g->pids);
}

/* A group that holds processes cannot hand controllers down, the root excepted: then there are no
 * limits here. We do not move into a leaf ourselves: others may be in our group, and systemd could
 * not start the service again in a group that has controllers below it. */
static void create_v2(struct cgroup *g, const char *root, const char *name, int64_t memory,
                      int64_t cpus_milli, int64_t processes)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(FILE_MAX);
    char quota[64], folder[512];

    if (!own_folder(root, "", &b))
        return;
    set(b.p, "cgroup.subtree_control", "+memory");
    set(b.p, "cgroup.subtree_control", "+cpu");
    set(b.p, "cgroup.subtree_control", "+pids");
    if (!make(b.p, name, folder, sizeof(folder)))
        return;
    if (memory > 0 && set_number(folder, "memory.max", memory)) {
        memcpy(g->memory, folder, sizeof(folder));
        set_number(folder, "memory.swap.max", 0);
        set(folder, "memory.oom.group", "1");
    }
    snprintf(quota, sizeof(quota), "%lld %d", (long long)(cpus_milli * CPU_PERIOD_US / 1000),
             CPU_PERIOD_US);
    if (cpus_milli > 0 && set(folder, "cpu.max", quota))
        memcpy(g->cpu, folder, sizeof(folder));
    if (processes > 0 && set_number(folder, "pids.max", processes))
        memcpy(g->pids, folder, sizeof(folder));
    if (!g->memory[0] && !g->cpu[0] && !g->pids[0])
        rmdir(folder);
}

void cgroup_create_below(struct cgroup *g, const char *root, const char *name, int64_t memory,
                         int64_t cpus_milli, int64_t processes)
{
    g->memory[0] = g->cpu[0] = g->pids[0] = '\0';
    create_v2(g, root, name, memory, cpus_milli, processes);
    if (!g->memory[0])
        create_memory_v1(g, root, name, memory);
    if (!g->cpu[0])
        create_cpu_v1(g, root, name, cpus_milli);
    if (!g->pids[0])
        create_pids_v1(g, root, name, processes);
}

void cgroup_create(struct cgroup *g, const char *name, int64_t memory, int64_t cpus_milli,
                   int64_t processes)
{
    cgroup_create_below(g, "", name, memory, cpus_milli, processes);
}

void cgroup_enter(const struct cgroup *g)
{
    const char *const folders[] = { g->memory, g->cpu, g->pids };

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        if (folders[i][0])
            set(folders[i], "cgroup.procs", "0");
    }
}

bool cgroup_was_out_of_memory(const struct cgroup *g)
{
    static const char *const files[] = { "memory.events", "memory.oom_control" };
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(FILE_MAX);
    struct str rest, line;
    char path[640];

    for (size_t i = 0; g->memory[0] && i < ARRAY_SIZE(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", g->memory, files[i]);
        buf_clear(&b);
        if (!read_file(path, &b))
            continue;
        rest = buf_str(&b);
        while (str_split(&rest, '\n', &line)) {
            if (str_starts(line, "oom_kill ") && !str_is(line, "oom_kill 0"))
                return true;
        }
    }
    return false;
}

void cgroup_kill(const struct cgroup *g)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(FILE_MAX);
    const char *folder = g->memory[0] ? g->memory : g->cpu[0] ? g->cpu : g->pids;
    struct str rest, line;
    char path[640];
    int64_t pid;

    if (!folder[0] || set(folder, "cgroup.kill", "1"))
        return;
    snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
    if (!read_file(path, &b))
        return;
    rest = buf_str(&b);
    while (str_split(&rest, '\n', &line)) {
        if (str_to_i64(line, &pid) && pid > 1 && pid <= INT32_MAX)
            kill((pid_t)pid, SIGKILL);
    }
}

void cgroup_remove(const struct cgroup *g)
{
    if (g->memory[0])
        rmdir(g->memory);
    if (g->cpu[0])
        rmdir(g->cpu);
    if (g->pids[0])
        rmdir(g->pids);
}
