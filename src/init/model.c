/* SPDX-License-Identifier: Apache-2.0 */
#include "init/model.h"

#include "init/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOFILE = 65536 };

static void set_limits(void)
{
    struct rlimit files, core = { .rlim_cur = 0, .rlim_max = 0 };

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max = MIN(files.rlim_max, (rlim_t)NOFILE);
        setrlimit(RLIMIT_NOFILE, &files);
    }
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

/* In the child. Reports errno through `report`, which closes by itself when the program runs. */
NORETURN static void become(const struct init_spec *s, const struct cgroup *g, int log, int report)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int failed = 0;

    setpgid(0, 0);
    reset_signals();
    cgroup_enter(g);
    set_limits();
    /* When the machine runs out of memory, an instance goes before the server does. */
    init_file_poke("/proc/self/oom_score_adj", "500");
    if (dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        failed = errno;
    /* What the supervisor has open is not the model's. */
    if (report != 3 && dup3(report, 3, O_CLOEXEC) == 3)
        report = 3;
    if (report == 3)
        close_range(4, ~0U, 0);
    if (!failed && (chdir(s->cwd) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0))
        failed = errno;
    if (!failed) {
        union {
            const char *const *ours;
            char *const *theirs;
        } argv = { .ours = s->argv }, env = { .ours = s->env };

        execve(s->argv[0], argv.theirs, env.theirs);
        failed = errno;
    }
    _exit(write(report, &failed, sizeof(failed)) > 0 ? 127 : 126);
}

enum status model_server_start(const struct init_spec *s, const struct cgroup *g, pid_t *out_pid,
                               int *out_log, struct error *err)
{
    int log[2], report[2], failed = 0;
    ssize_t n;
    pid_t pid;

    if (pipe2(log, O_CLOEXEC) != 0)
        return FAIL(err, STATUS_UNREACHABLE, "cannot make a pipe: %s", strerror(errno));
    if (pipe2(report, O_CLOEXEC) != 0) {
        close(log[0]);
        close(log[1]);
        return FAIL(err, STATUS_UNREACHABLE, "cannot make a pipe: %s", strerror(errno));
    }
    pid = fork();
    if (pid == 0)
        become(s, g, log[1], report[1]);
    if (pid < 0)
        FAIL(err, STATUS_UNREACHABLE, "cannot start a process: %s", strerror(errno));
    close(log[1]);
    close(report[1]);
    do {
        n = pid > 0 ? read(report[0], &failed, sizeof(failed)) : 0;
    } while (n < 0 && errno == EINTR);
    close(report[0]);
    if (pid > 0 && n == (ssize_t)sizeof(failed)) {
        waitpid(pid, NULL, 0);
        FAIL(err, STATUS_BROKEN, "cannot start %s in %s: %s", s->argv[0], s->cwd, strerror(failed));
        pid = -1;
    }
    if (pid < 0) {
        close(log[0]);
        return STATUS_BROKEN;
    }
    fcntl(log[0], F_SETFL, O_NONBLOCK);
    *out_pid = pid;
    *out_log = log[0];
    return STATUS_OK;
}

int model_server_port(struct str line)
{
    static const char *const before[] = { "Starting coglet server on 127.0.0.1:",
                                          "listening 127.0.0.1:" };

    for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
        size_t n = strlen(before[i]);
        const char *at = line.n >= n ? memmem(line.p, line.n, before[i], n) : NULL;
        int64_t port;
        size_t digits = 0;

        if (!at)
            continue;
        at += n;
        while (at + digits < line.p + line.n && at[digits] >= '0' && at[digits] <= '9')
            digits++;
        if (digits > 0 && str_to_i64(str_make(at, digits), &port) && port > 0 && port < 65536)
            return (int)port;
    }
    return 0;
}
