/* SPDX-License-Identifier: Apache-2.0 */
/* The surroundings of a build's programs. They run code of strangers (a package may, when it is
 * installed), so that they are to the server what instances are: users of their own, which see the
 * source, their environment and their account's cache of packages, and of the data folder nothing
 * else.
 *
 *   builds/<id>/uid   the build's user, as long as something may belong to it
 *   builds/<id>/box   home, tmp
 *   builds/<id>/out   what they are asked for: lock.txt
 *   builds/<id>/work  where a requirement names something of the source: a copy, to be built in
 *
 * What they made is the server's own again before the server relies on it, and when none of them
 * runs any more. */
#include "run/build_impl.h"

#include "driver/folders.h"
#include "init/file.h"
#include "init/init.h"
#include "init/procs.h"
#include "init/spec.h"
#include "run/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPEC_MAX = 1 << 20, KILL_ROUNDS = 500, KILL_PAUSE_US = 10000 };

/* --- the user and the cache, on the loop --- */

static bool cache_is_taken(const struct build *b)
{
    struct build *other;

    list_each (&b->owner->running, other, struct build, node)
        if (other != b && other->has_cache && strcmp(other->row.account_id, b->row.account_id) == 0)
            return true;
    return false;
}

/* A cache is one user's at a time: of two builds of an account at once, the second does without.
 * Accounts share none: what a package leaves there, the next build believes. */
enum status build_box_take(struct build *b)
{
    const struct builds *o = b->owner;

    b->has_cache = !cache_is_taken(b);
    if (b->has_cache)
        snprintf(b->cache, sizeof(b->cache), "%s/cache/%.40s", o->data, b->row.account_id);
    else
        snprintf(b->cache, sizeof(b->cache), "%.500s/box/cache", b->folder);
    return o->uids ? uids_take(o->uids, &b->uid, &b->error) : STATUS_OK;
}

void build_box_give(struct build *b)
{
    uids_give(b->owner->uids, b->uid);
    b->uid = 0;
    b->has_cache = false;
}

/* --- on a work thread --- */

static enum status make_folder(struct build *b, const char *path)
{
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return FAIL(&b->error, errno == ENOSPC ? STATUS_DISK_FULL : STATUS_BROKEN,
                    "cannot make %s: %s", path, strerror(errno));
    return tree_give(path, b->uid ? (int64_t)b->uid : -1, TREE_KEEP, &b->error);
}

static enum status note_user(struct build *b)
{
    int fd = open(b->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum status s = fd < 0 ? STATUS_BROKEN : uids_note(fd, b->uid, &b->error);

    if (fd >= 0)
        close(fd);
    else
        FAIL(&b->error, s, "cannot open %s: %s", b->folder, strerror(errno));
    return s;
}

enum status build_box_make(struct build *b)
{
    static const char *const parts[] = { "box", "box/home", "box/tmp", "out", "work" };
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1024);
    enum status s = b->uid ? note_user(b) : STATUS_OK;

    for (size_t i = 0; s == STATUS_OK && i < ARRAY_SIZE(parts); i++) {
        build_path(b, parts[i], &path);
        s = make_folder(b, path.p);
    }
    return s == STATUS_OK ? make_folder(b, b->cache) : s;
}

/* Anew: what an earlier build left half made is of no use. */
enum status build_box_make_env(struct build *b)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1024);

    buf_addf(&path, "%s/%s", b->owner->data, b->env_path);
    tree_remove(path.p);
    return make_folder(b, path.p);
}

static void end_user(uint32_t uid)
{
    for (int n = 0; n < KILL_ROUNDS && procs_of_user(uid) > 0; n++) {
        procs_kill_user(uid);
        usleep(KILL_PAUSE_US);
    }
}

static void remove_box(const char *folder)
{
    static const char *const parts[] = { "box", "out", "work", "uid" };
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(2048);

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        buf_clear(&path);
        buf_addf(&path, "%s/%s", folder, parts[i]);
        tree_remove(path.p);
    }
}

/* A cache that has grown larger than one build may write is begun anew. */
static void take_cache_back(const struct build *b)
{
    int64_t most = b->owner->options->build_disk;
    enum status s = STATUS_OK;
    struct error err;

    if (most > 0 && folder_size(AT_FDCWD, b->cache, most) > most)
        tree_remove(b->cache);
    else
        s = tree_give(b->cache, geteuid(), TREE_KEEP, &err);
    if (s != STATUS_OK)
        tree_remove(b->cache);
}

void build_box_leave(struct build *b)
{
    if (b->uid)
        end_user(b->uid);
    if (b->has_cache)
        take_cache_back(b);
    remove_box(b->folder);
}

/* Of a build that went with its server. */
void build_box_sweep(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    uint32_t uid = uids_noted(fd);

    if (uid && geteuid() == 0)
        end_user(uid);
    remove_box(folder);
    if (fd >= 0)
        close(fd);
}

void build_cache_sweep(const struct builds *o, const char *name)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(2048);
    struct error err;
    struct stat st;

    buf_addf(&path, "%s/cache/%s", o->data, name);
    if (lstat(path.p, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid != geteuid() &&
        tree_give(path.p, geteuid(), TREE_KEEP, &err) != STATUS_OK)
        tree_remove(path.p);
}

/* --- what is run in it --- */

static struct init_spec make_spec(struct build *b, const char *const *args, const char *const *env,
                                  const char *cwd)
{
    const struct builds *o = b->owner;
    struct arena *a = &b->arena;
    const char *seen[] = {
        arena_printf(a, "%s/src", b->folder),
        arena_printf(a, "%s/requirements.in", b->folder),
        arena_printf(a, "%s/tools", o->data),
        o->helper,
        getenv("SSL_CERT_FILE"),
        getenv("SSL_CERT_DIR"),
        getenv("REQUESTS_CA_BUNDLE"),
        getenv("PIP_CERT"),
    };
    const char *written[] = {
        arena_printf(a, "%s/out", b->folder),
        arena_printf(a, "%s/work", b->folder),
        b->cache,
        b->made_env ? arena_printf(a, "%s/%s", o->data, b->env_path) : NULL,
    };
    const struct folders f =
        folders_make(a, o->folders, seen, ARRAY_SIZE(seen), written, ARRAY_SIZE(written));
    const char **hide = arena_array(a, const char *, 3);
    const char **programs = arena_array(a, const char *, 3);

    hide[0] = o->data;
    hide[1] = o->home;
    programs[0] = b->python;
    programs[1] = *b->uv ? b->uv : NULL;
    return (struct init_spec){
        .id = b->row.id,
        .cwd = cwd,
        .argv = args,
        .env = env,
        .hide = hide,
        .read_only = f.read_only,
        .writable = f.writable,
        .programs = programs,
        .uid = b->uid,
        .memory = o->options->build_memory,
        .disk = o->options->build_disk,
        .processes = o->options->build_processes,
        .max_log = 1,
        .use_cgroup = true,
        .use_mounts = true,
    };
}

enum status build_box_spec(struct build *b, const char *const *args, const char *const *env,
                           const char *cwd, const char *const **out_args)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(SPEC_MAX);
    const char *box = arena_printf(&b->arena, "%s/box", b->folder);
    struct init_spec spec = make_spec(b, args, env, cwd);
    const char **list = arena_array(&b->arena, const char *, 6);

    init_spec_write(&spec, &text);
    if (text.failed)
        return FAIL(&b->error, STATUS_TOO_LARGE, "the environment of the build is too large");
    list[0] = b->owner->self;
    list[1] = "init";
    list[2] = "--box";
    list[3] = arena_printf(&b->arena, "%d", (int)getpid());
    list[4] = box;
    *out_args = list;
    return build_write_file(arena_printf(&b->arena, "%s/" INIT_SPEC, box), buf_str(&text),
                            &b->error);
}

/* A box is told, and ends all that is in it; without one there is the process group. */
void build_end_child(struct build *b)
{
    child_kill(&b->child, b->owner->self ? SIGTERM : SIGKILL);
}
