/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes and builds on a real loop. The whole build needs uv (BERTH_TEST_UV, or on PATH) and its
 * package index. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/build.h"

#include "base/log.h"
#include "base/mem.h"
#include "run/unpack.h"
#include "store/account.h"
#include "store/model.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODEL   "0100000001000000000000000m"
#define ACCOUNT "0100000001000000000000000a"

struct yard {
    char dir[64], helper[1024];
    struct loop *loop;
    struct store *store;
    struct options options;
    struct id_gen ids;
    struct builds *builds;
    struct push *push;
    struct timer timer; /* nothing here may take for ever */
    struct build_watcher watcher;
    struct buf packed, log;
    char id[ID_SIZE];
    struct error error;
    bool has_error, is_over;
    struct build_row row; /* of the ended build; its texts in op's arena */
    struct store_build_get op;
};

static char *no_file(const char *path, bool must_exist, struct error *err)
{
    (void)path;
    (void)must_exist;
    (void)err;
    return NULL;
}

static void on_too_long(struct timer *t)
{
    loop_stop(t->loop);
}

static void fill_store(struct yard *y)
{
    struct store_account_create account = { 0 };
    struct store_model_create model = { 0 };

    account.in =
        (struct account){ .id = ACCOUNT, .username = "alice", .name = "alice", .created_at = 1 };
    account.webhook_secret = "whsec_x";
    assert_int_equal(store_run(y->store, &account.op, &STORE_ACCOUNT_CREATE), STATUS_OK);
    store_op_deinit(&account.op);
    model.in = (struct model_row){
        .id = MODEL,
        .owner_id = ACCOUNT,
        .name = "m",
        .hardware = "cpu",
        .created_at = 2,
    };
    assert_int_equal(store_run(y->store, &model.op, &STORE_MODEL_CREATE), STATUS_OK);
    store_op_deinit(&model.op);
}

static int setup(void **state)
{
    static const char *const none[] = { NULL };
    const char *tmp = getenv("TMPDIR"), *source = getenv("BERTH_TEST_SOURCE");
    struct yard *y = xnew(struct yard);
    char path[128];
    struct error err;

    log_setup(LOG_ERROR, LOG_TEXT, 2);
    (void)snprintf(y->dir, sizeof(y->dir), "%.30s/build-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(y->dir) || options_read(&y->options, none, none, no_file, &err) != STATUS_OK)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/berth.db", y->dir);
    (void)snprintf(y->helper, sizeof(y->helper), "%s/helpers/cog_schema.py", source ? source : ".");
    y->loop = loop_new_real();
    if (store_open(y->loop, path, &y->store, &err) != STATUS_OK)
        return -1;
    id_gen_init(&y->ids, loop_rand(y->loop));
    timer_init(y->loop, &y->timer, on_too_long);
    buf_init(&y->packed, BUF_UNBOUNDED);
    buf_init(&y->log, BUF_UNBOUNDED);
    fill_store(y);
    y->builds = builds_new(y->loop, y->store,
                           &(struct builds_config){
                               .options = &y->options,
                               .data = y->dir,
                               .ids = &y->ids,
                               .helper = y->helper,
                           });
    if (builds_load(y->builds, &err) != STATUS_OK)
        return -1;
    *state = y;
    return 0;
}

static int teardown(void **state)
{
    struct yard *y = *state;

    builds_free(y->builds);
    store_op_deinit(&y->op.op);
    store_close(y->store);
    timer_stop(&y->timer);
    loop_free(y->loop);
    buf_deinit(&y->packed);
    buf_deinit(&y->log);
    options_deinit(&y->options);
    tree_remove(y->dir);
    free(y);
    return 0;
}

/* --- a folder, packed
 * ------------------------------------------------------------------------------------------- */

static la_ssize_t take_bytes(struct archive *a, void *arg, const void *bytes, size_t n)
{
    (void)a;
    buf_add(&((struct yard *)arg)->packed, bytes, n);
    return (la_ssize_t)n;
}

/* Pairs of name and text; NULL ends. */
static void pack(struct yard *y, const char *const *files)
{
    struct archive *a = archive_write_new();

    buf_clear(&y->packed);
    archive_write_add_filter_gzip(a);
    archive_write_set_format_pax_restricted(a);
    assert_int_equal(archive_write_open(a, y, NULL, take_bytes, NULL), ARCHIVE_OK);
    for (; *files; files += 2) {
        struct archive_entry *e = archive_entry_new();

        archive_entry_set_pathname(e, files[0]);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_size(e, (la_int64_t)strlen(files[1]));
        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
        assert_int_equal(archive_write_data(a, files[1], strlen(files[1])), strlen(files[1]));
        archive_entry_free(e);
    }
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
}

/* --- push and follow
 * -------------------------------------------------------------------------------------------- */

static void on_build(struct build_watcher *w, struct str text, bool ended)
{
    struct yard *y = container_of(w, struct yard, watcher);

    buf_add_str(&y->log, text);
    y->is_over = ended;
    if (ended)
        loop_stop(y->loop);
}

static void on_recorded(void *arg, const struct build_row *row, const struct error *err)
{
    struct yard *y = arg;

    if (err) {
        y->error = *err;
        y->has_error = true;
    } else {
        (void)snprintf(y->id, sizeof(y->id), "%s", row->id);
    }
    loop_stop(y->loop);
}

static void on_written(void *arg, const struct error *err)
{
    struct yard *y = arg;

    if (err) {
        y->error = *err;
        y->has_error = true;
    }
    loop_stop(y->loop);
}

static void begin(struct yard *y)
{
    y->has_error = y->is_over = false;
    y->id[0] = '\0';
    timer_start(&y->timer, 300000);
    if (push_begin(y->builds, &y->push, &y->error) != STATUS_OK)
        fail_msg("push_begin: %s", y->error.text);
}

static void finish(struct yard *y)
{
    push_finish(
        y->push,
        &(struct push_target){
            .account_id = ACCOUNT, .model_id = MODEL, .model_owner = "alice", .model_name = "m" },
        on_recorded, y);
    loop_run(y->loop);
    if (y->has_error)
        fail_msg("push_finish: %s", y->error.text);
}

/* Runs the whole of it; the ended row is in y->row. */
static void build(struct yard *y, const char *const *files)
{
    struct build *b;

    pack(y, files);
    begin(y);
    push_write(y->push, buf_str(&y->packed), on_written, y);
    loop_run(y->loop);
    assert_false(y->has_error);
    finish(y);
    y->watcher.changed = on_build;
    b = build_find(y->builds, str_of(y->id));
    assert_non_null(b);
    build_watch(b, &y->watcher);
    while (!y->is_over && timer_armed(&y->timer))
        loop_run(y->loop);
    assert_true(y->is_over);
    store_op_deinit(&y->op.op);
    y->op = (struct store_build_get){ .id = y->id };
    assert_int_equal(store_run(y->store, &y->op.op, &STORE_BUILD_GET), STATUS_OK);
    y->row = y->op.row;
}

static bool is_there(struct yard *y, const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", y->dir, name);
    return access(path, F_OK) == 0;
}

static void assert_swept(struct yard *y)
{
    static const char *const names[] = { "src", "source.tar.gz", "source.tar.gz.part", "lock.txt",
                                         "requirements.in" };
    char name[128];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        (void)snprintf(name, sizeof(name), "builds/%s/%s", y->id, names[i]);
        if (is_there(y, name))
            fail_msg("%s is left", name);
    }
    (void)snprintf(name, sizeof(name), "builds/%s/log", y->id);
    assert_true(is_there(y, name));
}

/* --- what fails
 * -------------------------------------------------------------------------------------------------
 */

static void builds_that_fail(void **state)
{
    static const char *const no_yaml[] = { "predict.py", "x = 1\n", NULL };
    static const char *const bad_key[] = { "cog.yaml", "predict: p.py:P\nbiuld: 1\n", NULL };
    static const char *const bad_need[] = {
        "cog.yaml", "predict: p.py:P\nbuild:\n  python_requirements: r.txt\n", "r.txt",
        "pillow\n--index-url https://x\n", NULL
    };
    static const char *const no_file[] = {
        "cog.yaml", "predict: p.py:P\nbuild:\n  python_requirements: r.txt\n", NULL
    };
    static const char *const outside[] = {
        "cog.yaml", "predict: p.py:P\nbuild:\n  python_requirements: ../log\n", NULL
    };
    static const char *const bad_path[] = { "../cog.yaml", "predict: p.py:P\n", NULL };
    static const struct {
        const char *const *files;
        const char *word;
    } rows[] = {
        { no_yaml, "no cog.yaml" },       { bad_key, "biuld is not a key" },
        { bad_need, "r.txt, line 2" },    { no_file, "not in the folder" },
        { outside, "inside the folder" }, { bad_path, "(..)" },
    };
    struct yard *y = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        build(y, rows[i].files);
        assert_string_equal(y->row.status, "failed");
        if (!strstr(y->row.error, rows[i].word))
            fail_msg("\"%s\", without \"%s\"", y->row.error, rows[i].word);
        assert_non_null(strstr(y->log.p, rows[i].word)); /* the log says it too */
        assert_null(y->row.version);
        assert_swept(y);
    }
}

static void a_push_that_is_too_large(void **state)
{
    struct yard *y = *state;

    y->options.max_push = 10;
    begin(y);
    push_write(y->push, STR("12345678"), on_written, y);
    loop_run(y->loop);
    assert_false(y->has_error);
    push_write(y->push, STR("12345678"), on_written, y);
    loop_run(y->loop);
    assert_true(y->has_error);
    assert_int_equal(y->error.status, STATUS_TOO_LARGE);
    assert_non_null(strstr(y->error.text, "max_push"));
    push_abort(y->push);
}

static void a_push_that_is_given_up(void **state)
{
    struct yard *y = *state;

    begin(y);
    push_write(y->push, STR("12345678"), on_written, y);
    push_abort(y->push); /* while it is being written */
    assert_false(y->has_error);
}

static void the_server_ends_in_the_middle(void **state)
{
    static const char *const files[] = { "cog.yaml", "predict: p.py:P\n", "p.py", "", NULL };
    struct yard *y = *state;

    pack(y, files);
    begin(y);
    push_write(y->push, buf_str(&y->packed), on_written, y);
    loop_run(y->loop);
    finish(y);
    assert_non_null(build_find(y->builds, str_of(y->id)));
    /* the rest is teardown's */
}

/* --- the whole
 * --------------------------------------------------------------------------------------------------
 */

static bool find_uv(char *out, size_t size)
{
    const char *said = getenv("BERTH_TEST_UV");
    struct str rest = str_of(getenv("PATH")), dir;

    if (said && *said) {
        (void)snprintf(out, size, "%s", said);
        return access(out, X_OK) == 0;
    }
    while (rest.p && str_split(&rest, ':', &dir)) {
        (void)snprintf(out, size, "%.*s/uv", STR_ARG(dir));
        if (access(out, X_OK) == 0)
            return true;
    }
    return false;
}

/* The yard's data folder has its own uv; false: there is none to be had. */
static bool bring_uv(struct yard *y)
{
    char uv[512], path[256];

    if (!find_uv(uv, sizeof(uv))) {
        (void)fprintf(stderr, "skipped: uv is neither BERTH_TEST_UV nor on PATH\n");
        return false;
    }
    (void)snprintf(path, sizeof(path), "%s/tools", y->dir);
    assert_int_equal(mkdir(path, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/tools/bin", y->dir);
    assert_int_equal(mkdir(path, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/tools/bin/uv", y->dir);
    assert_int_equal(symlink(uv, path), 0);
    return true;
}

/* Two that need the same environment: one makes it, the other waits until it has its mark. */
static void two_builds_at_once(void **state)
{
    static const char *const one[] = {
        "cog.yaml", "predict: p.py:P\n", "p.py",
        "from cog import BasePredictor\n\n\nclass P(BasePredictor):\n"
        "    def predict(self, n: int) -> int:\n        return n\n",
        NULL
    };
    static const char *const two[] = {
        "cog.yaml", "predict: p.py:P\n", "p.py",
        "from cog import BasePredictor\n\n\nclass P(BasePredictor):\n"
        "    def predict(self, m: int) -> int:\n        return m\n",
        NULL
    };
    const char *const *const folders[] = { one, two };
    struct yard *y = *state;
    char ids[2][ID_SIZE];

    y->options.build_parallel = 2;
    if (!bring_uv(y))
        skip();
    for (size_t i = 0; i < 2; i++) {
        pack(y, folders[i]);
        begin(y);
        push_write(y->push, buf_str(&y->packed), on_written, y);
        loop_run(y->loop);
        finish(y);
        memcpy(ids[i], y->id, ID_SIZE);
    }
    for (int i = 0; i < 6000 && (build_find(y->builds, str_of(ids[0])) ||
                                 build_find(y->builds, str_of(ids[1])));
         i++) {
        timer_start(&y->timer, 20);
        loop_run(y->loop);
    }
    for (size_t i = 0; i < 2; i++) {
        struct store_build_get op = { .id = ids[i] };

        assert_int_equal(store_run(y->store, &op.op, &STORE_BUILD_GET), STATUS_OK);
        if (strcmp(op.row.status, "succeeded") != 0)
            fail_msg("%s: %s", op.row.status, op.row.error ? op.row.error : "");
        store_op_deinit(&op.op);
    }
}

static void a_whole_build(void **state)
{
    static const char *const hello[] = {
        "cog.yaml", "build:\n  python_version: \"3.11\"\npredict: predict.py:Predictor\n",
        "predict.py",
        "from cog import BasePredictor, Input\n\n\nclass Predictor(BasePredictor):\n"
        "    def predict(self, text: str = Input(description=\"a word\")) -> str:\n"
        "        return \"hello \" + text\n",
        NULL
    };
    static const char *const other[] = {
        "cog.yaml", "predict: predict.py:Predictor\nbuild:\n  python_version: \"3.11\"\n",
        "predict.py",
        "from cog import BasePredictor\n\n\nclass Predictor(BasePredictor):\n"
        "    def predict(self, n: int) -> int:\n        return n\n",
        NULL
    };
    struct yard *y = *state;
    struct store_version_find found = { 0 };
    char version[65];

    if (!bring_uv(y))
        skip();
    build(y, hello);
    if (strcmp(y->row.status, "succeeded") != 0)
        fail_msg("%s\n%s", y->row.error, y->log.p);
    assert_swept(y);
    (void)snprintf(version, sizeof(version), "%s", y->row.version);
    found.id = version;
    assert_int_equal(store_run(y->store, &found.op, &STORE_VERSION_FIND), STATUS_OK);
    assert_true(is_there(y, found.row.path));
    assert_non_null(memmem(found.row.schema.p, found.row.schema.n, "a word", 6));
    store_op_deinit(&found.op);

    build(y, hello); /* the same content is the same version, and its environment is there */
    assert_string_equal(y->row.status, "succeeded");
    assert_string_equal(y->row.version, version);
    buf_clear(&y->log);
    build(y, other);
    assert_string_equal(y->row.status, "succeeded");
    assert_string_not_equal(y->row.version, version);
    assert_non_null(strstr(y->log.p, "is there already"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(builds_that_fail),        TEST(a_push_that_is_too_large),
        TEST(a_push_that_is_given_up), TEST(the_server_ends_in_the_middle),
        TEST(a_whole_build),           TEST(two_builds_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
