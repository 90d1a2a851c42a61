/* SPDX-License-Identifier: Apache-2.0 */
/* The Python environment of a version: resolved, keyed by what is in it, made once, shared. */
#include "run/build_impl.h"

#include "base/encode.h"
#include "run/unpack.h"

#include <sys/stat.h>
#include <unistd.h>

enum { MAX_REQUIREMENTS = 4 << 20 };

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
    args[n++] = "../lock.txt";
    args[n++] = "../requirements.in";
    build_run_child(b, args, build_source_folder(b),
                    0); /* where a requirement may name a wheel of the folder */
}

/* A wheel that the folder brings is known by what it holds: the name alone could mean other bytes
 * tomorrow. */
static void add_wheel_digests(struct build *b, struct buf *key)
{
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(MAX_REQUIREMENTS);
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(2048);
    unsigned char sum[SHA256_SIZE];
    struct str rest, line;

    build_path(b, "requirements.in", &path);
    build_read_file(path.p, &text);
    rest = buf_str(&text);
    while (str_split(&rest, '\n', &line)) {
        struct buf wheel CLEANUP(buf_deinit) = BUF_INIT(256 << 20);

        if (!str_starts(line, "./"))
            continue;
        buf_clear(&path);
        buf_addf(&path, "%s/src/%.*s", b->folder, STR_ARG(line));
        build_read_file(path.p, &wheel);
        sha256(buf_str(&wheel), sum);
        hex_add(key, sum, sizeof(sum));
    }
}

/* The same packages for the same interpreter are the same environment, whoever asks. */
void build_find_env(struct build *b)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(MAX_REQUIREMENTS);
    struct buf hex CLEANUP(buf_deinit) = BUF_INIT(128);
    unsigned char sum[SHA256_SIZE];

    build_path(b, *b->uv ? "lock.txt" : "requirements.in", &path);
    build_read_file(path.p, &text);
    add_wheel_digests(b, &text);
    buf_addf(&text, "\n%s %s %s\n", b->python, b->python_version, *b->uv ? "uv" : "pip");
    sha256(buf_str(&text), sum);
    hex_add(&hex, sum, 16);
    snprintf(b->env_key, sizeof(b->env_key), "%s", hex.p);
    snprintf(b->env_path, sizeof(b->env_path), "envs/%s", b->env_key);
}

bool build_env_is_ready(const struct build *b)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1024);

    buf_addf(&path, "%s/%s/ready", b->owner->data, b->env_path);
    return access(path.p, F_OK) == 0;
}

void build_make_env(struct build *b)
{
    const char **args = arena_array(&b->arena, const char *, 12);
    const char *env = arena_printf(&b->arena, "%s/%s", b->owner->data, b->env_path);
    size_t n = 0;

    if (*b->uv) {
        args[n++] = b->uv;
        args[n++] = "venv";
        args[n++] = "--quiet";
        args[n++] = "--clear";
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

void build_install(struct build *b)
{
    const char **args = arena_array(&b->arena, const char *, 16);
    size_t n = 0;

    if (*b->uv) {
        args[n++] = b->uv;
        args[n++] = "pip";
        args[n++] = "sync";
        args[n++] = "--compile-bytecode";
        args[n++] = "--require-hashes";
        args[n++] = "--python";
        args[n++] = arena_printf(&b->arena, "%s/%s/bin/python", b->owner->data, b->env_path);
        args[n++] = "../lock.txt";
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
    build_run_child(b, args, build_source_folder(b), 0);
}

/* The mark is written last: an environment without it is half made. */
enum status build_seal_env(struct build *b)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1024);
    enum status s;

    buf_addf(&path, "%s/%s", b->owner->data, b->env_path);
    tree_make_readonly(path.p);
    chmod(path.p, 0755);
    buf_adds(&path, "/ready");
    s = build_write_file(
        path.p, STR("made by the server; without this file the environment is made anew\n"),
        &b->error);
    path.n -= strlen("/ready");
    path.p[path.n] = '\0';
    chmod(path.p, 0555);
    return s;
}
