/* SPDX-License-Identifier: Apache-2.0 */
/* One poll() loop. The phases, and what is true in each:
 *
 *   RUNNING   the model server runs
 *   STOPPING  it was sent SIGTERM; at kill_at everything is killed
 *   KILLING   SIGKILL goes to all descendants again and again until none is left: as their
 * subreaper we are the parent of each whose own parent died, so that "no children" means that all
 * are gone ENDED     nothing runs, state.json holds the end; a server may fetch it
 *
 *   RUNNING  -> STOPPING  [stop: a server asks, SIGTERM to us, or no server for too long]
 *   RUNNING, STOPPING -> KILLING  [kill_all: asked for, grace over, memory limit, or the model
 * server ended] KILLING  -> ENDED     [on_all_gone]
 *
 * SIGTERM goes to the model server alone, not to its group: coglet then lets running predictions
 * end, while its worker, if signalled too, would drop them. Whatever it leaves behind is killed
 * after it. */
#include "init/supervisor.h"

#include "base/clock.h"
#include "base/socket_owner.h"
#include "init/cgroup.h"
#include "init/control.h"
#include "init/file.h"
#include "init/model.h"
#include "init/netns.h"
#include "init/procs.h"
#include "init/ring.h"
#include "init/sandbox.h"
#include "init/state.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum phase { RUNNING, STOPPING, KILLING, ENDED };

/* Memory is looked at so often; a kill is repeated so often while something is still alive; and so
 * long has the server that started us to connect, however short the orphan timeout is. */
enum { WATCH_MS = 500, DISK_MS = 2000, KILL_AGAIN_MS = 50, FIRST_SERVER_MS = 30000 };
/* A server says its port a moment before it listens; one that does not say it may listen after
 * minutes only, and is looked at less and less often. */
enum { LOOK_AGAIN_MS = 10, LOOK_SELDOM_MS = 250, BELIEVED_MS = 10000 };
/* So long may the end of the model server's last answers take to be passed on. */
enum { LAST_WORDS_MS = 1000 };

#define NEVER INT64_MAX

struct supervisor {
    const struct init_spec *spec;
    const char *folder;
    int dirfd, listener, signals, log;
    enum phase phase;
    pid_t model;
    struct netns net;
    struct init_state state;
    struct ring ring;
    struct control control;
    struct cgroup cgroup;
    struct buf line;   /* the beginning of a line whose end was not read yet */
    bool cutting;      /* that line is too long; the rest is dropped */
    int said_port;     /* what it says that it listens on, to be looked at; 0: nothing */
    int64_t port_at;   /* when that is looked at next */
    int64_t port_from; /* since when */
    int64_t port_end;  /* when it is believed no more */
    bool is_leaving;   /* once ended, nobody is waited for */
    bool is_forgotten; /* a server knows the end */
    int64_t kill_at;   /* STOPPING: grace over; KILLING: next round */
    int64_t relay_end; /* KILLING: until then the relay is left alone */
    int64_t watch_at;
    int64_t disk_at;   /* when the disk is looked at next */
    int64_t orphan_at; /* NEVER while a server is connected */
};

static int64_t after(int64_t ms)
{
    int64_t now = clock_monotonic_ms();

    return ms > NEVER - now ? NEVER : now + ms;
}

/* What the model's user still runs though it is no descendant of ours. */
static bool has_strays(const struct supervisor *s)
{
    return s->spec->uid && procs_of_user((uid_t)s->spec->uid) > 0;
}

static void save(struct supervisor *s)
{
    /* A full disk costs the record, not the instance. */
    enum status st = init_state_save(s->dirfd, &s->state, NULL);

    (void)st;
    s->control.state_due = true;
}

static int64_t look_again(const struct supervisor *s)
{
    if (!s->spec->port)
        return LOOK_AGAIN_MS;
    return MIN(MAX((clock_monotonic_ms() - s->port_from) / 100, (int64_t)LOOK_AGAIN_MS),
               (int64_t)LOOK_SELDOM_MS);
}

/* Whoever prints could name the port of somebody else, who would get the server's requests. Where
 * the instance has a user of its own, and the kernel tells, it is that user who must listen. */
static void look_at_port(struct supervisor *s)
{
    uint32_t uid = 0;
    enum status st = STATUS_UNSUPPORTED;

    if (s->spec->uid && s->net.pid)
        st = netns_listener_owner(&s->net, s->said_port, &uid);
    else if (s->spec->uid)
        st = socket_listener_owner(s->said_port, &uid);
    if (st == STATUS_UNSUPPORTED || (st == STATUS_OK && uid == (uint32_t)s->spec->uid)) {
        netns_tell_port(&s->net, s->said_port);
        s->state.port = s->said_port;
        s->port_at = NEVER;
        save(s);
    } else if (s->phase != RUNNING || clock_monotonic_ms() >= s->port_end) {
        s->port_at = NEVER;
    } else {
        s->port_at = after(look_again(s));
    }
}

static void on_line(struct supervisor *s, struct str line)
{
    int port;

    ring_add(&s->ring, line);
    port = s->state.port || s->spec->port ? 0 : model_server_port(line);
    if (port) {
        s->said_port = port;
        s->port_end = after(BELIEVED_MS);
        look_at_port(s);
    }
}

static void end_line(struct supervisor *s)
{
    on_line(s, buf_str(&s->line));
    buf_clear(&s->line);
    s->cutting = false;
}

static void take_output(struct supervisor *s, struct str part)
{
    while (part.n > 0) {
        const char *nl = memchr(part.p, '\n', part.n);
        size_t n = nl ? (size_t)(nl - part.p) : part.n;
        size_t room = ring_max_line(&s->ring) - s->line.n;

        if (!s->cutting)
            buf_add(&s->line, part.p, MIN(n, room));
        s->cutting = s->cutting || n > room;
        if (nl)
            end_line(s);
        n += nl != NULL;
        part = str_make(part.p + n, part.n - n);
    }
}

/* Reads what is there; true while more may come. */
static bool read_output(struct supervisor *s)
{
    char part[4096];
    ssize_t n = read(s->log, part, sizeof(part));

    if (n > 0)
        take_output(s, str_make(part, (size_t)n));
    else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close(s->log);
        s->log = -1;
    }
    return n > 0;
}

static void on_all_gone(struct supervisor *s)
{
    while (s->log >= 0 && read_output(s))
        continue;
    if (s->line.n > 0)
        end_line(s);
    if (s->log >= 0)
        close(s->log);
    s->log = -1;
    s->state.out_of_memory = s->state.out_of_memory || cgroup_was_out_of_memory(&s->cgroup);
    s->state.is_ended = true;
    s->state.ended_at = clock_wall_ms();
    cgroup_remove(&s->cgroup);
    memset(s->state.cgroups, 0, sizeof(s->state.cgroups));
    s->phase = ENDED;
    s->kill_at = NEVER;
    save(s);
    if (s->control.fd < 0)
        s->orphan_at = s->is_leaving ? 0 : after(s->spec->orphan_timeout_ms);
}

/* Without it nobody reaches the instance, which is no fault of the model. */
static void on_relay_gone(struct supervisor *s)
{
    netns_deinit(&s->net);
    if (s->phase == KILLING || s->phase == ENDED)
        return;
    snprintf(s->state.error, sizeof(s->state.error), "the process of its network ended");
    s->state.is_machine_fault = true;
    s->phase = KILLING;
    s->kill_at = 0;
}

static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == s->net.pid)
            on_relay_gone(s);
        if (pid != s->model)
            continue;
        s->model = 0;
        s->state.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        s->state.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        if (s->phase != KILLING) {
            s->phase = KILLING;
            s->kill_at = 0;
        }
    }
    if (pid < 0 && errno == ECHILD && s->phase == KILLING && !has_strays(s))
        on_all_gone(s);
}

static void kill_all(struct supervisor *s)
{
    if (s->phase == ENDED)
        return;
    s->phase = KILLING;
    if (s->net.tell >= 0) {
        netns_finish(&s->net);
        s->relay_end = after(LAST_WORDS_MS);
    }
    cgroup_kill(&s->cgroup);
    procs_kill_descendants(clock_monotonic_ms() < s->relay_end ? s->net.pid : 0);
    if (s->spec->uid)
        procs_kill_user((uid_t)s->spec->uid);
    s->kill_at = after(KILL_AGAIN_MS);
    reap(s);
}

static void stop(struct supervisor *s, int64_t grace_ms)
{
    if (s->phase != RUNNING && s->phase != STOPPING)
        return;
    if (grace_ms == 0) {
        kill_all(s);
        return;
    }
    /* A second request may shorten the grace, never prolong it. */
    s->kill_at = s->phase == RUNNING ? after(grace_ms) : MIN(s->kill_at, after(grace_ms));
    s->phase = STOPPING;
    if (s->model > 0)
        kill(s->model, SIGTERM);
}

static void watch_memory(struct supervisor *s)
{
    bool over = cgroup_was_out_of_memory(&s->cgroup);

    s->watch_at = after(WATCH_MS);
    if (!s->cgroup.memory[0])
        over = procs_memory(s->spec->memory) > s->spec->memory;
    if (!over)
        return;
    s->state.out_of_memory = true;
    kill_all(s);
}

/* Walking many files takes its time: the next look is the later for it. */
static void watch_disk(struct supervisor *s)
{
    static const char *const folders[] = { "home", "tmp", "coglet" };
    int64_t began = clock_monotonic_ms(), most = s->spec->disk, sum = procs_nameless_files();

    for (size_t i = 0; i < ARRAY_SIZE(folders) && sum <= most; i++)
        sum += folder_size(s->dirfd, folders[i], most - sum);
    s->disk_at = after(DISK_MS + 10 * (clock_monotonic_ms() - began));
    if (sum <= most)
        return;
    s->state.out_of_disk = true;
    kill_all(s);
}

static void drop_server(struct supervisor *s)
{
    control_close(&s->control);
    s->orphan_at = s->phase == ENDED && s->is_leaving ? 0 : after(s->spec->orphan_timeout_ms);
}

static void on_server(struct supervisor *s)
{
    enum control_op op;
    int64_t grace_ms = 0;

    if (!control_read(&s->control)) {
        drop_server(s);
        return;
    }
    while (control_next(&s->control, &op, &grace_ms)) {
        if (op == CONTROL_STOP)
            stop(s, grace_ms);
        else if (op == CONTROL_KILL)
            kill_all(s);
        else if (op == CONTROL_FORGET)
            s->is_forgotten = s->phase == ENDED;
    }
}

static void on_connection(struct supervisor *s)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    control_open(&s->control, fd);
    s->orphan_at = NEVER;
}

static void on_signal(struct supervisor *s)
{
    struct signalfd_siginfo info;

    while (read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            continue;
        s->is_leaving = true;
        if (s->phase == ENDED && s->control.fd < 0)
            s->orphan_at = 0;
        stop(s, s->spec->stop_grace_ms);
    }
    reap(s);
}

static void on_time(struct supervisor *s)
{
    int64_t now = clock_monotonic_ms();

    if (now >= s->kill_at)
        kill_all(s);
    if (now >= s->port_at)
        look_at_port(s);
    if (now >= s->watch_at && (s->phase == RUNNING || s->phase == STOPPING))
        watch_memory(s);
    if (now >= s->disk_at && (s->phase == RUNNING || s->phase == STOPPING))
        watch_disk(s);
    if (now >= s->orphan_at) {
        s->is_leaving = true;
        s->orphan_at = NEVER;
        if (s->phase == ENDED)
            s->is_forgotten = true;
        stop(s, s->spec->stop_grace_ms);
    }
}

static int until_next(const struct supervisor *s)
{
    int64_t at = MIN(s->kill_at, s->orphan_at), now = clock_monotonic_ms();

    if (s->phase == RUNNING || s->phase == STOPPING)
        at = MIN(MIN(at, s->port_at), MIN(s->watch_at, s->disk_at));
    if (at == NEVER)
        return -1;
    return at <= now ? 0 : (int)MIN(at - now, (int64_t)3600 * 1000);
}

static void turn(struct supervisor *s)
{
    struct pollfd p[] = {
        { .fd = s->signals, .events = POLLIN },
        { .fd = s->log, .events = POLLIN },
        { .fd = s->listener, .events = POLLIN },
        { .fd = s->control.fd, .events = control_wants(&s->control) },
    };

    if (poll(p, ARRAY_SIZE(p), until_next(s)) < 0)
        return;
    if (p[1].revents)
        read_output(s);
    if (p[0].revents)
        on_signal(s);
    if (p[3].revents)
        on_server(s);
    on_time(s);
    if (s->control.fd >= 0 && !control_write(&s->control, &s->ring, &s->state))
        drop_server(s);
    /* Last, so that the descriptors polled above are still the same ones. */
    if (p[2].revents)
        on_connection(s);
}

static int take_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static enum status prepare(struct supervisor *s, struct error *err)
{
    char name[64];
    enum status st = ring_create(s->dirfd, (uint64_t)s->spec->max_log, &s->ring, err);

    if (st)
        return st;
    if (has_strays(s))
        return FAIL(err, STATUS_UNREACHABLE,
                    "something runs as user %lld already; instance_uids must be nobody else's",
                    (long long)s->spec->uid);
    /* The pid, so that what a supervisor of the same id left behind is not shared. */
    snprintf(name, sizeof(name), "berth-%.32s-%d", s->spec->id, (int)getpid());
    if (s->spec->use_cgroup)
        cgroup_create(&s->cgroup, name, s->spec->memory, s->spec->cpus_milli, s->spec->processes);
    memcpy(s->state.cgroups[0], s->cgroup.memory, sizeof(s->cgroup.memory));
    if (strcmp(s->cgroup.cpu, s->cgroup.memory) != 0)
        memcpy(s->state.cgroups[1], s->cgroup.cpu, sizeof(s->cgroup.cpu));
    if (strcmp(s->cgroup.pids, s->cgroup.memory) != 0 && strcmp(s->cgroup.pids, s->cgroup.cpu) != 0)
        memcpy(s->state.cgroups[2], s->cgroup.pids, sizeof(s->cgroup.pids));
    st = sandbox_prepare(s->spec, s->dirfd, err);
    if (st == STATUS_OK && s->spec->internal_port) {
        st = netns_start(s->spec, s->dirfd, &s->net, err);
        s->state.has_own_network = true;
    }
    return st;
}

/* It does not say that it listens. */
static void watch_port(struct supervisor *s)
{
    s->said_port = (int)s->spec->port;
    s->port_from = clock_monotonic_ms();
    s->port_end = NEVER;
    look_at_port(s);
}

static void start_model(struct supervisor *s)
{
    struct error err = { .status = STATUS_OK };
    struct model_server m = { .pid = 0 };
    enum status st = prepare(s, &err);

    if (st == STATUS_OK)
        st = model_server_start(s->spec, &s->cgroup, &s->net, s->folder, &m, &err);
    if (st == STATUS_OK) {
        s->model = m.pid;
        s->log = m.log;
        s->state.has_own_coglet = m.has_own_coglet;
        s->state.model_pid = s->model;
        s->state.model_start = procs_start(s->model);
        save(s);
        if (s->spec->port)
            watch_port(s);
        return;
    }
    snprintf(s->state.error, sizeof(s->state.error), "%.250s", err.text);
    s->state.is_machine_fault = st != STATUS_BROKEN;
    s->state.code = -1;
    if (s->net.pid)
        kill_all(s); /* its relay, whose end is waited for */
    else
        on_all_gone(s);
}

void supervisor_run(const struct init_spec *spec, int dirfd, const char *folder, int listener)
{
    struct supervisor s = { .spec = spec,
                            .folder = folder,
                            .dirfd = dirfd,
                            .listener = listener,
                            .signals = take_signals(),
                            .log = -1,
                            .net = NETNS_NONE,
                            .ring = RING_CLOSED,
                            .line = BUF_INIT(RING_MAX_LINE),
                            .kill_at = NEVER,
                            .port_at = NEVER,
                            .watch_at = spec->memory > 0 ? after(WATCH_MS) : NEVER,
                            .disk_at = spec->disk > 0 ? after(DISK_MS) : NEVER,
                            .orphan_at = after(MAX(spec->orphan_timeout_ms, FIRST_SERVER_MS)) };

    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    control_init(&s.control);
    s.state.pid = getpid();
    s.state.start = procs_start(getpid());
    start_model(&s);
    while (!s.is_forgotten)
        turn(&s);
    control_close(&s.control);
    netns_deinit(&s.net);
    buf_deinit(&s.line);
    ring_close(&s.ring);
    close(s.signals);
}
