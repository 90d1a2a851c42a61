/* SPDX-License-Identifier: Apache-2.0 */
/* The start: what an earlier server's builds left behind goes, and their rows say that they failed.
 */
#include "run/build_impl.h"

#include "base/log.h"
#include "run/tree.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static void sweep_build_folder(const struct builds *o, const char *id)
{
    static const char *const parts[] = { "src", "source.tar.gz", "source.tar.gz.part", "lock.txt",
                                         "requirements.in" }; /* lock.txt: earlier servers' */
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(2048);

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        buf_clear(&path);
        buf_addf(&path, "%s/builds/%s/%s", o->data, id, parts[i]);
        tree_remove(path.p);
    }
    buf_clear(&path);
    buf_addf(&path, "%s/builds/%s", o->data, id);
    build_box_sweep(path.p);
    rmdir(path.p); /* of a push that never became a build; else its log stays */
}

/* Environments without their mark are half made. */
static void sweep_env(const struct builds *o, const char *key)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(2048);

    buf_addf(&path, "%s/envs/%s", o->data, key);
    if (!env_is_ready(path.p))
        tree_remove(path.p);
}

static void each_in(const struct builds *o, const char *folder,
                    void (*each)(const struct builds *o, const char *name))
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(2048);
    struct dirent *e;
    DIR *d;

    buf_addf(&path, "%s/%s", o->data, folder);
    d = opendir(path.p);
    while (d && (e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            each(o, e->d_name);
    if (d)
        closedir(d);
}

enum status builds_load(struct builds *o, struct error *err)
{
    static const char *const folders[] = { "builds", "envs", "versions", "cache" };
    struct store_build_sweep op = { .now = loop_wall_ms(o->loop) };
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(2048);
    enum status s;

    if (strlen(o->data) > DATA_PATH_MAX)
        return FAIL(err, STATUS_INVALID, "the data folder's path is longer than %d bytes",
                    DATA_PATH_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        buf_clear(&path);
        buf_addf(&path, "%s/%s", o->data, folders[i]);
        if (mkdir(path.p, 0755) != 0 && errno != EEXIST)
            return FAIL(err, STATUS_BROKEN, "cannot make the folder %s: %s", path.p,
                        strerror(errno));
    }
    each_in(o, "builds", sweep_build_folder);
    each_in(o, "cache", build_cache_sweep);
    each_in(o, "envs", sweep_env);
    s = store_run(o->store, &op.op, &STORE_BUILD_SWEEP);
    if (s != STATUS_OK)
        *err = op.op.error;
    if (op.n > 0)
        log_info("builds that were under way are marked failed", LOG_I("n", op.n));
    store_op_deinit(&op.op);
    return s == STATUS_OK ? forget_sweep(o, err) : s;
}
