/* SPDX-License-Identifier: Apache-2.0 */
/* What must happen before what in builds: deadlines, environments that several need, and what is on
 * the disk before a version is registered. A stand-in for uv waits where a test wants it to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "yard.h"

#include "run/unpack.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- a stand-in for uv --- */

/* Each step reads a word from the pipe gate-STEP of the data folder when there is one. */
static const char UV[] =
    "#!/bin/sh\n"
    "data=${0%/tools/bin/uv}\n"
    "gate() {\n"
    "    word=\n"
    "    if [ -p \"$data/gate-$1\" ]; then read -r word <\"$data/gate-$1\"; fi\n"
    "    [ \"$word\" != fail ] || { echo \"told to fail\" >&2; exit 1; }\n"
    "}\n"
    "case \"$1 $2\" in\n"
    "'pip compile') gate compile; cp ../requirements.in ../out/lock.txt ;;\n"
    "'pip sync') gate sync ;;\n"
    "'venv '*) for env; do :; done; mkdir -p \"$env/bin\"; gate venv ;;\n"
    "esac\n";

static int setup(void **state)
{
    struct yard *y;

    if (yard_setup(state) != 0)
        return -1;
    y = *state;
    yard_make_folder(y, "tools");
    yard_make_folder(y, "tools/bin");
    yard_make_file(y, "tools/bin/uv", UV, 0755);
    y->options.build_parallel = 4;
    return 0;
}

static int close_gate(struct yard *y, const char *step)
{
    char path[256];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/gate-%s", y->dir, step);
    assert_int_equal(mkfifo(path, 0600), 0);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* The next builds go through; whoever waits already goes on waiting. */
static void remove_gate(struct yard *y, const char *step)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/gate-%s", y->dir, step);
    assert_int_equal(unlink(path), 0);
}

static void open_gate(int fd, const char *word)
{
    assert_int_equal(write(fd, word, strlen(word)), strlen(word));
}

#define MODEL_OF(name)                                                                             \
    "from cog import BasePredictor\n\n\nclass P(BasePredictor):\n"                                 \
    "    def predict(self, " name ": int) -> int:\n        return " name "\n"
static const char *const ONE[] = { "cog.yaml", "predict: p.py:P\n", "p.py", MODEL_OF("one"), NULL };
static const char *const TWO[] = { "cog.yaml", "predict: p.py:P\n", "p.py", MODEL_OF("two"), NULL };

static void assert_succeeded(struct yard *y)
{
    if (strcmp(y->row.status, "succeeded") != 0)
        fail_msg("%s: %s", y->row.status, y->row.error ? y->row.error : "");
}

static void assert_out_of_time(struct yard *y)
{
    assert_string_equal(y->row.status, "failed");
    if (!strstr(y->row.error, "build_timeout"))
        fail_msg("%s", y->row.error);
}

/* --- deadlines --- */

/* It comes while a work thread is busy, where there is no child to kill. */
static void a_deadline_during_work(void **state)
{
    struct yard *y = *state;
    struct build *b = yard_start(y, ONE);
    char id[ID_SIZE];

    memcpy(id, y->id, sizeof(id));
    b->deadline.cb(&b->deadline);
    yard_wait_end(y, id);
    assert_out_of_time(y);
}

static void a_deadline_kills_the_child(void **state)
{
    struct yard *y = *state;
    int gate = close_gate(y, "compile");
    struct build *b = yard_start(y, ONE);
    char id[ID_SIZE];

    memcpy(id, y->id, sizeof(id));
    yard_wait_state(y, b, BUILD_RESOLVING);
    timer_start(&b->deadline, 0);
    yard_wait_end(y, id);
    assert_out_of_time(y);
    close(gate);
}

/* A child may not take longer than what is left of the build's time, deadline or not. */
static void a_child_gets_what_is_left(void **state)
{
    struct yard *y = *state;
    int gate = close_gate(y, "compile");
    struct build *b = yard_start(y, ONE);
    char id[ID_SIZE];

    memcpy(id, y->id, sizeof(id));
    timer_stop(&b->deadline);
    b->began_ms -= y->options.build_timeout;
    yard_wait_end(y, id);
    assert_out_of_time(y);
    close(gate);
}

/* --- environments that several need --- */

static void a_deadline_wakes_one_that_waits(void **state)
{
    struct yard *y = *state;
    int gate = close_gate(y, "venv");
    struct build *maker = yard_start(y, ONE), *waiter;
    char made[ID_SIZE], waited[ID_SIZE], env[512];

    memcpy(made, y->id, sizeof(made));
    yard_wait_state(y, maker, BUILD_MAKING_ENV);
    (void)snprintf(env, sizeof(env), "%s", maker->env_path);
    for (int i = 0; i < MANY_TURNS && !yard_is_there(y, env); i++)
        yard_turn(y);
    waiter = yard_start(y, TWO);
    memcpy(waited, y->id, sizeof(waited));
    yard_wait_state(y, waiter, BUILD_WAITING_ENV);
    timer_start(&waiter->deadline, 0);
    yard_wait_end(y, waited);
    assert_out_of_time(y);
    assert_true(yard_is_there(y, env)); /* it is the other's */
    assert_ptr_equal(build_find(y->builds, str_of(made)), maker);
    remove_gate(y, "venv");
    open_gate(gate, "go\n");
    yard_wait_end(y, made);
    assert_succeeded(y);
    close(gate);
}

struct spy {
    struct build_watcher watcher;
    struct build *waiter;
    int state_then;
};

/* The maker has failed and is about to sweep: one that comes now must wait for that. */
static void on_maker(struct build_watcher *w, struct str text, bool ended)
{
    struct spy *s = container_of(w, struct spy, watcher);

    if (ended || !str_starts(text, "== failed"))
        return;
    build_step_done(s->waiter);
    s->state_then = s->waiter->flow.at;
}

static void a_maker_that_fails(void **state)
{
    struct yard *y = *state;
    struct spy spy = { .watcher.changed = on_maker, .state_then = -1 };
    int gate = close_gate(y, "sync");
    struct build *maker = yard_start(y, ONE);
    char made[ID_SIZE], waited[ID_SIZE];

    memcpy(made, y->id, sizeof(made));
    yard_wait_state(y, maker, BUILD_INSTALLING);
    spy.waiter = yard_start(y, TWO);
    memcpy(waited, y->id, sizeof(waited));
    yard_wait_state(y, spy.waiter, BUILD_WAITING_ENV);
    build_watch(maker, &spy.watcher);
    open_gate(gate, "fail\n");
    yard_wait_end(y, made);
    assert_string_equal(y->row.status, "failed");
    assert_non_null(strstr(y->row.error, "told to fail"));
    assert_int_equal(spy.state_then, BUILD_WAITING_ENV);
    yard_wait_state(y, spy.waiter, BUILD_INSTALLING); /* now it makes it itself */
    open_gate(gate, "go\n");
    yard_wait_end(y, waited);
    assert_succeeded(y);
    close(gate);
}

/* --- what is on the disk before what --- */

static struct {
    struct yard *yard;
    int n_env, n_version; /* how often all was brought to the disk before and after */
    bool version_was_there;
    bool plants; /* puts a folder where the next version goes */
} disk;

int syncfs(int fd)
{
    char link[64], path[512];
    ssize_t n;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 10);
    path[MAX(n, 0)] = '\0';
    if (strstr(path, "/envs/")) {
        (void)snprintf(path + n, 10, "/ready");
        assert_int_not_equal(access(path, F_OK), 0); /* the mark comes after */
        disk.n_env++;
    } else if (strstr(path, "/versions/")) {
        disk.n_version++;
    }
    return (int)syscall(SYS_syncfs, fd);
}

int rename(const char *from, const char *to)
{
    const char *at = strstr(to, "/versions/");
    char path[512];

    if (disk.plants && at) {
        (void)snprintf(path, sizeof(path), "%s/x", to);
        assert_int_equal(mkdir(to, 0755) | mkdir(path, 0755), 0);
    }
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

static void on_line(struct build_watcher *w, struct str text, bool ended)
{
    (void)w;
    if (!ended && str_starts(text, "== registering"))
        disk.version_was_there = disk.n_version == 1 && disk.n_env == 1;
}

static void files_reach_the_disk_first(void **state)
{
    struct yard *y = *state;
    struct build_watcher w = { .changed = on_line };
    struct build *b = yard_start(y, ONE);
    char id[ID_SIZE];

    memset(&disk, 0, sizeof(disk));
    memcpy(id, y->id, sizeof(id));
    build_watch(b, &w);
    yard_wait_end(y, id);
    assert_succeeded(y);
    assert_true(disk.version_was_there);
}

/* Both have found that the version is not there; the second one's rename finds it is. */
static void the_same_placed_by_another(void **state)
{
    struct yard *y = *state;

    memset(&disk, 0, sizeof(disk));
    disk.plants = true;
    yard_build(y, ONE);
    disk.plants = false;
    assert_succeeded(y);
    assert_int_equal(disk.n_version, 1);
    yard_assert_swept(y);
}

static void the_same_twice_at_once(void **state)
{
    struct yard *y = *state;
    char ids[2][ID_SIZE], version[65];

    for (int i = 0; i < 2; i++) {
        yard_start(y, ONE);
        memcpy(ids[i], y->id, ID_SIZE);
    }
    yard_wait_end(y, ids[0]);
    assert_succeeded(y);
    (void)snprintf(version, sizeof(version), "%s", y->row.version);
    yard_wait_end(y, ids[1]);
    assert_succeeded(y);
    assert_string_equal(y->row.version, version);
    assert_int_equal(yard_count_in(y, "versions"), 1);
}

/* --- a schema that the folder brings --- */

static void read_schema(struct yard *y, struct buf *out)
{
    struct store_version_find found = { .id = y->row.version };
    char path[512];

    assert_succeeded(y);
    assert_int_equal(store_run(y->store, &found.op, &STORE_VERSION_FIND), STATUS_OK);
    buf_clear(out);
    buf_add_str(out, found.row.schema);
    (void)snprintf(path, sizeof(path), "%s/%s/.cog/openapi_schema.json", y->dir, found.row.path);
    store_op_deinit(&found.op);
    assert_int_equal(access(path, R_OK), 0);
}

static void an_own_schema(void **state)
{
#define SCHEMAS                                                                                    \
    "\"components\":{\"schemas\":{\"Input\":{\"type\":\"object\",\"properties\":{\"mine\":{"       \
    "\"type\":\"string\"}}}}}"
#define SHOWN "{" SCHEMAS ",\"paths\":{\"/predictions\":{\"post\":{\"x-cog-streaming\":true}}}}"
    static const char *const bare[] = { "cog.yaml",    "predict: p.py:P\n",        "p.py",
                                        MODEL_OF("n"), ".cog/openapi_schema.json", "{" SCHEMAS "}",
                                        NULL };
    static const char *const whole[] = { "cog.yaml",    "predict: p.py:P\n",        "p.py",
                                         MODEL_OF("n"), ".cog/openapi_schema.json", "{ " SHOWN,
                                         NULL };
    static const char *const other[] = {
        "cog.yaml",
        "predict: p.py:P\n",
        "p.py",
        "not python at all",
        ".cog/openapi_schema.json",
        "{\"paths\":{\"/\":{},\"/predictions\":{\"get\":1,\"post\":{\"a\":[1],"
        "\"x-cog-streaming\":false}}}," SCHEMAS "}",
        NULL
    };
    static const char *const as_it_is[] = { "cog.yaml",    "predict: p.py:P\n",        "p.py",
                                            MODEL_OF("n"), ".cog/openapi_schema.json", SHOWN " ",
                                            NULL };
    struct buf schema CLEANUP(buf_deinit) = BUF_INIT(65536);
    struct yard *y = *state;

    yard_build(y, bare);
    read_schema(y, &schema);
    assert_string_equal(schema.p, SHOWN);
    yard_build(y, whole);
    assert_string_equal(y->row.status, "failed");
    yard_build(y, other); /* the source cannot be read: the schema stands for it */
    read_schema(y, &schema);
    assert_string_equal(schema.p, "{" SCHEMAS ",\"paths\":{\"/\":{},\"/predictions\":{\"get\":1,"
                                  "\"post\":{\"a\":[1],\"x-cog-streaming\":true}}}}");
    yard_build(y, as_it_is);
    read_schema(y, &schema);
    assert_string_equal(schema.p, SHOWN " ");
}

/* --- versions that are deleted --- */

static bool in_use;

static bool is_in_use(void *arg, const char *path)
{
    assert_true(arg == &in_use && str_starts(str_of(path), "versions/"));
    return in_use;
}

static void delete_row(struct yard *y, const char *version)
{
    struct store_version_delete op = {
        .owner = STR("alice"), .name = STR("m"), .id = str_of(version), .viewer_id = ACCOUNT
    };

    assert_int_equal(store_run(y->store, &op.op, &STORE_VERSION_DELETE), STATUS_OK);
    assert_true(op.content_unused);
    store_op_deinit(&op.op);
}

static void a_deleted_version(void **state)
{
    struct yard *y = *state;
    char version[65], path[128];

    yard_build(y, ONE);
    assert_succeeded(y);
    (void)snprintf(version, sizeof(version), "%s", y->row.version);
    (void)snprintf(path, sizeof(path), "versions/%s", version);
    builds_forget_version(y->builds, path, NULL, NULL); /* its row is there (again): it stays */
    for (int i = 0; i < MANY_TURNS && !list_empty(&y->builds->forgotten); i++)
        yard_turn(y);
    assert_true(yard_is_there(y, path));

    delete_row(y, version);
    in_use = true;
    builds_forget_version(y->builds, path, is_in_use, &in_use);
    assert_true(timer_armed(&y->builds->forget_timer));
    assert_true(yard_is_there(y, path));
    in_use = false;
    timer_start(&y->builds->forget_timer, 0);
    for (int i = 0; i < MANY_TURNS && !list_empty(&y->builds->forgotten); i++)
        yard_turn(y);
    assert_int_equal(yard_count_in(y, "versions"), 0);
    yard_build(y, ONE); /* and it can come back */
    assert_succeeded(y);
    assert_true(yard_is_there(y, path));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, yard_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_deadline_during_work),
        TEST(a_deadline_kills_the_child),
        TEST(a_child_gets_what_is_left),
        TEST(a_deadline_wakes_one_that_waits),
        TEST(a_maker_that_fails),
        TEST(files_reach_the_disk_first),
        TEST(the_same_placed_by_another),
        TEST(the_same_twice_at_once),
        TEST(an_own_schema),
        TEST(a_deleted_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
