/* SPDX-License-Identifier: Apache-2.0 */
#include "init/model.h"

#include "init/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child says before it becomes the model server, and once more if it cannot. */
struct report {
    bool has_own_coglet;
    struct error error;
};

NORETURN static void give_up(int report, const struct report *r)
{
    _exit(write(report, r, sizeof(*r)) > 0 ? 127 : 126);
}

/* The channels: /dev/null, the log twice, and 3 for the report. What the supervisor has open beyond
 * is not the model's. */
static int take_channels(int log, int report, struct report *r)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        FAIL(&r->error, STATUS_UNREACHABLE, "cannot open the log: %s", strerror(errno));
    if (report != 3 && dup3(report, 3, O_CLOEXEC) == 3)
        report = 3;
    if (report == 3)
        close_range(4, ~0U, 0);
    return report;
}

/* In the child. The report's end closes by itself when the program runs. */
NORETURN static void become(const struct init_spec *s, const struct cgroup *g,
                            const struct netns *n, const char *folder, int log, int report)
{
    struct report r = { .error = { .status = STATUS_OK } };
    union {
        const char *const *ours;
        char *const *theirs;
    } argv = { .ours = s->argv }, env = { .ours = s->env };

    setpgid(0, 0);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* our files in /proc are ours again */
    cgroup_enter(g);
    sandbox_limit(s);
    if (netns_enter(n, &r.error))
        give_up(report, &r);
    report = take_channels(log, report, &r);
    if (r.error.status || sandbox_enter(s, folder, &r.has_own_coglet, &r.error))
        give_up(report, &r);
    if (write(report, &r, sizeof(r)) != (ssize_t)sizeof(r))
        _exit(126);
    if (chdir(s->cwd) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        execve(s->argv[0], argv.theirs, env.theirs);
    FAIL(&r.error, STATUS_BROKEN, "cannot start %s in %s: %s", s->argv[0], s->cwd, strerror(errno));
    give_up(report, &r);
}

static bool read_report(int fd, struct report *out)
{
    ssize_t n;

    do {
        n = read(fd, out, sizeof(*out));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(*out);
}

static enum status start(const struct init_spec *s, const struct cgroup *g, const struct netns *n,
                         const char *folder, const int log[2], const int report[2],
                         struct model_server *out, struct error *err)
{
    struct report r = { .has_own_coglet = false };

    out->pid = fork();
    if (out->pid == 0)
        become(s, g, n, folder, log[1], report[1]);
    close(log[1]);
    close(report[1]);
    if (out->pid < 0)
        return FAIL(err, STATUS_UNREACHABLE, "cannot start a process: %s", strerror(errno));
    FAIL(&r.error, STATUS_UNREACHABLE, "the process ended before the model server began");
    if (!read_report(report[0], &r) || r.error.status || !read_report(report[0], &r)) {
        out->has_own_coglet = r.has_own_coglet;
        if (r.error.status == STATUS_OK)
            return STATUS_OK;
    }
    waitpid(out->pid, NULL, 0);
    *err = r.error;
    return r.error.status;
}

enum status model_server_start(const struct init_spec *s, const struct cgroup *g,
                               const struct netns *n, const char *folder, struct model_server *out,
                               struct error *err)
{
    int log[2], report[2];
    enum status st;

    if (pipe2(log, O_CLOEXEC) != 0)
        return FAIL(err, STATUS_UNREACHABLE, "cannot make a pipe: %s", strerror(errno));
    if (pipe2(report, O_CLOEXEC) != 0) {
        close(log[0]);
        close(log[1]);
        return FAIL(err, STATUS_UNREACHABLE, "cannot make a pipe: %s", strerror(errno));
    }
    st = start(s, g, n, folder, log, report, out, err);
    close(report[0]);
    if (st) {
        close(log[0]);
        out->pid = 0;
        return st;
    }
    fcntl(log[0], F_SETFL, O_NONBLOCK);
    out->log = log[0];
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
