/* SPDX-License-Identifier: Apache-2.0 */
/* What an instance is given: environment, folders, limits. */
#include "process_support.h"

static const struct driver_facts *facts(struct world *w)
{
    return driver_facts(w->driver);
}

static bool is_missing(struct world *w, const char *word)
{
    for (const char *const *m = facts(w)->missing; *m; m++) {
        if (strstr(*m, word))
            return true;
    }
    return false;
}

static void check_env(const struct watch *x, const char *fmt, ...) PRINTF(2, 3);

static void check_env(const struct watch *x, const char *fmt, ...)
{
    char line[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (!has_line(x, line))
        fail_msg("no line '%s' in:\n%s", line, x->lines.p);
}

static void environment_is_what_we_list(void **state)
{
    static const char *const own[] = {
        "MODEL_OWN=yes", "PATH=/evil", "COG_WEIGHTS=/evil", "LD_PRELOAD_X=1", "=odd",
        "nothing",       NULL
    };
    struct world *w = *state;
    struct watch x;
    struct str rest, one;
    size_t n = 0;

    setenv("HTTP_PROXY", "http://127.0.0.1:9", 1);
    w->config.environment = own;
    w->config.train_ref = "train.py:train";
    w->config.concurrency = 4;
    w->spec.env_path = "/some/env";
    w->spec.setup_timeout_ms = 1500;
    /* Not what a shell calls its environment: it adds variables of its own. */
    world_start(w, "tr '\\0' '\\n' < /proc/$$/environ");
    launch(w, &x, "i1");
    until_ended(w, &x);
    check_env(&x, "PATH=/some/env/bin:/usr/local/bin:/usr/bin:/bin");
    check_env(&x, "HOME=%s/instances/i1/home", w->data);
    check_env(&x, "TMPDIR=%s/instances/i1/tmp", w->data);
    check_env(&x, "LANG=C.UTF-8");
    check_env(&x, "PORT=0");
    check_env(&x, "COG_PREDICT_TYPE_STUB=predict.py:P");
    check_env(&x, "COG_TRAIN_TYPE_STUB=train.py:train");
    check_env(&x, "COG_MAX_CONCURRENCY=4");
    check_env(&x, "COG_SETUP_TIMEOUT=2");
    check_env(&x, "COG_STREAM_HISTORY_CAPACITY=65536");
    check_env(&x, "COG_THROTTLE_RESPONSE_INTERVAL=0.5");
    check_env(&x, "CUDA_VISIBLE_DEVICES=");
    check_env(&x, "PYTHONPATH=/shim");
    check_env(&x, "PYTHONUNBUFFERED=1");
    check_env(&x, "PYTHONDONTWRITEBYTECODE=1");
    check_env(&x, "MODEL_OWN=yes");
    check_env(&x, "LD_PRELOAD_X=1");
    rest = buf_str(&x.lines);
    while (str_split(&rest, '\n', &one))
        n += one.n > 0;
    if (n != 17)
        fail_msg("more than the list:\n%s", x.lines.p);
    watch_deinit(&x);
}

/* ROCm hides by its own variable, and takes CUDA's for a choice among what is left. */
static void amds_devices_are_told_as_rocm_reads_them(void **state)
{
    struct world *w = *state;
    struct watch x, y;

    w->spec.gpu_maker = GPU_AMD;
    w->spec.gpu_indexes = "1,3";
    world_start(w, "tr '\\0' '\\n' < /proc/$$/environ");
    launch(w, &x, "i1");
    until_ended(w, &x);
    check_env(&x, "ROCR_VISIBLE_DEVICES=1,3");
    assert_null(strstr(x.lines.p, "CUDA_VISIBLE_DEVICES"));
    w->spec.gpu_indexes = "";
    launch(w, &y, "i2");
    until_ended(w, &y);
    check_env(&y, "ROCR_VISIBLE_DEVICES=");
    check_env(&y, "CUDA_VISIBLE_DEVICES=");
    watch_deinit(&x);
    watch_deinit(&y);
}

static void command_is_cogs_server(void **state)
{
    struct world *w = *state;
    struct arena a CLEANUP(arena_deinit) = { .head = NULL };
    const char *const predict[] = { "/e/bin/python", "-m",        "cog.server.http",
                                    "--host",        "127.0.0.1", NULL };
    const char *const train[] = { "/e/bin/python",
                                  "-m",
                                  "cog.server.http",
                                  "--host",
                                  "127.0.0.1",
                                  "--upload-url",
                                  "http://127.0.0.1:1/_i/x/upload/",
                                  "--x-mode",
                                  "train",
                                  NULL };
    struct init_spec s;

    world_start(w, "");
    process_driver_test(w->driver, NULL, false, false);
    w->spec.id = "i1";
    w->spec.env_path = "/e";
    s = process_command(process_of(w->driver), &a, "/f", &w->spec);
    for (size_t i = 0; i < ARRAY_SIZE(predict) - 1; i++)
        assert_string_equal(s.argv[i], predict[i]);
    assert_null(s.argv[ARRAY_SIZE(predict) - 1]);
    assert_string_equal(s.cwd, w->version);
    w->spec.mode = "train";
    w->spec.upload = true;
    s = process_command(process_of(w->driver), &a, "/f", &w->spec);
    for (size_t i = 0; i < ARRAY_SIZE(train) - 1; i++)
        assert_string_equal(s.argv[i], train[i]);
    assert_null(s.argv[ARRAY_SIZE(train) - 1]);
}

static void surroundings_are_its_own(void **state)
{
    struct world *w = *state;
    struct watch x;

    world_start(w,
                "pwd; stat -c 'home %a' \"$HOME\"; stat -c 'tmp %a' \"$TMPDIR\"; "
                "echo stdin $(readlink /proc/$$/fd/0); ls /proc/$$/fd; "
                "echo core $(ulimit -c); grep NoNewPrivs /proc/$$/status | tr '\\t' ' '; "
                "cat /proc/$$/stat | cut -d' ' -f5 | sed \"s/^$$\\$/own group/\"; "
                "stat -c 'spec %n' \"$HOME/../spec.json\"; echo x > \"$TMPDIR/x\" && echo wrote");
    launch(w, &x, "i1");
    until_ended(w, &x);
    check_env(&x, "%s", w->version);
    check_env(&x, "home 700");
    check_env(&x, "tmp 700");
    check_env(&x, "stdin /dev/null");
    check_env(&x, "2");
    assert_false(has_line(&x, "3"));
    check_env(&x, "core 0");
    check_env(&x, "NoNewPrivs: 1");
    check_env(&x, "own group");
    check_env(&x, "wrote");
    assert_null(strstr(x.lines.p, "spec /"));
    watch_deinit(&x);
}

static void coglet_folder_is_private_where_mounts_are_allowed(void **state)
{
    struct world *w = *state;
    struct watch x;
    char path[200], other[200];

    world_start(w, "mkdir -p /tmp/coglet/predictions/berthtestp1; echo big > "
                   "/tmp/coglet/predictions/berthtestp1/out; "
                   "mkdir /tmp/coglet/predictions/berthtestp2; "
                   "(touch x) 2>/dev/null || echo read-only; echo listening 127.0.0.1:5001; await");
    if (is_missing(w, "mount namespaces")) {
        print_message("skipped: mount namespaces are refused here\n");
        return;
    }
    launch(w, &x, "i1");
    until_address(w, &x);
    until_line(w, &x, "listening 127.0.0.1:5001");
    assert_true(has_line(&x, "read-only"));
    assert_int_equal(access("/tmp/coglet/predictions/berthtestp1", F_OK), -1);
    snprintf(path, sizeof(path), "%s/instances/i1/coglet/predictions/berthtestp1/out", w->data);
    assert_int_equal(access(path, F_OK), 0);
    driver_clean(&x.launch, "../../home");
    driver_clean(&x.launch, "berthtestp1");
    while (access(path, F_OK) == 0)
        uv_run(loop_uv(w->loop), UV_RUN_ONCE);
    snprintf(path, sizeof(path), "%s/instances/i1/coglet/predictions/berthtestp2", w->data);
    assert_int_equal(access(path, F_OK), 0);
    snprintf(other, sizeof(other), "%s/instances/i1/home", w->data);
    assert_int_equal(access(other, F_OK), 0);
    driver_clean(&x.launch, "berthtestp2");
    driver_release(&x.launch); /* what is to be removed soon does not wait for the next server */
    world_restart(w);
    assert_int_equal(access(path, F_OK), -1);
    recover(w, &x, "i1");
    until_address(w, &x);
    world_go(w);
    until_ended(w, &x);
    watch_deinit(&x);
}

static void coglet_folder_is_shared_where_they_are_not(void **state)
{
    struct world *w = *state;
    struct watch x;
    char path[100], script[400];

    snprintf(path, sizeof(path), "/tmp/coglet/predictions/berth-%d", (int)getpid());
    snprintf(script, sizeof(script),
             "stat -c 'mode %%a' /tmp/coglet /tmp/coglet/predictions; mkdir %s; echo x > %s/f; "
             "echo listening 127.0.0.1:5001; await",
             path, path);
    w->no_mounts = true;
    world_start(w, script);
    launch(w, &x, "i1");
    if (access("/tmp/coglet/predictions", F_OK) == 0 &&
        access("/tmp/coglet/predictions", W_OK) != 0) {
        until_ended(w, &x);
        assert_int_equal(x.err.status, STATUS_UNREACHABLE);
        assert_non_null(strstr(x.err.text, "/tmp/coglet/predictions belongs to another user"));
        watch_deinit(&x);
        return;
    }
    until_address(w, &x);
    until_line(w, &x, "listening 127.0.0.1:5001");
    assert_int_equal(access(path, F_OK), 0);
    driver_clean(&x.launch, strrchr(path, '/') + 1);
    while (access(path, F_OK) == 0)
        uv_run(loop_uv(w->loop), UV_RUN_ONCE);
    world_go(w);
    until_ended(w, &x);
    watch_deinit(&x);
}

/* dash keeps the whole text in memory. A child does it, so that the model server itself survives
 * the kernel's choice of whom to kill. */
#define EAT "echo begin; sh -c 'x=$(head -c 150000000 /dev/zero | tr \"\\0\" x)'; await"

static void check_out_of_memory(struct world *w)
{
    struct watch x;

    w->sku.memory = 60 * 1000 * 1000;
    world_start(w, EAT);
    launch(w, &x, "i1");
    until_ended(w, &x);
    assert_true(has_line(&x, "begin"));
    if (!x.how.out_of_memory)
        fail_msg("%s; %s", x.how.text, x.lines.p);
    assert_true(x.how.out_of_memory);
    assert_int_equal(x.how.signal, SIGKILL);
    assert_string_equal(x.how.text, "ended for using more memory than its hardware has");
    watch_deinit(&x);
}

static void memory_limit_is_enforced_by_a_control_group(void **state)
{
    struct world *w = *state;

    world_start(w, "");
    if (is_missing(w, "memory")) {
        print_message("skipped: no control group for memory can be made here\n");
        return;
    }
    driver_free(w->driver);
    loop_free(w->loop);
    check_out_of_memory(w);
}

static void memory_limit_is_watched_without_one(void **state)
{
    struct world *w = *state;

    w->no_cgroup = true;
    check_out_of_memory(w);
}

/* Without a user of its own, whose processes are counted, the group counts. */
static void processes_are_limited_by_a_control_group(void **state)
{
    struct world *w = *state;
    struct watch x;

    w->sku.processes = 20;
    world_start(w, "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do "
                   "sleep 100 & echo started $i; done");
    if (is_missing(w, "processes can")) {
        print_message("skipped: no control group for processes can be made here\n");
        return;
    }
    launch(w, &x, "i1");
    until_ended(w, &x);
    assert_true(has_line(&x, "started 15"));
    assert_false(has_line(&x, "started 21"));
    watch_deinit(&x);
}

static void within_its_memory_an_instance_is_left_alone(void **state)
{
    struct world *w = *state;
    struct watch x;

    w->sku.memory = 500 * 1000 * 1000;
    world_start(w, "x=$(head -c 20000000 /dev/zero | tr '\\0' x); echo fine; exit 0");
    launch(w, &x, "i1");
    until_ended(w, &x);
    assert_true(has_line(&x, "fine"));
    assert_false(x.how.out_of_memory);
    assert_int_equal(x.how.code, 0);
    watch_deinit(&x);
}

static void a_supervisor_that_cannot_run_is_said_at_once(void **state)
{
    struct world *w = *state;
    struct process_driver_config c = { .data = w->data, .self = "/nowhere/berth" };
    struct driver *d;
    struct error err;

    world_start(w, "");
    assert_int_equal(process_driver_new(w->loop, &c, &d, &err), STATUS_BROKEN);
    assert_non_null(strstr(err.text, "/nowhere/berth"));
    c.self = "/bin/true";
    assert_int_equal(process_driver_new(w->loop, &c, &d, &err), STATUS_BROKEN);
    assert_string_equal(err.text, "/bin/true init --probe does not answer");
    assert_string_equal(facts(w)->name, "process");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        PROCESS_TEST(environment_is_what_we_list),
        PROCESS_TEST(amds_devices_are_told_as_rocm_reads_them),
        PROCESS_TEST(command_is_cogs_server),
        PROCESS_TEST(surroundings_are_its_own),
        PROCESS_TEST(coglet_folder_is_private_where_mounts_are_allowed),
        PROCESS_TEST(coglet_folder_is_shared_where_they_are_not),
        PROCESS_TEST(memory_limit_is_enforced_by_a_control_group),
        PROCESS_TEST(processes_are_limited_by_a_control_group),
        PROCESS_TEST(memory_limit_is_watched_without_one),
        PROCESS_TEST(within_its_memory_an_instance_is_left_alone),
        PROCESS_TEST(a_supervisor_that_cannot_run_is_said_at_once),
    };

    return process_test_main(argc, argv, tests, ARRAY_SIZE(tests));
}
