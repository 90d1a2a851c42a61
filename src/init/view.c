/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that shall be seen is opened first, by descriptor; then folders are covered, outer
 * ones first; then what was opened is bound to where it was. A folder that the model's user could
 * not pass is covered too, so that what lies below can be reached by its own path: the paths in a
 * Python environment are absolute. */
#include "init/view.h"

#include "base/arena.h"
#include "base/buf.h"
#include "init/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { MAX_PLACES = 128, MAX_COVERS = 64, MAX_LINKS = 16 };

enum kind { HIDDEN, SHOWN, WRITABLE };

struct place {
    const char *path;
    enum kind kind;
    int fd; /* -1: HIDDEN */
};

struct view {
    const struct init_spec *spec;
    const char *folder; /* the instance's own */
    struct arena arena;
    struct place places[MAX_PLACES];
    size_t n_places;
    const char *covers[MAX_COVERS];
    size_t n_covers;
    bool is_read_only;
};

static void view_deinit(struct view *v)
{
    for (size_t i = 0; i < v->n_places; i++) {
        if (v->places[i].fd >= 0)
            close(v->places[i].fd);
    }
    arena_deinit(&v->arena);
}

static bool is_below(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* --- what shall be seen --- */

/* What is not there cannot be shown; whoever needs it will say so. */
static void add(struct view *v, const char *path, enum kind kind)
{
    struct place *p = &v->places[v->n_places];

    if (v->n_places == MAX_PLACES || !path || path[0] != '/' || !path[1])
        return;
    for (size_t i = 0; i < v->n_places; i++) {
        if (strcmp(v->places[i].path, path) == 0)
            return;
    }
    p->path = arena_copy(&v->arena, str_of(path));
    p->kind = kind;
    p->fd = kind == HIDDEN ? -1 : open(path, O_PATH | O_CLOEXEC);
    if (p->fd >= 0 || kind == HIDDEN)
        v->n_places++;
}

static void add_list(struct view *v, const char *const *list, enum kind kind)
{
    for (; list && *list; list++)
        add(v, *list, kind);
}

/* Whether it lies with what is others', in the hidden folder that this instance's own lies in too.
 */
static bool is_among_others(const struct view *v, const char *path)
{
    for (const char *const *h = v->spec->hide; h && *h; h++) {
        if (is_below(path, *h) && is_below(v->folder, *h))
            return true;
    }
    return false;
}

/* What an interpreter needs of the folder that it was installed into, and no more: links and files
 * of an environment, which a package may have written, say where that folder is. For the same
 * reason nothing of the server's data is shown by them. */
static void add_prefix(struct view *v, const char *prefix)
{
    static const char *const parts[] = { "bin", "lib", "lib64", "include", "pyvenv.cfg" };

    for (size_t i = 0; i < ARRAY_SIZE(parts) && !is_among_others(v, prefix); i++)
        add(v, arena_printf(&v->arena, "%s/%s", prefix, parts[i]), SHOWN);
}

static char *cut_last(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash)
        return NULL;
    *slash = '\0';
    return path;
}

/* <prefix>/bin/python */
static void add_prefix_of(struct view *v, const char *program)
{
    char *path = arena_copy(&v->arena, str_of(program)), real[PATH_MAX];

    if (cut_last(path) && cut_last(path) && *path)
        add_prefix(v, path);
    if (realpath(program, real) && cut_last(real) && cut_last(real) && *real)
        add_prefix(v, real);
}

/* An environment's own file says where the interpreter is that it was made from. */
static void add_home_of(struct view *v, const char *program)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(65536);
    char *path = arena_copy(&v->arena, str_of(program));
    struct str rest, line, key;

    if (!cut_last(path) || !cut_last(path) ||
        init_file_read(AT_FDCWD, arena_printf(&v->arena, "%s/pyvenv.cfg", path), &text, NULL))
        return;
    rest = buf_str(&text);
    while (str_split(&rest, '\n', &line)) {
        if (str_split(&line, '=', &key) && line.p && str_is(str_trim(key), "home"))
            add_prefix_of(v, arena_printf(&v->arena, "%.*s/python", STR_ARG(str_trim(line))));
    }
}

/* The program, and each link on the way to what it really is. */
static void add_program(struct view *v, const char *program)
{
    char target[PATH_MAX];

    add_home_of(v, program);
    for (int i = 0; i < MAX_LINKS; i++) {
        ssize_t n = readlink(program, target, sizeof(target) - 1);
        char *folder = arena_copy(&v->arena, str_of(program));

        add_prefix_of(v, program);
        if (n <= 0 || !cut_last(folder))
            return;
        target[n] = '\0';
        program = target[0] == '/' ? arena_copy(&v->arena, str_of(target))
                                   : arena_printf(&v->arena, "%s/%s", folder, target);
    }
}

/* --- mounts --- */

/* Flags that a mount has already must be named again: without them a user namespace is refused the
 * change. */
static bool set_flags(const char *path, unsigned long flags)
{
    static const struct {
        unsigned long have, flag;
    } kept[] = {
        { ST_NOSUID, MS_NOSUID },   { ST_NODEV, MS_NODEV },           { ST_NOEXEC, MS_NOEXEC },
        { ST_NOATIME, MS_NOATIME }, { ST_NODIRATIME, MS_NODIRATIME }, { ST_RELATIME, MS_RELATIME },
    };
    struct statvfs v;

    if (statvfs(path, &v) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        if (v.f_flag & kept[i].have)
            flags |= kept[i].flag;
    }
    return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | flags, NULL) == 0;
}

/* The whole machine; since Linux 5.12. What it says may be missing from the system's headers. */
static bool make_all_read_only(void)
{
#ifdef SYS_mount_setattr
    enum { RECURSIVE = 0x8000, RDONLY = 1, NOSUID = 2 };
    struct {
        uint64_t set, clear, propagation, userns_fd;
    } attr = { .set = RDONLY | NOSUID };

    return syscall(SYS_mount_setattr, AT_FDCWD, "/", RECURSIVE, &attr, sizeof(attr)) == 0;
#else
    return false;
#endif
}

static enum status trouble(const char *what, const char *path, struct error *err)
{
    return FAIL(err, STATUS_UNREACHABLE, "cannot %s %s: %s", what, path, strerror(errno));
}

static bool is_covered(const struct view *v, const char *path)
{
    for (size_t i = 0; i < v->n_covers; i++) {
        if (is_below(path, v->covers[i]))
            return true;
    }
    return false;
}

static void note_cover(struct view *v, const char *path)
{
    if (v->n_covers < MAX_COVERS)
        v->covers[v->n_covers++] = path;
}

/* The folders above `path`, and what it is to be bound on. */
static void make_place(const char *path, bool is_folder)
{
    char part[PATH_MAX];
    int fd;

    for (const char *at = path + 1; (at = strchr(at, '/')); at++) {
        snprintf(part, sizeof(part), "%.*s", (int)(at - path), path);
        (void)mkdir(part, 0755);
    }
    if (is_folder) {
        (void)mkdir(path, 0755);
        return;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd >= 0)
        close(fd);
}

static enum status bind_fd(int fd, const char *path, struct error *err)
{
    char from[64];

    snprintf(from, sizeof(from), "/proc/self/fd/%d", fd);
    if (mount(from, path, NULL, MS_BIND | MS_REC, NULL) != 0)
        return trouble("show", path, err);
    return STATUS_OK;
}

static enum status cover(struct view *v, const char *path, struct error *err)
{
    struct stat st;

    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return STATUS_OK; /* covered already, and nothing of it is shown */
    if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m") != 0)
        return trouble("hide", path, err);
    note_cover(v, path);
    return STATUS_OK;
}

/* A folder on the way that only its owner may pass is covered; so nothing of it is seen but what is
 * shown. */
static enum status open_way(struct view *v, const char *path, struct error *err)
{
    enum status s = STATUS_OK;
    struct stat st;

    for (const char *at = path + 1; v->spec->uid && !s && (at = strchr(at, '/')); at++) {
        const char *part = arena_copy(&v->arena, str_make(path, (size_t)(at - path)));

        if (stat(part, &st) != 0)
            break;
        if (!(st.st_mode & S_IXOTH) && st.st_uid != (uid_t)v->spec->uid)
            s = cover(v, part, err);
    }
    return s;
}

static enum status show(struct view *v, const struct place *p, struct error *err)
{
    enum status st = open_way(v, p->path, err);
    struct stat is;

    if (st)
        return st;
    if (!is_covered(v, p->path) && p->kind == SHOWN && v->is_read_only)
        return STATUS_OK;
    if (fstat(p->fd, &is) == 0)
        make_place(p->path, S_ISDIR(is.st_mode));
    st = bind_fd(p->fd, p->path, err);
    if (st)
        return st;
    if (!set_flags(p->path, p->kind == SHOWN ? MS_RDONLY : MS_NOSUID | MS_NODEV))
        return trouble("set the mount of", p->path, err);
    return STATUS_OK;
}

static int by_length(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    size_t m = strlen(x->path), n = strlen(y->path);

    return m < n ? -1 : m > n;
}

/* Outer ones first, so that what is hidden below something that is shown stays hidden. */
static enum status arrange(struct view *v, struct error *err)
{
    enum status st = STATUS_OK;

    qsort(v->places, v->n_places, sizeof(v->places[0]), by_length);
    for (size_t i = 0; st == STATUS_OK && i < v->n_places; i++) {
        if (v->places[i].kind == HIDDEN)
            st = cover(v, v->places[i].path, err);
        else
            st = show(v, &v->places[i], err);
    }
    return st;
}

/* --- folders for what does not last --- */

static enum status private_shm(struct view *v, struct error *err)
{
    char data[64];

    snprintf(data, sizeof(data), "mode=1777,size=%lld",
             (long long)(v->spec->memory > 0 ? v->spec->memory : 1000000000));
    if (access("/dev/shm", F_OK) != 0)
        return STATUS_OK;
    if (mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, data) != 0)
        return trouble("make an own", "/dev/shm", err);
    note_cover(v, "/dev/shm");
    return STATUS_OK;
}

static enum status private_tmp(struct view *v, const char *folder, struct error *err)
{
    static const char *const paths[] = { "/tmp", "/var/tmp" };
    const char *own = arena_printf(&v->arena, "%s/tmp", folder);
    int fd = open(own, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    enum status st = fd < 0 ? trouble("open", own, err) : STATUS_OK;

    for (size_t i = 0; st == STATUS_OK && i < ARRAY_SIZE(paths); i++) {
        if (access(paths[i], F_OK) != 0)
            continue;
        st = bind_fd(fd, paths[i], err);
        if (st == STATUS_OK && !set_flags(paths[i], MS_NOSUID | MS_NODEV))
            st = trouble("set the mount of", paths[i], err);
        note_cover(v, paths[i]);
    }
    if (fd >= 0)
        close(fd);
    return st;
}

/* Before Linux 5.8 the option would have been the whole machine's. */
bool view_hide_processes(void)
{
    struct utsname u;
    int major = 0, minor = 0;

    if (uname(&u) != 0 || sscanf(u.release, "%d.%d", &major, &minor) != 2 ||
        major * 100 + minor < 508)
        return false;
    return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=invisible") ==
           0;
}

/* --- all together --- */

static void collect(struct view *v, const char *folder)
{
    const struct init_spec *s = v->spec;

    add_list(v, s->hide, HIDDEN);
    add(v, arena_printf(&v->arena, "%s/home", folder), WRITABLE);
    add(v, arena_printf(&v->arena, "%s/tmp", folder), WRITABLE);
    add_list(v, s->writable, WRITABLE);
    add_list(v, s->read_only, SHOWN);
    if (s->argv[0][0] == '/')
        add_program(v, s->argv[0]);
    for (const char *const *one = s->programs; one && *one; one++)
        add_program(v, *one);
}

enum status view_enter(const struct init_spec *s, const char *folder, struct error *err)
{
    struct view v CLEANUP(view_deinit) = { .spec = s, .folder = folder };
    struct place coglet;
    enum status st;

    collect(&v, folder);
    coglet = (struct place){ "/tmp/coglet", WRITABLE,
                             open(arena_printf(&v.arena, "%s/coglet", folder),
                                  O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) };
    v.is_read_only = make_all_read_only();
    st = private_tmp(&v, folder, err);
    st = st ? st : show(&v, &coglet, err);
    st = st ? st : private_shm(&v, err);
    st = st ? st : arrange(&v, err);
    if (coglet.fd >= 0)
        close(coglet.fd);
    if (st)
        return st;
    for (size_t i = 0; i < v.n_covers; i++) {
        if (!is_below("/tmp", v.covers[i]) && !is_below("/var/tmp", v.covers[i]) &&
            !is_below("/dev/shm", v.covers[i]))
            set_flags(v.covers[i], MS_RDONLY);
    }
    if (!(s->uid && view_hide_processes()) && v.is_read_only)
        set_flags("/proc", 0);
    return STATUS_OK;
}
