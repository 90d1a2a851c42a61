/* SPDX-License-Identifier: Apache-2.0 */
#include "process_support.h"

#include "base/mem.h"
#include "init/file.h"
#include "init/init.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>

static struct watch *watch_of(struct launch *l)
{
    return container_of(l, struct watch, launch);
}

static void on_address(struct launch *l, const char *url, const char *unix_socket)
{
    struct watch *x = watch_of(l);

    assert_string_equal(x->address, "");
    assert_string_not_equal(x->handle, "");
    snprintf(x->address, sizeof(x->address), "%s", url);
    snprintf(x->socket, sizeof(x->socket), "%s", unix_socket ? unix_socket : "");
    loop_stop(l->driver->loop);
}

static void on_handle(struct launch *l, struct str json)
{
    struct watch *x = watch_of(l);

    snprintf(x->handle, sizeof(x->handle), "%.*s", STR_ARG(json));
}

static void on_line(struct launch *l, struct str line)
{
    struct watch *x = watch_of(l);

    assert_false(x->is_ended);
    buf_add_str(&x->lines, line);
    buf_addc(&x->lines, '\n');
    loop_stop(l->driver->loop);
    if (x->release_on_line)
        driver_release(l);
}

static void on_ended(struct launch *l, const struct exit_info *how, const struct error *err)
{
    struct watch *x = watch_of(l);

    assert_false(x->is_ended);
    x->is_ended = true;
    x->how = *how;
    x->failed = err != NULL;
    if (err)
        x->err = *err;
    loop_stop(l->driver->loop);
}

static const struct launch_events events = {
    .address = on_address,
    .handle = on_handle,
    .line = on_line,
    .ended = on_ended,
};

static void start_driver(struct world *w)
{
    struct process_driver_config c = { .data = w->data, .self = "/proc/self/exe", .shim = "/shim" };
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    struct error err;

    assert_true(n > 0);
    self[n] = '\0';
    c.self = self;
    c.own_networks = w->own_networks;
    w->loop = loop_new_real();
    if (w->uid_range) {
        if (uids_new(w->uid_range, w->data, &w->uids, &err) != STATUS_OK)
            fail_msg("%s", err.text);
        c.uids = w->uids;
    }
    if (process_driver_new(w->loop, &c, &w->driver, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    process_driver_test(w->driver, w->argv[0] ? w->argv : NULL, w->no_cgroup, w->no_mounts);
}

int world_setup(void **state)
{
    struct world *w = xnew(struct world);
    char path[160];

    snprintf(w->data, sizeof(w->data), "/tmp/berth-driver-XXXXXX");
    assert_non_null(mkdtemp(w->data));
    snprintf(w->version, sizeof(w->version), "%s/version", w->data);
    assert_int_equal(mkdir(w->version, 0755), 0);
    snprintf(path, sizeof(path), "%s/go", w->version);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(chmod(path, 0666), 0); /* for users of their own too */
    w->config = (struct version_config){ .dialect = "cog",
                                         .predict_ref = "predict.py:P",
                                         .concurrency = 1 };
    w->sku = (struct sku){ .sku = "cpu", .cpus_milli = 1000, .memory = 400 * 1000 * 1000 };
    w->spec = (struct launch_spec){ .version_path = w->version,
                                    .config = &w->config,
                                    .mode = "predict",
                                    .internal_url = "http://127.0.0.1:1/_i/x",
                                    .sku = &w->sku,
                                    .gpu_indexes = "",
                                    .setup_timeout_ms = 60000,
                                    .orphan_timeout_ms = 60000,
                                    .max_log = 100000 };
    *state = w;
    return 0;
}

static size_t count_folders(const struct world *w)
{
    char path[160];
    const struct dirent *e;
    size_t n = 0;
    DIR *d;

    snprintf(path, sizeof(path), "%s/instances", w->data);
    d = opendir(path);
    while (d && (e = readdir(d)))
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

int world_teardown(void **state)
{
    struct world *w = *state;
    size_t left;

    driver_free(w->driver);
    uids_free(w->uids);
    loop_free(w->loop);
    left = count_folders(w);
    assert_true(folder_remove(AT_FDCWD, w->data));
    free(w);
    assert_int_equal(left, 0);
    return 0;
}

void world_start(struct world *w, const char *script)
{
    static char text[4096];

    snprintf(text, sizeof(text), "say() { echo \"pid $1\"; }; await() { read x < go; }; %s",
             script);
    w->argv[0] = "/bin/sh";
    w->argv[1] = "-c";
    w->argv[2] = text;
    start_driver(w);
}

void world_restart(struct world *w)
{
    driver_free(w->driver);
    uids_free(w->uids);
    loop_free(w->loop);
    start_driver(w);
}

void world_go(struct world *w)
{
    char path[160];
    int fd;

    snprintf(path, sizeof(path), "%s/go", w->version);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "\n", 1), 1);
    close(fd);
}

bool world_has_folder(const struct world *w, const char *id)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/instances/%s", w->data, id);
    return access(path, F_OK) == 0;
}

static void watch_init(struct watch *x)
{
    *x = (struct watch){ .lines = BUF_INIT(BUF_UNBOUNDED) };
}

void launch(struct world *w, struct watch *x, const char *id)
{
    watch_init(x);
    w->spec.id = id;
    driver_launch(w->driver, &x->launch, &w->spec, &events);
    assert_false(x->is_ended);
}

void recover(struct world *w, struct watch *x, const char *id)
{
    char handle[512];

    memcpy(handle, x->handle, sizeof(handle));
    watch_deinit(x);
    watch_init(x);
    driver_recover(w->driver, &x->launch, id, str_of(handle), &events);
    assert_false(x->is_ended);
}

void watch_deinit(struct watch *x)
{
    buf_deinit(&x->lines);
}

void until_ended(struct world *w, struct watch *x)
{
    while (!x->is_ended)
        loop_run(w->loop);
}

void until_address(struct world *w, struct watch *x)
{
    while (!x->address[0]) {
        if (x->is_ended)
            fail_msg("ended before it had an address: %s %s", x->how.text, x->err.text);
        loop_run(w->loop);
    }
}

bool has_line(const struct watch *x, const char *line)
{
    struct str rest = buf_str(&x->lines), one;

    while (str_split(&rest, '\n', &one)) {
        if (str_is(one, line))
            return true;
    }
    return false;
}

void until_line(struct world *w, struct watch *x, const char *text)
{
    while (!has_line(x, text)) {
        if (x->is_ended)
            fail_msg("ended before it said '%s': %s %s\n%s", text, x->how.text, x->err.text,
                     x->lines.p ? x->lines.p : "");
        loop_run(w->loop);
    }
}

static void stop_when_empty(struct timer *t)
{
    loop_stop(t->loop);
}

void until_empty(struct world *w)
{
    struct timer t;

    timer_init(w->loop, &t, stop_when_empty);
    while (process_driver_count(w->driver) > 0) {
        timer_start(&t, 5);
        loop_run(w->loop);
    }
    timer_stop(&t);
}

pid_t pid_in(const struct watch *x, int n)
{
    struct str rest = buf_str(&x->lines), one;
    int64_t pid = 0;

    while (str_split(&rest, '\n', &one)) {
        if (str_starts(one, "pid ") && n-- == 0) {
            assert_true(str_to_i64(str_make(one.p + 4, one.n - 4), &pid));
            return (pid_t)pid;
        }
    }
    fail_msg("no such pid in the lines:\n%s", x->lines.p ? x->lines.p : "");
    return 0;
}

pid_t number_after(const struct watch *x, const char *word)
{
    const char *at = x->lines.p ? strstr(x->lines.p, word) : NULL;

    return at ? (pid_t)strtol(at + strlen(word), NULL, 10) : 0;
}

int count_pids(const struct watch *x)
{
    struct str rest = buf_str(&x->lines), one;
    int n = 0;

    while (str_split(&rest, '\n', &one))
        n += str_starts(one, "pid ");
    return n;
}

pid_t supervisor_of(const struct watch *x)
{
    struct arena a CLEANUP(arena_deinit) = { .head = NULL };
    struct json *root;
    int64_t pid;

    assert_int_equal(json_parse(&a, str_of(x->handle), NULL, &root, NULL), STATUS_OK);
    assert_true(json_to_i64(json_get(root, "pid"), &pid));
    return (pid_t)pid;
}

bool is_alive(pid_t pid)
{
    return kill(pid, 0) == 0;
}

void wait_gone(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = { .fd = fd, .events = POLLIN };

    if (fd < 0) {
        assert_int_equal(errno, ESRCH);
        return;
    }
    while (poll(&p, 1, -1) < 0 && errno == EINTR)
        continue;
    close(fd);
}

int process_test_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n)
{
    if (argc > 1 && strcmp(argv[1], "init") == 0)
        return init_main(argc, argv);
    return _cmocka_run_group_tests("process", tests, n, NULL, NULL);
}
