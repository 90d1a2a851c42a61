/* SPDX-License-Identifier: Apache-2.0 */
#include "run/tree.h"

#include "init/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DEPTH = 1100 };

struct giving {
    const char *path;
    uid_t uid; /* (uid_t)-1: whoever */
    enum tree_modes modes;
    struct error *err;
};

static enum status trouble(const struct giving *g, const char *name)
{
    return FAIL(g->err, STATUS_BROKEN, "cannot hand over %.100s in %s: %s", name, g->path,
                strerror(errno));
}

static mode_t mode_of(const struct giving *g, const struct stat *st)
{
    bool is_run = S_ISDIR(st->st_mode) || (st->st_mode & 0111);

    return g->modes == TREE_READ_ONLY ? (is_run ? 0555 : 0444) : (is_run ? 0755 : 0644);
}

/* Its mode comes after the owner: a change of that takes set-user-id away. */
static enum status give_file(const struct giving *g, int dir, const char *name,
                             const struct stat *st)
{
    if (g->modes == TREE_READ_ONLY && !S_ISREG(st->st_mode) && !S_ISLNK(st->st_mode))
        return unlinkat(dir, name, 0) == 0 ? STATUS_OK : trouble(g, name);
    if (g->uid != (uid_t)-1 && st->st_uid != g->uid &&
        fchownat(dir, name, g->uid, (gid_t)g->uid, AT_SYMLINK_NOFOLLOW) != 0)
        return trouble(g, name);
    if (g->modes != TREE_KEEP && S_ISREG(st->st_mode) &&
        fchmodat(dir, name, mode_of(g, st), 0) != 0)
        return trouble(g, name);
    return STATUS_OK;
}

static enum status give_folder(const struct giving *g, int fd, int depth);

static enum status give_entry(const struct giving *g, int dir, const char *name, int depth)
{
    struct stat st;
    int fd;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return trouble(g, name);
    if (!S_ISDIR(st.st_mode))
        return give_file(g, dir, name, &st);
    if (depth == 0)
        return FAIL(g->err, STATUS_INVALID, "%s has folders more than %d deep", g->path, MAX_DEPTH);
    fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? trouble(g, name) : give_folder(g, fd, depth - 1);
}

/* Takes the fd. A folder's own mode comes last: we may not be root. */
static enum status give_folder(const struct giving *g, int fd, int depth)
{
    DIR *d = fdopendir(fd);
    enum status s = STATUS_OK;
    const struct dirent *e;
    struct stat st;

    if (!d) {
        close(fd);
        return trouble(g, "a folder");
    }
    while (s == STATUS_OK && (e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            s = give_entry(g, fd, e->d_name, depth);
    if (s == STATUS_OK && fstat(fd, &st) != 0)
        s = trouble(g, "a folder");
    if (s == STATUS_OK && g->uid != (uid_t)-1 && st.st_uid != g->uid &&
        fchown(fd, g->uid, (gid_t)g->uid) != 0)
        s = trouble(g, "a folder");
    if (s == STATUS_OK && g->modes != TREE_KEEP && fchmod(fd, mode_of(g, &st)) != 0)
        s = trouble(g, "a folder");
    closedir(d);
    return s;
}

enum status tree_give(const char *path, int64_t uid, enum tree_modes modes, struct error *err)
{
    struct giving g = { .path = path, .uid = (uid_t)uid, .modes = modes, .err = err };
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? trouble(&g, "it") : give_folder(&g, fd, MAX_DEPTH);
}

void tree_remove(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT)
        folder_remove(AT_FDCWD, path);
}

void tree_make_readonly(const char *path)
{
    struct error err;
    enum status s = tree_give(path, -1, TREE_READ_ONLY, &err);

    (void)s; /* what could not be changed stays as it is */
}
