/* SPDX-License-Identifier: Apache-2.0 */
/* /tmp/coglet is a path built into Cog's server. Its own folder of the instance is mounted over it,
 * on the same disk as the rest of the instance, so that big outputs cost no memory and the server
 * can clean up from outside. */
#include "init/sandbox.h"

#include "init/file.h"
#include "init/view.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COGLET "/tmp/coglet"

/* Without the right to make a namespace, a user namespace gives it: one in which we are who we are.
 */
static bool enter_namespace(void)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    char map[64];

    /* Otherwise our files in /proc are root's, and the maps below cannot be written. */
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (unshare(CLONE_NEWNS | CLONE_NEWIPC) == 0)
        return true;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC) != 0)
        return false;
    init_file_poke("/proc/self/setgroups", "deny");
    snprintf(map, sizeof(map), "%u %u 1", (unsigned)uid, (unsigned)uid);
    if (!init_file_poke("/proc/self/uid_map", map))
        return false;
    snprintf(map, sizeof(map), "%u %u 1", (unsigned)gid, (unsigned)gid);
    return init_file_poke("/proc/self/gid_map", map);
}

/* Mounts of ours stay ours; what the machine unmounts goes here too. */
static bool detach_mounts(void)
{
    return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0;
}

/* What `test` says in a child, which may change its namespaces and rights for that. */
static bool try_out(bool (*test)(uid_t uid), uid_t uid)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(test(uid) ? 0 : 1);
    if (pid < 0)
        return false;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool test_mounts(uid_t uid)
{
    (void)uid;
    return enter_namespace() && detach_mounts() && mount("/tmp", "/tmp", NULL, MS_BIND, NULL) == 0;
}

static bool test_user(uid_t uid)
{
    return geteuid() == 0 && unshare(CLONE_NEWNS | CLONE_NEWIPC) == 0 && detach_mounts() &&
           sandbox_become(uid, NULL, NULL) == STATUS_OK;
}

static bool test_hidden_processes(uid_t uid)
{
    return test_mounts(uid) && view_hide_processes();
}

bool sandbox_can_mount(void)
{
    return try_out(test_mounts, 0);
}

bool sandbox_can_become(uid_t uid)
{
    return try_out(test_user, uid);
}

bool sandbox_can_hide_processes(void)
{
    return try_out(test_hidden_processes, 0);
}

static size_t read_groups(const char *const *groups, gid_t out[SPEC_MAX_GROUPS])
{
    size_t n = 0;
    uint64_t id;

    for (; groups && *groups && n < SPEC_MAX_GROUPS; groups++)
        if (str_to_u64(str_of(*groups), &id) && id > 0 && id < UINT32_MAX)
            out[n++] = (gid_t)id;
    return n;
}

enum status sandbox_become(uid_t uid, const char *const *groups, struct error *err)
{
    uid_t r = 0, e = 0, s = 0;
    gid_t beside[SPEC_MAX_GROUPS];
    size_t n = read_groups(groups, beside);

    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    if (setgroups(n, n ? beside : NULL) != 0 ||
        setresgid((gid_t)uid, (gid_t)uid, (gid_t)uid) != 0 || setresuid(uid, uid, uid) != 0 ||
        getresuid(&r, &e, &s) != 0 || r != uid || e != uid || s != uid)
        return FAIL(err, STATUS_UNREACHABLE, "cannot become user %u: %s", (unsigned)uid,
                    strerror(errno));
    return STATUS_OK;
}

static enum status make_folder(int dirfd, const char *name, mode_t mode, uid_t uid,
                               struct error *err)
{
    int fd;

    if (mkdirat(dirfd, name, 0700) != 0 && errno != EEXIST)
        return FAIL(err, STATUS_UNREACHABLE, "cannot make %s: %s", name, strerror(errno));
    fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || (uid && fchown(fd, uid, (gid_t)uid) != 0) || fchmod(fd, mode) != 0) {
        FAIL(err, STATUS_UNREACHABLE, "cannot set the mode of %s: %s", name, strerror(errno));
        if (fd >= 0)
            close(fd);
        return STATUS_UNREACHABLE;
    }
    close(fd);
    return STATUS_OK;
}

/* Shared with whoever runs models on this machine, so it gets /tmp's own mode, also when a Cog
 * server that nobody supervises has made it before us. Somebody else's symbolic link there would
 * lead an instance's files astray. */
static enum status make_shared(const char *path, struct error *err)
{
    struct stat st;

    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return FAIL(err, STATUS_UNREACHABLE, "cannot make %s: %s", path, strerror(errno));
    if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return FAIL(err, STATUS_UNREACHABLE, "%s is not a folder", path);
    if (st.st_uid == geteuid() && (st.st_mode & 07777) != 01777 && chmod(path, 01777) != 0)
        return FAIL(err, STATUS_UNREACHABLE, "cannot set the mode of %s: %s", path,
                    strerror(errno));
    return STATUS_OK;
}

/* A model whose server cannot write there gets ready all the same, and then fails each prediction.
 */
static enum status share_coglet(struct error *err)
{
    enum status st = make_shared(COGLET "/predictions", err);

    if (st == STATUS_OK && access(COGLET "/predictions", W_OK | X_OK) != 0)
        return FAIL(
            err, STATUS_UNREACHABLE,
            "%s belongs to another user and cannot be written; remove it, or give it mode 1777",
            COGLET "/predictions");
    return st;
}

static void limit(int what, int64_t most)
{
    struct rlimit r;

    if (most <= 0 || getrlimit((__rlimit_resource_t)what, &r) != 0)
        return;
    r.rlim_cur = r.rlim_max = MIN(r.rlim_max, (rlim_t)most);
    setrlimit((__rlimit_resource_t)what, &r);
}

/* Never the address space: CUDA reserves hundreds of gigabytes. Nor the size of files, which may
 * have holes, or be shared memory. Processes are counted by user, so that a limit would be the
 * server's too where they share one. */
static void set_limits(const struct init_spec *s)
{
    struct rlimit core = { .rlim_cur = 0, .rlim_max = 0 };

    limit(RLIMIT_NOFILE, s->open_files);
    if (s->uid)
        limit(RLIMIT_NPROC, s->processes);
    setrlimit(RLIMIT_CORE, &core);
}

static void reset_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void sandbox_limit(const struct init_spec *s)
{
    reset_signals();
    set_limits(s);
    /* When the machine runs out of memory, this goes before the server does. */
    init_file_poke("/proc/self/oom_score_adj", "500");
}

enum status sandbox_prepare(const struct init_spec *s, int dirfd, struct error *err)
{
    uid_t uid = (uid_t)s->uid;
    enum status st = make_folder(dirfd, "home", 0700, uid, err);

    st = st ? st : make_folder(dirfd, "tmp", 0700, uid, err);
    return st ? st : make_folder(dirfd, "coglet", uid ? 0700 : 01777, uid, err);
}

enum status sandbox_enter(const struct init_spec *s, const char *folder, bool *out_own_coglet,
                          struct error *err)
{
    enum status st;

    *out_own_coglet = s->use_mounts && sandbox_can_mount();
    if (!*out_own_coglet && s->uid)
        return FAIL(err, STATUS_UNREACHABLE,
                    "a mount namespace is refused here, though it was granted before");
    if (!*out_own_coglet) {
        st = make_shared(COGLET, err);
        return st ? st : share_coglet(err);
    }
    if (!enter_namespace() || !detach_mounts())
        return FAIL(err, STATUS_UNREACHABLE, "cannot enter a mount namespace: %s", strerror(errno));
    st = view_enter(s, folder, err);
    return st || !s->uid ? st : sandbox_become((uid_t)s->uid, s->groups, err);
}
