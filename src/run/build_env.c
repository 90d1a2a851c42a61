/* SPDX-License-Identifier: Apache-2.0 */
/* The Python environment of a version: resolved, keyed by what is in it, made once, shared. */
#include "run/build_impl.h"

#include "run/unpack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_REQUIREMENTS = 4 << 20, MAX_WHEEL = 256 << 20 };

/* --- the environment --- */

static void say_tools(struct build *b)
{
    if (b->cog.python_version &&
        strncmp(b->cog.python_version, b->python_version, strlen(b->python_version)) != 0)
        build_log_write(b, "Python %s is asked for and not on this machine; %s is used instead.",
                        b->cog.python_version, b->python_version);
    build_log_write(b, "Python %s at %s; packages by %s", b->python_version, b->python,
                    *b->uv ? b->uv : "pip");
}

/* Where a requirement may name something of the folder. What is not a wheel is built where it
 * stands: in a copy, which the first of the two steps makes. */
static void run_in_source(struct build *b, const char *const *args)
{
    static const char script[] = "[ -n \"$(ls -A \"$2\")\" ] || cp -RP \"$1/.\" \"$2/\" || exit 1\n"
                                 "cd \"$2\" && shift 2 && exec \"$@\"";
    const char *src = build_source_folder(b), **list;
    size_t n = 0;

    if (!b->needs_source) {
        build_run_child(b, args, src, 0);
        return;
    }
    while (args[n])
        n++;
    list = arena_array(&b->arena, const char *, n + 7);
    list[0] = "/bin/sh";
    list[1] = "-c";
    list[2] = script;
    list[3] = "sh";
    list[4] = src;
    list[5] = arena_printf(&b->arena, "%s/work", b->folder);
    memcpy(list + 6, args, n * sizeof(*args));
    build_run_child(b, list, src, 0);
}

void build_resolve(struct build *b)
{
    const char **args = arena_array(&b->arena, const char *, 16);
    size_t n = 0;

    say_tools(b);
    if (!*b->uv) { /* pip resolves while it installs: the requirements themselves are the key */
        work_start(b->owner->loop, &b->work, build_no_work, build_on_work_done);
        return;
    }
    args[n++] = b->uv;
    args[n++] = "pip";
    args[n++] = "compile";
    args[n++] = "--quiet";
    args[n++] = "--generate-hashes";
    args[n++] = "--no-header";
    args[n++] = "--python";
    args[n++] = b->python;
    args[n++] = "--output-file";
    args[n++] = "../out/lock.txt";
    args[n++] = "../requirements.in";
    run_in_source(b, args);
}

enum status build_digest_wheel(const char *path, unsigned char out[SHA256_SIZE])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct sha256_ctx *c;
    char piece[4096];
    struct stat st;
    off_t size = 0;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > MAX_WHEEL) {
        if (fd >= 0)
            close(fd);
        return STATUS_INVALID;
    }
    c = sha256_new();
    while ((n = read(fd, piece, sizeof(piece))) > 0) {
        sha256_add(c, piece, (size_t)n);
        size += n;
    }
    sha256_end(c, out);
    close(fd);
    return n == 0 && size == st.st_size ? STATUS_OK : STATUS_BROKEN;
}

/* A wheel that the folder brings is known by what it holds: the name alone could mean other bytes
 * tomorrow. Where any source is allowed, a line may name anything in the folder: all of it counts.
 */
enum status build_digest_sources(struct build *b, struct str needs)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(2048);
    struct buf digests CLEANUP(buf_deinit) = BUF_INIT(MAX_REQUIREMENTS);
    unsigned char sum[SHA256_SIZE];
    struct str line;
    char tree[65];

    while (str_split(&needs, '\n', &line)) {
        if (!str_starts(line, "./") || !str_ends(line, ".whl"))
            continue;
        buf_clear(&path);
        buf_addf(&path, "%s/src/%.*s", b->folder, STR_ARG(line));
        if (path.failed || build_digest_wheel(path.p, sum) != STATUS_OK)
            return FAIL(&b->error, STATUS_INVALID,
                        "The requirements name the wheel %.*s, which cannot be read whole: it must "
                        "be a plain file of the folder, of at most 256 MB.",
                        (int)MIN(line.n, 200U), line.p);
        hex_add(&digests, sum, sizeof(sum));
    }
    if (b->needs_source) {
        build_path(b, "src", &path);
        if (tree_digest(path.p, "", tree, &b->error) != STATUS_OK)
            return b->error.status;
        buf_adds(&digests, tree);
    }
    if (digests.failed)
        return FAIL(&b->error, STATUS_TOO_LARGE, "The requirements name too many wheels.");
    b->source_digests = arena_copy(&b->arena, buf_str(&digests));
    return STATUS_OK;
}

/* The same packages for the same interpreter are the same environment, for one account: a package
 * of one could do anything to the others. */
enum status build_find_env(struct build *b)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(4 * MAX_REQUIREMENTS);
    struct buf hex CLEANUP(buf_deinit) = BUF_INIT(128);
    unsigned char sum[SHA256_SIZE];

    build_path(b, *b->uv ? "out/lock.txt" : "requirements.in", &path);
    if (!build_read_file(path.p, &text))
        return FAIL(&b->error, STATUS_BROKEN, "cannot read %s", path.p);
    buf_adds(&text, b->source_digests);
    buf_addf(&text, "\n%s %s %s %s\n", b->python, b->python_version, *b->uv ? "uv" : "pip",
             b->row.account_id);
    if (text.failed)
        return FAIL(&b->error, STATUS_TOO_LARGE, "The list of packages is too long.");
    sha256(buf_str(&text), sum);
    hex_add(&hex, sum, 16);
    snprintf(b->env_key, sizeof(b->env_key), "%s", hex.p);
    snprintf(b->env_path, sizeof(b->env_path), "envs/%s", b->env_key);
    return STATUS_OK;
}

bool env_is_ready(const char *path)
{
    struct buf mark CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct stat st;

    buf_addf(&mark, "%s/ready", path);
    return !mark.failed && lstat(mark.p, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid();
}

bool build_env_is_ready(const struct build *b)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1024);

    buf_addf(&path, "%s/%s", b->owner->data, b->env_path);
    return env_is_ready(path.p);
}

static void run_venv(struct build *b)
{
    const char **args = arena_array(&b->arena, const char *, 12);
    const char *env = arena_printf(&b->arena, "%s/%s", b->owner->data, b->env_path);
    size_t n = 0;

    if (*b->uv) {
        args[n++] = b->uv;
        args[n++] = "venv";
        args[n++] = "--quiet";
        args[n++] = "--python";
        args[n++] = b->python;
    } else {
        args[n++] = b->python;
        args[n++] = "-m";
        args[n++] = "venv";
        args[n++] = "--clear";
    }
    args[n++] = env;
    build_run_child(b, args, b->folder, 0);
}

static void make_env_folder(struct work *w)
{
    struct build *b = container_of(w, struct build, work);

    b->status = build_box_make_env(b);
}

static void on_env_folder(struct work *w)
{
    struct build *b = container_of(w, struct build, work);

    if (b->status != STATUS_OK || b->owner->is_closing || b->is_over_time)
        build_step_done(b);
    else
        run_venv(b);
}

void build_make_env(struct build *b)
{
    work_start(b->owner->loop, &b->work, make_env_folder, on_env_folder);
}

void build_install(struct build *b)
{
    const char **args = arena_array(&b->arena, const char *, 16);
    size_t n = 0;

    if (*b->uv) {
        args[n++] = b->uv;
        args[n++] = "pip";
        args[n++] = "sync";
        args[n++] = "--compile-bytecode";
        if (!b->needs_source) /* what is built here has none before; its source is in the key */
            args[n++] = "--require-hashes";
        args[n++] = "--python";
        args[n++] = arena_printf(&b->arena, "%s/%s/bin/python", b->owner->data, b->env_path);
        args[n++] = "../out/lock.txt";
    } else {
        args[n++] = arena_printf(&b->arena, "%s/%s/bin/python", b->owner->data, b->env_path);
        args[n++] = "-m";
        args[n++] = "pip";
        args[n++] = "install";
        args[n++] = "--no-input";
        args[n++] = "--progress-bar=off";
        args[n++] = "-r";
        args[n++] = "../requirements.in";
    }
    run_in_source(b, args);
}

/* The mark is written last, and after all it speaks for is on the disk: an environment without it
 * is half made. */
enum status build_seal_env(struct build *b)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct buf envs CLEANUP(buf_deinit) = BUF_INIT(1024);
    enum status s;

    buf_addf(&path, "%s/%s", b->owner->data, b->env_path);
    buf_addf(&envs, "%s/envs", b->owner->data);
    s = tree_give(path.p, geteuid(), TREE_READ_ONLY, &b->error);
    if (s != STATUS_OK)
        return s;
    chmod(path.p, 0755);
    s = build_sync(path.p, true, &b->error);
    if (s == STATUS_OK)
        s = build_sync(envs.p, false, &b->error);
    if (s != STATUS_OK)
        return s;
    buf_adds(&path, "/ready");
    s = build_write_file(
        path.p, STR("made by the server; without this file the environment is made anew\n"),
        &b->error);
    path.n -= strlen("/ready");
    path.p[path.n] = '\0';
    if (s == STATUS_OK)
        s = build_sync(path.p, false, &b->error);
    chmod(path.p, 0555);
    return s;
}
