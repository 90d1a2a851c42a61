/* SPDX-License-Identifier: Apache-2.0 */
/* /tmp/coglet is a path built into Cog's server. Its own folder of the instance is mounted over it,
 * on the same disk as the rest of the instance, so that big outputs cost no memory and the server
 * can clean up from outside. */
#include "init/sandbox.h"

#include "init/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
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

    if (unshare(CLONE_NEWNS) == 0)
        return true;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
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

bool sandbox_can_mount(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(enter_namespace() && detach_mounts() &&
                      mount("/tmp", "/tmp", NULL, MS_BIND, NULL) == 0
                  ? 0
                  : 1);
    if (pid < 0)
        return false;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static enum status make_folder(int dirfd, const char *name, mode_t mode, struct error *err)
{
    if (mkdirat(dirfd, name, 0700) != 0 && errno != EEXIST)
        return FAIL(err, STATUS_UNREACHABLE, "cannot make %s: %s", name, strerror(errno));
    if (fchmodat(dirfd, name, mode, 0) != 0)
        return FAIL(err, STATUS_UNREACHABLE, "cannot set the mode of %s: %s", name,
                    strerror(errno));
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

static bool mount_coglet(const char *folder)
{
    char own[4200], at[64];
    int fd = open(COGLET, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool done;

    if (fd < 0)
        return false;
    snprintf(own, sizeof(own), "%s/coglet", folder);
    snprintf(at, sizeof(at), "/proc/self/fd/%d", fd);
    done = mount(own, at, NULL, MS_BIND, NULL) == 0;
    close(fd);
    return done;
}

/* Flags that a mount has already must be named again: without them a user namespace is refused the
 * change. */
static void make_read_only(const char *path)
{
    static const struct {
        unsigned long have, flag;
    } kept[] = {
        { ST_NOSUID, MS_NOSUID },   { ST_NODEV, MS_NODEV },           { ST_NOEXEC, MS_NOEXEC },
        { ST_NOATIME, MS_NOATIME }, { ST_NODIRATIME, MS_NODIRATIME }, { ST_RELATIME, MS_RELATIME },
    };
    unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;
    struct statvfs v;

    if (mount(path, path, NULL, MS_BIND, NULL) != 0 || statvfs(path, &v) != 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        if (v.f_flag & kept[i].have)
            flags |= kept[i].flag;
    }
    mount(NULL, path, NULL, flags, NULL);
}

enum status sandbox_enter(const struct init_spec *s, int dirfd, const char *folder,
                          bool *out_own_coglet, struct error *err)
{
    enum status st = make_folder(dirfd, "home", 0700, err);

    st = st ? st : make_folder(dirfd, "tmp", 0700, err);
    st = st ? st : make_folder(dirfd, "coglet", 01777, err);
    st = st ? st : make_shared(COGLET, err);
    if (st)
        return st;
    *out_own_coglet = s->use_mounts && sandbox_can_mount() && enter_namespace() &&
                      detach_mounts() && mount_coglet(folder);
    if (!*out_own_coglet)
        return share_coglet(err);
    for (const char *const *path = s->read_only; *path; path++)
        make_read_only(*path);
    return STATUS_OK;
}
