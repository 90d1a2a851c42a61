/* SPDX-License-Identifier: Apache-2.0 */
#include "init/procs.h"

#include "base/mem.h"
#include "init/sandbox.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct proc {
    pid_t pid, parent;
    bool is_zombie, is_ours;
};

struct proc_list {
    struct proc *p;
    size_t n, cap;
};

static void proc_list_deinit(struct proc_list *l)
{
    free(l->p);
}

/* A file of one process; small ones only, and never one that can block. */
static bool read_proc(pid_t pid, const char *name, struct buf *out)
{
    char path[64];
    ssize_t n = -1;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    buf_clear(out);
    do {
        char *at = buf_reserve(out, 4096);

        n = at ? read(fd, at, 4096) : -1;
        if (n > 0)
            buf_commit(out, (size_t)n);
    } while (n > 0);
    close(fd);
    return n == 0;
}

/* Field 1 is what follows the command's name, which may hold spaces and parentheses itself. */
static struct str stat_field(struct str stat, int field)
{
    const char *close = stat.n ? memrchr(stat.p, ')', stat.n) : NULL;
    struct str rest, head = STR_NULL;

    if (!close || close + 2 > stat.p + stat.n)
        return STR_NULL;
    rest = str_make(close + 2, (size_t)(stat.p + stat.n - close - 2));
    while (field-- > 0) {
        if (!str_split(&rest, ' ', &head))
            return STR_NULL;
    }
    return head;
}

int64_t procs_start(pid_t pid)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(8192);
    int64_t start = 0;

    if (pid <= 0 || !read_proc(pid, "stat", &b) || !str_to_i64(stat_field(buf_str(&b), 20), &start))
        return 0;
    return start;
}

static bool pid_of(const char *name, pid_t *out)
{
    int64_t n;

    if (name[0] < '1' || name[0] > '9' || !str_to_i64(str_of(name), &n) || n > INT32_MAX)
        return false;
    *out = (pid_t)n;
    return true;
}

static void add(struct proc_list *l, struct proc p)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->p = xrealloc(l->p, l->cap * sizeof(*l->p));
    }
    l->p[l->n++] = p;
}

static void list_all(struct proc_list *l)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(8192);
    DIR *d = opendir("/proc");
    const struct dirent *e;

    while (d && (e = readdir(d))) {
        struct proc p = { .pid = 0 };
        int64_t parent;

        if (!pid_of(e->d_name, &p.pid) || !read_proc(p.pid, "stat", &b) ||
            !str_to_i64(stat_field(buf_str(&b), 2), &parent))
            continue;
        p.parent = (pid_t)parent;
        p.is_zombie = str_is(stat_field(buf_str(&b), 1), "Z");
        add(l, p);
    }
    if (d)
        closedir(d);
}

static bool has_parent_of_ours(const struct proc_list *l, pid_t parent)
{
    if (parent == getpid())
        return true;
    for (size_t i = 0; i < l->n; i++) {
        if (l->p[i].pid == parent)
            return l->p[i].is_ours;
    }
    return false;
}

/* Parents need not stand before their children in /proc, hence the passes. */
static void mark_descendants(struct proc_list *l)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (size_t i = 0; i < l->n; i++) {
            if (!l->p[i].is_ours && has_parent_of_ours(l, l->p[i].parent))
                changed = l->p[i].is_ours = true;
        }
    }
}

size_t procs_kill_descendants(pid_t but)
{
    struct proc_list l CLEANUP(proc_list_deinit) = { .p = NULL };
    size_t n = 0;

    list_all(&l);
    mark_descendants(&l);
    for (size_t i = 0; i < l.n; i++) {
        if (l.p[i].is_ours && l.p[i].pid != but && !l.p[i].is_zombie &&
            kill(l.p[i].pid, SIGKILL) == 0)
            n++;
    }
    return n;
}

static int64_t resident(pid_t pid)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(8192);
    struct str rest, head;
    int64_t pages = 0;

    if (!read_proc(pid, "statm", &b))
        return 0;
    rest = buf_str(&b);
    if (!str_split(&rest, ' ', &head) || !str_split(&rest, ' ', &head) || !str_to_i64(head, &pages))
        return 0;
    return pages * sysconf(_SC_PAGESIZE);
}

/* Each page divided by the number of processes that share it; -1 when the kernel does not tell. */
static int64_t proportional(pid_t pid)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    struct str rest, line, number;
    int64_t kib;

    if (!read_proc(pid, "smaps_rollup", &b))
        return -1;
    rest = buf_str(&b);
    while (str_split(&rest, '\n', &line)) {
        if (!str_starts(line, "Pss:"))
            continue;
        number = str_trim(str_make(line.p + 4, line.n - 4));
        if (number.n > 3 && str_to_i64(str_trim(str_make(number.p, number.n - 3)), &kib))
            return kib * 1024;
    }
    return -1;
}

int64_t procs_memory(int64_t enough)
{
    struct proc_list l CLEANUP(proc_list_deinit) = { .p = NULL };
    int64_t sum = 0, exact = 0;

    list_all(&l);
    mark_descendants(&l);
    for (size_t i = 0; i < l.n; i++) {
        if (l.p[i].is_ours)
            sum += resident(l.p[i].pid);
    }
    if (sum <= enough)
        return sum;
    for (size_t i = 0; i < l.n; i++) {
        int64_t own = l.p[i].is_ours && !l.p[i].is_zombie ? proportional(l.p[i].pid) : 0;

        exact += own >= 0 ? own : resident(l.p[i].pid);
    }
    return exact;
}

static bool environment_has(struct str environment, struct str wanted)
{
    struct str one;

    while (str_split(&environment, '\0', &one)) {
        if (str_eq(one, wanted))
            return true;
    }
    return false;
}

size_t procs_kill_marked(struct str name_and_value)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(4 * 1024 * 1024);
    DIR *d = opendir("/proc");
    const struct dirent *e;
    size_t n = 0;

    while (d && (e = readdir(d))) {
        pid_t pid;

        if (pid_of(e->d_name, &pid) && pid != getpid() && read_proc(pid, "environ", &b) &&
            environment_has(buf_str(&b), name_and_value) && kill(pid, SIGKILL) == 0)
            n++;
    }
    if (d)
        closedir(d);
    return n;
}

static bool belongs_to(struct str status, uid_t uid)
{
    char wanted[32];
    struct str line;
    bool is_users = false;

    snprintf(wanted, sizeof(wanted), "Uid:\t%u\t", (unsigned)uid);
    while (str_split(&status, '\n', &line)) {
        if (str_starts(line, "State:\tZ"))
            return false;
        is_users = is_users || str_starts(line, wanted);
    }
    return is_users;
}

size_t procs_of_user(uid_t uid)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(64 * 1024);
    DIR *d = opendir("/proc");
    const struct dirent *e;
    size_t n = 0;

    while (d && (e = readdir(d))) {
        pid_t pid;

        n +=
            pid_of(e->d_name, &pid) && read_proc(pid, "status", &b) && belongs_to(buf_str(&b), uid);
    }
    if (d)
        closedir(d);
    return n;
}

/* As that user, kill(-1) is everything of that user and nothing else. sandbox_become() makes sure
 * that we are nobody else when it is called. */
void procs_kill_user(uid_t uid)
{
    pid_t pid;

    assert(uid > 0);
    pid = fork();
    if (pid == 0) {
        if (sandbox_become(uid, NULL, NULL) == STATUS_OK && getuid() == uid && geteuid() == uid)
            kill(-1, SIGKILL);
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static int64_t nameless_files_of(pid_t pid)
{
    char path[64];
    const struct dirent *e;
    int64_t sum = 0;
    DIR *d;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    d = opendir(path);
    while (d && (e = readdir(d))) {
        struct stat st;

        if (fstatat(dirfd(d), e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0)
            sum += (int64_t)st.st_blocks * 512;
    }
    if (d)
        closedir(d);
    return sum;
}

int64_t procs_nameless_files(void)
{
    struct proc_list l CLEANUP(proc_list_deinit) = { .p = NULL };
    int64_t sum = 0;

    list_all(&l);
    mark_descendants(&l);
    for (size_t i = 0; i < l.n; i++) {
        if (l.p[i].is_ours)
            sum += nameless_files_of(l.p[i].pid);
    }
    return sum;
}
