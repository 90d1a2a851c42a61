/* SPDX-License-Identifier: Apache-2.0 */
/* A parent of another user stays outside of the box: what the program runs cannot end it, and is
 * its descendant wherever it goes, since it is the subreaper of all. */
#include "init/box.h"

#include "base/arena.h"
#include "base/clock.h"
#include "init/cgroup.h"
#include "init/file.h"
#include "init/procs.h"
#include "init/sandbox.h"
#include "init/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WATCH_MS = 500, DISK_MS = 2000, KILL_AGAIN_MS = 20, CANNOT_RUN = 127 };

struct box {
    const char *folder;
    int dirfd, signals;
    struct init_spec spec;
    struct arena arena;
    struct cgroup cgroup;
    pid_t program;
    int status; /* of the program, as waitpid() has it */
    bool has_ended, is_told_to_end, is_over;
    int64_t had; /* bytes on the disk before it began */
    int64_t disk_at;
};

NORETURN static void refuse(const char *why)
{
    fprintf(stderr, "error: %s\n", why);
    _exit(CANNOT_RUN);
}

/* Without mount namespaces it runs as it is, with the limits alone. */
NORETURN static void become(const struct box *b)
{
    const struct init_spec *s = &b->spec;
    union {
        const char *const *ours;
        char *const *theirs;
    } argv = { .ours = s->argv }, env = { .ours = s->env };
    struct error err = { .status = STATUS_OK };
    bool has_own;

    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    cgroup_enter(&b->cgroup);
    sandbox_limit(s);
    if ((s->uid || sandbox_can_mount()) && sandbox_enter(s, b->folder, &has_own, &err))
        refuse(err.text);
    if (chdir(s->cwd) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        FAIL(&err, STATUS_BROKEN, "cannot go to %s: %s", s->cwd, strerror(errno));
        refuse(err.text);
    }
    close_range(3, ~0U, 0);
    execvpe(s->argv[0], argv.theirs, env.theirs);
    FAIL(&err, STATUS_BROKEN, "cannot run %s: %s", s->argv[0], strerror(errno));
    refuse(err.text);
}

static int64_t disk_used(const struct box *b, int64_t enough)
{
    static const char *const own[] = { "home", "tmp", "coglet" };
    int64_t sum = 0;

    for (size_t i = 0; i < ARRAY_SIZE(own) && sum <= enough; i++)
        sum += folder_size(b->dirfd, own[i], enough - sum);
    for (const char *const *w = b->spec.writable; w && *w && sum <= enough; w++)
        sum += folder_size(AT_FDCWD, *w, enough - sum);
    return sum;
}

static void end_over(struct box *b, const char *option)
{
    fprintf(stderr, "error: it used more than %s allows, and was ended\n", option);
    b->is_over = true;
}

static void watch(struct box *b)
{
    int64_t now = clock_monotonic_ms(), most = b->spec.disk;

    if (b->spec.memory > 0 &&
        (b->cgroup.memory[0] ? cgroup_was_out_of_memory(&b->cgroup)
                             : procs_memory(b->spec.memory) > b->spec.memory)) {
        end_over(b, "build_memory");
        return;
    }
    if (most <= 0 || now < b->disk_at)
        return;
    if (disk_used(b, b->had + most) + procs_nameless_files() > b->had + most)
        end_over(b, "build_disk");
    /* Walking many files takes its time: the next look is the later for it. */
    b->disk_at = clock_monotonic_ms() + DISK_MS + 10 * (clock_monotonic_ms() - now);
}

/* False: there are no children left. */
static bool reap(struct box *b)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != b->program)
            continue;
        b->has_ended = true;
        b->status = status;
    }
    return pid == 0;
}

static void take_signals(struct box *b)
{
    struct signalfd_siginfo info;

    while (read(b->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        b->is_told_to_end = b->is_told_to_end || info.ssi_signo != SIGCHLD;
}

static void run(struct box *b)
{
    while (!b->has_ended && !b->is_told_to_end && !b->is_over) {
        struct pollfd p = { .fd = b->signals, .events = POLLIN };

        if (poll(&p, 1, WATCH_MS) > 0)
            take_signals(b);
        reap(b);
        if (!b->has_ended)
            watch(b);
    }
}

static void end_all(struct box *b)
{
    uid_t uid = (uid_t)b->spec.uid;
    struct timespec pause = { .tv_nsec = KILL_AGAIN_MS * 1000000L };

    for (;;) {
        cgroup_kill(&b->cgroup);
        procs_kill_descendants(0);
        if (uid)
            procs_kill_user(uid);
        if (!reap(b) && (!uid || procs_of_user(uid) == 0))
            break;
        nanosleep(&pause, NULL);
    }
    if (cgroup_was_out_of_memory(&b->cgroup) && !b->is_over)
        end_over(b, "build_memory");
    cgroup_remove(&b->cgroup);
}

static enum status start(struct box *b, struct error *err)
{
    char name[64];
    enum status st;

    b->dirfd = open(b->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->dirfd < 0)
        return FAIL(err, STATUS_BROKEN, "cannot open %s: %s", b->folder, strerror(errno));
    st = init_spec_take(b->dirfd, &b->arena, &b->spec, err);
    st = st ? st : sandbox_prepare(&b->spec, b->dirfd, err);
    if (st)
        return st;
    if (b->spec.uid && procs_of_user((uid_t)b->spec.uid) > 0)
        return FAIL(err, STATUS_BROKEN,
                    "something runs as user %lld already; instance_uids must be nobody else's",
                    (long long)b->spec.uid);
    snprintf(name, sizeof(name), "berth-box-%.32s-%d", b->spec.id, (int)getpid());
    if (b->spec.use_cgroup)
        cgroup_create(&b->cgroup, name, b->spec.memory, b->spec.cpus_milli, b->spec.processes);
    b->had = b->spec.disk > 0 ? disk_used(b, INT64_MAX / 4) : 0;
    b->disk_at = clock_monotonic_ms() + DISK_MS;
    b->program = fork();
    if (b->program == 0)
        become(b);
    return b->program > 0 ? STATUS_OK
                          : FAIL(err, STATUS_BROKEN, "cannot start a process: %s", strerror(errno));
}

static int box_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* As the program ended: whoever asked sees the signal, too. */
static int answer(const struct box *b)
{
    if (b->is_over || !b->has_ended)
        return 1;
    if (WIFEXITED(b->status))
        return WEXITSTATUS(b->status);
    signal(WTERMSIG(b->status), SIG_DFL);
    kill(getpid(), WTERMSIG(b->status));
    return 128 + WTERMSIG(b->status);
}

int box_main(pid_t server, const char *folder)
{
    struct box b = { .folder = folder, .dirfd = -1 };
    struct error err = { .status = STATUS_OK };

    close_range(3, ~0U, 0);
    umask(022);
    b.signals = box_signals();
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != server)
        return 1; /* the server ended before it could be tied to it */
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (start(&b, &err) != STATUS_OK) {
        fprintf(stderr, "error: %s\n", err.text);
        arena_deinit(&b.arena);
        return CANNOT_RUN;
    }
    run(&b);
    end_all(&b);
    arena_deinit(&b.arena);
    return answer(&b);
}
