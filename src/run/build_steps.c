/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a build. What touches many files runs on a work thread; what runs a program is a
 * child whose lines go to the log. Each ends in build_step_done(), with b->status telling how. */
#include "run/build_impl.h"

#include "base/encode.h"
#include "base/mem.h"
#include "run/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

enum { MAX_SMALL_FILE = 4 << 20, COG_CHILD_TIMEOUT_MS = 60000 };

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static const char SDK[] = "cog==0.23.1\ncoglet==0.23.1\n";

/* --- small files --- */

bool build_read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    ssize_t n = 1;

    if (fd < 0)
        return false;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return false;
    }
    while (n > 0) {
        char *at = buf_reserve(out, 65536);

        n = at ? read(fd, at, 65536) : -1;
        if (n > 0)
            buf_commit(out, (size_t)n);
    }
    close(fd);
    return n == 0;
}

enum status build_write_file(const char *path, struct str text, struct error *err)
{
    int fd;
    bool ok;

    tree_remove(path); /* whatever stands there: what a package left is not written through */
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    ok = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n && fchmod(fd, 0644) == 0 &&
         fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    if (!ok)
        return FAIL(err, errno == ENOSPC ? STATUS_DISK_FULL : STATUS_BROKEN, "cannot write %s: %s",
                    path, strerror(errno));
    return STATUS_OK;
}

void build_path(const struct build *b, const char *name, struct buf *out)
{
    buf_clear(out);
    buf_addf(out, "%s/%s", b->folder, name);
}

static struct build *of_work(struct work *w)
{
    return container_of(w, struct build, work);
}

/* For a step that has failed before it began: its end still comes on a later turn. */
void build_no_work(struct work *w)
{
    (void)w;
}

void build_on_work_done(struct work *w)
{
    build_step_done(of_work(w));
}

/* --- children --- */

static void on_line(struct child *c, struct str line, bool is_stderr)
{
    struct build *b = container_of(c, struct build, child);

    if (b->captures && !is_stderr) {
        buf_add_str(&b->captured, line);
        buf_addc(&b->captured, '\n');
        return;
    }
    build_log_write(b, "%.*s", STR_ARG(line));
    /* The installers say what is wrong first, and explain it for many lines. */
    if (b->last_line_is_error)
        return;
    line = str_trim(line);
    b->last_line_is_error = str_ieq(str_make(line.p, MIN(line.n, 6)), STR("error:")) ||
                            str_starts(line, "\xc3\x97 ") || str_starts(line, "ERROR: ");
    if (line.n > 0)
        snprintf(b->last_line, sizeof(b->last_line), "%.*s",
                 (int)MIN(line.n, sizeof(b->last_line) - 1), line.p);
}

static void on_exited(struct child *c, int code, int signal, bool timed_out)
{
    struct build *b = container_of(c, struct build, child);

    b->has_child = false;
    if (code != 0) {
        const char *what = b->row.step ? b->row.step : "a step";

        if (b->is_over_time || (timed_out && b->child_has_the_rest))
            b->status = build_over_time(b);
        else if (timed_out)
            b->status = FAIL(&b->error, STATUS_TIMED_OUT, "%s took too long and was ended.", what);
        else if (signal)
            b->status = FAIL(&b->error, STATUS_INVALID, "%s was ended by signal %d. %.300s", what,
                             signal, b->last_line);
        else
            b->status = FAIL(&b->error, STATUS_INVALID, "%s failed: %.400s", what, b->last_line);
    }
    build_step_done(b);
}

static const struct child_events child_events = { .line = on_line, .exited = on_exited };

/* What a build's programs may see: where packages come from and how to reach it; nothing else of
 * ours. */
static bool passes(const char *e)
{
    static const char *const prefixes[] = {
        "PIP_",        "UV_",          "HTTP_PROXY=", "HTTPS_PROXY=", "NO_PROXY=",
        "http_proxy=", "https_proxy=", "no_proxy=",   "SSL_CERT_",    "REQUESTS_CA_BUNDLE=",
        "LANG="
    };

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (strncmp(e, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static const char *const *child_env(struct build *b)
{
    const char **list;
    size_t n = 0, at = 0;

    while (environ[n])
        n++;
    list = arena_array(&b->arena, const char *, n + 16);
    for (size_t i = 0; i < n; i++)
        if (passes(environ[i]))
            list[at++] = environ[i];
    list[at++] = arena_printf(&b->arena, "PATH=%s/%s/bin:/usr/local/bin:/usr/bin:/bin",
                              b->owner->data, b->env_path);
    list[at++] = arena_printf(&b->arena, "HOME=%s/box/home", b->folder);
    list[at++] = arena_printf(&b->arena, "TMPDIR=%s/box/tmp", b->folder);
    list[at++] = arena_printf(&b->arena, "UV_CACHE_DIR=%s/uv", b->cache);
    list[at++] = arena_printf(&b->arena, "PIP_CACHE_DIR=%s/pip", b->cache);
    /* What is in the cache stays the cache's: an environment gets another owner. */
    list[at++] = "UV_LINK_MODE=copy";
    list[at++] = "UV_PYTHON_DOWNLOADS=never";
    list[at++] = "UV_NO_PROGRESS=1";
    list[at++] = "UV_NO_CONFIG=1";
    list[at++] = "PIP_DISABLE_PIP_VERSION_CHECK=1";
    return list;
}

const char *build_source_folder(struct build *b)
{
    return arena_printf(&b->arena, "%s/src", b->folder);
}

/* No program of a build runs longer than the build may; timeout_ms 0: it may have all that is left.
 */
static void start_child(struct build *b, const char *const *args, const char *cwd,
                        int64_t timeout_ms, const struct child_events *events)
{
    int64_t gone = loop_now_ms(b->owner->loop) - b->began_ms;
    int64_t left = MAX(b->owner->options->build_timeout - gone, 1);
    struct child_spec spec = {
        .file = args[0],
        .args = args,
        .env = child_env(b),
        .cwd = cwd,
        .timeout_ms = timeout_ms ? MIN(timeout_ms, left) : left,
    };

    b->child_has_the_rest = spec.timeout_ms == left;
    b->last_line[0] = '\0';
    b->last_line_is_error = false;
    if (b->owner->self) {
        b->status = build_box_spec(b, args, spec.env, cwd, &spec.args);
        spec.file = b->owner->self;
        spec.env = NULL;
        spec.timeout_signal = SIGTERM;
    }
    if (b->status == STATUS_OK)
        b->status = child_start(b->owner->loop, &b->child, &spec, events, &b->error);
    b->has_child = b->status == STATUS_OK;
    if (!b->has_child) /* tell on a later turn, as a child would */
        work_start(b->owner->loop, &b->work, build_no_work, build_on_work_done);
}

void build_run_child(struct build *b, const char *const *args, const char *cwd, int64_t timeout_ms)
{
    start_child(b, args, cwd, timeout_ms, &child_events);
}

/* --- unpack, read --- */

static void unpack_work(struct work *w)
{
    struct build *b = of_work(w);
    struct buf from CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct buf to CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct unpack_limits limits = {
        .max_bytes = b->owner->options->max_push_unpacked,
        .max_files = b->owner->options->max_push_files,
        .max_depth = b->owner->options->max_push_depth,
        .max_path = b->owner->options->max_push_path,
    };

    build_path(b, "source.tar.gz", &from);
    build_path(b, "src", &to);
    if (mkdir(to.p, 0755) != 0)
        b->status = FAIL(&b->error, STATUS_BROKEN, "cannot make %s: %s", to.p, strerror(errno));
    else
        b->status = unpack_folder(from.p, to.p, &limits, &b->error);
    if (b->status == STATUS_OK)
        b->status = tree_give(to.p, -1, TREE_READABLE, &b->error);
    if (b->status == STATUS_OK)
        b->status = build_box_make(b);
    unlink(from.p);
}

void build_unpack(struct build *b)
{
    work_start(b->owner->loop, &b->work, unpack_work, build_on_work_done);
}

static enum status add_requirements(struct build *b, struct str text, const char *from,
                                    struct buf *out)
{
    struct arena a CLEANUP(arena_deinit) = { 0 };
    struct str line, name;
    const char *problem;
    int at = 0;

    while (str_split(&text, '\n', &line)) {
        at++;
        line = str_trim(line);
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        problem = requirement_problem(line);
        if (problem && b->owner->options->requirements_any_source)
            b->needs_source = true;
        else if (problem)
            return FAIL(&b->error, STATUS_INVALID,
                        "%s, line %d: \"%.*s\": %s. The option requirements_any_source allows it.",
                        from, at, (int)MIN(line.n, 120U), line.p, problem);
        name = requirement_name(&a, line);
        if (line.n == 0 || line.p[0] == '#' || str_is(name, "cog") || str_is(name, "coglet"))
            continue; /* the server's own pins of the SDK count */
        buf_add_str(out, line);
        buf_addc(out, '\n');
    }
    return STATUS_OK;
}

static enum status read_requirements(struct build *b, struct buf *out)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(2048);
    struct buf text CLEANUP(buf_deinit) = BUF_INIT(MAX_SMALL_FILE);
    enum status s = STATUS_OK;

    for (const char *const *p = b->cog.packages; s == STATUS_OK && *p; p++)
        s = add_requirements(
            b, str_of(*p), arena_printf(&b->arena, "%s: build.python_packages", b->cog.file), out);
    if (s != STATUS_OK || !b->cog.requirements_file)
        return s;
    if (b->cog.requirements_file[0] == '/' || strstr(b->cog.requirements_file, ".."))
        return FAIL(&b->error, STATUS_INVALID,
                    "%s: build.python_requirements is \"%.100s\"; it must be a file inside "
                    "the folder.",
                    b->cog.file, b->cog.requirements_file);
    buf_addf(&path, "%s/src/%s", b->folder, b->cog.requirements_file);
    if (path.failed || !build_read_file(path.p, &text))
        return FAIL(&b->error, STATUS_INVALID,
                    "%s: build.python_requirements names %.100s, which is not in the folder.",
                    b->cog.file, b->cog.requirements_file);
    if (str_starts(buf_str(&text), BYTE_ORDER_MARK))
        buf_shift(&text, strlen(BYTE_ORDER_MARK));
    return add_requirements(b, buf_str(&text), b->cog.requirements_file, out);
}

/* A program that is named by its path in the folder has to be there; any other is the machine's or
 * the environment's, which is not there yet. */
static enum status check_program(struct build *b)
{
    const char *program = b->model.http.command[0];
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(4096);
    struct stat st;

    if (program[0] == '/' || !strchr(program, '/') || strstr(program, "..") ||
        strstr(program, "{port}"))
        return STATUS_OK;
    build_path(b, "src/", &path);
    buf_adds(&path, program);
    if (path.failed || lstat(path.p, &st) != 0)
        return FAIL(
            &b->error, STATUS_INVALID,
            "model.yaml: command begins with \"%.200s\", which the folder does not have; it "
            "must be a program of the folder, or the name of one that is installed.",
            program);
    if (S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && !(st.st_mode & S_IXUSR)))
        return FAIL(&b->error, STATUS_INVALID,
                    "model.yaml: command begins with \"%.200s\", which cannot be executed. Make it "
                    "executable (chmod +x), or put its interpreter before it, such as [python3, "
                    "%.100s].",
                    program, program);
    return STATUS_OK;
}

/* cog.yaml, or model.yaml for a server that is not Cog's. */
static enum status read_description(struct build *b)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct buf cog CLEANUP(buf_deinit) = BUF_INIT(MAX_SMALL_FILE);
    struct buf model CLEANUP(buf_deinit) = BUF_INIT(MAX_SMALL_FILE);
    bool has_cog, has_model;
    enum status s;

    build_path(b, "src/cog.yaml", &path);
    has_cog = build_read_file(path.p, &cog);
    build_path(b, "src/model.yaml", &path);
    has_model = build_read_file(path.p, &model);
    b->needs_env = true;
    if (has_cog && has_model)
        return FAIL(&b->error, STATUS_INVALID,
                    "The pushed folder has both a cog.yaml and a model.yaml at its top; keep the "
                    "one that says how it is served.");
    if (!has_model && !has_cog)
        return FAIL(&b->error, STATUS_INVALID,
                    "The pushed folder has no cog.yaml at its top, and no model.yaml either.");
    if (has_cog)
        return cog_yaml_read(&b->arena, str_of(arena_copy(&b->arena, buf_str(&cog))), &b->cog,
                             &b->error);
    s = model_yaml_read(&b->arena, str_of(arena_copy(&b->arena, buf_str(&model))),
                        MODEL_YAML_FOLDER, &b->model, &b->cog, &b->error);
    if (s == STATUS_OK)
        s = check_program(b);
    b->needs_env = b->cog.packages[0] || b->cog.requirements_file || b->cog.python_version;
    return s;
}

static enum status read_all(struct build *b)
{
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1024);
    struct buf needs CLEANUP(buf_deinit) = BUF_INIT(MAX_SMALL_FILE);
    enum status s = read_description(b);

    if (s != STATUS_OK || !b->needs_env)
        return s;
    s = python_find(b->cog.python_version, b->owner->options->python_version_strict, b->python,
                    b->python_version, &b->error);
    if (s == STATUS_INVALID)
        error_context(&b->error, "%s", b->cog.file);
    uv_find(b->owner->data, b->uv);
    if (s == STATUS_OK)
        s = read_requirements(b, &needs);
    if (s != STATUS_OK)
        return s;
    if (!b->model.protocol)
        s = build_read_own_schema(b);
    if (s == STATUS_OK)
        s = build_digest_sources(b, buf_str(&needs));
    if (s != STATUS_OK)
        return s;
    if (!b->model.protocol)
        buf_adds(&needs, SDK);
    if (needs.failed)
        return FAIL(&b->error, STATUS_TOO_LARGE, "The requirements are longer than %d bytes.",
                    MAX_SMALL_FILE);
    build_path(b, "requirements.in", &path);
    return build_write_file(path.p, buf_str(&needs), &b->error);
}

static void read_work(struct work *w)
{
    struct build *b = of_work(w);

    b->status = read_all(b);
}

void build_read(struct build *b)
{
    work_start(b->owner->loop, &b->work, read_work, build_on_work_done);
}

/* --- system packages --- */

static void on_packages_exited(struct child *c, int code, int signal, bool timed_out)
{
    struct build *b = container_of(c, struct build, child);
    struct buf missing CLEANUP(buf_deinit) = BUF_INIT(1024);

    b->captures = false;
    if (timed_out || b->is_over_time || signal) {
        on_exited(c, -1, signal, timed_out);
        return;
    }
    b->has_child = false;
    for (const char *const *p = b->cog.system_packages; *p; p++) {
        struct buf line CLEANUP(buf_deinit) = BUF_INIT(1024);

        buf_addf(&line, "\n%s installed\n", *p);
        if (!b->captured.p || !strstr(b->captured.p, line.p))
            buf_addf(&missing, "%s%s", missing.n ? " " : "", *p);
    }
    buf_clear(&b->captured);
    (void)code; /* not zero when one of them is unknown: seen above */
    if (missing.n)
        b->status = FAIL(&b->error, STATUS_INVALID,
                         "%s: build.system_packages needs packages that this machine does "
                         "not have: %s. An administrator "
                         "can add them with: apt-get install %s",
                         b->cog.file, missing.p, missing.p);
    build_step_done(b);
}

void build_check_packages(struct build *b)
{
    static const struct child_events events = { .line = on_line, .exited = on_packages_exited };
    const char **args;
    size_t n = 0;

    while (b->cog.system_packages[n])
        n++;
    args = arena_array(&b->arena, const char *, n + 8);
    args[0] = "dpkg-query";
    args[1] = "-W";
    args[2] = "-f=${Package} ${db:Status-Status}\\n";
    args[3] = "--";
    memcpy(args + 4, b->cog.system_packages, n * sizeof(*args));
    b->captures = true;
    buf_addc(&b->captured, '\n'); /* so that a whole line can be looked for */
    start_child(b, args, b->folder, COG_CHILD_TIMEOUT_MS, &events);
}

/* --- the schema --- */

/* A schema that the folder brings stands also where the source cannot be read. */
static void on_described(struct child *c, int code, int signal, bool timed_out)
{
    struct build *b = container_of(c, struct build, child);

    if (code == 0 || !b->own_schema.p || timed_out || b->is_over_time) {
        on_exited(c, code, signal, timed_out);
        return;
    }
    b->has_child = false;
    buf_clear(&b->captured);
    build_log_write(b, "warning: the source could not be read; the schema that the folder brings "
                       "is taken as it is.");
    build_step_done(b);
}

void build_describe(struct build *b)
{
    static const struct child_events events = { .line = on_line, .exited = on_described };
    const char **args = arena_array(&b->arena, const char *, 12);
    const char *src = arena_printf(&b->arena, "%s/src", b->folder);
    size_t n = 0;

    args[n++] = b->python;
    args[n++] = "-I";
    args[n++] = b->owner->helper;
    args[n++] = src;
    args[n++] = b->cog.predict_ref ? b->cog.predict_ref : b->cog.train_ref;
    if (!b->cog.predict_ref) {
        args[n++] = "--mode";
        args[n++] = "train";
    } else if (b->cog.train_ref) {
        args[n++] = "--train-ref";
        args[n++] = b->cog.train_ref;
    }
    b->captures = true;
    start_child(b, args, src, COG_CHILD_TIMEOUT_MS, &events);
}

void build_sweep(struct build *b)
{
    static const char *const parts[] = { "src", "source.tar.gz", "requirements.in" };
    struct buf path CLEANUP(buf_deinit) = BUF_INIT(1024);

    build_box_leave(b);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        build_path(b, parts[i], &path);
        tree_remove(path.p);
    }
    if (b->made_env && b->status != STATUS_OK && !build_env_is_ready(b)) {
        buf_clear(&path);
        buf_addf(&path, "%s/%s", b->owner->data, b->env_path);
        tree_remove(path.p);
    }
}
