/* SPDX-License-Identifier: Apache-2.0 */
/* What the supervisor and the server write for each other. */
#include "init/file.h"
#include "init/model.h"
#include "init/procs.h"
#include "init/spec.h"
#include "init/state.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static int dirfd;

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/berth-init-XXXXXX");
    assert_non_null(mkdtemp(folder));
    dirfd = open(folder, O_RDONLY | O_DIRECTORY);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(dirfd);
    assert_true(folder_remove(AT_FDCWD, folder));
    assert_int_equal(access(folder, F_OK), -1);
    return 0;
}

static void spec_survives_writing(void **state)
{
    struct arena a CLEANUP(arena_deinit) = { .head = NULL };
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(BUF_UNBOUNDED);
    const char *const argv[] = { "/bin/sh", "-c", "echo \"ü\"", NULL };
    const char *const env[] = { "A=1", "B=two words", NULL };
    const char *const ro[] = { NULL };
    const char *const hide[] = { "/data", NULL };
    const char *const groups[] = { "44", "109", NULL };
    const struct init_spec s = { .id = "i1",
                                 .cwd = "/v",
                                 .argv = argv,
                                 .env = env,
                                 .hide = hide,
                                 .read_only = ro,
                                 .writable = ro,
                                 .programs = hide,
                                 .uid = 200001,
                                 .groups = groups,
                                 .memory = 2000000000,
                                 .cpus_milli = 1500,
                                 .orphan_timeout_ms = 600000,
                                 .stop_grace_ms = 10000,
                                 .max_log = 1000000,
                                 .use_cgroup = true };
    struct init_spec t;

    (void)state;
    init_spec_write(&s, &b);
    assert_int_equal(init_spec_parse(&a, buf_str(&b), &t, NULL), STATUS_OK);
    assert_string_equal(t.id, "i1");
    assert_string_equal(t.cwd, "/v");
    assert_string_equal(t.argv[2], "echo \"ü\"");
    assert_null(t.argv[3]);
    assert_string_equal(t.env[1], "B=two words");
    assert_null(t.env[2]);
    assert_string_equal(t.hide[0], "/data");
    assert_null(t.read_only[0]);
    assert_null(t.writable[0]);
    assert_string_equal(t.programs[0], "/data");
    assert_int_equal(t.uid, 200001);
    assert_string_equal(t.groups[1], "109");
    assert_null(t.groups[2]);
    assert_int_equal(t.memory, 2000000000);
    assert_int_equal(t.cpus_milli, 1500);
    assert_int_equal(t.orphan_timeout_ms, 600000);
    assert_int_equal(t.max_log, 1000000);
    assert_true(t.use_cgroup);
    assert_false(t.use_mounts);
}

static void spec_says_what_is_wrong(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "{}", "spec.json is not of version 1" },
        { "{\"v\":2}", "spec.json is not of version 1" },
        { "{\"v\":1}", "spec.json: 'id' must be text" },
        { "{\"v\":1,\"id\":\"a\",\"cwd\":\"/\",\"argv\":3}", "spec.json: 'argv' must be a list" },
        { "{\"v\":1,\"id\":\"a\",\"cwd\":\"/\",\"argv\":[\"a\\u0000b\"]}",
          "spec.json: 'argv' must be a list of texts" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct arena a CLEANUP(arena_deinit) = { .head = NULL };
        struct init_spec s;
        struct error err;

        assert_int_not_equal(init_spec_parse(&a, str_of(rows[i].text), &s, &err), STATUS_OK);
        assert_string_equal(err.text, rows[i].says);
    }
}

static void state_survives_writing(void **state)
{
    struct init_state s = { .pid = 10,
                            .start = 99,
                            .model_pid = 11,
                            .model_start = 100,
                            .port = 4242,
                            .has_own_coglet = true,
                            .is_ended = true,
                            .code = -1,
                            .signal = 9,
                            .out_of_memory = true,
                            .ended_at = 1700000000123,
                            .error = "cannot start",
                            .cgroups = { "/sys/fs/cgroup/x" } };
    struct init_state t;
    struct error err;
    struct stat st;

    (void)state;
    assert_int_equal(init_state_load(dirfd, &t, NULL), STATUS_NOT_FOUND);
    assert_int_equal(init_state_save(dirfd, &s, NULL), STATUS_OK);
    assert_int_equal(init_state_load(dirfd, &t, NULL), STATUS_OK);
    assert_memory_equal(&s, &t, sizeof(s));
    assert_int_equal(fstatat(dirfd, STATE_FILE, &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(init_file_replace(dirfd, STATE_FILE, STR("{\"v\":7}"), NULL), STATUS_OK);
    assert_int_equal(init_state_load(dirfd, &t, &err), STATUS_UNSUPPORTED);
    assert_int_equal(init_file_replace(dirfd, STATE_FILE, STR("{\"v\":1,\"pid\":1}"), NULL),
                     STATUS_OK);
    assert_int_equal(init_state_load(dirfd, &t, &err), STATUS_INVALID);
}

static void folders_are_removed_with_all_in_them(void **state)
{
    struct buf b CLEANUP(buf_deinit) = BUF_INIT(16);
    int fd;

    (void)state;
    assert_int_equal(mkdirat(dirfd, "out", 0700), 0);
    assert_int_equal(init_file_replace(dirfd, "out/kept", STR("text"), NULL), STATUS_OK);
    assert_int_equal(mkdirat(dirfd, "gone", 0700), 0);
    assert_int_equal(mkdirat(dirfd, "gone/a", 0700), 0);
    assert_int_equal(mkdirat(dirfd, "gone/a/b", 0700), 0);
    assert_int_equal(symlinkat("../../out", dirfd, "gone/a/link"), 0);
    fd = openat(dirfd, "gone/a/b/file", O_CREAT | O_WRONLY, 0400);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(fchmodat(dirfd, "gone/a/b", 0, 0), 0);
    assert_true(folder_remove(dirfd, "gone"));
    assert_int_equal(faccessat(dirfd, "gone", F_OK, 0), -1);
    assert_int_equal(init_file_read(dirfd, "out/kept", &b, NULL), STATUS_OK);
    assert_string_equal(b.p, "text");
    assert_true(folder_remove(dirfd, "never-there"));
}

static void port_is_read_from_the_line(void **state)
{
    static const struct {
        const char *line;
        int port;
    } rows[] = {
        { "{\"fields\":{\"message\":\"Starting coglet server on "
          "127.0.0.1:46483\"},\"target\":\"x\"}",
          46483 },
        { "listening 127.0.0.1:8000", 8000 },
        { "Starting coglet server on 127.0.0.1:", 0 },
        { "Starting coglet server on 127.0.0.1:0", 0 },
        { "Starting coglet server on 127.0.0.1:65536", 0 },
        { "Starting coglet server on 127.0.0.1:99999999999999999999999", 0 },
        { "listening 0.0.0.0:80", 0 },
        { "", 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(model_server_port(str_of(rows[i].line)), rows[i].port);
}

static void processes_are_told_apart(void **state)
{
    (void)state;
    assert_true(procs_start(getpid()) > 0);
    assert_int_equal(procs_start(0), 0);
    assert_int_equal(procs_start(INT32_MAX), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(spec_survives_writing, setup, teardown),
        cmocka_unit_test_setup_teardown(spec_says_what_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(state_survives_writing, setup, teardown),
        cmocka_unit_test_setup_teardown(folders_are_removed_with_all_in_them, setup, teardown),
        cmocka_unit_test(port_is_read_from_the_line),
        cmocka_unit_test(processes_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
