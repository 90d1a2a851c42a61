/* SPDX-License-Identifier: Apache-2.0 */
#include "init/init.h"

#include "base/mem.h"
#include "init/box.h"
#include "init/cgroup.h"
#include "init/file.h"
#include "init/netns.h"
#include "init/sandbox.h"
#include "init/sock.h"
#include "init/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int probe(const char *user)
{
    int64_t uid;
    struct cgroup g;
    char name[64];
    int has = INIT_PROBED;

    if (sandbox_can_mount())
        has |= INIT_HAS_MOUNTS;
    if (str_to_i64(str_of(user), &uid) && uid > 0 && uid < UINT32_MAX &&
        sandbox_can_become((uid_t)uid)) {
        has |= INIT_HAS_USERS;
        if (sandbox_can_hide_processes())
            has |= INIT_HAS_HIDDEN_PROCESSES;
    }
    if (netns_can())
        has |= INIT_HAS_NETWORKS;
    snprintf(name, sizeof(name), "berth-probe-%d", (int)getpid());
    cgroup_create(&g, name, 64 * 1024 * 1024, 1000, 1000);
    if (g.memory[0])
        has |= INIT_HAS_MEMORY_LIMIT;
    if (g.cpu[0])
        has |= INIT_HAS_CPU_LIMIT;
    if (g.pids[0])
        has |= INIT_HAS_PROCESS_LIMIT;
    cgroup_remove(&g);
    return has;
}

/* Nothing of the server that started us stays: neither its session, nor its outputs (it reads them
 * to the end), nor a folder that it might want to unmount. */
static void go_background(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    setsid();
    /* Where the model is the same user, it cannot look at the machine through us. */
    if (geteuid() != 0)
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    if (chdir("/") != 0)
        _exit(1);
}

static enum status begin(const char *folder, struct arena *a, int *out_dirfd, int *out_listener,
                         struct init_spec *out_spec, struct error *err)
{
    enum status st;

    if (folder[0] != '/')
        return FAIL(err, STATUS_INVALID, "the instance folder must be an absolute path");
    *out_dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out_dirfd < 0)
        return FAIL(err, STATUS_UNREACHABLE, "cannot open %s: %s", folder, strerror(errno));
    st = init_spec_take(*out_dirfd, a, out_spec, err);
    return st ? st : sock_listen(*out_dirfd, INIT_SOCKET, out_listener, err);
}

int init_main(int argc, char **argv)
{
    struct arena a CLEANUP(arena_deinit) = { .head = NULL };
    struct init_spec spec;
    struct error err;
    int dirfd = -1, listener = -1;
    pid_t pid;

    if (argc == 4 && strcmp(argv[2], "--probe") == 0)
        return probe(argv[3]);
    if (argc == 5 && strcmp(argv[2], "--box") == 0)
        return box_main((pid_t)strtol(argv[3], NULL, 10), argv[4]);
    if (argc != 3) {
        fputs("usage: berth init FOLDER (started by the server, not by hand)\n", stderr);
        return 1;
    }
    close_range(3, ~0U, 0);
    umask(022);
    if (begin(argv[2], &a, &dirfd, &listener, &spec, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    pid = fork();
    if (pid < 0)
        fprintf(stderr, "cannot start a process: %s\n", strerror(errno));
    if (pid == 0) {
        go_background();
        supervisor_run(&spec, dirfd, argv[2], listener);
        unlinkat(dirfd, INIT_SOCKET, 0);
    }
    close(listener);
    close(dirfd);
    return pid < 0;
}
