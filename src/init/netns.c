/* SPDX-License-Identifier: Apache-2.0 */
#include "init/netns.h"

#include "base/socket_owner.h"
#include "init/relay.h"
#include "init/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_KEPT = 100, BACKLOG = 256 };

static bool raise_loopback(void)
{
    struct ifreq r = { .ifr_name = "lo" };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &r) == 0;

    r.ifr_flags |= IFF_UP;
    ok = ok && ioctl(fd, SIOCSIFFLAGS, &r) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

bool netns_can(void)
{
    int status = 1;
    pid_t pid = fork();

    if (pid == 0)
        _exit(geteuid() == 0 && unshare(CLONE_NEWNET) == 0 && raise_loopback() ? 0 : 1);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* --- the relay's process --- */

/* It needs to reach the server's socket, whoever owns the data folder, and nothing else. */
static bool drop_rights(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct sets[2] = { { .effective = 1U << CAP_DAC_OVERRIDE,
                                                .permitted = 1U << CAP_DAC_OVERRIDE } };

    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    return syscall(SYS_capset, &head, sets) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static int listen_inside(int port)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int keep(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, FIRST_KEPT);
}

/* What the supervisor has open beyond its own is not the relay's. */
static bool take_ends(const struct init_spec *s, int *listener, int *tell, int *report,
                      struct relay_ends *out)
{
    int folder = open(s->internal_folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

    *report = keep(*report);
    *out = (struct relay_ends){ .from_server = keep(*listener),
                                .from_model = keep(listen_inside((int)s->internal_port)),
                                .tell = keep(*tell),
                                .folder = keep(folder),
                                .server = NETNS_SERVER_SOCKET };
    close_range(3, FIRST_KEPT - 1, 0);
    fcntl(out->tell, F_SETFL, O_NONBLOCK);
    return out->from_server >= 0 && out->from_model >= 0 && out->tell >= 0 && out->folder >= 0;
}

NORETURN static void become_relay(const struct init_spec *s, pid_t supervisor, int listener,
                                  int tell, int report)
{
    struct error err = { .status = STATUS_OK };
    struct relay_ends ends;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != supervisor)
        _exit(1);
    if (unshare(CLONE_NEWNET) != 0 || !raise_loopback())
        FAIL(&err, STATUS_UNREACHABLE, "cannot make a network of its own: %s", strerror(errno));
    else if (!take_ends(s, &listener, &tell, &report, &ends) || !drop_rights())
        FAIL(&err, STATUS_UNREACHABLE, "cannot open the ends of its network: %s", strerror(errno));
    if (write(report, &err, sizeof(err)) != (ssize_t)sizeof(err) || err.status)
        _exit(1);
    close(report);
    relay_run(&ends);
}

/* --- the supervisor's side --- */

static enum status read_report(int fd, struct error *err)
{
    struct error said = { .status = STATUS_OK };
    ssize_t n;

    do {
        n = read(fd, &said, sizeof(said));
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(said))
        return FAIL(err, STATUS_UNREACHABLE, "the process of its network ended at once");
    if (said.status)
        *err = said;
    return said.status;
}

static enum status start(const struct init_spec *s, int listener, const int tell[2],
                         const int report[2], struct netns *out, struct error *err)
{
    pid_t self = getpid();
    char path[64];
    enum status st;

    out->pid = fork();
    if (out->pid == 0)
        become_relay(s, self, listener, tell[0], report[1]);
    close(report[1]);
    if (out->pid < 0)
        return FAIL(err, STATUS_UNREACHABLE, "cannot start a process: %s", strerror(errno));
    st = read_report(report[0], err);
    if (st)
        return st;
    snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)out->pid);
    out->fd = open(path, O_RDONLY | O_CLOEXEC);
    out->tell = fcntl(tell[1], F_DUPFD_CLOEXEC, 0);
    if (out->fd < 0 || out->tell < 0)
        return FAIL(err, STATUS_UNREACHABLE, "cannot open its network: %s", strerror(errno));
    return STATUS_OK;
}

static void give_up(struct netns *n)
{
    if (n->pid > 0) {
        kill(n->pid, SIGKILL);
        waitpid(n->pid, NULL, 0);
    }
    netns_deinit(n);
}

enum status netns_start(const struct init_spec *s, int dirfd, struct netns *out, struct error *err)
{
    int tell[2] = { -1, -1 }, report[2] = { -1, -1 }, listener = -1;
    char name[64];
    enum status st;

    *out = NETNS_NONE;
    snprintf(name, sizeof(name), "%.32s" NETNS_SOCKET, s->id);
    st = sock_listen(dirfd, name, &listener, err);
    if (st)
        return st;
    if (pipe2(tell, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0) {
        st = FAIL(err, STATUS_UNREACHABLE, "cannot make a pipe: %s", strerror(errno));
    } else {
        st = start(s, listener, tell, report, out, err);
        close(report[0]);
    }
    for (int i = 0; i < 2; i++) {
        if (tell[i] >= 0)
            close(tell[i]);
    }
    close(listener);
    if (st)
        give_up(out);
    return st;
}

enum status netns_enter(const struct netns *n, struct error *err)
{
    if (n->pid && setns(n->fd, CLONE_NEWNET) != 0)
        return FAIL(err, STATUS_UNREACHABLE, "cannot enter its network: %s", strerror(errno));
    return STATUS_OK;
}

/* The question is asked from inside; in a child, since there might be no way back. */
enum status netns_listener_owner(const struct netns *n, int port, uint32_t *out_uid)
{
    struct {
        enum status st;
        uint32_t uid;
    } said = { .st = STATUS_UNSUPPORTED };
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return STATUS_UNSUPPORTED;
    pid = fork();
    if (pid == 0) {
        if (netns_enter(n, NULL) == STATUS_OK)
            said.st = socket_listener_owner(port, &said.uid);
        _exit(write(ends[1], &said, sizeof(said)) != (ssize_t)sizeof(said));
    }
    close(ends[1]);
    if (pid > 0 && read(ends[0], &said, sizeof(said)) != (ssize_t)sizeof(said))
        said.st = STATUS_UNSUPPORTED;
    close(ends[0]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    *out_uid = said.uid;
    return said.st;
}

void netns_tell_port(const struct netns *n, int port)
{
    if (n->tell >= 0 && write(n->tell, &port, sizeof(port)) != (ssize_t)sizeof(port))
        errno = 0; /* it has ended, which is seen where processes are waited for */
}

void netns_finish(struct netns *n)
{
    if (n->tell >= 0)
        close(n->tell);
    n->tell = -1;
}

void netns_deinit(struct netns *n)
{
    netns_finish(n);
    if (n->fd >= 0)
        close(n->fd);
    *n = NETNS_NONE;
}
